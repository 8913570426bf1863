//! How often two nodes share neighbours: four-cycles, and Latapy's pairwise clustering.

use super::half::Half;
use crate::graph::Biadjacency;
use rayon::prelude::*;
use serde::Serialize;
use std::ops::Range;

/// Clustering of a bipartite graph as a whole. It has no triangles; its shortest cycles have four edges.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clustering {
    /// Number of cycles of four edges.
    pub four_cycles: u128,
    /// Number of paths of three edges, Σ (dᵤ − 1)(dᵥ − 1) over edges.
    pub three_paths: u128,
    /// Part of the paths of three edges that a fourth one closes, 4 · cycles / paths (Robins and Alexander 2004); about the density in a
    /// random graph. None without such paths.
    pub coefficient: Option<f64>,
}

/// Mean pairwise clustering of one side (Latapy, Magnien and Del Vecchio 2008): for each node the mean, over all nodes that share a
/// neighbour with it, of the number of shared neighbours over a size; 0 for a node that shares none. Means over all nodes of
/// the side, none without nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latapy {
    /// Over the number of neighbours that either has.
    pub dot: Option<f64>,
    /// Over the smaller of the two degrees.
    pub min: Option<f64>,
    /// Over the larger of the two degrees.
    pub max: Option<f64>,
}

/// Clustering of the whole graph, and that of its left and its right nodes. Every pair of nodes of one side is seen once; the
/// smaller of these costs is paid on each side: Σ d² / 2 over the nodes of the other side, by going from node to neighbour to
/// neighbour, or nodes² / 128 · nodes of the other side, by packed bits, which wins in dense graphs.
#[must_use]
pub fn clustering(graph: &Biadjacency) -> (Clustering, [Latapy; 2]) {
    let (cycles, left) = latapy(Half::left(graph));
    let (_, right) = latapy(Half::right(graph));
    (Clustering::with(graph, cycles), [left, right])
}

impl Clustering {
    /// Clustering of the whole graph alone, from the side where it costs less; see [`clustering`].
    #[must_use]
    pub fn of(graph: &Biadjacency) -> Self {
        let (left, right) = (Half::left(graph), Half::right(graph));
        Self::with(graph, four_cycles(if cost(left) < cost(right) { left } else { right }))
    }

    fn with(graph: &Biadjacency, four_cycles: u128) -> Self {
        let three_paths = three_paths(graph);
        let coefficient = (three_paths > 0).then(|| 4.0 * four_cycles as f64 / three_paths as f64);
        Self { four_cycles, three_paths, coefficient }
    }
}

fn three_paths(graph: &Biadjacency) -> u128 {
    let degrees = graph.left_degrees();
    let through = |r: usize| {
        let others: usize = graph.of_right(r).iter().map(|l| degrees[*l as usize] - 1).sum();
        others as u128 * graph.of_right(r).len().saturating_sub(1) as u128
    };
    (0..graph.right()).into_par_iter().map(through).sum()
}

/// Nanoseconds, about, that counting shared neighbours takes on one core.
const WEDGE: f64 = 0.7;
const WORD: f64 = 0.9;
const PAIR: f64 = 4.0;

/// Half the wedges: ways from a node of this side over a neighbour to a later node.
fn wedges(side: Half) -> f64 {
    let other = side.other();
    (0..other.nodes()).map(|node| 0.5 * (other.degree(node) as f64).powi(2)).sum()
}

fn pairs(side: Half) -> f64 {
    0.5 * (side.nodes() as f64).powi(2)
}

fn cost_of_wedges(side: Half) -> f64 {
    let wedges = wedges(side);
    WEDGE * wedges + PAIR * wedges.min(pairs(side))
}

fn cost_of_bits(side: Half) -> f64 {
    pairs(side) * (PAIR + WORD * side.other().nodes().div_ceil(64) as f64)
}

/// Nanoseconds, about, to see all pairs of one side that share a neighbour, on one core.
pub(super) fn cost(side: Half) -> f64 {
    cost_of_wedges(side).min(cost_of_bits(side))
}

/// Counts the neighbours that a node shares with each later node of its side.
enum Counter<'g> {
    Wedges(Half<'g>),
    /// A row of bits for each node.
    Bits {
        words: usize,
        rows: Vec<u64>,
        nodes: usize,
    },
}

