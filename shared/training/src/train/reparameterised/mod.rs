//! Training of weights that are not used as they are: soft threshold reparameterisation (STR), and keeping the largest at each
//! step (DNW, GMP).

mod approach;
mod files;
mod layer;
mod places;
mod pretrained;

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use approach::ReparameterisedTraining;
pub use files::Published;

use self::layer::{Layer, Move};
use super::stored::wrong;
use super::{Data, Event, LayerSparsity, Sparsity, StateFrom, Stepped, Stepper, TrainingContext, settle};
use crate::run::Saved;
use er_engine::{Batch, Engine, ModelState, Movable, Outcome, Step, StepOptions};
use er_graphs::error::Result;
use er_graphs::graph::LayerState;
use er_networks::model::{ModelSpec, ParamKind, SpentFlops, WeightGradients};
use er_networks::schedule::Clock;
use er_networks::schedule::GmpRate;
use er_networks::table::table;
use er_networks::threshold::SparseFunction;

/// How the weights in use come from those that are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reparameterisation {
    /// STR: sign(W)·max(|W| − g(s), 0) with one trained s a layer; only weights in use have a gradient (Kusupati et al. 2020).
    SoftThreshold {
        /// g.
        function: SparseFunction,
        /// First s.
        first: f64,
    },
    /// DNW: all but this part of the layer's weights, the largest |W|; all have gradients, straight through the choice (Wortsman et
    /// al. 2019).
    Largest {
        /// Part that is left out.
        rate: f64,
    },
    /// GMP: all but a growing part of the layer's weights, the largest |W|; only these have a gradient (Zhu & Gupta 2018).
    Rising(GmpRate),
}

/// How each group of parameters moves; they differ in weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decays {
    /// Weights, and everything that is in no other group.
    pub weights: StepOptions,
    /// Thresholds.
    pub thresholds: StepOptions,
    /// Scales and shifts of normalisations with `bn` in their names: the published programs find them so, and shortcuts have none.
    pub norms: StepOptions,
}

/// What is trained, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct ReparameterisedOptions {
    /// One a layer; where there is none, weights are used as they are.
    pub laws: Vec<Option<Reparameterisation>>,
    /// How parameters move.
    pub decays: Decays,
    /// Whether the weights of each layer stay as they are.
    pub freeze: Vec<bool>,
    /// Batches of an epoch through which running statistics settle on its network before it is evaluated.
    pub settle_batches: usize,
}

/// Trains by [`ReparameterisedOptions`]. A step costs the weights in use, forward and for the gradients of inputs, and these and a few more for
/// the gradients of weights; besides, each weight of the masks is looked at.
#[derive(Debug)]
pub struct ReparameterisedStepper {
    options: ReparameterisedOptions,
    names: Vec<String>,
    /// Weights of each layer, edges or not.
    shapes: Vec<usize>,
    layers: Vec<Option<Layer>>,
    /// Which of the parameters outside the layers are in the group of normalisations.
    norms: Vec<bool>,
    /// Edges of each layer that the engine has.
    edges: Vec<usize>,
    note: Note,
}

/// What tells these notes from others.
const KIND: &str = "reparameterisation";

/// The small part of what checkpoints hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    /// [`KIND`].
    kind: String,
    /// By name of the weights.
    thresholds: BTreeMap<String, Threshold>,
    /// Steps the optimiser has made.
    steps: u64,
    #[serde(flatten)]
    spent: SpentFlops,
}

impl Note {
    /// What a checkpoint holds.
    ///
    /// # Errors
    /// If it is one of another method.
    fn read(saved: &Saved) -> Result<Self> {
        let note = Self::deserialize(&saved.note).ok().filter(|note| note.kind == KIND);
        note.ok_or_else(|| wrong(format_args!("it is of another method")).help("go on from a checkpoint of er_str"))
    }
}

/// What is saved of a layer besides tensors.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Threshold {
    s: f64,
    /// g(s), if it is trained.
    magnitude: Option<f64>,
    /// Optimiser state of s.
    slots: Vec<f64>,
}

/// The network that these weights make by their laws, and what a checkpoint holds besides it: the weights themselves. `state` has
/// them, with the masks of what may be in use.
fn reparameterised(spec: &ModelSpec, laws: &[Option<Reparameterisation>], mut state: ModelState) -> (ModelState, Saved) {
    let mut note = Note { kind: KIND.to_owned(), ..Note::default() };
    let mut saved = Saved::default();
    for ((of, law), name) in state.layers.iter_mut().zip(laws).zip(spec.layers().iter().map(|l| &l.name)) {
        let Some(law) = law else { continue };
        let layer = Layer::new(*law, of.mask.clone(), std::mem::take(&mut of.weights), 0);
        layer.save(|what, tensor| drop(saved.tensors.insert(format!("{what}.{name}"), tensor)));
        note.thresholds.insert(name.clone(), layer.threshold());
        *of = layer.network();
    }
    saved.note = json!(note);
    (state, saved)
}

