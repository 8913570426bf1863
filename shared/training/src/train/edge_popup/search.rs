//! A search for tickets: what is allowed, the frozen values, the first scores, the levels.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::layer::{Layer, bias_shape};
use super::tickets::{Ticket, Tickets, tested};
use super::{CHANGED, Claim, EdgePopup, EdgePopupOptions, Note, bias_places};
use crate::Backend;
use crate::run::{Checkpoint, Origin, RunFolder, Saved, is_there};
use crate::train::approach::same_density;
use crate::train::network::{drawn, edges_of};
use crate::train::{Approach, AskedDensity, Contest, Data, Hook, Inheritance, Stepper, TrainingContext};
use er_engine::{Engine, ModelState, StepOptions};
use er_graphs::density::{overparameterisation, rounded};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Mask, sample};
use er_graphs::rng::{Purpose, stream};
use er_networks::init::{FrozenOptions, ScoreInit, frozen_state, scores};
use er_networks::model::ModelSpec;
use er_networks::schedule::Length;
use er_networks::topology::rule::keep;
use er_networks::topology::{Drawn, MaskPlan};

/// Masks of biases are drawn from streams numbered from here by layer, those of weights from 0.
const BIASES: u64 = 1 << 32;

/// A search for a network with frozen weights inside random masks (strong lottery tickets), by edge-popup.
#[derive(Debug, Clone)]
pub struct TicketSearch {
    /// What the masks of allowed weights are drawn from.
    pub masks: MaskPlan,
    /// These masks, where they come from a file.
    pub given: Option<Vec<Mask>>,
    /// Whether the allowed biases of a layer are drawn with the density of its weights; else all are allowed.
    pub mask_biases: bool,
    /// What weights and biases are.
    pub values: FrozenOptions,
    /// What scores begin with.
    pub scores: ScoreInit,
    /// Fraction of the weights and biases of each layer that a level keeps.
    pub densities: Vec<f64>,
    /// Epochs of a level.
    pub level_epochs: u64,
    /// Whether values are rescaled after each epoch.
    pub rescales: bool,
    /// Batches through which running statistics settle before each evaluation.
    pub settle_batches: usize,
    /// Network and scores to begin with instead of fresh ones; its masks are [`TicketSearch::given`], too.
    pub load: Option<PathBuf>,
    /// The density of allowed weights that was asked for, if a checkpoint to resume from brings the masks.
    pub asked: Option<AskedDensity>,
    /// Weights that the last level keeps, where the same density is allowed at random in every layer: theory says how much wider than
    /// a target of so many weights such masks have to be.
    pub kept_of_uniform: Option<usize>,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

/// Probability with which random masks that are wide enough do not hold a target, where theory asks for one.
const FAILURE: f64 = 0.01;

impl TicketSearch {
    fn allowed(&self, spec: &ModelSpec) -> Result<Drawn> {
        drawn(spec, Some(&self.masks), self.given.as_ref())
    }

    /// A fresh network and its scores.
    fn fresh(&self, spec: &ModelSpec) -> Result<(ModelState, Saved)> {
        let drawn = self.allowed(spec)?;
        let mut state = frozen_state(spec, &drawn.masks, &self.values, self.seed);
        let mut saved = Saved::default();
        let names = spec.layers().iter().map(|l| &l.name);
        for (l, (bias, name)) in bias_places(spec)?.into_iter().zip(names).enumerate() {
            let weights = drawn.masks[l].clone();
            let biases = self.biases(l, &weights, drawn.densities_requested[l]);
            let of_biases = biases.iter().map(|o| state.dense[bias].values[o]);
            let frozen = state.layers[l].weights.iter().copied().chain(of_biases).collect();
            let scores = scores(l, &weights, &biases, self.scores, self.seed);
            let mut layer = Layer::new([weights, biases], frozen, scores, 0, bias);
            layer.choose(self.densities[0]);
            state.dense[bias].values.fill(0.0);
            let edges = layer.weights.edges();
            layer.show(&mut vec![0.0; edges], &mut state.dense[bias].values);
            keep(&mut state.layers[l], &layer.chosen[..edges]);
            layer.save(|what, tensor| drop(saved.tensors.insert(format!("{what}.{name}"), tensor)));
        }
        saved.note = json!(Note::new(self.densities[0]));
        Ok((state, saved))
    }

