//! Networks inside random masks whose edges stay or move by a rule.

use std::fmt;

use serde_json::{Map, Value, json};

use super::approach::same_density;
use super::network::{edges_of, totals_of};
use super::{
    Approach, AskedDensity, Contest, DynamicStepper, Inheritance, InitialNetwork, Stepper, StepperParts, TrainingContext,
    TrainingMethod,
};
use crate::Backend;
use crate::run::{Checkpoint, Saved};
use er_engine::{Engine, ModelState, Optimizer};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result};
use er_graphs::graph::Sampling;
use er_graphs::registry::Selected;
use er_networks::model::ModelSpec;
use er_networks::schedule::Length;
use er_networks::topology::rule::{Falling, InitialMask, Method, MomentumKind, Network, Redistribute};
use er_networks::topology::{Drawn, FlowPreservation, MaskPlan, SparseInit};

/// First masks and weights, and how edges move from there on.
#[derive(Debug, Clone)]
pub struct MaskedTraining {
    /// First masks and weights.
    pub initial: InitialNetwork,
    /// How edges move.
    pub method: Method,
    /// The method that may make its steps by itself.
    pub by: Option<Selected<dyn TrainingMethod>>,
    /// Density of each layer that is asked for, where the first masks do not have it (Top-KAST).
    densities: Vec<f64>,
    /// Layers whose weights may be missing, as indices into [`ModelSpec::layers`]; none in a dense run, which a checkpoint with
    /// masks does not fit.
    masked: Vec<usize>,
    /// What was asked for, if a checkpoint brings the masks.
    pub asked: Option<AskedDensity>,
    /// The option that names a kind of mask, as messages show it, if it was given and a checkpoint brings the masks.
    pub kind_asked: Option<String>,
}

impl MaskedTraining {
    /// Networks that begin like this and whose edges move by `method`. `densities` are those of each layer that are asked for, where the
    /// first masks do not have them (Top-KAST).
    pub fn new(spec: &ModelSpec, initial: InitialNetwork, method: Method, densities: Vec<f64>) -> Self {
        let masked = masked_layers(spec, &initial);
        Self { initial, method, by: None, densities, masked, asked: None, kind_asked: None }
    }

    /// What the folder's name says of the masks, such as `ERK-0.05`.
    pub fn name(&self) -> String {
        mask_name(&self.initial)
    }

    /// What the summary says of what was asked for.
    pub fn facts(&self, spec: &ModelSpec) -> Map<String, Value> {
        facts(spec, &self.initial, &self.masked)
    }

    /// Refuses to go on from masks of this density after this step where what the method is asked for would not happen.
    fn can_come_true(&self, found: f64, step: u64, length: Length) -> Result<()> {
        let anew = "--start-epoch 1 lets the schedule begin anew";
        let when = self.method.when(length);
        let rule = self.method.rule(length)?;
        if let Some(prune) = rule.as_ref().and_then(|rule| rule.prune.as_ref()) {
            let (last, settled) = (self.method.densities[1], prune.density.last_update(when.interval));
            if found < 0.99 * last {
                let what =
                    format!("the checkpoint to resume from has density {}, and pruning is to end with {last}", rounded(found));
                return Err(Error::usage(what).help("ask for a lower --final-density: edges that are pruned do not come back"));
            }
            if step >= settled && found > 1.01 * last {
                let what = format!(
                    "the density falls until step {settled}, and the checkpoint to resume from is after step {step}: it would stay at {}",
                    rounded(found)
                );
                return Err(Error::usage(what).help(format!("{anew}; or let the density fall for longer")));
            }
            return Ok(());
        }
        if !self.method.moves() {
            return Ok(());
        }
        let when = rule.map_or(when, |rule| rule.when);
        match when.last(length.steps()) {
            Some(last) if last > step => {}
            last => {
                let last = last.map_or_else(|| "there is none".to_owned(), |last| format!("the last one is at step {last}"));
                let what = format!("no update is left: {last}, and the checkpoint to resume from is after step {step}");
                return Err(Error::usage(what).help(format!("{anew}; or train for longer, or raise --t-end-fraction")));
            }
        }
        if self.method.exchange.is_some() && found >= 1.0 {
            return Err(Error::usage("no edge would move: the checkpoint to resume from has all weights")
                .help("resume from a sparse network, or choose a --method that prunes"));
        }
        Ok(())
    }

