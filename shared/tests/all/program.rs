//! What a program adds to the shared options reaches its run: name, configuration, summary, the way its edges move.

use clap::{Args, Command};
use shared::config::{
    Experiment, ExperimentOptions, MaskedRun, ProgramOptions, Request, Resolver, RunOptions, Settled, Setup, SharedOptions,
    TypedOptions, read, values,
};
use shared::engine::{Backend, Device};
use shared::run::{Invocation, Machine, Signals};
use shared::schedule::Span;
use shared::topology::rule::Method;
use shared::train::{Training, method_named};
use shared::{Result, option};

/// Options of a program with one option of its own.
#[derive(Clone, Args)]
struct Options {
    #[command(flatten)]
    shared: ExperimentOptions,
    #[arg(long, default_value = "2", value_parser = values::count)]
    period: usize,
}

impl ProgramOptions for Options {
    fn shared(&self) -> SharedOptions<'_> {
        self.shared.shared()
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let (option, sparse) = (option!(self.period), self.shared.sparse.sparse);
        let period = resolver.keep(option);
        let often = Method { interval: Span::Steps(period as u64), ..method_named("SET").unwrap() };
        let method = if sparse { often } else { Method::DENSE };
        if !sparse {
            resolver.no_effect(option, "without --sparse", "add --sparse");
        }
        let masks = self.shared.sparse.mask.settings(None);
        let run =
            MaskedRun { method, by: None, masks, advice: "add --sparse", learning_rates: settled.learning_rate.clone().into() };
        let Some(mut setup) = self.shared.masked(settled.network, run, settled.seed, resolver) else { return Ok(None) };
        setup.name.push_str("-often");
        setup.facts.insert("period".into(), period.into());
        if resolver.is_given(option) {
            resolver.remarks.push("asked".to_owned());
        }
        Ok(Some(setup))
    }
}

fn experiment(line: &str, seed: u64) -> Result<Experiment> {
    let command = RunOptions::augment_args(Options::augment_args(Command::new("program")));
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Request::Run(matches, given) = read(&command, &command, &words).unwrap() else { panic!("{line} asks for text") };
    TypedOptions::<Options>::new("program", &command, &matches, given).unwrap().experiment(seed)
}

#[test]
fn own_options_name_the_run_and_decide_how_edges_move() {
    let out = tempfile::tempdir().unwrap();
    let line = format!("--sparse --model mlp-8 --epochs 1 --quiet --threads 1 --period 3 --out {}", out.path().display());
    let experiment = experiment(&line, 5);
    let experiment = experiment.unwrap();
    assert_eq!(experiment.slug("program", "s5"), "program-mlp-8-digits-ERK-0.05-often-epochs1-period3-sparse-true-s5");
    assert_eq!(experiment.config.get("seed").unwrap(), 5);
    assert_eq!(experiment.remarks, ["asked"]);
    let Training { approach, spec, backend, .. } = &experiment.training;
    let device = Machine::this(1, *backend);
    let program = Invocation { name: "program", version: "0", revision: None, command: Vec::new(), device };
    let fresh = || approach.begin(spec, *backend);
    let to = experiment.destination("program");
    let launched = experiment.training.launch(&program, &to, fresh, &Signals::none()).unwrap();
    let summary = launched.end.unwrap();
    // Three quarters of eleven steps, every third of them.
    assert_eq!((&summary["period"], &summary["steps"], &summary["updates"]), (&3.into(), &11.into(), &2.into()));
}

#[test]
fn the_seed_and_own_options_that_decide_change_the_hash() {
    let hash = |line: &str, seed| experiment(line, seed).unwrap().config.hash();
    assert_eq!(hash("--sparse --period 2 --iters 4 --out x", 1), hash("--sparse", 1));
    assert_ne!(hash("--sparse --period 3", 1), hash("--sparse", 1));
    assert_ne!(hash("--sparse", 2), hash("--sparse", 1));
    assert!(experiment("", 1).unwrap().config.get("period").is_none());
}

/// An option that comes later leaves the names of older runs as they are.
#[test]
fn what_is_as_it_is_without_a_word_does_not_name_a_run() {
    let config = |line: &str| experiment(line, 17).unwrap().config;
    let whole = config("--sparse --density 0.1");
    assert_eq!(whole.hash(), config("--sparse --density 0.1 --epochs 160 --lr 0.1 --l2 5e-4").hash());
    assert_eq!(&whole.hash()[..8], "6c3a71c2");
    assert_ne!(whole.hash(), config("--sparse --density 0.1 --epochs 161").hash());
    assert!(whole.deciding().len() > 20 && whole.to_yaml().contains("epochs: 160"));
}

#[test]
fn a_folder_of_other_options_is_not_taken_for_one_of_this_run() {
    let out = tempfile::tempdir().unwrap();
    let line = format!("--sparse --model mlp-8 --epochs 1 --quiet --threads 1 --out {}", out.path().display());
    let experiment = experiment(&line, 5).unwrap();
    let Training { approach, spec, backend, .. } = &experiment.training;
    let program =
        Invocation { name: "program", version: "0", revision: None, command: Vec::new(), device: Machine::this(1, *backend) };
    let to = experiment.destination("program");
    let launch = || experiment.training.launch(&program, &to, || approach.begin(spec, *backend), &Signals::none());
    assert!(!launch().unwrap().before && launch().unwrap().before);
    // As another version would have left it, whose default was another.
    let config = to.path.join("config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("batch-size: 128", "batch-size: 64")).unwrap();
    let error = launch().unwrap_err();
    assert!(error.what().ends_with("is of a run with batch-size 64, this one has 128"), "{error}");
}

#[test]
fn engines_and_devices_are_chosen_together_and_decide_no_hash() {
    let base = experiment("", 1).unwrap();
    for (line, backend) in [
        ("", Backend::Sparse),
        ("--engine sparse --device cpu", Backend::Sparse),
        ("--engine Dense", Backend::Dense(Device::Cpu)),
        ("--engine dense --no-cuda", Backend::Dense(Device::Cpu)),
        ("--engine dense --device cuda", Backend::Dense(Device::Cuda(0))),
        ("--engine dense --device cuda:2", Backend::Dense(Device::Cuda(2))),
    ] {
        let experiment = experiment(line, 1).unwrap();
        assert_eq!((experiment.training.backend, experiment.config.hash()), (backend, base.config.hash()), "{line}");
    }
    for (line, what, help) in [
        ("--device cuda", "--device cuda: the sparse engine computes on the CPU", "add --engine dense"),
        ("--device cuda:0", "--device cuda: the sparse engine computes on the CPU", "add --engine dense"),
        ("--device cuda:10", "--device cuda:10: the sparse engine computes on the CPU", "add --engine dense"),
        ("--engine dense --device cuda --no-cuda", "--device cuda contradicts --no-cuda", "give one of the two"),
    ] {
        let error = experiment(line, 1).unwrap_err();
        assert_eq!((error.what(), error.help_text()), (what, Some(help)), "{line}");
    }
}

#[test]
fn own_problems_are_told_with_the_shared_ones() {
    let error = experiment("--period 3 --density 0.1 --fp16 --device cuda", 1).unwrap_err();
    let names: Vec<&str> = error.what().lines().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(names, ["--fp16", "--period", "--density", "--device"]);
    assert!(error.what().contains("(add --sparse)"), "{error:?}");
}
