//! Masks as graphs for petgraph's algorithms, without copying.

use super::{Csr, csr::Link};
use petgraph::graph::UnGraph;
use petgraph::visit::{
    Data, EdgeCount, EdgeIndexable, EdgeRef, GraphBase, GraphProp, GraphRef, IntoEdgeReferences, IntoEdges, IntoNeighbors,
    IntoNodeIdentifiers, IntoNodeReferences, NodeCompactIndexable, NodeCount, NodeIndexable, Visitable,
};
use std::iter::Map;
use std::ops::Range;

/// A layer's mask as an undirected bipartite multigraph: units are numbered inputs first, then outputs; parallel edges stand for
/// several kernel positions between two channels. Edges have the numbers of the mask and carry no weight; look weights up by
/// [`EdgeRef::id`].
///
/// Algorithms of petgraph that need no directed edges take it by value:
///
/// ```
/// use petgraph::algo::{connected_components, maximum_matching};
/// use er_graphs::graph::{Bipartite, Csr, LayerShape, Mask};
///
/// // Two inputs, three outputs: 0—0, 0—1, 1—2.
/// let mask = Mask::from_positions(LayerShape::linear(3, 2), [0, 2, 5]);
/// let csr = Csr::new(&mask, 1);
/// let graph = Bipartite::new(&csr);
/// assert_eq!(connected_components(graph), 2);
/// assert_eq!(maximum_matching(graph).len(), 2);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Bipartite<'a> {
    csr: &'a Csr,
}

impl<'a> Bipartite<'a> {
    /// A view of these adjacency lists.
    pub fn new(csr: &'a Csr) -> Self {
        Self { csr }
    }

    /// The node of an input unit.
    pub fn input(&self, unit: usize) -> usize {
        unit
    }

    /// The node of an output unit.
    pub fn output(&self, unit: usize) -> usize {
        self.csr.inputs() + unit
    }

    /// Links of a node, and the node number of unit 0 on the other side.
    fn links(self, node: usize) -> (&'a [Link], usize) {
        match node.checked_sub(self.csr.inputs()) {
            Some(output) => (self.csr.output(output), 0),
            None => (self.csr.input(node), self.csr.inputs()),
        }
    }
}

/// One edge of a [`Bipartite`] graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    source: usize,
    target: usize,
    id: usize,
}

impl EdgeRef for Edge {
    type NodeId = usize;
    type EdgeId = usize;
    type Weight = ();

    fn source(&self) -> usize {
        self.source
    }

    fn target(&self) -> usize {
        self.target
    }

    fn weight(&self) -> &() {
        &()
    }

    fn id(&self) -> usize {
        self.id
    }
}

/// The edges of one node, seen from it.
#[derive(Debug, Clone)]
pub struct Edges<'a> {
    node: usize,
    first: usize,
    links: std::slice::Iter<'a, Link>,
}

impl Iterator for Edges<'_> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        let link = self.links.next()?;
        Some(Edge { source: self.node, target: self.first + link.unit as usize, id: link.edge as usize })
    }
}

/// All edges in edge order, from input to output.
#[derive(Debug, Clone)]
pub struct EdgeReferences<'a> {
    csr: &'a Csr,
    output: usize,
    links: std::slice::Iter<'a, Link>,
}

impl Iterator for EdgeReferences<'_> {
    type Item = Edge;

    fn next(&mut self) -> Option<Edge> {
        loop {
            if let Some(link) = self.links.next() {
                // `output` already points behind the list being read.
                let target = self.csr.inputs() + self.output - 1;
                return Some(Edge { source: link.unit as usize, target, id: link.edge as usize });
            }
            if self.output == self.csr.outputs() {
                return None;
            }
            self.links = self.csr.output(self.output).iter();
            self.output += 1;
        }
    }
}

impl GraphBase for Bipartite<'_> {
    type NodeId = usize;
    type EdgeId = usize;
}

impl GraphRef for Bipartite<'_> {}

impl GraphProp for Bipartite<'_> {
    type EdgeType = petgraph::Undirected;
}

impl Data for Bipartite<'_> {
    type NodeWeight = ();
    type EdgeWeight = ();
}

impl NodeCount for Bipartite<'_> {
    fn node_count(&self) -> usize {
        self.csr.inputs() + self.csr.outputs()
    }
}

