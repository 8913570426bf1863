//! Training, pruning, training again: iterative pruning with a reset of the weights (Frankle & Carbin 2019), of the learning rate
//! alone (Renda et al. 2020), or of something between.

mod approach;
mod levels;
mod load;
mod stored;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use approach::IterativePruning;
pub use load::{Load, LoadMode, after_levels};

use self::stored::{read_state, save_state};
use super::stored::wrong;
use super::{Data, Event, Pruned, ReparameterisedStepper, StateFrom, Stepped, Stepper, TrainingContext};
use crate::run::Saved;
use er_engine::{Batch, EdgeGradients, Engine, ModelState, Step};
use er_graphs::density::Density;
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerState, Mask};
use er_networks::model::ModelSpec;
use er_networks::schedule::Clock;
use er_networks::score::synflow;
use er_networks::topology::effective;
use er_networks::topology::iterative::{Pruner, Reset, magnitudes, prune, random_scores, reset, snip_scores, take_masks};

/// When is pruned to what, by what, and what is reset then.
#[derive(Debug, Clone, PartialEq)]
pub struct IterativeOptions {
    /// What is pruned.
    pub pruner: Pruner,
    /// Density after each level; that of the layers that take part.
    pub densities: Vec<Density>,
    /// Epochs before the weights to which a reset goes back.
    pub warmup_epochs: u64,
    /// Epochs of each level.
    pub level_epochs: u64,
    /// What is reset after pruning.
    pub reset: Reset,
    /// Masks after each level, of [`Pruner::MaskRef`].
    pub masks: Vec<Vec<Mask>>,
    /// Networks with the signs after each level, of [`Reset::OtherSigns`].
    pub signs: Vec<Vec<LayerState>>,
    /// Whether edges on no path from the image to the logits go too.
    pub prune_dead: bool,
    /// Whether each layer can be pruned.
    pub takes_part: Vec<bool>,
    /// Seed of random scores.
    pub seed: u64,
}

impl IterativeOptions {
    /// Levels that are pruned before an epoch, counted from 0, is trained.
    fn levels_before(&self, epoch: u64) -> usize {
        let trained = epoch.saturating_sub(self.warmup_epochs) / self.level_epochs;
        (trained as usize).min(self.densities.len())
    }
}

/// Trains by optimiser steps; prunes, and resets, before the first step after each level.
#[derive(Debug)]
pub struct IterativeStepper {
    options: IterativeOptions,
    steps: ReparameterisedStepper,
    /// What a reset goes back to; none before the end of the warm-up, or without a reset.
    first: Option<ModelState>,
    note: Note,
}

/// What tells these notes from others.
const KIND: &str = "iterative pruning";

/// The small part of what checkpoints hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    /// [`KIND`].
    kind: String,
    /// Levels pruned so far.
    levels: usize,
    /// Optimiser steps of the network that a reset goes back to.
    first_steps: u64,
    /// Of the steps.
    steps: Value,
}

impl Note {
    /// What a checkpoint holds.
    ///
    /// # Errors
    /// If it is one of another method.
    fn read(saved: &Saved) -> Result<Self> {
        let note = Self::deserialize(&saved.note).ok().filter(|note| note.kind == KIND);
        note.ok_or_else(|| wrong(format_args!("it is of another method")).help("go on from a checkpoint with --pruner"))
    }
}

/// What tensors of the first network are called before their own names.
const FIRST: &str = "first";

/// What a checkpoint holds before the first step; `first` is what resets go back to, if it is not the network itself.
fn begins(steps: Saved, spec: &ModelSpec, first: Option<&ModelState>) -> Saved {
    let Saved { note, mut tensors } = steps;
    if let Some(first) = first {
        save_state(FIRST, spec, first, &mut tensors);
    }
    let first_steps = first.map_or(0, |first| first.steps);
    Saved { note: json!(Note { kind: KIND.to_owned(), first_steps, steps: note, levels: 0 }), tensors }
}

impl IterativeStepper {
    /// A training with these steps, whose context has a [`Saved`] of their own inside.
    ///
    /// # Errors
    /// If what is saved does not fit the network.
    pub fn new(
        options: IterativeOptions,
        how: super::ReparameterisedOptions,
        context: &TrainingContext,
        engine: &mut dyn Engine,
    ) -> Result<Self> {
        let saved = context.saved;
        let note = Note::read(saved)?;
        let inner = Saved { note: note.steps.clone(), ..Saved::default() };
        let steps = ReparameterisedStepper::new(how, &TrainingContext { saved: &inner, ..*context }, engine)?;
        let mut first = read_state(FIRST, engine.spec(), saved, note.first_steps)?;
        let (mut note, epoch) = (note, context.clock.epoch());
        if context.from == StateFrom::AnotherClock {
            // The levels pruned before the latest step count as those that led to the network that is taken over.
            note.levels = options.levels_before(context.clock.epochs_begun().saturating_sub(1));
            first = first.filter(|_| epoch >= options.warmup_epochs);
        }
        Ok(Self { options, steps, first, note })
    }

