//! The training loop. It only trains: everything else that happens along the way is a [`Hook`].

mod approach;
mod display;
mod dynamic;
mod edge_popup;
mod empty_layers;
mod event;
mod iterative;
mod launch;
mod ledger;
mod mask_files;
mod masked;
mod methods;
mod network;
mod record;
mod reparameterised;
mod session;
mod stepper;
mod stopwatch;
mod stored;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub use approach::{Approach, AskedDensity, Inheritance, StateFrom, TrainingContext};
pub use display::{Display, remark, tell};
pub use dynamic::DynamicStepper;
pub use edge_popup::{EdgePopup, EdgePopupOptions, TicketSearch, allowed_masks};
pub use event::{Event, LayerSparsity, LayerUpdate, Level, Pruned, Sparsity, Update};
pub use iterative::{IterativeOptions, IterativePruning, IterativeStepper, Load, LoadMode, after_levels};
pub use launch::{Destination, Evaluated, Launched, Training};
pub use masked::MaskedTraining;
pub use methods::{DENSE, STATIC, StepperParts, TopKastOptions, TopKastStepper, TrainingMethod, Trains, method_named, method_of};
pub use network::{InitialNetwork, drawn};
pub use record::Recorder;
pub use reparameterised::{
    Decays, Published, Reparameterisation, ReparameterisedOptions, ReparameterisedStepper, ReparameterisedTraining,
};
pub use session::{Finish, Results, Session};
pub use stepper::{OptimizerSteps, Stepped, Stepper};
pub use stopwatch::Stopwatch;
pub use stopwatch::median;

use stepper::settle;

use crate::data::{DataSet, Loader, Part, Prefetch};
use crate::run::{Best, Checkpoint, Origin, Progress, Signals, Stop, Sums};
use er_engine::{Batch, Engine, Outcome};
use er_graphs::error::{Error, Result};
use er_networks::schedule::{Clock, LearningRate, LearningRates};

/// The three parts of a data set, in batches.
#[derive(Debug)]
pub struct Data {
    /// Training images, one batch ahead.
    pub train: Prefetch,
    /// Validation images.
    pub validation: Loader,
    /// Test images.
    pub test: Loader,
}

impl Data {
    /// Batches of a data set, with `validation` as the part to choose the best epoch on. `seed` decides the order and augmentation
    /// of the training images.
    ///
    /// # Errors
    /// As [`Loader::new`] and [`Prefetch::new`].
    pub fn new(set: DataSet, batch_size: usize, test_batch_size: usize, validation: Part, seed: u64) -> Result<Self> {
        let set = Arc::new(set);
        let loader = |part, size| Loader::new(Arc::clone(&set), part, size, seed);
        Ok(Self {
            train: Prefetch::new(loader(Part::Train, batch_size)?)?,
            validation: loader(validation, test_batch_size)?,
            test: loader(Part::Test, test_batch_size)?,
        })
    }

    /// Steps of an epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.train.loader().batches_per_epoch() as u64
    }
}

/// How long to train, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Epochs in all.
    pub epochs: u64,
    /// Stop after this many steps, whatever the epoch.
    pub max_steps: Option<u64>,
    /// Steps between two lines of metrics.
    pub log_interval: u64,
    /// Learning rate of every epoch.
    pub learning_rate: LearningRates,
    /// Which epochs compete for being the best.
    pub contest: Contest,
}

/// Which epochs compete for being the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Contest {
    /// All.
    #[default]
    All,
    /// Those after this many, which come before networks are what the method makes of them: before the density has fallen, or before the
    /// first update. Until then the latest is the best.
    After(u64),
    /// Each so many of them among themselves; the best of the last ones is that of the training.
    Each(u64),
}

impl Contest {
    /// Whether this epoch, counted from 1, competes at all.
    fn counts(self, epoch: u64) -> bool {
        !matches!(self, Self::After(settled) if epoch <= settled)
    }

    /// Whether this epoch, counted from 1, competes with none before it.
    fn begins_anew(self, epoch: u64) -> bool {
        match self {
            Self::All => false,
            Self::After(settled) => epoch <= settled + 1,
            Self::Each(epochs) => (epoch - 1).is_multiple_of(epochs),
        }
    }
}

impl Plan {
    /// So many epochs at a learning rate that falls tenfold after a half and after three quarters of them.
    pub fn new(epochs: u64, learning_rate: f64) -> Self {
        let learning_rate = LearningRate::two_drops(learning_rate, epochs, 1).into();
        Self { epochs, max_steps: None, log_interval: 100, learning_rate, contest: Contest::All }
    }

    /// Whether nothing is left to train.
    pub fn is_done(&self, progress: &Progress) -> bool {
        progress.clock.epoch() >= self.epochs || self.stops_at(progress.clock.step)
    }

    /// Steps of the whole training, whose epochs have so many batches.
    pub fn steps(&self, batches_per_epoch: u64) -> u64 {
        let all = self.epochs * batches_per_epoch;
        self.max_steps.map_or(all, |max| max.min(all))
    }