    /// The biases of a layer that may be chosen.
    fn biases(&self, layer: usize, weights: &Mask, density: f64) -> Mask {
        let shape = bias_shape(weights.shape());
        if !self.mask_biases {
            return Mask::full(shape);
        }
        sample(shape, density, self.masks.law, &mut stream(self.seed, Purpose::Mask, BIASES + layer as u64))
    }

    fn options(&self, length: Length) -> EdgePopupOptions {
        EdgePopupOptions {
            densities: self.densities.clone(),
            level_steps: self.level_epochs * length.batches_per_epoch,
            rescale_steps: self.rescales.then_some(length.batches_per_epoch),
            settle_batches: self.settle_batches,
        }
    }
}

/// A checkpoint of a search.
fn read(path: &Path, spec: &ModelSpec) -> Result<(Checkpoint, Note)> {
    let mut checkpoint = Checkpoint::read(path, spec)?;
    let note = serde_json::from_value(checkpoint.saved.note.take())
        .map_err(|_| Error::failure(format!("{} has no scores", path.display())).help("give a checkpoint or ticket of er_slt"))?;
    Ok((checkpoint, note))
}

/// The masks of weights that may be chosen in the network of a checkpoint, for [`TicketSearch::given`].
///
/// # Errors
/// If the file is missing or damaged, or is not of a search in this network.
pub fn allowed_masks(path: &Path, spec: &ModelSpec) -> Result<Vec<Mask>> {
    let (Checkpoint { saved, .. }, _) = read(path, spec)?;
    let damaged = |e: &Error| Error::failure(format!("{}: {}", path.display(), e.what())).help(CHANGED);
    allowed(&saved, spec).map_err(|e| damaged(&e))
}

/// The masks of weights that may be chosen, of what a checkpoint of a search holds.
fn allowed(saved: &Saved, spec: &ModelSpec) -> Result<Vec<Mask>> {
    let mask = |of: &er_networks::model::Layer| Ok(Layer::stored(saved, &of.name, of.shape, 0, 0)?.weights);
    spec.layers().iter().map(mask).collect()
}

/// The network and scores of a file, and what it says of their accuracy.
fn loaded(path: &Path, spec: &ModelSpec) -> Result<(ModelState, Saved)> {
    let (Checkpoint { mut state, mut saved, progress, .. }, note) = read(path, spec)?;
    // After an epoch, the evaluation is of this very network.
    let validation = progress.validation;
    let claim = (progress.clock.batch() == 0 && validation.samples > 0).then(|| Claim {
        file: path.display().to_string(),
        images: note.images.clone(),
        correct: validation.correct,
        samples: validation.samples,
    });
    saved.note = json!(Note { claim, scale: note.scale, ..Note::new(note.density) });
    saved.tensors.retain(|name, _| !name.starts_with("velocity."));
    state.steps = 0;
    Ok((state, saved))
}

impl fmt::Display for TicketSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (levels, epochs) = (self.densities.len(), self.level_epochs);
        let same = self.densities.iter().all(|d| d.to_bits() == self.densities[0].to_bits());
        let kept = self.densities.iter().take(if same { 1 } else { levels }).map(|d| rounded(*d).to_string());
        let kept: Vec<String> = kept.collect();
        match &self.load {
            Some(_) => write!(f, "edge-popup: the frozen values of the file, its scores are trained on")?,
            None => write!(f, "edge-popup: frozen values ({}), scores ({}) are trained", self.values.init, self.scores)?,
        }
        writeln!(f, "; the largest |score| of each layer are used")?;
        let biases = match (&self.load, self.mask_biases) {
            (Some(_), _) => "those biases that the file allows",
            (None, true) => "biases drawn with the same densities",
            (None, false) => "all biases",
        };
        writeln!(f, "allowed: the edges above, and {biases}")?;
        write!(f, "kept (--sparsity): {} of all weights and biases of each layer, if so many are allowed", kept.join(", "))?;
        write!(f, "; {levels} level{} of {epochs} epochs", if levels == 1 { "" } else { "s" })?;
        if let Some(edges) = self.kept_of_uniform {
            let (density, wider) = (self.masks.density, overparameterisation(edges, self.masks.density, FAILURE));
            write!(
                f,
                "\ntheory: random masks of density {density} hold every target of {edges} weights, as many as are kept, with "
            )?;
            write!(f, "probability {} if they are ρ = {wider:.1} times as wide", 1.0 - FAILURE)?;
        }
        if self.rescales {
            write!(f, "\nvalues are rescaled after each epoch")?;
        }
        if self.settle_batches > 0 {
            write!(f, "\nrunning statistics settle through {} batches before each evaluation", self.settle_batches)?;
        }
        Ok(())
    }
}

