//! One training from what decides it to its summary, in a folder of its own: begins, goes on, or says that it has finished.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::mask_files::MaskFiles;
use super::network::totals_of;
use super::{Approach, Data, Finish, Hook, Inheritance, Plan, Recorder, Session, StateFrom, TrainingContext, evaluate, remark};
use crate::data::{self, DataKind, Part};
use crate::run::{
    Checkpoint, Invocation, Machine, Origin, Progress, RunFolder, Saved, Scope, Signals, StartPoint, Status, Stop, Sums,
    TakenOver,
};
use crate::{Backend, memory};
use er_engine::{Batch, ModelState, StepOptions};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result};
use er_graphs::printable::line;
use er_networks::model::ModelSpec;
use er_networks::schedule::{Clock, Length};

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
    /// What is done to it, in a word, such as `RigL-ERK-0.1`.
    pub name: String,
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

/// What a training begins with.
enum Begins {
    /// Its own latest checkpoint.
    GoesOn(Box<Checkpoint>),
    /// That of another run, and where its state is from.
    TakesOver(Box<Checkpoint>, StateFrom),
    /// A fresh network.
    Anew,
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
    /// Those of them that decide the result.
    pub options: Map<String, Value>,
    /// Long names of the others, which only say how and where to run.
    pub running_options: Vec<String>,
    /// SHA-256 of what decides the result in files, by the long name of the option that names the file.
    pub contents: BTreeMap<String, String>,
}