    fn stops_at(&self, step: u64) -> bool {
        self.max_steps.is_some_and(|max| step >= max)
    }
}

/// What a hook learns after a step.
pub struct FinishedStep<'a> {
    /// Progress, this step included.
    pub progress: &'a Progress,
    /// Learning rate of the step.
    pub rate: f64,
    /// Loss and hits of the batch before the update.
    pub outcome: Outcome,
    /// Seconds the step took, waiting for its batch included.
    pub seconds: f64,
    /// Seconds of these spent waiting for the batch.
    pub waited: f64,
    /// Losses since the last line of metrics, if it is time for one.
    pub interval: Option<Sums>,
    /// Whether the epoch ends with this step.
    pub ends_epoch: bool,
    /// What happened to the edges, if it is worth a line.
    pub event: Option<&'a dyn Event>,
    /// What made the step.
    pub stepper: &'a dyn Stepper,
}

/// What a hook learns after an epoch.
pub struct FinishedEpoch<'a> {
    /// Progress, this epoch and its evaluation included.
    pub progress: &'a Progress,
    /// Learning rate of the epoch.
    pub rate: f64,
    /// Whether its validation accuracy is the best so far.
    pub is_best: bool,
    /// Whether it competes for being the best: until one does, the latest is.
    pub competes: bool,
    /// Seconds of its training steps, without evaluation.
    pub seconds: f64,
    /// Images trained on in these seconds.
    pub images: usize,
    /// What made its steps.
    pub stepper: &'a dyn Stepper,
}

impl FinishedEpoch<'_> {
    /// Writes a checkpoint of the network after this epoch.
    ///
    /// # Errors
    /// As [`Checkpoint::write`], and those of the engine.
    pub fn write(&self, path: &Path, origin: &Origin, engine: &dyn Engine) -> Result<()> {
        let (state, saved) = (self.stepper.network(engine)?, self.stepper.saved(engine)?);
        Checkpoint::write(path, engine.spec(), origin, self.progress, &state, &saved)
    }
}

/// Something that happens during training. Hooks are called in the order in which they are given; the first error ends the
/// training.
pub trait Hook {
    /// After each step.
    fn after_step(&mut self, _step: &FinishedStep, _engine: &mut dyn Engine) -> Result<()> {
        Ok(())
    }

    /// After each epoch and its evaluation.
    fn after_epoch(&mut self, _epoch: &FinishedEpoch, _engine: &mut dyn Engine) -> Result<()> {
        Ok(())
    }

    /// When the training is asked to stop between two steps of an epoch.
    fn at_stop(&mut self, _progress: &Progress, _engine: &mut dyn Engine, _stepper: &dyn Stepper) -> Result<()> {
        Ok(())
    }
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to train.
    Done,
    /// It was asked to stop; hooks have saved.
    Stopped(Stop),
}

/// A training loop: what it follows, what happens along the way, and who may stop it.
///
/// ```
/// use er_engine::sparse::SparseEngine;
/// use er_engine::{Engine, StepOptions};
/// use er_networks::model::{Image, build};
/// use er_training::Backend;
/// use er_training::data::{self, DataKind, Part};
/// use er_training::run::Progress;
/// use er_training::train::{Data, InitialNetwork, OptimizerSteps, Plan, TrainingLoop};
///
/// let spec = build("mlp-8", Image::new(1, 8, 8), 10)?;
/// let first = InitialNetwork::new(None).state(&spec, Backend::Sparse)?;
/// let mut engine = SparseEngine::new(spec, first, StepOptions::default(), 64, 1)?;
/// let digits = data::load(DataKind::Digits, &[], &data::Options::default())?.with_valid_split(0.1)?;
/// let mut data = Data::new(digits, 64, 100, Part::Validation, 1)?;
/// let mut progress = Progress::new(data.batches_per_epoch());
/// let plan = Plan::new(1, 0.1);
/// TrainingLoop::new(&plan).run(&mut engine, &mut OptimizerSteps, &mut data, &mut progress)?;
/// assert_eq!(progress.clock.epoch(), 1);
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub struct TrainingLoop<'a> {
    plan: &'a Plan,
    hooks: Vec<&'a mut dyn Hook>,
    signals: Signals,
}

