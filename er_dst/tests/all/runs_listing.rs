//! `runs`: runs that were trained, as tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::common::{self, Place, Ran};
use crate::trace::{SHORT, STEPS};

const RIGL: &str = "--method RigL --update-frequency 3";

/// The folders in `runs` whose names contain this, by name.
fn folders(place: &Place, part: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path("runs")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir() && path.to_str().unwrap().contains(part)).collect();
    folders.sort();
    folders
}

/// Two densities, two seeds each, on the built-in digits.
fn trained() -> Place {
    let place = Place::new();
    for density in ["0.1", "0.2"] {
        place.done(&format!("{RIGL} {SHORT} --density {density} --seed 1 --iters 2"));
    }
    place
}

fn listed(place: &Place, words: &str) -> Value {
    serde_json::from_str(&place.done(&format!("runs {words} --format json"))).unwrap()
}

fn numbers(folders: &[PathBuf], key: &str) -> Vec<f64> {
    folders.iter().map(|folder| common::json(&folder.join("summary.json"))[key].as_f64().unwrap()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The rows of a text table, by column.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let cells =
        |line: &str| line.split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
    let mut lines = text.lines().skip(2);
    let heads = cells(lines.next().unwrap());
    lines.map(|line| heads.iter().cloned().zip(cells(line)).collect()).collect()
}

/// A run that was told to stop, made of a finished one: its metrics end after this many lines, and there is no summary.
fn interrupt(run: &Path, lines: usize) {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let kept: Vec<&str> = metrics.lines().take(lines).collect();
    std::fs::write(run.join("metrics.jsonl"), kept.join("\n")).unwrap();
    std::fs::remove_file(run.join("summary.json")).unwrap();
    change(&run.join("manifest.json"), |manifest| manifest["status"] = json!("interrupted"));
}

fn change(file: &Path, change: impl Fn(&mut Value)) {
    let mut value = common::json(file);
    change(&mut value);
    std::fs::write(file, value.to_string()).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for name in ["manifest.json", "config.yaml", "summary.json", "metrics.jsonl"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn seeds_are_put_together_and_means_are_those_of_the_summaries() {
    let place = trained();
    let listed = listed(&place, "");
    assert_eq!(listed["differing"], json!(["density"]));
    let configurations = listed["configurations"].as_array().unwrap();
    assert_eq!(configurations.len(), 2);
    for (of, density) in configurations.iter().zip([0.1, 0.2]) {
        let folders = folders(&place, &format!("-ERK-{density}-"));
        let accuracies = numbers(&folders, "test_accuracy");
        let [a, b] = accuracies[..] else { panic!("{accuracies:?}") };
        assert_eq!(of["test_accuracy"]["mean"], mean(&accuracies));
        let std = of["test_accuracy"]["std"].as_f64().unwrap();
        assert!((std - (a - b).abs() / 2_f64.sqrt()).abs() < 1e-12, "{of}");
        for key in ["density", "edges", "best_epoch"] {
            assert_eq!(of[key], mean(&numbers(&folders, key)), "{key}");
        }
        assert_eq!(of["validation_accuracy"]["mean"], mean(&numbers(&folders, "validation_accuracy")));
        assert_eq!((&of["program"], &of["finished"], &of["density_requested"]), (&json!("er_dst"), &json!(2), &json!(density)));
        assert_eq!((&of["options"]["density"], &of["options"]["epochs"]), (&json!(density), &json!(4)));
        for option in ["seed", "threads", "out", "quiet", "log-interval"] {
            assert!(of["options"][option].is_null(), "{option} does not decide");
        }
        let runs = of["runs"].as_array().unwrap();
        assert_eq!(runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        for (run, (folder, accuracy)) in runs.iter().zip(folders.iter().zip(&accuracies)) {
            assert!(folder.ends_with(run["folder"].as_str().unwrap()), "{run}");
            assert_eq!((&run["test_accuracy"], &run["status"]), (&json!(accuracy), &json!("finished")));
            assert_eq!((&run["step"], &run["steps"]), (&json!(STEPS), &json!(STEPS)));
        }
    }
}

#[test]
fn every_format_has_the_same_table() {
    let place = trained();
    let text = place.done("runs");
    assert!(
        text.starts_with("er_dst; method RigL, model mlp-64-32, data digits; 4 runs of 2 configurations\n\ndensity  "),
        "{text}"
    );
    let rows = rows(&text);
    let accuracies = numbers(&folders(&place, "-ERK-0.1-"), "test_accuracy");
    let spread = (accuracies[0] - accuracies[1]).abs() / 2_f64.sqrt();
    let accuracy = format!("{:.2} ± {:.2}", 100.0 * mean(&accuracies), 100.0 * spread);
    assert_eq!((rows[0]["density"].as_str(), rows[0]["seeds"].as_str(), &rows[0]["accuracy %"]), ("0.1", "2", &accuracy));
    assert_eq!((rows[1]["density"].as_str(), rows[1]["status"].as_str()), ("0.2", "finished"));
    // It is what the option says.
    assert!(!rows[0].contains_key("requested"));

    let markdown = place.done("runs --format markdown");
    let lines: Vec<&str> = markdown.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.starts_with("| ") && line.ends_with(" |")), "{markdown}");
    let width = lines[0].chars().count();
    assert!(lines.iter().all(|line| line.chars().count() == width), "{markdown}");
    assert!(lines[2].contains(&format!(" {accuracy} |")), "{markdown}");

    let csv = place.done("runs --format csv");
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines[0][..5], ["program", "options.density", "seeds", "runs", "finished"]);
    assert_eq!(lines[1][..5], ["er_dst", "0.1", "1 2", "2", "2"]);
    let at = lines[0].iter().position(|name| *name == "test_accuracy.mean").unwrap();
    assert_eq!(lines[1][at].parse::<f64>().unwrap(), mean(&accuracies));

    let each = place.done("runs --each --format csv");
    let lines: Vec<Vec<&str>> = each.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines.len(), &lines[0][..4]), (5, &["program", "options.density", "seed", "status"][..]));
    let at = lines[0].iter().position(|name| *name == "test_accuracy").unwrap();
    let of_each: Vec<f64> = lines[1..3].iter().map(|line| line[at].parse().unwrap()).collect();
    assert_eq!(of_each, accuracies);
    let names: Vec<&str> = lines[1..].iter().map(|line| *line.last().unwrap()).collect();
    assert!(folders(&place, "").iter().zip(names).all(|(folder, name)| folder.ends_with(name)), "{each}");
}

