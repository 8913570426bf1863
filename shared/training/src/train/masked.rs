//! Networks inside random masks whose edges stay or move by a rule.

use std::fmt;

use serde_json::{Map, Value, json};

use super::network::edges_of;
use super::{Approach, Contest, DynamicStepper, InitialNetwork, Stepper, TopKastOptions, TopKastStepper, TrainingContext};
use crate::Backend;
use crate::run::Saved;
use er_engine::{Engine, ModelState, Optimizer};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::topology::rule::{Length, Method, MomentumKind, Network};
use er_networks::topology::{Drawn, MaskPlan, SparseInit};

/// First masks and weights, and how edges move from there on.
#[derive(Debug, Clone)]
pub struct MaskedTraining {
    /// First masks and weights.
    pub beginning: InitialNetwork,
    /// How edges move.
    pub method: Method,
    /// Density of each layer that is asked for, where the first masks do not have it (Top-KAST).
    densities: Vec<f64>,
    /// Layers whose weights may be missing, as indices into [`ModelSpec::layers`]; none in a dense run, which a checkpoint with
    /// masks does not fit.
    masked: Vec<usize>,
}

impl MaskedTraining {
    /// Networks that begin like this and whose edges move by `method`. `densities` are those of each layer that are asked for, where the
    /// first masks do not have them (Top-KAST).
    pub fn new(spec: &ModelSpec, beginning: InitialNetwork, method: Method, densities: Vec<f64>) -> Self {
        let masked = masked_layers(spec, &beginning);
        Self { beginning, method, densities, masked }
    }

    /// What the folder's name says of the masks, such as `ERK-0.05`.
    pub fn name(&self) -> String {
        mask_name(&self.beginning)
    }

    /// What the summary says of what was asked for.
    pub fn facts(&self, spec: &ModelSpec) -> Map<String, Value> {
        facts(spec, &self.beginning, &self.masked)
    }

    fn network(&self, spec: &ModelSpec) -> Network {
        let layers = spec.layers();
        Network {
            movable: (0..layers.len()).map(|l| self.masked.contains(&l)).collect(),
            groups: layers.iter().map(|l| l.groups).collect(),
            seed: self.beginning.seed,
        }
    }
}

impl fmt::Display for MaskedTraining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.method.fmt(f)
    }
}

impl Approach for MaskedTraining {
    fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        self.beginning.draw(spec)
    }

    fn begin(&self, spec: &ModelSpec, backend: Backend) -> Result<(ModelState, Saved)> {
        Ok((self.beginning.state(spec, backend)?, Saved::default()))
    }

    fn check(&self, length: Length) -> Result<()> {
        self.method.rule(length).map(drop)
    }

    fn contest(&self, length: Length) -> Contest {
        self.method.settled_after(length).map_or(Contest::All, Contest::After)
    }

    fn stepper(&self, situation: &TrainingContext, engine: &mut dyn Engine) -> Result<Box<dyn Stepper>> {
        let TrainingContext { length, options, step, saved, .. } = *situation;
        let (edges, weights) = (edges(&engine.state()?), engine.spec().weight_count());
        if self.masked.is_empty() && edges < weights {
            let what = format!("the checkpoint has {edges} of {weights} weights, this run is dense");
            return Err(Error::failure(what).help("use the options of the run that wrote it"));
        }
        let network = self.network(engine.spec());
        let Some(backward) = self.method.backward else {
            let rule = self.method.rule(length)?;
            return Ok(Box::new(DynamicStepper::new(rule, network, momentum(options.optimizer), engine, step, saved)?));
        };
        let forward = self.method.densities[0];
        let options = TopKastOptions {
            when: self.method.when(length),
            densities: self.densities.clone(),
            backward: backward / forward,
            decay: options.weight_decay / forward,
        };
        Ok(Box::new(TopKastStepper::new(&options, network, engine, step, saved)?))
    }

    fn measured(&self, state: &ModelState) -> Map<String, Value> {
        // Comparable with the density that was requested, which dense layers are outside of.
        edges_of(state, |l| self.masked.contains(&l))
    }
}

fn edges(state: &ModelState) -> usize {
    state.layers.iter().map(|l| l.mask.edges()).sum()
}

/// Layers that get a random mask: none in a dense run.
fn masked_layers(spec: &ModelSpec, beginning: &InitialNetwork) -> Vec<usize> {
    let Some(plan) = &beginning.masks else { return Vec::new() };
    let layers = spec.layers().iter().enumerate();
    layers.filter(|(l, layer)| !layer.depthwise && !plan.dense_layers.contains(l)).map(|(l, _)| l).collect()
}

fn mask_name(beginning: &InitialNetwork) -> String {
    let of = |plan: &MaskPlan| match plan.init {
        SparseInit::File(_) => format!("{}-{}", plan.init.name(), rounded(plan.density.get())),
        _ => format!("{}-{}", plan.init.name(), plan.density),
    };
    beginning.masks.as_ref().map_or_else(|| "dense".to_owned(), of)
}

fn facts(spec: &ModelSpec, beginning: &InitialNetwork, masked: &[usize]) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("density_requested".into(), json!(beginning.masks.as_ref().map_or(1.0, |plan| plan.density.get())));
    if let Some(plan) = &beginning.masks {
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
