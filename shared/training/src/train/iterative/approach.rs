//! An experiment of iterative pruning.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::levels::{Levels, tested};
use super::load::{layers_after, masks_after};
use super::{IterativeOptions, IterativeStepper, Load, Note, begins};
use crate::Backend;
use crate::run::{Checkpoint, Origin, RunFolder, Saved};
use crate::train::network::totals_of;
use crate::train::{Approach, Contest, Data, Hook, Inheritance, ReparameterisedTraining, Stepper, TrainingContext};
use er_engine::{Engine, ModelState};
use er_graphs::density::{Density, rounded};
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::schedule::Length;
use er_networks::topology::Drawn;
use er_networks::topology::iterative::{Pruner, Reset};

/// Levels of training, each ended by pruning, and a last training.
#[derive(Debug, Clone)]
pub struct IterativePruning {
    /// Masks and first weights; all weights are used as they are.
    pub of: ReparameterisedTraining,
    /// What to begin with instead.
    pub load: Option<Load>,
    /// What prunes.
    pub pruner: Pruner,
    /// Density after each level.
    pub densities: Vec<Density>,
    /// Epochs before the weights to which a reset goes back.
    pub warmup_epochs: u64,
    /// Epochs of each level.
    pub level_epochs: u64,
    /// What is reset after pruning.
    pub reset: Reset,
    /// The folder of the run whose masks [`Pruner::MaskRef`] takes.
    pub masks_of: Option<PathBuf>,
    /// That of the run whose signs [`Reset::OtherSigns`] takes.
    pub signs_of: Option<PathBuf>,
    /// Whether edges on no path from the image to the logits go too.
    pub prune_dead: bool,
}

impl IterativePruning {
    /// Epochs until the last training.
    fn before_last(&self) -> u64 {
        self.warmup_epochs + self.level_epochs * self.densities.len() as u64
    }
}

impl fmt::Display for IterativePruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.of)?;
        if let Some(load) = &self.load {
            writeln!(f, "{load}")?;
        }
        if self.warmup_epochs > 0 {
            writeln!(f, "warm-up of {} epochs", self.warmup_epochs)?;
        }
        let densities: Vec<String> = self.densities.iter().map(|d| rounded(d.get()).to_string()).collect();
        let levels = if densities.len() == 1 { "1 level".to_owned() } else { format!("{} levels", densities.len()) };
        writeln!(f, "{levels} of {} epochs, then pruned ({}) to {}", self.level_epochs, self.pruner, densities.join(", "))?;
        if self.prune_dead {
            writeln!(f, "edges on no path from the image to the logits go too")?;
        }
        let reset = Reset::CHOICES.iter().find(|c| c.value == self.reset).map_or("", |c| c.about);
        write!(f, "reset after each pruning: {reset}")
    }
}

