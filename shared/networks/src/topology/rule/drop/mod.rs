//! Which edges go, one file a score.

mod magnitude;
mod prune_score;
mod set;
mod snip;
mod synflow;
mod threshold;

pub use magnitude::Magnitude;
pub use prune_score::PruneScore;
pub use set::Set;
pub use snip::Snip;
pub use synflow::Synflow;
pub use threshold::Threshold;

use super::{LayerView, Real};
use crate::model::{ModelSpec, ModelState};
use crate::score;
use er_graphs::registry::{Door, Named, Registry, Selected};

/// What an edge is worth: edges are dropped and pruned by it, the least first.
///
/// Anybody can add one (see [`registry`](er_graphs::registry)). |gradient| alone, compared over all layers:
///
/// ```
/// use er_graphs::registry::{Door, Named, Selected};
/// use er_networks::topology::rule::{DropScope, DropScore, LayerView};
///
/// struct Gradients;
///
/// impl Named for Gradients {
///     fn name(&self) -> &'static str {
///         "gradients"
///     }
///     fn about(&self) -> &'static str {
///         "|gradient|, one threshold for all layers"
///     }
/// }
///
/// impl DropScore for Gradients {
///     fn scope(&self) -> DropScope {
///         DropScope::Network
///     }
///     fn reads_gradient(&self) -> bool {
///         true
///     }
///     fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
///         layer.mask.iter().map(|p| layer.gradient.get(p).abs()).collect()
///     }
/// }
///
/// <dyn DropScore>::registry().add(&Gradients)?;
/// let by: Selected<dyn DropScore> = "gradients".parse()?;
/// assert!(by.reads_gradient() && by.scope() == DropScope::Network);
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait DropScore: Named {
    /// One number for each edge of a layer, in edge order. What is not a number or negative counts as 0. `parameters` has a value
    /// for each of [`Named::parameters`].
    fn score(&self, layer: &LayerView<'_>, parameters: &[f64]) -> Vec<f64>;

    /// What an edge is compared with when some are dropped. When a network is pruned, the method says that; so only scores of
    /// [`DropScope::Layer`] have a name there.
    fn scope(&self) -> DropScope {
        DropScope::Layer
    }

    /// Whether it reads the gradients of all weights ([`LayerView::gradient`]), which are then computed for updates.
    fn reads_gradient(&self) -> bool {
        false
    }

    /// How the whole network scores its edges, if that is to be computed before an update, for [`LayerView::network`].
    fn of_network(&self) -> Option<NetworkScore> {
        None
    }
}

/// Scores of all edges of a network, one vector a layer in edge order, with these parameters.
pub type NetworkScore = fn(&ModelSpec, &ModelState, &[f64]) -> Vec<Vec<f64>>;

static SCORES: Registry<dyn DropScore> = Registry::new(&[&Magnitude, &Set, &Snip, &Threshold, &Synflow]);

impl Door for dyn DropScore {
    const WHAT: &'static str = "way to drop edges";

    fn registry() -> &'static Registry<Self> {
        &SCORES
    }
}

/// Which edges a layer drops: those with the least score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drop {
    /// By what.
    pub by: Selected<dyn DropScore>,
    /// How many.
    pub count: Count,
}

/// Where edges are compared when some are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropScope {
    /// In each layer.
    Layer,
    /// In each layer, half of them among positive and half among negative weights.
    Signs,
    /// Over all layers: as many as the layers would drop together.
    Network,
}

/// How many edges are dropped for a drop fraction f in a layer of n edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// ⌊f·n⌋; among equal scores those at lower positions stay (RigL).
    Floor,
    /// ⌈f·n⌉, every other edge with the score of the last of them, and every edge with score 0 (GraNet and the programs before
    /// it, which compare with a threshold).
    CeilAndTies,
}

impl Count {
    /// Edges of `n` to be dropped, ties left aside.
    #[must_use]
    pub fn of(self, fraction: f64, n: usize) -> usize {
        let exact = fraction * n as f64;
        let count = if self == Self::Floor { exact.floor() } else { exact.ceil() };
        (count as usize).min(n)
    }

    /// Marks which of these scores stay when `count` are dropped.
    pub(in crate::topology::rule) fn stay(self, scores: impl Iterator<Item = f64> + Clone, count: usize) -> Vec<bool> {
        let all = scores.clone().count();
        let stay = all - count.min(all);
        match self {
            Self::Floor => score::largest(scores, stay),
            Self::CeilAndTies => score::above_next(scores, stay),
        }
    }

    /// As [`Count::stay`] over all layers.
    pub(in crate::topology::rule) fn stay_over_all(self, scores: &[Vec<f64>], count: usize) -> Vec<Vec<bool>> {
        let mut all = self.stay(scores.iter().flatten().copied(), count).into_iter();
        scores.iter().map(|s| all.by_ref().take(s.len()).collect()).collect()
    }
}

impl Drop {
    /// Which edges of each layer stay. `scores` and `weights` have an entry an edge, and none for layers that do not take part.
    pub(in crate::topology::rule) fn stay<T: Real>(self, fraction: f64, scores: &[Vec<f64>], weights: &[&[T]]) -> Vec<Vec<bool>> {
        let count = |n: usize| self.count.of(fraction, n);
        match self.by.scope() {
            DropScope::Layer => scores.iter().map(|s| self.count.stay(s.iter().copied(), count(s.len()))).collect(),
            DropScope::Signs => scores.iter().zip(weights).map(|(s, w)| self.by_sign(fraction, s, w)).collect(),
            DropScope::Network => {
                let total = scores.iter().map(|s| count(s.len())).sum();
                self.count.stay_over_all(scores, total)
            }
        }
    }

    /// Weights of exactly 0 have no sign: they stay among equals, and go where a threshold decides, as in each half.
    fn by_sign<T: Real>(self, fraction: f64, scores: &[f64], weights: &[T]) -> Vec<bool> {
        let all = self.count.of(fraction, scores.len());
        // Half of ⌊f·n⌋, the odd one positive, or ⌈f·n / 2⌉ of each sign.
        let halves = match self.count {
            Count::Floor => [all.div_ceil(2), all / 2],
            Count::CeilAndTies => [self.count.of(fraction / 2.0, scores.len()); 2],
        };
        let mut stay: Vec<bool> = vec![self.count == Count::Floor; scores.len()];
        for (count, sign) in halves.into_iter().zip([1.0, -1.0]) {
            let of: Vec<usize> = (0..scores.len()).filter(|&e| weights[e].into() * sign > 0.0).collect();
            let its = of.iter().map(|&e| scores[e]);
            for (&e, stays) in of.iter().zip(self.count.stay(its, count)) {
                stay[e] = stays;
            }
        }
        stay
    }
}
