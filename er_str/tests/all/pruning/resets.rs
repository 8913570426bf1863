//! What the next level begins with.

use shared::model::{ModelSpec, ModelState, ParamKind};

use super::{NEARLY, PLAIN, STILL, at, has_weights, last, lines, masks, network, place_with_a_run, plain, state, trained};
use crate::common::Place;

/// A network that was trained, pruned, reset, and moved no more: before its levels, at the end of the last one, and afterwards.
struct Reset {
    first: ModelState,
    trained: ModelState,
    after: ModelState,
}

/// Warm-up of an epoch and levels of three; then a step.
fn reset(place: &Place, words: &str, densities: &str, spec: &ModelSpec, steps_per_epoch: u64) -> Reset {
    let levels = densities.split(',').count();
    let words = format!("{words} --pruner mag --warmup-epochs 1 --final-prune-epoch 3 --threshold-list {densities} {STILL}");
    let first = place.trained(&format!("{words} --max-steps {steps_per_epoch}"));
    let steps = (1 + 3 * levels as u64) * steps_per_epoch + 1;
    let run = place.trained(&format!("{words} --max-steps {steps}"));
    Reset { first: state(&last(&first), spec), trained: trained(&run, levels, spec), after: state(&last(&run), spec) }
}

/// Magnitudes of one, signs of the other.
fn combined(magnitudes: &[Vec<f32>], signs: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let of = |(m, s): (&Vec<f32>, &Vec<f32>)| {
        m.iter().zip(s).map(|(m, s)| if *s == 0.0 { 0.0 } else { m.abs().copysign(*s) }).collect()
    };
    magnitudes.iter().zip(signs).map(of).collect()
}

#[test]
fn weights_go_back_as_far_as_asked() {
    let (place, spec) = (Place::new(), plain());
    for densities in ["0.4", "0.6,0.2"] {
        for option in ["", "--reset-weights", "--reset-weight-amplitude", "--reset-only-weight-sign", "--reset-only-bn"] {
            let Reset { first, trained, after } = reset(&place, &format!("{PLAIN} {option}"), densities, &spec, 11);
            let [old, new] = [&first, &trained].map(|state| at(state, &masks(&after)));
            let expected = match option {
                "--reset-weights" => old.clone(),
                "--reset-weight-amplitude" => combined(&old, &new),
                "--reset-only-weight-sign" => combined(&new, &old),
                _ => new.clone(),
            };
            has_weights(&after, &expected, option);
            // The resets are told apart: there are weights that moved, and weights that changed their signs.
            let pairs = || old.iter().flatten().zip(new.iter().flatten());
            assert!(pairs().any(|(a, b)| (a - b).abs() > 0.1) && pairs().any(|(a, b)| a * b < 0.0), "{option}");
        }
    }
}

