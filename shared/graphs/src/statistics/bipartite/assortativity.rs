//! Whether nodes of high degree are joined to nodes of high degree.

use crate::graph::Biadjacency;
use rayon::prelude::*;
use serde::Serialize;

/// Correlation of the degrees at the two ends of an edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assortativity {
    /// Pearson's correlation of left and right degree over edges: about 0 in a random graph. None if all edges have the same left
    /// degree, or the same right degree.
    pub pearson: Option<f64>,
    /// Newman's coefficient (2002), which takes every edge in both directions: strongly negative wherever the sides have different
    /// mean degrees. None if all nodes with an edge have the same degree.
    pub newman: Option<f64>,
}

/// Sums over edges of the left degree a and the right degree b, exact as long as edges times the largest degree are below 2⁶².
struct Sums {
    edges: i128,
    a: i128,
    b: i128,
    aa: i128,
    bb: i128,
    ab: i128,
}

impl Assortativity {
    /// Measures a graph. O(edges).
    #[must_use]
    pub fn of(graph: &Biadjacency) -> Self {
        let s = Sums::of(graph);
        let pearson =
            correlation(s.edges * s.ab - s.a * s.b, (s.edges * s.aa - s.a * s.a) as f64, (s.edges * s.bb - s.b * s.b) as f64);
        // Both ends of all edges have one distribution.
        let ends = s.a + s.b;
        let spread = (2 * s.edges * (s.aa + s.bb) - ends * ends) as f64;
        Self { pearson, newman: correlation(4 * s.edges * s.ab - ends * ends, spread, spread) }
    }
}

impl Sums {
    fn of(graph: &Biadjacency) -> Self {
        let degrees = graph.left_degrees();
        let power = |degrees: &[usize], k| degrees.iter().map(|d| (*d as i128).pow(k)).sum();
        let right = graph.right_degrees();
        let products = |r: usize| -> i128 {
            let left: usize = graph.of_right(r).iter().map(|l| degrees[*l as usize]).sum();
            left as i128 * right[r] as i128
        };
        Self {
            edges: graph.edges() as i128,
            a: power(&degrees, 2),
            b: power(&right, 2),
            aa: power(&degrees, 3),
            bb: power(&right, 3),
            ab: (0..graph.right()).into_par_iter().map(products).sum(),
        }
    }
}

/// Covariance over the deviations, all times the same number; none where there is no deviation.
fn correlation(covariance: i128, variance: f64, other: f64) -> Option<f64> {
    (variance > 0.0 && other > 0.0).then(|| covariance as f64 / (variance.sqrt() * other.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_regular_graphs() {
        // Every edge has the same degrees at its ends: no correlation, but all the contrast there can be.
        let star = Assortativity::of(&Biadjacency::from_edges(1, 4, (0..4).map(|r| (0, r))));
        assert_eq!((star.pearson, star.newman), (None, Some(-1.0)));
        let cycle = Assortativity::of(&Biadjacency::from_edges(2, 2, [(0, 0), (0, 1), (1, 0), (1, 1)]));
        assert_eq!((cycle.pearson, cycle.newman), (None, None));
        let empty = Assortativity::of(&Biadjacency::from_edges(3, 2, []));
        assert_eq!((empty.pearson, empty.newman), (None, None));
    }

    #[test]
    fn hubs_joined_to_hubs_correlate() {
        // A complete square beside a single edge.
        let graph = Biadjacency::from_edges(3, 3, [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2)]);
        assert_eq!(Assortativity::of(&graph), Assortativity { pearson: Some(1.0), newman: Some(1.0) });
    }
}