impl<'g> Counter<'g> {
    fn new(side: Half<'g>) -> Self {
        if cost_of_wedges(side) <= cost_of_bits(side) { Self::Wedges(side) } else { Self::bits(side) }
    }

    fn bits(side: Half) -> Self {
        let words = side.other().nodes().div_ceil(64);
        let mut rows = vec![0; words * side.nodes()];
        for (node, row) in rows.chunks_exact_mut(words.max(1)).enumerate() {
            for other in side.neighbours(node) {
                row[*other as usize / 64] |= 1 << (other % 64);
            }
        }
        Self::Bits { words, rows, nodes: side.nodes() }
    }

    /// Calls `visit` with each later node that shares neighbours with this one, and their number. `counts` has a zero for each node, and
    /// again when this returns.
    fn visit(&self, node: usize, counts: &mut [u32], mut visit: impl FnMut(usize, u32)) {
        match self {
            Self::Wedges(side) => {
                let later = |other: &u32| {
                    let nodes = side.other().neighbours(*other as usize);
                    &nodes[nodes.partition_point(|n| *n as usize <= node)..]
                };
                let mut wedges = 0;
                for other in side.neighbours(node) {
                    let nodes = later(other);
                    wedges += nodes.len();
                    for n in nodes {
                        counts[*n as usize] += 1;
                    }
                }
                // The nodes with a count are found again on the same ways, or by looking at all, whichever are fewer.
                if wedges < counts.len() - node {
                    for n in side.neighbours(node).iter().flat_map(later) {
                        let shared = std::mem::take(&mut counts[*n as usize]);
                        if shared > 0 {
                            visit(*n as usize, shared);
                        }
                    }
                } else {
                    for (shared, n) in counts[node + 1..].iter_mut().zip(node + 1..) {
                        let shared = std::mem::take(shared);
                        if shared > 0 {
                            visit(n, shared);
                        }
                    }
                }
            }
            Self::Bits { words, rows, nodes } => {
                let row = |n: usize| &rows[n * words..(n + 1) * words];
                for n in node + 1..*nodes {
                    let shared: u32 = row(node).iter().zip(row(n)).map(|(a, b)| (a & b).count_ones()).sum();
                    if shared > 0 {
                        visit(n, shared);
                    }
                }
            }
        }
    }
}

/// Ranges of nodes that have about as many later nodes together. They depend on nothing but the number of nodes, so that sums over them
/// do not depend on threads.
fn blocks(nodes: usize) -> Vec<Range<usize>> {
    // Each range has sums for half the nodes, on average: fewer ranges where that is a lot of memory.
    let blocks = ((1 << 22) / nodes.max(1)).clamp(4, 32);
    let start = |k: usize| nodes - (nodes as f64 * (1.0 - k as f64 / blocks as f64).sqrt()) as usize;
    (0..blocks).map(|k| start(k)..start(k + 1)).filter(|r| !r.is_empty()).collect()
}

/// Four-cycles over two nodes with this many shared neighbours.
fn squares(shared: u32) -> u64 {
    u64::from(shared) * u64::from(shared - 1) / 2
}

fn four_cycles(side: Half) -> u128 {
    let counter = Counter::new(side);
    let of_block = |block: Range<usize>| {
        let mut counts = vec![0; side.nodes()];
        let mut cycles = 0;
        for node in block {
            counter.visit(node, &mut counts, |_, shared| cycles += u128::from(squares(shared)));
        }
        cycles
    };
    blocks(side.nodes()).into_par_iter().map(of_block).sum()
}

/// Sums over the nodes that share a neighbour with one.
#[derive(Debug, Clone, Copy, Default)]
struct Shares {
    nodes: f64,
    dot: f64,
    min: f64,
    max: f64,
}

impl Shares {
    fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.dot += other.dot;
        self.min += other.min;
        self.max += other.max;
    }
}