#[test]
fn rows_come_in_the_order_asked_for() {
    let place = trained();
    let densities = |words: &str| -> Vec<f64> {
        let listed = listed(&place, words);
        listed["configurations"].as_array().unwrap().iter().map(|of| of["options"]["density"].as_f64().unwrap()).collect()
    };
    assert_eq!(densities(""), [0.1, 0.2]);
    assert_eq!(densities("--reverse"), [0.2, 0.1]);
    assert_eq!(densities("--sort density --reverse"), [0.2, 0.1]);
    let message = place.refused("runs --sort accurcy", 2, "--sort: there is no column 'accurcy'");
    assert!(message.contains("did you mean 'accuracy'?"), "{message}");
    place.refused("runs --format xml", 2, "--format: unknown value 'xml'; use one of text, csv, markdown, json");
}

#[test]
fn unfinished_runs_count_as_such_and_have_no_test_accuracy() {
    let place = trained();
    let both = folders(&place, "-ERK-0.1-");
    let accuracy = numbers(&both[..1], "test_accuracy")[0];
    // One line after the first epoch is left.
    let metrics = std::fs::read_to_string(both[1].join("metrics.jsonl")).unwrap();
    let first_epoch = metrics.lines().position(|line| line.contains("\"kind\":\"epoch\"")).unwrap();
    let validation = serde_json::from_str::<Value>(metrics.lines().nth(first_epoch).unwrap()).unwrap();
    interrupt(&both[1], first_epoch + 2);
    let after: Value = serde_json::from_str(metrics.lines().nth(first_epoch + 1).unwrap()).unwrap();
    let step = after["step"].as_u64().unwrap();

    let text = place.done("runs");
    let table = rows(&text);
    let status = format!("1 interrupted, {step} of {STEPS} steps");
    assert_eq!((table[0]["seeds"].as_str(), &table[0]["status"]), ("1/2", &status));
    assert_eq!(table[0]["accuracy %"], format!("{:.2}", 100.0 * accuracy), "{text}");

    let each = listed(&place, "--each");
    let run = &each["runs"][1];
    assert_eq!((&run["status"], &run["step"], &run["steps"]), (&json!("interrupted"), &json!(step), &json!(STEPS)));
    assert_eq!((&run["test_accuracy"], &run["best_epoch"]), (&Value::Null, &json!(1)));
    assert_eq!(run["validation_accuracy"], validation["validation_accuracy"]);
    assert_eq!(listed(&place, "")["configurations"][0]["test_accuracy"], json!({"mean": accuracy, "std": null}));

    // No process is at a run whose manifest says that it runs, and an error is told.
    change(&both[1].join("manifest.json"), |manifest| manifest["status"] = json!("running"));
    assert_eq!(listed(&place, "--each")["runs"][1]["status"], "died");
    change(&both[1].join("manifest.json"), |manifest| {
        manifest["status"] = json!("failed");
        manifest["error"] = json!("disk full");
    });
    let run = &listed(&place, "--each")["runs"][1];
    assert_eq!((&run["status"], &run["error"]), (&json!("failed"), &json!("disk full")));
}

#[cfg(unix)]
#[test]
fn a_run_that_goes_on_is_told_from_one_that_died() {
    let place = Place::new();
    let words = format!("{RIGL} {SHORT} --density 0.1 --epochs 4000 --out runs");
    let mut child = place.start(&words);
    place.wait_for_lines("runs", 4);
    assert_eq!(listed(&place, "--each")["runs"][0]["status"], "running");
    common::signal(&child, "KILL");
    child.wait().unwrap();
    let run = &listed(&place, "--each")["runs"][0];
    assert_eq!((&run["status"], &run["steps"]), (&json!("died"), &json!(44_000)));
    assert!(run["step"].as_u64().unwrap() > 0, "{run}");
}

