//! Moving edges while a network trains: which go, which come, how many and when.
//!
//! A [`Method`] gives a [`Rule`] for a training of some length; [`update`] applies it to the layers of a network.

mod change;
pub mod drop;
pub mod grow;
mod memory;
mod methods;
mod redistribute;
mod update;
mod view;

pub use change::{keep, places, replace};
pub use drop::{Count, Drop, DropScope, DropScore, NetworkScore, PruneScore};
pub use er_graphs::graph::Real;
pub use grow::{GrowRule, GrownValue};
pub use memory::{LayerMemory, Memory, Momentum, MomentumKind};
pub use methods::{Exchanging, Falling, InitialMask, Method, Pruning};
pub use redistribute::{Redistribute, Share, proportional, shares};
pub use update::{Evidence, LayerChange, Network, NetworkScores, update};
pub use view::{LayerView, Velocities};

use crate::model::{ModelSpec, ModelState};
use crate::schedule::{DropFraction, FallingDensity};
use er_graphs::error::Result;
use er_graphs::registry::Selected;

/// How edges move: drop × grow × redistribute × density × drop fraction × when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Makes the network sparser, first.
    pub prune: Option<Prune>,
    /// Then exchanges edges for others.
    pub exchange: Option<Exchange>,
    /// At which steps.
    pub when: When,
    /// Whether the step of an update moves no weights (RigL), or does so before (all others).
    pub replaces_step: bool,
    /// Whether units that lose all their edges get one for another edge of the layer.
    pub keeps_flow: bool,
}

/// Edges that go for good, until the density is that of a schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prune {
    /// The density of all movable layers together.
    pub density: FallingDensity,
    /// Which edges go first: those with the least.
    pub score: PruneScore,
    /// What is compared with what.
    pub scope: PruneScope,
}

/// Where edges are compared when a network is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneScope {
    /// Over all layers: those strictly above the K-th largest score stay, K = ⌊d·N⌋, so K − 1 of them (GraNet, GMP).
    GlobalAboveThreshold,
    /// Over all layers: the N − ⌈(1 − d)·N⌉ largest stay (Zhu and Gupta's pruning as rigl-reproducibility applies it).
    Global,
    /// In each layer: its ⌊d·N_l⌋ largest stay. Below a density of 0.2 the classifier is held at 0.2 and the others share what is
    /// left (the `_uniform` methods).
    Layer,
}

/// Edges that go, and as many that come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exchange {
    /// Which go.
    pub drop: Drop,
    /// Which come.
    pub grow: Selected<dyn GrowRule>,
    /// How many of those that went come back to each layer.
    pub redistribute: Redistribute,
    /// The part of a layer's edges that goes.
    pub fraction: DropFraction,
    /// What edges that come begin with.
    pub value: GrownValue,
    /// Whether an edge that goes and comes back in the same update keeps weight and optimiser state.
    pub regrown_keeps: bool,
}

/// Steps at which edges move, counted from 1: the multiples of `interval` from `begin` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    /// ΔT.
    pub interval: u64,
    /// First step that may be one.
    pub begin: u64,
    /// T_end: first step that may not; none if edges move to the end of training.
    pub end: Option<u64>,
    /// Batches whose gradients are averaged, that of the update included.
    pub accumulate: u64,
}

impl When {
    /// Whether edges move at this step.
    #[must_use]
    pub fn is_update(&self, step: u64) -> bool {
        step > 0 && step.is_multiple_of(self.interval) && step >= self.begin && self.end.is_none_or(|end| step < end)
    }

    /// The last update in a training of this many steps.
    #[must_use]
    pub fn last(&self, steps: u64) -> Option<u64> {
        let most = self.end.map_or(steps, |end| steps.min(end.saturating_sub(1)));
        let last = most - most % self.interval;
        self.is_update(last).then_some(last)
    }

    /// The first update in a training of this many steps.
    #[must_use]
    pub fn first(&self, steps: u64) -> Option<u64> {
        let first = self.begin.max(1).next_multiple_of(self.interval);
        (first <= steps && self.is_update(first)).then_some(first)
    }

    /// Updates in a training of this many steps.
    #[must_use]
    pub fn count(&self, steps: u64) -> u64 {
        let ends = self.first(steps).zip(self.last(steps));
        ends.map_or(0, |(first, last)| (last - first) / self.interval + 1)
    }

    /// Whether the gradient of this step counts for an update.
    #[must_use]
    pub fn gathers(&self, step: u64) -> bool {
        let update = step.next_multiple_of(self.interval);
        self.is_update(update) && update - step < self.accumulate
    }
}

impl Rule {
    /// Whether every step's gradient of all weights is needed.
    #[must_use]
    pub fn needs_every_gradient(&self) -> bool {
        self.exchange.as_ref().is_some_and(|x| x.grow.reads_velocity())
    }

    /// Whether updates read the gradient of all weights.
    #[must_use]
    pub fn reads_gradient(&self) -> bool {
        self.prune.as_ref().is_some_and(|p| p.score.reads_gradient())
            || self.exchange.as_ref().is_some_and(|x| {
                x.grow.reads_gradient()
                    || x.redistribute == Redistribute::Gradient
                    || x.value.reads_gradient()
                    || x.drop.by.reads_gradient()
            })
    }

    /// The scores of the whole network that updates read. `state` is asked for only if there are such.
    ///
    /// # Errors
    /// That of `state`.
    pub fn network_scores(&self, spec: &ModelSpec, state: impl FnOnce() -> Result<ModelState>) -> Result<NetworkScores> {
        let prune = self.prune.map(|p| *p.score).filter(|score| score.of_network().is_some());
        let drop = self.exchange.map(|x| x.drop.by).filter(|score| score.of_network().is_some());
        if prune.is_none() && drop.is_none() {
            return Ok(NetworkScores::default());
        }
        let state = state()?;
        let scores = |of: Selected<dyn DropScore>| of.of_network().map(|compute| compute(spec, &state, &of.values()));
        let of_prune = prune.and_then(scores).unwrap_or_default();
        let of_drop = if drop == prune { of_prune.clone() } else { drop.and_then(scores).unwrap_or_default() };
        Ok(NetworkScores { prune: of_prune, drop: of_drop })
    }
}
