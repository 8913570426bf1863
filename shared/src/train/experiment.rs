//! One run of one seed: options that were checked together, and what they mean.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Beginning, Plan};
use crate::config::{Checks, ExperimentOptions, Given, Resolved, RunOptions, SelectOn};
use crate::data::{self, DataKind};
use crate::density::Density;
use crate::engine::TrainOptions;
use crate::error::Result;
use crate::model::ModelSpec;
use crate::run::Start;
use crate::topology::SparseInit;
use crate::topology::rule::{self, Method};

/// The options of a program that decide a result: those it shares with others, its own, and what its own mean.
///
/// They serialise to long option names and values, which name the run's folder.
pub trait Deciding: Clone + Serialize {
    /// Advice to who gives options of a mask without asking for one: how to ask.
    const ADVICE: &'static str;

    /// The options shared with other programs.
    fn shared(&mut self) -> &mut ExperimentOptions;

    /// Checks the program's own options, alone and against the shared ones, and completes both; says how edges move.
    fn check(&mut self, checks: &mut Checks) -> Method;

    /// Options of masks that mean something without one, too.
    fn without_mask(&self) -> &'static [&'static str] {
        &[]
    }

    /// The network to train instead of the one that is named.
    ///
    /// # Errors
    /// If there is none.
    fn network(&self, named: ModelSpec) -> Result<ModelSpec> {
        Ok(named)
    }

    /// Completes a run that was put together from the shared options: remarks, facts of the summary, the folder's name.
    fn complete(&self, _given: &Given, _experiment: &mut Experiment) {}
}

/// Everything that decides a run, and where it goes.
#[derive(Debug, Clone)]
pub struct Experiment {
    /// Its options, every default filled in.
    pub config: Resolved,
    /// How and where to run.
    pub run: RunOptions,
    /// The network.
    pub spec: ModelSpec,
    /// Data set.
    pub data: DataKind,
    /// What the data set leaves to choose.
    pub data_options: data::Options,
    /// Fraction held out.
    pub valid_split: f64,
    /// Images a training step.
    pub batch_size: usize,
    /// Images a step of evaluation.
    pub test_batch_size: usize,
    /// Seed of the order and augmentation of images.
    pub seed: u64,
    /// Whether the best epoch is chosen on the test images.
    pub select_on_test: bool,
    /// First masks and weights.
    pub beginning: Beginning,
    /// How edges move.
    pub method: Method,
    /// Density of each layer that is asked for, where the first masks do not have it (Top-KAST).
    pub densities: Vec<f64>,
    /// Factor that stretches the training.
    pub multiplier: u64,
    /// Layers whose weights may be missing, as indices into [`ModelSpec::layers`]; none in a dense run, which a checkpoint with
    /// masks does not fit.
    pub masked: Vec<usize>,
    /// How parameters move.
    pub step: TrainOptions,
    /// How long to train, and how fast.
    pub plan: Plan,
    /// Where the run may begin other than with a fresh network.
    pub start: Start,
    /// What the folder's name says of the mask.
    pub mask_name: String,
    /// What the summary says besides the results.
    pub facts: Map<String, Value>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

impl Experiment {
    /// Checks everything at once: what `program` does with these options and this seed.
    ///
    /// # Errors
    /// One usage error with all problems.
    pub fn new<D: Deciding>(program: &str, options: &D, run: &RunOptions, seed: u64, given: &Given) -> Result<Self> {
        let mut checks = Checks::new(given);
        let mut options = options.clone();
        let shared = options.shared();
        shared.train.seed = seed;
        shared.published.refuse(&mut checks);
        let init = shared.init.resolve(&mut checks);
        let resolved = shared.data.resolve(seed);
        let method = options.check(&mut checks);
        let resolved = resolved.and_then(|(spec, data)| Ok((options.network(spec)?, data)));
        if let Err(error) = &resolved {
            checks.problems.add_error(error);
        }
        let shared = options.shared().clone();
        let spec = resolved.as_ref().ok().map(|(spec, _)| spec);
        if !shared.sparse.sparse {
            shared.sparse.refuse(D::ADVICE, options.without_mask(), &mut checks);
        }
        let mut masks = shared.sparse.plan(spec, init, seed, &mut checks);
        let mut densities = Vec::new();
        if let (Some(_), Some(masks), Some(spec)) = (method.backward, &masks, spec) {
            densities = checks.take(masks.draw(spec, None)).map(|drawn| drawn.densities_requested).unwrap_or_default();
        }
        if let Some(masks) = masks.as_mut().filter(|_| method.start == rule::Start::Full) {
            masks.density = Density::FULL;
        }
        let beginning = Beginning { masks, init, ortho_repair: shared.init.ortho_repair, seed };
        let learning_rate = shared.train.learning_rate(&mut checks);
        let plan = Plan {
            epochs: learning_rate.epochs as u64,
            max_steps: shared.train.max_steps.map(|n| n as u64),
            log_interval: run.log_interval as u64,
            learning_rate,
            settled_after: None,
        };
        let step = shared.train.step(&mut checks);
        let start = shared.train.start(&mut checks);
        let unused = checks.finish()?;
        let (spec, data_options) = resolved?;
        let masked = masked_layers(&spec, &beginning);
        let mut experiment = Self {
            config: Resolved::new(program, &options, run, &unused)?,
            run: run.clone(),
            data: shared.data.data,
            data_options,
            valid_split: shared.data.valid_split.unwrap_or_default(),
            batch_size: shared.train.batch_size,
            test_batch_size: shared.train.test_batch_size,
            seed,
            select_on_test: shared.data.select_on == SelectOn::Test,
            method,
            densities,
            multiplier: shared.train.multiplier as u64,
            step,
            plan,
            start,
            mask_name: mask_name(&beginning),
            facts: facts(program, &shared, &spec, &beginning, &masked),
            notes: Vec::new(),
            spec,
            beginning,
            masked,
        };
        options.complete(given, &mut experiment);
        Ok(experiment)
    }

