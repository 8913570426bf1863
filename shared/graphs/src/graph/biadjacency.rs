//! A bipartite graph as two compact lists of neighbours: what statistics are computed on.

use super::{Mask, Sampling};
use crate::names::{self, Choice};
use crate::rng::{Purpose, stream};
use rand::seq::index;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Exp1};
use rayon::prelude::*;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What the nodes of a convolution's graph are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// Weight graph: left an input channel and kernel position each, `(c·kh + ky)·kw + kx`, right the output channels; one edge a
    /// weight (Pal et al. 2022 call it unrolled).
    #[default]
    Weights,
    /// Channel graph: left the input channels, right the output channels; an edge where any kernel position is kept.
    Channels,
}

impl View {
    /// Both views with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::Weights,
            name: "weights",
            aliases: &["unrolled"],
            about: "an edge a weight: input channels and kernel positions on one side, output channels on the other",
        },
        Choice {
            value: Self::Channels,
            name: "channels",
            aliases: &["channel"],
            about: "an edge for each pair of channels with a weight between them",
        },
    ];
}

names::named!(View, "view of a graph");

/// The biadjacency matrix of a bipartite graph, left × right, with the neighbours of every node in ascending order, from both sides.
/// Inputs are left, outputs right. There are no parallel edges.
///
/// 8 bytes an edge and 8 bytes a node, however large the matrix is; a [`Mask`] takes a bit for each of its entries instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Biadjacency {
    left: Lists,
    right: Lists,
}

/// Rows of a random graph that are drawn in parallel.
const ROWS: usize = 1024;

/// Neighbours of the nodes of one side, behind each other.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lists {
    starts: Vec<usize>,
    nodes: Vec<u32>,
}

impl Lists {
    fn of(&self, node: usize) -> &[u32] {
        &self.nodes[self.starts[node]..self.starts[node + 1]]
    }

    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn degrees(&self) -> Vec<usize> {
        self.starts.windows(2).map(|w| w[1] - w[0]).collect()
    }

    /// Removes random edges, or adds random missing ones, until there are this many. If all sets with as many edges as before were
    /// equally likely, so are all sets with as many as now.
    fn change_to(&mut self, edges: usize, others: usize, rng: &mut impl Rng) {
        let mut degrees = self.degrees();
        if let Some(more) = self.nodes.len().checked_sub(edges) {
            let mut gone = index::sample(rng, self.nodes.len(), more).into_vec();
            gone.sort_unstable();
            for edge in &gone {
                degrees[self.starts.partition_point(|start| start <= edge) - 1] -= 1;
            }
            let (mut edge, mut gone) = (0, gone.into_iter().peekable());
            self.nodes.retain(|_| {
                edge += 1;
                gone.next_if_eq(&(edge - 1)).is_none()
            });
        } else {
            let mut new = BTreeSet::new();
            while self.nodes.len() + new.len() < edges {
                let (node, other) = (rng.random_range(0..self.len()), rng.random_range(0..others) as u32);
                if self.of(node).binary_search(&other).is_err() && new.insert((node, other)) {
                    degrees[node] += 1;
                }
            }
            let mut nodes = Vec::with_capacity(edges);
            for node in 0..self.len() {
                let place = nodes.len();
                nodes.extend_from_slice(self.of(node));
                nodes.extend(new.range((node, 0)..=(node, u32::MAX)).map(|(_, other)| *other));
                if nodes.len() - place > self.of(node).len() {
                    nodes[place..].sort_unstable();
                }
            }
            self.nodes = nodes;
        }
        self.starts = starts(degrees.into_iter());
    }
}

/// Where the lists of nodes with these degrees begin, and where the last one ends.
fn starts(degrees: impl Iterator<Item = usize>) -> Vec<usize> {
    let ends = degrees.scan(0, |end, degree| {
        *end += degree;
        Some(*end)
    });
    std::iter::once(0).chain(ends).collect()
}

impl Biadjacency {
    /// The graph of a layer with this many groups (1 unless it is a grouped convolution), whose left nodes count over all groups.
    /// O(weights / 64 + edges).
    ///
    /// # Panics
    /// If the groups do not divide the outputs.
    #[must_use]
    pub fn of_mask(mask: &Mask, groups: usize, view: View) -> Self {
        let shape = mask.shape();
        assert!(groups > 0 && shape.out.is_multiple_of(groups), "{groups} groups in a layer of shape {shape}");
        let taps = if view == View::Channels { shape.taps() } else { 1 };
        let (columns, per_group) = (shape.fan_in() / taps, shape.out / groups);
        let mut degrees = vec![0; shape.out];
        let mut nodes = Vec::with_capacity(mask.edges());
        let mut last = None;
        for p in mask.iter() {
            let (output, column) = (p / shape.fan_in(), p % shape.fan_in() / taps);
            let edge = (output, output / per_group * columns + column);
            if last != Some(edge) {
                degrees[output] += 1;
                nodes.push(edge.1 as u32);
                last = Some(edge);
            }
        }
        Self::from_right(groups * columns, Lists { starts: starts(degrees.into_iter()), nodes })
    }

