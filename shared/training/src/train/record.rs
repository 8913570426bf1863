//! Metrics and checkpoints of a run folder.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::{FinishedEpoch, FinishedStep, Hook, Stepper};
use crate::run::{Checkpoint, Lines, Origin, Progress, RunFolder, not_finite};
use er_engine::Engine;
use er_graphs::error::{Error, Result};
use er_networks::schedule::Clock;

/// Version of the lines of `metrics.jsonl` and `timing.jsonl`.
const SCHEMA: u32 = 1;

/// First line of a file of metrics.
#[derive(Serialize)]
struct Head<'a> {
    schema: u32,
    program: &'a str,
    model: &'a str,
    config_hash: &'a str,
}

/// A line of metrics every few steps: means over the steps since the last one.
#[derive(Serialize)]
struct StepLine {
    kind: &'static str,
    step: u64,
    epoch: u64,
    learning_rate: f64,
    loss: Option<f64>,
    accuracy: Option<f64>,
}

/// A line of metrics at each step at which something happens to the edges; the event brings its kind.
#[derive(Serialize)]
struct EventLine {
    kind: &'static str,
    step: u64,
    epoch: u64,
    #[serde(flatten)]
    fields: Value,
}

/// A line of metrics at the end of each epoch: means over the epoch.
#[derive(Serialize)]
struct EpochLine {
    kind: &'static str,
    step: u64,
    epoch: u64,
    learning_rate: f64,
    train_loss: Option<f64>,
    train_accuracy: Option<f64>,
    train_accuracy_top5: Option<f64>,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
    validation_accuracy_top5: Option<f64>,
    best_epoch: Option<u64>,
}

/// A line of clock values at the end of each epoch; those of an epoch that was resumed count from there.
#[derive(Serialize)]
struct TimingLine {
    step: u64,
    epoch: u64,
    train_seconds: f64,
    images_per_second: f64,
}

/// Writes metrics, clock values and checkpoints.
#[derive(Debug)]
pub struct Recorder<'a> {
    folder: &'a RunFolder,
    origin: Origin,
    checkpoint_interval: u64,
    metrics: Lines,
    timing: Lines,
}

impl<'a> Recorder<'a> {
    /// Opens the files of a folder and rewinds them to this progress. A checkpoint is written before anything else, after every epoch, when
    /// the training is asked to stop, and every `checkpoint_interval` steps.
    ///
    /// # Errors
    /// If files cannot be read or written, or if lines from before this progress are damaged.
    pub fn open(
        folder: &'a RunFolder,
        origin: Origin,
        progress: &Progress,
        checkpoint_interval: u64,
        engine: &dyn Engine,
        stepper: &dyn Stepper,
    ) -> Result<Self> {
        let Clock { step, .. } = progress.clock;
        if !RunFolder::has_begun(folder.path())? {
            // So that a checkpoint that is missing later has been lost.
            write_checkpoint(&[folder.last()], &origin, progress, engine, stepper)?;
        }
        let head = Head { schema: SCHEMA, program: &origin.program, model: &origin.model, config_hash: &origin.config_hash };
        let metrics = Lines::open(&folder.metrics(), &head, step)?;
        let timing = Lines::open(&folder.timing(), &head, step)?;
        Ok(Self { folder, origin, checkpoint_interval, metrics, timing })
    }

    /// Checks, without touching anything, that the files of a folder can be gone on with from this progress.
    ///
    /// # Errors
    /// If files cannot be read, or if lines from before this progress are damaged or missing.
    pub fn check(folder: &RunFolder, progress: &Progress) -> Result<()> {
        let Clock { step, .. } = progress.clock;
        // The last epoch is one of this run, and it has a line.
        let reaches = progress.best.map(|_| step - progress.clock.batch());
        [folder.metrics(), folder.timing()].iter().try_for_each(|path| Lines::check(path, step, reaches))
    }

    /// Writes the latest state, and the best one if it is that. The lines of metrics up to here are durable before the checkpoint
    /// is, so a resumed run finds them.
    fn save(&self, progress: &Progress, engine: &dyn Engine, stepper: &dyn Stepper, is_best: bool) -> Result<()> {
        self.metrics.sync()?;
        // The best one first, since the latest one names it.
        let best = is_best.then(|| self.folder.best());
        let files: Vec<PathBuf> = best.into_iter().chain([self.folder.last()]).collect();
        write_checkpoint(&files, &self.origin, progress, engine, stepper)
    }
}

/// Writes what is needed to go on to each of these files.
///
/// # Errors
/// Values that are not finite; files that cannot be written; those of the engine.
fn write_checkpoint(
    files: &[PathBuf],
    origin: &Origin,
    progress: &Progress,
    engine: &dyn Engine,
    stepper: &dyn Stepper,
) -> Result<()> {
    let state = stepper.network(engine)?;
    let saved = stepper.saved(engine)?;
    if let Some(name) = not_finite(engine.spec(), &state).or_else(|| saved.not_finite()) {
        let what = format!("{name} is not finite after step {}", progress.clock.step);
        return Err(Error::failure(what).help("the training diverged: lower --lr; the last checkpoint is from before"));
    }
    files.iter().try_for_each(|path| Checkpoint::write(path, engine.spec(), origin, progress, &state, &saved))
}

impl Hook for Recorder<'_> {
    fn after_step(&mut self, step: &FinishedStep, engine: &mut dyn Engine) -> Result<()> {
        let clock = step.progress.clock;
        if let Some(event) = step.event {
            let (kind, fields) = (event.kind(), event.fields());
            self.metrics.append(&EventLine { kind, step: clock.step, epoch: clock.epochs_begun(), fields })?;
        }
        if let Some(sums) = step.interval {
            self.metrics.append(&StepLine {
                kind: "step",
                step: clock.step,
                epoch: clock.epochs_begun(),
                learning_rate: step.rate,
                loss: sums.mean_loss(),
                accuracy: sums.accuracy(),
            })?;
        }
        // The end of the epoch saves anyway, and then with its evaluation.
        if !step.ends_epoch && clock.step.is_multiple_of(self.checkpoint_interval) {
            self.save(step.progress, engine, step.stepper, false)?;
        }
        Ok(())
    }

    fn after_epoch(&mut self, epoch: &FinishedEpoch, engine: &mut dyn Engine) -> Result<()> {
        let progress = epoch.progress;
        self.metrics.append(&EpochLine {
            kind: "epoch",
            step: progress.clock.step,
            epoch: progress.clock.epochs_begun(),
            learning_rate: epoch.rate,
            train_loss: progress.train.mean_loss(),
            train_accuracy: progress.train.accuracy(),
            train_accuracy_top5: progress.train.accuracy_5(),
            validation_loss: progress.validation.mean_loss(),
            validation_accuracy: progress.validation.accuracy(),
            validation_accuracy_top5: progress.validation.accuracy_5(),
            best_epoch: progress.best.map(|b| b.epoch),
        })?;
        self.timing.append(&TimingLine {
            step: progress.clock.step,
            epoch: progress.clock.epochs_begun(),
            train_seconds: epoch.seconds,
            images_per_second: epoch.images as f64 / epoch.seconds,
        })?;
        self.save(progress, engine, epoch.stepper, epoch.is_best)
    }

    fn at_stop(&mut self, progress: &Progress, engine: &mut dyn Engine, stepper: &dyn Stepper) -> Result<()> {
        self.save(progress, engine, stepper, false)
    }
}
