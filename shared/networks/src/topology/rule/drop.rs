//! Which edges go.

use super::Real;
use crate::score;
use er_graphs::names::{self, Choice};

/// What an edge is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeScore {
    /// |w|.
    Magnitude,
    /// |w · ∂L/∂w| on the batch of the update (Lee et al. 2019). The square of it, Taylor_FO, orders alike.
    Snip,
    /// SynFlow's (Tanaka et al. 2020), see [`crate::score::synflow`].
    Synflow,
}

impl EdgeScore {
    /// All scores with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Magnitude, name: "magnitude", aliases: &[], about: "|w|" },
        Choice { value: Self::Snip, name: "snip", aliases: &[], about: "|w · gradient|" },
        Choice { value: Self::Synflow, name: "SynFlow", aliases: &[], about: "synaptic flow, without data" },
    ];
}

names::named!(EdgeScore, "pruning score");

/// Which edges a layer drops: those with the least score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// By what.
    pub by: DropBy,
    /// How many.
    pub count: Count,
}

/// What edges to drop are chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DropBy {
    /// What is compared.
    pub score: EdgeScore,
    /// With what.
    pub scope: DropScope,
}

/// Where edges are compared when some are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropScope {
    /// In each layer.
    Layer,
    /// In each layer, half of them among positive and half among negative weights (SET, Mocanu et al. 2018).
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
    pub(super) fn stay(self, scores: impl Iterator<Item = f64> + Clone, count: usize) -> Vec<bool> {
        let all = scores.clone().count();
        let stay = all - count.min(all);
        match self {
            Self::Floor => score::largest(scores, stay),
            Self::CeilAndTies => score::above_next(scores, stay),
        }
    }

    /// As [`Count::stay`] over all layers.
    pub(super) fn stay_over_all(self, scores: &[Vec<f64>], count: usize) -> Vec<Vec<bool>> {
        let mut all = self.stay(scores.iter().flatten().copied(), count).into_iter();
        scores.iter().map(|s| all.by_ref().take(s.len()).collect()).collect()
    }
}

impl DropBy {
    /// The least magnitudes of each layer.
    pub const MAGNITUDE: Self = Self { score: EdgeScore::Magnitude, scope: DropScope::Layer };

    /// Names under which users know combinations of score and scope.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::MAGNITUDE, name: "magnitude", aliases: &[], about: "|w|" },
        Choice {
            value: Self { scope: DropScope::Signs, ..Self::MAGNITUDE },
            name: "SET",
            aliases: &[],
            about: "|w|, half of them positive and half negative",
        },
        Choice {
            value: Self { score: EdgeScore::Snip, scope: DropScope::Layer },
            name: "Taylor_FO",
            aliases: &["snip"],
            about: "|w · gradient|",
        },
        Choice {
            value: Self { scope: DropScope::Network, ..Self::MAGNITUDE },
            name: "threshold",
            aliases: &["global_magnitude"],
            about: "|w|, one threshold for all layers",
        },
        Choice {
            value: Self { score: EdgeScore::Synflow, scope: DropScope::Layer },
            name: "synflow",
            aliases: &[],
            about: "synaptic flow, without data",
        },
    ];
}

names::named!(DropBy, "way to drop edges");

impl Drop {
    /// Which edges of each layer stay. `scores` and `weights` have an entry an edge, and none for layers that do not take part.
    pub(super) fn stay<T: Real>(self, fraction: f64, scores: &[Vec<f64>], weights: &[&[T]]) -> Vec<Vec<bool>> {
        let count = |n: usize| self.count.of(fraction, n);
        match self.by.scope {
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
