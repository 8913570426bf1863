//! Interruptions and threads change nothing.

use std::path::Path;

use crate::common::{Place, same};

/// A small training; 23 lines of metrics an epoch.
const BASE: &str = "--set digits --arch mlp-32-16 -b 64 --lr-policy cosine_lr --epochs 12 --log-interval 1 --quiet";

/// The published files of layers.
fn files(run: &Path) -> [Vec<u8>; 2] {
    ["sparsity", "threshold"].map(|what| std::fs::read(run.join(format!("layerwise_{what}/er_str.json"))).unwrap())
}

/// Kills a training three times, each when it has this many more lines of metrics; then lets it end.
fn killed(words: &str, lines: usize) {
    let place = Place::new();
    let words = |out: &str| format!("{words} {BASE} --out {out} --threads 2");
    let [whole, broken] = place.goes_on(words, &[1, 2, 3].map(|kills| ("KILL", lines * kills)));
    same(&whole, &broken);
    assert!(files(&whole) == files(&broken), "published files differ");
}

/// Goes on from inside an epoch, and from where one ends: only epochs end with a checkpoint unless steps do.
fn killed_anywhere(words: &str) {
    killed(&format!("{words} --checkpoint-interval 4"), 40);
    killed(words, 46);
}

#[test]
fn killed_with_thresholds_inside_masks() {
    killed_anywhere("--conv-type STRConvER --er-sparse-init 0.4 --sInit-value -4 --weight-decay 5e-3 --lr 0.1");
}

#[test]
fn killed_with_adams_moments() {
    killed_anywhere("--conv-type STRConv --optimizer adam --lr 0.01 --wd 1e-3 --st-decay 0.1 --sInit-value -4");
}

#[test]
fn killed_while_the_rate_rises() {
    killed_anywhere("--conv-type GMPConv --prune-rate 0.9 --init-prune-epoch 1 --final-prune-epoch 9 --lr 0.1");
}

#[test]
fn killed_with_the_largest_weights() {
    killed_anywhere("--conv-type DNWConv --prune-rate 0.8 --lr 0.1");
}

#[test]
fn killed_with_masks_that_stay() {
    killed_anywhere("--conv-type ConvER --er-sparse-method ERK --lr 0.1 --freeze-weights");
}

/// A process that is stopped saves where it is; the same command goes on.
#[test]
fn stopped_at_any_step() {
    let place = Place::new();
    let words = |out: &str| format!("--sInit-value -4 --weight-decay 5e-3 --save-every 4 {BASE} --out {out} --threads 1");
    let [whole, broken] = place.goes_on(words, &[("TERM", 3), ("TERM", 60), ("TERM", 150)]);
    same(&whole, &broken);
    for epoch in [4, 8, 12] {
        let read = |run: &Path| std::fs::read(run.join(format!("checkpoints/epoch-{epoch}.safetensors"))).unwrap();
        assert!(read(&whole) == read(&broken), "epoch {epoch} differs");
    }
}

#[test]
fn threads_do_not_change_a_training() {
    let place = Place::new();
    for (i, words) in [
        "--arch digits --sInit-value -4 --weight-decay 5e-3",
        "--arch mlp-64-32 --conv-type STRConv --sparse-function exp --sInit-value -4 --optimizer adam --lr 0.01",
        "--arch mlp-64-32 --conv-type GMPConv --prune-rate 0.9 --final-prune-epoch 1",
        "--arch digits --conv-type DNWConv --prune-rate 0.8",
        "--arch digits --conv-type ConvER --er-sparse-method ERK",
    ]
    .into_iter()
    .enumerate()
    {
        let folders = [1, 2].map(|threads| {
            let out = format!("{i}-{threads}");
            place.done(&format!("--set digits {words} --epochs 2 --log-interval 1 --quiet --threads {threads} --out {out}"));
            place.only_run(&out)
        });
        same(&folders[0], &folders[1]);
        assert!(files(&folders[0]) == files(&folders[1]), "{words}");
    }
}