/// How far the parameters of this kind are from those of another network.
fn distance(a: &ModelState, b: &ModelState, spec: &ModelSpec, kind: ParamKind) -> f32 {
    let kinds = spec.dense_parameters().map(|p| p.kind);
    let pairs = a.dense.iter().zip(&b.dense).zip(kinds).filter(|(_, k)| *k == kind);
    pairs.flat_map(|((a, b), _)| a.values.iter().zip(&b.values)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn normalisations_go_back_as_far_as_asked() {
    let (place, spec) = (Place::new(), network("digits"));
    let words = PLAIN.replace("mlp-32-16", "digits");
    for (option, affine, running) in [
        ("", false, false),
        ("--reset-weights", true, false),
        ("--reset-weight-amplitude", true, false),
        ("--reset-only-weight-sign", false, false),
        ("--reset-only-bn", true, true),
    ] {
        let Reset { first, trained, after } = reset(&place, &format!("{words} {option}"), "0.5", &spec, 11);
        for kind in [ParamKind::Scale, ParamKind::Shift] {
            let [old, new] = [&first, &trained].map(|state| distance(&after, state, &spec, kind));
            assert!(
                if affine { old < NEARLY && new > 0.01 } else { new < NEARLY && old > 0.01 },
                "{option}: {kind:?} {old} {new}"
            );
        }
        // A step has moved them a tenth of the way to what one batch has.
        let [old, new] = [&first, &trained].map(|state| distance(&after, state, &spec, ParamKind::Mean));
        assert!(if running { old < new } else { new < old }, "{option}: means {old} {new}");
        let bias = distance(&after, &first, &spec, ParamKind::Bias);
        assert_eq!(bias < NEARLY, option.contains("reset-weights") || option.contains("amplitude"), "{option}: biases {bias}");
    }
}

/// Signs of another run: where it has the edge, that of its weight, elsewhere the first one.
#[test]
fn weights_take_the_signs_of_another_run() {
    let (place, other) = place_with_a_run(5);
    let spec = plain();
    let option = format!("--reset-weights --reset-weight-sign --load-expt-sign {}", other.display());
    for (densities, file) in [("0.5", "tickets/level-2.safetensors"), ("0.5,0.2,0.1", "checkpoints/best.safetensors")] {
        let Reset { first, after, .. } = reset(&place, &format!("{PLAIN} {option}"), densities, &spec, 11);
        let (masks, signs) = (masks(&after), state(&other.join(file), &spec));
        let [mut own, taken] = [&first, &signs].map(|state| at(state, &masks));
        for ((own, taken), (mask, of)) in own.iter_mut().zip(&taken).zip(masks.iter().zip(&signs.layers)) {
            for ((own, taken), p) in own.iter_mut().zip(taken).zip(mask.iter()) {
                if of.mask.contains(p) {
                    *own = if *taken == 0.0 { 0.0 } else { own.abs().copysign(*taken) };
                }
            }
        }
        has_weights(&after, &own, densities);
    }
}

/// Each level counts the edges that the other run lacks; no other reset looks for any.
#[test]
fn edges_without_a_sign_are_counted() {
    let (place, other) = place_with_a_run(5);
    let spec = plain();
    let missing = |words: &str| {
        let run = place.trained(&format!("{PLAIN} {} --pruner mag --reset-weights {words}", super::LEVELS));
        let message: Vec<u64> = lines(&run, "pruned").iter().map(|line| line["missing"].as_u64().unwrap()).collect();
        (super::masks_after(&run, 3, &spec), message)
    };
    let (own, message) = missing(&format!("--reset-weight-sign --load-expt-sign {}", other.display()));
    let lacking = |(own, other): (&Vec<_>, &Vec<_>)| {
        let pairs = own.iter().zip(other);
        pairs
            .map(|(a, b): (&shared::graph::Mask, &shared::graph::Mask)| a.iter().filter(|p| !b.contains(*p)).count() as u64)
            .sum()
    };
    let expected: Vec<u64> = own.iter().zip(&super::masks_after(&other, 3, &spec)).map(lacking).collect();
    assert!(message == expected && message.iter().all(|n| *n > 0), "{message:?}, {expected:?}");
    assert_eq!(missing("").1, [0; 3]);
}

/// The optimiser goes back, too: with nothing pruned, a level after a reset is the level before it over again, batches aside.
#[test]
fn the_optimiser_goes_back() {
    let (place, spec) = (Place::new(), plain());
    for optimizer in ["sgd", "adam --lr 0.01 --lr-min 0"] {
        let words = format!("{PLAIN} --optimizer {optimizer} --reset-weights --pruner mag --threshold-list 1 {STILL}");
        let words = format!("{words} --warmup-epochs 2 --final-prune-epoch 1");
        let slots = |steps: u64| {
            let run = place.trained(&format!("{words} --max-steps {steps}"));
            state(&last(&run), &spec)
        };
        let (first, begun) = (slots(22), slots(34));
        assert_eq!(begun.steps, first.steps + 1, "{optimizer}");
        // v = 0.9 v + gradient, or with Adam's second moment v = 0.999 v + 0.001 gradient²: near the first ones, far from others.
        let far = |a: &ModelState, b: &ModelState| {
            let pairs =
                a.layers.iter().zip(&b.layers).flat_map(|(a, b)| a.slots.last().unwrap().iter().zip(b.slots.last().unwrap()));
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        let trained = slots(33);
        assert!(far(&begun, &first) < far(&begun, &trained), "{optimizer}");
    }
}

/// A reset to the network before the levels is not one to the network before the warm-up.
#[test]
fn the_warm_up_stays() {
    let (place, spec) = (Place::new(), plain());
    let Reset { first, .. } = reset(&place, &format!("{PLAIN} --reset-weights"), "0.5", &spec, 11);
    let fresh = state(&last(&place.trained(&format!("{PLAIN} --lr 1e-9 --epochs 1 --max-steps 1"))), &spec);
    let moved = first.layers[0].weights.iter().zip(&fresh.layers[0].weights).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(moved > 0.01, "{moved}");
}
