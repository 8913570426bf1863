//! What a run does to a network: what differs from program to program, and what researchers add.

use std::fmt;

use serde_json::{Map, Value};

use super::{Contest, Data, Hook, Stepper};
use crate::Backend;
use crate::run::{Origin, RunFolder, Saved};
use er_engine::{Engine, ModelState, StepOptions};
use er_graphs::error::Result;
use er_networks::model::ModelSpec;
use er_networks::topology::Drawn;
use er_networks::topology::rule::Length;

/// Where the training of a network begins, and what happens at each step. [`fmt::Display`] says in words what happens.
pub trait Approach: fmt::Debug + fmt::Display {
    /// Draws the masks that the network begins with.
    ///
    /// # Errors
    /// As [`er_networks::topology::MaskPlan::draw`].
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn>;

    /// The first network, and what a checkpoint would hold besides it. What is costly to compute, `backend` computes.
    ///
    /// # Errors
    /// As [`Approach::draw`]; files that are missing or do not fit; those of the backend.
    fn begin(&self, spec: &ModelSpec, backend: Backend) -> Result<(ModelState, Saved)>;

    /// Refuses a training that the approach does not fit.
    ///
    /// # Errors
    /// A usage error.
    fn check(&self, _length: Length) -> Result<()> {
        Ok(())
    }

    /// Which epochs compete for being the best.
    fn contest(&self, _length: Length) -> Contest {
        Contest::All
    }

    /// What the engine does by itself at a step, of what is asked for.
    fn engine_options(&self, asked: StepOptions) -> StepOptions {
        asked
    }

    /// What makes the steps of the network in this engine.
    ///
    /// # Errors
    /// A checkpoint that does not fit.
    fn stepper(&self, situation: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>>;

    /// What happens along the way, before metrics and checkpoints are written.
    ///
    /// # Errors
    /// Files that cannot be read.
    fn hooks(&self, _folder: &RunFolder, _origin: &Origin, _situation: &TrainingContext) -> Result<Vec<Box<dyn Hook>>> {
        Ok(Vec::new())
    }

    /// What the summary says of the network that is saved.
    fn measured(&self, state: &ModelState) -> Map<String, Value>;

    /// More for the summary, when all is trained and tested. The engine may be left with another network.
    ///
    /// # Errors
    /// Files that cannot be read.
    fn finish(&self, _folder: &RunFolder, _engine: &mut dyn Engine, _data: &Data) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
}

/// In which training a step is made, and from where on.
#[derive(Debug)]
pub struct TrainingContext<'a> {
    /// How long training takes.
    pub length: Length,
    /// What is trained on.
    pub data: &'a Data,
    /// How parameters are to move.
    pub options: StepOptions,
    /// Steps made before.
    pub step: u64,
    /// Epochs completed before.
    pub epoch: u64,
    /// What the checkpoint holds that the engine's network is from, or what [`Approach::begin`] gave with it.
    pub saved: &'a Saved,
}
