//! Applying a rule.

use rayon::prelude::*;

use super::change::{keep, replace, retain};
use super::drop::Count;
use super::memory::{LayerMemory, adam};
use super::redistribute::Share;
use super::{DropScore, Exchange, LayerView, Memory, Prune, PruneScope, Real, Redistribute, Rule, shares};
use crate::topology::preserve;
use er_graphs::graph::{LayerState, Mask, Numbers};
use er_graphs::registry::Selected;
use er_graphs::rng::{Purpose, stream};

/// What a rule has to know of a network besides its edges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Layers whose edges may move.
    pub movable: Vec<bool>,
    /// Groups of each layer.
    pub groups: Vec<usize>,
    /// Seed of random decisions.
    pub seed: u64,
}

/// What an update may read besides weights. Entries are by layer; those of layers that cannot move may be empty.
#[derive(Debug, Clone, Default)]
pub struct Evidence<T> {
    /// Gradients of all weights; empty if the rule does not read them.
    pub gradients: Vec<Vec<T>>,
    /// Scores of the whole network; empty if the rule does not read them.
    pub scores: NetworkScores,
}

/// Scores that take the whole network to compute, by layer and in edge order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkScores {
    /// Those that edges are pruned by.
    pub prune: Vec<Vec<f64>>,
    /// Those that edges are dropped by.
    pub drop: Vec<Vec<f64>>,
}

impl NetworkScores {
    fn both(&mut self) -> [&mut Vec<Vec<f64>>; 2] {
        [&mut self.prune, &mut self.drop]
    }
}

/// What an update did to a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerChange {
    /// Edges pruned for good.
    pub pruned: usize,
    /// Edges dropped in exchange for others.
    pub dropped: usize,
    /// Edges grown.
    pub grown: usize,
    /// Grown edges that were dropped in the same update.
    pub returned: usize,
    /// Edges added for units that had lost all, each in place of another.
    pub repaired: usize,
    /// Edges afterwards.
    pub edges: usize,
}

/// One update at this step, counted from 1. Layers that cannot move stay as they are. The result does not depend on the number of
/// threads. O(weights) time for growth by gradient or momentum, else O(edges).
///
/// # Panics
/// If layers, network, evidence and memory do not fit each other, or the rule reads evidence that is not there.
pub fn update<T: Real>(
    rule: &Rule,
    step: u64,
    network: &Network,
    layers: &mut [LayerState<T>],
    evidence: &mut Evidence<T>,
    memory: &mut Memory<T>,
) -> Vec<LayerChange> {
    let masks: Vec<Mask> = layers.iter().map(|l| l.mask.clone()).collect();
    let mut update = Update { step, network, layers, evidence, memory, changes: vec![LayerChange::default(); masks.len()] };
    if let Some(prune) = &rule.prune
        && let Some(density) = prune.density.at(step)
    {
        update.prune(prune, density);
    }
    if let Some(exchange) = &rule.exchange {
        update.exchange(exchange);
    }
    if rule.keeps_flow {
        update.keep_flow();
    }
    let mut changes = update.changes;
    for (change, layer) in changes.iter_mut().zip(&*layers) {
        change.edges = layer.mask.edges();
    }
    memory.follow(step, &masks, layers.iter().map(|l| &l.mask));
    changes
}

struct Update<'a, T> {
    step: u64,
    network: &'a Network,
    layers: &'a mut [LayerState<T>],
    evidence: &'a mut Evidence<T>,
    memory: &'a Memory<T>,
    changes: Vec<LayerChange>,
}

/// What scores and ways to grow see of the layer with this index, of which the edges in `kept` stay.
fn view<'a, T: Real>(
    step: u64,
    index: usize,
    layer: &'a LayerState<T>,
    kept: &'a Mask,
    gradient: &'a [T],
    memory: &'a LayerMemory<T>,
) -> LayerView<'a> {
    let slot = |i: usize| layer.slots.get(i).map_or(Numbers::NONE, |slot| T::numbers(slot));
    LayerView {
        layer: index,
        step,
        mask: &layer.mask,
        kept,
        weights: T::numbers(&layer.weights),
        slots: [slot(0), slot(1)],
        gradient: T::numbers(gradient),
        velocity: memory.momentum.view(),
        network: &[],
        ever: &memory.ever,
    }
}

