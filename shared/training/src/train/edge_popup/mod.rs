//! Edge-popup (Ramanujan et al. 2020) inside a random mask: weights stay as they are, scores are trained, and the network is what
//! the largest scores choose.

mod layer;
mod rescale;
mod search;
mod tickets;

use std::fmt::Write;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::layer::Layer;
use super::stored::wrong;
use super::{Data, Event, Level, StateFrom, Stepped, Stepper, TrainingContext, evaluate, settle};
use crate::data::Loader;
use crate::run::{Saved, Sums};
use er_engine::{Batch, Engine, ModelState, Movable, Outcome, Step, StepOptions};
use er_graphs::error::{Error, Result};
use er_networks::model::{ModelSpec, ParamKind, SpentFlops, WeightGradients};
use er_networks::schedule::Clock;
use er_networks::table::table;
use er_networks::topology::rule::keep;

pub use search::{TicketSearch, allowed_masks};

/// What to do about a file whose parts contradict each other.
const CHANGED: &str = "the file is damaged or was changed: use another";

/// When how much is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct EdgePopupOptions {
    /// Fraction of the weights and biases of a layer that each level keeps, as long as that many are allowed.
    pub densities: Vec<f64>,
    /// Steps of a level; the last one has no end.
    pub level_steps: u64,
    /// Steps after which values are rescaled, again and again, so that the logits fit the loss best.
    pub rescale_steps: Option<u64>,
    /// Batches of an epoch through which running statistics settle on its network before it is evaluated. They follow a network that
    /// changes at every step, and one with other edges has other statistics.
    pub settle_batches: usize,
}

/// Trains scores: the values in use are those with the largest |score| in each layer, and the gradient of a value in use is taken
/// for that of its score times the value, of those not in use, too (Ramanujan et al. 2020, equation 4). A step costs the edges in
/// use, forward and for the gradients of inputs, and the allowed ones for those of weights.
#[derive(Debug)]
pub struct EdgePopup {
    options: EdgePopupOptions,
    descent: StepOptions,
    names: Vec<String>,
    layers: Vec<Layer>,
    note: Note,
    /// What the file that a search begins from says of its network.
    claim: Option<Claim>,
}

/// What tells notes of searches from those of trainings.
const KIND: &str = "edge-popup";

/// The small part of what checkpoints hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    /// [`KIND`].
    kind: String,
    /// Fraction that is kept now.
    density: f64,
    /// The level, from 0, that has begun; none before the first step, and where the clock was set.
    #[serde(default)]
    level: Option<usize>,
    /// Steps the optimiser has made.
    steps: u64,
    /// What values have been multiplied by so far, all layers together.
    scale: f64,
    #[serde(flatten)]
    spent: SpentFlops,
    /// The images of the validation.
    images: String,
    /// Accuracy that was reported of this network, where it begins another search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
}

/// An accuracy to be found again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Claim {
    file: String,
    images: String,
    correct: usize,
    samples: usize,
}

impl Note {
    /// Nothing done yet; this fraction is kept.
    fn new(density: f64) -> Self {
        Self {
            kind: KIND.to_owned(),
            density,
            level: None,
            steps: 0,
            scale: 1.0,
            spent: SpentFlops::default(),
            images: String::new(),
            claim: None,
        }
    }
}

