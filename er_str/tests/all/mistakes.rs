//! What cannot be is refused with one line that says why, and one that says what to do.

use crate::common::Place;
use crate::trained::{MODEL, Run, SHORT, network};
use shared::engine::{LayerState, ModelState};
use shared::run::{Checkpoint, Saved};

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, line) in [
        ("--conv-type STRConv --prune-rate 0.5", "--prune-rate has no effect with STRConv"),
        ("--prune-rate 0.5", "--prune-rate has no effect with STRConvER"),
        ("--conv-type DNWConv --prune-rate 1", "--prune-rate: '1' is not in [0, 1)"),
        ("--scale-fan", "--scale-fan has no effect without --prune-rate"),
        ("--conv-type STRConv --init-prune-epoch 3", "--init-prune-epoch has no effect with STRConv"),
        (
            "--conv-type GMPConv --prune-rate 0.5 --init-prune-epoch 5 --final-prune-epoch 3",
            "--final-prune-epoch 3: before the 5 of --init-prune-epoch",
        ),
        ("--final_prune_epoch -100", "--final-prune-epoch: '-100' is not a whole number from 0 to 1000000000"),
        ("--er-sparse-method str-induced-er", "--er-sparse-method str-induced-er needs --er-sparsity-file"),
        ("--er-sparsity-file x", "--er-sparsity-file has no effect without --er-sparse-method str-induced-er"),
        ("--er-sparse-method x.safetensors", "cannot read mask file x.safetensors: No such file or directory (os error 2)"),
        ("--er-sparse-init 0", "--er-sparse-init: density must be above 0 and at most 1, got 0; 0.05 keeps one weight in twenty"),
        (
            "--er-sparse-init 1.1",
            "--er-sparse-init: density must be above 0 and at most 1, got 1.1; 0.05 keeps one weight in twenty",
        ),
        ("--sInit-value nan", "--sInit-value: 'nan' is not finite"),
        ("--sInit-value low", "--sInit-value: 'low' is not a number"),
        ("--st-decay -1", "--st-decay: '-1' is negative"),
        ("--save-every 0", "--save-every: '0' is not -1 or a whole number from 1 to 1000000000"),
        ("--sInit-type random", "--sInit-type: unknown value 'random'; use one of constant"),
        ("--optimizer rmsprop", "--optimizer: unknown value 'rmsprop'; use one of sgd, adam"),
        (
            "--conv-type sparse",
            "--conv-type: unknown value 'sparse'; use one of DenseConv, STRConv, STRConvER, ConvER, ConvMask, DNWConv, GMPConv",
        ),
        ("--conv-type STRConv --sampling exact", "--sampling has no effect with STRConv"),
        ("--conv-type STRConv --freeze-weights", "--freeze-weights has no effect with STRConv"),
        ("--conv-type DNWConv --prune-rate 0.5 --use-budget", "--use-budget has no effect without --pretrained"),
        ("--ignore-pretrained-weights", "--ignore-pretrained-weights has no effect without --pretrained"),
        ("--width 32", "--width has no effect without --resnet-type"),
        ("--resnet-type large", "--resnet-type and --arch name two networks"),
        ("--warmup false", "--warmup: there is warm-up unless it has no epochs"),
        ("--random-mask", "--random-mask: it never had an effect"),
        ("--one-batch", "--one-batch: it never had an effect"),
        ("--hessian", "--hessian: the trace of the Hessian is not computed"),
        ("-e", "--evaluate has no effect without --pretrained"),
        (
            "--dense-conv-model",
            "--dense-conv-model: checkpoints hold the weights that are used, S(W, s), so there is nothing to convert",
        ),
        ("--start-epoch 3", "--start-epoch has no effect without --resume"),
        ("--warmup-length 9 --lr-policy cosine_lr", "warm-up of 9 epochs is longer than the 3 epochs"),
        (
            "--data nowhere",
            "--data: 'nowhere' is no folder; --data is where data sets are, as in the published program, and --set names one",
        ),
        (
            "--data cifar10",
            "--data: 'cifar10' is no folder; --data is where data sets are, as in the published program, and --set names one",
        ),
        ("--num-classes 11", "11 classes: digits has 10"),
        ("--sInit-vale 3", "unknown option '--sInit-vale'"),
        ("--expt-setup x", "unknown option '--expt-setup'"),
    ] {
        let code = if line.starts_with("cannot read") { 1 } else { 2 };
        let message = place.refused(&format!("{SHORT} {words}"), code, line);
        // Words that mean nothing and files that are not there speak for themselves.
        let plain = ["is not", "is negative", "density must be", "cannot read", "use one of", "is no folder", "--expt", "longer"];
        assert!(plain.iter().any(|text| line.contains(text)) || message.contains("  help: "), "{message}");
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[test]
fn names_that_are_none() {
    let place = Place::new();
    for (words, texts) in [
        ("--init ones", &["--init: unknown initialisation \"ones\"", "kaiming_normal, signed_constant"][..]),
        ("--mode fan", &["--mode: unknown mode of the fan \"fan\"", "fan_in, fan_out"]),
        ("--nonlinearity gelu", &["--nonlinearity: unknown nonlinearity \"gelu\"", "relu"]),
        ("--sparse-function relu", &["--sparse-function: unknown sparse function \"relu\"", "sigmoid, exp"]),
        ("--er-sparse-method ER_ortho", &["--er-sparse-method: unknown method \"ER_ortho\"", "ERK"]),
        ("--er-sparse-method RigL", &["unknown method \"RigL\"", "uniform", "ERK-clipped", "none, str-induced-er"]),
        ("--er-sparse-method str_induced", &["unknown method \"str_induced\"", "did you mean \"str-induced-er\"?"]),
        ("--er-sparse-method x.json", &["--er-sparse-method: cannot read x.json: No such file"]),
        ("--lr-policy cosin", &["--lr-policy: unknown learning rate policy \"cosin\"", "did you mean \"cosine"]),
        ("--dense-layers fc9", &["dense layer \"fc9\" is no layer of mlp-32-16", "did you mean \"fc1\"?"]),
        ("--arch resnot20", &["unknown model \"resnot20\"", "did you mean"]),
        ("--bn-type x", &["--bn-type: unknown value 'x'; use one of LearnedBatchNorm, NonAffineBatchNorm"]),
    ] {
        place.fails(&format!("{SHORT} {words}"), 2, texts);
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let words = "--random-mask --hessian --width 3 --prune-rate 0.5 --er-sparsity-file x --freeze-weights";
    let ran = Place::new().run(&format!("{SHORT} --conv-type STRConv {words}"));
    assert_eq!(ran.code, Some(2));
    let mut message: Vec<&str> = ran.err.lines().filter_map(|l| l.strip_prefix("error: --")?.split([':', ' ']).next()).collect();
    message.sort_unstable();
    assert_eq!(message, ["er-sparsity-file", "freeze-weights", "hessian", "prune-rate", "random-mask", "width"], "{}", ran.err);
}

#[test]
fn sparsities_of_nothing_or_another_network() {
    let place = Place::new();
    let words = format!("{SHORT} --er-sparse-method str-induced-er --er-sparsity-file x.json");
    for (text, line) in [
        ("{", "sparsity file x.json is no JSON object of numbers: "),
        (r#"{"fc1": 3}"#, "sparsity file x.json has no \"total\""),
        (r#"{"fc1": 3, "total": 3}"#, "sparsity file x.json has no layer \"fc2.weight\""),
        (
            r#"{"fc1": 3, "fc2": 3, "fc3": 3, "fc4": 3, "total": 3}"#,
            "sparsity file x.json has a layer \"fc4\" that the network has not",
        ),
        (
            r#"{"fc1": 3, "fc2": 103, "fc3": 3, "total": 3}"#,
            "sparsity file x.json has sparsity 103 for \"fc2\", outside 0 to 100",
        ),
        (r#"{"fc1": 100, "fc2": 100, "fc3": 100, "total": 100}"#, "sparsity file x.json has a total sparsity of 100"),
    ] {
        place.write("x.json", text);
        place.fails(&words, 1, &[&format!("error: {line}"), "  help: "]);
    }
    std::fs::remove_file(place.path("x.json")).unwrap();
    place.refused(&words, 1, "cannot read x.json: No such file or directory (os error 2)");
    assert!(!place.path("runs").exists());
}

#[test]
fn checkpoints_of_others() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} --sInit-value -4"));
    let best = run.path("best").display().to_string();
    for option in ["pretrained", "resume"] {
        let line = format!("checkpoint {best} is of model mlp-32-16, this run is mlp-8");
        place.refused(&format!("{SHORT} --arch mlp-8 --{option} {best}"), 1, &line);
        place.write("text", "text");
        let line = "checkpoint text is damaged or no safetensors file: header too small";
        place.refused(&format!("{SHORT} --{option} text"), 1, line);
        place.fails(&format!("{SHORT} --{option} nothing"), 1, &["cannot read ", "nothing: No such file or directory"]);
    }
    // A training that knows no thresholds cannot go on here.
    let Checkpoint { origin, progress, state, .. } = run.checkpoint("last");
    Checkpoint::write(&place.path("plain"), &network(MODEL), &origin, &progress, &state, &Saved::default()).unwrap();
    let line = "what the checkpoint holds of its method does not fit this run: it is of another method";
    let message = place.refused(&format!("{SHORT} --epochs 5 --resume plain"), 1, line);
    assert!(message.contains("  help: go on from a checkpoint of er_str"), "{message}");
    // Nor one of other layers.
    let dense = Run::of(&place, &format!("{SHORT} --conv-type DenseConv")).path("last").display().to_string();
    place.fails(&format!("{SHORT} --epochs 5 --resume {dense}"), 1, &["does not fit this run: "]);

    let line = "--prune-rate has no effect with --use-budget";
    place.refused(&format!("{SHORT} --conv-type DNWConv --prune-rate 0.5 --use-budget --pretrained {best}"), 2, line);
    // The fan of first weights is scaled by it, whoever decides what is left out.
    place.done(&format!("show {SHORT} --conv-type DNWConv --prune-rate 0.5 --use-budget --scale-fan --pretrained {best}"));
    place.refused(&format!("{SHORT} --use-budget --pretrained {best}"), 2, "--use-budget has no effect with STRConvER");
    let other = format!("{SHORT} --arch mlp-8 --conv-type DNWConv --use-budget --pretrained {best}");
    place.fails(&other, 1, &["mask of shape 8×64 has 256 bytes, expected 64"]);
}

#[test]
fn values_that_are_no_numbers() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} --sInit-value -4"));
    let Checkpoint { origin, progress, mut state, saved } = run.checkpoint("best");
    let write = |name: &str, state: &ModelState, saved: &Saved| {
        Checkpoint::write(&place.path(name), &network(MODEL), &origin, &progress, state, saved).unwrap();
    };
    let huge = |weights: &[f32]| weights.iter().map(|_| f32::MAX).collect();
    let large = state.layers.iter().map(|layer| LayerState { weights: huge(&layer.weights), ..layer.clone() }).collect();
    write("large", &ModelState { layers: large, ..state.clone() }, &saved);
    let line = "the network of checkpoint large has a loss on the validation images that is not finite";
    place.refused(&format!("{SHORT} --evaluate --pretrained large"), 1, line);

    state.layers[1].weights[0] = f32::NAN;
    write("nan", &state, &saved);
    let line = "checkpoint nan has a value in fc2.weight that is not a finite number";
    for words in ["--evaluate --pretrained nan", "--pretrained nan", "--epochs 5 --resume nan"] {
        let message = place.refused(&format!("{SHORT} {words} --out none"), 1, line);
        assert!(message.contains("  help: the training that wrote it has diverged"), "{message}");
    }
    // A run of its own is no better.
    std::fs::copy(place.path("nan"), run.path("last")).unwrap();
    std::fs::remove_file(run.folder.join("summary.json")).unwrap();
    let out = run.folder.parent().unwrap().display();
    let texts = ["last.safetensors has a value in fc2.weight that is not a finite number"];
    place.fails(&format!("{SHORT} --sInit-value -4 --out {out}"), 1, &texts);
}

#[test]
fn files_of_options() {
    let place = Place::new();
    for (text, lines) in [
        ("sInit_valu: 3\n", &["x.yaml:1:1: unknown key 'sInit_valu'", "did you mean 'sInit-value'?"][..]),
        ("set: digits\n conv_typ: STRConv\n", &["x.yaml:"]),
        (
            "set: digits\nconv_typ: STRConv\nwarmup_lenght: 5\n",
            &[
                "x.yaml:2:1: unknown key 'conv_typ' (did you mean 'conv-type'?)",
                "x.yaml:3:1: unknown key 'warmup_lenght' (did you mean 'warmup-length'?)",
            ],
        ),
        ("set: digits\nepochs: many\n", &["x.yaml:2:9: epochs: 'many' is not a whole number"]),
        ("lr: 0.1\nlr: 0.2\n", &["x.yaml:2:1"]),
        ("sInit_value: -2e\n", &["x.yaml:1:14: sInit_value: '-2e' is not a number"]),
        ("prune_rate: -0.5\n", &["x.yaml:1:13: prune_rate: '-0.5' is not in [0, 1)"]),
    ] {
        place.write("x.yaml", text);
        let ran = place.run("show --config x.yaml");
        assert_eq!(ran.code, Some(2), "{text}{}", ran.err);
        assert!(lines.iter().all(|line| ran.err.contains(line)), "{text}{}", ran.err);
    }
}
