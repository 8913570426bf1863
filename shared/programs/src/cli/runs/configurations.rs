//! Runs with the same options but for the seed, and what configurations differ in.

use std::collections::{BTreeMap, BTreeSet};

use er_graphs::printable::line;
use serde_json::Value;

use super::super::spread::Spread;
use er_training::run::{Reached, RunRecord, State};

/// What the published programs call the same option, and what this table does.
const OTHER_NAMES: [(&str, &str); 2] = [("arch", "model"), ("set", "data")];

/// Options that say what a run is of; they come first.
const IDENTIFYING: [&str; 3] = ["method", "model", "data"];

/// An option of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    /// Its value.
    pub(super) value: Value,
    /// SHA-256 of what decides the result in the file that it names.
    content: Option<String>,
}

impl Setting {
    /// What decides: the content of a file, whatever its path.
    fn deciding(&self) -> String {
        self.content.clone().unwrap_or_else(|| self.value.to_string())
    }

    /// As a person reads it. A file's name is followed by the first digits of its content's hash.
    pub(super) fn text(&self) -> String {
        let text = match &self.value {
            Value::String(text) => text.clone(),
            Value::Array(values) => {
                values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        match &self.content {
            Some(hash) => format!("{text} ({})", hash.get(..8).unwrap_or(hash)),
            None => text,
        }
    }
}

/// A run, as a table needs it.
#[derive(Debug)]
pub(super) struct Run {
    /// What its folder says.
    pub(super) record: RunRecord,
    /// The seed.
    pub(super) seed: Option<u64>,
    /// All other options that decide the result.
    pub(super) options: BTreeMap<String, Setting>,
}

/// The numbers of a run; none where there are none (yet).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Results {
    /// Fraction.
    pub(super) test_accuracy: Option<f64>,
    /// Fraction, of the best epoch.
    pub(super) validation_accuracy: Option<f64>,
    /// What was asked for.
    pub(super) density_requested: Option<f64>,
    /// What was achieved: the part kept in a search for a subnetwork, which is what it is asked for.
    pub(super) density: Option<f64>,
    /// Of all layers.
    pub(super) edges: Option<u64>,
    /// From 1.
    pub(super) best_epoch: Option<u64>,
}

impl Run {
    /// `usual` are options that only say how and where to run, for manifests that do not say which do.
    pub(super) fn new(record: RunRecord, usual: &[String]) -> Self {
        let mut deciding = record.deciding(usual);
        let seed = deciding.remove("seed").and_then(|seed| seed.as_u64());
        let contents = &record.manifest.scope.contents;
        let named = |option: &str| OTHER_NAMES.iter().find(|(other, _)| *other == option).map(|(_, name)| (*name).to_owned());
        let options = deciding.into_iter().map(|(option, value)| {
            let content = contents.get(&option).cloned();
            (named(&option).unwrap_or(option), Setting { value, content })
        });
        Self { seed, options: options.collect(), record }
    }

    /// The program and all options but the seed, by what decides.
    pub(super) fn configuration(&self) -> String {
        let options: Vec<String> = self.options.iter().map(|(name, setting)| format!("{name}: {}", setting.deciding())).collect();
        format!("{}\n{}", self.program(), options.join("\n"))
    }

    /// Name of the program.
    pub(super) fn program(&self) -> &str {
        &self.record.manifest.program
    }

    pub(super) fn is_finished(&self) -> bool {
        self.record.state == State::Finished
    }

    /// Its numbers; of one that has not finished those of the best epoch so far on the validation set.
    pub(super) fn results(&self) -> Results {
        let Some(summary) = &self.record.summary else {
            let Reached { validation_accuracy, best_epoch, .. } = self.record.reached;
            return Results { validation_accuracy, best_epoch, ..Results::default() };
        };
        let number = |key: &str| summary.get(key).and_then(Value::as_f64);
        let count = |key: &str| summary.get(key).and_then(Value::as_u64);
        Results {
            test_accuracy: number("test_accuracy"),
            validation_accuracy: number("validation_accuracy"),
            density_requested: number("density_requested"),
            density: number("kept_fraction").or_else(|| number("density")),
            edges: count("edges"),
            best_epoch: count("best_epoch"),
        }
    }

