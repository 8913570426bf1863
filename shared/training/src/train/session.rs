//! A training in a run folder: what goes along with it, and its results.

use serde::Serialize;

use super::empty_layers::EmptyLayers;
use super::mask_files::MaskFiles;
use super::{Data, Display, Ended, Hook, Plan, Recorder, Stepper, Stopwatch, TrainingLoop, evaluate, remark};
use crate::run::{Checkpoint, Origin, Progress, RunFolder, Signals, Stop, peak_rss_bytes};
use er_engine::{Batch, Engine};
use er_graphs::error::{Error, Result};

/// One training in one folder.
#[derive(Debug)]
pub struct Session<'a> {
    /// Where everything is written.
    pub folder: &'a RunFolder,
    /// What checkpoints say they belong to.
    pub origin: Origin,
    /// How long to train, and how fast.
    pub plan: Plan,
    /// Steps between two checkpoints.
    pub checkpoint_interval: u64,
    /// Epochs between two files of masks, if there are to be some.
    pub mask_interval: Option<u64>,
    /// Whether to show nothing.
    pub quiet: bool,
    /// What is trained, where and on what: lines to show first.
    pub heading: String,
    /// Lines to show then, where the run begins with the checkpoint of another one.
    pub remarks: Vec<String>,
}

/// What a training gave. Accuracies are fractions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// Accuracy on the test images of the epoch that was best on the validation images.
    pub test_accuracy: Option<f64>,
    /// Its top-5 accuracy there.
    pub test_accuracy_top5: Option<f64>,
    /// Its mean loss.
    pub test_loss: Option<f64>,
    /// The best epoch, from 1.
    pub best_epoch: Option<u64>,
    /// Its accuracy on the validation images.
    pub validation_accuracy: Option<f64>,
    /// Its top-5 accuracy there.
    pub validation_accuracy_top5: Option<f64>,
    /// Mean training loss of the last epoch.
    pub train_loss: Option<f64>,
    /// Mean training accuracy of the last epoch.
    pub train_accuracy: Option<f64>,
    /// Epochs trained.
    pub epochs: u64,
    /// Steps trained.
    pub steps: u64,
    /// Median duration of a step of the last session, without its first five, or the first half of fewer than ten.
    pub median_step_seconds: Option<f64>,
    /// Images of a full batch over that duration.
    pub images_per_second: Option<f64>,
    /// Share of the time of steps spent waiting for batches.
    pub data_wait_share: Option<f64>,
    /// Largest memory of the process in the last session.
    pub peak_rss_bytes: Option<u64>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// Trained and tested.
    Done(Box<Results>),
    /// Request to stop, and saved.
    Stopped(Stop),
}

impl Session<'_> {
    /// Trains from `progress` on; then evaluates the best epoch on the test images. `hooks` come before metrics and checkpoints
    /// are written, so that these include what the hooks have done.
    ///
    /// # Errors
    /// As [`TrainingLoop::run`]; files that cannot be written; a progress that does not fit the data.
    pub fn run(
        &self,
        engine: &mut dyn Engine,
        stepper: &mut dyn Stepper,
        data: &mut Data,
        mut progress: Progress,
        hooks: &mut [&mut dyn Hook],
        signals: &Signals,
    ) -> Result<Finish> {
        let (there, here) = (progress.clock.batches_per_epoch, data.batches_per_epoch());
        if there != here {
            let what = format!("the checkpoint is of a run with {there} batches an epoch, this run has {here} an epoch");
            return Err(Error::failure(what).help("use the data and batch size of the run that wrote it, or --start-epoch"));
        }
        let mut stopwatch = Stopwatch::default();
        let begun = progress.clock.step;
        let mut display = Display::new(self.quiet, self.plan.epochs, self.plan.steps(here), begun);
        display.table(&self.heading);
        self.remarks.iter().for_each(|line| display.line(line));
        if begun > 0 && self.remarks.is_empty() {
            display.line(&format!("going on after step {begun}"));
        }
        if let Some(text) = stepper.begin(engine, data)? {
            display.line(&text);
        }
        let (origin, interval) = (self.origin.clone(), self.checkpoint_interval);
        let mut recorder = Recorder::open(self.folder, origin, &progress, interval, engine, stepper)?;
        let mut masks = self.mask_interval.map(|epochs| MaskFiles::new(self.folder, self.origin.clone(), epochs));
        if let (Some(masks), Some(every)) = (&masks, self.mask_interval) {
            if begun == 0 {
                masks.write(&progress, engine, stepper)?;
            } else if let Some(what) = MaskFiles::missing(self.folder.path(), every, progress.clock.epoch()) {
                remark(&format!("--save-masks writes no masks of epochs that are past: {what}"));
            }
        }
        let mut empty = EmptyLayers::default();
        empty.begin(engine.spec(), &stepper.network(engine)?, begun == 0 || !self.remarks.is_empty());
        let mut all: Vec<&mut dyn Hook> = vec![&mut stopwatch, &mut empty];
        all.extend(hooks.iter_mut().map(|h| &mut **h as &mut dyn Hook));
        // Before the checkpoint, so that one which is gone on from has them behind it.
        all.extend(masks.as_mut().map(|masks| masks as &mut dyn Hook));
        all.push(&mut recorder);
        all.push(&mut display);
        let mut training = TrainingLoop::new(&self.plan).hooks(all).signals(signals);
        match training.run(engine, stepper, data, &mut progress)? {
            Ended::Stopped(stop) => Ok(Finish::Stopped(stop)),
            Ended::Done => {
                if let Some(text) = stepper.final_report() {
                    display.table(&text);
                }
                Ok(Finish::Done(Box::new(self.results(engine, data, &progress, &stopwatch)?)))
            }
        }
    }

    fn results(&self, engine: &mut dyn Engine, data: &Data, progress: &Progress, watch: &Stopwatch) -> Result<Results> {
        let best = Checkpoint::read(&self.folder.best(), engine.spec())?;
        engine.load_state(best.state)?;
        let test = evaluate(engine, &data.test, &mut Batch::default())?;
        Ok(Results {
            test_accuracy: test.accuracy(),
            test_accuracy_top5: test.accuracy_5(),
            test_loss: test.mean_loss().filter(|l| l.is_finite()),
            best_epoch: progress.best.map(|b| b.epoch),
            validation_accuracy: progress.best.map(|b| b.accuracy),
            validation_accuracy_top5: progress.best.and_then(|b| b.accuracy_5),
            train_loss: progress.train.mean_loss(),
            train_accuracy: progress.train.accuracy(),
            epochs: progress.clock.epochs_begun(),
            steps: progress.clock.step,
            median_step_seconds: watch.median_step_seconds(),
            images_per_second: watch.images_per_second(),
            data_wait_share: watch.waiting_share(),
            peak_rss_bytes: peak_rss_bytes(),
        })
    }
}
