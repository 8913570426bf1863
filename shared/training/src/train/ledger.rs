//! What steppers write down about edges that move, and what that costs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::stored::{Stored, wrong};
use super::{LayerUpdate, StateFrom, Update};
use crate::run::{Saved, SavedTensor};
use er_engine::Engine;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::model::SpentFlops;
use er_networks::table::table;
use er_networks::topology::rule::{LayerChange, LayerMemory, Memory, Network};

/// The book of one training: which edges there have been, when layers changed, what was computed.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) network: Network,
    pub(super) memory: Memory<f32>,
    pub(super) names: Vec<String>,
    /// The latest step.
    pub(super) step: u64,
    /// Edges of each layer.
    pub(super) edges: Vec<usize>,
    /// What the training has cost.
    pub(super) spent: SpentFlops,
}

/// The small part of what checkpoints hold.
#[derive(Serialize, Deserialize)]
struct Note {
    step: u64,
    updates: u64,
    /// By layer: updates that changed it, and the step of the last of them.
    changes: Vec<(u64, u64)>,
    #[serde(flatten)]
    spent: SpentFlops,
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
            edges,
            spent: SpentFlops::default(),
        };
        if from == StateFrom::ThisClock && !saved.note.is_null() {
            let note = Note::deserialize(&saved.note).map_err(|e| wrong(format_args!("its notes: {e}")))?;
            ledger.spent = note.spent;
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
            spent: self.spent,
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

    /// Enters how many edges each layer has.
    pub(super) fn count(&mut self, edges: Vec<usize>) {
        self.edges = edges;
    }

    /// Enters an update; `schedule` is the density that was asked for and the drop fraction.
    pub(super) fn enter_update(&mut self, changes: &[LayerChange], schedule: [Option<f64>; 2]) -> Update {
        self.count(changes.iter().map(|c| c.edges).collect());
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
        fields.insert("training_flops".into(), json!(self.spent.total()));
        fields.insert("training_flops_ratio".into(), json!(self.spent.ratio()));
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
        let row = |l: usize| {
            let (edges, layer) = (self.edges[l], &self.memory.layers[l]);
            vec![
                self.names[l].clone(),
                edges.to_string(),
                format!("{:.6}", edges as f64 / layer.ever.shape().weights() as f64),
                layer.changes.to_string(),
                if layer.changes == 0 { "never".to_owned() } else { format!("step {}", layer.last_change) },
                format!("{:.6}", layer.ever.density()),
            ]
        };
        let heads = ["layer", "edges", "density", "updates", "last change", "ever active"];
        table(&heads, &self.movable().map(row).collect::<Vec<_>>())
    }
}
