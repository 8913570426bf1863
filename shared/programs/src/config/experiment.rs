//! One run of one seed: options that were checked together, and what they mean.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::schedule::{LearningRate, LearningRates};
use er_training::run::RunFolder;
use er_training::train::{Approach, Contest, Destination, Plan, Training};
use serde_json::{Map, Value, json};

use super::{
    OptionId, Provenance, Request, Resolved, Resolver, RunOptions, SharedOptions, TrainingRecipe, read, with_word_booleans,
};
use crate::{option, options};

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
    /// The learning rates, phase by phase.
    pub learning_rates: LearningRates,
}

/// What is settled before a program looks at options of its own.
#[derive(Debug)]
pub struct Settled<'a> {
    /// The network that the options name; none if they name none, which is a problem already told.
    pub network: Option<ModelSpec>,
    /// The seed of this run.
    pub seed: u64,
    /// The learning rate that the shared options ask for.
    pub learning_rate: &'a LearningRate,
    /// How and where the run goes.
    pub run: &'a RunOptions,
}

/// The options of a program that decide a result, as they were typed: those it shares with others, its own, and what they mean.
pub trait ProgramOptions {
    /// The options that every program has.
    fn shared(&self) -> SharedOptions<'_>;

    /// The name of the network, where `usual` is the one that suits the images.
    fn model(&self, usual: &str) -> String {
        self.shared().data.network.name(usual)
    }

    /// The recipe of training, parts of which a program may choose by other options.
    fn recipe(&self, _: &mut Resolver) -> TrainingRecipe {
        self.shared().train.recipe()
    }

    /// Checks the program's own options, alone and against the shared ones, and says what becomes of each. None if there are problems.
    ///
    /// # Errors
    /// Files that are missing or do not fit.
    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>>;

    /// The program's options that [`Setup::name`] tells, so that names of folders need not repeat them.
    fn named(&self) -> Vec<OptionId> {
        Vec::new()
    }

    /// The checkpoint to evaluate instead of training, if that is asked for.
    fn evaluates(&self) -> Option<&Path> {
        None
    }
}

/// The options of a program as they were typed, for any number of seeds.
#[derive(Debug)]
pub struct TypedOptions<O> {
    /// Name of the program.
    pub program: &'static str,
    /// What decides the result.
    pub options: O,
    /// How and where to run.
    pub run: RunOptions,
    given: Provenance,
    /// What the program's options are without any word.
    defaults: Map<String, Value>,
    /// The values that options have where they are not written, by long name, as help texts show them.
    usual: BTreeMap<String, String>,
}

/// Whether a value is what this text says.
fn says(text: &str, value: &Value) -> bool {
    match value {
        Value::String(word) => word == text,
        Value::Number(number) => number.as_f64() == text.parse().ok(),
        Value::Bool(on) => text.parse() == Ok(*on),
        _ => false,
    }
}

impl<O: ProgramOptions + Args> TypedOptions<O> {
    /// What was typed for this command, and what the same command means without any word. Where it means nothing without one, there are
    /// no defaults, and all options name its runs.
    ///
    /// # Errors
    /// If values cannot be read, which a checked command line excludes.
    pub fn new(program: &'static str, command: &Command, matches: &ArgMatches, given: Provenance) -> Result<Self> {
        let Request::Run(nothing, none_given) = read(command, command, &[])? else { unreachable!("nothing is asked") };
        // What a command is asked besides, such as how to write its answer, is not about the run.
        let of_runs = RunOptions::augment_args(O::augment_args(Command::new("run")));
        let given = given.among(&of_runs);
        let usual = usual_values(command);
        let of = |matches: &ArgMatches, given, defaults| {
            let (options, run) = (values_of(matches)?, values_of(matches)?);
            Ok(Self { program, options, run, given, defaults, usual: usual.clone() })
        };
        let alone = of(&nothing, none_given, Map::new())?;
        let defaults = alone.experiment(alone.seed()).map(|of| of.config.deciding()).unwrap_or_default();
        of(matches, given, defaults)
    }

    /// The first seed.
    pub fn seed(&self) -> u64 {
        self.options.shared().train.seed
    }

