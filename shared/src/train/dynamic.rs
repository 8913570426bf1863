//! Optimiser steps, and edges that move by a rule.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{LayerUpdate, Stepped, Stepper, Update};
use crate::engine::{Batch, Engine, Outcome};
use crate::error::{Error, Result};
use crate::graph::Mask;
use crate::model::{ModelSpec, forward_flops};
use crate::run::{Saved, SavedTensor};
use crate::score;
use crate::topology::rule::{Evidence, LayerChange, LayerMemory, Memory, Momentum, MomentumKind, Network, Rule, update};

/// Trains, and moves edges by a rule if there is one. Gradients of weights without an edge are computed only at steps whose
/// gradient the rule reads; all other steps cost what they cost with fixed masks.
#[derive(Debug)]
pub struct Dynamic {
    rule: Option<Rule>,
    network: Network,
    momentum: MomentumKind,
    memory: Memory<f32>,
    /// Gradients of all weights, averaged over the steps since the rule began to gather.
    gathered: Vec<Vec<f32>>,
    /// The latest step.
    step: u64,
    costs: Costs,
    names: Vec<String>,
    edges: Vec<usize>,
}

/// Floating-point operations of a training: a multiply-accumulate is two, and a backward pass costs two forward passes, one of
/// them with all weights where their gradients are computed (Evci et al. 2020, appendix H).
#[derive(Debug)]
struct Costs {
    /// Of one forward pass of one sample, on the edges there are now.
    sparse: f64,
    /// With all weights.
    dense: f64,
    /// Spent so far.
    training: f64,
    /// What a dense network would have spent on the same samples.
    training_dense: f64,
}

/// The small part of what checkpoints hold.
#[derive(Serialize, Deserialize)]
struct Note {
    step: u64,
    updates: u64,
    /// By layer: updates that changed it, and the step of the last of them.
    changes: Vec<(u64, u64)>,
    training_flops: f64,
    training_flops_dense: f64,
}

impl Costs {
    fn step(&mut self, samples: usize, all_gradients: bool) {
        let weights = if all_gradients { self.dense } else { self.sparse };
        self.training += (2.0 * self.sparse + weights) * samples as f64;
        self.training_dense += 3.0 * self.dense * samples as f64;
    }
}

impl Dynamic {
    /// A training of the network in this engine, `step` steps after its beginning. `momentum` is that of the optimiser, for rules
    /// that read velocities of all weights; `saved` is what the checkpoint holds that the engine's state is from, which may be one
    /// of another method.
    ///
    /// # Errors
    /// If what is saved does not fit the network.
    pub fn new(
        rule: Option<Rule>,
        network: Network,
        momentum: MomentumKind,
        engine: &dyn Engine,
        step: u64,
        saved: &Saved,
    ) -> Result<Self> {
        let (spec, layers) = (engine.spec(), engine.state().layers);
        let edges = layers.iter().map(|l| l.mask.edges()).collect::<Vec<_>>();
        let (sparse, dense) = (on_edges(spec, &edges), forward_flops(spec, &vec![1.0; layers.len()]));
        let mut costs = Costs { sparse, dense, training: 0.0, training_dense: 0.0 };
        let names: Vec<String> = spec.layers().iter().map(|l| l.name.clone()).collect();
        let mut gathered = vec![Vec::new(); layers.len()];
        let mut memory = Memory::new(&layers);
        if !saved.note.is_null() {
            let note = Note::deserialize(&saved.note).map_err(|e| wrong(format_args!("its notes: {e}")))?;
            (costs.training, costs.training_dense) = (note.training_flops, note.training_flops_dense);
            memory.updates = note.updates;
            for (l, (layer, changes)) in memory.layers.iter_mut().zip(note.changes).enumerate() {
                let stored = Stored { saved, layer: &names[l], weights: layer.ever.shape().weights() };
                (layer.changes, layer.last_change) = changes;
                if let Some(ever) = stored.bits("ever")? {
                    layer.ever = Mask::from_bytes(layer.ever.shape(), ever).map_err(|e| wrong(format_args!("{}", e.what())))?;
                }
                layer.momentum = Momentum { first: stored.floats("momentum.0")?, second: stored.floats("momentum.1")? };
                // A run that goes on elsewhere gathers anew.
                if note.step == step {
                    gathered[l] = stored.floats("gradient")?;
                }
            }
        }
        Ok(Self { rule, network, momentum, memory, gathered, step, costs, names, edges })
    }

