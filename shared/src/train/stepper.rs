//! What a training does with a batch.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::engine::{Batch, Engine, ModelState, Outcome};
use crate::error::Result;
use crate::run::Saved;

/// What happens at one step: an optimiser step, edges that move, or both. Everything else about training is a
/// [`Hook`](super::Hook).
pub trait Stepper {
    /// Step `step`, counted from 1, with this batch and learning rate.
    ///
    /// # Errors
    /// If the method cannot go on. A loss that is not finite is for the caller to notice.
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, step: u64, rate: f64) -> Result<Stepped>;

    /// The network as it is to be saved, tested and measured.
    fn network(&self, engine: &dyn Engine) -> ModelState {
        engine.state()
    }

    /// What a checkpoint must hold besides that network.
    fn saved(&self, engine: &dyn Engine) -> Saved;

    /// What the summary says of it.
    fn results(&self) -> Map<String, Value>;

    /// What is left to tell the user when a training ends.
    fn told(&self) -> Option<String>;
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// Loss and hits of the batch before anything moved.
    pub outcome: Outcome,
    /// What happened to the edges, at a step where they move.
    pub update: Option<Update>,
}

/// What happened to the edges of a network in one update. Densities are those of the layers that can move.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    /// Density that the schedule asks for, where there is one.
    pub density_target: Option<f64>,
    /// Density afterwards.
    pub density: f64,
    /// Edges afterwards.
    pub edges: usize,
    /// Drop fraction f(t).
    pub drop_fraction: Option<f64>,
    /// Edges pruned for good.
    pub pruned: usize,
    /// Edges dropped in exchange for others.
    pub dropped: usize,
    /// Edges grown.
    pub grown: usize,
    /// Part of the dropped edges that were grown again at once.
    pub returned: Option<f64>,
    /// Edges that keep units alive, each put in another's place.
    pub repaired: usize,
    /// In-time over-parameterisation: part of the weights that have been edges after some update.
    pub itop: f64,
    /// Layers that can move, by the name of their weights.
    pub layers: BTreeMap<String, LayerUpdate>,
}

/// What happened to the edges of a layer in one update, as in [`Update`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)] // as in `Update`
pub struct LayerUpdate {
    pub density: f64,
    pub edges: usize,
    pub pruned: usize,
    pub dropped: usize,
    pub grown: usize,
    pub returned: usize,
    pub repaired: usize,
    pub itop: f64,
}