impl<'a> TrainingLoop<'a> {
    /// A loop without hooks that nobody stops.
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, hooks: Vec::new(), signals: Signals::none() }
    }

    /// Adds hooks, which are called in their order; the first error ends the training.
    #[must_use]
    pub fn hooks(mut self, hooks: impl IntoIterator<Item = &'a mut dyn Hook>) -> Self {
        self.hooks.extend(hooks);
        self
    }

    /// Who may ask it to stop.
    #[must_use]
    pub fn signals(mut self, signals: &Signals) -> Self {
        self.signals = signals.clone();
        self
    }

    /// Trains, step by step with `stepper`, from `progress` on until the plan is done or a signal arrives. After every epoch, and where
    /// `max_steps` ends one early, the validation images are evaluated.
    ///
    /// The losses that are reported do not depend on where a training was interrupted and resumed.
    ///
    /// # Errors
    /// A training or validation loss that is not finite; errors of the engine and of hooks.
    pub fn run(
        &mut self,
        engine: &mut dyn Engine,
        stepper: &mut dyn Stepper,
        data: &mut Data,
        progress: &mut Progress,
    ) -> Result<Ended> {
        let mut batch = Batch::default();
        while !self.plan.is_done(progress) {
            let (mut seconds, mut images) = (0.0, 0);
            let rate = loop {
                let clock = progress.clock;
                let rate = self.plan.learning_rate.at(clock);
                let before = Instant::now();
                data.train.fill(clock.epoch(), clock.batch() as usize, &mut batch);
                let waited = before.elapsed().as_secs_f64();
                let Stepped { outcome, event } = one_step(engine, stepper, progress, rate, &batch)?;
                let took = before.elapsed().as_secs_f64();
                (seconds, images) = (seconds + took, images + outcome.samples);
                let Clock { step, .. } = progress.clock;
                let ends_epoch = progress.clock.batch() == 0 || self.plan.stops_at(step);
                let interval = step.is_multiple_of(self.plan.log_interval).then(|| std::mem::take(&mut progress.interval));
                let (stepper, event) = (&*stepper, event.as_deref());
                let step = FinishedStep { progress, rate, outcome, seconds: took, waited, interval, ends_epoch, event, stepper };
                self.hooks.iter_mut().try_for_each(|hook| hook.after_step(&step, engine))?;
                if ends_epoch {
                    break rate;
                }
                if let Some(stop) = self.signals.stop() {
                    self.hooks.iter_mut().try_for_each(|hook| hook.at_stop(progress, engine, stepper))?;
                    return Ok(Ended::Stopped(stop));
                }
            };
            stepper.settle(engine, data, progress.clock.epochs_begun() - 1, &mut batch)?;
            let is_best = end_epoch(engine, data, self.plan, progress, &mut batch)?;
            let competes = self.plan.contest.counts(progress.clock.epochs_begun());
            let epoch = FinishedEpoch { progress, rate, is_best, competes, seconds, images, stepper: &*stepper };
            self.hooks.iter_mut().try_for_each(|hook| hook.after_epoch(&epoch, engine))?;
            if let Some(stop) = self.signals.stop().filter(|_| !self.plan.is_done(progress)) {
                return Ok(Ended::Stopped(stop));
            }
        }
        Ok(Ended::Done)
    }
}

/// One step and its place in the sums.
fn one_step(
    engine: &mut dyn Engine,
    stepper: &mut dyn Stepper,
    progress: &mut Progress,
    rate: f64,
    batch: &Batch,
) -> Result<Stepped> {
    let clock = progress.clock.next();
    let stepped = stepper.step(engine, batch, clock, rate)?;
    let outcome = stepped.outcome;
    if progress.clock.batch() == 0 {
        progress.train = Sums::default();
    }
    progress.clock = clock;
    progress.train.add(outcome);
    progress.interval.add(outcome);
    if outcome.loss_sum.is_finite() {
        return Ok(stepped);
    }
    let what = format!("loss is not finite at step {} (epoch {})", clock.step, clock.epochs_begun());
    Err(Error::failure(what).help("the training diverged: lower --lr, or let it warm up longer"))
}

/// Evaluates at the end of an epoch; returns whether this one is the best so far.
fn end_epoch(engine: &mut dyn Engine, data: &Data, plan: &Plan, progress: &mut Progress, batch: &mut Batch) -> Result<bool> {
    progress.validation = evaluate(engine, &data.validation, batch)?;
    let epoch = progress.clock.epochs_begun();
    if plan.contest.begins_anew(epoch) {
        progress.best = None;
    }
    if !progress.validation.loss.is_finite() {
        let what = format!("validation loss is not finite after epoch {epoch}");
        return Err(Error::failure(what).help("the training diverged: lower --lr, or let it warm up longer"));
    }
    let accuracy = progress.validation.accuracy().unwrap_or_default();
    let is_best = progress.best.is_none_or(|best| accuracy > best.accuracy);
    if is_best {
        progress.best = Some(Best { epoch, accuracy, accuracy_5: progress.validation.accuracy_5() });
    }
    Ok(is_best)
}

/// Loss and hits over all batches of a loader.
///
/// # Errors
/// Those of the engine.
pub fn evaluate(engine: &mut dyn Engine, loader: &Loader, batch: &mut Batch) -> Result<Sums> {
    let mut sums = Sums::default();
    for step in 0..loader.batches_per_epoch() {
        loader.fill(0, step, batch);
        sums.add(engine.evaluate(batch)?);
    }
    Ok(sums)
}

#[cfg(test)]
mod tests;