    /// A remark on masks of another kind than the one asked for: by the densities of layers, which an exchange in each layer leaves alone.
    fn other_kind(&self, state: &ModelState, spec: &ModelSpec) -> Result<Option<String>> {
        let redistributes = self.method.exchange.is_some_and(|x| x.redistribute != Redistribute::None);
        let Some(option) = self.kind_asked.as_ref().filter(|_| !redistributes) else { return Ok(None) };
        let drawn = self.initial.draw(spec)?;
        let differs = |l: &&usize| {
            let (asked, mask) = (drawn.densities_requested[**l], &state.layers[**l].mask);
            !same_density(asked, mask.density(), mask.shape().weights())
        };
        Ok(self.masked.iter().find(differs).map(|l| {
            let (name, asked, found) = (&spec.layers()[*l].name, drawn.densities_requested[*l], state.layers[*l].mask.density());
            let [asked, found] = [asked, found].map(rounded);
            format!("{option} has no effect: masks are those of the checkpoint, where {name} has density {found} and not {asked}")
        }))
    }

    fn network(&self, spec: &ModelSpec) -> Network {
        let layers = spec.layers();
        Network {
            movable: (0..layers.len()).map(|l| self.masked.contains(&l)).collect(),
            groups: layers.iter().map(|l| l.groups).collect(),
            seed: self.initial.seed,
        }
    }

    /// Edges that flow preservation needs and the density of the first masks does not allow.
    fn short_for_flow(&self, spec: &ModelSpec) -> usize {
        self.initial.draw(spec).map_or(0, |drawn| drawn.repairs.iter().map(|repair| repair.short).sum())
    }
}

impl fmt::Display for MaskedTraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method.fmt(f)
    }
}

impl Approach for MaskedTraining {
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        self.initial.draw(spec)
    }

    fn begin(&self, spec: &ModelSpec, backend: Backend) -> Result<(ModelState, Saved)> {
        Ok((self.initial.state(spec, backend)?, Saved::default()))
    }

    fn check(&self, length: Length) -> Result<()> {
        self.method.rule(length).map(drop)
    }

    fn remarks(&self, _: &ModelSpec, _: &ModelState, length: Length, steps: u64) -> Result<Vec<String>> {
        let rule = self.method.rule(length)?;
        let when = rule.as_ref().map_or_else(|| self.method.when(length), |rule| rule.when);
        let mut remarks = Vec::new();
        let ends = format!("training ends after step {steps}");
        let falls = rule.as_ref().and_then(|rule| rule.prune.as_ref());
        match (falls.map(|prune| prune.density.last_update(when.interval)), when.first(length.steps())) {
            (Some(settled), _) if settled > steps => {
                remarks.push(format!("the density falls until the update of step {settled}, but {ends}"));
            }
            (None, Some(first)) if first > steps && self.method.moves() => {
                remarks.push(format!("no edge will move: the first update is at step {first}, but {ends}"));
            }
            _ => {}
        }
        let updates = when.count(steps);
        if rule.is_some_and(|rule| rule.replaces_step) && 2 * updates > steps {
            remarks.push(format!(
                "{updates} of {steps} steps are updates, in which no weight is trained: raise --update-frequency, or give \
                 --update-replaces-step false"
            ));
        }
        Ok(remarks)
    }

    fn take_over(&self, checkpoint: &Checkpoint, spec: &ModelSpec, length: Length) -> Result<Inheritance> {
        let Checkpoint { state, progress, .. } = checkpoint;
        let (edges, weights) = totals_of(state, |_| true);
        if self.masked.is_empty() {
            if edges == weights {
                return Ok(Inheritance::default());
            }
            let what = format!("the checkpoint has {edges} of {weights} weights, this run is dense");
            return Err(Error::failure(what).help("use the options of the run that wrote it"));
        }
        let (edges, weights) = totals_of(state, |l| self.masked.contains(&l));
        let found = edges as f64 / weights as f64;
        let step = progress.clock.step;
        self.can_come_true(found, step, length)?;
        let mut inheritance = Inheritance::default();
        let facts = &mut inheritance.facts;
        facts.insert("sparse_init".into(), json!("resumed"));
        facts.insert("distribution_constant".into(), Value::Null);
        if self.method.backward.is_some() {
            return Ok(inheritance);
        }
        let draws = self.method.start == InitialMask::Drawn && (self.method.prune.is_none() || step == 0);
        if let Some(asked) = self.asked.as_ref().filter(|_| draws) {
            asked.check(found, weights)?;
        }
        if self.method.prune.is_none() {
            facts.insert("density_requested".into(), json!(found));
            inheritance.remarks.extend(self.other_kind(state, spec)?);
        }
        Ok(inheritance)
    }

    fn density_advice(&self, spec: &ModelSpec, asked: f64, achieved: f64) -> String {
        let Some(plan) = &self.initial.masks else { return "there is no mask".to_owned() };
        let keeps = plan.flow == FlowPreservation::KeepDensity && self.method.prune.is_none() && achieved > asked;
        let needed = if keeps { self.short_for_flow(spec) } else { 0 };
        if needed > 0 {
            return format!("flow preservation needs {needed} more edges than the density allows");
        }
        let weights: usize = self.masked.iter().map(|l| spec.layers()[*l].shape.weights()).sum();
        if (asked - achieved).abs() * weights as f64 <= self.masked.len() as f64 {
            return "layers have whole numbers of edges, and this is as near as it gets".to_owned();
        }
        let short =
            || self.initial.draw(spec).is_ok_and(|drawn| expected(spec, &drawn, &self.masked) < 0.995 * plan.density.get());
        let advice = match &self.method.prune {
            Some(prune) if prune.by != Falling::Steps && !prune.reaches => {
                "--reach-final-density prunes to it at the last update, and --update-frequency makes more of them"
            }
            Some(_) => "let the density fall sooner, or train for longer",
            None if plan.flow == FlowPreservation::On => {
                "--flow-keep-density takes edges away for those that flow preservation adds"
            }
            None if short() => {
                "full layers cannot hold their share: --sparse-init balanced-exact, or ERK, divides it among the others"
            }
            None if plan.law == Sampling::Bernoulli => "--sampling exact draws a fixed number of edges in each layer",
            None => "it is what --sparse-init gives; show tells the density of each layer",
        };
        advice.to_owned()
    }

    fn contest(&self, length: Length) -> Contest {
        self.method.settled_after(length).map_or(Contest::All, Contest::After)
    }

    fn stepper(&self, context: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>> {
        let TrainingContext { length, clock, options, saved, from, .. } = *context;
        if let Some(by) = &self.by {
            let network = self.network(engine.spec());
            let (parameters, densities) = (by.values(), &self.densities);
            let parts = StepperParts { method: &self.method, parameters: &parameters, network, densities, context };
            if let Some(stepper) = by.stepper(&parts, engine)? {
                return Ok(stepper);
            }
        }
        let (rule, network) = (self.method.rule(length)?, self.network(engine.spec()));
        Ok(Box::new(DynamicStepper::new(rule, network, momentum(options.optimizer), engine, clock.step, saved, from)?))
    }

    fn measured(&self, state: &ModelState) -> Map<String, Value> {
        // Comparable with the density that was requested, which dense layers are outside of.
        edges_of(state, |l| self.masked.contains(&l))
    }
}

