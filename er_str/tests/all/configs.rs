//! The configurations of the project.

use std::path::{Path, PathBuf};

use crate::common::Place;
use crate::trained::Run;
use serde_json::{Map, Value, json};

/// File, network and its weights, what layers do, weight decay, what else only this file says.
const IMAGENET: [(&str, &str, u64, &str, f64, &str); 6] = [
    ("mobilenetv1-dense", "mobilenet-v1-str", 4_209_088, "DenseConv", 3.051_757_813e-5, r#"{"name": "baseline"}"#),
    (
        "mobilenetv1-str",
        "mobilenet-v1-str",
        4_209_088,
        "STRConv",
        3.751_757_813e-5,
        r#"{"name": "MobileNetV1_89.01", "sInit-value": -12800.0, "sparse-function": "sigmoid"}"#,
    ),
    ("resnet50-dense", "resnet50-str", 25_502_912, "DenseConv", 3.051_757_812_5e-5, r#"{"name": "baseline"}"#),
    (
        "resnet50-str",
        "resnet50-str",
        25_502_912,
        "STRConv",
        2.251_757_813e-5,
        r#"{"name": "STR_90.23", "sInit-value": -3200.0, "sparse-function": "sigmoid"}"#,
    ),
    ("resnet50-dnw", "resnet50-str", 25_502_912, "DNWConv", 3.051_757_813e-5, r#"{"name": "DNW_90", "prune-rate": 0.9}"#),
    (
        "resnet50-gmp",
        "resnet50-str",
        25_502_912,
        "GMPConv",
        3.051_757_813e-5,
        r#"{"name": "GMP_90", "prune-rate": 0.9, "init-prune-epoch": 20, "final-prune-epoch": 79}"#,
    ),
];

/// Method of files 1 to 5, the word for it in the run's name, and the density of its mask in ResNet-18 and ResNet-50.
const METHODS: [(&str, &str, [f64; 2]); 5] = [
    ("ERK", "ERK", [0.3, 0.3]),
    ("uniform", "uniform", [0.3, 0.3]),
    ("balanced", "balanced", [0.19, 0.224]),
    ("pyramid", "pyramidal", [0.3, 0.3]),
    ("str-induced-er", "str_induced", [0.3, 0.3]),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/er_str")
}

/// What a file resolves to, without a word about it.
fn shown(place: &Place, stem: &str, more: &str) -> Value {
    let ran = place.run(&format!("show --config {} {more} --format json", folder().join(format!("{stem}.yaml")).display()));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{stem}");
    serde_json::from_str(&ran.out).unwrap()
}

/// All of these options are as they should be.
fn has(shown: &Value, stem: &str, options: &str) {
    let options: Map<String, Value> = serde_json::from_str(options).unwrap();
    for (option, value) in options {
        assert_eq!(shown["options"][&option], value, "{stem}: {option}");
    }
}

fn is_network(shown: &Value, stem: &str, name: &str, weights: u64) {
    assert_eq!([&shown["model"]["name"], &shown["model"]["weights"]], [&json!(name), &json!(weights)], "{stem}");
}

/// A file as a run that left out this part of each layer of a network would have written it.
fn sparsities(place: &Place, shown: &Value) -> String {
    let layer = |of: &Value| (of["name"].as_str().unwrap().trim_end_matches(".weight").to_owned(), json!(80.0));
    let mut layers: Map<String, Value> = shown["layers"].as_array().unwrap().iter().map(layer).collect();
    layers.insert("total".to_owned(), json!(80.0));
    place.write("STR.json", Value::Object(layers).to_string()).display().to_string()
}

#[test]
fn published_imagenet_runs() {
    let place = Place::new();
    for (stem, network, weights, conv_type, decay, more) in IMAGENET {
        let shown = shown(&place, stem, "");
        is_network(&shown, stem, network, weights);
        has(&shown, stem, more);
        assert_eq!(
            [&shown["options"]["conv-type"], &shown["options"]["weight-decay"]],
            [&json!(conv_type), &json!(decay)],
            "{stem}"
        );
        let common = r#"{"set": "imagenet", "lr": 0.256, "lr-policy": "cosine", "warmup-length": 5, "epochs": 100, "momentum": 0.875,
            "batch-size": 256, "label-smoothing": 0.1, "optimizer": "sgd", "nesterov": false, "init": "kaiming_normal",
            "mode": "fan_in", "nonlinearity": "relu"}"#;
        has(&shown, stem, common);
    }
}

#[test]
fn published_cifar_runs() {
    let place = Place::new();
    for (i, (stem, set, network, weights, names)) in [
        ("resnet18-cifar", "cifar10", "resnet18-str", 11_164_352, ["cifar_0.3_ER_", "_STR_2"]),
        ("resnet50-cifar100", "cifar100", "resnet50-str", 23_652_032, ["cifar100_0.3_ER_", "_STR"]),
    ]
    .into_iter()
    .enumerate()
    {
        for (number, (method, word, densities)) in (1..).zip(METHODS) {
            let stem = format!("{stem}-str-{number}");
            let more = if method == "str-induced-er" {
                let first = shown(&place, &stem.replace("-5", "-1"), "");
                format!("--er-sparsity-file {}", sparsities(&place, &first))
            } else {
                String::new()
            };
            let shown = shown(&place, &stem, &more);
            is_network(&shown, &stem, network, weights);
            let name = format!("{}{word}{}", names[0], names[1]);
            let message = json!({"set": set, "er-sparse-method": method, "name": name}).to_string();
            has(&shown, &stem, &message);
            let common = r#"{"lr": 0.1, "lr-policy": "cosine", "warmup-length": 5, "epochs": 100, "weight-decay": 0.001,
                "momentum": 0.9, "batch-size": 256, "label-smoothing": 0.1, "er-sparse-init": 0.3, "conv-type": "STRConvER",
                "sparse-function": "sigmoid", "sInit-value": -200.0, "init": "kaiming_normal", "mode": "fan_in",
                "nonlinearity": "relu", "optimizer": "sgd", "nesterov": false}"#;
            has(&shown, &stem, common);
            let density = shown["density"].as_f64().unwrap();
            assert!((density - densities[i]).abs() < 0.001, "{stem}: {density}");
        }
    }
}

#[test]
fn sparsities_that_were_never_published_are_missed() {
    for stem in ["resnet18-cifar-str-5", "resnet50-cifar100-str-5"] {
        let words = format!("show --config {}", folder().join(format!("{stem}.yaml")).display());
        Place::new().fails(&words, 1, &["cannot read ", ".json: No such file", "which a run of soft thresholds writes"]);
    }
}

#[test]
fn the_later_run() {
    let stem = "resnet18-cifar100-str-1";
    let shown = shown(&Place::new(), stem, "");
    is_network(&shown, stem, "resnet18-str", 11_210_432);
    let options = r#"{"set": "cifar100", "lr": 0.1, "lr-min": 0.01, "lr-policy": "cosine", "warmup-length": 0, "epochs": 160, "weight-decay": 0.001,
        "momentum": 0.9, "batch-size": 256, "label-smoothing": 0.0, "conv-type": "ConvMask", "er-sparse-method": "none"}"#;
    has(&shown, stem, options);
    assert_eq!(shown["density"], 1.0);
}

