//! What steppers write down about edges that move, and what that costs.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::stored::{Stored, wrong};
use super::{LayerUpdate, StateFrom, Update};
use crate::run::{Saved, SavedTensor};
use er_engine::Engine;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::model::{Convention, ModelSpec};
use er_networks::topology::rule::{LayerChange, LayerMemory, Memory, Network};

/// The book of one training: which edges there have been, when layers changed, what was computed.
///
/// Costs are floating-point operations: a multiply-accumulate is two, and a backward pass costs two forward passes, one of them
/// with all weights whose gradients are computed (Evci et al. 2020, appendix H).
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) network: Network,
    pub(super) memory: Memory<f32>,
    pub(super) names: Vec<String>,
    /// The latest step.
    pub(super) step: u64,
    /// Edges of each layer.
    edges: Vec<usize>,
    /// Of one forward pass of one sample on the edges there are, and with all weights.
    pub(super) sparse: f64,
    pub(super) dense: f64,
    /// Spent so far, and what a dense network would have spent on the same samples.
    training: f64,
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

impl Ledger {
    /// The book of the network in this engine, or what is saved of it; it begins anew where the clock was set.
    ///
    /// # Errors
    /// If what is saved does not fit the network.
    pub(super) fn new(network: Network, engine: &dyn Engine, step: u64, saved: &Saved, from: StateFrom) -> Result<Self> {
        let (spec, layers) = (engine.spec(), engine.state()?.layers);
        let edges: Vec<usize> = layers.iter().map(|l| l.mask.edges()).collect();
        let mut ledger = Self {
            network,
            memory: Memory::new(&layers),
            names: spec.layers().iter().map(|l| l.name.clone()).collect(),
            step,
            sparse: on_edges(spec, &edges),
            dense: Convention::Macs.network(spec, &vec![1.0; edges.len()]),
            edges,
            training: 0.0,
            training_dense: 0.0,
        };
        if from == StateFrom::ThisClock && !saved.note.is_null() {
            let note = Note::deserialize(&saved.note).map_err(|e| wrong(format_args!("its notes: {e}")))?;
            (ledger.training, ledger.training_dense) = (note.training_flops, note.training_flops_dense);
            ledger.memory.updates = note.updates;
            for (l, changes) in note.changes.into_iter().enumerate().take(layers.len()) {
                let ever = ledger.stored(saved, l).bits("ever")?;
                let layer = &mut ledger.memory.layers[l];
                (layer.changes, layer.last_change) = changes;
                layer.ever = ever.unwrap_or_else(|| layer.ever.clone());
            }
        }
        Ok(ledger)
    }

    /// What a checkpoint holds of a layer.
    pub(super) fn stored<'a>(&'a self, saved: &'a Saved, layer: usize) -> Stored<'a> {
        Stored { saved, layer: &self.names[layer], shape: self.memory.layers[layer].ever.shape() }
    }

    /// What a checkpoint should hold where no edges move.
    pub(super) fn note(&self) -> Value {
        let Memory { updates, layers } = &self.memory;
        json!(Note {
            step: self.step,
            updates: *updates,
            changes: layers.iter().map(|l| (l.changes, l.last_change)).collect(),
            training_flops: self.training,
            training_flops_dense: self.training_dense,
        })
    }

    /// What a checkpoint should hold where edges move; `put(layer, put_tensor)` adds what else belongs to a layer that can move.
    pub(super) fn saved(&self, put: impl Fn(usize, &mut dyn FnMut(&str, SavedTensor))) -> Saved {
        let mut saved = Saved { note: self.note(), ..Saved::default() };
        for l in self.movable() {
            let mut put_tensor = |what: &str, tensor| drop(saved.tensors.insert(format!("{what}.{}", self.names[l]), tensor));
            put_tensor("ever", SavedTensor::Bits(self.memory.layers[l].ever.to_bytes()));
            put(l, &mut put_tensor);
        }
        saved
    }

    /// Layers that can move.
    pub(super) fn movable(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.names.len()).filter(|l| self.network.movable[*l])
    }

    /// Enters a step on this many samples whose backward pass takes gradients of weights that cost `weight_gradients` a sample.
    pub(super) fn enter_step(&mut self, samples: usize, weight_gradients: f64) {
        self.training += (2.0 * self.sparse + weight_gradients) * samples as f64;
        self.training_dense += 3.0 * self.dense * samples as f64;
    }

    /// Enters how many edges each layer has.
    pub(super) fn count(&mut self, spec: &ModelSpec, edges: Vec<usize>) {
        self.sparse = on_edges(spec, &edges);
        self.edges = edges;
    }

    /// Enters an update; `schedule` is the density that was asked for and the drop fraction.
    pub(super) fn enter_update(&mut self, spec: &ModelSpec, changes: &[LayerChange], schedule: [Option<f64>; 2]) -> Update {
        self.count(spec, changes.iter().map(|c| c.edges).collect());
        let part = |some: usize, all: usize| if all == 0 { 0.0 } else { some as f64 / all as f64 };
        let sum = |of: fn(&LayerChange) -> usize| self.movable().map(|l| of(&changes[l])).sum::<usize>();
        let of_memory = |of: fn(&LayerMemory<f32>) -> usize| self.movable().map(|l| of(&self.memory.layers[l])).sum::<usize>();
        let weights = of_memory(|m| m.ever.shape().weights());
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
            density_target: schedule[0],
            density: part(edges, weights),
            edges,
            drop_fraction: schedule[1],
            pruned: sum(|c| c.pruned),
            dropped,
            grown: sum(|c| c.grown),
            returned: (dropped > 0).then(|| part(sum(|c| c.returned), dropped)),
            repaired: sum(|c| c.repaired),
            itop: part(of_memory(|m| m.ever.edges()), weights),
            layers: self.movable().map(layer).collect(),
        }
    }

    /// What the summary says; of updates only where edges move.
    pub(super) fn results(&self, moves: bool) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("training_flops".into(), json!(self.training));
        fields.insert("training_flops_ratio".into(), json!(self.training / self.training_dense));
        if moves {
            let ever = || self.movable().map(|l| &self.memory.layers[l].ever);
            let weights: usize = ever().map(|m| m.shape().weights()).sum();
            fields.insert("updates".into(), json!(self.memory.updates));
            fields.insert("itop".into(), json!(ever().map(Mask::edges).sum::<usize>() as f64 / weights as f64));
        }
        fields
    }

    /// The layers that can move, after the last update.
    pub(super) fn table(&self) -> String {
        let width = self.names.iter().map(String::len).max().unwrap_or_default();
        let mut text = format!(
            "{:width$}  {:>9}  {:>9}  {:>7}  {:>11}  {:>11}",
            "layer", "edges", "density", "updates", "last change", "ever active"
        );
        for l in self.movable() {
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
pub(super) fn on_edges(spec: &ModelSpec, edges: &[usize]) -> f64 {
    let densities: Vec<f64> = spec.layers().iter().zip(edges).map(|(l, e)| *e as f64 / l.shape.weights() as f64).collect();
    Convention::Macs.network(spec, &densities)
}
