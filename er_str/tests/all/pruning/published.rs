//! The published script's command, and configurations.

use std::path::Path;

use serde_json::json;

use crate::common::Place;

/// The published configuration that the script names.
const PUBLISHED: &str = "set: cifar10\noptimizer: sgd\nlr: 0.1\nlr_policy: cosine_lr\nwarmup_length: 0\nepochs: 160\n\
                         weight_decay: 0.0001\nmomentum: 0.9\nbatch_size: 256\nfinal_prune_epoch: 30\ner_sparse_method: none\n\
                         er_sparse_init: 1\nconv_type: ConvMask\nbn_type: LearnedBatchNorm\ninit: kaiming_normal\nmode: fan_in\n\
                         nonlinearity: relu\nsparse_function: sigmoid\nsInit_value: -200\nworkers: 4\n";

/// What the script runs, as numpy prints the densities.
fn command() -> String {
    let densities: Vec<String> = (1..=15).map(|j| (0.3 * 0.8_f64.powi(j)).to_string()).collect();
    let densities = densities.join(" ");
    format!(
        "--seed 1 --resnet-type large --config published.yaml --threshold-list {densities} --multigpu 0 --pruner mag \
         --reset-weights --er-sparse-method balanced --er-sparse-init 0.3 --name cifar-imp-er-balanced-0.3-0.01 \
         --final_prune_epoch 150 --result-dir results --warmup-epochs 0 --prune-scheduler cosine --lr 0.1"
    )
}

const TOLD: &str = "15 levels of 150 epochs, then pruned (mag) to 0.24, 0.192, 0.1536, 0.12288, 0.098304, 0.0786432, ";

#[test]
fn the_published_command_resolves() {
    let place = Place::new();
    place.write("published.yaml", PUBLISHED);
    let text = place.done(&format!("show {}", command()));
    for line in [TOLD, "reset after each pruning: weights, biases, scales and shifts, and the optimiser\n"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("warm-up"), "{text}");
    let shown = place.shown(&command());
    assert_eq!((&shown["model"]["name"], &shown["model"]["weights"]), (&json!("resnet18-str"), &json!(11_164_352)));
    let options = &shown["options"];
    let densities: Vec<f64> = options["threshold-list"].as_array().unwrap().iter().map(|d| d.as_f64().unwrap()).collect();
    assert_eq!(densities.len(), 15);
    for (j, density) in (1..).zip(densities) {
        assert!((density - 0.3 * 0.8_f64.powi(j)).abs() < 1e-15, "level {j}: {density}");
    }
    for (option, value) in [
        ("final-prune-epoch", json!(150)),
        ("epochs", json!(160)),
        ("er-sparse-init", json!(0.3)),
        ("lr-min", json!(0.01)),
        ("warmup-epochs", json!(0)),
        ("lr-policy", json!("cosine")),
        ("reset-weights", json!(true)),
    ] {
        assert_eq!(options[option], value, "{option}");
    }
    place.runs_again(&command());
}

fn configuration(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/er_str").join(name).display().to_string()
}

/// The configuration here is the published one, but for how the last digits of densities are written.
#[test]
fn the_configuration_is_the_published_command() {
    let place = Place::new();
    place.write("published.yaml", PUBLISHED);
    let own = format!("--config {} --seed 1", configuration("resnet18-cifar-imp.yaml"));
    let [mut own, mut published] = [own, command()].map(|words| place.shown(&words)["options"].take());
    for options in [&mut own, &mut published] {
        for density in options["threshold-list"].as_array_mut().unwrap() {
            *density = json!(format!("{:.12}", density.as_f64().unwrap()));
        }
    }
    assert_eq!(own, published);
}

#[test]
fn the_configuration_of_the_digits_trains() {
    let place = Place::new();
    let run = place.trained(&format!("--config {} --quiet --epochs 2 --final-prune-epoch 1", configuration("digits-imp.yaml")));
    let levels: Vec<f64> = super::lines(&run, "pruned").iter().map(|line| line["density_target"].as_f64().unwrap()).collect();
    assert_eq!(levels, [0.4, 0.3, 0.2, 0.1, 0.05]);
    assert!(super::lines(&run, "pruned").iter().all(|line| line["pruned"].as_u64() > Some(0)), "each level prunes");
    assert!(super::summary(&run)["test_accuracy"].as_f64().unwrap() > 0.8);
}

#[test]
fn what_is_shown_runs_again() {
    let place = Place::new();
    for words in [
        "--pruner random-balanced --threshold-list 0.5,0.2 --prune-scheduler step --prune-dead",
        "--pruner synflow --prune-scheduler constant --lr-policy constant_lr --reset-only-bn",
    ] {
        place.runs_again(&format!("--set digits --conv-type ConvMask --er-sparse-method none {words}"));
    }
}