    /// Checks everything at once: what the program does with these options and this seed.
    ///
    /// # Errors
    /// One usage error with all problems; files that are missing or do not fit.
    pub fn experiment(&self, seed: u64) -> Result<Experiment> {
        let Self { program, options, run, given, defaults, usual } = self;
        let mut resolver = Resolver::new(given);
        let SharedOptions { data, train, published } = options.shared();
        published.refuse(&mut resolver);
        run.keep(&mut resolver);
        resolver.keep_as(option!(train.seed), seed);
        let images = data.resolve(|usual| options.model(usual), seed, &mut resolver);
        let images = resolver.take(images);
        let recipe = options.recipe(&mut resolver);
        let network = images.as_ref().map(|images| images.spec.clone());
        let learning_rate = train.learning_rate(&recipe, &mut resolver);
        let settled = Settled { network, seed, learning_rate: &learning_rate, run };
        let setup = options.setup(settled, &mut resolver)?;
        if let Some(setup) = &setup {
            resolver.take(setup.learning_rates.check());
        }
        let max_steps = resolver.keep(option!(train.max_steps)).map(|n| n as u64);
        let batch_size = resolver.keep(option!(train.batch_size));
        let test_batch_size = resolver.keep(option!(train.test_batch_size));
        let step = train.step(&recipe, &mut resolver);
        let start = train.start(&mut resolver);
        run.remark_same_network(option!(train.resume), &mut resolver);
        let backend = run.backend(published, &mut resolver);
        let named =
            options![data.network.data, data.network.model, data.network.input, data.network.classes, train.seed, train.resume]
                .into_iter()
                .chain(options.named());
        let named: Vec<&str> = named.map(|option| given.long(option)).collect();
        let (config, remarks) = resolver.resolve(program, defaults)?;
        let others = config.differing(|long, value| {
            given.is_written(long) && !named.contains(&long) && !usual.get(long).is_some_and(|usual| says(usual, value))
        });
        let (Some(Setup { spec, approach, name, facts: more, learning_rates }), Some(images)) = (setup, images) else {
            unreachable!("what means nothing is a problem")
        };
        let plan = Plan {
            epochs: learning_rates.total_epochs(),
            max_steps,
            log_interval: run.log_interval as u64,
            learning_rate: learning_rates,
            contest: Contest::All,
        };
        let mut facts = Map::from_iter([
            ("program".to_owned(), json!(program)),
            ("model".to_owned(), json!(spec.name())),
            ("data".to_owned(), json!(data.network.data.to_string())),
            ("seed".to_owned(), json!(seed)),
        ]);
        facts.extend(more);
        let contents = config.contents();
        facts.extend(contents.map(|(option, sha256)| (format!("{}_sha256", option.replace('-', "_")), json!(sha256))));
        let training = Training {
            backend,
            threads: run.threads(),
            spec,
            name,
            data: data.network.data,
            data_options: images.options,
            data_dir: run.data_dir.clone(),
            valid_split: images.valid_split,
            batch_size,
            test_batch_size,
            seed,
            select_on_test: images.select_on_test,
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
        Ok(Experiment { config, run: run.clone(), training, others, remarks })
    }
}

/// The default values of a command's options, by long name.
fn usual_values(command: &Command) -> BTreeMap<String, String> {
    let usual = |arg: &Arg| {
        let values: Vec<&str> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        (!values.is_empty()).then(|| Some((arg.get_long()?.to_owned(), values.join(","))))?
    };
    with_word_booleans(command.clone()).get_arguments().filter_map(usual).collect()
}

/// The values of a struct of options.
///
/// # Errors
/// If there is one that it cannot have, which a checked command line excludes.
pub(crate) fn values_of<O: FromArgMatches>(matches: &ArgMatches) -> Result<O> {
    O::from_arg_matches(matches).map_err(|e| Error::usage(e.to_string().lines().next().unwrap_or_default()))
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
    /// What else than [`Training::name`] tells it from other runs.
    others: Vec<String>,
    /// Remarks for the user.
    pub remarks: Vec<String>,
}

impl Experiment {
    /// First part of the name of the folder of a run, or of several: program, model, data, mask, density, other options that are not the
    /// program's own, seeds.
    pub fn slug(&self, program: &str, seeds: &str) -> String {
        let word = self.run.name.as_deref().unwrap_or(program);
        let Training { spec, data, name, .. } = &self.training;
        // Names may have 200 characters in all.
        let others: String = self.others.join("-").chars().take(90).collect();
        let between = if others.is_empty() { "" } else { "-" };
        format!("{word}-{}-{data}-{name}{between}{others}-{seeds}", spec.name())
    }

    /// Where the run goes.
    pub fn destination(&self, program: &str) -> Destination {
        let hash = self.config.hash();
        let path = RunFolder::path_of(&self.run.out, &self.slug(program, &format!("s{}", self.training.seed)), &hash);
        Destination {
            path,
            hash,
            config: self.config.to_yaml(),
            options: self.config.deciding(),
            running_options: self.config.running.keys().cloned().collect(),
            contents: self.config.contents.clone(),
        }
    }
}
