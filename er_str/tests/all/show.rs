//! `show`: the published commands, and what options mean.

use crate::common::{Place, shown};
use serde_json::json;

/// A small network.
const SMALL: &str = "--set digits --arch mlp-8";

/// Iterative pruning.
const PRUNED: &str = "--conv-type ConvMask --pruner mag --threshold-list 0.5";

/// A checkpoint and a file of sparsities of it.
fn first(place: &Place) -> [String; 2] {
    let run = place.trained(&format!("{SMALL} --conv-type STRConv --sInit-value -3 --epochs 1 --quiet"));
    ["checkpoints/best.safetensors", "layerwise_sparsity/er_str.json"].map(|file| run.join(file).display().to_string())
}

#[test]
fn published_defaults() {
    let options = shown(SMALL)["options"].clone();
    for (option, value) in [
        ("optimizer", json!("sgd")),
        ("epochs", json!(90)),
        ("batch-size", json!(256)),
        ("lr", json!(0.1)),
        ("lr-policy", json!("constant")),
        ("warmup-length", json!(0)),
        ("momentum", json!(0.9)),
        ("weight-decay", json!(1e-4)),
        ("nesterov", json!(false)),
        ("mode", json!("fan_in")),
        ("nonlinearity", json!("relu")),
        ("init", json!("kaiming_normal")),
        ("no-bn-decay", json!(false)),
        ("scale-fan", json!(false)),
        ("label-smoothing", json!(0.0)),
        ("sparse-function", json!("sigmoid")),
        ("er-sparse-init", json!(0.5)),
        ("er-sparse-method", json!("uniform")),
        ("save-every", json!(-1)),
        ("result-dir", json!("results")),
        // The published default, 100, leaves no weight.
        ("sInit-value", json!(-200.0)),
        ("conv-type", json!("STRConvER")),
    ] {
        assert_eq!(options[option], value, "{option}");
    }
}

#[test]
fn a_published_command() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/er_str/resnet18-cifar-str-1.yaml");
    let shown = shown(&format!("--config {file} --seed 3 --er-sparse-init 0.2 --name cifar_0.2_ER_ERK_STR_3 --multigpu 0"));
    let options = &shown["options"];
    for (option, value) in [
        ("seed", json!(3)),
        ("er-sparse-init", json!(0.2)),
        ("name", json!("cifar_0.2_ER_ERK_STR_3")),
        ("er-sparse-method", json!("ERK")),
        ("epochs", json!(100)),
    ] {
        assert_eq!(options[option], value, "{option}");
    }
    let density = shown["density"].as_f64().unwrap();
    assert!((density - 0.2).abs() < 0.001, "{density}");
}

#[test]
fn networks_of_sets() {
    for (words, name, parameters) in [
        ("--set cifar10", "resnet18-str", 11_173_952),
        ("--set CIFAR100", "resnet50-str", 23_705_152),
        ("--set tiny-imagenet", "resnet50-str", 23_909_952),
        ("--set ImageNet", "resnet50-str", 25_556_032),
        ("--set cifar10 --arch resnet50", "resnet50-str", 23_520_832),
        ("--set cifar100 --resnet-type large", "resnet18-str", 11_220_032),
        ("--set cifar10 --arch ResNet18 --width-mult 0.5", "resnet18-str-x0.5", 2_797_600),
        ("--set ImageNet -a MobileNetV1", "mobilenet-v1-str", 4_230_976),
        ("--set cifar10 --bn-type NonAffineBatchNorm", "resnet18-str-nonaffine", 11_164_352),
        ("--set digits", "digits", 94_186),
        ("--set digits --width-mult 0.5", "digits-x0.5", 24_058),
    ] {
        let model = &shown(&format!("{words} --conv-type STRConv"))["model"];
        assert_eq!([&model["name"], &model["parameters"]], [&json!(name), &json!(parameters)], "{words}");
    }
}

