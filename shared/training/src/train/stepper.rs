//! What a training does with a batch.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Data;
use crate::run::Saved;
use er_engine::{Batch, Engine, ModelState, Outcome, Step};
use er_graphs::error::Result;

/// What happens at one step: an optimiser step, edges that move, or both. Everything else about training is a
/// [`Hook`](super::Hook).
pub trait Stepper {
    /// Step `step`, counted from 1, with this batch and learning rate.
    ///
    /// # Errors
    /// If the method or the engine cannot go on. A loss that is not finite is for the caller to notice.
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, step: u64, rate: f64) -> Result<Stepped>;

    /// Before the first step of a session: what is worth telling the user.
    ///
    /// # Errors
    /// If the network is not what it is said to be.
    fn begin(&mut self, _engine: &mut dyn Engine, _data: &Data) -> Result<Option<String>> {
        Ok(None)
    }

    /// Before the evaluation after an epoch (counted from 0): readies the network for it. `batch` is there to be written over.
    ///
    /// # Errors
    /// Those of the engine.
    fn settle(&mut self, _engine: &mut dyn Engine, _data: &Data, _epoch: u64, _batch: &mut Batch) -> Result<()> {
        Ok(())
    }

    /// The network as it is to be saved, tested and measured.
    ///
    /// # Errors
    /// Those of the engine.
    fn network(&self, engine: &dyn Engine) -> Result<ModelState> {
        engine.state()
    }

    /// What a checkpoint must hold besides that network.
    ///
    /// # Errors
    /// Those of the engine.
    fn saved(&self, engine: &dyn Engine) -> Result<Saved>;

    /// What the summary says of it.
    fn results(&self) -> Map<String, Value>;

    /// What is left to tell the user when a training ends.
    fn final_report(&self) -> Option<String>;
}

/// Lets running statistics settle through the first batches of an epoch, without a step. They lag behind a network that changes at
/// every step, and one with other edges has other statistics.
///
/// # Errors
/// Those of the engine.
pub(super) fn settle(engine: &mut dyn Engine, data: &Data, epoch: u64, batches: usize, batch: &mut Batch) -> Result<()> {
    let train = data.train.loader();
    for step in 0..batches.min(train.batches_per_epoch()) {
        train.fill(epoch, step, batch);
        engine.step(batch, Step::by(&mut |_, _| ()))?;
    }
    Ok(())
}

/// What a step gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// Loss and hits of the batch before anything moved.
    pub outcome: Outcome,
    /// What happened to the edges, at a step where something does that is worth a line.
    pub event: Option<Event>,
}

/// What happened to the edges of a network at a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Event {
    /// Edges were moved.
    Update(Update),
    /// Another number of them is chosen from now on.
    Level(Level),
    /// Others are in use.
    Sparsity(Sparsity),
    /// A level of training has ended with pruning.
    Pruned(Pruned),
}

/// What is left after a level of training. Densities are those of the layers that can be pruned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// The level, from 1.
    pub level: u64,
    /// Number of levels.
    pub levels: u64,
    /// Density that is asked for.
    pub density_target: f64,
    /// Density afterwards.
    pub density: f64,
    /// Density of the edges that are on a path from the image to the logits.
    pub density_effective: f64,
    /// Edges of all layers afterwards.
    pub edges: usize,
    /// Edges pruned.
    pub pruned: usize,
    /// Edges that masks or signs of another run were to be taken for, or from, and that are not there.
    pub missing: usize,
}

/// Which weights are in use, of those that are trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sparsity {
    /// Part of all weights.
    pub density: f64,
    /// Weights in use.
    pub edges: usize,
    /// Weights whose gradients are computed: those in use, and those that may soon be.
    pub places: usize,
    /// All layers, by the name of their weights.
    pub layers: BTreeMap<String, LayerSparsity>,
}

/// Which weights of a layer are in use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LayerSparsity {
    /// Part of its weights.
    pub density: f64,
    /// Magnitude above which weights are in use, where it is trained.
    pub threshold: Option<f64>,
}

/// Part of a training in which a fixed fraction of the weights and biases is chosen. Fractions are of all weights and biases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Which part, from 1.
    pub level: u64,
    /// Number of parts.
    pub levels: u64,
    /// Fraction that is asked for.
    pub density_target: f64,
    /// Fraction that is kept.
    pub density: f64,
    /// Weights kept.
    pub edges: usize,
    /// Biases kept.
    pub biases: usize,
    /// Part of the weights and biases kept before that still are; none at the beginning.
    pub stayed: Option<f64>,
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
