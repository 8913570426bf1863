//! Runs on the built-in digits: results, repetition, resumption.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{Place, Ran, json, same, signal};

/// A run of a second or so: 20 epochs of 11 steps, with checkpoints within the epochs.
const SMALL: &str =
    "--sparse --fix --density 0.2 --model mlp-64-32 --epochs 20 --log-interval 4 --checkpoint-interval 3 --threads 2";

#[test]
fn a_run_learns_and_explains_itself() {
    let place = Place::new();
    let message = place.done(&format!("{SMALL} --quiet"));
    let run = place.only_run("runs");
    let name = run.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("er_wlt-mlp-64-32-digits-ERK-0.2-epochs20-s17-"), "{name}");
    assert!(message.contains(name) && message.starts_with("test accuracy "), "{message}");

    let summary = json(&run.join("summary.json"));
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.85, "{summary}");
    assert_eq!((summary["steps"].as_u64(), summary["epochs"].as_u64()), (Some(220), Some(20)));
    let (edges, weights) = (summary["edges"].as_f64().unwrap(), summary["weights"].as_f64().unwrap());
    assert!((summary["density"].as_f64().unwrap() - edges / weights).abs() < 1e-12);
    // Bernoulli masks: the number of edges is within five standard deviations of its mean.
    assert!((edges - 0.2 * weights).abs() < 5.0 * (0.2 * weights).sqrt(), "{edges} of {weights}");
    for key in ["density_requested", "median_step_seconds", "images_per_second", "validation_accuracy", "best_epoch"] {
        assert!(summary[key].as_f64().unwrap() > 0.0, "{key}: {summary}");
    }
    for set in ["test", "validation"] {
        let [top1, top5] = ["", "_top5"].map(|which| summary[format!("{set}_accuracy{which}")].as_f64().unwrap());
        assert!(top1 < top5 && (0.9..=1.0).contains(&top5), "{set}: {summary}");
    }

    let manifest = json(&run.join("manifest.json"));
    assert_eq!((manifest["status"].as_str(), manifest["device"]["threads"].as_u64()), (Some("finished"), Some(2)));
    assert_eq!(manifest["device"]["engine"], "sparse");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 1 + 220 / 4 + 20);
    assert!(!metrics.contains("second"), "no clock values among the metrics");
    let lines = metrics.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let epochs: Vec<_> = lines.filter(|l| l["kind"] == "epoch").collect();
    for (line, set) in epochs.iter().flat_map(|line| ["train", "validation"].map(|set| (line, set))) {
        let [top1, top5] = ["", "_top5"].map(|which| line[format!("{set}_accuracy{which}")].as_f64().unwrap());
        assert!(top1 <= top5 && top5 <= 1.0, "{set}: {line}");
    }
    let best = &epochs[summary["best_epoch"].as_u64().unwrap() as usize - 1];
    assert_eq!(summary["validation_accuracy_top5"], best["validation_accuracy_top5"]);
    assert_eq!(std::fs::read_to_string(run.join("timing.jsonl")).unwrap().lines().count(), 1 + 20);

    // The same command, and its own configuration, find the finished run.
    let again = place.done(SMALL);
    assert!(again.starts_with("already finished: ") && again.contains(name), "{again}");
    let config = run.join("config.yaml");
    let from_file = place.done(&format!("--config {}", config.display()));
    assert_eq!(from_file, again);
}

#[test]
fn threads_and_folders_do_not_change_a_run() {
    let place = Place::new();
    place.done(&format!("{SMALL} --quiet --out a"));
    place.done(&format!("{SMALL} --quiet --out b --save other --max-threads 1 --checkpoint-interval 1000"));
    same(&place.only_run("a"), &place.only_run("b"));
    assert!(place.only_run("b").file_name().unwrap().to_str().unwrap().starts_with("other-"));
}

#[cfg(unix)]
#[test]
fn interrupted_and_killed_runs_go_on_bit_for_bit() {
    let place = Place::new();
    // A line of metrics each step and a checkpoint every seventh: almost every death leaves lines to take back.
    let words = |out: &str| format!("{SMALL} --epochs 150 --log-interval 1 --checkpoint-interval 7 --out {out} --quiet");
    let [whole, broken] = place.goes_on(words, &[("INT", 30), ("TERM", 200), ("KILL", 400), ("KILL", 600)]);
    same(&whole, &broken);
    assert!(json(&broken.join("manifest.json"))["resumed"].is_string());
}

