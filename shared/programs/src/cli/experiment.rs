//! The experiment of a program: trains what its options ask for; once or with several seeds.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use serde_json::{Value, json};

use super::Program;
use super::exit::Exit;
use super::output::print_line;
use super::show::Shown;
use super::spread::Spread;
use crate::config::{Experiment, ProgramOptions, Request, TypedOptions, read};
use er_graphs::density::rounded;
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::topology::Drawn;
use er_training::data::DataKind;
use er_training::run::{self, Machine, Signals, Stop, Sums};
use er_training::train::{Evaluated, Launched, Training, remark};

/// What the table over seeds takes of one of them: seed, folder, test accuracy.
type Row = (u64, PathBuf, Option<f64>);

/// Trains with every seed that is asked for.
///
/// # Errors
/// Options that do not fit together, and everything that can go wrong in a run.
pub(super) fn run<P: Program>(line: &TypedOptions<P::Options>, words: &[String]) -> Result<Exit> {
    let (run, seed) = (&line.run, line.seed());
    let more = run.iters as u64 - 1;
    let last = seed.checked_add(more).ok_or_else(|| Error::usage(format!("--seed {seed}: seed {seed} + {more} is too large")))?;
    // Only the seeds differ, so the first stands for all.
    let first = line.experiment(seed)?;
    first.remarks.iter().for_each(|text| remark(text));
    let threads = run.threads();
    // Masks and weights are drawn in the global pool, steps in one of the engine's own.
    super::start_threads(threads)?;
    if let Some(checkpoint) = line.options.evaluates() {
        print_line(&evaluated(checkpoint, &first)?)?;
        return Ok(Exit::Done);
    }
    let command = std::iter::once(P::NAME.to_owned()).chain(words.iter().cloned()).collect();
    let program = run::Invocation {
        name: P::NAME,
        version: P::VERSION,
        revision: P::REVISION,
        command,
        device: Machine::this(threads, first.training.backend),
    };
    let signals = Signals::listen()?;
    let mut done = Vec::new();
    for (i, seed) in (seed..=last).enumerate() {
        let experiment = line.experiment(seed)?;
        let launched = launch(&experiment, &program, &signals)?;
        match &launched.end {
            Ok(summary) => {
                print_line(&summary_line(&launched, summary))?;
                let Training { approach, spec, .. } = &experiment.training;
                let advice = |asked, achieved| {
                    if ended_early(&experiment.training, summary) {
                        "--max-steps ended the training before the density had fallen".to_owned()
                    } else {
                        approach.density_advice(spec, asked, achieved)
                    }
                };
                for text in densities_differ(summary, advice) {
                    remark(&text);
                }
                done.push((seed, launched.folder.clone(), summary["test_accuracy"].as_f64()));
            }
            Err(stop) => return Ok(stopped(*stop, &launched.folder)),
        }
        // A run about to end is not interrupted; the next one must not begin.
        if let Some(stop) = signals.stop().filter(|_| seed < last) {
            remark(&format!("interrupted after {} of {} runs; the same command goes on from there", i + 1, run.iters));
            return Ok(stop.into());
        }
    }
    if run.iters > 1 {
        all(&program, &first, &done)?;
    }
    Ok(Exit::Done)
}

/// Resolves a run and draws its masks.
///
/// # Errors
/// Options that do not fit together.
pub(super) fn show(line: &TypedOptions<impl ProgramOptions + Args>) -> Result<Shown> {
    let Experiment { config, training, remarks, .. } = line.experiment(line.seed())?;
    // Of other data sets it takes the files to tell how many steps an epoch has.
    let refused = if training.data == DataKind::Digits { training.check().err() } else { None };
    let Training { spec, approach, start, data, data_options, .. } = training;
    let recipe = data_options.recipe(data, spec.input());
    for text in &remarks {
        remark(text);
    }
    if let Some(error) = refused {
        remark(&format!("a run with these options is refused: {}", error.what()));
    }
    if start.resume.is_some() {
        remark("a run with --resume takes its masks from the checkpoint; these are the ones it would draw without");
    }
    let drawn = approach.draw(&spec)?;
    Ok(Shown { config, spec, drawn, approach, recipe })
}

/// The network of a configuration, the masks that its run would draw, and its seed.
///
/// # Errors
/// As [`show`]; a path that is not valid UTF-8.
pub(super) fn drawn<P: Program>(command: &Command, path: &Path) -> Result<(ModelSpec, Drawn, u64)> {
    let text = path.to_str().ok_or_else(|| Error::usage(format!("--config {}: it is not valid UTF-8", path.display())))?;
    let Request::Run(matches, given) = read(command, command, &["--config".to_owned(), text.to_owned()])? else {
        unreachable!("nothing is asked")
    };
    let line = TypedOptions::<P::Options>::new(P::NAME, command, &matches, given)?;
    let Experiment { training: Training { spec, approach, seed, .. }, remarks, .. } = line.experiment(line.seed())?;
    for text in &remarks {
        remark(text);
    }
    let drawn = approach.draw(&spec)?;
    Ok((spec, drawn, seed))
}

