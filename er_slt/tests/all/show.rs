//! `show`: the published command, and what options mean.

use crate::common::{Place, shown};
use serde_json::{Value, json};

const PAPER: &str = "--data cifar10 --model Resnet18 --save-model --er-init-density 0.5 --save_file runs-strong-tick-anneal-lr-0.1-2 --sparsity 0.2 \
                     --anneal False --initBias kn-zero-bias --epochs 100 --levels 5 --lr 0.1 --seed 2";

/// A ticket of a small network.
fn ticket(place: &Place) -> String {
    place.done("--data digits --model mlp-8 --levels 1 --epochs 1 --sparsity 0.2 --quiet --out first");
    place.only_run("first").join("tickets/level-1.safetensors").display().to_string()
}

#[test]
fn the_published_command() {
    let shown = shown(PAPER);
    let (model, options) = (&shown["model"], shown["options"].as_object().unwrap());
    assert_eq!((&model["name"], &model["weights"]), (&json!("resnet18-slt"), &json!(11_164_352)));
    assert_eq!(model["parameters"], 11_169_162);
    let expected = r#"{
        "sparsity": 0.2, "er-init-density": 0.5, "er-method": "uniform", "er-mask-bias": true, "levels": 5, "anneal": false,
        "init-bias": "kn-zero-bias", "scale-fan": false, "score-init": "kaiming-uniform", "scaling": false,
        "load-model": false, "sampling": "bernoulli", "flow-preservation": false, "optimizer": "sgd", "lr": 0.1, "lr-policy": "step",
        "lr-step-epochs": 30, "lr-gamma": 0.1, "warmup-epochs": 0, "l2": 0.0005, "momentum": 0.9, "nesterov": false, "epochs": 100,
        "batch-size": 128, "test-batch-size": 1000, "valid-split": 0.1, "data": "cifar10", "model": "resnet18", "seed": 2, "settle": 0,
        "select-on": "validation", "input": "3x32x32", "classes": 10, "augment": false, "normalise": "half", "label-smoothing": 0.0,
        "multiplier": 1, "engine": "sparse", "device": "cpu",
        "log-interval": 100, "checkpoint-interval": 1000, "out": "runs-strong-tick-anneal-lr-0.1-2", "quiet": false
    }"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    assert_eq!(options, expected.as_object().unwrap());
    assert_eq!(
        shown["method"],
        json!([
            "edge-popup: frozen values (kn-zero-bias), scores (kaiming-uniform) are trained; the largest |score| of each layer are used",
            "allowed: the edges above, and biases drawn with the same densities",
            "kept (--sparsity): 0.2 of all weights and biases of each layer, if so many are allowed; 5 levels of 100 epochs",
            // log2(2232870 / 0.01), since half of the candidates for an edge exist.
            "theory: random masks of density 0.5 hold every target of 2232870 weights, as many as are kept, with probability 0.99 if they \
             are ρ = 27.7 times as wide",
        ])
    );
    // A default that changes this number orphans every run folder made before: it should be deliberate. A new option changes none.
    assert_eq!(shown["config_hash"].as_str().unwrap()[..8], *"13ab5b44");
    let layers = shown["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 21);
    for layer in layers {
        let (weights, edges) = (layer["weights"].as_f64().unwrap(), layer["edges"].as_f64().unwrap());
        assert!((edges - 0.5 * weights).abs() < 2.5 * weights.sqrt(), "{layer}");
    }
}

#[test]
fn annealed_as_the_published_program_did() {
    let small = PAPER.replace("--anneal False", "--anneal").replace("--model Resnet18", "--data digits --model mlp-8");
    let shown = shown(&small);
    let kept = "kept (--sparsity): 0.481645, 0.386636, 0.310369, 0.249146, 0.2 of all weights and biases of each layer, if so many are allowed; \
                5 levels of 100 epochs";
    assert_eq!(shown["method"][2], kept);
    assert_eq!(shown["options"]["sparsity-start"], 0.6);
}

