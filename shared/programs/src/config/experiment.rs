//! One run of one seed: options that were checked together, and what they mean.

use std::path::Path;

use er_graphs::error::Result;
use er_networks::model::ModelSpec;
use er_networks::schedule::{LearningRate, LearningRates};
use er_training::run::RunFolder;
use er_training::train::{Approach, Contest, Destination, Plan, Training};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Checks, Provenance, Resolved, RunOptions, SelectOn, Shared};

/// What the options of a program mean.
#[derive(Debug)]
pub struct Setup {
    /// The network.
    pub spec: ModelSpec,
    /// What is done to it.
    pub approach: Box<dyn Approach>,
    /// What the folder's name says of that, such as `ERK-0.05`.
    pub name: String,
    /// What the summary says besides the results.
    pub facts: Map<String, Value>,
    /// Options that name a file, and what in it decides the result, whatever its path.
    pub contents: Vec<(&'static str, Vec<u8>)>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

/// The options of a program that decide a result: those it shares with others, its own, and what they mean.
///
/// They serialise to long option names and values, which name the run's folder.
pub trait ProgramOptions: Clone + Serialize {
    /// The options that every program has.
    fn shared(&mut self) -> Shared<'_>;

    /// Checks the program's own options, alone and against the shared ones, and completes both. `named` is the network that the
    /// options name; none if they name none, which is a problem already told. `run` says how and where the run goes. None if there are
    /// problems.
    ///
    /// # Errors
    /// Files that are missing or do not fit.
    fn setup(&mut self, named: Option<ModelSpec>, run: &RunOptions, checks: &mut Checks) -> Result<Option<Setup>>;

    /// The checkpoint to evaluate instead of training, if that is asked for.
    fn evaluates(&self) -> Option<&Path> {
        None
    }

    /// The learning rates of the program, phase by phase, from those that the shared options ask for.
    fn schedule(&self, usual: LearningRate) -> LearningRates {
        usual.into()
    }
}

/// A training with the options it is from.
#[derive(Debug)]
pub struct Experiment {
    /// Its options, every default filled in.
    pub config: Resolved,
    /// How and where to run.
    pub run: RunOptions,
    /// What is trained.
    pub training: Training,
    /// What the folder's name says of the approach.
    pub name: String,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

impl Experiment {
    /// Checks everything at once: what `program` does with these options and this seed. `alone` are the program's options without any word.
    ///
    /// # Errors
    /// One usage error with all problems; files that are missing or do not fit.
    pub fn new<D: ProgramOptions>(
        program: &str,
        options: &D,
        alone: &D,
        run: &RunOptions,
        seed: u64,
        given: &Provenance,
    ) -> Result<Self> {
        let mut experiment = Self::of(program, options, run, seed, given)?;
        let default_seed = alone.clone().shared().train.seed;
        let alone = Self::of(program, alone, run, default_seed, &given.of_none())?;
        experiment.config.set_defaults(&alone.config);
        Ok(experiment)
    }

    fn of<D: ProgramOptions>(program: &str, options: &D, run: &RunOptions, seed: u64, given: &Provenance) -> Result<Self> {
        let mut checks = Checks::new(given);
        let mut options = options.clone();
        let Shared { data, train, published } = options.shared();
        train.seed = seed;
        published.refuse(&mut checks);
        let (named, data_options) = checks.take(data.resolve(seed)).unzip();
        let setup = options.setup(named, run, &mut checks)?;
        let usual = options.shared().train.learning_rate(&mut checks);
        let learning_rate = options.schedule(usual);
        checks.take(learning_rate.check());
        let Shared { data, train, .. } = options.shared();
        let plan = Plan {
            epochs: learning_rate.total_epochs(),
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
        let (Some(Setup { spec, approach, name, facts: more, contents, notes }), Some(data_options)) = (setup, data_options)
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
        let training = Training {
            backend,
            threads: run.threads(),
            spec,
            data: data.network.data,
            data_options,
            data_dir: run.data_dir.clone(),
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
            facts,
            checkpoint_interval: run.checkpoint_interval as u64,
            mask_interval: run.save_masks.map(|epochs| epochs as u64),
            quiet: run.quiet,
        };
        Ok(Self { config, run: run.clone(), training, name, notes })
    }

    /// First part of the name of the folder of a run, or of several: program, model, data, mask, density, seeds.
    pub fn slug(&self, program: &str, seeds: &str) -> String {
        let word = self.run.save.as_deref().unwrap_or(program);
        format!("{word}-{}-{}-{}-{seeds}", self.training.spec.name(), self.training.data, self.name)
    }

    /// Where the run goes.
    pub fn destination(&self, program: &str) -> Destination {
        let hash = self.config.hash();
        let path = RunFolder::path_of(&self.run.out, &self.slug(program, &format!("s{}", self.training.seed)), &hash);
        Destination { path, hash, config: self.config.to_yaml(), options: self.config.deciding() }
    }
}