/// Four-cycles and pairwise clustering from the pairs of one side.
fn latapy(side: Half) -> (u128, Latapy) {
    let counter = Counter::new(side);
    let degrees: Vec<f64> = side.degrees().into_iter().map(|d| d as f64).collect();
    let of_block = |block: Range<usize>| {
        let first = block.start;
        let mut counts = vec![0; side.nodes()];
        let mut sums = vec![Shares::default(); side.nodes() - first];
        let mut cycles = 0;
        for node in block {
            let mut own = Shares::default();
            counter.visit(node, &mut counts, |other, shared| {
                cycles += u128::from(squares(shared));
                let (a, b, c) = (degrees[node], degrees[other], f64::from(shared));
                let shares = Shares { nodes: 1.0, dot: c / (a + b - c), min: c / a.min(b), max: c / a.max(b) };
                own.add(shares);
                sums[other - first].add(shares);
            });
            sums[node - first].add(own);
        }
        (first, cycles, sums)
    };
    let parts: Vec<(usize, u128, Vec<Shares>)> = blocks(side.nodes()).into_par_iter().map(of_block).collect();
    let mut sums = vec![Shares::default(); side.nodes()];
    for (first, _, part) in &parts {
        sums[*first..].iter_mut().zip(part).for_each(|(sum, p)| sum.add(*p));
    }
    let mean = |value: fn(&Shares) -> f64| {
        let sum: f64 = sums.iter().filter(|s| s.nodes > 0.0).map(|s| value(s) / s.nodes).sum();
        (side.nodes() > 0).then(|| sum / side.nodes() as f64)
    };
    (parts.iter().map(|p| p.1).sum(), Latapy { dot: mean(|s| s.dot), min: mean(|s| s.min), max: mean(|s| s.max) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Sampling;

    /// Both ways of counting, and blocks, against all pairs.
    #[test]
    fn shared_neighbours_are_counted_by_wedges_and_bits() {
        for density in [0.0, 0.02, 0.1, 0.5, 1.0] {
            let graph = Biadjacency::sample(70, 130, density, Sampling::Bernoulli, 5);
            for side in [Half::left(&graph), Half::right(&graph)] {
                let mut expected = Vec::new();
                for a in 0..side.nodes() {
                    for b in a + 1..side.nodes() {
                        let shared = side.neighbours(a).iter().filter(|n| side.neighbours(b).contains(n)).count();
                        if shared > 0 {
                            expected.push((a, b, shared as u32));
                        }
                    }
                }
                for counter in [Counter::Wedges(side), Counter::bits(side)] {
                    let mut found = Vec::new();
                    let mut counts = vec![0; side.nodes()];
                    for a in blocks(side.nodes()).into_iter().flatten() {
                        counter.visit(a, &mut counts, |b, shared| found.push((a, b, shared)));
                    }
                    found.sort_unstable();
                    assert_eq!(found, expected, "{density}");
                }
                let cycles: u128 = expected.iter().map(|(_, _, c)| u128::from(c * (c - 1) / 2)).sum();
                assert_eq!(Clustering::of(&graph).four_cycles, cycles);
                assert_eq!(clustering(&graph).0.four_cycles, cycles);
            }
        }
    }

    #[test]
    fn complete_graphs_are_fully_clustered() {
        let graph = Biadjacency::sample(5, 9, 1.0, Sampling::Exact, 0);
        let (whole, sides) = clustering(&graph);
        assert_eq!((whole.four_cycles, whole.three_paths, whole.coefficient), (10 * 36, 45 * 4 * 8, Some(1.0)));
        let one = Latapy { dot: Some(1.0), min: Some(1.0), max: Some(1.0) };
        assert_eq!(sides, [one.clone(), one]);
    }

    #[test]
    fn graphs_without_paths_have_no_coefficient() {
        for (left, right, edges) in
            [(0, 0, vec![]), (0, 3, vec![]), (2, 0, vec![]), (1, 1, vec![(0, 0)]), (2, 2, vec![(0, 0), (1, 1)])]
        {
            let (whole, [inputs, outputs]) = clustering(&Biadjacency::from_edges(left, right, edges));
            assert_eq!((whole.four_cycles, whole.three_paths, whole.coefficient), (0, 0, None));
            assert_eq!((inputs.dot, outputs.max), ((left > 0).then_some(0.0), (right > 0).then_some(0.0)));
        }
    }

    #[test]
    fn sums_do_not_depend_on_threads() {
        let graph = Biadjacency::sample(300, 200, 0.1, Sampling::Bernoulli, 1);
        let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| clustering(&graph));
        assert_eq!(with(1), with(3));
    }
}