#[test]
fn theory_is_told_of_uniform_random_masks_only() {
    let theory = |words: &str| {
        let shown = shown(&format!("--data digits --model mlp-8 --sparsity 0.1 {words}"));
        shown["method"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().starts_with("theory: "))
    };
    assert!(theory("") && theory("--er-init-density 0.2"));
    assert!(!theory("--er-method ERK") && !theory("--er-init-density 1"));
}

#[test]
fn published_defaults() {
    // But for the data, and the kept fraction: the published one keeps all that is allowed.
    let shown = shown("--data cifar10");
    let options = &shown["options"];
    for (option, value) in [
        ("model", json!("vgg16")),
        ("data", json!("cifar10")),
        ("sparsity", json!(0.2)),
        ("er-init-density", json!(0.5)),
        ("levels", json!(10)),
        ("epochs", json!(10)),
        ("anneal", json!(false)),
        ("lr", json!(0.01)),
        ("batch-size", json!(128)),
        ("test-batch-size", json!(1000)),
        ("momentum", json!(0.9)),
        ("l2", json!(5e-4)),
        ("seed", json!(1)),
    ] {
        assert_eq!(options[option], value, "{option}");
    }
    assert_eq!((&shown["model"]["name"], &shown["model"]["parameters"]), (&json!("vgg16-slt"), &json!(14_719_818)));
}

#[test]
fn every_published_option_is_understood() {
    for (typed, option, value) in [
        ("--model Resnet18", "model", json!("resnet18")),
        ("--model VGG16 --dataset cifar10", "model", json!("vgg16")),
        ("--dataset CIFAR10", "data", json!("cifar10")),
        ("--er-init-density 0.6", "er-init-density", json!(0.6)),
        ("--sparsity 0.2", "sparsity", json!(0.2)),
        ("--density 0.2", "sparsity", json!(0.2)),
        ("--anneal --sparsity_start 0.8", "sparsity-start", json!(0.8)),
        ("--anneal True", "anneal", json!(true)),
        ("--anneal False", "anneal", json!(false)),
        ("--levels 3", "levels", json!(3)),
        ("--epochs 7", "epochs", json!(7)),
        ("--initBias ortho-bias-special", "init-bias", json!("ortho-bias-special")),
        ("--init-bias signed-const-with-bias", "init-bias", json!("signed-const-with-bias")),
        ("--init-bias kn-nonzero-bias --bfac 0.1", "bfac", json!(0.1)),
        ("--scale-fan", "scale-fan", json!(true)),
        ("--scaling", "scaling", json!(true)),
        ("--batch-size 64", "batch-size", json!(64)),
        ("--test-batch-size 500", "test-batch-size", json!(500)),
        ("--lr 0.2", "lr", json!(0.2)),
        ("--momentum 0.8", "momentum", json!(0.8)),
        ("--wd 0.001", "l2", json!(0.001)),
        ("--lr-policy cosine --warmup_length 3", "warmup-epochs", json!(3)),
        ("--lr-policy cosine", "warmup-epochs", json!(5)),
        ("--seed 9", "seed", json!(9)),
        ("--log-interval 10", "log-interval", json!(10)),
        ("--save-model", "sparsity", json!(0.2)),
        ("--save_file here", "out", json!("here")),
    ] {
        // Networks for CIFAR-10 take their time.
        let small = if typed.contains("CIFAR10") || typed.contains("--model") { "" } else { "--data digits --model mlp-8" };
        assert_eq!(shown(&format!("{small} {typed}"))["options"][option], value, "{typed}");
    }
    let place = Place::new();
    let loading = format!("--data digits --model mlp-8 --sparsity 0.2 --load_model --model_to_load {}", ticket(&place));
    assert_eq!(place.shown(&loading)["options"]["load-model"], true);
}