impl EdgeCount for Bipartite<'_> {
    fn edge_count(&self) -> usize {
        self.csr.edges()
    }
}

impl NodeIndexable for Bipartite<'_> {
    fn node_bound(&self) -> usize {
        self.node_count()
    }

    fn to_index(&self, node: usize) -> usize {
        node
    }

    fn from_index(&self, index: usize) -> usize {
        index
    }
}

impl NodeCompactIndexable for Bipartite<'_> {}

impl EdgeIndexable for Bipartite<'_> {
    fn edge_bound(&self) -> usize {
        self.edge_count()
    }

    fn to_index(&self, edge: usize) -> usize {
        edge
    }

    fn from_index(&self, index: usize) -> usize {
        index
    }
}

/// The bit set that petgraph's own graphs use.
type Visited = <UnGraph<(), ()> as Visitable>::Map;

impl Visitable for Bipartite<'_> {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited::with_capacity(self.node_count())
    }

    fn reset_map(&self, map: &mut Visited) {
        map.clear();
        map.grow(self.node_count());
    }
}

impl IntoNodeIdentifiers for Bipartite<'_> {
    type NodeIdentifiers = Range<usize>;

    fn node_identifiers(self) -> Range<usize> {
        0..self.node_count()
    }
}

impl IntoNodeReferences for Bipartite<'_> {
    type NodeRef = (usize, ());
    type NodeReferences = Map<Range<usize>, fn(usize) -> (usize, ())>;

    fn node_references(self) -> Self::NodeReferences {
        (0..self.node_count()).map(|node| (node, ()))
    }
}

impl<'a> IntoEdgeReferences for Bipartite<'a> {
    type EdgeRef = Edge;
    type EdgeReferences = EdgeReferences<'a>;

    fn edge_references(self) -> EdgeReferences<'a> {
        EdgeReferences { csr: self.csr, output: 0, links: [].iter() }
    }
}

impl<'a> IntoEdges for Bipartite<'a> {
    type Edges = Edges<'a>;

    fn edges(self, node: usize) -> Edges<'a> {
        let (links, first) = self.links(node);
        Edges { node, first, links: links.iter() }
    }
}

impl<'a> IntoNeighbors for Bipartite<'a> {
    type Neighbors = Map<Edges<'a>, fn(Edge) -> usize>;

