//! Top-KAST (Jayakumar et al. 2020): all weights are kept, the largest are used, and some more are trained.

use serde_json::{Map, Value};

use super::{StepperParts, TrainingMethod};
use crate::memory;
use crate::run::{Saved, SavedTensor};
use crate::train::ledger::Ledger;
use crate::train::network::room;
use crate::train::stored::wrong;
use crate::train::{Event, StateFrom, Stepped, Stepper, TrainingContext, Update};
use er_engine::{Batch, Engine, LayerState, ModelState, Step};
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::registry::Named;
use er_networks::model::WeightGradients;
use er_networks::schedule::Clock;
use er_networks::score;
use er_networks::topology::rule::{InitialMask, LayerChange, Method, Network, When, keep, replace};

/// Top-KAST, by name.
pub(super) struct TopKast;

impl Named for TopKast {
    fn name(&self) -> &'static str {
        "Top-KAST"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["topkast"]
    }

    fn about(&self) -> &'static str {
        "uses the largest of all weights, trains more"
    }
}

impl TrainingMethod for TopKast {
    fn method(&self, _: &[f64]) -> Method {
        Method { start: InitialMask::Full, backward: Some(0.1), ..Method::STATIC }
    }

    fn stepper(&self, with: &StepperParts, engine: &mut dyn Engine) -> Result<Option<Box<dyn Stepper>>> {
        let StepperParts { method, densities, network, context, .. } = with;
        // Without more to train than to use, the masks stay: --method static and the like.
        let Some(backward) = method.backward else { return Ok(None) };
        let TrainingContext { length, clock, options, saved, from, .. } = **context;
        let forward = method.densities[0];
        let options = TopKastOptions {
            when: method.when(length),
            densities: densities.to_vec(),
            backward: backward / forward,
            decay: options.weight_decay / forward,
        };
        Ok(Some(Box::new(TopKastStepper::new(&options, network.clone(), engine, clock.step, saved, from)?)))
    }
}

/// What Top-KAST keeps of a layer that can move.
#[derive(Debug, Clone)]
struct Layer {
    /// θ: all weights.
    theta: Vec<f32>,
    /// A: positions used in the forward pass; the engine's edges are B, those trained, which has weights of 0 beside A.
    forward: Mask,
    /// Size of A and of B.
    sizes: [usize; 2],
}

/// Trains with the largest |θ| of each layer (A), and the gradients of more of them (B ⊇ A); the two are chosen anew at each update.
/// The weights of B outside A decay 1/D times as fast as those of A, D being the density of A, so that they have to move to get
/// into A. Weights outside B stay what they are.
///
/// The engine computes on the edges of B, with weights of 0 outside A. Memory for θ is that of a dense network.
#[derive(Debug)]
pub struct TopKastStepper {
    when: When,
    /// λ / D.
    decay: f64,
    layers: Vec<Option<Layer>>,
    ledger: Ledger,
    /// Edges of B in each layer.
    trained: Vec<usize>,
}

/// What decides a [`TopKastStepper`] training.
#[derive(Debug, Clone, PartialEq)]
pub struct TopKastOptions {
    /// At which steps A and B are chosen anew.
    pub when: When,
    /// Density of A in each layer.
    pub densities: Vec<f64>,
    /// Factor from the size of A to that of B, at least 1.
    pub backward: f64,
    /// λ / D.
    pub decay: f64,
}

impl TopKastStepper {
    /// A training of the network in this engine, `step` steps after its beginning. At first the engine holds all weights; else
    /// `saved` does, and the engine those of A.
    ///
    /// # Errors
    /// If what is saved does not fit the network.
    pub fn new(
        options: &TopKastOptions,
        network: Network,
        engine: &mut dyn Engine,
        step: u64,
        saved: &Saved,
        from: StateFrom,
    ) -> Result<Self> {
        room(engine.spec(), "weights that are not used", memory::of_all_weights(engine.spec(), 1))?;
        let mut ledger = Ledger::new(network, engine, step, saved, from)?;
        let mut stored = Vec::new();
        let mut layers: Vec<Option<Layer>> = Vec::new();
        for (l, state) in engine.state()?.layers.iter().enumerate() {
            let weights = state.mask.shape().weights();
            let [first, second] = [1.0, options.backward].map(|f| (weights as f64 * options.densities[l] * f) as usize);
            let sizes = [first, second.clamp(first, weights)];
            let of = ledger.stored(saved, l);
            let theta = of.floats("theta")?;
            let backward = of.bits("backward")?.unwrap_or_else(|| state.mask.clone());
            let velocities = (0..state.slots.len()).map(|i| of.numbers(&format!("velocity.{i}"), backward.edges()));
            let velocities = velocities.collect::<Result<Vec<_>>>()?;
            if !theta.is_empty() && velocities.iter().any(|v| v.len() != backward.edges()) {
                return Err(wrong(format_args!("{} lacks optimiser state", ledger.names[l])));
            }
            stored.push((!theta.is_empty(), backward, velocities));
            let theta = if theta.is_empty() { spread(state) } else { theta };
            layers.push(ledger.network.movable[l].then(|| Layer { theta, forward: state.mask.clone(), sizes }));
        }
        let mut edges = [Vec::new(), Vec::new()];
        engine.rewire(&mut |states| {
            let of_layers = layers.iter_mut().zip(states.iter_mut()).zip(&stored).zip(&mut ledger.memory.layers);
            for (((layer, state), (is_stored, backward, velocities)), memory) in of_layers {
                let Some(layer) = layer else { continue };
                if *is_stored {
                    state.mask = backward.clone();
                    state.slots.clone_from(velocities);
                    layer.show(state);
                } else {
                    layer.choose(state);
                    memory.ever = layer.forward.clone();
                }
            }
            edges = [used(&layers, states).map(Mask::edges).collect(), trained(states)];
        })?;
        let [forward, trained] = edges;
        ledger.count(forward);
        Ok(Self { when: options.when, decay: options.decay, layers, ledger, trained })
    }

