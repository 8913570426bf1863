//! One training from what decides it to its summary, in a folder of its own: begins, goes on, or says that it has finished.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Approach, Data, Finish, Hook, Plan, Session, TrainingContext, evaluate};
use crate::Backend;
use crate::data::{self, DataKind, Part};
use crate::run::{Checkpoint, Invocation, Origin, Progress, RunFolder, Saved, Signals, StartPoint, Status, Stop, Sums};
use er_engine::{Batch, ModelState, StepOptions};
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::topology::rule::Length;

/// How a run came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Launched {
    /// Its folder.
    pub folder: PathBuf,
    /// Whether it had finished before.
    pub before: bool,
    /// The summary, or who asked to stop.
    pub end: Result<Value, Stop>,
}

/// What a network does, without training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluated {
    /// On the validation images.
    pub validation: Sums,
    /// On the test images.
    pub test: Sums,
    /// Its edges.
    pub edges: usize,
}

/// Everything that decides one training of one seed, and how it is computed.
#[derive(Debug)]
pub struct Training {
    /// What computes.
    pub backend: Backend,
    /// Threads of the engine.
    pub threads: usize,
    /// The network.
    pub spec: ModelSpec,
    /// Data set.
    pub data: DataKind,
    /// What the data set leaves to choose.
    pub data_options: data::Options,
    /// Folder of the data sets, before the usual ones.
    pub data_dir: Option<PathBuf>,
    /// Fraction held out.
    pub valid_split: f64,
    /// Images per training step.
    pub batch_size: usize,
    /// Images per evaluation step.
    pub test_batch_size: usize,
    /// Seed of the order and augmentation of images.
    pub seed: u64,
    /// Whether the best epoch is chosen on the test images.
    pub select_on_test: bool,
    /// What is done to the network.
    pub approach: Box<dyn Approach>,
    /// Factor that stretches the training.
    pub multiplier: u64,
    /// How parameters move.
    pub step: StepOptions,
    /// How long to train, and how fast.
    pub plan: Plan,
    /// Where the run may begin other than with a fresh network.
    pub start: StartPoint,
    /// What the summary says besides the results.
    pub facts: Map<String, Value>,
    /// Steps between two checkpoints.
    pub checkpoint_interval: u64,
    /// Epochs between two files of masks, if there are to be some.
    pub mask_interval: Option<u64>,
    /// Whether to show nothing.
    pub quiet: bool,
}

/// Where a training goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its folder.
    pub path: PathBuf,
    /// Hash of the options that decide the result.
    pub hash: String,
    /// Its options, as `config.yaml` has them.
    pub config: String,
}

impl Training {
    /// Runs in `program`, and writes to `to`. `fresh` gives the first masks and weights where there is no checkpoint.
    ///
    /// # Errors
    /// An engine or a device that is not there, data that is missing, a schedule that does not fit the number of batches, a folder
    /// in use or not writable, a checkpoint that does not fit, a device that fails, a training that diverges. The manifest then says
    /// so too, if there is a folder.
    pub fn launch(
        &self,
        program: &Invocation,
        to: &Destination,
        fresh: impl FnOnce() -> Result<(ModelState, Saved)>,
        signals: &Signals,
    ) -> Result<Launched> {
        let Destination { path, hash, config } = to;
        if let Some(summary) = RunFolder::summary(path)? {
            return Ok(Launched { folder: path.clone(), before: true, end: Ok(summary) });
        }
        // A missing device or missing data must leave no folder behind.
        self.backend.check()?;
        let mut data = self.load()?;
        self.approach.check(self.length(&data))?;
        let mut folder = RunFolder::open(path, hash, program)?;
        folder.begin(config, program)?;
        let end = self.train(program, &folder, &mut data, fresh, signals);
        let (status, error) = match &end {
            Ok(Ok(_)) => (Status::Finished, None),
            Ok(Err(_)) => (Status::Interrupted, None),
            Err(e) => (Status::Failed, Some(e)),
        };
        let noted = folder.end(status, error);
        // The first error is the one to report.
        let end = end?;
        noted?;
        Ok(Launched { folder: path.clone(), before: false, end })
    }