    /// Forward, backward, and an optimiser step where there is a rate; with the gradients that the rule needs.
    fn compute(&mut self, engine: &mut dyn Engine, batch: &Batch, rate: Option<f64>, needs: [bool; 2]) -> Outcome {
        let [gathers, every] = needs;
        if let (false, false, Some(rate)) = (gathers, every, rate) {
            self.costs.step(batch.labels.len(), false);
            return engine.train_step(batch, rate);
        }
        let layers: Vec<bool> = self.network.movable.iter().map(|m| *m && (gathers || every)).collect();
        let batches = self.rule.as_ref().map_or(1, |r| r.when.accumulate);
        let share = 1.0 / batches as f32;
        let (gathered, memory, momentum) = (&mut self.gathered, &mut self.memory, self.momentum);
        let outcome = engine.train_step_with(batch, rate, &layers, &mut |l, gradient| {
            if every {
                memory.layers[l].momentum.add(momentum, &gradient);
            }
            if gathers && batches == 1 {
                gathered[l] = gradient;
            } else if gathers {
                gathered[l].resize(gradient.len(), 0.0);
                gathered[l].iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += share * g);
            }
        });
        self.costs.step(batch.labels.len(), gathers || every);
        outcome
    }

    fn update(&mut self, engine: &mut dyn Engine, rule: &Rule, step: u64) -> Update {
        let synflow = if rule.reads_synflow() { score::synflow(engine.spec(), &engine.state()) } else { Vec::new() };
        let mut evidence = Evidence { gradients: std::mem::take(&mut self.gathered), synflow };
        self.gathered = vec![Vec::new(); self.names.len()];
        let mut changes = Vec::new();
        engine.rewire(&mut |layers| {
            changes = update(rule, step, &self.network, layers, &mut evidence, &mut self.memory);
        });
        self.edges = changes.iter().map(|c| c.edges).collect();
        self.costs.sparse = on_edges(engine.spec(), &self.edges);
        self.report(rule, step, &changes)
    }

    fn report(&self, rule: &Rule, step: u64, changes: &[LayerChange]) -> Update {
        let movable = || (0..changes.len()).filter(|l| self.network.movable[*l]);
        let part = |some: usize, all: usize| if all == 0 { 0.0 } else { some as f64 / all as f64 };
        let sum = |of: fn(&LayerChange) -> usize| movable().map(|l| of(&changes[l])).sum::<usize>();
        let of_memory = |of: &dyn Fn(&LayerMemory<f32>) -> usize| movable().map(|l| of(&self.memory.layers[l])).sum::<usize>();
        let weights = of_memory(&|m| m.ever.shape().weights());
        let (dropped, edges) = (sum(|c| c.dropped), sum(|c| c.edges));
        let layer = |l: usize| {
            let (c, ever) = (&changes[l], &self.memory.layers[l].ever);
            let of = LayerUpdate {
                density: part(c.edges, ever.shape().weights()),
                edges: c.edges,
                pruned: c.pruned,
                dropped: c.dropped,
                grown: c.grown,
                returned: c.returned,
                repaired: c.repaired,
                itop: ever.density(),
            };
            (self.names[l].clone(), of)
        };
        Update {
            density_target: rule.prune.as_ref().and_then(|p| p.density.at(step)),
            density: part(edges, weights),
            edges,
            drop_fraction: rule.exchange.as_ref().map(|x| x.fraction.at(step)),
            pruned: sum(|c| c.pruned),
            dropped,
            grown: sum(|c| c.grown),
            returned: (dropped > 0).then(|| part(sum(|c| c.returned), dropped)),
            repaired: sum(|c| c.repaired),
            itop: part(of_memory(&|m| m.ever.edges()), weights),
            layers: movable().map(layer).collect(),
        }
    }
}