impl EdgePopup {
    /// A search in this engine, whose network is the one that `context.saved` chooses.
    ///
    /// # Errors
    /// If what is saved does not fit the network, or chooses another.
    pub fn new(options: EdgePopupOptions, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Self> {
        let saved = context.saved;
        let images = images(&context.data.validation);
        let mut note = Note::deserialize(&saved.note)
            .map_err(|e| wrong(format_args!("its notes: {e}")).help("er_slt goes on from checkpoints of er_slt"))?;
        let claim = note.claim.take();
        if context.from == StateFrom::AnotherClock {
            // Levels and costs count from here; the optimiser goes on.
            note = Note { steps: note.steps, scale: note.scale, ..Note::new(note.density) };
        }
        let state = engine.state()?;
        let biases = bias_places(engine.spec())?;
        let of_spec = engine.spec().layers().iter().zip(&biases);
        let slots = context.options.optimizer.slots();
        let layers = of_spec.map(|(of, bias)| Layer::stored(saved, &of.name, of.shape, slots, *bias));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = engine.spec().layers().iter().map(|l| l.name.clone()).collect();
        let mut popup = Self { options, descent: context.options, names, layers, note, claim };
        popup.choose();
        for ((layer, state_of), name) in popup.layers.iter().zip(&state.layers).zip(&popup.names) {
            if !layer.agrees(state_of, &state.dense[layer.bias].values) {
                let file = popup.claim.as_ref().map_or("the checkpoint", |claim| &claim.file);
                let what = format!("the network of {file} is not what its scores choose, first in {name}");
                return Err(Error::failure(what).help(CHANGED));
            }
        }
        popup.note.images = images;
        popup.use_chosen(engine)?;
        Ok(popup)
    }

    /// The level of a step, from 0.
    fn level(&self, step: u64) -> usize {
        let level = (step.max(1) - 1) / self.options.level_steps;
        (level as usize).min(self.options.densities.len() - 1)
    }

    fn choose(&mut self) {
        let density = self.note.density;
        self.layers.par_iter_mut().for_each(|layer| layer.choose(density));
    }

    /// Lays out all that is allowed and puts what is chosen into use.
    fn use_chosen(&self, engine: &mut dyn Engine) -> Result<()> {
        let mut state = engine.state()?;
        for (layer, of) in self.layers.iter().zip(&mut state.layers) {
            of.mask = layer.weights.clone();
            of.weights = vec![0.0; layer.weights.edges()];
            of.slots = Vec::new();
            layer.show(&mut of.weights, &mut state.dense[layer.bias].values);
        }
        engine.load_state(state)
    }

    /// Begins the level of this step.
    fn begin_level(&mut self, engine: &mut dyn Engine, step: u64) -> Result<Level> {
        let level = self.level(step);
        let before: Vec<Vec<bool>> = self.layers.iter().map(|l| l.chosen.clone()).collect();
        self.note.density = self.options.densities[level];
        self.note.level = Some(level);
        self.choose();
        self.use_chosen(engine)?;
        let stayed = (step > 1).then(|| {
            let all: usize = before.iter().flatten().filter(|c| **c).count();
            let both = before.iter().flatten().zip(self.layers.iter().flat_map(|l| &l.chosen)).filter(|(b, a)| **b && **a);
            both.count() as f64 / all.max(1) as f64
        });
        let [edges, biases] = self.count();
        let empty = self.layers.iter().zip(&self.names).filter(|(layer, _)| layer.count()[0] == 0);
        let empty_layers = empty.map(|(_, name)| name.clone()).collect();
        Ok(Level {
            empty_layers,
            level: level as u64 + 1,
            levels: self.options.densities.len() as u64,
            density_target: self.note.density,
            density: (edges + biases) as f64 / self.positions() as f64,
            edges,
            biases,
            stayed,
        })
    }

    /// Weights and biases in use.
    fn count(&self) -> [usize; 2] {
        self.layers.iter().map(Layer::count).fold([0; 2], |[a, b], [c, d]| [a + c, b + d])
    }

    fn positions(&self) -> usize {
        self.layers.iter().map(Layer::positions).sum()
    }

    /// Enters the cost of a step; gradients are those of all allowed weights.
    fn enter_step(&mut self, spec: &ModelSpec, samples: usize) {
        let used: Vec<usize> = self.layers.par_iter().map(|l| l.count()[0]).collect();
        let allowed: Vec<usize> = self.layers.iter().map(|l| l.weights.edges()).collect();
        self.note.spent.enter_step(spec, &used, WeightGradients::Edges(&allowed), samples);
    }

    fn descend(&mut self, engine: &mut dyn Engine, batch: &Batch, rate: f64) -> Result<Outcome> {
        self.note.steps += 1;
        let (density, how) = (self.note.density, (&self.descent, rate / self.note.scale, self.note.steps));
        let layers = &mut self.layers;
        let mut update = |weights: &mut [Movable], dense: &mut [Movable]| {
            // Each layer has biases of its own.
            let mut biases: Vec<Option<&mut Movable>> = dense.iter_mut().map(Some).collect();
            let mut work: Vec<_> = layers
                .iter_mut()
                .zip(weights)
                .filter_map(|(layer, weights)| biases[layer.bias].take().map(|biases| (layer, weights, biases)))
                .collect();
            work.par_iter_mut().for_each(|(layer, weights, biases)| layer.step(weights, biases, density, how));
        };
        engine.step(batch, Step::by(&mut update))
    }

    /// Rescales all values so that the logits of this batch fit its labels best: those of layer l, from 1, and of D layers by c^(1/D),
    /// and biases by c^(l/D); a network without normalisations then gives c times its logits.
    fn rescale(&mut self, engine: &mut dyn Engine, batch: &Batch) -> Result<()> {
        let logits = engine.logits(batch)?;
        let c = rescale::factor(&logits, &batch.labels);
        let depth = self.layers.len() as f64;
        for (l, layer) in self.layers.iter_mut().enumerate() {
            layer.scale([c.powf(1.0 / depth), c.powf((l + 1) as f64 / depth)]);
        }
        self.note.scale *= c;
        self.use_chosen(engine)
    }
}

/// Places of the layers' biases among the dense parameters.
///
/// # Errors
/// If a layer has none.
fn bias_places(spec: &ModelSpec) -> Result<Vec<usize>> {
    let dense: Vec<_> = spec.dense_parameters().collect();
    let place = |node| dense.iter().position(|p| p.node == node && p.kind == ParamKind::Bias);
    let of = spec.layers().iter().map(|l| place(l.node).ok_or(l));
    of.collect::<Result<_, _>>().map_err(|l| Error::usage(format!("model {}: {} has no bias", spec.name(), l.name)))
}

/// What tells these images, as they are normalised, from others: their number, the name of the set, and the first of them.
fn images(loader: &Loader) -> String {
    let mut batch = Batch::default();
    loader.fill(0, 0, &mut batch);
    let first = batch.labels.len().min(16);
    let mut hash = Sha256::new();
    batch.labels[..first].iter().for_each(|l| hash.update(l.to_le_bytes()));
    batch.images[..first * loader.set().image.len()].iter().for_each(|v| hash.update(v.to_le_bytes()));
    let digits = hash.finalize().iter().take(4).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!("{} images of {} ({digits})", loader.len(), loader.set().name)
}

impl Stepper for EdgePopup {
    fn begin(&mut self, engine: &mut dyn Engine, data: &Data) -> Result<Option<String>> {
        let Some(Claim { file, images, correct, samples }) = self.claim.take() else { return Ok(None) };
        if images != self.note.images {
            let what = format!("{file}: its accuracy is that on {images}, and this run validates on {}", self.note.images);
            return Ok(Some(format!("{what}: not verified")));
        }
        let found: Sums = evaluate(engine, &data.validation, &mut Batch::default())?;
        let percent = |correct: usize| 100.0 * correct as f64 / samples as f64;
        if (found.correct, found.samples) == (correct, samples) {
            let accuracy = percent(correct);
            return Ok(Some(format!("{file}: frozen weights and scores give the reported validation accuracy, {accuracy:.2} %")));
        }
        let what = format!(
            "{file}: frozen weights and scores classify {} of {} validation images, {correct} of {samples} were reported",
            found.correct, found.samples
        );
        Err(Error::failure(what).help(CHANGED))
    }

    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped> {
        let step = clock.step;
        let level = self.level(step);
        let has_begun = self.note.level == Some(level) && self.note.density.to_bits() == self.options.densities[level].to_bits();
        let event: Option<Box<dyn Event>> = if has_begun { None } else { Some(Box::new(self.begin_level(engine, step)?)) };
        self.enter_step(engine.spec(), batch.labels.len());
        let outcome = self.descend(engine, batch, rate)?;
        if outcome.loss_sum.is_finite() && self.options.rescale_steps.is_some_and(|n| step.is_multiple_of(n)) {
            self.rescale(engine, batch)?;
        }
        Ok(Stepped { outcome, event })
    }