#[test]
fn what_layers_do_in_words() {
    let weights = "weights: kaiming_normal (fan_in, gain 1.4142)";
    for (words, message) in [
        ("--conv-type DenseConv", &["the weights of the edges are used as they are"][..]),
        (
            "--sInit-value -5",
            &["in use is sign(W)*max(|W| - g(s), 0), g = sigmoid; s begins with -5, so g with 6.693e-3, and is trained"],
        ),
        (
            "--conv-type STRConv --sparse-function exp --sInit-value -5 --st-decay 1e-3 --no-bn-decay",
            &[
                "in use is sign(W)*max(|W| - g(s), 0), g = exp; s begins with -5, so g with 6.738e-3, and is trained",
                "weight decay of thresholds: 0.001",
                "no weight decay of normalisations with bn in their names",
            ],
        ),
        (
            "--conv-type ConvER --freeze-weights",
            &["the weights of the edges are used as they are", "the weights of masked layers stay as they are"],
        ),
        ("--conv-type DNWConv --prune-rate 0.9", &["in use are all but 0.9 of the weights, the largest |W|; all have gradients"]),
        (
            "--conv-type STRConv --sInit-value -5 --first-layer-dense",
            &[
                "1 layer: the weights of the edges are used as they are",
                "1 layer: in use is sign(W)*max(|W| - g(s), 0), g = sigmoid; s begins with -5, so g with 6.693e-3, and is trained",
            ],
        ),
    ] {
        let expected: Vec<&str> = std::iter::once(weights).chain(message.iter().copied()).collect();
        assert_eq!(shown(&format!("{SMALL} {words}"))["method"], json!(expected), "{words}");
    }
    let rising = shown(&format!("{SMALL} --conv-type GMPConv --prune-rate 0.9 --init-prune-epoch 20 --final-prune-epoch 79"));
    let growing = "in use are the largest |W|, and only they have gradients; the part left out grows from 0 in epoch 21 to 0.899996 in epoch 80";
    assert_eq!(rising["method"][1], growing);
}

#[test]
fn first_weights_in_words() {
    for (words, message) in [
        ("--init signed_constant --mode fan_out --nonlinearity linear", "weights: signed_constant (fan_out, gain 1.0000)"),
        ("--init unsigned_constant", "weights: unsigned_constant (fan_in, gain 1.4142)"),
    ] {
        assert_eq!(shown(&format!("{SMALL} {words}"))["method"][0], message, "{words}");
    }
    let shown = |words: &str| shown(&format!("{SMALL} {words}"))["method"][0].as_str().unwrap().to_owned();
    assert!(shown("--init standard").starts_with("weights: standard"), "{}", shown("--init standard"));
    let scaled = shown("--scale-fan --prune-rate 0.5 --conv-type DNWConv");
    assert_ne!(scaled, "weights: kaiming_normal (fan_in, gain 1.4142)");
}

#[test]
fn configurations_run_again_are_the_same_run() {
    let place = Place::new();
    let [checkpoint, file] = first(&place);
    for words in [
        "--er-sparse-method ERK --sInit-value -12800 --weight-decay 3.0517578125e-05".to_owned(),
        "--er-sparse-method none --er-sparse-init 0.3".to_owned(),
        "--conv-type ConvMask --er-sparse-method none".to_owned(),
        "--conv-type GMPConv --prune-rate 0.9 --init-prune-epoch 3 --final-prune-epoch 8 --first-layer-type STRConv".to_owned(),
        "--conv-type DenseConv --optimizer adam --lr-policy multistep_lr --multistep-lr-adjust 7".to_owned(),
        "--bn-type NonAffineBatchNorm --set digits --arch digits --width-mult 0.5 --first-layer-dense".to_owned(),
        format!("--er-sparse-method str-induced-er --er-sparsity-file {file}"),
        format!("--pretrained {checkpoint} --save-every 3 --st-decay 0.01 --name here"),
        format!("--conv-type DNWConv --use-budget --pretrained {checkpoint} --ignore-pretrained-weights"),
        format!("--er-sparse-method {checkpoint}"),
        "--er-sparse-method [0.2,1]".to_owned(),
    ] {
        place.runs_again(&format!("{SMALL} {words}"));
    }
}

