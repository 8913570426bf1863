//! Networks, masks and signs of other runs.

use std::path::Path;

use shared::graph::Mask;
use shared::model::ModelState;
use shared::topology::effective;

use super::{LEVELS, PLAIN, STILL, at, has_weights, last, lines, masks, masks_after, place_with_a_run, plain, state, trained};
use crate::common::Place;

/// A level that hardly moves a weight, and its first step.
const LOADED: &str = "--pruner mag --threshold-list 0.1 --final-prune-epoch 1 --prune-scheduler constant --constant-prune-lr 1e-9 \
                      --warmup-epochs 0 --max-steps 1";

/// Masks of the reference with the same seed and options: the same training, bit for bit.
#[test]
fn masks_of_a_run_give_that_run_again() {
    let (place, run) = place_with_a_run(3);
    let spec = plain();
    let words = format!("{PLAIN} {LEVELS} --pruner mask-ref --target-expt-name {}", run.display());
    let same = place.trained(&format!("{words} --seed 3"));
    for level in 1..=3 {
        assert!(trained(&run, level, &spec) == trained(&same, level, &spec), "level {level}");
    }
    for kind in ["epoch", "step", "pruned"] {
        assert_eq!(lines(&run, kind), lines(&same, kind));
    }
    assert!(state(&last(&run), &spec) == state(&last(&same), &spec));

    // Other weights, the same masks.
    let other = place.trained(&format!("{words} --seed 4 --reset-weights"));
    assert!(masks_after(&run, 3, &spec) == masks_after(&other, 3, &spec));
    assert!(trained(&run, 2, &spec) != trained(&other, 2, &spec));

    // A run with fewer levels takes those of the first.
    let shorter = words.replace("0.5 0.2 0.1", "0.5 0.2");
    let shorter = place.trained(&format!("{shorter} --seed 4"));
    assert!(masks_after(&run, 2, &spec) == masks_after(&shorter, 2, &spec));

    // What is no edge does not come back.
    let random = words.replace("--er-sparse-method none", "--er-sparse-method uniform --er-sparse-init 0.6");
    let random = place.trained(&random);
    let (wanted, found) = (masks_after(&run, 3, &spec), masks_after(&random, 3, &spec));
    let first = masks(&trained(&random, 1, &spec));
    for (level, line) in lines(&random, "pruned").iter().enumerate() {
        let lacking: usize = wanted[level].iter().zip(&first).map(|(w, f)| w.iter().filter(|p| !f.contains(*p)).count()).sum();
        assert!(line["missing"] == lacking && lacking > 0, "{line}, {lacking}");
        let both = wanted[level].iter().zip(&first).zip(&found[level]);
        assert!(both.into_iter().all(|((w, f), m)| m.iter().eq(w.iter().filter(|p| f.contains(*p)))), "level {level}");
    }
}

/// Masks of one run and signs of another.
#[test]
fn masks_and_signs_may_be_of_two_runs() {
    let (place, run) = place_with_a_run(3);
    let spec = plain();
    let other = place.trained(&format!("{PLAIN} {LEVELS} --pruner random-global --seed 8"));
    let files = format!("--target-expt-name {} --load-expt-sign {}", run.display(), other.display());
    let words = format!("{PLAIN} --pruner mask-ref {files} --reset-weights --reset-weight-sign --seed 9 --warmup-epochs 0");
    let still = format!("{words} --final-prune-epoch 1 --threshold-list 0.5 {STILL}");
    let after = state(&last(&place.trained(&format!("{still} --max-steps 12"))), &spec);
    assert!(masks(&after) == masks_after(&run, 1, &spec)[0]);
    let signs = state(&shared::run::RunFolder::ticket_in(&other, 2), &spec);
    let fresh = state(&last(&place.trained(&format!("{PLAIN} --seed 9 --lr 1e-9 --epochs 1 --max-steps 1"))), &spec);
    has_weights(&after, &signed(&at(&fresh, &masks(&after)), &signs, &masks(&after)), "signs");
}

/// Weights with the signs of another network where it has the edge.
fn signed(weights: &[Vec<f32>], signs: &ModelState, masks: &[Mask]) -> Vec<Vec<f32>> {
    let mut weights = weights.to_vec();
    for ((weights, taken), (mask, of)) in weights.iter_mut().zip(at(signs, masks)).zip(masks.iter().zip(&signs.layers)) {
        for ((weight, sign), p) in weights.iter_mut().zip(taken).zip(mask.iter()) {
            if of.mask.contains(p) {
                *weight = if sign == 0.0 { 0.0 } else { weight.abs().copysign(sign) };
            }
        }
    }
    weights
}

/// The network after a step with these options.
fn loaded(place: &Place, words: &str) -> ModelState {
    let plain_words =
        if words.contains("--er-sparse-method") { PLAIN.replace("--er-sparse-method none", "") } else { PLAIN.to_owned() };
    state(&last(&place.trained(&format!("{plain_words} {LOADED} {words}"))), &plain())
}

