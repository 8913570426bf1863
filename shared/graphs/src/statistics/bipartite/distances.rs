//! How many edges lie between two nodes.

use super::components::{labels, largest, sizes};
use super::half::Half;
use crate::graph::Biadjacency;
use crate::rng::{Purpose, stream};
use rand::seq::index;
use rayon::prelude::*;
use serde::Serialize;

/// Lengths of shortest paths. Up to 5,000 nodes they are searched from every node, else from 256 random ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distances {
    /// Mean length of the shortest paths between two nodes of the largest component. None if that has a single node, or if no
    /// search began there.
    pub mean: Option<f64>,
    /// Greatest length of a shortest path in the largest component; a lower bound unless `exact`. None as for `mean`.
    pub diameter: Option<usize>,
    /// Global efficiency (Latora and Marchiori 2001): mean of 1 / length over all pairs of different nodes of the whole graph, 0 where
    /// there is no path. None with fewer than two nodes.
    pub efficiency: Option<f64>,
    /// Number of nodes that a search began at.
    pub sources: usize,
    /// Whether these were all nodes.
    pub exact: bool,
    /// Standard error of `mean`, over random sources in the largest component; none if `exact`, or with fewer than two of them.
    pub standard_error: Option<f64>,
}

/// Nodes a search can begin at together: one bit each.
const TOGETHER: usize = 256;

/// A set of sources.
type Set = [u64; TOGETHER / 64];

const EMPTY: Set = [0; TOGETHER / 64];

/// Most nodes from all of which paths are searched.
const ALL: usize = 5000;

/// Nanoseconds, about, of [`Distances::of`] on one core.
pub(super) fn cost(graph: &Biadjacency) -> f64 {
    let nodes = graph.left() + graph.right();
    let sources = if nodes <= ALL { nodes } else { TOGETHER };
    // Sources of either side have searches of their own.
    let searches = (sources.div_ceil(TOGETHER) + 1) as f64;
    // Sets of sources that are put together, in the cache or far away.
    let each = if nodes < 100_000 { 4.0 } else { 20.0 };
    searches * each * graph.edges() as f64 * (1.0 + steps(graph))
}

/// About how many steps it takes from one node to most others in a random graph with as many edges: each step to the other side and
/// back multiplies the nodes reached by both mean degrees. 0 where that is no multiplication, and components are small.
pub(super) fn steps(graph: &Biadjacency) -> f64 {
    let (left, right, edges) = (graph.left() as f64, graph.right() as f64, graph.edges() as f64);
    let factor = edges * edges / (left * right).max(1.0);
    if factor > 1.0 { 2.0 * (left + right).ln() / factor.max(2.0).ln() } else { 0.0 }
}

impl Distances {
    /// Measures a graph; `seed` decides which nodes of a large one the search begins at. O(edges · sources / 256) for each step from
    /// the sources; breadth-first searches from up to 256 nodes of one side run together, a bit each (Then et al. 2014).
    ///
    /// # Panics
    /// If there are more than 2³² nodes.
    #[must_use]
    pub fn of(graph: &Biadjacency, seed: u64) -> Self {
        let nodes = graph.left() + graph.right();
        let labels = labels(graph);
        let sizes = sizes(&labels);
        let giant = largest(&sizes).map_or(0, |c| c as u32);
        let exact = nodes <= ALL;
        let mut sources: Vec<usize> = if exact {
            (0..nodes).collect()
        } else {
            index::sample(&mut stream(seed, Purpose::Statistics, 0), nodes, TOGETHER).into_vec()
        };
        sources.sort_unstable();
        let (left, right) = sources.split_at(sources.partition_point(|s| *s < graph.left()));
        let chunks = |half, nodes: &[usize], first: usize| -> Vec<(Half, Vec<usize>)> {
            nodes.chunks(TOGETHER).map(|c| (half, c.iter().map(|s| s - first).collect())).collect()
        };
        let mut searches = chunks(Half::left(graph), left, 0);
        searches.extend(chunks(Half::right(graph), right, graph.left()));
        let in_giant = |half: Half, node: usize| labels[half.number(node)] == giant;
        let found: Vec<Found> = searches.into_par_iter().map(|(half, nodes)| search(half, &nodes, &in_giant, !exact)).collect();
        let others = sizes.get(giant as usize).map_or(0, |size| size - 1);
        Self::from_found(&found, nodes, sources.len(), exact, others)
    }

    /// `others`: how many nodes every node of the largest component reaches.
    fn from_found(found: &[Found], nodes: usize, sources: usize, exact: bool, others: usize) -> Self {
        let steps = found.iter().map(|f| f.reached.len()).max().unwrap_or(0);
        let reached = |step: usize| -> [u64; 2] {
            found.iter().filter_map(|f| f.reached.get(step)).fold([0, 0], |sum, r| [sum[0] + r[0], sum[1] + r[1]])
        };
        let (mut inverse, mut pairs, mut lengths, mut diameter) = (0.0, 0, 0, None);
        for step in 0..steps {
            let [all, giant] = reached(step);
            let length = step + 1;
            inverse += all as f64 / length as f64;
            pairs += giant;
            lengths += giant * length as u64;
            diameter = if giant > 0 { Some(length) } else { diameter };
        }
        let means: Vec<f64> = found.iter().flat_map(|f| &f.lengths).map(|sum| *sum as f64 / others as f64).collect();
        Self {
            mean: (pairs > 0).then(|| lengths as f64 / pairs as f64),
            diameter,
            efficiency: (nodes > 1).then(|| inverse / (sources as f64 * (nodes - 1) as f64)),
            sources,
            exact,
            standard_error: standard_error(&means),
        }
    }
}