impl Approach for TicketSearch {
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        self.allowed(spec)
    }

    fn begin(&self, spec: &ModelSpec, _: Backend) -> Result<(ModelState, Saved)> {
        match &self.load {
            Some(path) => loaded(path, spec),
            None => self.fresh(spec),
        }
    }

    fn take_over(&self, checkpoint: &Checkpoint, spec: &ModelSpec, _: Length) -> Result<Inheritance> {
        let of_search = |e: Error| e.or_help("er_slt goes on from checkpoints of er_slt");
        let masks = allowed(&checkpoint.saved, spec).map_err(of_search)?;
        let (edges, weights) = (masks.iter().map(Mask::edges).sum::<usize>(), spec.weight_count());
        let found = edges as f64 / weights as f64;
        if let Some(asked) = &self.asked {
            asked.check(found, weights)?;
        }
        let most = self.densities.iter().copied().fold(0.0, f64::max);
        if most > found * (1.0 + 1e-9) && !same_density(most, found, weights) {
            let what = format!(
                "{} is to be kept, more than the {} that the checkpoint to resume from allows",
                rounded(most),
                rounded(found)
            );
            return Err(Error::usage(what).help("keep fewer with --sparsity, or begin anew without --resume"));
        }
        let facts = [("sparse_init", json!("resumed")), ("allowed_density_requested", json!(found))];
        Ok(Inheritance { facts: facts.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(), remarks: Vec::new() })
    }

    fn density_advice(&self, _: &ModelSpec, _: f64, _: f64) -> String {
        "layers keep no more than they are allowed: raise --er-init-density, or divide it evenly with --er-method uniform"
            .to_owned()
    }

    /// Each level has a best epoch.
    fn contest(&self, _: Length) -> Contest {
        Contest::Each(self.level_epochs)
    }

    /// Scores move, weights do not.
    fn engine_options(&self, asked: StepOptions) -> StepOptions {
        StepOptions { optimizer: er_engine::Optimizer::Sgd { momentum: 0.0, nesterov: false }, ..asked }
    }

    fn stepper(&self, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>> {
        Ok(Box::new(EdgePopup::new(self.options(context.length), context, engine)?))
    }

    fn hooks(&self, folder: &RunFolder, origin: &Origin, context: &TrainingContext) -> Result<Vec<Box<dyn Hook>>> {
        Ok(vec![Box::new(Tickets::new(self, folder, origin, context)?)])
    }

    fn measured(&self, state: &ModelState) -> Map<String, Value> {
        edges_of(state, |_| true)
    }

    /// Of the levels with an epoch among these.
    fn tickets(&self, epochs: Range<u64>) -> Vec<u64> {
        let level_of = |epoch: u64| epoch / self.level_epochs + 1;
        if epochs.is_empty() { Vec::new() } else { (level_of(epochs.start)..=level_of(epochs.end - 1)).collect() }
    }

    /// What the best network of each level does on the test images.
    fn finish(&self, folder: &RunFolder, engine: &mut dyn Engine, data: &Data, tickets: &[u64]) -> Result<Map<String, Value>> {
        let mut levels: Vec<Ticket> = Vec::new();
        for (level, density) in (1..).zip(&self.densities) {
            let path = folder.ticket(level);
            // An epoch that was cut short has its ticket, too.
            if tickets.contains(&level) || is_there(&path)? {
                levels.push(tested(&path, level, *density, engine, data)?);
            }
        }
        Ok(Map::from_iter([("levels".to_owned(), json!(levels))]))
    }
}
