//! One run from its options to its summary, in a folder of its own: begins, goes on, or says that it has finished.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::{Data, Dynamic, Experiment, Finish, Plan, Session, Stepper, TopKast, TopKastOptions};
use crate::data::{self, Part};
use crate::engine::sparse::SparseEngine;
use crate::engine::{Engine, ModelState, Optimizer};
use crate::error::{Error, Result};
use crate::graph::Mask;
use crate::run::{Origin, Program, Progress, RunFolder, Saved, Signals, Status, Stop};
use crate::topology::rule::{Length, MomentumKind, Network, Rule};

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

impl Experiment {
    /// Runs in `program`. `fresh` gives the first masks and weights where there is no checkpoint.
    ///
    /// # Errors
    /// Data that is missing, a schedule that does not fit the number of batches, a folder in use or not writable, a checkpoint that does not fit, a training that diverges. The
    /// manifest then says so too.
    pub fn launch(&self, program: &Program, fresh: impl FnOnce() -> Result<ModelState>, signals: &Signals) -> Result<Launched> {
        let hash = self.config.hash();
        let path = RunFolder::path_of(&self.run.out, &self.slug(program.name, &format!("s{}", self.seed)), &hash);
        if let Some(summary) = RunFolder::summary(&path)? {
            return Ok(Launched { folder: path, before: true, end: Ok(summary) });
        }
        // Missing data must leave no folder behind.
        let mut data = self.load()?;
        let rule = self.method.rule(self.length(&data))?;
        let mut folder = RunFolder::open(&path, &hash, program)?;
        folder.begin(&self.config.to_yaml(), program)?;
        let end = self.train(program, &folder, &mut data, rule, fresh, signals);
        let (status, error) = match &end {
            Ok(Ok(_)) => (Status::Finished, None),
            Ok(Err(_)) => (Status::Interrupted, None),
            Err(e) => (Status::Failed, Some(e)),
        };
        let noted = folder.end(status, error);
        // The first error is the one to report.
        let end = end?;
        noted?;
        Ok(Launched { folder: path, before: false, end })
    }

    fn load(&self) -> Result<Data> {
        let er_data = std::env::var_os("ER_DATA");
        let roots = data::search_path(self.run.data_dir.as_deref(), er_data.as_deref());
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

    fn rule_network(&self) -> Network {
        let layers = self.spec.layers();
        Network {
            movable: (0..layers.len()).map(|l| self.masked.contains(&l)).collect(),
            groups: layers.iter().map(|l| l.groups).collect(),
            seed: self.seed,
        }
    }

    fn train(
        &self,
        program: &Program,
        folder: &RunFolder,
        data: &mut Data,
        rule: Option<Rule>,
        fresh: impl FnOnce() -> Result<ModelState>,
        signals: &Signals,
    ) -> Result<Result<Value, Stop>> {
        let (state, progress, saved) = match self.start.checkpoint(folder, &self.spec)? {
            Some(checkpoint) => (checkpoint.state, checkpoint.progress, checkpoint.saved),
            None => (fresh()?, Progress::default(), Saved::default()),
        };
        if progress.best.is_none() && self.plan.is_done(&progress) {
            let what = format!("the checkpoint to resume from is after {} epochs and {} steps", progress.epoch, progress.step);
            return Err(Error::failure(format!("{what}: nothing is left to train"))
                .help("ask for more with --epochs or --max-steps, or go back with --start-epoch"));
        }
        let edges: usize = state.layers.iter().map(|l| l.mask.edges()).sum();
        if self.masked.is_empty() && edges < self.spec.weight_count() {
            let what = format!("the checkpoint has {edges} of {} weights, this run is dense", self.spec.weight_count());
            return Err(Error::failure(what).help("use the options of the run that wrote it"));
        }
        // Evaluation has no gradients to store and comes in chunks of what training needs room for.
        let largest = self.batch_size.min(data.train.loader().len());
        let mut engine = SparseEngine::new(self.spec.clone(), state, self.step, largest, self.run.threads())?;
        let mut stepper = self.stepper(rule, &mut engine, self.length(data), progress.step, &saved)?;
        let session = Session {
            folder,
            origin: Origin::new(program.name, &self.spec, folder.config_hash()),
            plan: Plan { settled_after: self.method.settled_after(self.length(data)), ..self.plan.clone() },
            checkpoint_interval: self.run.checkpoint_interval as u64,
            quiet: self.run.quiet,
        };
        match session.run(&mut engine, &mut *stepper, data, progress, &mut [], signals)? {
            Finish::Stopped(stop) => Ok(Err(stop)),
            Finish::Done(results) => {
                let mut summary = self.summary(&engine, &results)?;
                if let Value::Object(summary) = &mut summary {
                    summary.extend(stepper.results());
                }
                folder.write_summary(&summary)?;
                Ok(Ok(summary))
            }
        }
    }

    /// What makes the steps.
    fn stepper(
        &self,
        rule: Option<Rule>,
        engine: &mut SparseEngine,
        length: Length,
        step: u64,
        saved: &Saved,
    ) -> Result<Box<dyn Stepper>> {
        let Some(backward) = self.method.backward else {
            let momentum = momentum(self.step.optimizer);
            return Ok(Box::new(Dynamic::new(rule, self.rule_network(), momentum, engine, step, saved)?));
        };
        let forward = self.method.densities[0];
        let options = TopKastOptions {
            when: self.method.when(length),
            densities: self.densities.clone(),
            backward: backward / forward,
            decay: self.step.weight_decay / forward,
        };
        Ok(Box::new(TopKast::new(&options, self.rule_network(), engine, step, saved)?))
    }

    fn summary(&self, engine: &dyn Engine, results: &impl Serialize) -> Result<Value> {
        let mut summary = self.facts.clone();
        let masks: Vec<Mask> = engine.state().layers.into_iter().map(|l| l.mask).collect();
        let count = |layers: &[&Mask]| {
            let (edges, weights) = (layers.iter().map(|m| m.edges()), layers.iter().map(|m| m.shape().weights()));
            (edges.sum::<usize>(), weights.sum::<usize>())
        };
        let (edges, weights) = count(&masks.iter().collect::<Vec<_>>());
        let (kept, of) = count(&self.masked.iter().map(|l| &masks[*l]).collect::<Vec<_>>());
        summary.insert("edges".into(), edges.into());
        summary.insert("weights".into(), weights.into());
        // Comparable with the density that was requested, which dense layers are outside of.
        summary.insert("density".into(), if of == 0 { 1.0 } else { kept as f64 / of as f64 }.into());
        let results = serde_json::to_value(results).map_err(|e| Error::failure(format!("cannot write results: {e}")))?;
        if let Value::Object(results) = results {
            summary.extend(results);
        }
        Ok(Value::Object(summary))
    }
}

/// The velocities of all weights that an optimiser's step suggests.
fn momentum(optimizer: Optimizer) -> MomentumKind {
    match optimizer {
        Optimizer::Sgd { momentum, .. } => MomentumKind::Sgd(momentum),
        Optimizer::Adam => MomentumKind::Adam,
    }
}
