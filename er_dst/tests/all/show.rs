//! `show`: the published command, and what every method means.

use crate::common::{Place, configurations_resolve, shown};
use serde_json::{Value, json};

const PAPER: &str = "--sparse --method GraNet --prune-rate 0.5 --optimizer sgd --sparse-init ER_same_params_per_layer \
                     --init-density 0.01 --final-density 0.001 --update-frequency 1000 --l2 0.0005 --lr 0.1 --epochs 160 \
                     --model vgg16 --data cifar10 --prune magnitude --init-method default --is-prune True \
                     --flow-preservation True --ortho-repair False --seed 1";

const METHODS: [&str; 15] = [
    "GraNet",
    "GraNet_uniform",
    "DST",
    "GMP",
    "GMP_uniform",
    "SET",
    "SNFS",
    "RigL",
    "RigL-SG",
    "RigL-SM",
    "pruning",
    "Top-KAST",
    "static",
    "dense",
    "small_dense --density 0.3",
];

#[test]
fn the_published_command() {
    let shown = shown(PAPER);
    assert_eq!((&shown["model"]["name"], &shown["model"]["weights"]), (&json!("vgg16"), &json!(14_715_584)));
    let expected = r#"{
        "method": "GraNet", "density": 0.01, "final-density": 0.001, "init-prune-epoch": 0, "final-prune-epoch": 110,
        "reach-final-density": false, "prune": "magnitude", "death": "magnitude", "growth": "gradient", "redistribution": "none", "prune-rate": 0.5,
        "prune-rate-floor": 0.005, "decay-schedule": "cosine", "density-schedule": "cubic", "update-frequency": 1000, "t-begin": 0, "t-end-fraction": 1.0,
        "grad-accumulation-n": 1, "update-replaces-step": false, "grow-init": "zeros", "reinit-regrown": false,
        "flow-at-updates": false, "sparse-init": "balanced", "sampling": "bernoulli", "flow-preservation": true,
        "flow-keep-density": false, "init-method": "default", "ortho-repair": false, "optimizer": "sgd", "lr": 0.1,
        "lr-policy": "multistep", "lr-gamma": 0.1, "l2": 0.0005, "momentum": 0.9, "epochs": 160, "batch-size": 100,
        "test-batch-size": 100, "valid-split": 0.1, "data": "cifar10", "model": "vgg16", "seed": 1, "select-on": "validation",
        "input": "3x32x32", "classes": 10, "label-smoothing": 0.0, "warmup-epochs": 0, "multiplier": 1,
        "nesterov": true, "augment": true, "normalise": "own",
        "engine": "sparse", "device": "cpu", "log-interval": 100, "checkpoint-interval": 1000, "out": "runs", "quiet": false
    }"#;
    let expected: Value = serde_json::from_str(expected).unwrap();
    let (options, expected) = (shown["options"].as_object().unwrap(), expected.as_object().unwrap());
    assert_eq!(options, expected);
    assert_eq!(
        shown["method"],
        json!([
            "first masks: random graphs of density 0.01",
            "updates: every ΔT = 1000 steps, to the end of training, after the optimiser's step",
            "prune: the least by magnitude over all layers, to a density that falls with a cube from 0.01 to 0.001 between epochs 0 \
         and 110",
            "drop: the least by magnitude, ⌈f·n⌉ and equal ones of the n edges of each layer; f from 0.5 to 0.005 (cosine)",
            "grow: as many by gradient; they begin with zeros and without optimiser state",
            "dropped and grown at once: keeps its weight",
        ])
    );
    // The balanced rule: as many edges in every layer, and all weights where there are fewer; flow preservation adds a few.
    for layer in shown["layers"].as_array().unwrap() {
        let (weights, edges) = (layer["weights"].as_f64().unwrap(), layer["edges"].as_f64().unwrap());
        assert!((edges - weights.min(10_511.13)).abs() < 5.0 * 10_511.0_f64.sqrt(), "{layer}");
    }
}

#[test]
fn hashes_do_not_change_by_accident() {
    // A default that changes this number orphans every run folder made before: it should be deliberate. A new option changes none.
    assert_eq!(shown(PAPER)["config_hash"].as_str().unwrap()[..8], *"43cc0602");
}

#[test]
fn configurations_run_again_are_the_same_run() {
    let place = Place::new();
    let more = [PAPER, "--fix", "--sparse false", "--rm-first --nolr_scheduler", "--method RigL --t-end 900 --seed 3"];
    for words in METHODS.iter().map(|m| format!("--method {m}")).chain(more.map(str::to_owned)) {
        assert_eq!(place.runs_again(&words), "", "{words}");
    }
}

