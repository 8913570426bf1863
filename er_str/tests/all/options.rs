//! Every published option is understood or refused with a reason, and every one that decides something makes another run.

use std::collections::BTreeMap;

use crate::common::{Place, json};
use crate::trained::{Run, SHORT};
use serde_json::json;

/// A small network.
const SMALL: &str = "--set digits --arch mlp-8";

#[test]
fn every_published_option_is_understood() {
    let place = Place::new();
    place.write("images/x", "");
    let first = place.trained(&format!("{SMALL} --conv-type STRConv --epochs 1 --quiet"));
    let [checkpoint, file] =
        ["checkpoints/best.safetensors", "layerwise_sparsity/er_str.json"].map(|file| first.join(file).display().to_string());
    for (typed, option, value) in [
        ("--data images", "data", json!("images")),
        ("--optimizer adam", "optimizer", json!("adam")),
        ("--arch mlp-16", "arch", json!("mlp-16")),
        ("-a mlp-16", "arch", json!("mlp-16")),
        ("--model mlp-16", "arch", json!("mlp-16")),
        ("--log-dir here", "out", json!("here")),
        ("--out here", "out", json!("here")),
        ("-j 3", "arch", json!("mlp-8")),
        ("--workers 20", "arch", json!("mlp-8")),
        ("--multigpu 0,1", "arch", json!("mlp-8")),
        ("--epochs 7", "epochs", json!(7)),
        ("-b 64", "batch-size", json!(64)),
        ("--batch-size 64", "batch-size", json!(64)),
        ("--batch_size 64", "batch-size", json!(64)),
        ("--lr 0.2", "lr", json!(0.2)),
        ("--learning-rate 0.2", "lr", json!(0.2)),
        ("--lr-policy cosine_lr", "lr-policy", json!("cosine")),
        ("--lr-policy constant_lr", "lr-policy", json!("constant")),
        ("--lr-policy efficientnet_lr", "lr-policy", json!("efficientnet")),
        ("--lr-policy multistep_lr", "lr-policy", json!("step")),
        ("--lr-policy multistep_lr", "multistep-lr-adjust", json!(30)),
        ("--lr-policy multistep_lr --multistep-lr-adjust 5", "multistep-lr-adjust", json!(5)),
        ("--lr-policy multistep_lr --multistep-lr-gamma 0.25", "multistep-lr-gamma", json!(0.25)),
        ("--warmup_length 3", "warmup-length", json!(3)),
        ("--warmup-length=3", "warmup-length", json!(3)),
        ("--warmup true", "warmup-length", json!(0)),
        ("--conv-type GMPConv --prune-rate 0.5 --init_prune_epoch 3", "init-prune-epoch", json!(3)),
        ("--conv-type GMPConv --prune-rate 0.5 --final_prune_epoch 30", "final-prune-epoch", json!(30)),
        ("--conv-type GMPConv --prune-rate 0.5", "final-prune-epoch", json!(100)),
        ("--momentum 0.875", "momentum", json!(0.875)),
        ("--wd 3.0517578125e-05", "weight-decay", json!(3.051_757_812_5e-5)),
        ("--weight-decay 1E-3", "weight-decay", json!(1e-3)),
        ("--optimizer adam", "weight-decay", json!(0.0)),
        ("--optimizer adam --wd 1e-4", "weight-decay", json!(1e-4)),
        ("-p 3", "log-interval", json!(3)),
        ("-p3", "log-interval", json!(3)),
        ("--print-freq 3", "log-interval", json!(3)),
        ("--num-classes 10", "classes", json!(10)),
        ("--resume x", "resume", json!("x")),
        ("--resume x --start-epoch 2", "start-epoch", json!(2)),
        ("--seed 9", "seed", json!(9)),
        ("--name STR_90", "name", json!("STR_90")),
        ("--nesterov", "nesterov", json!(true)),
        ("--nesterov False", "nesterov", json!(false)),
        ("--conv-type STRConv", "conv-type", json!("STRConv")),
        ("--conv-type denseconv", "conv-type", json!("DenseConv")),
        ("--conv-type ConvER", "conv-type", json!("ConvER")),
        ("--conv-type ConvMask", "conv-type", json!("ConvMask")),
        ("--conv-type DNWConv --prune-rate 0.9", "prune-rate", json!(0.9)),
        ("--freeze-weights", "freeze-weights", json!(true)),
        ("--mode fan_out", "mode", json!("fan_out")),
        ("--nonlinearity leaky_relu", "nonlinearity", json!("leaky_relu")),
        ("--bn-type NonAffineBatchNorm", "arch", json!("mlp-8")),
        ("--bn-type LearnedBatchNorm", "arch", json!("mlp-8")),
        ("--init signed_constant", "init", json!("signed_constant")),
        ("--init unsigned_constant", "init", json!("unsigned_constant")),
        ("--init standard", "init", json!("standard")),
        ("--no-bn-decay", "no-bn-decay", json!(true)),
        ("--st-decay 0.01", "st-decay", json!(0.01)),
        ("--scale-fan --prune-rate 0.5", "scale-fan", json!(true)),
        ("--first-layer-dense", "dense-layers", json!(["first"])),
        ("--last-layer-dense", "dense-layers", json!(["last"])),
        ("--first-layer-type ConvER", "first-layer-type", json!("ConvER")),
        ("--label-smoothing 0.1", "label-smoothing", json!(0.1)),
        ("--sInit-type constant", "sInit-value", json!(-200.0)),
        ("--sInit-value -5", "sInit-value", json!(-5.0)),
        ("--sInit-value=-1.28E4", "sInit-value", json!(-12800.0)),
        ("--sInit_value -.5", "sInit-value", json!(-0.5)),
        ("--SINIT-VALUE -3e-1", "sInit-value", json!(-0.3)),
        ("--sInit-value 100", "sInit-value", json!(100.0)),
        ("--sparse-function exp", "sparse-function", json!("exp")),
        ("--er-sparse-init 0.3", "er-sparse-init", json!(0.3)),
        ("--er_sparse_init=0.3", "er-sparse-init", json!(0.3)),
        ("--er-sparse-method ERK", "er-sparse-method", json!("ERK")),
        ("--er-sparse-method ERK-clipped", "er-sparse-method", json!("ERK-clipped")),
        ("--er-sparse-method balanced", "er-sparse-method", json!("balanced")),
        ("--er-sparse-method pyramidal", "er-sparse-method", json!("pyramid")),
        ("--er-sparse-method None", "er-sparse-method", json!("none")),
        (&format!("--er-sparse-method str_induced_er --er-sparsity-file {file}"), "er-sparse-method", json!("str-induced-er")),
        (&format!("--pretrained {checkpoint}"), "pretrained", json!(checkpoint)),
        (&format!("--pretrained {checkpoint} --ignore-pretrained-weights"), "ignore-pretrained-weights", json!(true)),
        (&format!("--conv-type DNWConv --pretrained {checkpoint} --use-budget"), "use-budget", json!(true)),
        ("--save_every 3", "save-every", json!(3)),
        ("--save_every -1", "save-every", json!(-1)),
        ("--result-dir table", "result-dir", json!("table")),
    ] {
        let words = if typed.contains(" mlp") { "--set digits" } else { SMALL };
        assert_eq!(place.shown(&format!("{words} {typed}"))["options"][option], value, "{typed}");
    }
    let place = Place::new();
    assert_eq!(place.shown("--set fashion_mnist --arch mlp-8 --conv-type STRConv")["options"]["set"], "fashion_mnist");
    assert_eq!(place.shown("--dataset FashionMNIST --arch mlp-8 --conv-type STRConv")["options"]["set"], "fashion_mnist");
}