impl<T: Real> Update<'_, T> {
    /// Whether a layer's edges can be exchanged: in a full one all that go would come back.
    fn takes_part(&self, layer: usize, redistribute: Redistribute) -> bool {
        let mask = &self.layers[layer].mask;
        self.network.movable[layer] && (redistribute != Redistribute::None || mask.edges() < mask.shape().weights())
    }

    /// The gradients of all weights of a layer, if there are any.
    fn gradient(&self, layer: usize) -> &[T] {
        self.evidence.gradients.get(layer).map_or(&[], Vec::as_slice)
    }

    /// Scores of the edges of layers that take part, and none of the others; `network` has those of the whole network.
    fn scores(&self, score: Selected<dyn DropScore>, network: &[Vec<f64>], takes_part: &[bool]) -> Vec<Vec<f64>> {
        let parameters = score.values();
        let of_layer = |l: usize| {
            if !takes_part[l] {
                return Vec::new();
            }
            let layer = &self.layers[l];
            let view = view(self.step, l, layer, &layer.mask, self.gradient(l), &self.memory.layers[l]);
            let network = network.get(l).map_or(&[] as &[f64], Vec::as_slice);
            let scores = score.score(&LayerView { network, ..view }, &parameters);
            assert_eq!(scores.len(), layer.mask.edges(), "scores of {score:?} and edges of layer {l}");
            scores
        };
        (0..self.layers.len()).into_par_iter().map(of_layer).collect()
    }

    fn prune(&mut self, prune: &Prune, density: f64) {
        let scores = self.scores(*prune.score, &self.evidence.scores.prune, &self.network.movable);
        let movable = || (0..self.layers.len()).filter(|l| self.network.movable[*l]);
        let weights = |l: usize| self.layers[l].mask.shape().weights();
        let (total, edges): (usize, usize) = (movable().map(weights).sum(), scores.iter().map(Vec::len).sum());
        let stay = match prune.scope {
            PruneScope::GlobalAboveThreshold => {
                // A network without edges could not learn any more.
                let keep = ((total as f64 * density) as usize).max(2) - 1;
                Count::CeilAndTies.stay_over_all(&scores, edges.saturating_sub(keep))
            }
            PruneScope::Global => {
                let missing = ((1.0 - density) * total as f64).ceil() as usize;
                let keep = (total - missing.min(total)).max(1);
                Count::Floor.stay_over_all(&scores, edges.saturating_sub(keep))
            }
            PruneScope::Layer => {
                let last = movable().next_back().unwrap_or_default();
                let densities = uniform(density, weights(last) as f64, total as f64);
                let keep = |l: usize| (weights(l) as f64 * densities[usize::from(l == last)]) as usize;
                let of_layer = |(l, s): (usize, &Vec<f64>)| Count::Floor.stay(s.iter().copied(), s.len().saturating_sub(keep(l)));
                scores.iter().enumerate().map(of_layer).collect()
            }
        };
        self.layers.par_iter_mut().zip(&stay).zip(&mut self.changes).enumerate().for_each(|(l, ((layer, stay), change))| {
            if self.network.movable[l] {
                let before = layer.mask.edges();
                keep(layer, stay);
                change.pruned = before - layer.mask.edges();
            }
        });
        for of_network in self.evidence.scores.both() {
            for ((scores, stay), movable) in of_network.iter_mut().zip(&stay).zip(&self.network.movable) {
                if *movable {
                    retain(scores, stay);
                }
            }
        }
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let takes_part: Vec<bool> = (0..self.layers.len()).map(|l| self.takes_part(l, exchange.redistribute)).collect();
        let scores = self.scores(exchange.drop.by, &self.evidence.scores.drop, &takes_part);
        let weights: Vec<&[T]> = self.layers.iter().map(|l| l.weights.as_slice()).collect();
        let stay = exchange.drop.stay(exchange.fraction.at(self.step), &scores, &weights);
        let budgets = self.budgets(exchange.redistribute, &stay);
        let (step, network, evidence, memory) = (self.step, self.network, &*self.evidence, self.memory);
        let parameters = exchange.grow.values();
        self.layers.par_iter_mut().zip(&mut self.changes).enumerate().for_each(|(l, (layer, change))| {
            if !takes_part[l] {
                return;
            }
            let positions: Vec<usize> = layer.mask.iter().zip(&stay[l]).filter(|(_, s)| **s).map(|(p, _)| p).collect();
            change.dropped = layer.mask.edges() - positions.len();
            let mut mask = Mask::from_positions(layer.mask.shape(), positions);
            let gradient = evidence.gradients.get(l).map_or(&[] as &[T], Vec::as_slice);
            let rng = &mut stream(network.seed, Purpose::Growth, step << 16 | l as u64);
            let view = view(step, l, layer, &mask, gradient, &memory.layers[l]);
            let count = budgets[l].min(mask.shape().weights() - mask.edges());
            let grown = exchange.grow.positions(&view, count, rng, &parameters);
            let fits = grown.len() == count && grown.is_sorted_by(|a, b| a < b) && !grown.iter().any(|p| mask.contains(*p));
            assert!(fits, "{:?} has to grow {count} edges of layer {l} at free positions, ascending", exchange.grow);
            change.grown = grown.len();
            change.returned = grown.iter().filter(|p| layer.mask.contains(**p)).count();
            for p in grown {
                mask.insert(p);
            }
            let keeps = if exchange.regrown_keeps { vec![true; stay[l].len()] } else { stay[l].clone() };
            replace(layer, mask, &keeps, |new, weights| exchange.value.draw(new, weights, gradient, rng));
        });
    }

    /// Edges that come back to each layer.
    fn budgets(&self, by: Redistribute, stay: &[Vec<bool>]) -> Vec<usize> {
        let removed = |l: usize| stay[l].iter().filter(|s| !**s).count();
        if by == Redistribute::None {
            return (0..stay.len()).map(removed).collect();
        }
        let movable: Vec<usize> = (0..stay.len()).filter(|l| self.network.movable[*l]).collect();
        let share = |l: usize| {
            let layer = &self.layers[l];
            let edges = layer.mask.edges();
            let mean = |sum: f64| if edges == 0 { 0.0 } else { sum / edges as f64 };
            let absolute = |values: &[T]| mean(values.iter().map(|v| (*v).into().abs()).sum());
            let statistic = match by {
                Redistribute::None | Redistribute::Nonzeros => edges as f64,
                Redistribute::Magnitude => absolute(&layer.weights),
                Redistribute::Momentum => match &layer.slots[..] {
                    [] => 0.0,
                    [first, second, ..] => mean(first.iter().zip(second).map(|(m, v)| adam(*m, *v)).sum()),
                    [velocity] => absolute(velocity),
                },
                Redistribute::Gradient => mean(layer.mask.iter().map(|p| self.evidence.gradients[l][p].into().abs()).sum()),
            };
            Share { statistic, missing: layer.mask.shape().weights() - edges, removed: removed(l) }
        };
        let mut budgets = vec![0; stay.len()];
        let parts: Vec<Share> = movable.iter().map(|l| share(*l)).collect();
        for (l, budget) in movable.into_iter().zip(shares(&parts)) {
            budgets[l] = budget;
        }
        budgets
    }

    fn keep_flow(&mut self) {
        let (step, network) = (self.step, self.network);
        self.layers.par_iter_mut().zip(&mut self.changes).enumerate().for_each(|(l, (layer, change))| {
            if !network.movable[l] {
                return;
            }
            // A stream of its own, away from that of growth.
            let rng = &mut stream(network.seed, Purpose::Growth, 1 << 63 | step << 16 | l as u64);
            let mut mask = layer.mask.clone();
            change.repaired = preserve(&mut mask, network.groups[l], true, rng).added;
            if change.repaired > 0 {
                let keeps = vec![true; layer.weights.len()];
                replace(layer, mask, &keeps, |new, _| vec![T::default(); new.len()]);
            }
        });
    }
}

/// Densities of a layer and of the classifier, given those of all weights, the classifier's and all weights.
fn uniform(density: f64, classifier: f64, total: f64) -> [f64; 2] {
    const HELD: f64 = 0.2;
    // A density written as 1 − 0.8 is held, too, whatever its last bit.
    if density > HELD + 1e-12 || classifier >= total {
        return [density; 2];
    }
    [((total * density - HELD * classifier) / (total - classifier)).max(0.0), HELD]
}