    /// Steps that are done.
    pub(super) fn step(&self) -> Option<u64> {
        match &self.record.summary {
            Some(summary) => summary.get("steps").and_then(Value::as_u64),
            None => Some(self.record.reached.step),
        }
    }
}

/// Runs that differ in the seed, by seed; or one run.
#[derive(Debug, Clone)]
pub(super) struct Configuration<'a> {
    /// One at least.
    pub(super) runs: Vec<&'a Run>,
}

impl<'a> Configuration<'a> {
    /// The configurations of runs, in the order of the first run of each.
    pub(super) fn of(runs: &'a [Run]) -> Vec<Self> {
        let mut configurations: Vec<Self> = Vec::new();
        let mut places = BTreeMap::new();
        for run in runs {
            let place = *places.entry(run.configuration()).or_insert(configurations.len());
            match configurations.get_mut(place) {
                Some(configuration) => configuration.runs.push(run),
                None => configurations.push(Self { runs: vec![run] }),
            }
        }
        for configuration in &mut configurations {
            configuration.runs.sort_by_key(|run| run.seed);
        }
        configurations
    }

    /// Every run alone.
    pub(super) fn each(runs: &'a [Run]) -> Vec<Self> {
        runs.iter().map(|run| Self { runs: vec![run] }).collect()
    }

    /// The first run, which has the options of all.
    pub(super) fn first(&self) -> &'a Run {
        self.runs[0]
    }

    /// The number of runs that have finished.
    pub(super) fn finished(&self) -> usize {
        self.runs.iter().filter(|run| run.is_finished()).count()
    }

    /// The runs whose numbers count: those that have finished; one run alone, however far it has come.
    fn counting(&self) -> impl Iterator<Item = Results> {
        self.runs.iter().filter(|run| run.is_finished() || self.runs.len() == 1).map(|run| run.results())
    }

    /// A number over the runs.
    pub(super) fn spread(&self, number: impl Fn(Results) -> Option<f64>) -> Option<Spread> {
        Spread::of(&self.counting().filter_map(number).collect::<Vec<_>>())
    }

    /// The density that all of them were asked for.
    pub(super) fn density_requested(&self) -> Option<f64> {
        self.counting().find_map(|results| results.density_requested)
    }

    /// The mean density achieved.
    pub(super) fn density(&self) -> Option<f64> {
        self.spread(|results| results.density).map(|spread| spread.mean)
    }

    /// The mean number of edges.
    pub(super) fn edges(&self) -> Option<f64> {
        self.spread(|results| results.edges.map(|edges| edges as f64)).map(|spread| spread.mean)
    }

    /// The mean of the best epochs.
    pub(super) fn best_epoch(&self) -> Option<f64> {
        self.spread(|results| results.best_epoch.map(|epoch| epoch as f64)).map(|spread| spread.mean)
    }
}

/// What configurations differ in.
#[derive(Debug, PartialEq)]
pub(super) struct Differences {
    /// Whether they are of several programs.
    pub(super) programs: bool,
    /// Options that tell them apart: those with several values, and where these do not suffice, options that some configurations
    /// have and others have not. What a configuration has because it has another method, say, is not among them.
    pub(super) options: Vec<String>,
}

