//! The experiment: draw a mask, train the weights inside it, test the best epoch; once or with several seeds.

use std::path::PathBuf;

use serde_json::{Map, Value, json};
use shared::cli::{Exit, Program, Shown, note, print};
use shared::config::Given;
use shared::engine::ModelState;
use shared::model::ModelSpec;
use shared::run::{self, Device, Signals, Stop};
use shared::topology::SparseInit;
use shared::train::{Job, Launched};
use shared::{Error, Result};

use crate::Wlt;
use crate::options::{Checked, Options};

/// Trains with every seed that is asked for.
///
/// # Errors
/// Options that do not fit together, and everything that can go wrong in a run.
pub(crate) fn run(options: &Options, given: &Given, words: &[String]) -> Result<Exit> {
    // Only the seeds differ, so the first and the last stand for all.
    with_seed(options, options.iters as u64 - 1)?;
    let first = options.check(given)?;
    first.notes.iter().for_each(|remark| note(remark));
    let threads = options.run.threads();
    // Masks and weights are drawn in the global pool, steps in one of the engine's own.
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::failure(format!("cannot start {threads} threads: {e}")))?;
    let command = std::iter::once(Wlt::NAME.to_owned()).chain(words.iter().cloned()).collect();
    let program = run::Program { name: Wlt::NAME, version: Wlt::VERSION, command, device: Device::this(threads) };
    let signals = Signals::listen()?;
    let mut done = Vec::new();
    for i in 0..options.iters as u64 {
        let checked = with_seed(options, i)?.check(given)?;
        let fresh = || {
            let state = checked.beginning.state(&checked.spec)?;
            if let Some(remark) = empty_layers(&checked.spec, &state) {
                note(&remark);
            }
            Ok(state)
        };
        let launched = job(options, &checked, &program).launch(fresh, &mut [], &signals)?;
        match &launched.end {
            Ok(summary) => {
                print(&told(&launched, summary))?;
                done.push((checked.deciding.train.seed, launched.folder.clone(), summary["test_accuracy"].as_f64()));
            }
            Err(stop) => return Ok(stopped(*stop, &launched.folder)),
        }
        // A run about to end is not interrupted; the next one must not begin.
        if let Some(stop) = signals.stop().filter(|_| i + 1 < options.iters as u64) {
            note(&format!("interrupted after {} of {} runs; the same command goes on from there", i + 1, options.iters));
            return Ok(stop.into());
        }
    }
    if options.iters > 1 { all(options, &first, &done) } else { Ok(Exit::Done) }
}

/// Remark on layers that the mask leaves without an edge.
fn empty_layers(spec: &ModelSpec, state: &ModelState) -> Option<String> {
    let layers = spec.layers().iter().zip(&state.layers);
    let empty: Vec<&str> = layers.filter(|(_, s)| s.mask.edges() == 0).map(|(l, _)| l.name.as_str()).collect();
    let (n, of) = (empty.len(), spec.layers().len());
    (n > 0).then(|| format!("{n} of {of} layers have no edge, so nothing passes through them: {}", empty.join(", ")))
}

/// Resolves a run and draws its masks.
///
/// # Errors
/// Options that do not fit together.
pub(crate) fn show(options: &Options, given: &Given) -> Result<Shown> {
    let Checked { config, spec, beginning, notes, start, .. } = options.check(given)?;
    for remark in &notes {
        note(remark);
    }
    if start.resume.is_some() {
        note("a run with --resume takes its masks from the checkpoint; these are the ones it would draw without");
    }
    let drawn = beginning.draw(&spec)?;
    Ok(Shown { config, spec, drawn })
}

/// The options of the i-th repetition.
fn with_seed(options: &Options, i: u64) -> Result<Options> {
    let mut options = options.clone();
    let seed = &mut options.deciding.train.seed;
    *seed = seed.checked_add(i).ok_or_else(|| Error::usage(format!("--seed {seed}: seed {seed} + {i} is too large")))?;
    Ok(options)
}

fn job<'a>(options: &'a Options, checked: &'a Checked, program: &'a run::Program) -> Job<'a> {
    let deciding = &checked.deciding;
    Job {
        program,
        config: &checked.config,
        slug: slug(options, checked, &format!("s{}", deciding.train.seed)),
        run: &options.run,
        spec: &checked.spec,
        masked: checked.masked_layers(),
        data: deciding.data.data,
        data_options: checked.data_options,
        valid_split: deciding.data.valid_split.unwrap_or_default(),
        batch_size: deciding.train.batch_size,
        test_batch_size: deciding.train.test_batch_size,
        seed: deciding.train.seed,
        step: checked.step,
        plan: checked.plan.clone(),
        start: checked.start.clone(),
        facts: facts(checked),
    }
}

