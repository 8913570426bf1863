//! The table for programs: numbers as they are.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::spread::Spread;
use super::super::tables;
use super::configurations::{Configuration, Differences, Results, Run};
use er_graphs::error::Result;
use er_training::run::{State, pretty};

/// What runs share.
#[derive(Serialize)]
struct Shared<'a> {
    program: &'a str,
    /// Those that decide the result, but for the seed.
    options: BTreeMap<&'a str, &'a Value>,
    /// SHA-256 of the content of files, by option.
    contents: &'a BTreeMap<String, String>,
}

impl<'a> Shared<'a> {
    fn of(run: &'a Run) -> Self {
        Self {
            program: run.program(),
            options: run.options.iter().map(|(name, setting)| (name.as_str(), &setting.value)).collect(),
            contents: &run.record.manifest.scope.contents,
        }
    }
}

/// A run.
#[derive(Serialize)]
struct OneRun<'a> {
    #[serde(flatten)]
    shared: Option<Shared<'a>>,
    seed: Option<u64>,
    folder: String,
    status: State,
    step: Option<u64>,
    steps: Option<u64>,
    test_accuracy: Option<f64>,
    validation_accuracy: Option<f64>,
    density_requested: Option<f64>,
    density: Option<f64>,
    edges: Option<u64>,
    best_epoch: Option<u64>,
    error: Option<&'a str>,
}

impl<'a> OneRun<'a> {
    fn of(run: &'a Run, shared: Option<Shared<'a>>) -> Self {
        let Results { test_accuracy, validation_accuracy, density_requested, density, edges, best_epoch } = run.results();
        Self {
            shared,
            seed: run.seed,
            folder: run.record.path.display().to_string(),
            status: run.record.state,
            step: run.step(),
            steps: run.record.manifest.scope.steps,
            test_accuracy,
            validation_accuracy,
            density_requested,
            density,
            edges,
            best_epoch,
            error: run.record.manifest.error.as_deref(),
        }
    }
}

/// A configuration.
#[derive(Serialize)]
struct Several<'a> {
    #[serde(flatten)]
    shared: Shared<'a>,
    finished: usize,
    test_accuracy: Option<Spread>,
    validation_accuracy: Option<Spread>,
    density_requested: Option<f64>,
    density: Option<f64>,
    edges: Option<f64>,
    best_epoch: Option<f64>,
    runs: Vec<OneRun<'a>>,
}

impl<'a> Several<'a> {
    fn of(row: &Configuration<'a>) -> Self {
        Self {
            shared: Shared::of(row.first()),
            finished: row.finished(),
            test_accuracy: row.spread(|r| r.test_accuracy),
            validation_accuracy: row.spread(|r| r.validation_accuracy),
            density_requested: row.density_requested(),
            density: row.density(),
            edges: row.edges(),
            best_epoch: row.best_epoch(),
            runs: row.runs.iter().map(|run| OneRun::of(run, None)).collect(),
        }
    }
}

/// One object.
///
/// # Errors
/// If it is nothing that JSON can hold.
pub(super) fn json(rows: &[Configuration<'_>], differences: &Differences, each: bool) -> Result<String> {
    let differing = &differences.options;
    if each {
        let runs: Vec<_> = rows.iter().map(|row| OneRun::of(row.first(), Some(Shared::of(row.first())))).collect();
        return pretty(&json!({ "differing": differing, "runs": runs }));
    }
    pretty(&json!({ "differing": differing, "configurations": rows.iter().map(Several::of).collect::<Vec<_>>() }))
}

/// A line of names and a line a row.
pub(super) fn csv(rows: &[Configuration<'_>], differences: &Differences, each: bool) -> String {
    let lines: Vec<Vec<(String, Value)>> = rows
        .iter()
        .map(|row| {
            let mut line = vec![("program".to_owned(), json!(row.first().program()))];
            line.extend(differences.options.iter().map(|name| {
                let setting = row.first().options.get(name);
                let text = setting.map(|setting| json!(setting.text()));
                (format!("options.{name}"), text.unwrap_or_default())
            }));
            line.extend(if each { numbers_of_one(row.first()) } else { numbers_of_several(row) });
            line
        })
        .collect();
    let names: Vec<&str> = lines.first().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let lines: Vec<Value> = lines.iter().map(|line| Value::Object(line.iter().cloned().collect::<Map<_, _>>())).collect();
    tables::csv(&names, &lines)
}

fn numbers_of_one(run: &Run) -> Vec<(String, Value)> {
    let one = OneRun::of(run, None);
    named(vec![
        ("seed", json!(one.seed)),
        ("status", json!(one.status)),
        ("step", json!(one.step)),
        ("steps", json!(one.steps)),
        ("test_accuracy", json!(one.test_accuracy)),
        ("validation_accuracy", json!(one.validation_accuracy)),
        ("density_requested", json!(one.density_requested)),
        ("density", json!(one.density)),
        ("edges", json!(one.edges)),
        ("best_epoch", json!(one.best_epoch)),
        ("folder", json!(one.folder)),
    ])
}

fn numbers_of_several(row: &Configuration<'_>) -> Vec<(String, Value)> {
    let several = Several::of(row);
    let spread = |of: Option<Spread>| (json!(of.map(|of| of.mean)), json!(of.and_then(|of| of.std)));
    let ((test, test_std), (validation, validation_std)) = (spread(several.test_accuracy), spread(several.validation_accuracy));
    let seeds: Vec<String> = row.runs.iter().filter_map(|run| run.seed).map(|seed| seed.to_string()).collect();
    named(vec![
        ("seeds", json!(seeds.join(" "))),
        ("runs", json!(row.runs.len())),
        ("finished", json!(several.finished)),
        ("test_accuracy.mean", test),
        ("test_accuracy.std", test_std),
        ("validation_accuracy.mean", validation),
        ("validation_accuracy.std", validation_std),
        ("density_requested", json!(several.density_requested)),
        ("density", json!(several.density)),
        ("edges", json!(several.edges)),
        ("best_epoch", json!(several.best_epoch)),
    ])
}

fn named(values: Vec<(&str, Value)>) -> Vec<(String, Value)> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