/// What the options are called that a method has, in the columns of the tables below.
const PRUNING: [&str; 5] = ["density", "final-density", "init-prune-epoch", "final-prune-epoch", "prune"];
const EXCHANGING: [&str; 9] = [
    "death",
    "growth",
    "redistribution",
    "prune-rate",
    "prune-rate-floor",
    "decay-schedule",
    "update-replaces-step",
    "grow-init",
    "reinit-regrown",
];
const MOVING: [&str; 5] = ["update-frequency", "t-begin", "t-end-fraction", "grad-accumulation-n", "flow-at-updates"];

#[test]
fn defaults_of_every_method() {
    let granet = || json!(["magnitude", "gradient", "none", 0.5, 0.005, "cosine", false, "zeros", false]);
    let exchange = |growth: &str, redistribution: &str, replaces: bool| {
        json!(["magnitude", growth, redistribution, 0.3, 0.0, "cosine", replaces, "zeros", false])
    };
    let none = || json!([null, null, null, null, null, null, null, null, null]);
    let falls = |from: f64| json!([from, 0.05, 0, 110, "magnitude"]);
    let stays = |density: f64| json!([density, null, null, null, null]);
    let rigl = || json!([100, 0, 0.75, 1, false]);
    let gmp = || json!([100, 0, null, null, false]);
    let still = || json!([null, null, null, null, null]);
    for (method, prunes, exchanges, moves) in [
        ("GraNet", falls(0.5), granet(), json!([100, 0, 1.0, 1, false])),
        ("GraNet_uniform", falls(0.5), granet(), json!([100, 0, 1.0, 1, false])),
        ("DST", stays(0.5), granet(), json!([100, 0, 1.0, 1, false])),
        ("GMP", falls(1.0), none(), gmp()),
        ("GMP_uniform", falls(1.0), none(), gmp()),
        ("SET", stays(0.05), exchange("random", "none", false), json!([100, 0, 0.75, null, false])),
        ("SNFS", stays(0.05), exchange("momentum", "momentum", false), json!([100, 0, 0.75, null, false])),
        ("RigL", stays(0.05), exchange("gradient", "none", true), rigl()),
        ("RigL-SG", stays(0.05), exchange("gradient", "gradient", true), rigl()),
        ("RigL-SM", stays(0.05), exchange("gradient", "momentum", true), rigl()),
        ("pruning", json!([1.0, 0.05, null, null, "magnitude"]), none(), json!([100, 0, 0.75, null, false])),
        ("Top-KAST", stays(0.05), none(), json!([100, 0, 0.75, null, null])),
        ("static", stays(0.05), none(), still()),
        ("dense", json!([null, null, null, null, null]), none(), still()),
        ("small_dense --density 0.3", stays(0.3), none(), still()),
    ] {
        let shown = shown(&format!("--method {method}"));
        for (names, values) in [(&PRUNING[..], prunes), (&EXCHANGING, exchanges), (&MOVING, moves)] {
            for (name, value) in names.iter().zip(values.as_array().unwrap()) {
                assert_eq!(&shown["options"][name], value, "{name} of {method}");
            }
        }
        let edges = shown["edges"].as_f64().unwrap() / shown["model"]["weights"].as_f64().unwrap();
        let full = shown["options"]["sparse-init"].is_null() || method == "Top-KAST";
        let first = if full { 1.0 } else { shown["options"]["density"].as_f64().unwrap() };
        assert!((edges - first).abs() < 0.01, "{method}: {edges}");
    }
    let granet = |words: &str| shown(words)["options"]["final-prune-epoch"].clone();
    assert_eq!([granet("--epochs 160"), granet("--epochs 16"), granet("--epochs 1")], [json!(110), json!(11), json!(1)]);
}

#[test]
fn names_for_static_and_dense() {
    for (words, method) in [
        ("--is-prune false", "static"),
        ("--fix", "static"),
        ("--static-topo", "static"),
        ("--static_topo true --method RigL", "static"),
        ("--method scratch", "static"),
        ("--sparse false", "dense"),
        ("--sparse=0 --is-prune no", "dense"),
    ] {
        let [shown, named] = [words, &format!("--method {method}")].map(shown);
        assert_eq!((&shown["config_hash"], &shown["options"]), (&named["config_hash"], &named["options"]), "{words}");
        assert_eq!(shown["options"]["method"], method);
    }
    // With a mask, and edges that move, unless told otherwise.
    for words in ["--sparse", "--sparse True --is-prune True", "--is_prune 1", "--fix false --method granet"] {
        assert_eq!(shown(words)["config_hash"], shown("")["config_hash"], "{words}");
    }
    assert_eq!(shown("--rm-first")["config_hash"], shown("--dense-layers first")["config_hash"]);
    assert_eq!(shown("--ignore-linear-layers")["config_hash"], shown("--dense-layers linear")["config_hash"]);
    assert_eq!(shown("--nolr_scheduler")["config_hash"], shown("--lr-policy constant")["config_hash"]);
}