impl Stepper for Dynamic {
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, step: u64, rate: f64) -> Result<Stepped> {
        self.step = step;
        let Some(rule) = self.rule.clone() else {
            return Ok(Stepped { outcome: self.compute(engine, batch, Some(rate), [false; 2]), update: None });
        };
        let is_update = rule.when.is_update(step);
        let gathers = rule.reads_gradient() && rule.when.gathers(step);
        let rate = (!is_update || !rule.replaces_step).then_some(rate);
        let outcome = self.compute(engine, batch, rate, [gathers, rule.needs_every_gradient()]);
        // Edges do not move by gradients that are not numbers.
        let moves = is_update && outcome.loss_sum.is_finite();
        Ok(Stepped { outcome, update: moves.then(|| self.update(engine, &rule, step)) })
    }

    fn saved(&self) -> Saved {
        let Memory { updates, layers } = &self.memory;
        let note = Note {
            step: self.step,
            updates: *updates,
            changes: layers.iter().map(|l| (l.changes, l.last_change)).collect(),
            training_flops: self.costs.training,
            training_flops_dense: self.costs.training_dense,
        };
        let mut tensors = BTreeMap::new();
        for (l, layer) in layers.iter().enumerate().filter(|(l, _)| self.rule.is_some() && self.network.movable[*l]) {
            let mut put = |what: &str, tensor| tensors.insert(format!("{what}.{}", self.names[l]), tensor);
            put("ever", SavedTensor::Bits(layer.ever.to_bytes()));
            let floats =
                [("momentum.0", &layer.momentum.first), ("momentum.1", &layer.momentum.second), ("gradient", &self.gathered[l])];
            for (what, values) in floats.into_iter().filter(|(_, values)| !values.is_empty()) {
                put(what, SavedTensor::Floats(values.clone()));
            }
        }
        Saved { note: json!(note), tensors }
    }

    fn results(&self) -> Map<String, Value> {
        let costs = &self.costs;
        let mut fields = Map::new();
        fields.insert("training_flops".into(), json!(costs.training));
        fields.insert("training_flops_ratio".into(), json!(costs.training / costs.training_dense));
        if self.rule.is_some() {
            let movable = || (0..self.names.len()).filter(|l| self.network.movable[*l]).map(|l| &self.memory.layers[l].ever);
            let [ever, weights] = [Mask::edges, |m: &Mask| m.shape().weights()].map(|of| movable().map(of).sum::<usize>());
            fields.insert("updates".into(), json!(self.memory.updates));
            fields.insert("itop".into(), json!(ever as f64 / weights as f64));
        }
        fields
    }

    fn told(&self) -> Option<String> {
        self.rule.as_ref().map(|_| self.table())
    }
}

impl Dynamic {
    /// The layers that can move, after the last update.
    fn table(&self) -> String {
        let width = self.names.iter().map(String::len).max().unwrap_or_default();
        let mut text = format!(
            "{:width$}  {:>9}  {:>9}  {:>7}  {:>11}  {:>11}",
            "layer", "edges", "density", "updates", "last change", "ever active"
        );
        for l in (0..self.names.len()).filter(|l| self.network.movable[*l]) {
            let (name, edges, layer) = (&self.names[l], self.edges[l], &self.memory.layers[l]);
            let density = edges as f64 / layer.ever.shape().weights() as f64;
            let last = if layer.changes == 0 { "never".to_owned() } else { format!("step {}", layer.last_change) };
            let (changes, ever) = (layer.changes, layer.ever.density());
            let _ = write!(text, "\n{name:width$}  {edges:>9}  {density:>9.6}  {changes:>7}  {last:>11}  {ever:>11.6}");
        }
        text
    }
}

/// Floating-point operations of one sample's forward pass along this many edges a layer.
fn on_edges(spec: &ModelSpec, edges: &[usize]) -> f64 {
    let densities: Vec<f64> = spec.layers().iter().zip(edges).map(|(l, e)| *e as f64 / l.shape.weights() as f64).collect();
    forward_flops(spec, &densities)
}

/// What a checkpoint holds of a layer.
struct Stored<'a> {
    saved: &'a Saved,
    layer: &'a str,
    weights: usize,
}

impl Stored<'_> {
    fn bits(&self, what: &str) -> Result<Option<&[u8]>> {
        match self.saved.tensors.get(&format!("{what}.{}", self.layer)) {
            None => Ok(None),
            Some(SavedTensor::Bits(bits)) => Ok(Some(bits)),
            Some(SavedTensor::Floats(_)) => Err(wrong(format_args!("{what}.{} is no mask", self.layer))),
        }
    }

    fn floats(&self, what: &str) -> Result<Vec<f32>> {
        match self.saved.tensors.get(&format!("{what}.{}", self.layer)) {
            None => Ok(Vec::new()),
            Some(SavedTensor::Floats(values)) if values.len() == self.weights => Ok(values.clone()),
            Some(_) => Err(wrong(format_args!("{what}.{} does not have {} numbers", self.layer, self.weights))),
        }
    }
}

fn wrong(what: std::fmt::Arguments) -> Error {
    Error::failure(format!("the checkpoint's record of moving edges does not fit this run: {what}"))
}