#[test]
fn every_file_is_tested() {
    let mut found: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let mut known: Vec<String> = ["digits", "fashion-resnet20", "resnet18-cifar100-str-1"].map(str::to_owned).into();
    // In `pruning/published.rs`.
    known.extend(["digits-imp", "resnet18-cifar-imp"].map(str::to_owned));
    known.extend(IMAGENET.iter().map(|(stem, ..)| (*stem).to_owned()));
    known.extend(["resnet18-cifar", "resnet50-cifar100"].iter().flat_map(|net| (1..=5).map(move |i| format!("{net}-str-{i}"))));
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn fashion_mnist() {
    let stem = "fashion-resnet20";
    let shown = shown(&Place::new(), stem, "");
    let options = r#"{"set": "fashion_mnist", "arch": "resnet20-x0.5", "conv-type": "STRConvER", "er-sparse-init": 0.3,
        "er-sparse-method": "ERK", "epochs": 6, "warmup-length": 1, "lr-policy": "cosine", "batch-size": 128,
        "weight-decay": 0.001, "sInit-value": -5.0, "settle": 40}"#;
    has(&shown, stem, options);
}

#[test]
fn digits_learn_and_lose_edges() {
    let place = Place::new();
    let run = Run::of(&place, &format!("--config {} --quiet --threads 2", folder().join("digits.yaml").display()));
    let [density, mask, accuracy] = ["density", "mask_density", "test_accuracy"].map(|key| run.number(key));
    assert!(density > 0.05 && density < 0.2 && (mask - 0.3).abs() < 0.01, "{density} of {mask}");
    assert!(accuracy > 0.97, "{accuracy}");
}