    /// Evaluates the network of a checkpoint on the validation and the test images.
    ///
    /// # Errors
    /// An engine or a device that is not there; data or a checkpoint that is missing, damaged or does not fit.
    pub fn evaluate(&self, checkpoint: &Path) -> Result<Evaluated> {
        self.backend.check()?;
        let state = Checkpoint::read(checkpoint, &self.spec)?.state;
        let data = self.load()?;
        let edges = state.layers.iter().map(|l| l.mask.edges()).sum();
        let largest = self.batch_size.min(data.train.loader().len());
        let mut engine = self.backend.engine(self.spec.clone(), state, self.step, largest, self.threads)?;
        let mut of = |loader| evaluate(&mut *engine, loader, &mut Batch::default());
        Ok(Evaluated { validation: of(&data.validation)?, test: of(&data.test)?, edges })
    }

    fn load(&self) -> Result<Data> {
        let er_data = std::env::var_os("ER_DATA");
        let roots = data::search_path(self.data_dir.as_deref(), er_data.as_deref());
        let set = data::load(self.data, &roots, &self.data_options)?.with_valid_split(self.valid_split)?;
        if set.image != self.spec.input() || set.classes != self.spec.classes() {
            let found = format!("{} in {} classes", set.image, set.classes);
            let expected = format!("{} in {} classes", self.spec.input(), self.spec.classes());
            return Err(Error::failure(format!("data set {} has images of {found}, expected {expected}", self.data)));
        }
        let validation = if self.select_on_test { Part::Test } else { Part::Validation };
        Data::new(set, self.batch_size, self.test_batch_size, validation, self.seed)
    }

    fn length(&self, data: &Data) -> Length {
        let batches_per_epoch = data.train.loader().batches_per_epoch() as u64;
        Length { batches_per_epoch, epochs: self.plan.epochs, multiplier: self.multiplier }
    }

    fn train(
        &self,
        program: &Invocation,
        folder: &RunFolder,
        data: &mut Data,
        fresh: impl FnOnce() -> Result<(ModelState, Saved)>,
        signals: &Signals,
    ) -> Result<Result<Value, Stop>> {
        let (state, progress, saved) = if let Some(checkpoint) = self.start.checkpoint(folder, &self.spec)? {
            (checkpoint.state, checkpoint.progress, checkpoint.saved)
        } else {
            let (state, saved) = fresh()?;
            (state, Progress::default(), saved)
        };
        if progress.best.is_none() && self.plan.is_done(&progress) {
            let what = format!("the checkpoint to resume from is after {} epochs and {} steps", progress.epoch, progress.step);
            return Err(Error::failure(format!("{what}: nothing is left to train"))
                .help("ask for more with --epochs or --max-steps, or go back with --start-epoch"));
        }
        let length = self.length(data);
        let situation =
            TrainingContext { length, data, options: self.step, step: progress.step, epoch: progress.epoch, saved: &saved };
        // Evaluation has no gradients to store and comes in chunks of what training needs room for.
        let largest = self.batch_size.min(data.train.loader().len());
        let options = self.approach.engine_options(self.step);
        let mut engine = self.backend.engine(self.spec.clone(), state, options, largest, self.threads)?;
        let mut stepper = self.approach.stepper(&situation, &mut *engine)?;
        let origin = Origin::new(program.name, &self.spec, folder.config_hash());
        let mut hooks = self.approach.hooks(folder, &origin, &situation)?;
        let session = Session {
            folder,
            origin,
            plan: Plan { contest: self.approach.contest(length), ..self.plan.clone() },
            checkpoint_interval: self.checkpoint_interval,
            mask_interval: self.mask_interval,
            quiet: self.quiet,
        };
        let mut hooks: Vec<&mut dyn Hook> = hooks.iter_mut().map(|hook| &mut **hook as &mut dyn Hook).collect();
        match session.run(&mut *engine, &mut *stepper, data, progress, &mut hooks, signals)? {
            Finish::Stopped(stop) => Ok(Err(stop)),
            Finish::Done(results) => {
                let mut summary = self.facts.clone();
                summary.extend(self.approach.measured(&engine.state()?));
                let results = serde_json::to_value(results).map_err(|e| Error::failure(format!("cannot write results: {e}")))?;
                if let Value::Object(results) = results {
                    summary.extend(results);
                }
                summary.extend(stepper.results());
                summary.extend(self.approach.finish(folder, &mut *engine, data)?);
                let summary = Value::Object(summary);
                folder.write_summary(&summary)?;
                Ok(Ok(summary))
            }
        }
    }
}