    fn neighbors(self, node: usize) -> Self::Neighbors {
        self.edges(node).map(|edge| edge.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{LayerShape, Mask, Sampling, sample};
    use crate::rng::{Purpose, stream};
    use petgraph::algo::{
        articulation_points::articulation_points, connected_components, dijkstra, is_bipartite_undirected, maximum_matching,
    };
    use petgraph::visit::{Bfs, Dfs};
    use std::collections::BTreeSet;

    /// Random masks with their groups, from empty to full, with parallel edges and groups.
    fn cases() -> impl Iterator<Item = (Mask, usize)> {
        let shapes = [
            (LayerShape::linear(9, 12), 1),
            (LayerShape::conv(8, 6, [3, 3]), 1),
            (LayerShape::conv(8, 3, [2, 2]), 2),
            (LayerShape::linear(1, 5), 1),
        ];
        shapes.into_iter().flat_map(|(shape, groups)| {
            [0.0, 0.03, 0.1, 0.2, 0.6, 1.0]
                .into_iter()
                .zip(0..)
                .map(move |(density, k)| (sample(shape, density, Sampling::Bernoulli, &mut stream(11, Purpose::Mask, k)), groups))
        })
    }

    /// Pairs of joined nodes, straight from the definition of a position.
    fn pairs(mask: &Mask, groups: usize) -> BTreeSet<(usize, usize)> {
        let s = mask.shape();
        let pair = |o: usize, i: usize| (o / (s.out / groups) * s.inp + i, groups * s.inp + o);
        mask.iter().map(|p| pair(p / s.fan_in(), p % s.fan_in() / s.taps())).collect()
    }

    /// Distances from `start` by relaxing all edges until nothing changes.
    fn distances(nodes: usize, pairs: &BTreeSet<(usize, usize)>, start: usize) -> Vec<Option<usize>> {
        let mut distance = vec![None; nodes];
        distance[start] = Some(0);
        for _ in 0..nodes {
            for &(a, b) in pairs {
                for (from, to) in [(a, b), (b, a)] {
                    if let Some(d) = distance[from]
                        && distance[to].is_none_or(|old| old > d + 1)
                    {
                        distance[to] = Some(d + 1);
                    }
                }
            }
        }
        distance
    }

    fn components(nodes: usize, pairs: &BTreeSet<(usize, usize)>) -> usize {
        let reach: BTreeSet<Vec<bool>> =
            (0..nodes).map(|n| distances(nodes, pairs, n).iter().map(Option::is_some).collect()).collect();
        reach.len()
    }

    #[test]
    fn counts_and_degrees() {
        for (mask, groups) in cases() {
            let csr = Csr::new(&mask, groups);
            let graph = Bipartite::new(&csr);
            assert_eq!(graph.node_count(), groups * mask.shape().inp + mask.shape().out);
            assert_eq!(graph.edge_count(), mask.edges());
            let ids: Vec<usize> = graph.edge_references().map(|e| e.id()).collect();
            assert_eq!(ids, (0..mask.edges()).collect::<Vec<_>>());
            let ends: BTreeSet<_> = graph.edge_references().map(|e| (e.source(), e.target())).collect();
            assert_eq!(ends, pairs(&mask, groups));
            for (o, degree) in mask.in_degrees().into_iter().enumerate() {
                assert_eq!(graph.neighbors(graph.output(o)).count(), degree);
            }
            let both: usize = graph.node_identifiers().map(|n| graph.edges(n).count()).sum();
            assert_eq!(both, 2 * mask.edges());
        }
    }

    #[test]
    fn searches_and_shortest_paths_agree_with_brute_force() {
        for (mask, groups) in cases() {
            let csr = Csr::new(&mask, groups);
            let graph = Bipartite::new(&csr);
            let pairs = pairs(&mask, groups);
            for start in graph.node_identifiers() {
                let expected = distances(graph.node_count(), &pairs, start);
                let reached = expected.iter().flatten().count();
                let (mut dfs, mut bfs) = (Dfs::new(graph, start), Bfs::new(graph, start));
                assert_eq!(std::iter::from_fn(|| dfs.next(graph)).count(), reached);
                assert_eq!(std::iter::from_fn(|| bfs.next(graph)).count(), reached);
                let found = dijkstra(graph, start, None, |_| 1_usize);
                for (node, distance) in expected.into_iter().enumerate() {
                    assert_eq!(found.get(&node).copied(), distance);
                }
                assert!(is_bipartite_undirected(graph, start));
            }
        }
    }

    #[test]
    fn components_and_cut_units_agree_with_brute_force() {
        for (mask, groups) in cases() {
            let csr = Csr::new(&mask, groups);
            let graph = Bipartite::new(&csr);
            let (pairs, nodes) = (pairs(&mask, groups), graph.node_count());
            let count = components(nodes, &pairs);
            assert_eq!(connected_components(graph), count);
            let cuts = articulation_points(graph);
            for node in 0..nodes {
                let rest = pairs.iter().copied().filter(|(a, b)| *a != node && *b != node).collect();
                // The node itself becomes a component of its own.
                assert_eq!(cuts.contains(&node), components(nodes, &rest) > count + 1, "unit {node}");
            }
        }
    }

    #[test]
    fn maximum_matching_agrees_with_augmenting_paths() {
        fn augment(o: usize, adjacent: &[Vec<usize>], seen: &mut [bool], mate: &mut [Option<usize>]) -> bool {
            adjacent[o].iter().any(|&i| {
                !std::mem::replace(&mut seen[i], true)
                    && (mate[i].is_none_or(|other| augment(other, adjacent, seen, mate)) && {
                        mate[i] = Some(o);
                        true
                    })
            })
        }
        for (mask, groups) in cases() {
            let csr = Csr::new(&mask, groups);
            let mut adjacent = vec![Vec::new(); csr.outputs()];
            for (i, o) in pairs(&mask, groups) {
                adjacent[o - csr.inputs()].push(i);
            }
            let mut mate = vec![None; csr.inputs()];
            let size = (0..csr.outputs()).filter(|o| augment(*o, &adjacent, &mut vec![false; csr.inputs()], &mut mate)).count();
            assert_eq!(maximum_matching(Bipartite::new(&csr)).len(), size);
        }
    }
}
