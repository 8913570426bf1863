//! What a run does to a network: what differs from program to program, and what researchers add.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value};

use super::{Contest, Data, Hook, Stepper};
use crate::Backend;
use crate::run::{Checkpoint, Origin, RunFolder, Saved};
use er_engine::{Engine, ModelState, StepOptions};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::schedule::{Clock, Length};
use er_networks::topology::Drawn;

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

    /// What is worth a remark before a training of this length and this many steps begins with this network: what was asked for and will
    /// not come of it.
    ///
    /// # Errors
    /// As [`Approach::check`].
    fn remarks(&self, _spec: &ModelSpec, _state: &ModelState, _length: Length, _steps: u64) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Looks at the checkpoint of another run that a training of this length goes on from, at the clock that it has.
    ///
    /// # Errors
    /// A usage error if what was asked for cannot come true from there: masks that are not those of the options, a density that will not be
    /// reached, updates that will not happen.
    fn take_over(&self, checkpoint: &Checkpoint, spec: &ModelSpec, length: Length) -> Result<Inheritance>;

    /// What to do where the density that was achieved is not the one that was asked for, naming the option that mends it.
    fn density_advice(&self, spec: &ModelSpec, asked: f64, achieved: f64) -> String;

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
    fn stepper(&self, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>>;

    /// What happens along the way, before metrics and checkpoints are written.
    ///
    /// # Errors
    /// Files that cannot be read.
    fn hooks(&self, _folder: &RunFolder, _origin: &Origin, _context: &TrainingContext) -> Result<Vec<Box<dyn Hook>>> {
        Ok(Vec::new())
    }

    /// The levels, from 1, whose networks are in [`RunFolder::ticket`] after a run has trained these epochs, counted from 0.
    fn tickets(&self, _epochs: Range<u64>) -> Vec<u64> {
        Vec::new()
    }

    /// What the summary says of the network that is saved.
    fn measured(&self, state: &ModelState) -> Map<String, Value>;

    /// More for the summary, when all is trained and tested, with these [`Approach::tickets`]. The engine may be left with another network.
    ///
    /// # Errors
    /// Files that cannot be read.
    fn finish(
        &self,
        _folder: &RunFolder,
        _engine: &mut dyn Engine,
        _data: &Data,
        _tickets: &[u64],
    ) -> Result<Map<String, Value>> {
        Ok(Map::new())
    }
}

/// What a run says of masks that it takes over from a checkpoint of another one.
#[derive(Debug, Default)]
pub struct Inheritance {
    /// For the summary, in place of what options ask for.
    pub facts: Map<String, Value>,
    /// For the user.
    pub remarks: Vec<String>,
}

/// A density of masks that was asked for by an option, where masks come from elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedDensity {
    /// The option, as messages show it.
    pub option: String,
    /// The density.
    pub density: f64,
}

impl AskedDensity {
    /// Refuses masks of another density; of `weights` weights, drawn at random.
    ///
    /// # Errors
    /// A usage error if the difference is more than 1 % and more than chance.
    pub fn check(&self, found: f64, weights: usize) -> Result<()> {
        if same_density(self.density, found, weights) {
            return Ok(());
        }
        let Self { option, density } = self;
        let what =
            format!("{option} {}: the masks of the checkpoint to resume from have density {}", rounded(*density), rounded(found));
        Err(Error::usage(what).help("leave it out: masks come with the checkpoint; or begin anew without --resume"))
    }
}

/// Whether masks of this many weights, of which a part was asked for and a part found, may be of the same kind: up to 1 %, half an edge,
/// or four standard deviations of independent draws.
pub(super) fn same_density(asked: f64, found: f64, weights: usize) -> bool {
    let n = weights.max(1) as f64;
    let chance = 4.0 * (asked * (1.0 - asked).max(0.0) / n).sqrt();
    (asked - found).abs() <= (0.01 * asked).max(chance).max(0.5 / n)
}

/// Where in a training its state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFrom {
    /// From where the training stands: from [`Approach::begin`] or a checkpoint, so that everything goes on, counts and costs too.
    ThisClock,
    /// From a checkpoint of another run, with the clock set anew: its network and what belongs to that are taken over, its counts and
    /// costs are not.
    AnotherClock,
}

/// In which training steps are made, and from where on.
#[derive(Debug)]
pub struct TrainingContext<'a> {
    /// How long training takes.
    pub length: Length,
    /// Where it stands.
    pub clock: Clock,
    /// What is trained on.
    pub data: &'a Data,
    /// How parameters are to move.
    pub options: StepOptions,
    /// What the checkpoint holds that the engine's network is from, or what [`Approach::begin`] gave with it.
    pub saved: &'a Saved,
    /// Whether that is from where the training stands.
    pub from: StateFrom,
}