#[test]
fn files_of_options_as_published() {
    let place = Place::new();
    let text = "# Architecture\nset: digits\narch: mlp-8\nname: STR_90\noptimizer: sgd\nlr: 0.256\nlr_policy: cosine_lr\nwarmup_length: 5\n\
                epochs: 100\nweight_decay: 0.00002251757813 # changed\nmomentum: 0.875\nbatch_size: 256\nlabel_smoothing: 0.1\n\
                conv_type: STRConv\nbn_type: LearnedBatchNorm\ninit: kaiming_normal\nmode: fan_in\nnonlinearity: relu\n\
                sparse_function: sigmoid\nsInit_value: -3200 # changed\nworkers: 20\n";
    place.write("str.yaml", text);
    let options = place.shown("--config str.yaml")["options"].clone();
    let all = [&options["sInit-value"], &options["weight-decay"], &options["lr"], &options["momentum"], &options["name"]];
    assert_eq!(all, [&json!(-3200.0), &json!(2.251_757_813e-5), &json!(0.256), &json!(0.875), &json!("STR_90")]);
    // The command line wins, with `-` or `_`.
    let options = place.shown("--config str.yaml --sInit_value -12800 -b 8 --wd 1e-4")["options"].clone();
    assert_eq!(
        [&options["sInit-value"], &options["batch-size"], &options["weight-decay"]],
        [&json!(-12800.0), &json!(8), &json!(1e-4)]
    );
    for (text, value) in [("-2e2", -200.0), ("-2E+2", -200.0), ("-1e-3", -0.001), ("'-5'", -5.0), ("-.5", -0.5), ("3", 3.0)] {
        place.write("s.yaml", format!("set: digits\narch: mlp-8\nsInit_value: {text}\n"));
        assert_eq!(place.shown("--config s.yaml")["options"]["sInit-value"], json!(value), "{text}");
    }
}