    /// The graph with these edges (left, right); repeated ones count once. O(edges · log(edges)).
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn from_edges(left: usize, right: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut edges: Vec<(usize, usize)> = edges.into_iter().map(|(l, r)| (r, l)).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut degrees = vec![0; right];
        for (r, l) in &edges {
            assert!(*l < left, "left node {l} of {left}");
            degrees[*r] += 1;
        }
        let nodes = edges.into_iter().map(|(_, l)| l as u32).collect();
        Self::from_right(left, Lists { starts: starts(degrees.into_iter()), nodes })
    }

    /// Draws a random graph of any size, without a mask: G(n, p) or G(n, m) on all left × right pairs. Every right node draws from
    /// the stream `(seed, Mask, node)`, and what G(n, m) then adds or removes from `(seed, Growth, 0)`, so the graph depends on nothing but
    /// these arguments. O(edges + nodes).
    ///
    /// # Panics
    /// If the density is not in \[0, 1\], or a side has more than 2³² nodes.
    #[must_use]
    pub fn sample(left: usize, right: usize, density: f64, law: Sampling, seed: u64) -> Self {
        assert!((0.0..=1.0).contains(&density), "density {density} outside [0, 1]");
        assert!(u32::try_from(left.max(right)).is_ok(), "{left} and {right} nodes are too many");
        let expected = left as f64 * right as f64 * density;
        let mut nodes = Vec::with_capacity((expected + 6.0 * expected.sqrt()) as usize + 1);
        let mut degrees = Vec::with_capacity(right);
        // A few rows at a time: all of them at once would take as much memory again.
        for first in (0..right).step_by(ROWS) {
            let rows = first..right.min(first + ROWS);
            let rows: Vec<Vec<u32>> = rows.into_par_iter().map(|r| draw_row(left, density, seed, r)).collect();
            degrees.extend(rows.iter().map(Vec::len));
            for row in rows {
                nodes.extend(row);
            }
        }
        let mut drawn = Lists { starts: starts(degrees.into_iter()), nodes };
        if law == Sampling::Exact {
            drawn.change_to(expected.round() as usize, left, &mut stream(seed, Purpose::Growth, 0));
        }
        Self::from_right(left, drawn)
    }

    /// Makes the lists of the left side. Nodes are ascending in every list.
    fn from_right(left: usize, right: Lists) -> Self {
        let mut degrees = vec![0; left];
        right.nodes.iter().for_each(|l| degrees[*l as usize] += 1);
        let starts = starts(degrees.into_iter());
        let mut nodes = vec![0; right.nodes.len()];
        // Each part of the left side reads all edges and writes its own: no two write the same list.
        let parts = if right.nodes.len() < 1 << 20 { 1 } else { rayon::current_num_threads() };
        let size = left.div_ceil(parts).max(1);
        let mut rest = &mut nodes[..];
        let mut slices = Vec::new();
        for first in (0..left).step_by(size) {
            let end = (first + size).min(left);
            let (part, more) = rest.split_at_mut(starts[end] - starts[first]);
            slices.push((first, end, part));
            rest = more;
        }
        slices.into_par_iter().for_each(|(first, end, part)| {
            let mut next: Vec<usize> = starts[first..end].iter().map(|s| s - starts[first]).collect();
            for r in 0..right.len() {
                for &l in right.of(r) {
                    if let Some(place) = (l as usize).checked_sub(first).and_then(|l| next.get_mut(l)) {
                        part[*place] = r as u32;
                        *place += 1;
                    }
                }
            }
        });
        Self { left: Lists { starts, nodes }, right }
    }

    /// Number of left nodes.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Number of right nodes.
    #[must_use]
    pub fn right(&self) -> usize {
        self.right.len()
    }

    /// Number of edges.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.right.nodes.len()
    }

    /// Edges over pairs; 0 where there are no pairs.
    #[must_use]
    pub fn density(&self) -> f64 {
        let pairs = self.left() as f64 * self.right() as f64;
        if pairs > 0.0 { self.edges() as f64 / pairs } else { 0.0 }
    }

    /// The right nodes next to a left node, ascending.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn of_left(&self, node: usize) -> &[u32] {
        self.left.of(node)
    }

    /// The left nodes next to a right node, ascending.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn of_right(&self, node: usize) -> &[u32] {
        self.right.of(node)
    }

    /// Degrees of the left nodes.
    #[must_use]
    pub fn left_degrees(&self) -> Vec<usize> {
        self.left.degrees()
    }

    /// Degrees of the right nodes.
    #[must_use]
    pub fn right_degrees(&self) -> Vec<usize> {
        self.right.degrees()
    }

    /// The same graph with its sides exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { left: self.right, right: self.left }
    }
}

