//! Optimiser steps, and edges that move by a rule.

use serde_json::{Map, Value};

use super::ledger::Ledger;
use super::network::room;
use super::{Event, StateFrom, Stepped, Stepper, Update};
use crate::memory;
use crate::run::{Saved, SavedTensor};
use er_engine::{Batch, Engine, Outcome, Step};
use er_graphs::error::Result;
use er_networks::model::WeightGradients;
use er_networks::schedule::Clock;
use er_networks::topology::rule::{Evidence, Momentum, MomentumKind, Network, Rule, update};

/// Trains, and moves edges by a rule if there is one. Gradients of weights without an edge are computed only at steps whose
/// gradient the rule reads; all other steps cost what they cost with fixed masks.
#[derive(Debug)]
pub struct DynamicStepper {
    rule: Option<Rule>,
    momentum: MomentumKind,
    /// Gradients of all weights, averaged over the steps since the rule began to gather.
    gathered: Vec<Vec<f32>>,
    ledger: Ledger,
}

impl DynamicStepper {
    /// A training of the network in this engine, `step` steps after its beginning. `momentum` is that of the optimiser, for rules
    /// that read velocities of all weights; `saved` is what the checkpoint holds that the engine's state is from, which may be one
    /// of another run and method: velocities of all weights go on then, and nothing else.
    ///
    /// # Errors
    /// If what is saved does not fit the network, or the gradients of all weights that the rule reads do not fit into memory.
    pub fn new(
        rule: Option<Rule>,
        network: Network,
        momentum: MomentumKind,
        engine: &dyn Engine,
        step: u64,
        saved: &Saved,
        from: StateFrom,
    ) -> Result<Self> {
        let all = rule.as_ref().map_or(0, |r| usize::from(r.reads_gradient()) + usize::from(r.needs_every_gradient()));
        room(engine.spec(), "gradients of all weights", memory::of_all_weights(engine.spec(), all))?;
        let mut ledger = Ledger::new(network, engine, step, saved, from)?;
        let mut gathered = vec![Vec::new(); ledger.names.len()];
        for (l, gathered) in gathered.iter_mut().enumerate() {
            let stored = ledger.stored(saved, l);
            let momentum = Momentum { first: stored.floats("momentum.0")?, second: stored.floats("momentum.1")? };
            // A run that goes on elsewhere gathers anew.
            if from == StateFrom::ThisClock {
                *gathered = stored.floats("gradient")?;
            }
            ledger.memory.layers[l].momentum = momentum;
        }
        Ok(Self { rule, momentum, gathered, ledger })
    }

    /// Forward, backward, and an optimiser step where there is a rate; with the gradients that the rule needs.
    fn compute(&mut self, engine: &mut dyn Engine, batch: &Batch, rate: Option<f64>, needs: [bool; 2]) -> Result<Outcome> {
        let [gathers, every] = needs;
        let all = gathers || every;
        let Ledger { edges, spent, .. } = &mut self.ledger;
        let gradients = if all { WeightGradients::All } else { WeightGradients::Edges(edges) };
        spent.enter_step(engine.spec(), edges, gradients, batch.labels.len());
        let update = rate.map_or_else(Step::statistics, Step::optimizer);
        if !all {
            return engine.step(batch, update);
        }
        let batches = self.rule.as_ref().map_or(1, |r| r.when.accumulate);
        let share = 1.0 / batches as f32;
        let (gathered, memory, momentum) = (&mut self.gathered, &mut self.ledger.memory, self.momentum);
        let mut visit = |l: usize, gradient: Vec<f32>| {
            if every {
                memory.layers[l].momentum.add(momentum, &gradient);
            }
            if gathers && batches == 1 {
                gathered[l] = gradient;
            } else if gathers {
                gathered[l].resize(gradient.len(), 0.0);
                gathered[l].iter_mut().zip(&gradient).for_each(|(sum, g)| *sum += share * g);
            }
        };
        engine.step(batch, update.weight_gradients(&self.ledger.network.movable, &mut visit))
    }

    fn update(&mut self, engine: &mut dyn Engine, rule: &Rule, step: u64) -> Result<Update> {
        let scores = rule.network_scores(engine.spec(), || engine.state())?;
        let fresh = vec![Vec::new(); self.gathered.len()];
        let mut evidence = Evidence { gradients: std::mem::replace(&mut self.gathered, fresh), scores };
        let mut changes = Vec::new();
        let Ledger { network, memory, .. } = &mut self.ledger;
        engine.rewire(&mut |layers| changes = update(rule, step, network, layers, &mut evidence, memory))?;
        let target = rule.prune.as_ref().and_then(|p| p.density.at(step));
        let fraction = rule.exchange.as_ref().map(|x| x.fraction.at(step));
        Ok(self.ledger.enter_update(&changes, [target, fraction]))
    }
}

impl Stepper for DynamicStepper {
    fn step(&mut self, engine: &mut dyn Engine, batch: &Batch, clock: Clock, rate: f64) -> Result<Stepped> {
        let step = clock.step;
        self.ledger.step = step;
        let Some(rule) = self.rule else {
            return Ok(Stepped { outcome: self.compute(engine, batch, Some(rate), [false; 2])?, event: None });
        };
        let is_update = rule.when.is_update(step);
        let gathers = rule.reads_gradient() && rule.when.gathers(step);
        let rate = (!is_update || !rule.replaces_step).then_some(rate);
        let outcome = self.compute(engine, batch, rate, [gathers, rule.needs_every_gradient()])?;
        // Edges do not move by gradients that are not numbers.
        let moves = is_update && outcome.loss_sum.is_finite();
        let event = if moves { Some(Box::new(self.update(engine, &rule, step)?) as Box<dyn Event>) } else { None };
        Ok(Stepped { outcome, event })
    }

    fn saved(&self, _: &dyn Engine) -> Result<Saved> {
        if self.rule.is_none() {
            return Ok(Saved { note: self.ledger.note(), ..Saved::default() });
        }
        Ok(self.ledger.saved(|l, put| {
            let Momentum { first, second } = &self.ledger.memory.layers[l].momentum;
            let floats = [("momentum.0", first), ("momentum.1", second), ("gradient", &self.gathered[l])];
            for (what, values) in floats.into_iter().filter(|(_, values)| !values.is_empty()) {
                put(what, SavedTensor::Floats(values.clone()));
            }
        }))
    }

    fn results(&self) -> Map<String, Value> {
        self.ledger.results(self.rule.is_some())
    }

    fn final_report(&self) -> Option<String> {
        self.rule.as_ref().map(|_| self.ledger.table())
    }
}
