//! Which edges come, one file a way to choose them, and what they begin with.

mod gradient;
mod momentum;
mod momentum_neuron;
mod random;
mod random_unfired;
mod value;

pub use gradient::Gradient;
pub use momentum::Momentum;
pub use momentum_neuron::MomentumNeuron;
pub use random::Random;
pub use random_unfired::RandomUnfired;
pub use value::GrownValue;

use rand::seq::index;

use super::LayerView;
use er_graphs::registry::{Door, Named, Registry};
use er_graphs::rng::Stream;

/// Which edges come to a layer, among the positions that have none, those just dropped included.
///
/// Either [`GrowRule::score`] says what a position is worth, and the largest come, or [`GrowRule::positions`] chooses by itself.
/// Anybody can add a rule (see [`registry`](er_graphs::registry)). Growth where gradients are smallest, the control of RigL:
///
/// ```
/// use er_graphs::registry::{Door, Named, Selected};
/// use er_networks::topology::rule::{GrowRule, LayerView};
///
/// struct LeastGradient;
///
/// impl Named for LeastGradient {
///     fn name(&self) -> &'static str {
///         "least_gradient"
///     }
///     fn about(&self) -> &'static str {
///         "the smallest gradients"
///     }
/// }
///
/// impl GrowRule for LeastGradient {
///     fn reads_gradient(&self) -> bool {
///         true
///     }
///     fn score(&self, layer: &LayerView<'_>, position: usize, _: &[f64]) -> f64 {
///         1.0 / layer.gradient.get(position).abs()
///     }
/// }
///
/// <dyn GrowRule>::registry().add(&LeastGradient)?;
/// let grow: Selected<dyn GrowRule> = "least-gradient".parse()?;
/// assert!(grow.reads_gradient());
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait GrowRule: Named {
    /// Whether it reads the gradients of all weights, which are then computed for updates.
    fn reads_gradient(&self) -> bool {
        false
    }

    /// Whether it reads the velocities of all weights, for which their gradients are then computed at every step.
    fn reads_velocity(&self) -> bool {
        false
    }

    /// What an edge at a free position would be worth. What is not a number or negative counts as 0. `parameters` has a value for
    /// each of [`Named::parameters`].
    fn score(&self, layer: &LayerView<'_>, position: usize, parameters: &[f64]) -> f64 {
        let _ = (layer, position, parameters);
        0.0
    }

    /// `count` free positions, ascending and distinct; there are at least so many. Random choices are drawn from `rng` and from
    /// nothing else. Here: those with the largest scores, and among equal ones those at lower positions.
    fn positions(&self, layer: &LayerView<'_>, count: usize, rng: &mut Stream, parameters: &[f64]) -> Vec<usize> {
        let _ = rng;
        layer.largest(count, |p| self.score(layer, p, parameters))
    }
}

static RULES: Registry<dyn GrowRule> = Registry::new(&[&Random, &RandomUnfired, &Gradient, &Momentum, &MomentumNeuron]);

impl Door for dyn GrowRule {
    const WHAT: &'static str = "growth";

    fn registry() -> &'static Registry<Self> {
        &RULES
    }
}

/// Some of these positions, each set of them equally likely.
fn random(from: &[usize], count: usize, rng: &mut Stream) -> Vec<usize> {
    let mut chosen: Vec<usize> = index::sample(rng, from.len(), count).into_iter().map(|i| from[i]).collect();
    chosen.sort_unstable();
    chosen
}