/// Standard error of the mean of a sample; none with fewer than two values.
fn standard_error(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt())
}

/// What searches from some nodes of one side found.
struct Found {
    /// For each length, from 1 on, how many pairs of a source and another node have it: in the whole graph, and in the largest component.
    reached: Vec<[u64; 2]>,
    /// Sum of the lengths from each source in the largest component, where asked for.
    lengths: Vec<u64>,
}

/// Sets of sources that have reached the nodes of one side.
struct Reached {
    /// At any step.
    seen: Vec<Set>,
    /// At the last step on this side; only at its `active` nodes, which are those that are not empty.
    wave: Vec<Set>,
}

impl Reached {
    fn new(nodes: usize) -> Self {
        Self { seen: vec![EMPTY; nodes], wave: vec![EMPTY; nodes] }
    }
}

/// Searches from nodes of one side together. Sources of one side are at nodes of one side at every step, so that a step goes over each edge
/// in one direction at most.
fn search(half: Half, sources: &[usize], in_giant: &impl Fn(Half, usize) -> bool, each: bool) -> Found {
    let edges: usize = (0..half.nodes()).map(|node| half.degree(node)).sum();
    let mut all = EMPTY;
    let (mut from, mut to) = (Reached::new(half.nodes()), Reached::new(half.other().nodes()));
    for (bit, source) in sources.iter().enumerate() {
        let set = &mut from.seen[*source];
        set[bit / 64] |= 1 << (bit % 64);
        all[bit / 64] |= 1 << (bit % 64);
        from.wave[*source] = *set;
    }
    let mut found = Found { reached: Vec::new(), lengths: Vec::new() };
    let mut sums = vec![0; TOGETHER];
    let mut side = half;
    let mut active: Vec<u32> = sources.iter().map(|s| *s as u32).collect();
    for length in 1.. {
        let ahead: usize = active.iter().map(|node| side.degree(*node as usize)).sum();
        // Going on from few nodes is cheaper than asking all nodes for what comes to them; from many it is dearer, since a node that has
        // been reached by all sources asks no further.
        let next = if ahead * 4 < edges {
            push(side, &active, &from.wave, &mut to)
        } else {
            pull(side.other(), all, &from.wave, &mut to)
        };
        for node in &active {
            from.wave[*node as usize] = EMPTY;
        }
        side = side.other();
        if next.is_empty() {
            break;
        }
        let mut reached = [0, 0];
        for node in &next {
            let set = to.wave[*node as usize];
            let count: u64 = set.iter().map(|word| u64::from(word.count_ones())).sum();
            reached[0] += count;
            if in_giant(side, *node as usize) {
                reached[1] += count;
                if each {
                    members(set).for_each(|source| sums[source] += length);
                }
            }
        }
        found.reached.push(reached);
        active = next;
        std::mem::swap(&mut from, &mut to);
    }
    if each {
        found.lengths = sources.iter().zip(sums).filter(|(s, _)| in_giant(half, **s)).map(|(_, sum)| sum).collect();
    }
    found
}

/// From active nodes of this side on to the other; the nodes that a source reaches for the first time.
fn push(side: Half, active: &[u32], wave: &[Set], to: &mut Reached) -> Vec<u32> {
    let mut next = Vec::new();
    for node in active {
        let set = wave[*node as usize];
        for other in side.neighbours(*node as usize) {
            let new = without(set, to.seen[*other as usize]);
            if new != EMPTY {
                let arrived = &mut to.wave[*other as usize];
                if *arrived == EMPTY {
                    next.push(*other);
                }
                *arrived = union(*arrived, new);
            }
        }
    }
    for other in &next {
        to.seen[*other as usize] = union(to.seen[*other as usize], to.wave[*other as usize]);
    }
    next
}

/// What comes to the nodes of this side from the wave on the other; the nodes that a source reaches for the first time.
fn pull(side: Half, all: Set, wave: &[Set], to: &mut Reached) -> Vec<u32> {
    let mut next = Vec::new();
    for node in 0..side.nodes() {
        let missing = without(all, to.seen[node]);
        if missing == EMPTY {
            continue;
        }
        let mut new = EMPTY;
        for other in side.neighbours(node) {
            new = union(new, wave[*other as usize]);
            if without(missing, new) == EMPTY {
                break;
            }
        }
        // What came may have been here before.
        new = without(new, to.seen[node]);
        if new != EMPTY {
            to.wave[node] = new;
            to.seen[node] = union(to.seen[node], new);
            next.push(node as u32);
        }
    }
    next
}

fn union(a: Set, b: Set) -> Set {
    std::array::from_fn(|k| a[k] | b[k])
}

