//! What scores and ways to grow see of a layer.

use super::memory::adam;
use crate::score;
use er_graphs::graph::{Mask, Numbers};

/// A layer at an update. Values of edges are in edge order, values of all weights by position.
#[derive(Debug, Clone, Copy)]
pub struct LayerView<'a> {
    /// Its index.
    pub layer: usize,
    /// The step, counted from 1.
    pub step: u64,
    /// Its edges.
    pub mask: &'a Mask,
    /// Those of them that stay: all, while it is not known yet which are dropped.
    pub kept: &'a Mask,
    /// Weights of its edges.
    pub weights: Numbers<'a>,
    /// What the optimiser remembers of each edge: nothing, a velocity (SGD with momentum), or two moments (Adam).
    pub slots: [Numbers<'a>; 2],
    /// Gradients of all weights, averaged over the batches of the update; none unless something in the rule reads them.
    pub gradient: Numbers<'a>,
    /// Velocities of all weights; none unless the way to grow reads them.
    pub velocity: Velocities<'a>,
    /// Scores of its edges as the whole network gives them ([`DropScore::of_network`](super::DropScore::of_network)); none while
    /// edges grow.
    pub network: &'a [f64],
    /// Positions that have had an edge, now or before.
    pub ever: &'a Mask,
}

/// Velocities of all weights of a layer, edges or not.
#[derive(Debug, Clone, Copy)]
pub struct Velocities<'a> {
    /// SGD: `u ← μu + g`; Adam: the first moment.
    pub first: Numbers<'a>,
    /// Adam: the second moment.
    pub second: Numbers<'a>,
}

impl Velocities<'_> {
    /// |u|, or |m| / (√v + 1e-8): the length of the optimiser's step, but for the rate.
    ///
    /// # Panics
    /// If there are no velocities.
    #[inline]
    #[must_use]
    pub fn size(&self, position: usize) -> f64 {
        let first = self.first.get(position);
        if self.second.is_empty() { first.abs() } else { adam(first, self.second.get(position)) }
    }
}

impl LayerView<'_> {
    /// Positions at which an edge may grow, ascending.
    pub fn free(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.kept.free()
    }

    /// The `count` free positions with the largest scores, ascending; among equal ones those at lower positions. What is not a number
    /// or negative counts as 0. O(weights) expected time; the score of a position is asked for twice.
    ///
    /// # Panics
    /// If there are fewer free positions.
    #[must_use]
    pub fn largest(&self, count: usize, score: impl Fn(usize) -> f64) -> Vec<usize> {
        best(self.free(), count, &score)
    }
}

/// The positions of the largest scores.
pub(super) fn best(positions: impl Iterator<Item = usize> + Clone, count: usize, score: &impl Fn(usize) -> f64) -> Vec<usize> {
    let marks = score::largest(positions.clone().map(score), count);
    positions.zip(marks).filter(|(_, marked)| *marked).map(|(p, _)| p).collect()
}