    /// Prunes to the density of a level, counted from 0, and resets.
    fn prune(&mut self, engine: &mut dyn Engine, level: usize, batch: &Batch) -> Result<Pruned> {
        let IterativeOptions { pruner, densities, takes_part, seed, .. } = &self.options;
        let mut state = self.steps.state(engine)?;
        let (before, density) = (edges(&state), densities[level]);
        let mut missing = 0;
        let scores = match pruner {
            Pruner::Magnitude => magnitudes(&state.layers),
            Pruner::Snip => {
                let mut gradients = EdgeGradients::default();
                engine.step(batch, Step::measure().edge_gradients(&mut gradients))?;
                snip_scores(&state.layers, &gradients.layers)
            }
            Pruner::Synflow => synflow(engine.spec(), &state),
            Pruner::MaskRef => Vec::new(),
            Pruner::RandomGlobal | Pruner::RandomUniform | Pruner::RandomBalanced | Pruner::RandomErk => {
                random_scores(&state.layers, *seed, level as u32 + 1)
            }
        };
        if *pruner == Pruner::MaskRef {
            missing += take_masks(&mut state.layers, &self.options.masks[level]);
        } else {
            prune(&mut state.layers, takes_part, &scores, pruner.distribution(), density)?;
        }
        let masks: Vec<Mask> = state.layers.iter().map(|l| l.mask.clone()).collect();
        let alive = effective(engine.spec(), &masks);
        if self.options.prune_dead {
            take_masks(&mut state.layers, &alive);
        }
        if let Some(first) = &self.first {
            let signs = self.options.signs.get(level).map(Vec::as_slice);
            missing += reset(&mut state, first, engine.spec(), self.options.reset, signs);
        }
        let after = edges(&state);
        let empty = engine.spec().layers().iter().zip(&state.layers).filter(|(_, layer)| layer.mask.edges() == 0);
        let empty_layers = empty.map(|(of, _)| of.name.clone()).collect();
        if after == 0 {
            let what = format!("level {}: pruning to density {density} leaves no edge", level + 1);
            return Err(Error::failure(what).help("end with a higher density in --threshold-list"));
        }
        self.steps.take_over(state, engine)?;
        let part = |masks: &[Mask]| {
            let of = masks.iter().zip(takes_part).filter(|(_, part)| **part).map(|(m, _)| (m.edges(), m.shape().weights()));
            let (edges, weights) = of.fold((0, 0), |(e, w), (edges, weights)| (e + edges, w + weights));
            edges as f64 / weights as f64
        };
        Ok(Pruned {
            level: level as u64 + 1,
            levels: densities.len() as u64,
            density_target: density.get(),
            density: part(if self.options.prune_dead { &alive } else { &masks }),
            density_effective: part(&alive),
            edges: after,
            pruned: before - after,
            missing,
            empty_layers,
        })
    }
}

fn edges(state: &ModelState) -> usize {
    state.layers.iter().map(|l| l.mask.edges()).sum()
}

impl Stepper for IterativeStepper {
    fn begin(&mut self, engine: &mut dyn Engine, data: &Data) -> Result<Option<String>> {
        self.steps.begin(engine, data)
    }

    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped> {
        let epoch = clock.epochs_begun() - 1;
        if self.options.reset != Reset::None && self.first.is_none() && epoch >= self.options.warmup_epochs {
            let first = self.steps.state(engine)?;
            self.note.first_steps = first.steps;
            self.first = Some(first);
        }
        let mut event: Option<Box<dyn Event>> = None;
        if self.note.levels < self.options.levels_before(epoch) {
            event = Some(Box::new(self.prune(engine, self.note.levels, batch)?));
            self.note.levels += 1;
        }
        let stepped = self.steps.step(engine, batch, clock, rate)?;
        Ok(Stepped { event: event.or(stepped.event), ..stepped })
    }

    fn settle(&mut self, engine: &mut dyn Engine, data: &Data, epoch: u64, batch: &mut Batch) -> Result<()> {
        self.steps.settle(engine, data, epoch, batch)
    }

    fn saved(&self, engine: &dyn Engine) -> Result<Saved> {
        let Saved { note, mut tensors } = self.steps.saved(engine)?;
        if let Some(first) = &self.first {
            save_state(FIRST, engine.spec(), first, &mut tensors);
        }
        Ok(Saved { note: json!(Note { steps: note, ..self.note.clone() }), tensors })
    }

    fn results(&self) -> Map<String, Value> {
        self.steps.results()
    }

    fn final_report(&self) -> Option<String> {
        None
    }
}