#[test]
fn configurations_run_again_are_the_same_run() {
    let place = Place::new();
    let small = "--data digits --model mlp-8 --sparsity 0.1";
    let ticket = ticket(&place);
    for words in [
        format!("{small} --anneal --er-method ERK --scaling"),
        format!("{small} --lr-policy cosine --epochs 3 --score-init published --er-mask-bias false"),
        format!("{small} --load-model --model-to-load {ticket} --anneal"),
        format!("{small} --er-method {ticket}"),
    ] {
        place.runs_again(&words);
    }
}

#[test]
fn configurations_hold_documented_options_only_and_all_of_them() {
    let place = Place::new();
    let loading = format!("--data digits --model mlp-8 --sparsity 0.1 --load-model --model-to-load {}", ticket(&place));
    let everything = "--data digits --model mlp-8 --dense-layers last --max-steps 5 --resume x --start-epoch 2 --save x --data-dir x --save-masks 3 --threads 1 --anneal \
                      --lr-policy multistep --lr-milestones 1 --flow-preservation";
    // What asks something, what stands for several runs, what belongs to another choice.
    let others = "help version config unset iters decay-frequency";
    let biased = "--data digits --model mlp-8 --init-bias kn-nonzero-bias";
    place.holds_documented_options(&[&loading, everything, biased], others);
}

#[test]
fn loaded_networks_bring_what_is_allowed() {
    let place = Place::new();
    let shown =
        place.shown(&format!("--data digits --model mlp-8 --sparsity 0.1 --load-model --model-to-load {}", ticket(&place)));
    let options = shown["options"].as_object().unwrap();
    for option in ["er-init-density", "er-method", "er-mask-bias", "init-bias", "bfac", "score-init", "scale-fan", "sampling"] {
        assert!(!options.contains_key(option), "{option}");
    }
    assert_eq!(
        shown["method"][0],
        "edge-popup: the frozen values of the file, its scores are trained on; the largest |score| of each layer are used"
    );
    assert_eq!(shown["method"][1], "allowed: the edges above, and those biases that the file allows");
    let [asked, found] = ["density_requested", "density"].map(|key| shown[key].as_f64().unwrap());
    assert!((asked - found).abs() < 1e-12 && (asked - 0.5).abs() < 0.1, "{asked} {found}");
}

#[test]
fn a_factor_of_biases_that_are_none_is_remarked() {
    let note = |words: &str| Place::new().run(&format!("show --data digits --model mlp-8 --sparsity 0.4 --bfac 0.7 {words}")).err;
    for init in ["kn-zero-bias", "signed-const-zero-bias", "signed-const-with-bias", "ortho-zero-bias"] {
        let message = format!("note: --bfac has no effect with --init-bias {init}, whose biases have no such factor\n");
        assert_eq!(note(&format!("--init-bias {init}")), message);
    }
    for init in ["kn-nonzero-bias", "ortho-nonzero-bias", "ortho-bias-special"] {
        assert_eq!(note(&format!("--init-bias {init}")), "");
    }
}

#[test]
fn keeping_all_that_is_allowed_is_remarked() {
    let note = |words: &str| Place::new().run(&format!("show --data digits --model mlp-8 {words}")).err;
    let message = "note: --sparsity keeps all that --er-init-density allows (0.5): there is next to nothing to choose\n";
    assert_eq!(note(""), "");
    assert_eq!(note("--sparsity 0.5"), message);
    for words in ["--sparsity 0.4", "--er-method ERK", "--er-mask-bias false", "--er-init-density 0.6"] {
        assert_eq!(note(&format!("--sparsity 0.5 {words}")), "", "{words}");
    }
}

#[test]
fn examples_of_help_texts_run() {
    crate::common::examples_run("--max-steps 1 --quiet");
}

#[test]
fn other_programs_know_its_options() {
    crate::common::other_programs_know_its_options();
}

#[test]
fn a_configuration_serves_other_methods() {
    let words = ["--anneal false", "--init-bias kn-nonzero-bias", "--er-method ERK", "--lr-policy constant", "--optimizer adam"];
    crate::common::serves_other_methods("digits.yaml", &words);
}
