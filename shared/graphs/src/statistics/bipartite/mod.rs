//! Statistics of one bipartite graph: degrees, components, clustering, distances.
//!
//! [`measure`] takes all of them, each of which can be had alone, too. What a number that is not defined would be, as the clustering of a
//! graph without paths, is `None`. Nothing depends on the number of threads.

mod assortativity;
mod binomial;
mod clustering;
mod components;
mod degrees;
mod distances;
mod fit;
mod half;
mod matching;
mod small_world;
mod statistic;

pub use assortativity::Assortativity;
pub use binomial::expected_histogram;
pub use clustering::{Clustering, Latapy, clustering};
pub use components::{Components, labels};
pub use degrees::Degrees;
pub use distances::Distances;
pub use fit::{ChiSquare, Fit, KolmogorovSmirnov};
pub use matching::{matching, partners};
pub use small_world::{SmallWorld, ring_lattice};
pub use statistic::{Gini, Statistic};

use crate::graph::Biadjacency;
use crate::registry::Door;
use half::Half;
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything measured of one bipartite graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistics {
    /// Number of edges.
    pub edges: usize,
    /// Edges over pairs of an input and an output; 0 where there are no pairs.
    pub density: f64,
    /// The left nodes.
    pub inputs: Side,
    /// The right nodes.
    pub outputs: Side,
    /// Connected components.
    pub components: Components,
    /// Correlation of degrees over edges.
    pub assortativity: Assortativity,
    /// Four-cycles; none if skipped.
    pub clustering: Option<Clustering>,
    /// Lengths of shortest paths; none if skipped.
    pub distances: Option<Distances>,
    /// Comparison with a random graph and a lattice; none if skipped.
    pub small_world: Option<SmallWorld>,
    /// Size of a maximum matching; none if skipped.
    pub matching: Option<usize>,
    /// Every [`Statistic`] by its name; none where it is not defined, or skipped.
    pub more: BTreeMap<&'static str, Option<f64>>,
    /// The fields that were left out because they cost too much.
    pub skipped: Vec<&'static str>,
}

/// What is measured of the nodes of one side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Their degrees.
    pub degrees: Degrees,
    /// Their mean pairwise clustering; none if `clustering` was skipped.
    pub clustering: Option<Latapy>,
}

/// What measuring may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Most operations, of about a nanosecond on one core, that clustering, distances, the comparison with other graphs and matching may
    /// take, each by itself; what is estimated to take more is skipped. Without end: infinity.
    pub operations: f64,
    /// Decides which nodes of a large graph are sampled, and the random graph that is drawn for comparison.
    pub seed: u64,
}

impl Default for Effort {
    /// Half a second for each part, which is enough for all layers of a ResNet-50 at density 0.1.
    fn default() -> Self {
        Self { operations: 5e8, seed: 1 }
    }
}

