//! What a training does with a batch.

use serde_json::{Map, Value};

use super::{Data, Event};
use crate::run::Saved;
use er_engine::{Batch, Engine, ModelState, Outcome, Step};
use er_graphs::error::Result;
use er_networks::schedule::Clock;

/// What happens at one step: an optimiser step, edges that move, or both. Everything else about training is a
/// [`Hook`](super::Hook).
pub trait Stepper {
    /// The step after which the training stands at `clock`, so number `clock.step` from 1, with this batch and learning rate.
    ///
    /// # Errors
    /// If the method or the engine cannot go on. A loss that is not finite is for the caller to notice.
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped>;

    /// Before the first step of a session: what is worth telling the user.
    ///
    /// # Errors
    /// If the network is not what it is said to be.
    fn begin(&mut self, _engine: &mut dyn Engine, _data: &Data) -> Result<Option<String>> {
        Ok(None)
    }

    /// Before the evaluation after an epoch (numbered from 0): readies the network for it. `batch` is there to be written over.
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
    fn saved(&self, _engine: &dyn Engine) -> Result<Saved> {
        Ok(Saved::default())
    }

    /// What the summary says of it.
    fn results(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What is left to tell the user when a training ends.
    fn final_report(&self) -> Option<String> {
        None
    }
}

/// Optimiser steps and nothing else: a training with a fixed mask.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptimizerSteps;

impl Stepper for OptimizerSteps {
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, _: Clock, rate: f64) -> Result<Stepped> {
        Ok(Stepped { outcome: engine.step(batch, Step::optimizer(rate))?, event: None })
    }
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
#[derive(Debug, PartialEq)]
pub struct Stepped {
    /// Loss and hits of the batch before anything moved.
    pub outcome: Outcome,
    /// What happened to the edges, at a step where something does that is worth a line.
    pub event: Option<Box<dyn Event>>,
}