impl Differences {
    pub(super) fn between(configurations: &[Configuration<'_>]) -> Self {
        let programs = configurations.iter().map(|c| c.first().program()).collect::<BTreeSet<_>>().len() > 1;
        let mut values: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (option, setting) in configurations.iter().flat_map(|c| &c.first().options) {
            values.entry(option).or_default().insert(setting.deciding());
        }
        let mut options: Vec<String> =
            values.iter().filter(|(_, values)| values.len() > 1).map(|(option, _)| (*option).to_owned()).collect();
        while let Some(option) = separating(configurations, &options) {
            options.push(option);
        }
        options
            .sort_by_key(|option| (IDENTIFYING.iter().position(|of| of == option).unwrap_or(IDENTIFYING.len()), option.clone()));
        Self { programs, options }
    }

    /// A line on what all rows have in common.
    pub(super) fn heading(&self, rows: &[Configuration<'_>], each: bool) -> String {
        let programs: BTreeSet<&str> = rows.iter().map(|row| row.first().program()).collect();
        let first = rows.first().map(Configuration::first);
        let in_all = |option: &str| {
            let setting = first?.options.get(option)?;
            let is_in_all =
                !self.options.iter().any(|o| o == option) && rows.iter().all(|r| r.first().options.contains_key(option));
            is_in_all.then(|| format!("{option} {}", setting.text()))
        };
        let common: Vec<String> = IDENTIFYING.into_iter().filter_map(in_all).collect();
        let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
        let runs = counted(rows.iter().map(|row| row.runs.len()).sum(), "run");
        let number = if each { runs } else { format!("{runs} of {}", counted(rows.len(), "configuration")) };
        let about = [programs.into_iter().collect::<Vec<_>>().join(", "), common.join(", "), number];
        line(&about.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")).into_owned()
    }
}

/// An option that tells apart two configurations of one program which these options do not.
fn separating(configurations: &[Configuration<'_>], options: &[String]) -> Option<String> {
    let mut seen: BTreeMap<(&str, Vec<Option<String>>), &Run> = BTreeMap::new();
    let of = |run: &Run, option: &str| run.options.get(option).map(Setting::deciding);
    for run in configurations.iter().map(Configuration::first) {
        let told = options.iter().map(|option| of(run, option)).collect();
        let Some(other) = seen.insert((run.program(), told), run) else { continue };
        let names = run.options.keys().chain(other.options.keys()).collect::<BTreeSet<_>>();
        return names.into_iter().find(|option| of(run, option) != of(other, option)).cloned();
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use er_training::Backend;
    use er_training::run::{Machine, Manifest, Scope, Status};
    use serde_json::json;

    /// A run whose accuracy is its seed in percent, and which has one epoch behind it if it has not finished.
    pub(in super::super) fn run(folder: &str, program: &str, options: &Value, state: State) -> Run {
        let manifest = Manifest {
            program: program.to_owned(),
            version: "1".to_owned(),
            revision: None,
            command: Vec::new(),
            config_hash: String::new(),
            device: Machine::this(1, Backend::Sparse),
            started: String::new(),
            resumed: None,
            ended: None,
            status: Status::Finished,
            error: None,
            scope: Scope { steps: Some(40), ..Scope::default() },
        };
        let options = options.as_object().unwrap().clone();
        let accuracy = options["seed"].as_f64().unwrap() / 100.0;
        let summary = json!({
            "test_accuracy": accuracy, "validation_accuracy": 0.5, "density_requested": options.get("density"), "density": 0.1002,
            "edges": 1000, "best_epoch": 3, "steps": 40,
        });
        let (mut reached, mut results) = (Reached::default(), Some(summary.as_object().unwrap().clone()));
        if state != State::Finished {
            reached = Reached { step: 10, best_epoch: Some(1), validation_accuracy: Some(0.25) };
            results = None;
        }
        Run::new(RunRecord { path: folder.into(), manifest, options, state, summary: results, reached }, &["out".to_owned()])
    }

    fn differences(runs: &[Run]) -> Differences {
        Differences::between(&Configuration::of(runs))
    }

    fn finished(program: &str, options: &Value) -> Run {
        run("a", program, options, State::Finished)
    }

    #[test]
    fn seeds_are_put_together_and_only_finished_runs_count() {
        let of =
            |density: f64, seed: u64, state| run("a", "er_dst", &json!({"density": density, "seed": seed, "out": seed}), state);
        let (done, died) = (State::Finished, State::Died);
        let runs = [of(0.1, 3, done), of(0.2, 1, died), of(0.1, 1, done), of(0.1, 2, died), of(0.1, 8, done)];
        let configurations = Configuration::of(&runs);
        let seeds = |c: &Configuration<'_>| c.runs.iter().filter_map(|run| run.seed).collect::<Vec<_>>();
        assert_eq!(configurations.iter().map(seeds).collect::<Vec<_>>(), [vec![1, 2, 3, 8], vec![1]]);
        let [whole, alone] = &configurations[..] else { panic!("{configurations:?}") };
        assert_eq!((whole.finished(), alone.finished()), (3, 0));
        let spread = whole.spread(|r| r.test_accuracy).unwrap();
        assert_eq!(Some(spread), Spread::of(&[0.01, 0.03, 0.08]));
        let validation = |c: &Configuration<'_>| c.spread(|r| r.validation_accuracy).map(|spread| spread.mean);
        assert_eq!((validation(whole), whole.edges(), whole.best_epoch()), (Some(0.5), Some(1000.0), Some(3.0)));
        // There is no test accuracy before the end.
        assert_eq!((alone.spread(|r| r.test_accuracy), validation(alone)), (None, Some(0.25)));
        assert_eq!(differences(&runs).options, ["density"]);
    }

    #[test]
    fn options_with_several_values_differ_and_what_follows_from_them_does_not() {
        let runs = [
            finished("er_dst", &json!({"method": "RigL", "death": "magnitude", "lr": 0.1, "seed": 1, "density": 0.1})),
            finished("er_dst", &json!({"method": "static", "lr": 0.1, "seed": 1, "density": 0.2})),
        ];
        assert_eq!(differences(&runs), Differences { programs: false, options: vec!["method".into(), "density".into()] });
    }

    #[test]
    fn an_option_that_only_some_have_tells_apart_what_nothing_else_does() {
        let runs = [
            finished("er_wlt", &json!({"lr": 0.1, "seed": 1})),
            finished("er_wlt", &json!({"lr": 0.1, "seed": 1, "max-steps": 4})),
            finished("er_wlt", &json!({"lr": 0.1, "seed": 1, "max-steps": 4, "resume": "x"})),
        ];
        assert_eq!(differences(&runs).options, ["max-steps", "resume"]);
    }

    #[test]
    fn programs_are_told_apart_and_published_names_are_the_same_option() {
        let runs = [
            finished("er_str", &json!({"arch": "vgg16", "set": "cifar10", "seed": 1, "init": "x"})),
            finished("er_wlt", &json!({"model": "vgg16", "data": "cifar10", "seed": 1})),
        ];
        assert_eq!(differences(&runs), Differences { programs: true, options: Vec::new() });
        let heading = differences(&runs).heading(&Configuration::of(&runs), false);
        assert_eq!(heading, "er_str, er_wlt; model vgg16, data cifar10; 2 runs of 2 configurations");
    }

    #[test]
    fn files_count_by_their_content() {
        let of = |path: &str, content: &str| {
            let mut run = finished("er_wlt", &json!({"sparse-init": path, "seed": 1}));
            run.options.get_mut("sparse-init").unwrap().content = Some(content.to_owned());
            run
        };
        assert_eq!(Configuration::of(&[of("a", "0123456789"), of("b", "0123456789")]).len(), 1);
        let runs = [of("a", "0123456789"), of("a", "9876543210")];
        assert_eq!(differences(&runs).options, ["sparse-init"]);
        assert_eq!(runs[0].options["sparse-init"].text(), "a (01234567)");
    }

    #[test]
    fn a_search_achieves_the_part_it_keeps() {
        let mut run = finished("er_slt", &json!({"seed": 1}));
        run.record.summary.as_mut().unwrap().insert("kept_fraction".to_owned(), json!(0.4));
        assert_eq!(run.results().density, Some(0.4));
    }
}
