//! Numbers of a graph that anybody can add to, one file each.

mod gini;

pub use gini::Gini;

use crate::graph::Biadjacency;
use crate::registry::{Door, Named, Registry};

/// A number of a graph, known by name: [`measure`](super::measure) has all of them in [`Statistics::more`](super::Statistics::more), so that
/// `graph` prints them.
///
/// Anybody can add one (see [`registry`](crate::registry)):
///
/// ```
/// use er_graphs::graph::{Biadjacency, Sampling};
/// use er_graphs::registry::{Door, Named};
/// use er_graphs::statistics::bipartite::{Effort, Statistic, measure};
///
/// struct LargestDegree;
///
/// impl Named for LargestDegree {
///     fn name(&self) -> &'static str {
///         "largest_degree"
///     }
///     fn about(&self) -> &'static str {
///         "the most edges of a node"
///     }
/// }
///
/// impl Statistic for LargestDegree {
///     fn of(&self, graph: &Biadjacency) -> Option<f64> {
///         graph.left_degrees().into_iter().chain(graph.right_degrees()).max().map(|degree| degree as f64)
///     }
/// }
///
/// <dyn Statistic>::registry().add(&LargestDegree)?;
/// let graph = Biadjacency::sample(5, 3, 1.0, Sampling::Exact, 1);
/// assert_eq!(measure(&graph, &Effort::default()).more["largest_degree"], Some(5.0));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait Statistic: Named {
    /// The number; none where it is not defined. Finite.
    fn of(&self, graph: &Biadjacency) -> Option<f64>;

    /// Operations, of about a nanosecond on one core, that it will take: beyond [`Effort::operations`](super::Effort::operations) it is
    /// skipped.
    fn cost(&self, graph: &Biadjacency) -> f64 {
        graph.edges() as f64
    }
}

static STATISTICS: Registry<dyn Statistic> = Registry::new(&[&Gini::INPUTS, &Gini::OUTPUTS]);

impl Door for dyn Statistic {
    const WHAT: &'static str = "statistic";

    fn registry() -> &'static Registry<Self> {
        &STATISTICS
    }
}