/// First part of the name of a run's folder: program, model, data, mask, density, seeds.
fn slug(options: &Options, checked: &Checked, seeds: &str) -> String {
    let deciding = &checked.deciding;
    let mask = if deciding.is_sparse() {
        format!("{}-{}", deciding.mask.sparse_init.name(), deciding.mask.density)
    } else {
        "dense".to_owned()
    };
    let word = options.run.save.as_deref().unwrap_or(Wlt::NAME);
    format!("{word}-{}-{}-{mask}-{seeds}", checked.spec.name(), deciding.data.data)
}

/// What the summary says besides the results.
fn facts(checked: &Checked) -> Map<String, Value> {
    let deciding = &checked.deciding;
    let mut facts = Map::from_iter([
        ("program".to_owned(), json!(Wlt::NAME)),
        ("model".to_owned(), json!(checked.spec.name())),
        ("data".to_owned(), json!(deciding.data.data.to_string())),
        ("seed".to_owned(), json!(deciding.train.seed)),
        ("density_requested".to_owned(), json!(checked.beginning.masks.as_ref().map_or(1.0, |plan| plan.density.get()))),
    ]);
    if let Some(plan) = &checked.beginning.masks {
        facts.insert("sparse_init".into(), json!(plan.init.to_string()));
        if let SparseInit::Distribution(distribution) = &plan.init {
            let shapes: Vec<_> = checked.masked_layers().into_iter().map(|l| checked.spec.layers()[l].shape).collect();
            let solution = distribution.solve(&shapes, plan.density);
            facts.insert("distribution_constant".into(), json!(solution.ok().and_then(|s| s.note)));
        }
    }
    facts
}

/// One line on a finished run.
fn told(launched: &Launched, summary: &Value) -> String {
    let percent = |key: &str| summary[key].as_f64().map_or_else(|| "unknown".to_owned(), |v| format!("{:.2} %", 100.0 * v));
    // Layers that stay dense are outside the density.
    let all = summary["edges"].as_f64().zip(summary["weights"].as_f64()).map(|(edges, weights)| edges / weights);
    let of = if all == summary["density"].as_f64() { "" } else { " in the masked layers" };
    format!(
        "{}test accuracy {} (best epoch {} of {}, validation accuracy {}), density {} requested, {:.6} achieved{of} ({} of {} weights): {}",
        if launched.before { "already finished: " } else { "" },
        percent("test_accuracy"),
        summary["best_epoch"],
        summary["epochs"],
        percent("validation_accuracy"),
        summary["density_requested"],
        summary["density"].as_f64().unwrap_or_default(),
        summary["edges"],
        summary["weights"],
        launched.folder.display(),
    )
}

fn stopped(stop: Stop, folder: &std::path::Path) -> Exit {
    note(&format!("interrupted and saved in {}; the same command goes on from there", folder.display()));
    stop.into()
}

/// Mean and standard deviation over seeds: printed, and written beside the folders of the runs.
fn all(options: &Options, first: &Checked, done: &[(u64, PathBuf, Option<f64>)]) -> Result<Exit> {
    let accuracies: Vec<f64> = done.iter().filter_map(|(.., accuracy)| *accuracy).collect();
    let (mean, std) = mean_and_std(&accuracies);
    let seeds: Vec<u64> = done.iter().map(|(seed, ..)| *seed).collect();
    let Some(last) = seeds.last() else { return Ok(Exit::Done) };
    let hash = first.config.hash();
    let name = slug(options, first, &format!("s{}-{last}", seeds[0]));
    let mut path = run::RunFolder::path_of(&options.run.out, &name, &hash).into_os_string();
    path.push(".json");
    let path = PathBuf::from(path);
    let table = json!({
        "program": Wlt::NAME,
        "seeds": seeds,
        "test_accuracy": { "mean": mean, "std": std, "values": accuracies },
        "folders": done.iter().map(|(_, folder, _)| folder).collect::<Vec<_>>(),
    });
    run::replace_text(&path, &run::pretty(&table)?)?;
    let n = accuracies.len();
    print(&format!(
        "test accuracy {:.2} % ± {:.2} % (mean and standard deviation of {n} seeds): {}",
        100.0 * mean,
        100.0 * std,
        path.display()
    ))?;
    Ok(Exit::Done)
}

/// Mean and sample standard deviation (n − 1); 0 for fewer than two values.
fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, if values.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviation_divides_by_one_less() {
        let (mean, std) = mean_and_std(&[1.0, 2.0, 3.0, 4.0]);
        assert!((mean - 2.5).abs() < 1e-12 && (std - (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!(mean_and_std(&[0.7]).1.abs() < 1e-12);
    }
}
