//! What a program adds to the shared options reaches its run: name, configuration, summary, hooks.

#![allow(clippy::unwrap_used)] // a test may panic

use std::cell::Cell;
use std::rc::Rc;

use clap::{Args, Command, FromArgMatches};
use serde::Serialize;
use shared::Result;
use shared::config::{Asked, Checks, ExperimentOptions, Given, RunOptions, read, values};
use shared::engine::Engine;
use shared::run::{Device, Program, Signals};
use shared::train::{Deciding, Experiment, Hook, Step};

/// Options of a program with one option of its own.
#[derive(Clone, Args, Serialize)]
struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    shared: ExperimentOptions,
    #[arg(long, default_value = "2", value_parser = values::count)]
    period: usize,
    #[arg(skip)]
    #[serde(skip)]
    called: Rc<Cell<usize>>,
}

/// Counts.
struct Periodic(usize, Rc<Cell<usize>>);

impl Hook for Periodic {
    fn after_step(&mut self, step: &Step, _: &mut dyn Engine) -> Result<()> {
        self.1.set(self.1.get() + usize::from(step.progress.step.is_multiple_of(self.0 as u64)));
        Ok(())
    }
}

impl Deciding for Options {
    const ADVICE: &'static str = "add --sparse";

    fn shared(&mut self) -> &mut ExperimentOptions {
        &mut self.shared
    }

    fn check(&self, checks: &mut Checks) {
        if !self.shared.sparse.sparse {
            checks.no_effect("period", "without --sparse", Self::ADVICE);
        }
    }

    fn complete(&self, given: &Given, experiment: &mut Experiment) {
        experiment.mask_name.push_str("-often");
        experiment.facts.insert("period".into(), self.period.into());
        experiment.notes.extend(given.has("period").then(|| "asked".to_owned()));
    }

    fn hooks(&self, experiment: &Experiment) -> Vec<Box<dyn Hook>> {
        let period = experiment.config.get("period").and_then(serde_json::Value::as_u64).unwrap();
        vec![Box::new(Periodic(period as usize, Rc::clone(&self.called)))]
    }
}

fn experiment(line: &str, seed: u64) -> (Options, Result<Experiment>) {
    let command = RunOptions::augment_args(Options::augment_args(Command::new("program")));
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let Asked::Run(matches, given) = read(&command, &words).unwrap() else { panic!("{line} asks for text") };
    let options = Options::from_arg_matches(&matches).unwrap();
    let run = RunOptions::from_arg_matches(&matches).unwrap();
    let experiment = Experiment::new("program", &options, &run, seed, &given);
    (options, experiment)
}

#[test]
fn own_options_name_the_run_and_own_hooks_go_along() {
    let out = tempfile::tempdir().unwrap();
    let line = format!("--sparse --model mlp-8 --epochs 1 --quiet --threads 1 --period 3 --out {}", out.path().display());
    let (options, experiment) = experiment(&line, 5);
    let experiment = experiment.unwrap();
    assert_eq!(experiment.slug("program", "s5"), "program-mlp-8-digits-ERK-0.05-often-s5");
    assert_eq!(experiment.config.get("seed").unwrap(), 5);
    assert_eq!(experiment.notes, ["asked"]);
    let program = Program { name: "program", version: "0", command: Vec::new(), device: Device::this(1) };
    let mut hooks = options.hooks(&experiment);
    let mut hooks: Vec<&mut dyn Hook> = hooks.iter_mut().map(|hook| &mut **hook as &mut dyn Hook).collect();
    let fresh = || experiment.beginning.state(&experiment.spec);
    let launched = experiment.launch(&program, fresh, &mut hooks, &Signals::none()).unwrap();
    let summary = launched.end.unwrap();
    assert_eq!((&summary["period"], &summary["steps"], options.called.get()), (&3.into(), &11.into(), 3));
}

#[test]
fn the_seed_and_own_options_that_decide_change_the_hash() {
    let hash = |line: &str, seed| experiment(line, seed).1.unwrap().config.hash();
    assert_eq!(hash("--sparse --period 2 --iters 4 --out x", 1), hash("--sparse", 1));
    assert_ne!(hash("--sparse --period 3", 1), hash("--sparse", 1));
    assert_ne!(hash("--sparse", 2), hash("--sparse", 1));
    assert!(experiment("", 1).1.unwrap().config.get("period").is_none());
}

#[test]
fn own_problems_are_told_with_the_shared_ones() {
    let error = experiment("--period 3 --density 0.1 --fp16", 1).1.unwrap_err();
    let names: Vec<&str> = error.what().lines().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(names, ["--fp16", "--period", "--density"]);
    assert!(error.what().contains("(add --sparse)"), "{error:?}");
}
