//! Thresholds and pruning do the same on both engines, and each goes on where the other stopped.

use crate::common::{Place, engines_agree, engines_take_over, of_digits};

const WORDS: &str = "--set digits --batch-size 128 --lr 0.1 --log-interval 1 --quiet";

/// Thresholds that move quickly, inside a mask.
const SOFT: &str = "--conv-type STRConvER --er-sparse-init 0.4 --sInit-value -4 --weight-decay 5e-3 --epochs 3";

/// Two levels of pruning after an epoch of warm-up, and an epoch after them.
const LEVELS: &str =
    "--conv-type ConvMask --er-sparse-method none --warmup-epochs 1 --final-prune-epoch 1 --epochs 1 --threshold-list 0.5 0.2";

/// The weights in use are the same to the last edge.
#[test]
fn both_engines_use_the_same_weights() {
    let place = Place::new();
    for (model, words) in [
        ("mlp-32-16", SOFT),
        ("digits-x0.25", &SOFT.replace("--epochs 3", "--epochs 1")),
        ("mlp-32-16", "--conv-type STRConv --sparse-function exp --sInit-value -4 --optimizer adam --lr 0.01 --epochs 3"),
        ("mlp-32-16", "--conv-type DNWConv --prune-rate 0.8 --epochs 3"),
        ("mlp-32-16", "--conv-type GMPConv --prune-rate 0.9 --final-prune-epoch 2 --epochs 3"),
    ] {
        engines_agree(&place, &format!("{WORDS} --arch {model} {words}"), &of_digits(model));
    }
}

#[test]
fn both_engines_prune_the_same_weights() {
    let place = Place::new();
    for pruner in ["mag --reset-weights", "snip"] {
        let words = format!("{WORDS} --arch mlp-32-16 {LEVELS} --pruner {pruner}");
        let run = engines_agree(&place, &words, &of_digits("mlp-32-16"));
        assert_eq!(run.lines("pruned").len(), 2, "{pruner}");
    }
}

/// With rising thresholds, and between two levels.
#[test]
fn each_engine_goes_on_where_the_other_stopped() {
    let place = Place::new();
    for (words, steps) in [(SOFT, 11), (&format!("{LEVELS} --pruner mag --reset-weights"), 22)] {
        engines_take_over(&place, &format!("{WORDS} --arch mlp-32-16 {words}"), &of_digits("mlp-32-16"), steps);
    }
}