#[test]
fn damage_is_one_remark_and_copies_count_once() {
    let place = trained();
    let [a, b, c, d] = &folders(&place, "")[..] else { panic!("four runs") };
    std::fs::create_dir(place.path("runs/empty")).unwrap();
    std::fs::write(a.join("manifest.json"), "{").unwrap();
    std::fs::write(b.join("summary.json"), "no").unwrap();
    std::fs::write(c.join("config.yaml"), "density 0.2\n").unwrap();
    copy(d, &place.path("runs/z"));
    let Ran { code, out, err } = place.run("runs --each");
    assert_eq!((code, rows(&out).len()), (Some(0), 1), "{out}{err}");
    let notes: Vec<&str> = err.lines().collect();
    assert_eq!(notes.len(), 4, "{err}");
    let names = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    for (note, (run, what)) in
        notes.iter().zip([(a, "manifest.json is damaged: "), (b, "summary.json is damaged: "), (c, "config.yaml:1: ")])
    {
        assert!(note.starts_with("note: left out: ") && note.contains(&format!("{}/{what}", names(run))), "{note}");
    }
    assert_eq!(notes[3], format!("note: left out: runs/z is of the same run as runs/{}", names(d)));

    // The same folder twice is no copy.
    let run = format!("runs/{}", names(d));
    let Ran { out, err, .. } = place.run(&format!("runs {run} ./{run} --each"));
    assert_eq!((rows(&out).len(), err.as_str()), (1, ""), "{out}");
}

#[test]
fn where_there_is_no_run_that_is_an_error() {
    let place = Place::new();
    place.fails("runs", 1, &["cannot read folder runs", "--out"]);
    std::fs::create_dir(place.path("runs")).unwrap();
    let message = place.refused("runs", 1, "no run in runs");
    assert!(message.contains("--out") && message.contains("manifest.json"), "{message}");
    place.write("runs/a/manifest.json", "{");
    let message = place.refused("runs runs", 1, "no run that can be read in runs");
    assert!(message.starts_with("note: left out: runs/a/manifest.json is damaged"), "{message}");
}

/// Runs of other programs, and of versions that did not say which options decide: their summaries and options have other names.
#[test]
fn programs_and_versions_may_be_mixed() {
    let place = Place::new();
    place.done(&format!("{RIGL} {SHORT} --density 0.1 --seed 1"));
    let model = &folders(&place, "")[0];
    let other = |name: &str, options: &str, summary: Value| {
        let folder = place.path("runs").join(name);
        copy(model, &folder);
        std::fs::write(folder.join("config.yaml"), options).unwrap();
        std::fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
        change(&folder.join("manifest.json"), |manifest| {
            manifest["program"] = json!(name);
            for key in ["steps", "running_options", "contents"] {
                manifest.as_object_mut().unwrap().remove(key);
            }
        });
    };
    other(
        "er_slt",
        "data: \"digits\"\nmodel: \"mlp-64-32\"\nepochs: 4\nseed: 1\nsparsity: 0.5\nout: \"runs\"\nthreads: 3\n",
        json!({"test_accuracy": 0.5, "density_requested": 0.5, "kept_fraction": 0.49, "density": 0.48, "edges": 9, "levels": [], "best_epoch": 2}),
    );
    other(
        "er_str",
        "arch: \"mlp-64-32\"\nset: \"digits\"\nepochs: 4\nseed: 1\nout: \"elsewhere\"\n",
        json!({"test_accuracy": 0.25, "density": 0.125, "mask_density_requested": 0.5, "edges": 7, "best_epoch": 1}),
    );
    let text = place.done("runs");
    assert!(text.starts_with("er_dst, er_slt, er_str; model mlp-64-32, data digits; 3 runs of 3 configurations\n"), "{text}");
    let rows = rows(&text);
    let programs: Vec<&str> = rows.iter().map(|row| row["program"].as_str()).collect();
    assert_eq!(programs, ["er_dst", "er_slt", "er_str"]);
    for option in ["out", "threads", "set", "arch", "sparsity"] {
        assert!(!rows[0].contains_key(option), "{text}");
    }
    let of = |i: usize| ["accuracy %", "requested", "achieved", "edges"].map(|name| rows[i][name].as_str());
    assert_eq!(of(1), ["50.00", "0.5", "0.490000", "9"]);
    assert_eq!(of(2), ["25.00", "–", "0.125000", "7"]);
}

/// What runs were chosen by is an option like others.
#[test]
fn runs_chosen_on_the_test_set_show() {
    let place = Place::new();
    for select in ["validation", "test"] {
        place.done(&format!("{RIGL} {SHORT} --density 0.1 --seed 1 --select-on {select}"));
    }
    let mut chosen: Vec<String> = rows(&place.done("runs")).iter().map(|row| row["select-on"].clone()).collect();
    chosen.sort();
    assert_eq!(chosen, ["test", "validation"]);
}