impl ReparameterisedStepper {
    /// A training in this engine, of the weights that `context.saved` has.
    ///
    /// # Errors
    /// If what is saved does not fit the network.
    pub fn new(options: ReparameterisedOptions, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Self> {
        let saved = context.saved;
        let note = Note::read(saved)?;
        let slots = options.decays.weights.optimizer.slots();
        let mut note = note;
        if context.from == StateFrom::AnotherClock {
            note.spent = SpentFlops::default();
        }
        let epoch = context.clock.epochs_begun().saturating_sub(1);
        let spec = engine.spec();
        let restored = |(law, of): (&Option<Reparameterisation>, &er_networks::model::Layer)| {
            let Some(law) = law else { return Ok(None) };
            let missing = || wrong(format_args!("it has no threshold of {}", of.name));
            let mut layer = Layer::stored(saved, *law, (&of.name, of.shape), slots)?;
            layer.restore(note.thresholds.get(&of.name).ok_or_else(missing)?, epoch);
            Ok(Some(layer))
        };
        let layers = options.laws.iter().zip(spec.layers()).map(restored).collect::<Result<Vec<_>>>()?;
        let names = spec.layers().iter().map(|l| l.name.clone()).collect();
        let dense = spec.dense_parameters();
        let norms = dense.map(|p| matches!(p.kind, ParamKind::Scale | ParamKind::Shift) && p.name.contains("bn")).collect();
        let shapes = spec.layers().iter().map(|l| l.shape.weights()).collect();
        let mut all = Self { options, names, shapes, layers, norms, note, edges: Vec::new() };
        all.lay_out(engine, true)?;
        Ok(all)
    }

    /// Lets the engine lay out `all` layers, or those that are stale.
    fn lay_out(&mut self, engine: &mut dyn Engine, all: bool) -> Result<()> {
        if !all && !self.layers.iter().flatten().any(|layer| layer.stale) {
            return Ok(());
        }
        let (layers, edges) = (&mut self.layers, &mut self.edges);
        engine.rewire(&mut |states: &mut [LayerState]| {
            let of_layers = layers.par_iter_mut().zip(states.par_iter_mut());
            of_layers.filter_map(|(layer, state)| layer.as_mut().map(|layer| (layer, state))).for_each(|(layer, state)| {
                let stale = layer.stale;
                if stale {
                    layer.place();
                }
                if stale || all {
                    layer.lay_out(state);
                }
            });
            *edges = states.iter().map(|state| state.mask.edges()).collect();
        })
    }

    /// The network in the engine, after the steps that were made; the engine also counts those that only settle statistics.
    pub(super) fn state(&self, engine: &dyn Engine) -> Result<ModelState> {
        Ok(ModelState { steps: self.note.steps, ..engine.state()? })
    }

    /// Goes on with another network, where all weights are used as they are.
    ///
    /// # Errors
    /// If it is not one of this model.
    pub(super) fn take_over(&mut self, state: ModelState, engine: &mut dyn Engine) -> Result<()> {
        self.note.steps = state.steps;
        self.edges = state.layers.iter().map(|layer| layer.mask.edges()).collect();
        engine.load_state(state)
    }

    /// Weights in use of each layer.
    fn used(&self) -> Vec<usize> {
        self.layers.iter().zip(&self.edges).map(|(layer, edges)| layer.as_ref().map_or(*edges, |l| l.used)).collect()
    }

    /// Enters the cost of a step.
    fn enter_step(&mut self, spec: &ModelSpec, samples: usize) {
        let used = self.used();
        self.note.spent.enter_step(spec, &used, WeightGradients::Edges(&self.edges), samples);
    }

    fn descend(&mut self, engine: &mut dyn Engine, batch: &Batch, rate: f64) -> Result<Outcome> {
        self.note.steps += 1;
        let ReparameterisedOptions { decays, freeze, .. } = &self.options;
        let (layers, norms, how) = (&mut self.layers, &self.norms, Move { decays, rate, step: self.note.steps });
        let mut update = |weights: &mut [Movable], dense: &mut [Movable]| {
            let layers = layers.par_iter_mut().zip(weights.par_iter_mut()).zip(freeze);
            layers.for_each(|((layer, weights), freeze)| match layer {
                Some(layer) => layer.step(weights, how, *freeze),
                None if *freeze => {}
                None => how.descend(&decays.weights, weights),
            });
            for (parameter, is_norm) in dense.iter_mut().zip(norms).filter(|(p, _)| !p.gradient.is_empty()) {
                how.descend(if *is_norm { &decays.norms } else { &decays.weights }, parameter);
            }
        };
        engine.step(batch, Step::by(&mut update))
    }

    /// What is in use.
    fn sparsity(&self, spec: &ModelSpec) -> Sparsity {
        let used = self.used();
        let layers =
            self.names.iter().zip(spec.layers()).zip(self.layers.iter().zip(&used)).map(|((name, of), (layer, used))| {
                let density = *used as f64 / of.shape.weights() as f64;
                (name.clone(), LayerSparsity { density, threshold: layer.as_ref().and_then(Layer::magnitude) })
            });
        let edges = used.iter().sum::<usize>();
        let density = edges as f64 / spec.weight_count() as f64;
        Sparsity { density, edges, places: self.edges.iter().sum(), layers: layers.collect() }
    }
}

impl Stepper for ReparameterisedStepper {
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped> {
        let (step, epoch) = (clock.step, clock.epochs_begun() - 1);
        if clock == Clock::at_epoch(epoch, clock.batches_per_epoch).next() {
            self.layers.par_iter_mut().flatten().for_each(|layer| layer.enter(epoch));
            self.lay_out(engine, true)?;
        }
        self.enter_step(engine.spec(), batch.labels.len());
        let outcome = self.descend(engine, batch, rate)?;
        self.lay_out(engine, false)?;
        let moves = self.layers.iter().any(Option::is_some);
        let reports = moves && (step == 1 || clock.batch() == 0);
        let event = reports.then(|| Box::new(self.sparsity(engine.spec())) as Box<dyn Event>);
        Ok(Stepped { outcome, event })
    }