/// Measures a graph.
///
/// # Panics
/// If there are more than 2³² nodes.
///
/// ```
/// use er_graphs::graph::{Biadjacency, Sampling};
/// use er_graphs::statistics::bipartite::{Effort, measure};
///
/// let graph = Biadjacency::sample(784, 300, 0.05, Sampling::Exact, 1);
/// let statistics = measure(&graph, &Effort::default());
/// assert_eq!(statistics.edges, 11760);
/// assert!(statistics.skipped.is_empty());
/// assert_eq!(statistics.matching, Some(300));
/// ```
#[must_use]
pub fn measure(graph: &Biadjacency, effort: &Effort) -> Statistics {
    let mut skipped = Vec::new();
    let mut allowed = |what, cost: f64| {
        let allowed = cost <= effort.operations;
        skipped.extend((!allowed).then_some(what));
        allowed
    };
    let cycles = clustering::cost(Half::left(graph)) + clustering::cost(Half::right(graph));
    let (whole, sides) = if allowed("clustering", cycles) { Some(clustering(graph)) } else { None }.unzip();
    let paths = distances::cost(graph);
    let distances = allowed("distances", paths).then(|| Distances::of(graph, effort.seed));
    // The lattice has about as many wedges as the graph, and the random graph about as long paths.
    let compared = allowed("small_world", cycles + paths);
    let small_world = whole.as_ref().zip(distances.as_ref()).filter(|_| compared);
    let small_world = small_world.map(|(c, d)| SmallWorld::of(graph, c, d, effort.seed));
    let matching = allowed("matching", matching::cost(graph)).then(|| matching(graph));
    let more = <dyn Statistic>::registry().iter().map(|statistic| {
        let allowed = allowed(statistic.name(), statistic.cost(graph));
        (statistic.name(), if allowed { statistic.of(graph).filter(|number| number.is_finite()) } else { None })
    });
    let more = more.collect();
    let [inputs, outputs] = sides.map_or([None, None], |sides: [Latapy; 2]| sides.map(Some));
    let (left, right) = (graph.left(), graph.right());
    Statistics {
        edges: graph.edges(),
        density: graph.density(),
        inputs: Side { degrees: Degrees::of(&graph.left_degrees(), right, None), clustering: inputs },
        outputs: Side { degrees: Degrees::of(&graph.right_degrees(), left, None), clustering: outputs },
        components: Components::of(graph),
        assortativity: Assortativity::of(graph),
        clustering: whole,
        distances,
        small_world,
        matching,
        more,
        skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Sampling;

    #[test]
    fn what_costs_too_much_is_skipped() {
        let graph = Biadjacency::sample(60, 50, 0.2, Sampling::Exact, 1);
        let all = measure(&graph, &Effort::default());
        assert_eq!(all.skipped, [""; 0]);
        let least = measure(&graph, &Effort { operations: 0.0, ..Effort::default() });
        assert_eq!(least.skipped, ["clustering", "distances", "small_world", "matching", "gini_inputs", "gini_outputs"]);
        assert_eq!((&least.clustering, &least.distances, least.matching), (&None, &None, None));
        assert_eq!(least.inputs.degrees, all.inputs.degrees);
        assert_eq!((least.components, least.assortativity), (all.components, all.assortativity));
    }

    /// The largest layers of ResNet-50 at density 0.1, and one far beyond.
    #[test]
    fn default_effort_is_enough_for_layers_of_networks() {
        for (left, right) in [(4608, 512), (2304, 256), (1024, 2048), (512, 2048), (2048, 1000)] {
            let graph = Biadjacency::sample(left, right, 0.1, Sampling::Exact, 1);
            let cycles = clustering::cost(Half::left(&graph)) + clustering::cost(Half::right(&graph));
            assert!(cycles + distances::cost(&graph) < 0.5 * Effort::default().operations, "{left}x{right}");
        }
        let large = Biadjacency::sample(4000, 4000, 0.3, Sampling::Bernoulli, 1);
        assert!(clustering::cost(Half::left(&large)) + clustering::cost(Half::right(&large)) > Effort::default().operations);
    }

    #[test]
    fn extreme_graphs_have_defined_statistics() {
        for (left, right) in [(0, 0), (0, 3), (3, 0), (1, 1), (4, 7)] {
            for density in [0.0, 1.0] {
                let graph = Biadjacency::sample(left, right, density, Sampling::Exact, 1);
                let statistics = measure(&graph, &Effort::default());
                let json = serde_json::to_string(&statistics).unwrap();
                // A number that is not finite would be written as null, and come back as none.
                assert!(
                    !format!("{statistics:?}").contains("NaN") && !format!("{statistics:?}").contains("inf"),
                    "{statistics:?}"
                );
                assert!(json.contains("\"skipped\":[]"));
                assert_eq!(statistics.matching, Some(if density > 0.0 { left.min(right) } else { 0 }));
                let connected = density > 0.0 && left.min(right) > 0;
                assert_eq!(statistics.components.count, if connected { 1 } else { left + right });
            }
        }
    }
}
