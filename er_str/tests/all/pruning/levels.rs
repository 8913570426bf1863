//! Which edges stay after each level, and at which rates levels are trained.

use std::f64::consts::PI;
use std::path::Path;

use serde_json::json;
use shared::density::Density;
use shared::graph::LayerShape;
use shared::model::ModelSpec;
use shared::score::synflow;
use shared::topology::effective;
use shared::topology::iterative::{Pruner, magnitudes, prune, random_scores};

use super::{LEVELS, PLAIN, STEPS_PER_EPOCH, edges, lines, masks, masks_after, place_with_a_run, plain, summary, trained};
use crate::common::Place;

const DENSITIES: [f64; 3] = [0.5, 0.2, 0.1];

/// All but the k = ⌊(1 − d)·N⌋ least.
fn at_most(weights: usize, density: f64) -> usize {
    weights - ((1.0 - density) * weights as f64) as usize
}

/// Masks are nested, and the lines of the metrics and the summary say what the files hold.
fn is_consistent(run: &Path, spec: &ModelSpec, pruner: &str) {
    let after = masks_after(run, DENSITIES.len(), spec);
    let message = lines(run, "pruned");
    assert_eq!(message.len(), DENSITIES.len(), "{pruner}");
    let n = spec.weight_count() as f64;
    let levels = &summary(run)["levels"];
    for (i, (line, masks)) in message.iter().zip(&after).enumerate() {
        let before = super::masks(&trained(run, i + 1, spec));
        assert!(before.iter().zip(masks).all(|(old, new)| new.iter().all(|p| old.contains(p))), "{pruner}: level {}", i + 1);
        // One epoch of warm-up, two a level.
        let epoch = 3 + 2 * i as u64;
        let expected = json!({
            "kind": "pruned", "level": i + 1, "levels": 3, "density_target": DENSITIES[i], "density": edges(masks) as f64 / n,
            "density_effective": edges(&effective(spec, masks)) as f64 / n, "edges": edges(masks),
            "pruned": edges(&before) - edges(masks), "missing": 0, "step": epoch * STEPS_PER_EPOCH + 1, "epoch": epoch + 1,
        });
        assert_eq!(*line, expected, "{pruner}");
        let validation = &lines(run, "epoch")[epoch as usize - 1]["validation_accuracy"];
        assert_eq!((&levels[i]["level"], &levels[i]["validation_accuracy"]), (&json!(i + 1), validation), "{pruner}");
        assert_eq!((&levels[i]["edges"], &levels[i]["density"]), (&json!(edges(&before)), &json!(edges(&before) as f64 / n)));
        assert!((0.0..=1.0).contains(&levels[i]["test_accuracy"].as_f64().unwrap()), "{levels}");
    }
    let summary = summary(run);
    assert_eq!((&summary["pruner"], &summary["density_requested"]), (&json!(pruner), &json!(0.1)));
    assert_eq!((&summary["edges"], levels[3].is_null()), (&json!(edges(&after[2])), true));
    assert!(summary["best_epoch"].as_u64().unwrap() > 7, "of the last training: {summary}");
}

#[test]
fn levels_that_prune_nothing_are_told() {
    let place = Place::new();
    let words = format!("{PLAIN} --epochs 1 --warmup-epochs 0 --final-prune-epoch 1 --pruner mag").replace("none", "uniform");
    let of = |more: &str| {
        let ran = place.run(&format!("{words} --sampling exact --er-sparse-init 0.25 {more}"));
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.err.lines().filter(|line| line.starts_with("note: level")).map(str::to_owned).collect::<Vec<_>>()
    };
    let what = |level: u32, asks: f64, left: f64| {
        format!("note: level {level} of 3 prunes nothing: it asks for density {asks}, and {left} is left")
    };
    assert_eq!(of("--threshold-list 0.3,0.2,0.2"), [what(1, 0.3, 0.25), what(3, 0.2, 0.2)]);
    assert!(of("--threshold-list 0.2,0.1,0.05").is_empty());
}