#[test]
fn weights_of_a_file_inside_own_masks() {
    let (place, run) = place_with_a_run(3);
    let file = shared::run::RunFolder::ticket_in(&run, 2);
    let of_file = state(&file, &plain());
    let words = format!("--load-only-model --load-model-name {}", file.display());
    let all = loaded(&place, &words);
    assert!(all.layers.iter().all(|l| l.mask.density() == 1.0));
    has_weights(&all, &at(&of_file, &masks(&all)), "weights, 0 where the file has none");
    let random = loaded(&place, &format!("{words} --er-sparse-method uniform --er-sparse-init 0.3"));
    assert!(masks(&random) != masks(&of_file) && masks(&random) != masks(&all));
    has_weights(&random, &at(&of_file, &masks(&random)), "weights inside random masks");
    let [found, expected] = [&all, &of_file].map(|s| s.dense.iter().flat_map(|d| d.values.clone()).collect::<Vec<_>>());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < super::NEARLY) && expected.iter().any(|b| b.abs() > 0.01));
}

#[test]
fn weights_masks_and_signs_of_files() {
    let (place, run) = place_with_a_run(3);
    let spec = plain();
    let other = place.trained(&format!("{PLAIN} {LEVELS} --pruner mag --seed 8"));
    let [weights, sparse, signs] =
        [(&run, 1), (&run, 3), (&other, 2)].map(|(run, level)| shared::run::RunFolder::ticket_in(run, level));
    let [of_weights, of_sparse, of_signs] = [&weights, &sparse, &signs].map(|file| state(file, &spec));

    let words = format!("--load-before-prune --load-model-name {}", sparse.display());
    let same = loaded(&place, &words);
    assert!(masks(&same) == masks(&of_sparse));
    has_weights(&same, &at(&of_sparse, &masks(&same)), "one file");
    let files = format!("--load-model-name {} --load-mask-name {}", weights.display(), sparse.display());
    let two = loaded(&place, &format!("--load-before-prune {files}"));
    assert!(masks(&two) == masks(&of_sparse));
    let inside = at(&of_weights, &masks(&two));
    has_weights(&two, &inside, "two files");

    let signed_words = format!("{files} --load-expt-sign {}", signs.display());
    let three = loaded(&place, &format!("--load-model-mask-and-sign {signed_words}"));
    assert!(masks(&three) == masks(&of_sparse));
    has_weights(&three, &signed(&inside, &of_signs, &masks(&three)), "three files");

    let shuffled = loaded(&place, &format!("--load-shuffled-model-mask-and-sign {signed_words}"));
    assert!(masks(&shuffled) == masks(&of_sparse));
    let found = at(&shuffled, &masks(&shuffled));
    has_weights(&shuffled, &signed(&found, &of_signs, &masks(&shuffled)), "signs after shuffling");
    let sizes = |layers: &[Vec<f32>]| -> Vec<Vec<f32>> {
        let sorted = |l: &Vec<f32>| {
            let mut sizes: Vec<f32> = l.iter().map(|w| w.abs()).collect();
            sizes.sort_by(f32::total_cmp);
            sizes
        };
        layers.iter().map(sorted).collect()
    };
    // A sign of 0 would take a magnitude away.
    for (layer, (a, b)) in sizes(&found).iter().zip(sizes(&inside)).enumerate() {
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < super::NEARLY), "layer {layer}: the same magnitudes");
    }
    assert!(found.iter().zip(&inside).all(|(a, b)| a.iter().zip(b).any(|(a, b)| (a.abs() - b.abs()).abs() > 0.01)), "permuted");
}

/// What resets go back to is the file with `--load-only-model`, else fresh.
#[test]
fn resets_after_loading() {
    let (place, run) = place_with_a_run(3);
    let spec = plain();
    let file = shared::run::RunFolder::ticket_in(&run, 2);
    let after = |words: &str| {
        let words = format!("{PLAIN} --pruner mag --reset-weights --threshold-list 0.1 --final-prune-epoch 2 {STILL} {words}");
        state(&last(&place.trained(&format!("{words} --load-model-name {} --max-steps 23", file.display()))), &spec)
    };
    let fresh = state(&last(&place.trained(&format!("{PLAIN} --lr 1e-9 --epochs 1 --max-steps 1"))), &spec);
    for (option, first) in [("--load-only-model", &state(&file, &spec)), ("--load-before-prune", &fresh)] {
        let found = after(option);
        assert_eq!(super::edges(&masks(&found)), 272);
        has_weights(&found, &at(first, &masks(&found)), option);
    }
}

/// Dead edges of masks that are taken go, too.
#[test]
fn dead_edges_of_another_runs_masks_go() {
    let place = Place::new();
    let spec = plain();
    let levels = LEVELS.replace("0.5 0.2 0.1", "0.3 0.05 0.03");
    let run = place.trained(&format!("{PLAIN} {levels} --pruner random-uniform --seed 2"));
    let words = format!("{PLAIN} {levels} --pruner mask-ref --prune-dead --target-expt-name {}", run.display());
    let found = masks_after(&place.trained(&words), 3, &spec);
    let alive = |path: &Path| masks_after(path, 3, &spec).iter().map(|masks| effective(&spec, masks)).collect::<Vec<_>>();
    assert!(found == alive(&run));
}