    /// First part of the name of the folder of a run, or of several: program, model, data, mask, density, seeds.
    pub fn slug(&self, program: &str, seeds: &str) -> String {
        let word = self.run.save.as_deref().unwrap_or(program);
        format!("{word}-{}-{}-{}-{seeds}", self.spec.name(), self.data, self.mask_name)
    }
}

/// Layers that get a random mask: none in a dense run.
fn masked_layers(spec: &ModelSpec, beginning: &Beginning) -> Vec<usize> {
    let Some(plan) = &beginning.masks else { return Vec::new() };
    let layers = spec.layers().iter().enumerate();
    layers.filter(|(l, layer)| !layer.depthwise && !plan.dense_layers.contains(l)).map(|(l, _)| l).collect()
}

fn mask_name(beginning: &Beginning) -> String {
    beginning.masks.as_ref().map_or_else(|| "dense".to_owned(), |plan| format!("{}-{}", plan.init.name(), plan.density))
}

fn facts(
    program: &str,
    options: &ExperimentOptions,
    spec: &ModelSpec,
    beginning: &Beginning,
    masked: &[usize],
) -> Map<String, Value> {
    let mut facts = Map::from_iter([
        ("program".to_owned(), json!(program)),
        ("model".to_owned(), json!(spec.name())),
        ("data".to_owned(), json!(options.data.data.to_string())),
        ("seed".to_owned(), json!(beginning.seed)),
        ("density_requested".to_owned(), json!(beginning.masks.as_ref().map_or(1.0, |plan| plan.density.get()))),
    ]);
    if let Some(plan) = &beginning.masks {
        facts.insert("sparse_init".into(), json!(plan.init.to_string()));
        if let SparseInit::Distribution(distribution) = &plan.init {
            let shapes: Vec<_> = masked.iter().map(|l| spec.layers()[*l].shape).collect();
            let solution = distribution.solve(&shapes, plan.density);
            facts.insert("distribution_constant".into(), json!(solution.ok().and_then(|s| s.note)));
        }
    }
    facts
}