    fn settle(&mut self, engine: &mut dyn Engine, data: &Data, epoch: u64, batch: &mut Batch) -> Result<()> {
        settle(engine, data, epoch, self.options.settle_batches, batch)
    }

    fn network(&self, engine: &dyn Engine) -> Result<ModelState> {
        let mut state = engine.state()?;
        for (layer, of) in self.layers.iter().zip(&mut state.layers) {
            keep(of, &layer.chosen[..layer.weights.edges()]);
        }
        Ok(state)
    }

    fn saved(&self, _: &dyn Engine) -> Result<Saved> {
        let mut saved = Saved { note: json!(self.note), ..Saved::default() };
        for (layer, name) in self.layers.iter().zip(&self.names) {
            layer.save(|what, tensor| drop(saved.tensors.insert(format!("{what}.{name}"), tensor)));
        }
        Ok(saved)
    }

    fn results(&self) -> Map<String, Value> {
        let allowed: usize = self.layers.iter().map(|l| l.scores.len()).sum();
        let (kept, positions) = (self.count().iter().sum::<usize>() as f64, self.positions() as f64);
        let mut results = Map::from_iter([
            ("allowed_density".to_owned(), json!(allowed as f64 / positions)),
            ("kept_fraction".to_owned(), json!(kept / positions)),
            ("training_flops".to_owned(), json!(self.note.spent.total())),
            ("training_flops_ratio".to_owned(), json!(self.note.spent.ratio())),
        ]);
        if self.options.rescale_steps.is_some() {
            results.insert("scale".into(), json!(self.note.scale));
        }
        results
    }

    fn final_report(&self) -> Option<String> {
        let row = |(layer, name): (&Layer, &String)| {
            let ([edges, biases], weights) = (layer.count(), layer.weights.shape().weights());
            vec![
                name.clone(),
                weights.to_string(),
                layer.weights.edges().to_string(),
                edges.to_string(),
                format!("{:.6}", edges as f64 / weights as f64),
                layer.biases.shape().out.to_string(),
                biases.to_string(),
            ]
        };
        let heads = ["layer", "weights", "allowed", "kept", "density", "biases", "kept"];
        Some(table(&heads, &self.layers.iter().zip(&self.names).map(row).collect::<Vec<_>>()))
    }
}
