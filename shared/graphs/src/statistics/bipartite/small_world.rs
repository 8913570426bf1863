//! Whether a graph is clustered like a lattice and yet has paths as short as a random graph's.

use super::clustering::Clustering;
use super::distances::Distances;
use crate::graph::{Biadjacency, Sampling};
use serde::Serialize;

/// A graph between a random graph and a lattice with as many nodes and edges. C is the [coefficient](Clustering::coefficient) of
/// clustering, ℓ the [mean length](Distances::mean) of shortest paths.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SmallWorld {
    /// σ = (C / C of a random graph) / (ℓ / ℓ of a random graph) (Humphries and Gurney 2008): 1 for a random graph, larger for a
    /// small world. None where one of these is undefined.
    pub sigma: Option<f64>,
    /// ω = ℓ of a random graph / ℓ − C / C of a lattice (Telesford et al. 2011): near 1 for a random graph, 0 for a small world, −1
    /// for a lattice. None where one of these is undefined.
    pub omega: Option<f64>,
    /// C of a random graph: its density.
    pub random_clustering: f64,
    /// ℓ of a random graph, drawn with as many edges.
    pub random_distance: Option<f64>,
    /// C of the [`ring_lattice`].
    pub lattice_clustering: Option<f64>,
}

/// A bipartite ring lattice: both sides lie evenly on a ring, and each left node is joined to a run of neighbouring right nodes, whose
/// middle is at its own place. Degrees of left nodes differ by at most 1, with the larger ones evenly among them.
///
/// # Panics
/// If there are more edges than pairs.
#[must_use]
pub fn ring_lattice(left: usize, right: usize, edges: usize) -> Biadjacency {
    assert!(edges as u128 <= left as u128 * right as u128, "{edges} edges between {left} and {right} nodes");
    let share = |i: usize, whole: usize| (i as u128 * whole as u128 / left as u128) as usize;
    let run = |i: usize| {
        let degree = share(i + 1, edges) - share(i, edges);
        let first = share(i, right) + right - degree / 2;
        let mut run: Vec<usize> = (first..first + degree).map(|r| r % right).collect();
        run.sort_unstable();
        run.into_iter().map(move |r| (r, i))
    };
    // In the order of left nodes, then right ones, which is the order that edges of the exchanged graph are sorted into.
    Biadjacency::from_edges(right, left, (0..left).flat_map(run)).transposed()
}

impl SmallWorld {
    /// Compares a graph, whose clustering and distances are known, with a random graph and a lattice. Those graphs cost what their
    /// [clustering](Clustering::of) and [distances](Distances::of) do.
    ///
    /// # Panics
    /// If there are more than 2³² nodes.
    #[must_use]
    pub fn of(graph: &Biadjacency, clustering: &Clustering, distances: &Distances, seed: u64) -> Self {
        let (left, right) = (graph.left(), graph.right());
        // Of another seed than the graph itself may be drawn with.
        let random = Biadjacency::sample(left, right, graph.density(), Sampling::Exact, !seed);
        let random_clustering = graph.density();
        let random_distance = Distances::of(&random, seed).mean;
        let lattice_clustering = Clustering::of(&ring_lattice(left, right, graph.edges())).coefficient;
        let sigma = || Some(clustering.coefficient? / random_clustering / (distances.mean? / random_distance?));
        let omega = || {
            let lattice = lattice_clustering.filter(|c| *c > 0.0)?;
            Some(random_distance? / distances.mean? - clustering.coefficient? / lattice)
        };
        Self { sigma: sigma(), omega: omega(), random_clustering, random_distance, lattice_clustering }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(graph: &Biadjacency, seed: u64) -> SmallWorld {
        SmallWorld::of(graph, &Clustering::of(graph), &Distances::of(graph, 0), seed)
    }

    #[test]
    fn lattices_have_the_edges_asked_for_evenly() {
        for (left, right, edges) in
            [(7, 5, 13), (300, 100, 1500), (100, 300, 1501), (4, 4, 16), (4, 6, 0), (1, 9, 4), (0, 3, 0), (3, 0, 0)]
        {
            let lattice = ring_lattice(left, right, edges);
            assert_eq!((lattice.left(), lattice.right(), lattice.edges()), (left, right, edges));
            let spread = |degrees: Vec<usize>| degrees.iter().max().unwrap_or(&0) - degrees.iter().min().unwrap_or(&0);
            assert!(spread(lattice.left_degrees()) <= 1);
            assert!(left == 1 || spread(lattice.right_degrees()) <= 3, "{left}x{right}, {edges}: {:?}", lattice.right_degrees());
        }
    }

    #[test]
    fn random_graphs_lattices_and_small_worlds_are_told_apart() {
        let random = measure(&Biadjacency::sample(300, 300, 0.03, Sampling::Exact, 7), 8);
        assert!((random.sigma.unwrap() - 1.0).abs() < 0.2, "{random:?}");
        assert!(random.omega.unwrap() > 0.85, "{random:?}");
        let lattice = ring_lattice(300, 300, 2700);
        let regular = measure(&lattice, 8);
        assert!(regular.omega.unwrap() < -0.5, "{regular:?}");
        // Some edges of the lattice led elsewhere.
        let rewired = (0..300).flat_map(|l| lattice.of_left(l).iter().map(move |r| (l, *r as usize)));
        let rewired = rewired.map(|(l, r)| if (l + r) % 15 == 0 { (l, (r * 97 + l * 31) % 300) } else { (l, r) });
        let small = measure(&Biadjacency::from_edges(300, 300, rewired), 8);
        assert!(small.sigma.unwrap() > 5.0 && small.omega.unwrap().abs() < 0.4, "{small:?}");
    }

    #[test]
    fn complete_and_empty_graphs() {
        let complete = measure(&Biadjacency::sample(6, 5, 1.0, Sampling::Exact, 0), 0);
        assert_eq!((complete.sigma, complete.omega), (Some(1.0), Some(0.0)));
        for (left, right) in [(0, 0), (0, 4), (4, 0), (3, 3)] {
            let empty = measure(&Biadjacency::from_edges(left, right, []), 0);
            assert_eq!((empty.sigma, empty.omega, empty.random_clustering), (None, None, 0.0));
        }
    }
}