fn without(a: Set, b: Set) -> Set {
    std::array::from_fn(|k| a[k] & !b[k])
}

fn members(set: Set) -> impl Iterator<Item = usize> {
    set.into_iter().enumerate().flat_map(|(k, mut word)| {
        std::iter::from_fn(move || {
            let bit = word.trailing_zeros() as usize;
            word &= word.wrapping_sub(1);
            (bit < 64).then_some(64 * k + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Sampling;

    /// Lengths from one node to all, by searching from it alone.
    fn lengths(graph: &Biadjacency, source: usize) -> Vec<Option<usize>> {
        let left = graph.left();
        let mut lengths = vec![None; left + graph.right()];
        lengths[source] = Some(0);
        let mut queue = std::collections::VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            let (list, first) = if node < left { (graph.of_left(node), left) } else { (graph.of_right(node - left), 0) };
            for other in list.iter().map(|n| *n as usize + first) {
                if lengths[other].is_none() {
                    lengths[other] = lengths[node].map(|l| l + 1);
                    queue.push_back(other);
                }
            }
        }
        lengths
    }

    /// The definitions, from all lengths: mean, diameter, efficiency.
    fn plain(graph: &Biadjacency) -> (Option<f64>, Option<usize>, f64) {
        let nodes = graph.left() + graph.right();
        let labels = labels(graph);
        let giant = largest(&sizes(&labels)).unwrap() as u32;
        let (mut inside, mut inverse) = (Vec::new(), 0.0);
        for (source, label) in labels.iter().enumerate() {
            for length in lengths(graph, source).into_iter().flatten().filter(|l| *l > 0) {
                inverse += 1.0 / length as f64;
                inside.extend((*label == giant).then_some(length));
            }
        }
        let mean = inside.iter().sum::<usize>() as f64 / inside.len() as f64;
        let mean = (!inside.is_empty()).then_some(mean);
        (mean, inside.iter().max().copied(), inverse / (nodes * (nodes - 1)) as f64)
    }

    #[test]
    fn searching_together_finds_what_searching_alone_does() {
        for (left, right, density) in
            [(300, 40, 0.02), (60, 310, 0.005), (60, 310, 0.01), (20, 30, 0.3), (9, 9, 1.0), (5, 6, 0.0), (270, 280, 0.004)]
        {
            let graph = Biadjacency::sample(left, right, density, Sampling::Bernoulli, 2);
            let distances = Distances::of(&graph, 0);
            let (mean, diameter, efficiency) = plain(&graph);
            assert_eq!((distances.mean, distances.diameter), (mean, diameter), "{left}x{right}");
            assert!((distances.efficiency.unwrap() - efficiency).abs() < 1e-12);
            assert_eq!((distances.sources, distances.exact, distances.standard_error), (left + right, true, None));
        }
    }

    /// A path, where all but the first steps are pushed: mean (n + 1) / 3.
    #[test]
    fn long_paths() {
        let n = 1000;
        let path = Biadjacency::from_edges(n, n, (0..n).flat_map(|i| [(i, i), ((i + 1).min(n - 1), i)]));
        let distances = Distances::of(&path, 0);
        assert_eq!((distances.mean, distances.diameter), (Some((2 * n + 1) as f64 / 3.0), Some(2 * n - 1)));
    }

    #[test]
    fn large_graphs_are_sampled_within_their_standard_error() {
        let graph = Biadjacency::sample(4000, 1500, 0.001, Sampling::Bernoulli, 3);
        let (mean, diameter, efficiency) = plain(&graph);
        let (mean, diameter) = (mean.unwrap(), diameter.unwrap());
        let mut inside = 0;
        for seed in 0..12 {
            let distances = Distances::of(&graph, seed);
            assert_eq!((distances.sources, distances.exact), (256, false));
            let (off, error) = (distances.mean.unwrap() - mean, distances.standard_error.unwrap());
            assert!(off.abs() < 4.0 * error && error < 0.05 * mean, "{off} {error}");
            inside += usize::from(off.abs() < error);
            assert!(distances.diameter.unwrap() <= diameter);
            assert!((distances.efficiency.unwrap() / efficiency - 1.0).abs() < 0.15);
        }
        // About two thirds.
        assert!((4..=12).contains(&inside), "{inside} of 12");
        assert_eq!(Distances::of(&graph, 1), Distances::of(&graph, 1));
        assert_ne!(Distances::of(&graph, 1).mean, Distances::of(&graph, 2).mean);
    }

    #[test]
    fn graphs_with_few_nodes() {
        let none = Distances::of(&Biadjacency::from_edges(0, 0, []), 0);
        assert_eq!((none.mean, none.diameter, none.efficiency, none.sources), (None, None, None, 0));
        let one = Distances::of(&Biadjacency::from_edges(0, 1, []), 0);
        assert_eq!((one.mean, one.efficiency), (None, None));
        let two = Distances::of(&Biadjacency::from_edges(1, 1, [(0, 0)]), 0);
        assert_eq!((two.mean, two.diameter, two.efficiency), (Some(1.0), Some(1), Some(1.0)));
    }
}
