//! The configurations of the project.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Every file, by name.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/er_dst");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn stem(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}

/// What a file and more options ask for.
fn shown(file: &Path, more: &[&str]) -> Value {
    crate::common::shown(&format!("--config {} {}", file.display(), more.join(" ")))
}

#[test]
fn every_file_resolves_and_is_what_its_name_says() {
    let files = files();
    assert!(files.len() > 50, "{}", files.len());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.starts_with("# ") && text.lines().all(|l| l.len() < 140), "{}", file.display());
        let shown = shown(file, &[]);
        has_its_method(stem(file), &shown);
        has_its_numbers(stem(file), &shown);
    }
}

/// Comments name other densities and longer trainings as options that may be added.
#[test]
fn the_options_that_comments_propose_resolve() {
    let mut tried = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut more = Vec::new();
        if let Some(line) = text.lines().find_map(|l| l.strip_prefix("# Other densities: ")) {
            more.extend(line.split([',', ';']).next().unwrap().split(' '));
        }
        if text.contains("--multiplier") {
            more.extend(["--multiplier", "2"]);
        }
        if !more.is_empty() {
            let shown = shown(&file, &more);
            for pair in more.chunks(2) {
                let stored = &shown["options"][pair[0].trim_start_matches("--")];
                assert_eq!(stored.as_f64(), pair[1].parse().ok(), "{}: {more:?}", file.display());
            }
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
}

/// Names are source, data, network, method and masks.
fn has_its_method(name: &str, shown: &Value) {
    let networks = ["-wrn22-", "-resnet50-", "-lenet300-"];
    let Some((_, after)) = networks.into_iter().find_map(|network| name.split_once(network)) else { return };
    let method = after.trim_end_matches("-erk").trim_end_matches("-random").trim_end_matches("-uniform");
    let stored = shown["options"]["method"].as_str().unwrap().to_lowercase().replace('_', "-");
    // Where pruning goes layer by layer, it is GMP_uniform; where a width is given, the network is dense.
    let same = match method {
        "pruning" => ["pruning", "gmp-uniform"].contains(&stored.as_str()),
        "small-dense" => ["small-dense", "dense"].contains(&stored.as_str()),
        _ => stored == method,
    };
    assert!(same, "{name}: {stored}");
}

/// Numbers of the recipes: weights of the networks, edges of the masks, steps.
fn has_its_numbers(name: &str, shown: &Value) {
    let (model, options) = (&shown["model"], &shown["options"]);
    let is = |option: &str, value: f64| {
        assert_eq!(options[option].as_f64(), Some(value), "{name}: {option}");
    };
    let weights = model["weights"].as_u64().unwrap();
    if name.starts_with("reproducibility-") {
        for (option, value) in [("batch-size", 128.0), ("epochs", 250.0), ("valid-split", 0.1), ("lr", 0.1), ("lr-gamma", 0.2)] {
            is(option, value);
        }
        // Where edges move, they do so until step 65,918.
        if !["static", "dense"].iter().any(|m| name.contains(m)) {
            is("t-end", 65_918.0);
        }
    }
    match name {
        // Channels 7, 14, 28, 57 instead of 16, 32, 64, 128.
        "reproducibility-cifar10-wrn22-small-dense" => {
            assert_eq!((weights, shown["layers"][0]["shape"][0].as_u64()), (211_924, Some(7)));
        }
        "reproducibility-cifar10-wrn22-dense" => assert_eq!(weights, 1_076_912),
        "reproducibility-cifar100-resnet50-dense" => assert_eq!(model["parameters"], 23_705_252),
        "rigl-imagenet-resnet50-dense" => assert_eq!(model["parameters"], 25_557_032),
        "rigl-mnist-lenet300-rigl" => assert_eq!((weights, shown["edges"].as_u64()), (266_200, Some(9_244))),
        // Of the layers that are pruned.
        "rigl-mnist-lenet300-pruning" => {
            assert!((options["final-density"].as_f64().unwrap() * 265_200.0 - 8_244.0).abs() < 1e-6);
        }
        _ => (),
    }
}