/// The density that masks have by the densities of their layers.
fn expected(spec: &ModelSpec, drawn: &Drawn, masked: &[usize]) -> f64 {
    let weights = |l: &usize| spec.layers()[*l].shape.weights() as f64;
    let kept: f64 = masked.iter().map(|l| drawn.densities_requested[*l] * weights(l)).sum();
    kept / masked.iter().map(weights).sum::<f64>()
}

/// Layers that get a random mask: none in a dense run.
fn masked_layers(spec: &ModelSpec, initial: &InitialNetwork) -> Vec<usize> {
    let Some(plan) = &initial.masks else { return Vec::new() };
    let layers = spec.layers().iter().enumerate();
    layers.filter(|(l, layer)| !layer.depthwise && !plan.dense_layers.contains(l)).map(|(l, _)| l).collect()
}

fn mask_name(initial: &InitialNetwork) -> String {
    let of = |plan: &MaskPlan| match plan.init {
        SparseInit::File(_) => format!("{}-{}", plan.init.name(), rounded(plan.density.get())),
        _ => format!("{}-{}", plan.init.name(), plan.density),
    };
    initial.masks.as_ref().map_or_else(|| "dense".to_owned(), of)
}

fn facts(spec: &ModelSpec, initial: &InitialNetwork, masked: &[usize]) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("density_requested".into(), json!(initial.masks.as_ref().map_or(1.0, |plan| plan.density.get())));
    if let Some(plan) = &initial.masks {
        facts.insert("sparse_init".into(), json!(plan.init.to_string()));
        if let SparseInit::Densities(densities) = &plan.init {
            let shapes: Vec<_> = masked.iter().map(|l| spec.layers()[*l].shape).collect();
            let solution = densities.solve(&shapes, plan.density);
            facts.insert("distribution_constant".into(), json!(solution.ok().and_then(|s| s.note)));
        }
    }
    facts
}

/// The velocities of all weights that an optimiser's step suggests.
fn momentum(optimizer: Optimizer) -> MomentumKind {
    match optimizer {
        Optimizer::Sgd { momentum, .. } => MomentumKind::Sgd(momentum),
        Optimizer::Adam => MomentumKind::Adam,
    }
}