fn launch(experiment: &Experiment, program: &run::Invocation, signals: &Signals) -> Result<Launched> {
    let Training { approach, spec, backend, .. } = &experiment.training;
    let fresh = || approach.begin(spec, *backend);
    let to = experiment.destination(program.name);
    let is_called =
        |name: &String| to.path.file_name().is_some_and(|of| of.to_string_lossy().starts_with(&format!("{}-", run::clean(name))));
    if let Some(name) = experiment.run.name.as_ref().filter(|name| !is_called(name)) {
        remark(&format!("--name {name}: the same run is in {} already", to.path.display()));
    }
    experiment.training.launch(program, &to, fresh, signals)
}

/// One line on a checkpoint.
fn evaluated(checkpoint: &Path, experiment: &Experiment) -> Result<String> {
    let Evaluated { validation, test, edges } = experiment.training.evaluate(checkpoint)?;
    let percent = |accuracy: Option<f64>| format!("{:.2} %", 100.0 * accuracy.unwrap_or_default());
    let of = |sums: Sums| format!("{} (top 5 {})", percent(sums.accuracy()), percent(sums.accuracy_5()));
    let weights = experiment.training.spec.weight_count();
    Ok(format!(
        "test accuracy {}, validation accuracy {}, density {:.6} ({edges} of {weights} weights): {}",
        of(test),
        of(validation),
        edges as f64 / weights as f64,
        checkpoint.display(),
    ))
}

/// One line on a finished run.
fn summary_line(launched: &Launched, summary: &Value) -> String {
    let percent = |key: &str| summary[key].as_f64().map_or_else(|| "unknown".to_owned(), |v| format!("{:.2} %", 100.0 * v));
    let number = |key: &str| summary[key].as_f64().unwrap_or_default();
    let density = format!("{:.6}", number("density"));
    let density = match (summary["density_requested"].as_f64(), summary["mask_density_requested"].as_f64()) {
        (Some(asked), _) => {
            // Layers that stay dense are outside the density.
            let all = summary["edges"].as_f64().zip(summary["weights"].as_f64()).map(|(edges, weights)| edges / weights);
            let of = if all == summary["density"].as_f64() { "" } else { " in the masked layers" };
            format!("{} requested, {density} achieved{of}", json!(rounded(asked)))
        }
        (None, Some(asked)) => {
            format!("{density} inside masks of {} requested, {:.6} achieved", json!(rounded(asked)), number("mask_density"))
        }
        (None, None) => density,
    };
    format!(
        "{}test accuracy {} (best epoch {} of {}, validation accuracy {}), density {density} ({} of {} weights): {}",
        if launched.before { "already finished: " } else { "" },
        percent("test_accuracy"),
        summary["best_epoch"],
        summary["epochs"],
        percent("validation_accuracy"),
        summary["edges"],
        summary["weights"],
        launched.folder.display(),
    )
}

/// Whether `--max-steps` has ended a training whose density falls.
fn ended_early(training: &Training, summary: &Value) -> bool {
    let falls = ["density_first_requested", "pruner"].iter().any(|fact| training.facts.contains_key(*fact));
    falls && training.plan.max_steps.is_some_and(|most| summary["steps"].as_u64() == Some(most))
}

/// Remarks on densities that are more than 1 % away from what was asked for.
fn densities_differ(summary: &Value, advice: impl Fn(f64, f64) -> String) -> Vec<String> {
    let achieved = if summary["kept_fraction"].is_null() { "density" } else { "kept_fraction" };
    let pairs = [("density_requested", achieved), ("mask_density_requested", "mask_density")];
    let of = |(asked, achieved): (&str, &str)| {
        let (asked, achieved) = (summary[asked].as_f64()?, summary[achieved].as_f64()?);
        let percent = 100.0 * (achieved / asked - 1.0);
        let kind = if percent < 0.0 { "less" } else { "more" };
        (percent.abs() > 1.0).then(|| {
            let advice = advice(asked, achieved);
            let [asked, achieved] = [asked, achieved].map(rounded);
            format!("density {achieved} was achieved, {:.1} % {kind} than the {asked} asked for: {advice}", percent.abs())
        })
    };
    pairs.into_iter().filter_map(of).collect()
}

fn stopped(stop: Stop, folder: &Path) -> Exit {
    remark(&format!("interrupted and saved in {}; the same command goes on from there", folder.display()));
    stop.into()
}

/// Mean and standard deviation over seeds: printed, and written beside the folders of the runs.
fn all(program: &run::Invocation, first: &Experiment, done: &[Row]) -> Result<()> {
    let accuracies: Vec<f64> = done.iter().filter_map(|(.., accuracy)| *accuracy).collect();
    let seeds: Vec<u64> = done.iter().map(|(seed, ..)| *seed).collect();
    let (Some(Spread { mean, std }), Some(last)) = (Spread::of(&accuracies), seeds.last()) else { return Ok(()) };
    let std = std.unwrap_or_default();
    let hash = first.config.hash();
    let name = first.slug(program.name, &format!("s{}-{last}", seeds[0]));
    let path = first.run.out.join(format!("{}.json", run::RunFolder::name_of(&name, &hash)));
    let table = json!({
        "program": program.name,
        "seeds": seeds,
        "test_accuracy": { "mean": mean, "std": std, "values": accuracies },
        "folders": done.iter().map(|(_, folder, _)| folder).collect::<Vec<_>>(),
    });
    run::replace_text(&path, &run::pretty(&table)?)?;
    let n = accuracies.len();
    print_line(&format!(
        "test accuracy {:.2} % ± {:.2} % (mean and standard deviation of {n} seeds): {}",
        100.0 * mean,
        100.0 * std,
        path.display()
    ))
}