impl Training {
    /// Runs in `program`, and writes to `to`. `fresh` gives the first masks and weights where there is no checkpoint.
    ///
    /// # Errors
    /// An engine or a device that is not there, data that is missing, batches that do not fit into memory, a schedule that does not fit the
    /// number of batches, a folder in use or not writable, a checkpoint that does not fit, a device that fails, a training that diverges.
    /// The manifest then says so too, if the training has begun.
    pub fn launch(
        &self,
        program: &Invocation,
        to: &Destination,
        fresh: impl FnOnce() -> Result<(ModelState, Saved)>,
        signals: &Signals,
    ) -> Result<Launched> {
        let Destination { path, hash, config, options, running_options, contents } = to;
        // The hash leaves out what programs do by themselves, which may be another thing in another version.
        RunFolder::has_options(path, options)?;
        if let Some(summary) = RunFolder::summary(path)? {
            let missing = |every| MaskFiles::missing(path, every, summary["epochs"].as_u64()?);
            if let Some(what) = self.mask_interval.and_then(missing) {
                remark(&format!("--save-masks writes nothing, since the run has finished: {what}"));
            }
            return Ok(Launched { folder: path.clone(), before: true, end: Ok(summary) });
        }
        let has_begun = RunFolder::has_begun(path)?;
        // A missing device or missing data must leave no folder behind.
        let (mut data, length) = self.check()?;
        self.check_memory(&data, memory::available())?;
        // So must a checkpoint of another run that cannot be gone on from.
        let other = if has_begun { None } else { self.take_over(length)? };
        let mut folder = RunFolder::open(path, hash, program)?;
        // What cannot be gone on with is left as it is.
        let begins = match (StartPoint::own(&folder, &self.spec)?, other) {
            (Some(own), _) => {
                self.can_go_on(&folder, &own.progress)?;
                Begins::GoesOn(Box::new(own))
            }
            (None, Some((checkpoint, from))) => Begins::TakesOver(Box::new(checkpoint), from),
            (None, None) => Begins::Anew,
        };
        let scope = Scope {
            steps: Some(self.plan.steps(length.batches_per_epoch)),
            running_options: Some(running_options.clone()),
            contents: contents.clone(),
        };
        folder.begin(config, scope, program)?;
        let end = self.train(program, &folder, &mut data, begins, fresh, signals);
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

    /// Reads the data and checks everything against them.
    ///
    /// # Errors
    /// An engine or a device that is not there, data that is missing, a schedule that does not fit the number of batches.
    pub fn check(&self) -> Result<(Data, Length)> {
        self.backend.check()?;
        let data = self.load()?;
        let length = self.length(&data);
        self.plan.learning_rate.check_length(length.batches_per_epoch)?;
        self.approach.check(length)?;
        Ok((data, length))
    }

    /// Evaluates the network of a checkpoint on the validation and the test images.
    ///
    /// # Errors
    /// An engine or a device that is not there; data or a checkpoint that is missing, damaged or does not fit; a loss that is not
    /// finite, where accuracies mean nothing.
    pub fn evaluate(&self, checkpoint: &Path) -> Result<Evaluated> {
        self.backend.check()?;
        let state = Checkpoint::read(checkpoint, &self.spec)?.state;
        let data = self.load()?;
        self.check_memory(&data, memory::available())?;
        let (edges, _) = totals_of(&state, |_| true);
        let largest = self.batch_size.min(data.train.loader().len());
        let mut engine = self.backend.engine(self.spec.clone(), state, self.step, largest, self.threads)?;
        let mut of = |loader, images| {
            let sums = evaluate(&mut *engine, loader, &mut Batch::default())?;
            if sums.loss.is_finite() {
                return Ok(sums);
            }
            let what = format!(
                "the network of checkpoint {} has a loss on the {images} images that is not finite",
                checkpoint.display()
            );
            Err(Error::failure(what).help("its weights are too large to compute with: take another checkpoint"))
        };
        Ok(Evaluated { validation: of(&data.validation, "validation")?, test: of(&data.test, "test")?, edges })
    }

    /// Whether a run that stands here can go on from what its folder has. What is missing is told before hours are spent, and not left
    /// out of the summary after them.
    fn can_go_on(&self, folder: &RunFolder, progress: &Progress) -> Result<()> {
        Recorder::check(folder, progress)?;
        for level in self.approach.tickets(trained_from(progress)..progress.clock.epoch()) {
            let read = Checkpoint::read(&folder.ticket(level), &self.spec);
            read.map_err(|e| e.or_help("put it back, or move the run's folder away to begin again"))?;
        }
        Ok(())
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

    /// Refuses batches that do not fit into memory whatever the masks: two for training, since one is made while the other is computed
    /// with, one for evaluation, and activations.
    fn check_memory(&self, data: &Data, available: u64) -> Result<()> {
        let train = self.batch_size.min(data.train.loader().len());
        let test = self.test_batch_size.min(data.test.len().max(data.validation.len()));
        let activations = match self.backend {
            Backend::Sparse => memory::of_activations(&self.spec, train),
            Backend::Dense(_) => 0,
        };
        let needed = 2 * memory::of_batch(&self.spec, train)
            + memory::of_batch(&self.spec, test)
            + activations
            + memory::of_training(&self.spec, self.least_density(), self.step);
        let what = format!("training {} on batches of {train} images and testing on {test}", self.spec.name());
        memory::check(
            &what,
            needed,
            available,
            "lower --batch-size, --test-batch-size or the density, or choose a smaller network",
        )
    }

    /// A density that the network has at least, at any time, of what is asked for: chance takes less than half of it.
    fn least_density(&self) -> f64 {
        let asked = ["density_requested", "density_first_requested", "mask_density_requested", "allowed_density_requested"];
        let least = asked.iter().filter_map(|key| self.facts.get(*key)?.as_f64()).fold(1.0, f64::min);
        if least < 1.0 { 0.5 * least } else { 1.0 }
    }

    fn length(&self, data: &Data) -> Length {
        let batches_per_epoch = data.batches_per_epoch();
        Length { batches_per_epoch, epochs: self.plan.epochs, multiplier: self.multiplier }
    }

    /// The checkpoint of another run to go on from, if there is one, with what this run makes of it.
    fn take_over(&self, length: Length) -> Result<Option<(Checkpoint, StateFrom)>> {
        let Some((mut checkpoint, stays)) = self.start.other(&self.spec, length.batches_per_epoch)? else { return Ok(None) };
        let clock = checkpoint.progress.clock;
        if self.plan.is_done(&checkpoint.progress) {
            let what = format!("the checkpoint to resume from is after {} epochs and {} steps", clock.epoch(), clock.step);
            return Err(Error::failure(format!("{what}: nothing is left to train"))
                .help("ask for more with --epochs or --max-steps, or go back with --start-epoch"));
        }
        let Inheritance { facts, remarks } = self.approach.take_over(&checkpoint, &self.spec, length)?;
        if let Some(taken_over) = &mut checkpoint.progress.taken_over {
            taken_over.facts = facts;
        }
        for text in &remarks {
            remark(text);
        }
        Ok(Some((checkpoint, if stays { StateFrom::ThisClock } else { StateFrom::AnotherClock })))
    }

    fn train(
        &self,
        program: &Invocation,
        folder: &RunFolder,
        data: &mut Data,
        begins: Begins,
        fresh: impl FnOnce() -> Result<(ModelState, Saved)>,
        signals: &Signals,
    ) -> Result<Result<Value, Stop>> {
        let length = self.length(data);
        let mut remarks = Vec::new();
        let is_new = !matches!(begins, Begins::GoesOn(_));
        let (state, progress, saved, from) = match begins {
            Begins::GoesOn(own) => {
                let Checkpoint { state, progress, saved, .. } = *own;
                let clock = progress.clock.with_batches(length.batches_per_epoch);
                // Files of earlier versions may not say how many steps an epoch has.
                let progress = if progress.clock.batches_per_epoch == 0 { Progress { clock, ..progress } } else { progress };
                (state, progress, saved, StateFrom::ThisClock)
            }
            Begins::TakesOver(checkpoint, from) => {
                remarks = taken_over(&checkpoint, from, length);
                let Checkpoint { state, progress, saved, .. } = *checkpoint;
                (state, progress, saved, from)
            }
            Begins::Anew => {
                let (state, saved) = fresh()?;
                (state, Progress::new(length.batches_per_epoch), saved, StateFrom::ThisClock)
            }
        };
        if is_new {
            self.approach
                .remarks(&self.spec, &state, length, self.plan.steps(length.batches_per_epoch))?
                .iter()
                .for_each(|text| remark(text));
        }
        let trained_from = trained_from(&progress);
        let mut facts = self.facts.clone();
        if let Some(TakenOver { file, step, facts: of_masks }) = &progress.taken_over {
            facts.extend(of_masks.clone());
            facts.insert("resumed_from".to_owned(), json!(file));
            facts.insert("resumed_at_step".to_owned(), json!(step));
        }
        let clock = progress.clock;
        let context = TrainingContext { length, clock, data, options: self.step, saved: &saved, from };
        // Evaluation has no gradients to store and comes in chunks of what training needs room for.
        let largest = self.batch_size.min(data.train.loader().len());
        let options = self.approach.engine_options(self.step);
        let mut engine = self.backend.engine(self.spec.clone(), state, options, largest, self.threads)?;
        let mut stepper = self.approach.stepper(&context, &mut *engine)?;
        let heading = self.heading(program, folder, &engine.state()?, &facts);
        let origin = Origin::new(program.name, &self.spec, folder.config_hash());
        let mut hooks = self.approach.hooks(folder, &origin, &context)?;
        let session = Session {
            folder,
            origin,
            plan: Plan { contest: self.approach.contest(length), ..self.plan.clone() },
            checkpoint_interval: self.checkpoint_interval,
            mask_interval: self.mask_interval,
            quiet: self.quiet,
            heading,
            remarks,
        };
        let mut hooks: Vec<&mut dyn Hook> = hooks.iter_mut().map(|hook| &mut **hook as &mut dyn Hook).collect();
        match session.run(&mut *engine, &mut *stepper, data, progress, &mut hooks, signals)? {
            Finish::Stopped(stop) => Ok(Err(stop)),
            Finish::Done(results) => {
                let mut summary = facts;
                summary.extend(self.approach.measured(&engine.state()?));
                let results_steps = results.steps;
                let results = serde_json::to_value(results).map_err(|e| Error::failure(format!("cannot write results: {e}")))?;
                if let Value::Object(results) = results {
                    summary.extend(results);
                }
                summary.extend(stepper.results());
                let ends = Clock { step: results_steps, batches_per_epoch: length.batches_per_epoch };
                let tickets = self.approach.tickets(trained_from..ends.epoch());
                summary.extend(self.approach.finish(folder, &mut *engine, data, &tickets)?);
                let summary = Value::Object(summary);
                folder.write_summary(&summary)?;
                Ok(Ok(summary))
            }
        }
    }
}

impl Training {
    /// What is trained, with which masks, on what and where, in a few lines.
    fn heading(&self, program: &Invocation, folder: &RunFolder, state: &ModelState, facts: &Map<String, Value>) -> String {
        let (edges, weights) = totals_of(state, |_| true);
        let measured = self.approach.measured(state);
        let number = |of: &Map<String, Value>, keys: [&str; 2]| keys.iter().find_map(|key| of.get(*key)?.as_f64());
        // Of a method that prunes, what it begins with.
        let asked = number(facts, ["density_first_requested", "mask_density_requested"])
            .or_else(|| number(facts, ["allowed_density_requested", "density_requested"]));
        let found = measured.get("density").and_then(Value::as_f64).unwrap_or(edges as f64 / weights as f64);
        let asked =
            asked.filter(|asked| *asked < 1.0).map_or_else(String::new, |asked| format!(", {} asked for", rounded(asked)));
        let Machine { threads, isa, .. } = &program.device;
        let engine = match self.backend {
            Backend::Sparse => format!("sparse engine, {threads} threads ({isa})"),
            Backend::Dense(device) => format!("dense engine on {device}, {threads} threads"),
        };
        format!(
            "model   {} on {}: {edges} of {weights} weights, density {}{asked}\nmethod  {} {}\ndevice  {engine}\nfolder  {}",
            line(self.spec.name()),
            self.data,
            rounded(found),
            program.name,
            line(&self.name),
            line(&folder.path().display().to_string()),
        )
    }
}

/// Epochs that a run has not trained itself.
fn trained_from(progress: &Progress) -> u64 {
    progress.taken_over.as_ref().map_or(0, |of| Clock { step: of.step, ..progress.clock }.epoch())
}

/// What is taken over from the checkpoint of another run, and what is not: the table in docs/resuming.md.
fn taken_over(checkpoint: &Checkpoint, from: StateFrom, length: Length) -> Vec<String> {
    let Checkpoint { origin, progress, state, .. } = checkpoint;
    let clock = progress.clock;
    let file = progress.taken_over.as_ref().map_or("", |taken| &taken.file);
    let (edges, weights) = totals_of(state, |_| true);
    let density = rounded(edges as f64 / weights as f64);
    let optimiser = if state.layers.iter().any(|layer| !layer.slots.is_empty()) { "optimiser state, " } else { "" };
    let (epoch, batch) = (clock.epoch(), clock.batch());
    let place = if batch == 0 { format!("after epoch {epoch}") } else { format!("after epoch {epoch} and {batch} steps") };
    vec![
        format!("resuming from {file}, a checkpoint of {}", origin.program),
        format!("  taken over: weights, running statistics, masks (density {density}), {optimiser}what belongs to the network"),
        format!("  clock: {place} of {} (step {} of {})", length.epochs, clock.step, length.steps()),
        match from {
            StateFrom::ThisClock => "  set by this run: data, schedules, method; the best epoch is one from here on".to_owned(),
            StateFrom::AnotherClock => {
                "  set by this run: clock, data, schedules, method; updates, costs and the best epoch count from here".to_owned()
            }
        },
    ]
}