#[cfg(unix)]
#[test]
fn repetitions_stop_between_runs_too() {
    let place = Place::new();
    // Runs of one step end before they can be interrupted.
    let child = place.start("--model mlp-4 --max-steps 1 --iters 100000 --quiet");
    let until = Instant::now() + Duration::from_secs(30);
    while std::fs::read_dir(place.path("runs")).map_or(0, Iterator::count) < 3 {
        assert!(Instant::now() < until);
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "INT");
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert!(ran.err.contains("of 100000 runs; the same command goes on"), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn a_run_in_progress_is_left_alone() {
    let place = Place::new();
    let words = format!("{SMALL} --epochs 100000 --quiet");
    let mut child = place.start(&words);
    place.wait_for_lines("runs", 3);
    place.fails(&words, 1, &["is in use by another process", "runs/er_wlt-"]);
    signal(&child, "USR1");
    assert_eq!(child.wait().unwrap().code(), Some(75));
}

#[test]
fn several_seeds_give_a_mean() {
    let place = Place::new();
    let words = "--sparse --fix --density 0.2 --model mlp-16 --epochs 2 --iters 3 --seed 4 --quiet";
    let message = place.done(words);
    assert!(message.contains("mean and standard deviation of 3 seeds"), "{message}");
    let files: Vec<PathBuf> = std::fs::read_dir(place.path("runs")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.iter().filter(|p| p.is_dir()).count(), 3, "{files:?}");
    let table = json(files.iter().find(|p| p.extension().is_some_and(|e| e == "json")).unwrap());
    assert_eq!(table["seeds"], serde_json::json!([4, 5, 6]));
    let values: Vec<f64> = table["test_accuracy"]["values"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert!((table["test_accuracy"]["mean"].as_f64().unwrap() - mean).abs() < 1e-12);
    assert!((table["test_accuracy"]["std"].as_f64().unwrap() - std).abs() < 1e-12);
    // A single run with one of the seeds is one of these runs.
    assert!(place.done(&words.replace("--iters 3 --seed 4", "--seed 5")).starts_with("already finished"));
}

#[test]
fn a_checkpoint_of_another_run_can_be_the_beginning() {
    let place = Place::new();
    let words = "--sparse --fix --density 0.2 --model mlp-16 --quiet --lr-policy constant";
    place.done(&format!("{words} --epochs 3 --out short"));
    place.done(&format!("{words} --epochs 6 --out long"));
    let last = place.only_run("short").join("checkpoints/last.safetensors");
    place.done(&format!("{words} --epochs 6 --out on --resume {}", last.display()));
    let (long, on) = (place.only_run("long"), place.only_run("on"));
    let epochs = |run: &Path| -> Vec<String> {
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let lines = metrics.lines().filter(|l| l.contains("\"kind\":\"epoch\""));
        lines.map(|l| l.split(",\"best_epoch\"").next().unwrap().to_owned()).collect()
    };
    assert_eq!(epochs(&on), epochs(&long)[3..]);
    place.done(&format!("{words} --epochs 6 --out from2 --start-epoch 2 --resume {}", last.display()));
    assert_eq!(epochs(&place.only_run("from2")).len(), 5);
    // Masks that are not full do not fit a run without masks.
    let dense = format!("--model mlp-16 --epochs 6 --out dense --resume {}", last.display());
    place.fails(&dense, 1, &["this run is dense"]);
}

#[test]
fn dense_layers_are_outside_the_density() {
    let place = Place::new();
    let words = "--sparse --fix --sampling exact --density 0.5 --dense-layers last --model mlp-64-32 --max-steps 1 --quiet";
    let message = place.done(words);
    assert!(message.contains("achieved in the masked layers ("), "{message}");
    let summary = json(&place.only_run("runs").join("summary.json"));
    let count = |key: &str| summary[key].as_f64().unwrap();
    // 64·64 + 32·64 weights are masked, 10·32 are not.
    assert_eq!((count("weights"), count("density")), (6464.0, (count("edges") - 320.0) / 6144.0));
    assert!((count("density") - 0.5).abs() < 1e-3, "{summary}");
}

#[test]
fn without_fix_edges_die_and_grow() {
    let place = Place::new();
    let words = "--sparse --density 0.2 --model mlp-64-32 --epochs 4 --update-frequency 5 --quiet";
    place.done(words);
    let run = place.only_run("runs");
    assert!(
        run.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("er_wlt-mlp-64-32-digits-ERK-0.2-moving-epochs4-update-frequency5-s17-"),
        "{run:?}"
    );
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let updates: Vec<_> = lines.filter(|l| l["kind"] == "update").collect();
    let summary = json(&run.join("summary.json"));
    // To the end of the 44 steps, with the edges that there were.
    assert_eq!((updates.len(), summary["updates"].as_u64()), (8, Some(8)));
    assert!(updates.iter().all(|u| u["edges"] == summary["edges"] && u["grown"].as_u64() > Some(0)), "{updates:?}");
    // Random edges need no gradients of other weights.
    assert_eq!(summary["training_flops_ratio"].as_f64(), summary["density"].as_f64());
    // With --fix it is another run.
    place.done(&format!("{words} --fix").replace(" --update-frequency 5", ""));
    assert_eq!(std::fs::read_dir(place.path("runs")).unwrap().count(), 2);
}

#[test]
fn max_steps_ends_a_run_early() {
    let place = Place::new();
    place.done("--model mlp-16 --max-steps 7 --quiet");
    let run = place.only_run("runs");
    assert!(run.file_name().unwrap().to_str().unwrap().starts_with("er_wlt-mlp-16-digits-dense-max-steps7-s17-"), "{run:?}");
    let summary = json(&run.join("summary.json"));
    assert_eq!((summary["steps"].as_u64(), summary["density"].as_f64()), (Some(7), Some(1.0)));
    let config = std::fs::read_to_string(run.join("config.yaml")).unwrap();
    assert!(!config.contains("sparse-init") && !config.contains("growth"), "{config}");
    assert!(place.done(&format!("--config {}", run.join("config.yaml").display())).starts_with("already finished"));
}