#[test]
fn configurations_hold_documented_options_only_and_all_of_them() {
    let place = Place::new();
    let [checkpoint, file] = first(&place);
    let commands = [
        format!(
            "{SMALL} --dense-layers last --max-steps 5 --resume x --start-epoch 2 --name x --data . --threads 1 --lr-policy multistep \
             --lr-milestones 1 --flow-preservation --flow-keep-density --st-decay 1 --er-sparse-method str-induced-er --er-sparsity-file {file}"
        ),
        format!("{SMALL} --conv-type DNWConv --use-budget --pretrained {checkpoint} --ignore-pretrained-weights"),
        format!(
            "{SMALL} --conv-type GMPConv --prune-rate 0.5 --init-prune-epoch 1 --first-layer-type STRConv --lr-policy multistep_lr"
        ),
        format!("{SMALL} {PRUNED} --prune-scheduler constant --reset-weights"),
        format!(
            "{SMALL} {PRUNED} --warmup-epochs 0 --load-shuffled-model-mask-and-sign --load-model-name {checkpoint} --load-expt-sign {checkpoint}"
        ),
        format!(
            "{SMALL} {PRUNED} --warmup-epochs 0 --load-before-prune --load-model-name {checkpoint} --load-mask-name {checkpoint}"
        ),
    ];
    // What asks something, what stands for several runs, what another name says, what needs a whole run.
    let others = "help version config unset iters decay-frequency width-mult resnet-type width bn-type first-layer-dense last-layer-dense evaluate \
                  target-expt-name save-masks";
    place.holds_documented_options(&commands.each_ref().map(String::as_str), others);
}

#[test]
fn options_without_use_are_remarked() {
    let place = Place::new();
    let message = |words: &str| place.run(&format!("show {SMALL} {words}")).err;
    let ordinary = "--er-sparse-init 0.3 --er-sparse-method ERK --sInit-value -3 --sparse-function exp --st-decay 1";
    let notes = message(&format!("--conv-type DenseConv {ordinary}"));
    for option in ["er-sparse-init", "er-sparse-method", "sInit-value", "sparse-function", "st-decay"] {
        assert!(notes.contains(&format!("note: --{option} has no effect with DenseConv\n")), "{notes}");
    }
    assert_eq!(
        message("--conv-type ConvMask --er-sparse-method none --er-sparse-init 0.3"),
        "note: --er-sparse-init has no effect with ConvMask and --er-sparse-method none\n"
    );
    assert_eq!(message("--conv-type ConvMask --er-sparse-method none --er-sparse-init 1"), "");
    assert_eq!(message("--conv-type STRConv --final-prune-epoch 30"), "note: --final-prune-epoch has no effect with STRConv\n");
    assert_eq!(
        message("--lr-policy multistep_lr --warmup-length 3"),
        "note: --warmup-length has no effect with multistep_lr, as published\n"
    );
    assert_eq!(message(""), "");
    // And they do not make another run.
    let hash = |words: &str| place.shown(&format!("{SMALL} {words}"))["config_hash"].clone();
    assert_eq!(hash("--conv-type DenseConv"), hash(&format!("--conv-type DenseConv {ordinary}")));
}

/// What is left out of a run does nothing in it.
#[test]
fn what_has_no_effect_has_none() {
    let place = Place::new();
    let [checkpoint, _] = first(&place);
    let text = place.done(&format!("show {SMALL} --conv-type DNWConv --prune-rate 0.5 --st-decay 1"));
    assert!(!text.contains("decay of thresholds"), "{text}");
    let loads = format!("{PRUNED} --warmup-epochs 0 --load-before-prune --load-model-name {checkpoint}");
    let ran = place.run(&format!("show {SMALL} {loads} --er-sparse-init 0.3"));
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "note: --er-sparse-init has no effect with the masks of a file\n"));
}

/// Layers stay dense among masks of a file, too: their types are this program's own.
#[test]
fn dense_layers_among_masks_of_a_file() {
    let place = Place::new();
    let file = place.trained(&format!("{SMALL} --epochs 1 --quiet")).join("checkpoints/best.safetensors");
    let of = |words: &str| place.shown(&format!("{SMALL} --er-sparse-method {} {words}", file.display()));
    let dense = |words: &str| of(words)["layers"].as_array().unwrap().iter().map(|l| l["dense"] == true).collect::<Vec<_>>();
    assert_eq!([dense(""), dense("--first-layer-dense")], [[false, false], [true, false]]);
    let hash = |words: &str| of(words)["config_hash"].clone();
    assert_eq!(hash("--first-layer-dense"), hash("--dense-layers first"));
    assert_ne!(hash("--first-layer-dense"), hash(""));
    assert_ne!(hash("--first-layer-dense"), hash("--last-layer-dense"));
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
    let words = [
        "--conv-type STRConvER",
        "--conv-type DenseConv",
        "--conv-type GMPConv",
        "--conv-type ConvER",
        "--unset pruner",
        "--prune-scheduler constant",
    ];
    crate::common::serves_other_methods("digits-imp.yaml", &words);
}
