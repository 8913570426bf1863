//! Interruptions and threads change nothing, whatever a rule remembers between updates.

use std::path::Path;

use crate::common::{Place, json, same};

/// Whether a checkpoint holds this of the layers that can move.
fn holds(checkpoint: &Path, what: &str) -> bool {
    let bytes = std::fs::read(checkpoint).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    std::str::from_utf8(&bytes[8..8 + length]).unwrap().contains(&format!("\"method.{what}.fc1.weight\""))
}

/// Kills a run again and again, at least three times and until its last checkpoint held each of these tensors; then lets it end.
fn killed(words: &str, tensors: &[&str]) {
    let place = Place::new();
    let words = |out: &str| {
        format!("{words} --model mlp-64-32 --batch-size 128 --log-interval 1 --save-masks 7 --out {out} --quiet --threads 2")
    };
    place.done(&words("whole"));
    let (mut kills, mut missing) = (0, tensors.to_vec());
    while kills < 3 || !missing.is_empty() {
        kills += 1;
        let run = place.broken_off(&words("broken"), "broken", "KILL", 35 * kills);
        missing.retain(|tensor| !holds(&run.join("checkpoints/last.safetensors"), tensor));
    }
    assert!(place.done(&words("broken")).starts_with("test accuracy"));
    same(&place.only_run("whole"), &place.only_run("broken"));
}

#[test]
fn killed_between_batches_that_gather_a_gradient() {
    let rigl = "--method RigL --density 0.1 --epochs 40 --update-frequency 4 --grad-accumulation-n 3 --t-end-fraction 1";
    killed(&format!("{rigl} --checkpoint-interval 1"), &["gradient", "ever"]);
}

#[test]
fn killed_with_velocities_of_all_weights() {
    killed("--method SNFS --density 0.1 --epochs 40 --update-frequency 7 --checkpoint-interval 3", &["momentum.0", "ever"]);
    let adam = "--optimizer adam --lr 0.01 --growth momentum_neuron --redistribution momentum";
    killed(&format!("--method RigL {adam} --epochs 40 --update-frequency 7 --checkpoint-interval 3"), &["momentum.1"]);
}

#[test]
fn killed_before_and_after_the_best_epoch_is_forgotten() {
    killed("--method GraNet --epochs 40 --final-prune-epoch 5 --update-frequency 6 --checkpoint-interval 4", &[]);
    killed("--method GMP --epochs 40 --final-prune-epoch 7 --update-frequency 6 --checkpoint-interval 4", &[]);
}

#[test]
fn killed_with_weights_that_are_hidden() {
    let words = "--method Top-KAST --density 0.1 --backward-density 0.3 --epochs 40 --update-frequency 6 --checkpoint-interval 4";
    killed(words, &["theta", "backward", "velocity.0"]);
    killed(&format!("{words} --optimizer adam --lr 0.01"), &["velocity.1"]);
}

#[test]
fn random_growth_needs_no_memory_of_its_generator() {
    killed("--method SET --growth random_unfired --density 0.1 --epochs 40 --update-frequency 3 --checkpoint-interval 5", &[]);
}

#[test]
fn threads_do_not_change_a_run() {
    let place = Place::new();
    for method in [
        "RigL --grad-accumulation-n 2",
        "SNFS --flow-at-updates",
        "SET --grow-init random_normal",
        "GraNet --prune SynFlow",
        "RigL-SG --death threshold",
    ] {
        let folders = [1, 2].map(|threads| {
            let out = format!("{}-{threads}", method.split(' ').next().unwrap());
            let words = "--model digits --density 0.2 --epochs 1 --update-frequency 3 --log-interval 1 --quiet";
            place.done(&format!("--method {method} {words} --threads {threads} --out {out}"));
            place.only_run(&out)
        });
        same(&folders[0], &folders[1]);
    }
}

#[test]
fn checkpoints_of_other_methods_can_be_the_beginning() {
    let place = Place::new();
    let words = "--model mlp-64-32 --epochs 4 --update-frequency 5 --density 0.1 --quiet";
    place.done("--method static --model mlp-64-32 --epochs 1 --density 0.1 --quiet --out first");
    let last = place.only_run("first").join("checkpoints/last.safetensors");
    place.done(&format!("--method RigL {words} --resume {} --out second", last.display()));
    let summary = json(&place.only_run("second").join("summary.json"));
    assert_eq!(summary["edges"], json(&place.only_run("first").join("summary.json"))["edges"]);
    assert!(summary["updates"].as_u64() > Some(2), "{summary}");
    let dense = format!("--method dense --model mlp-64-32 --epochs 4 --quiet --resume {}", last.display());
    place.fails(&dense, 1, &["this run is dense"]);
}