/// Each level's masks are what the pruner leaves of the network that the level has trained.
#[test]
fn every_pruner_leaves_what_its_rule_says() {
    let (place, spec) = (Place::new(), plain());
    let shapes: Vec<LayerShape> = spec.layers().iter().map(|l| l.shape).collect();
    for choice in Pruner::CHOICES.iter().filter(|choice| choice.value != Pruner::MaskRef) {
        let (pruner, name) = (choice.value, choice.name);
        let run = place.trained(&format!("{PLAIN} {LEVELS} --pruner {name} --reset-weights"));
        is_consistent(&run, &spec, name);
        for (i, (after, density)) in masks_after(&run, 3, &spec).iter().zip(DENSITIES).enumerate() {
            let mut state = trained(&run, i + 1, &spec);
            let density = Density::new(density).unwrap();
            if let Some(rule) = pruner.distribution() {
                let solved = rule.solve(&shapes, density).unwrap().densities;
                for ((mask, old), p) in after.iter().zip(&state.layers).zip(solved) {
                    let expected = at_most(mask.shape().weights(), p).min(old.mask.edges());
                    assert_eq!(mask.edges(), expected, "{name}, level {}", i + 1);
                }
            } else {
                let (found, most) = (edges(after), at_most(spec.weight_count(), density.get()));
                // Gradients may be 0: digits have pixels that are always dark.
                let exact = pruner != Pruner::Snip;
                assert!(found == most || (!exact && (1..most).contains(&found)), "{name}: {found} of {most}");
            }
            let scores = match pruner {
                Pruner::Magnitude => magnitudes(&state.layers),
                Pruner::Synflow => synflow(&spec, &state),
                // That of a batch.
                Pruner::Snip | Pruner::MaskRef => continue,
                _ => random_scores(&state.layers, 17, i as u32 + 1),
            };
            prune(&mut state.layers, &[true; 3], &scores, pruner.distribution(), density).unwrap();
            assert!(masks(&state) == *after, "{name}, level {}", i + 1);
        }
    }
}

/// Snip with other batches is another pruning, and with the same ones the same.
#[test]
fn snip_depends_on_the_batch() {
    let (place, spec) = (Place::new(), plain());
    let [one, same, other] = ["--seed 1", "--seed 1 --threads 2", "--seed 2"].map(|more| {
        let run = place.trained(&format!("{PLAIN} {LEVELS} --pruner snip {more}").replace("--threads 1 ", ""));
        masks_after(&run, 1, &spec)
    });
    assert!(one == same && one != other);
}

/// Masks that are sparse from the beginning are pruned from there; a level denser than they are prunes nothing.
#[test]
fn levels_begin_with_random_masks() {
    let (place, spec) = (Place::new(), plain());
    let random = "--er-sparse-method balanced --er-sparse-init 0.3";
    let words = PLAIN.replace("--er-sparse-method none", random);
    let run = place.trained(&format!("{words} {LEVELS} --pruner mag"));
    let first = edges(&masks(&trained(&run, 1, &spec)));
    assert!((0.2..0.3).contains(&(first as f64 / 2720.0)), "balanced saturates: {first}");
    let message: Vec<u64> = lines(&run, "pruned").iter().map(|line| line["edges"].as_u64().unwrap()).collect();
    assert_eq!(message, [first as u64, at_most(2720, 0.2) as u64, at_most(2720, 0.1) as u64]);
}

/// Layers that are kept dense stay, and densities are those of the others.
#[test]
fn dense_layers_are_not_pruned() {
    let (place, spec) = (Place::new(), plain());
    let run = place.trained(&format!("{PLAIN} {LEVELS} --pruner mag --last-layer-dense"));
    for (masks, density) in masks_after(&run, 3, &spec).iter().zip(DENSITIES) {
        assert_eq!([edges(&masks[..2]), masks[2].edges()], [at_most(2560, density), 160]);
    }
    let line = &lines(&run, "pruned")[2];
    assert_eq!([&line["density"], &line["edges"]], [&json!(256.0 / 2560.0), &json!(416)]);
}