impl Approach for IterativePruning {
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        self.of.draw(spec)
    }

    fn begin(&self, spec: &ModelSpec, backend: Backend) -> Result<(ModelState, Saved)> {
        let (fresh, saved) = self.of.begin(spec, backend)?;
        let Some(load) = &self.load else { return Ok((fresh, begins(saved, spec, None))) };
        let (state, first) = load.apply(spec, fresh, self.of.seed)?;
        let first = (self.reset != Reset::None).then_some(first);
        Ok((state, begins(saved, spec, first.as_ref())))
    }

    fn check(&self, length: Length) -> Result<()> {
        if length.multiplier > 1 {
            return Err(Error::usage("--multiplier does not stretch levels").help("leave it out"));
        }
        Ok(())
    }

    fn remarks(&self, _: &ModelSpec, state: &ModelState, _: Length, _: u64) -> Result<Vec<String>> {
        let (edges, weights) = totals_of(state, |l| self.of.counts[l]);
        let mut density = edges as f64 / weights.max(1) as f64;
        let mut remarks = Vec::new();
        for (level, asked) in self.densities.iter().enumerate() {
            if asked.get() >= density && self.pruner != Pruner::MaskRef {
                let (level, levels, density) = (level + 1, self.densities.len(), rounded(density));
                remarks.push(format!(
                    "level {level} of {levels} prunes nothing: it asks for density {asked}, and {density} is left"
                ));
            }
            density = density.min(asked.get());
        }
        Ok(remarks)
    }

    fn take_over(&self, checkpoint: &Checkpoint, spec: &ModelSpec, _: Length) -> Result<Inheritance> {
        Note::read(&checkpoint.saved)?;
        let (edges, weights) = totals_of(&checkpoint.state, |l| self.of.counts[l]);
        let found = edges as f64 / weights.max(1) as f64;
        let last = self.densities.last().map_or(1.0, |density| density.get());
        let clock = checkpoint.progress.clock;
        let what = if found < 0.99 * last {
            format!("the checkpoint to resume from has density {}, and pruning is to end with {last}", rounded(found))
        } else if clock.epochs_begun() > self.before_last() && found > 1.01 * last {
            let (levels, epoch) = (self.before_last(), clock.epoch());
            format!("the last level ends with epoch {levels}, and the checkpoint to resume from is after epoch {epoch}")
        } else {
            return self.of.inherit(checkpoint, spec);
        };
        Err(Error::usage(what).help("choose other densities with --threshold-list, or set the clock with --start-epoch"))
    }

    fn density_advice(&self, _: &ModelSpec, _: f64, _: f64) -> String {
        "pruning compares scores of whole numbers of edges; see --threshold-list".to_owned()
    }

    /// Only networks of the last density compete.
    fn contest(&self, _: Length) -> Contest {
        Contest::After(self.before_last())
    }

    fn stepper(&self, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>> {
        let levels = self.densities.len();
        let (masks, signs) = (self.masks_of.as_deref(), self.signs_of.as_deref());
        let options = IterativeOptions {
            pruner: self.pruner,
            densities: self.densities.clone(),
            warmup_epochs: self.warmup_epochs,
            level_epochs: self.level_epochs,
            reset: self.reset,
            masks: masks.map_or(Ok(Vec::new()), |run| masks_after(run, engine.spec(), levels))?,
            signs: signs.map_or(Ok(Vec::new()), |run| layers_after(run, engine.spec(), levels))?,
            prune_dead: self.prune_dead,
            takes_part: self.of.counts.clone(),
            seed: self.of.seed,
        };
        Ok(Box::new(IterativeStepper::new(options, self.of.how(context.options), context, engine)?))
    }

    fn hooks(&self, folder: &RunFolder, origin: &Origin, context: &TrainingContext) -> Result<Vec<Box<dyn Hook>>> {
        let mut hooks = self.of.hooks(folder, origin, context)?;
        hooks.push(Box::new(Levels::new([self.warmup_epochs, self.level_epochs, self.before_last()], folder, origin)?));
        Ok(hooks)
    }

    fn measured(&self, state: &ModelState) -> Map<String, Value> {
        self.of.measured(state)
    }

    /// Of the levels that have ended here: `--max-steps` leaves some out, and `--resume` others.
    fn tickets(&self, epochs: Range<u64>) -> Vec<u64> {
        let end = |level: &u64| self.warmup_epochs + level * self.level_epochs;
        let ended_here = |level: &u64| epochs.start < end(level) && end(level) <= epochs.end;
        (1..=self.densities.len() as u64).filter(ended_here).collect()
    }

    /// What the network at the end of each level does on the test images.
    fn finish(&self, folder: &RunFolder, engine: &mut dyn Engine, data: &Data, tickets: &[u64]) -> Result<Map<String, Value>> {
        let mut more = self.of.finish(folder, engine, data, tickets)?;
        let levels = tickets.iter().map(|level| tested(folder, *level, engine, data));
        more.insert("levels".to_owned(), json!(levels.collect::<Result<Vec<_>>>()?));
        Ok(more)
    }
}