/// Neighbours of one node, each present with this probability: gaps between them are geometric, that is exponential, rounded down.
fn draw_row(left: usize, density: f64, seed: u64, row: usize) -> Vec<u32> {
    let rng = &mut stream(seed, Purpose::Mask, row as u64);
    let mean = -1.0 / (-density).ln_1p();
    let mut gap = || {
        let exponential: f64 = Exp1.sample(rng);
        // Without edges the mean is infinite, and 0 times it is no number.
        if density > 0.0 { (exponential * mean) as usize } else { left }
    };
    let mut nodes = Vec::with_capacity((left as f64 * density * 1.1) as usize + 8);
    let mut next = gap();
    while next < left {
        nodes.push(next as u32);
        next = (next + 1).saturating_add(gap());
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{LayerShape, sample};

    fn edges(graph: &Biadjacency) -> Vec<(usize, usize)> {
        (0..graph.right()).flat_map(|r| graph.of_right(r).iter().map(move |l| (*l as usize, r))).collect()
    }

    fn check(graph: &Biadjacency) {
        let ascending = |list: &[u32]| list.windows(2).all(|w| w[0] < w[1]);
        assert!((0..graph.left()).all(|l| ascending(graph.of_left(l))));
        assert!((0..graph.right()).all(|r| ascending(graph.of_right(r))));
        let mut both: Vec<(usize, usize)> =
            (0..graph.left()).flat_map(|l| graph.of_left(l).iter().map(move |r| (l, *r as usize))).collect();
        both.sort_by_key(|(l, r)| (*r, *l));
        assert_eq!(both, edges(graph), "the same edges from both sides");
        assert_eq!(graph.left_degrees().iter().sum::<usize>(), graph.edges());
        assert_eq!(graph.right_degrees().iter().sum::<usize>(), graph.edges());
    }

    #[test]
    fn masks_have_a_weight_graph_and_a_channel_graph() {
        for (shape, groups) in [
            (LayerShape::conv(12, 5, [3, 3]), 1),
            (LayerShape::conv(12, 5, [3, 2]), 4),
            (LayerShape::linear(7, 30), 1),
            (LayerShape::conv(6, 1, [3, 3]), 6),
        ] {
            let mask = sample(shape, 0.2, Sampling::Bernoulli, &mut stream(7, Purpose::Mask, 0));
            for view in [View::Weights, View::Channels] {
                let graph = Biadjacency::of_mask(&mask, groups, view);
                let taps = if view == View::Channels { shape.taps() } else { 1 };
                let columns = shape.fan_in() / taps;
                let of = |p: usize| {
                    let (o, column) = (p / shape.fan_in(), p % shape.fan_in() / taps);
                    (o / (shape.out / groups) * columns + column, o)
                };
                assert_eq!((graph.left(), graph.right()), (groups * columns, shape.out));
                assert_eq!(graph, Biadjacency::from_edges(groups * columns, shape.out, mask.iter().map(of)));
                check(&graph);
                if view == View::Weights {
                    assert_eq!(graph.edges(), mask.edges());
                    assert_eq!(graph.right_degrees(), mask.in_degrees());
                }
            }
        }
    }

    #[test]
    fn drawn_graphs_have_the_edges_asked_for() {
        for (left, right, density) in
            [(300, 200, 0.05), (4000, 1500, 0.001), (50, 400, 0.7), (9, 7, 0.0), (9, 7, 1.0), (0, 5, 0.5), (5, 0, 0.5)]
        {
            let exact = Biadjacency::sample(left, right, density, Sampling::Exact, 1);
            check(&exact);
            assert_eq!(exact.edges(), (left as f64 * right as f64 * density).round() as usize);
            let n = (left * right) as f64;
            let free = Biadjacency::sample(left, right, density, Sampling::Bernoulli, 1);
            check(&free);
            assert!((free.edges() as f64 - n * density).abs() <= 5.0 * (n * density * (1.0 - density)).sqrt());
            assert_eq!(free, Biadjacency::sample(left, right, density, Sampling::Bernoulli, 1));
        }
        assert_ne!(Biadjacency::sample(30, 20, 0.2, Sampling::Exact, 1), Biadjacency::sample(30, 20, 0.2, Sampling::Exact, 2));
    }

    /// Every pair is equally likely, whichever the law: hits of a pair are binomial.
    #[test]
    fn every_pair_is_equally_likely() {
        let (draws, density) = (3000, 0.3);
        for law in [Sampling::Bernoulli, Sampling::Exact] {
            let mut hits = [0.0; 20];
            for seed in 0..draws {
                for (l, r) in edges(&Biadjacency::sample(5, 4, density, law, seed)) {
                    hits[4 * l + r] += 1.0;
                }
            }
            let deviation = (density * (1.0 - density) * draws as f64).sqrt();
            assert!(hits.iter().all(|h| (h - density * draws as f64).abs() < 4.5 * deviation), "{law}: {hits:?}");
        }
    }

    #[test]
    fn sides_can_be_exchanged() {
        let graph = Biadjacency::from_edges(3, 2, [(0, 0), (2, 0), (2, 1), (0, 0)]);
        let other = graph.clone().transposed();
        assert_eq!(other, Biadjacency::from_edges(2, 3, [(0, 0), (0, 2), (1, 2)]));
        assert_eq!(graph.edges(), 3);
    }
}