    /// Takes over what an optimiser step did to the weights of B, and hides those outside A again.
    fn absorb(&mut self, states: &mut [LayerState], rate: f64) {
        let decay = (rate * self.decay) as f32;
        for (layer, state) in self.layers.iter_mut().zip(states) {
            let Some(layer) = layer else { continue };
            for (p, w) in state.mask.iter().zip(&mut state.weights) {
                let theta = &mut layer.theta[p];
                if layer.forward.contains(p) {
                    *theta = *w;
                } else {
                    // The engine moved a weight of 0: by the same as it would have moved θ, but for the decay.
                    *theta += *w - decay * *theta;
                    *w = 0.0;
                }
            }
        }
    }

    fn update(&mut self, engine: &mut dyn Engine, step: u64) -> Result<Update> {
        let (mut changes, mut backward) = (Vec::new(), Vec::new());
        let (layers, memory) = (&mut self.layers, &mut self.ledger.memory);
        engine.rewire(&mut |states| {
            let before: Vec<Mask> = used(layers, states).cloned().collect();
            for (layer, state) in layers.iter_mut().zip(states.iter_mut()) {
                if let Some(layer) = layer {
                    layer.choose(state);
                }
            }
            let change = |(before, after): (&Mask, &Mask)| {
                let (kept, edges) = (after.iter().filter(|p| before.contains(*p)).count(), after.edges());
                LayerChange { dropped: before.edges() - kept, grown: edges - kept, edges, ..LayerChange::default() }
            };
            changes = before.iter().zip(used(layers, states)).map(change).collect();
            memory.follow(step, &before, used(layers, states));
            backward = trained(states);
        })?;
        self.trained = backward;
        Ok(self.ledger.enter_update(&changes, [None; 2]))
    }
}

impl Layer {
    /// Chooses A and B anew: the largest |θ|, the first of equals. Edges that stay in B keep their optimiser state.
    fn choose(&mut self, state: &mut LayerState) {
        let [forward, backward] = self.sizes.map(|size| largest(&self.theta, size, state.mask.shape()));
        self.forward = forward;
        let keeps = vec![true; state.weights.len()];
        replace(state, backward, &keeps, |new, _| vec![0.0; new.len()]);
        self.show(state);
    }

    /// Gives the edges of B their weights.
    fn show(&self, state: &mut LayerState) {
        let weight = |p: usize| if self.forward.contains(p) { self.theta[p] } else { 0.0 };
        state.weights = state.mask.iter().map(weight).collect();
    }
}

/// The positions of the largest magnitudes.
fn largest(theta: &[f32], count: usize, shape: LayerShape) -> Mask {
    let marks = score::largest(theta.iter().map(|w| f64::from(w.abs())), count);
    Mask::from_positions(shape, (0..theta.len()).filter(|p| marks[*p]))
}

/// Weights at all positions, 0 where there is no edge.
fn spread(state: &LayerState) -> Vec<f32> {
    let mut all = vec![0.0; state.mask.shape().weights()];
    state.mask.iter().zip(&state.weights).for_each(|(p, w)| all[p] = *w);
    all
}

/// The masks of what is used.
fn used<'a>(layers: &'a [Option<Layer>], states: &'a [LayerState]) -> impl Iterator<Item = &'a Mask> {
    layers.iter().zip(states).map(|(layer, state)| layer.as_ref().map_or(&state.mask, |l| &l.forward))
}

/// Edges of each layer that are trained.
fn trained(states: &[LayerState]) -> Vec<usize> {
    states.iter().map(|s| s.mask.edges()).collect()
}

impl Stepper for TopKastStepper {
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped> {
        let step = clock.step;
        self.ledger.step = step;
        let Ledger { edges, spent, .. } = &mut self.ledger;
        spent.enter_step(engine.spec(), edges, WeightGradients::Edges(&self.trained), batch.labels.len());
        let outcome = engine.step(batch, Step::optimizer(rate))?;
        engine.rewire(&mut |states| self.absorb(states, rate))?;
        let moves = self.when.is_update(step) && outcome.loss_sum.is_finite();
        let event = if moves { Some(Box::new(self.update(engine, step)?) as Box<dyn Event>) } else { None };
        Ok(Stepped { outcome, event })
    }

    fn network(&self, engine: &dyn Engine) -> Result<ModelState> {
        let mut state = engine.state()?;
        for (layer, state) in self.layers.iter().zip(&mut state.layers) {
            if let Some(layer) = layer {
                let used: Vec<bool> = state.mask.iter().map(|p| layer.forward.contains(p)).collect();
                keep(state, &used);
            }
        }
        Ok(state)
    }

    fn saved(&self, engine: &dyn Engine) -> Result<Saved> {
        let states = engine.state()?.layers;
        Ok(self.ledger.saved(|l, put| {
            if let Some(layer) = &self.layers[l] {
                put("theta", SavedTensor::Floats(layer.theta.clone()));
                put("backward", SavedTensor::Bits(states[l].mask.to_bytes()));
                for (i, slot) in states[l].slots.iter().enumerate() {
                    put(&format!("velocity.{i}"), SavedTensor::Floats(slot.clone()));
                }
            }
        }))
    }

    fn results(&self) -> Map<String, Value> {
        self.ledger.results(true)
    }

    fn final_report(&self) -> Option<String> {
        Some(self.ledger.table())
    }
}
