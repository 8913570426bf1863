//! Subgraphs whose spectra are computed one at a time.

use crate::graph::Biadjacency;
use crate::statistics::bipartite::labels;

/// The left nodes of each connected component that has edges, those with most edges first. O(edges).
pub(super) fn components(graph: &Biadjacency) -> Vec<Vec<usize>> {
    let labels = labels(graph);
    let mut parts: Vec<(usize, Vec<usize>)> = vec![(0, Vec::new()); labels.iter().max().map_or(0, |last| *last as usize + 1)];
    for l in 0..graph.left() {
        let (edges, nodes) = &mut parts[labels[l] as usize];
        *edges += graph.of_left(l).len();
        nodes.push(l);
    }
    parts.retain(|(edges, _)| *edges > 0);
    parts.sort_by_key(|(edges, _)| std::cmp::Reverse(*edges));
    parts.into_iter().map(|(_, nodes)| nodes).collect()
}

/// The graph of these left nodes and the right nodes next to them, both numbered anew in order. O(edges · log(edges)) of the result.
pub(super) fn on_left(graph: &Biadjacency, left: &[usize]) -> Biadjacency {
    let mut right: Vec<u32> = left.iter().flat_map(|l| graph.of_left(*l)).copied().collect();
    right.sort_unstable();
    right.dedup();
    let of_node = |(new, l): (usize, &usize)| {
        let number = |r: &u32| right.partition_point(|other| other < r);
        graph.of_left(*l).iter().map(|r| (new, number(r))).collect::<Vec<_>>()
    };
    Biadjacency::from_edges(left.len(), right.len(), left.iter().enumerate().flat_map(of_node))
}

/// Sizes of a graph without its isolated nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) edges: usize,
}

impl Sides {
    pub(super) fn of(graph: &Biadjacency) -> Self {
        let left = (0..graph.left()).filter(|l| !graph.of_left(*l).is_empty()).count();
        let right = (0..graph.right()).filter(|r| !graph.of_right(*r).is_empty()).count();
        Self { left, right, edges: graph.edges() }
    }

    /// Mean degree of the left nodes.
    pub(super) fn left_degree(&self) -> f64 {
        self.edges as f64 / self.left as f64
    }

    /// Mean degree of the right nodes.
    pub(super) fn right_degree(&self) -> f64 {
        self.edges as f64 / self.right as f64
    }
}