#[test]
fn dead_edges_go_if_asked() {
    let (place, spec) = (Place::new(), plain());
    let levels = LEVELS.replace("0.5 0.2 0.1", "0.3 0.05 0.03");
    let words = format!("{PLAIN} {levels} --pruner random-uniform --seed 2");
    let [kept, gone] = ["", "--prune-dead"].map(|more| place.trained(&format!("{words} {more}")));
    let dead = |run: &Path| {
        let after = masks_after(run, 3, &spec);
        after.iter().map(|masks| edges(masks) - edges(&effective(&spec, masks))).collect::<Vec<_>>()
    };
    assert!(dead(&kept)[1] > 0, "{:?}", dead(&kept));
    assert_eq!(dead(&gone), [0; 3]);
    for line in lines(&gone, "pruned") {
        assert_eq!(line["density"], line["density_effective"]);
    }
}

/// The rate of each epoch.
fn rates(place: &Place, words: &str) -> Vec<f64> {
    let run = place.trained(&format!("{PLAIN} --pruner mag {words}"));
    lines(&run, "epoch").iter().map(|line| line["learning_rate"].as_f64().unwrap()).collect()
}

fn same_rates(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, {expected:?}");
}

/// From the rate to the floor in so many epochs.
fn cosine(lr: f64, floor: f64, epochs: usize) -> Vec<f64> {
    (0..epochs).map(|e| floor + 0.5 * (1.0 + (PI * e as f64 / epochs as f64).cos()) * (lr - floor)).collect()
}

#[test]
fn rates_of_warm_up_levels_and_last_training() {
    let place = Place::new();
    let words = "--warmup-epochs 3 --final-prune-epoch 4 --epochs 5 --threshold-list 0.5,0.4 --lr 0.3";
    let warm = [0.1, 0.2, 0.3];
    let [level, last] = [4, 5].map(|epochs| cosine(0.3, 0.01, epochs));
    same_rates(&rates(&place, words), &[&warm[..], &level, &level, &last].concat());
    let [level, last] = [4, 5].map(|epochs| cosine(0.3, 0.05, epochs));
    same_rates(&rates(&place, &format!("{words} --lr-min 0.05")), &[&warm[..], &level, &level, &last].concat());
    let constant = format!("{words} --prune-scheduler constant --constant-prune-lr 0.07 --lr-min 0");
    same_rates(&rates(&place, &constant), &[&warm[..], &[0.07; 8], &cosine(0.3, 0.0, 5)].concat());
    let constant = format!("{constant} --lr-policy constant_lr --warmup-length 2").replace("--lr-min 0", "");
    same_rates(&rates(&place, &constant), &[&warm[..], &[0.07; 8], &[0.15, 0.3, 0.3, 0.3, 0.3]].concat());
}

#[test]
fn rates_of_the_step_schedule_fall_every_60_epochs() {
    let words = "--warmup-epochs 0 --final-prune-epoch 122 --epochs 1 --threshold-list 0.5 --lr 0.2 --prune-scheduler step";
    let found = rates(&Place::new(), words);
    same_rates(&found, &[&[0.2; 60][..], &[0.02; 60], &[0.002; 2], &[0.2]].concat());
}

/// A training that ends in a level tells of the levels that it has ended.
#[test]
fn a_training_may_end_inside_a_level() {
    let place = Place::new();
    for (steps, levels) in [(3, 0), (34, 1), (60, 2)] {
        let run = place.trained(&format!("{PLAIN} {LEVELS} --pruner mag --reset-weights --max-steps {steps}"));
        assert_eq!(summary(&run)["levels"].as_array().unwrap().len(), levels, "{steps}");
    }
}

#[test]
fn two_threads_compute_what_one_computes() {
    let (place, run) = place_with_a_run(17);
    let words = format!("{PLAIN} {LEVELS} --pruner mag").replace("--threads 1", "--threads 2");
    super::interrupted::same_levels(&run, &place.trained(&words), 3);
}
