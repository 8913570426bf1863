//! One run of one seed: options that were checked together, and what they mean.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Approach, Contest, Meaning, Plan};
use crate::config::{Checks, Given, Resolved, RunOptions, SelectOn, Shared};
use crate::data::{self, DataKind};
use crate::engine::{self, Backend};
use crate::error::Result;
use crate::model::ModelSpec;
use crate::run::Start;
use crate::schedule::{LearningRate, LearningRates};

/// The options of a program that decide a result: those it shares with others, its own, and what they mean.
///
/// They serialise to long option names and values, which name the run's folder.
pub trait Deciding: Clone + Serialize {
    /// The options that every program has.
    fn shared(&mut self) -> Shared<'_>;

    /// Checks the program's own options, alone and against the shared ones, and completes both. `named` is the network that the
    /// options name; none if they name none, which is a problem already told. None if there are problems.
    ///
    /// # Errors
    /// Files that are missing or do not fit.
    fn meaning(&mut self, named: Option<ModelSpec>, checks: &mut Checks) -> Result<Option<Meaning>>;

    /// The checkpoint to evaluate instead of training, if that is asked for.
    fn evaluates(&self) -> Option<&Path> {
        None
    }

    /// The learning rates of the program, phase by phase, from those that the shared options ask for.
    fn schedule(&self, usual: LearningRate) -> LearningRates {
        usual.into()
    }
}

/// Everything that decides a run, and where it goes.
#[derive(Debug)]
pub struct Experiment {
    /// Its options, every default filled in.
    pub config: Resolved,
    /// How and where to run.
    pub run: RunOptions,
    /// What computes.
    pub backend: Backend,
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
    /// What is done to the network.
    pub approach: Box<dyn Approach>,
    /// Factor that stretches the training.
    pub multiplier: u64,
    /// How parameters move.
    pub step: engine::TrainOptions,
    /// How long to train, and how fast.
    pub plan: Plan,
    /// Where the run may begin other than with a fresh network.
    pub start: Start,
    /// What the folder's name says of the approach.
    pub name: String,
    /// What the summary says besides the results.
    pub facts: Map<String, Value>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

impl Experiment {
    /// Checks everything at once: what `program` does with these options and this seed.
    ///
    /// # Errors
    /// One usage error with all problems; files that are missing or do not fit.
    pub fn new<D: Deciding>(program: &str, options: &D, run: &RunOptions, seed: u64, given: &Given) -> Result<Self> {
        let mut checks = Checks::new(given);
        let mut options = options.clone();
        let Shared { data, train, published } = options.shared();
        train.seed = seed;
        published.refuse(&mut checks);
        let (named, data_options) = checks.take(data.resolve(seed)).unzip();
        let meaning = options.meaning(named, &mut checks)?;
        let usual = options.shared().train.learning_rate(&mut checks);
        let learning_rate = options.schedule(usual);
        checks.take(learning_rate.check());
        let Shared { data, train, .. } = options.shared();
        let plan = Plan {
            epochs: learning_rate.total_epochs() as u64,
            max_steps: train.max_steps.map(|n| n as u64),
            log_interval: run.log_interval as u64,
            learning_rate,
            contest: Contest::All,
        };
        let step = train.step(&mut checks);
        let start = train.start(&mut checks);
        let backend = run.backend(&mut checks);
        let (data, train) = (data.clone(), train.clone());
        let unused = checks.finish()?;
        let (Some(Meaning { spec, approach, name, facts: more, contents, notes }), Some(data_options)) = (meaning, data_options)
        else {
            unreachable!("what means nothing is a problem")
        };
        let mut facts = Map::from_iter([
            ("program".to_owned(), json!(program)),
            ("model".to_owned(), json!(spec.name())),
            ("data".to_owned(), json!(data.network.data.to_string())),
            ("seed".to_owned(), json!(seed)),
        ]);
        facts.extend(more);
        let mut config = Resolved::new(program, &options, run, &unused, given)?;
        for (field, content) in contents {
            let option = given.long(field);
            config.set_content(option, &content);
            facts.insert(format!("{}_sha256", option.replace('-', "_")), json!(config.content(option)));
        }
        Ok(Self {
            config,
            run: run.clone(),
            backend,
            data: data.network.data,
            data_options,
            valid_split: data.valid_split.unwrap_or_default(),
            batch_size: train.batch_size,
            test_batch_size: train.test_batch_size,
            seed,
            select_on_test: data.select_on == SelectOn::Test,
            approach,
            multiplier: train.multiplier as u64,
            step,
            plan,
            start,
            name,
            facts,
            notes,
            spec,
        })
    }

    /// First part of the name of the folder of a run, or of several: program, model, data, mask, density, seeds.
    pub fn slug(&self, program: &str, seeds: &str) -> String {
        let word = self.run.save.as_deref().unwrap_or(program);
        format!("{word}-{}-{}-{}-{seeds}", self.spec.name(), self.data, self.name)
    }
}
