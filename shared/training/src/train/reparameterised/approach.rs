//! An experiment of the STR programs: masks, first weights, what becomes of them, and the published files.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::files::{EveryEpochs, Published};
use super::layer::Layer;
use super::{Decays, Note, Reparameterisation, ReparameterisedOptions, ReparameterisedStepper, reparameterised};
use crate::Backend;
use crate::run::{Checkpoint, Origin, RunFolder, Saved};
use crate::train::network::{drawn, edges_of};
use crate::train::{Approach, AskedDensity, Contest, Data, Hook, Inheritance, Stepper, TrainingContext};
use er_engine::{Engine, ModelState, StepOptions};
use er_graphs::density::rounded;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::init::{FanInit, fan_state};
use er_networks::model::ModelSpec;
use er_networks::schedule::Length;
use er_networks::topology::{Drawn, MaskPlan};

/// A network inside random masks, or a dense one, whose weights in use are a function of those that are trained.
#[derive(Debug, Clone)]
pub struct ReparameterisedTraining {
    /// What the masks are drawn from; none keeps all weights.
    pub masks: Option<MaskPlan>,
    /// These masks, where they come from a file.
    pub given: Option<Vec<Mask>>,
    /// Whether each layer counts for the density: dense and depthwise ones do not.
    pub counts: Vec<bool>,
    /// First weights.
    pub init: FanInit,
    /// Weights and thresholds to begin with instead: of a checkpoint of this program.
    pub pretrained: Option<PathBuf>,
    /// One a layer; where there is none, weights are used as they are.
    pub laws: Vec<Option<Reparameterisation>>,
    /// Weight decay of thresholds, if it is not that of all other parameters.
    pub threshold_decay: Option<f64>,
    /// Whether normalisations have none: see [`Decays::norms`].
    pub spare_norms: bool,
    /// Whether the weights of layers that count for the density stay as they are.
    pub freeze: bool,
    /// Batches through which running statistics settle before each evaluation.
    pub settle_batches: usize,
    /// What the published files say of the run.
    pub published: Published,
    /// Epochs from one checkpoint that is kept to the next.
    pub save_every: Option<u64>,
    /// The density of the masks that was asked for, if a checkpoint to resume from brings them.
    pub asked: Option<AskedDensity>,
    /// Seed of the weights.
    pub seed: u64,
}

impl ReparameterisedTraining {
    /// How parameters move.
    pub(in crate::train) fn how(&self, asked: StepOptions) -> ReparameterisedOptions {
        let with = |weight_decay| StepOptions { weight_decay, ..asked };
        let decays = Decays {
            weights: asked,
            thresholds: with(self.threshold_decay.unwrap_or(asked.weight_decay)),
            norms: with(if self.spare_norms { 0.0 } else { asked.weight_decay }),
        };
        let freeze = self.counts.iter().map(|counts| self.freeze && *counts).collect();
        ReparameterisedOptions { laws: self.laws.clone(), decays, freeze, settle_batches: self.settle_batches }
    }

    /// What the masks of another run's checkpoint are, if they may be taken for those that were asked for.
    pub(in crate::train) fn inherit(&self, checkpoint: &Checkpoint, spec: &ModelSpec) -> Result<Inheritance> {
        let Checkpoint { state, saved, .. } = checkpoint;
        let (mut edges, mut weights) = (0, 0);
        for (l, (of, layer)) in spec.layers().iter().zip(&state.layers).enumerate().filter(|(l, _)| self.counts[*l]) {
            // What may be in use, where that is more than what is.
            edges += match self.laws[l] {
                Some(_) => Layer::trained(saved, &of.name, of.shape)?.mask.edges(),
                None => layer.mask.edges(),
            };
            weights += of.shape.weights();
        }
        let found = edges as f64 / weights.max(1) as f64;
        if let Some(asked) = &self.asked {
            asked.check(found, weights)?;
        }
        let mut inheritance = Inheritance::default();
        if self.masks.is_some() {
            let soft = self.laws.iter().flatten().any(|law| matches!(law, Reparameterisation::SoftThreshold { .. }));
            let key = if soft { "mask_density_requested" } else { "density_requested" };
            inheritance.facts.insert(key.to_owned(), json!(found));
            inheritance.facts.insert("er_sparse_method".to_owned(), json!("resumed"));
        }
        Ok(inheritance)
    }
}