    fn settle(&mut self, engine: &mut dyn Engine, data: &Data, epoch: u64, batch: &mut Batch) -> Result<()> {
        settle(engine, data, epoch, self.options.settle_batches, batch)
    }

    fn network(&self, engine: &dyn Engine) -> Result<ModelState> {
        let mut state = self.state(engine)?;
        for (layer, of) in self.layers.iter().zip(&mut state.layers) {
            if let Some(layer) = layer {
                *of = layer.network();
            }
        }
        Ok(state)
    }

    fn saved(&self, _: &dyn Engine) -> Result<Saved> {
        let mut saved = Saved::default();
        let mut note = self.note.clone();
        for (layer, name) in self.layers.iter().zip(&self.names) {
            let Some(layer) = layer else { continue };
            layer.save(|what, tensor| drop(saved.tensors.insert(format!("{what}.{name}"), tensor)));
            note.thresholds.insert(name.clone(), layer.threshold());
        }
        saved.note = json!(note);
        Ok(saved)
    }

    fn results(&self) -> Map<String, Value> {
        let mut results = Map::from_iter([
            ("training_flops".to_owned(), json!(self.note.spent.total())),
            ("training_flops_ratio".to_owned(), json!(self.note.spent.ratio())),
        ]);
        if self.layers.iter().any(Option::is_some) {
            let allowed = self.layers.iter().zip(&self.edges).map(|(layer, edges)| layer.as_ref().map_or(*edges, Layer::allowed));
            let weights: usize = self.shapes.iter().sum();
            results.insert("mask_density".to_owned(), json!(allowed.sum::<usize>() as f64 / weights as f64));
        }
        results
    }

    fn final_report(&self) -> Option<String> {
        // Otherwise it is the table of the masks.
        self.layers.iter().find(|layer| layer.is_some())?;
        let used = self.used();
        let row = |((name, weights), (layer, used)): ((&String, &usize), (&Option<Layer>, &usize))| {
            let threshold = layer.as_ref().and_then(Layer::magnitude);
            vec![
                name.clone(),
                weights.to_string(),
                layer.as_ref().map_or(*used, Layer::allowed).to_string(),
                used.to_string(),
                format!("{:.6}", *used as f64 / *weights as f64),
                threshold.map_or_else(|| "-".to_owned(), |g| format!("{g:.6}")),
            ]
        };
        let rows = self.names.iter().zip(&self.shapes).zip(self.layers.iter().zip(&used));
        let heads = ["layer", "weights", "allowed", "in use", "density", "threshold"];
        Some(table(&heads, &rows.map(row).collect::<Vec<_>>()))
    }
}