/// Runs `base` with each of these additions; no two may be one run, by name or by what happens.
fn all_differ(base: &str, additions: &[&str]) {
    let place = Place::new();
    let (mut hashes, mut metrics) = (BTreeMap::new(), BTreeMap::new());
    for words in additions {
        let run = Run::of(&place, &format!("{SHORT} {base} {words}"));
        let hash = json(&run.folder.join("manifest.json"))["config_hash"].to_string();
        assert_eq!(hashes.insert(hash, words), None, "{words} has the name of another");
        let losses: Vec<_> = run.lines("epoch").iter().map(|l| (l["train_loss"].clone(), l["validation_loss"].clone())).collect();
        assert_eq!(metrics.insert(format!("{losses:?}"), words), None, "{words} does what another does");
    }
}

#[test]
fn how_thresholds_begin_and_move() {
    all_differ(
        "--sInit-value -4 --weight-decay 5e-3",
        &[
            "",
            "--sInit-value -5",
            "--sparse-function exp",
            "--st-decay 0.1",
            "--weight-decay 1e-2",
            "--conv-type STRConv",
            "--freeze-weights",
            "--first-layer-dense",
            "--last-layer-dense",
            "--first-layer-type ConvER",
            "--optimizer adam --lr 0.01",
            "--nesterov",
        ],
    );
}

#[test]
fn masks_and_first_weights() {
    all_differ(
        "--conv-type ConvER",
        &[
            "",
            "--er-sparse-init 0.4",
            "--er-sparse-method ERK",
            "--er-sparse-method ERK-clipped",
            "--er-sparse-method balanced",
            "--er-sparse-method pyramidal",
            "--er-sparse-method [0.4,0.6,1]",
            "--sampling exact",
            "--seed 2",
            "--init signed_constant",
            "--init unsigned_constant",
            "--init standard",
            "--mode fan_out",
            "--nonlinearity linear",
            "--scale-fan --prune-rate 0.5",
            "--freeze-weights",
            "--label-smoothing 0.1",
            "--flow-preservation --er-sparse-init 0.05",
            "--er-sparse-init 0.05",
        ],
    );
}

#[test]
fn parts_that_are_left_out() {
    all_differ(
        "--prune-rate 0.5",
        &[
            "--conv-type DNWConv",
            "--conv-type DNWConv --prune-rate 0.8",
            "--conv-type DNWConv --scale-fan",
            "--conv-type GMPConv --final-prune-epoch 2",
            "--conv-type GMPConv --final-prune-epoch 1",
            "--conv-type GMPConv --init-prune-epoch 1 --final-prune-epoch 2",
            "--conv-type GMPConv --prune-rate 0.8 --final-prune-epoch 2",
        ],
    );
}

#[test]
fn norms_without_decay() {
    all_differ(
        "--arch digits --epochs 1 --weight-decay 0.05",
        &["", "--no-bn-decay", "--bn-type NonAffineBatchNorm", "--width-mult 0.5"],
    );
}

#[test]
fn rates() {
    let place = Place::new();
    let rates = |words: &str| -> Vec<f64> {
        let run = Run::of(&place, &format!("{SHORT} --conv-type DenseConv --max-steps 100 {words}"));
        run.lines("epoch").iter().map(|l| l["learning_rate"].as_f64().unwrap()).collect()
    };
    let near = |found: Vec<f64>, expected: &[f64]| {
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}, expected {expected:?}"
        );
    };
    let cosine = |e: f64| 0.05 * (1.0 + (std::f64::consts::PI * e / 2.0).cos());
    near(rates("--lr-policy cosine_lr --warmup-length 2 --epochs 4"), &[0.05, 0.1, cosine(0.0), cosine(1.0)]);
    near(rates("--lr-policy multistep_lr --multistep-lr-adjust 2 --multistep-lr-gamma 0.5 --epochs 4"), &[0.1, 0.1, 0.05, 0.05]);
    near(rates("--warmup-length 2"), &[0.05, 0.1, 0.1]);
    let efficient = [0.0, 1.0, 2.0].map(|e: f64| 0.1 * 0.97_f64.powf(e / 2.4));
    near(rates("--lr-policy efficientnet_lr"), &efficient);
}