#[test]
fn every_published_option_is_understood() {
    for (typed, option, value) in [
        ("--init-density 0.2", "density", json!(0.2)),
        ("--density 0.2", "density", json!(0.2)),
        ("--dense-allocation 0.2", "density", json!(0.2)),
        ("--final-density 0.02", "final-density", json!(0.02)),
        ("--init-prune-epoch 3", "init-prune-epoch", json!(3)),
        ("--final-prune-epoch 99", "final-prune-epoch", json!(99)),
        ("--growth momentum_neuron", "growth", json!("momentum_neuron")),
        ("--growth random", "growth", json!("random")),
        ("--death SET", "death", json!("SET")),
        ("--death threshold", "death", json!("threshold")),
        ("--prune SynFlow", "prune", json!("SynFlow")),
        ("--redistribution nonzeros", "redistribution", json!("nonzeros")),
        ("--prune-rate 0.4", "prune-rate", json!(0.4)),
        ("--death-rate 0.4", "prune-rate", json!(0.4)),
        ("--alpha 0.4", "prune-rate", json!(0.4)),
        ("--update_frequency 7", "update-frequency", json!(7)),
        ("--delta 7", "update-frequency", json!(7)),
        ("--t-end-percent 0.9", "t-end-fraction", json!(0.9)),
        ("--grad-accumulation-n 4", "grad-accumulation-n", json!(4)),
        ("--decay-schedule linear", "decay-schedule", json!("linear")),
        ("--flow-preservation False", "flow-preservation", json!(false)),
        ("--ortho-repair True", "ortho-repair", json!(true)),
        ("--init-method looks-linear", "init-method", json!("looks-linear")),
        ("--sparse-init pyramid_sparsity", "sparse-init", json!("pyramid")),
        ("--sparse-init ER_init", "sparse-init", json!("uniform")),
        ("--batch-size 50", "batch-size", json!(50)),
        ("--test-batch-size 50", "test-batch-size", json!(50)),
        ("--valid_split 0.2", "valid-split", json!(0.2)),
        ("--multiplier 2", "multiplier", json!(2)),
        ("--decay_frequency 30000 --lr-policy step", "decay-frequency", json!(30000)),
        ("--log-interval 9 --max-threads 2 --no-cuda --l1 0", "log-interval", json!(9)),
    ] {
        assert_eq!(shown(typed)["options"][option], value, "{typed}");
    }
}

#[test]
fn configurations_hold_documented_options_only_and_all_of_them() {
    let everything = "--dense-layers last --max-steps 5 --resume x --start-epoch 2 --save x --data-dir x --save-masks 3 --threads 1 \
                      --lr-milestones 1 --flow-preservation";
    // What asks something, what stands for several runs or for other options, what belongs to another choice.
    let others = "help version config unset iters scaled sparse fix is-prune rm-first ignore-linear-layers nolr-scheduler \
                  backward-density lr-step-epochs decay-frequency t-end";
    Place::new().holds_documented_options(&[everything], others);
}

#[test]
fn the_configurations_of_the_project_resolve() {
    configurations_resolve();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/er_dst/fashion-resnet20.yaml");
    for method in METHODS {
        let shown: Value = shown(&format!("--config {config} --method {method}"));
        assert_eq!(shown["options"]["method"], method.split(' ').next().unwrap());
    }
}

#[test]
fn masks_that_are_full_at_first_depend_on_no_distribution() {
    let place = Place::new();
    for method in ["GMP", "pruning"] {
        let ran = place
            .run(&format!("show --method {method} --sparse-init pyramid --flow-preservation --sampling exact --format yaml"));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let why = format!("has no effect with --method {method}, which begins with all weights");
        for option in ["--sparse-init", "--flow-preservation", "--sampling"] {
            assert!(ran.err.contains(&format!("note: {option} {why}\n")), "{}", ran.err);
        }
        assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
        assert_eq!(ran.out, place.done(&format!("show --method {method} --format yaml")));
    }
}

#[test]
fn examples_of_help_texts_run() {
    crate::common::examples_run("--method static --max-steps 1 --quiet");
}

#[test]
fn other_programs_know_its_options() {
    crate::common::other_programs_know_its_options();
}

#[test]
fn a_configuration_serves_other_methods() {
    let words = [
        "--method static",
        "--method dense",
        "--method SET",
        "--method SNFS",
        "--method Top-KAST",
        "--method GMP --unset density",
        "--method GraNet --unset density",
        "--sparse false",
        "--lr-policy cosine",
    ];
    crate::common::serves_other_methods("digits.yaml", &words);
}