impl fmt::Display for ReparameterisedTraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pretrained {
            Some(path) => writeln!(f, "weights: of {}", path.display())?,
            None => writeln!(f, "weights: {}", self.init)?,
        }
        let mut kinds: Vec<(Option<Reparameterisation>, usize)> = Vec::new();
        for law in &self.laws {
            match kinds.iter_mut().find(|(kind, _)| same_kind(kind.as_ref(), law.as_ref())) {
                Some((_, count)) => *count += 1,
                None => kinds.push((*law, 1)),
            }
        }
        for (i, (law, count)) in kinds.iter().enumerate() {
            let layers = match count {
                _ if kinds.len() == 1 => String::new(),
                1 => "1 layer: ".to_owned(),
                _ => format!("{count} layers: "),
            };
            write!(f, "{}{layers}", if i > 0 { "\n" } else { "" })?;
            match law {
                None => write!(f, "the weights of the edges are used as they are")?,
                Some(Reparameterisation::SoftThreshold { function, first }) => write!(
                    f,
                    "in use is sign(W)*max(|W| - g(s), 0), g = {function}; s begins with {first}, so g with {:.3e}, and is trained",
                    function.at(*first)
                )?,
                Some(Reparameterisation::Largest { rate })
                    if kinds.iter().filter(|(l, _)| matches!(l, Some(Reparameterisation::Largest { .. }))).count() == 1 =>
                {
                    write!(f, "in use are all but {} of the weights, the largest |W|; all have gradients", rounded(*rate))?;
                }
                Some(Reparameterisation::Largest { .. }) => write!(f, "in use are the largest |W|; all have gradients")?,
                Some(Reparameterisation::Rising(rate)) => write!(
                    f,
                    "in use are the largest |W|, and only they have gradients; the part left out grows from 0 in epoch {} to {:.6} in \
                     epoch {}",
                    rate.first + 1,
                    rate.at(rate.last),
                    rate.last + 1,
                )?,
            }
        }
        if let Some(decay) = self.threshold_decay {
            write!(f, "\nweight decay of thresholds: {decay}")?;
        }
        if self.spare_norms {
            write!(f, "\nno weight decay of normalisations with bn in their names")?;
        }
        if self.settle_batches > 0 {
            write!(f, "\nrunning statistics settle through {} batches before each evaluation", self.settle_batches)?;
        }
        if self.freeze {
            write!(f, "\nthe weights of masked layers stay as they are")?;
        }
        Ok(())
    }
}

/// Whether two laws differ in numbers at most.
fn same_kind(a: Option<&Reparameterisation>, b: Option<&Reparameterisation>) -> bool {
    a.map(std::mem::discriminant) == b.map(std::mem::discriminant)
}

impl Approach for ReparameterisedTraining {
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        drawn(spec, self.masks.as_ref(), self.given.as_ref())
    }

    fn begin(&self, spec: &ModelSpec, _: Backend) -> Result<(ModelState, Saved)> {
        let drawn = self.draw(spec)?;
        let fresh = fan_state(spec, &drawn.masks, &self.init, self.seed);
        match &self.pretrained {
            Some(path) => super::pretrained::load(path, spec, &self.laws, fresh),
            None => Ok(reparameterised(spec, &self.laws, fresh)),
        }
    }

    fn take_over(&self, checkpoint: &Checkpoint, spec: &ModelSpec, _: Length) -> Result<Inheritance> {
        Note::read(&checkpoint.saved)?;
        self.inherit(checkpoint, spec)
    }

    fn density_advice(&self, _: &ModelSpec, _: f64, _: f64) -> String {
        let rises = self.laws.iter().flatten().any(|law| matches!(law, Reparameterisation::Rising(_)));
        let advice = if rises {
            "the part that is left out grows until --final-prune-epoch, and stays a little below --prune-rate"
        } else {
            "--sampling exact draws a fixed number of edges in each layer, and --er-sparse-method balanced-exact or ERK loses none"
        };
        advice.to_owned()
    }

    /// The density falls all the time, or until an epoch; an accuracy counts only together with the density that is reported.
    fn contest(&self, length: Length) -> Contest {
        let last = |law: &Reparameterisation| match law {
            Reparameterisation::SoftThreshold { .. } => Some(length.epochs - 1),
            Reparameterisation::Largest { .. } => None,
            Reparameterisation::Rising(rate) => Some(rate.last.min(length.epochs - 1)),
        };
        self.laws.iter().flatten().filter_map(last).max().map_or(Contest::All, Contest::After)
    }

    fn stepper(&self, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(ReparameterisedStepper::new(self.how(context.options), context, engine)?))
    }

    fn hooks(&self, folder: &RunFolder, origin: &Origin, _: &TrainingContext) -> Result<Vec<Box<dyn Hook>>> {
        let every = self.save_every.map(|epochs| EveryEpochs::new(epochs, folder, origin));
        Ok(every.into_iter().map(|hook| Box::new(hook) as Box<dyn Hook>).collect())
    }

    fn measured(&self, state: &ModelState) -> Map<String, Value> {
        edges_of(state, |l| self.counts[l])
    }

    fn finish(&self, folder: &RunFolder, engine: &mut dyn Engine, _: &Data, _: &[u64]) -> Result<Map<String, Value>> {
        self.published.write(folder, engine.spec())?;
        Ok(Map::new())
    }
}
