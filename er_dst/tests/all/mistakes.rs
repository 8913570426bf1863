//! Every option that a method has no use for is refused with one line that names it.

use crate::common::Place;

/// A short training of a small network.
const SMALL: &str = "--model mlp-8 --epochs 4 --quiet";

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, texts) in [
        ("--method RigeL", &["unknown method", "RigL"][..]),
        ("--growth sideways", &["--growth", "sideways"]),
        ("--death old_age", &["--death", "old_age"]),
        ("--redistribution fair", &["--redistribution", "fair"]),
        ("--prune roots", &["--prune", "roots"]),
        ("--decay-schedule exponential_x", &["--decay-schedule", "inverse-power-K"]),
        ("--grow-init ones", &["--grow-init", "grad_scale_10"]),
        ("--grow-init grad_scale_0", &["--grow-init", "grad_scale_0"]),
        ("--density 1.5", &["--density", "1.5"]),
        ("--init-density 0", &["--density", "0"]),
        ("--final-density 1.01", &["--final-density", "1.01"]),
        ("--prune-rate 1.5", &["--prune-rate", "1.5"]),
        ("--alpha -0.1", &["--prune-rate", "-0.1"]),
        ("--update-frequency 0", &["--update-frequency", "0"]),
        ("--t-end-fraction 1.5", &["--t-end-fraction", "1.5"]),
        ("--pruning-rate 0.5", &["--pruning-rate: the published program ignores it", "--prune-rate"]),
        ("--batch-size-jac 200", &["--batch-size-jac: the published program ignores it"]),
        ("--fp16", &["--fp16", "32 bits"]),
        ("--nolr_scheduler --lr-policy cosine", &["--nolr-scheduler means --lr-policy constant"]),
        ("--densty 0.1", &["unknown option '--densty'", "did you mean '--density'?"]),
        ("--sparse-init ER_synflow", &["ER_synflow", "scores"]),
        ("--rm-first --dense-layers frist", &["frist"]),
        ("--method Top-KAST --backward-density 0.01", &["--backward-density: 0.01 is below the density 0.05"]),
        ("--method Top-KAST --sampling exact", &["--sampling has no effect with --method Top-KAST"]),
        ("--method Top-KAST --flow-at-updates", &["--flow-at-updates has no effect with --method Top-KAST"]),
        ("--method RigL --backward-density 0.2", &["--backward-density has no effect with --method RigL", "Top-KAST"]),
    ] {
        place.fails(&format!("{words} {SMALL}"), 2, texts);
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[test]
fn options_without_effect() {
    let place = Place::new();
    for option in [
        "death SET",
        "growth random",
        "redistribution gradient",
        "prune-rate 0.2",
        "prune-rate-floor 0.1",
        "decay-schedule linear",
        "grad-accumulation-n 2",
        "update-replaces-step",
        "grow-init grad_sign",
        "reinit-regrown",
    ] {
        let name = option.split(' ').next().unwrap();
        for method in ["static", "dense", "GMP", "GMP_uniform", "pruning"] {
            let no_effect = format!("--{name} has no effect with --method {method}: no edges ");
            place.fails(&format!("--method {method} --{option} {SMALL}"), 2, &[&no_effect]);
        }
        place.fails(&format!("--fix --{option} {SMALL}"), 2, &[&format!("--{name} has no effect with --fix: no edges ")]);
    }
    for option in ["update-frequency 5", "t-begin 3", "t-end 9", "t-end-fraction 0.5", "flow-at-updates"] {
        let name = option.split(' ').next().unwrap();
        for (words, of) in [("--method static", "--method static"), ("--is-prune false", "--is-prune false")] {
            place.fails(
                &format!("{words} --{option} {SMALL}"),
                2,
                &[&format!("--{name} has no effect with {of}: no edges move")],
            );
        }
    }
    for option in ["init-prune-epoch 1", "final-prune-epoch 3", "prune snip"] {
        let name = option.split(' ').next().unwrap();
        for method in ["RigL", "SET", "DST", "static", "dense"] {
            let texts = [&*format!("--{name} has no effect with --method {method}, which does not prune")];
            place.fails(&format!("--method {method} --{option} {SMALL}"), 2, &texts);
        }
    }
    for (words, texts) in [
        ("--method pruning --final-prune-epoch 3", &["--final-prune-epoch has no effect with --method pruning", "--t-end"][..]),
        ("--method GMP --t-end 20", &["--t-end has no effect with --method GMP", "--final-prune-epoch"]),
        ("--method GMP_uniform --t-end-fraction 0.5", &["--t-end-fraction has no effect with --method GMP_uniform"]),
        ("--method SET --grad-accumulation-n 2", &["--grad-accumulation-n has no effect unless edges grow by gradient"]),
        ("--growth momentum --grad-accumulation-n 2", &["--grad-accumulation-n has no effect", "--growth gradient"]),
        (
            "--decay-schedule constant --prune-rate-floor 0.1",
            &["--prune-rate-floor has no effect with --decay-schedule constant"],
        ),
        ("--method dense --density 0.1", &["--density has no effect without a mask", "choose a --method with a mask"]),
        ("--method dense --sparse-init ERK", &["--sparse-init has no effect without a mask"]),
        ("--method dense --rm-first", &["--rm-first has no effect without a mask"]),
        ("--method dense --ignore-linear-layers", &["--ignore-linear-layers has no effect without a mask"]),
        ("--sparse false --density 0.1", &["--density has no effect without a mask"]),
        ("--sparse false --method RigL", &["--method RigL needs a mask, and --sparse false asks for none"]),
        ("--method small_dense --density 0.5 --sampling exact", &["--sampling has no effect without a mask"]),
        ("--method small_dense", &["--method small_dense needs --density"]),
    ] {
        place.fails(&format!("{words} {SMALL}"), 2, texts);
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[test]
fn options_that_contradict_each_other() {
    let place = Place::new();
    for (words, texts) in [
        ("--final-density 0.6", &["--final-density: 0.6 is above the first density 0.5"][..]),
        ("--init-density 0.01", &["0.05 is above the first density 0.01", "--final-density"]),
        ("--method GMP --density 0.01", &["0.05 is above the first density 0.01"]),
        (
            "--method RigL --final-density 0.01",
            &["--final-density: with --method RigL the density stays at 0.05", "give --density 0.01"],
        ),
        ("--method static --final-density 0.01", &["the density stays at 0.05"]),
        ("--final-prune-epoch 5", &["--final-prune-epoch: the density would fall from epoch 0 to 5 of 4"]),
        ("--init-prune-epoch 3 --final-prune-epoch 3", &["--final-prune-epoch: the density would fall from epoch 3 to 3 of 4"]),
        ("--init-prune-epoch 4", &["--init-prune-epoch: the density would fall from epoch 4 to 5 of 4"]),
        ("--method RigL --t-begin 9 --t-end 5", &["--t-end: step 5 is not after --t-begin 9"]),
        ("--method RigL --t-end 5 --t-end-fraction 0.5", &["--t-end and --t-end-fraction say the same: give one"]),
        (
            "--method RigL --update-frequency 4 --grad-accumulation-n 4",
            &["--grad-accumulation-n: 4 batches are not fewer than the 4 steps between two updates"],
        ),
        ("--prune-rate 0.2 --prune-rate-floor 0.3", &["--prune-rate-floor: 0.3 is above the rate 0.2"]),
    ] {
        place.fails(&format!("{words} {SMALL}"), 2, texts);
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[test]
fn updates_that_never_come() {
    let place = Place::new();
    // 4 epochs of 13 batches of at most 100 images; the density falls in the first two of them.
    for (words, texts) in [
        ("--update-frequency 1000", &["no update of every 1000 steps lies between epochs 0 and 2 of 13 steps"][..]),
        // The update at the end of both epochs has no target, the one before is at step 0.
        ("--update-frequency 20", &["the one update of every 20 steps between epochs 0 and 2 of 13 steps prunes nothing"]),
        (
            "--method GMP --update-frequency 20",
            &["the one update of every 20 steps between epochs 0 and 2 of 13 steps prunes nothing"],
        ),
        ("--method GMP_uniform --update-frequency 29", &["no update of every 29 steps lies between epochs 0 and 2"]),
        (
            "--method GMP --update-frequency 5 --t-begin 30",
            &["no update of every 5 steps from step 30 on lies between epochs 0 and 2"],
        ),
        ("--method pruning --update-frequency 100", &["no update of every 100 steps lies between steps 0 and 39"]),
        (
            "--method pruning --t-begin 50 --update-frequency 5",
            &["no update of every 5 steps from step 50 on lies between steps 50 and 39"],
        ),
        ("--method RigL", &["no edge would move: no multiple of the 100 steps of an update lies between steps 0 and 39"]),
        ("--method SET --update-frequency 5 --t-begin 36", &["no edge would move", "between steps 36 and 39"]),
        ("--method DST --update-frequency 53", &["no edge would move", "between steps 0 and 52"]),
        (
            "--update-frequency 5 --t-end 20",
            &["the density falls until the update of step 20, but T_end = 20 is before", "--final-prune-epoch"],
        ),
    ] {
        let message = place.fails(&format!("{words} {SMALL}"), 2, texts);
        assert!(message.contains("help: "), "{message}");
    }
    assert!(!place.path("runs").exists(), "updates that never come leave no folder behind");
    for words in ["--update-frequency 13", "--method DST --update-frequency 52", "--method GMP_uniform --update-frequency 26"] {
        place.done(&format!("{words} {SMALL}"));
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let place = Place::new();
    let words = "--method RigL --final-density 0.01 --final-prune-epoch 3 --pruning-rate 0.5 --fp16 --t-end 5 --t-begin 9";
    let ran = place.run(&format!("{words} {SMALL}"));
    assert_eq!(ran.code, Some(2));
    let errors: Vec<&str> = ran.err.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 5, "{}", ran.err);
    for name in ["--final-density", "--final-prune-epoch", "--pruning-rate", "--fp16", "--t-end"] {
        assert!(errors.iter().any(|e| e.starts_with(&format!("error: {name}"))), "{name}: {}", ran.err);
    }
    place.write("run.yaml", "method: static\ngrowth: random\n");
    place.fails("show --config run.yaml --growth random", 2, &["--growth has no effect with --method static"]);
    // In a file it may be meant for another method.
    let note = "note: run.yaml:2:1: growth has no effect with --method static: no edges are exchanged\n";
    assert_eq!(place.run("show --config run.yaml").err, note);
}

#[test]
fn pruning_from_a_dense_network_notes_a_lower_first_density() {
    let place = Place::new();
    let note = |words: &str| {
        let ran = place.run(&format!("show {words} {SMALL} --update-frequency 5"));
        assert_eq!(ran.code, Some(0), "{words}: {}", ran.err);
        ran.err
    };
    let message = note("--method GMP --init-density 0.5");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with("note: --density 0.5: GMP begins with all weights"), "{message}");
    assert_eq!(note("--method GMP"), "");
    assert_eq!(note("--method GraNet --density 0.6").lines().count(), 1);
}
