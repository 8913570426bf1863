//! Reparameterised weights on the sparse engine: against a recorded trajectory, against their definition with dense tensors in
//! float64, and what compaction must not change.

use std::any::Any;

use crate::golden::{flat_f32 as flat, golden};
use crate::reparam_case::{BATCH, Case, at, decays, floats, momentum, s_of, trained};
use serde_json::Value;
use shared::engine::{Batch, EdgeGradients, Engine, Step, StepOptions};
use shared::graph::Mask;
use shared::model::{Image, ModelSpec, ModelState, build};
use shared::run::{Saved, SavedTensor};
use shared::schedule::GmpRate;
use shared::threshold::SparseFunction;
use shared::train::{Decays, Reparameterisation, Sparsity, Stepper};

const SOFT: Reparameterisation = Reparameterisation::SoftThreshold { function: SparseFunction::Sigmoid, first: -4.0 };
const RISING: Reparameterisation = Reparameterisation::Rising(GmpRate { rate: 0.8, first: 1, last: 4 });

#[test]
fn the_golden_trajectory() {
    let golden = golden("str_trajectory_f64.json");
    let (config, record) = (&golden["config"], &golden["record"]);
    let number = |key: &str| config[key].as_f64().unwrap();
    let first = number("s_init");
    let mut case = Case::new(&[6, 8, 3], Reparameterisation::SoftThreshold { function: SparseFunction::Sigmoid, first }, 1.0);
    let how = |decay| StepOptions {
        weight_decay: number(decay),
        label_smoothing: number("label_smoothing"),
        ..momentum(number("momentum"), false)
    };
    case.decays = Decays { weights: how("weight_decay"), thresholds: how("st_decay"), norms: how("weight_decay") };
    for (l, name) in ["1", "2"].iter().enumerate() {
        let (weights, edges) = (flat(&golden[format!("W{name}")]), flat(&golden[format!("M{name}")]));
        case.masks[l] = Mask::from_positions(case.masks[l].shape(), (0..edges.len()).filter(|p| edges[*p] > 0.5));
        case.weights[l] = case.masks[l].iter().map(|p| weights[p]).collect();
    }
    let (x, y) = (flat(&golden["X"]), flat(&golden["Y"]));
    let (mut engine, mut reparam) = case.start(1);
    for step in 0..30 {
        let nth = step % (y.len() / BATCH);
        let batch = Batch {
            images: x[nth * BATCH * 6..][..BATCH * 6].to_vec(),
            labels: y[nth * BATCH..][..BATCH].iter().map(|y| *y as u32).collect(),
        };
        let loss = reparam.step(&mut engine, &batch, at(step as u64 + 1), number("lr")).unwrap().outcome.loss();
        let wanted = record["losses"][step].as_f64().unwrap();
        assert!((loss - wanted).abs() < 1e-5, "loss {loss} at step {step}, expected {wanted}");
        let (saved, network) = (reparam.saved(&engine).unwrap(), reparam.network(&engine).unwrap());
        for (l, layer) in engine.spec().layers().iter().enumerate() {
            let (s, wanted) = (s_of(&saved, &layer.name), record["thresholds"][step][l].as_f64().unwrap());
            assert!((s - wanted).abs() < 1e-5, "s of layer {l} after step {step}: {s}, expected {wanted}");
            assert_eq!(record["nnz"][step][l], network.layers[l].mask.edges(), "layer {l} after step {step}");
        }
    }
    let saved = reparam.saved(&engine).unwrap();
    for (l, layer) in engine.spec().layers().iter().enumerate() {
        let all = flat(&golden[format!("final_W{}", l + 1)]);
        for (p, got) in case.masks[l].iter().zip(trained(&saved, &layer.name)) {
            assert!((got - all[p]).abs() < 1e-5, "weight {p} of layer {l}: {got}, expected {}", all[p]);
        }
    }
}

#[test]
fn the_definition_with_dense_tensors() {
    for law in [SOFT, Reparameterisation::Largest { rate: 0.6 }, RISING] {
        for (mu, nesterov) in [(0.0, false), (0.9, false), (0.8, true)] {
            for density in [1.0, 0.5] {
                let mut case = Case::new(&[12, 20, 5], law, density);
                case.decays = decays(momentum(mu, nesterov), [2e-3, 0.05]);
                let used = case.agrees(28, 0.1);
                // Of all weights, in the mask or not, which part is left out: at the end GmpRate has come to 0.8·63/64.
                let [left_out, first] = match law {
                    Reparameterisation::Largest { rate } => [rate; 2],
                    _ => [0.7875, 0.0],
                };
                let kept = |part: f64| {
                    let keep = |m: &Mask| m.edges().saturating_sub((part * m.shape().weights() as f64) as usize);
                    case.masks.iter().map(keep).collect::<Vec<_>>()
                };
                match law {
                    Reparameterisation::SoftThreshold { .. } => assert!(used[27] < used[0], "{used:?}"),
                    _ => assert_eq!([&used[0], &used[27]], [&kept(first), &kept(left_out)], "{law:?}"),
                }
            }
        }
    }
}

/// More weights than a thread moves at once.
#[test]
fn large_layers_by_their_definition() {
    for law in [SOFT, Reparameterisation::Largest { rate: 0.6 }, RISING] {
        let mut case = Case::new(&[80, 110, 5], law, 0.9);
        case.decays = decays(momentum(0.9, false), [2e-3, 0.1]);
        case.weights.iter_mut().flatten().for_each(|w| *w *= 0.3);
        case.agrees(14, 0.05);
    }
}

/// Thresholds rise until almost half of the weights have no place in the engine, and fall again.
#[test]
fn compaction_changes_nothing() {
    let mut case = Case::new(&[12, 24, 5], SOFT, 0.8);
    case.decays = decays(momentum(0.9, false), [1e-4, 0.1]);
    let (mut engine, mut reparam) = case.start(2);
    let mut reference = case.reference();
    let (mut layouts, mut lost, mut back, mut least) = (0, vec![vec![false; 12 * 24], vec![false; 24 * 5]], 0, usize::MAX);
    for step in 1..=40 {
        if step == 18 {
            // A decay below 0 carries s away from 0. What was saved is in the middle of an epoch.
            case.decays.thresholds.weight_decay = -0.8;
            (engine, reparam) = case.go_on(&engine, &reparam, step - 1, 1);
            reference.decays = case.decays;
        }
        let before = engine.state().unwrap();
        case.step_both(&mut engine, &mut reparam, &mut reference, step, 0.1);
        case.fits_its_places(&engine, &reparam, 0.8, 0.9);
        let (after, network) = (engine.state().unwrap(), reparam.network(&engine).unwrap());
        for (l, lost) in lost.iter_mut().enumerate() {
            let (before, after, used) = (&before.layers[l].mask, &after.layers[l].mask, &network.layers[l].mask);
            layouts += usize::from(before != after);
            case.masks[l].iter().filter(|p| !after.contains(*p)).for_each(|p| lost[p] = true);
            back += used.iter().filter(|p| std::mem::take(&mut lost[*p])).count();
        }
        least = least.min(after.layers.iter().map(|l| l.mask.edges()).sum());
    }
    let all: usize = case.masks.iter().map(Mask::edges).sum();
    assert!((10..60).contains(&layouts), "laid out anew {layouts} times");
    assert!(least * 5 < all * 3, "{least} of {all} places at least");
    assert!(back > all / 5, "{back} weights came back");
}

/// A velocity carries a weight far above a threshold that never moves.
#[test]
fn a_weight_without_a_place_comes_back_by_its_velocity() {
    let mut case = Case::new(&[12, 24, 5], SOFT, 1.0);
    case.laws = vec![Some(Reparameterisation::SoftThreshold { function: SparseFunction::Sigmoid, first: -0.5 }); 2];
    case.decays = decays(momentum(0.9, true), [0.0, 0.0]);
    case.weights.iter_mut().flatten().for_each(|w| *w *= 0.5);
    case.weights[0][7] = 0.01;
    case.velocities = case.weights.iter().map(|w| vec![0.0; w.len()]).collect();
    case.velocities[0][7] = -2.0;
    let (mut engine, mut reparam) = case.start(1);
    let mut reference = case.reference();
    let has_place = |engine: &dyn Engine| engine.state().unwrap().layers[0].mask.contains(7);
    assert!(!has_place(&engine));
    let comes = (1..=8).find(|step| {
        case.step_both(&mut engine, &mut reparam, &mut reference, *step, 0.1);
        case.fits_its_places(&engine, &reparam, 0.8, 0.9);
        has_place(&engine)
    });
    // −0.01 + 0.1·2·(0.81 + 0.729 + …) is above 0.8·g, 0.302, with its second term, and that place is of no use before g.
    assert!(matches!(comes, Some(2..=4)), "{comes:?}");
    assert!(reparam.network(&engine).unwrap().layers[0].mask.contains(7));
}

/// Every training goes on from any step as if nothing had happened, with any number of threads.
#[test]
fn interrupted_trainings_are_the_same() {
    for law in [SOFT, Reparameterisation::Largest { rate: 0.6 }, RISING] {
        let mut case = Case::new(&[80, 110, 20, 5], law, 0.7);
        case.laws[1] = None;
        case.decays = decays(momentum(0.9, false), [1e-3, 0.08]);
        let (mut engine, mut reparam) = case.start(1);
        let (mut other, mut again) = case.start(2);
        let mut old_layouts = 0;
        for step in 1..=30 {
            let expected = reparam.step(&mut engine, &case.batch(step), at(step), 0.1).unwrap();
            let got = again.step(&mut other, &case.batch(step), at(step), 0.1).unwrap();
            assert_eq!(got, expected, "{law:?}, step {step}");
            assert_eq!(again.saved(&other).unwrap(), reparam.saved(&engine).unwrap(), "{law:?}, step {step}");
            assert_eq!(again.network(&other).unwrap(), reparam.network(&engine).unwrap(), "{law:?}, step {step}");
            assert_eq!(other.state().unwrap(), engine.state().unwrap(), "{law:?}, step {step}");
            old_layouts += usize::from(case.fits_its_places(&engine, &reparam, 0.8, 0.9));
            (other, again) = case.go_on(&other, &again, step, 1 + step as usize % 2);
        }
        assert!(matches!(law, Reparameterisation::Largest { .. }) || old_layouts > 0, "{law:?}: {old_layouts}");
    }
}

#[test]
fn nothing_in_use() {
    let none = Reparameterisation::SoftThreshold { function: SparseFunction::Exp, first: 3.0 };
    let all = GmpRate { rate: 1.0, first: 0, last: 0 };
    for (law, density) in [none, Reparameterisation::Largest { rate: 1.0 }]
        .map(|law| (law, 0.5))
        .into_iter()
        .chain([(SOFT, 0.0), (Reparameterisation::Rising(all), 0.0)])
    {
        let mut case = Case::new(&[12, 24, 5], law, density);
        case.decays = decays(momentum(0.9, false), [1e-3, 1e-3]);
        let (mut engine, mut reparam) = case.start(2);
        for step in 1..=9 {
            let stepped = reparam.step(&mut engine, &case.batch(step), at(step), 0.1).unwrap();
            assert!((stepped.outcome.loss() - 5.0_f64.ln()).abs() < 1e-6, "{law:?}: {}", stepped.outcome.loss());
            if let Some(sparsity) = stepped.event.as_deref().and_then(|event| (event as &dyn Any).downcast_ref::<Sparsity>()) {
                assert_eq!((sparsity.edges, sparsity.density.to_bits()), (0, 0), "{law:?}");
                assert!(
                    matches!(law, Reparameterisation::Largest { .. }) || sparsity.places == 0,
                    "{law:?}: {}",
                    sparsity.places
                );
            }
            assert!(reparam.saved(&engine).unwrap().not_finite().is_none());
            (engine, reparam) = case.go_on(&engine, &reparam, step, 1);
        }
        assert!(reparam.network(&engine).unwrap().layers.iter().all(|layer| layer.mask.edges() == 0 && layer.weights.is_empty()));
        assert!(reparam.final_report().unwrap().contains("fc1.weight"));
    }
}

/// A training that diverges must not go on as a network of zeros.
#[test]
fn what_is_not_a_number_is_in_use() {
    let mut case = Case::new(&[12, 24, 5], SOFT, 1.0);
    case.weights[1][3] = f32::NAN;
    let (mut engine, mut reparam) = case.start(1);
    for step in 1..3 {
        assert!(reparam.step(&mut engine, &case.batch(step), at(step), 0.1).unwrap().outcome.loss().is_nan());
    }
}

const RATE: f64 = 0.1;
const DECAY: f64 = 0.5;
const THRESHOLD_DECAY: f64 = 0.25;

/// A small residual network with normalisations as they are in the middle of a training, whose last layer has no law.
fn residual() -> (Case, ModelState) {
    let spec: ModelSpec = build("small-dense-4", Image::new(3, 8, 8), 5).unwrap();
    let mut case = Case::of(spec, SOFT, 0.6);
    *case.laws.last_mut().unwrap() = None;
    let how = |weight_decay| StepOptions { weight_decay, ..momentum(0.0, false) };
    case.decays = Decays { weights: how(DECAY), thresholds: how(THRESHOLD_DECAY), norms: how(0.0) };
    let mut state = case.state();
    for (i, value) in state.dense.iter_mut().flat_map(|d| &mut d.values).enumerate() {
        *value += 0.1 + 0.01 * (i % 7) as f32;
    }
    (case, state)
}

/// Which decay each dense parameter has; none for buffers.
fn decay_of_each(spec: &ModelSpec) -> Vec<Option<f64>> {
    let dense = spec.dense_parameters();
    let decay = |name: &str| if name.contains("downsample") { DECAY } else { 0.0 };
    let decays: Vec<_> = dense.map(|p| p.kind.trained().then(|| decay(&p.name))).collect();
    assert!([Some(DECAY), Some(0.0), None].iter().all(|d| decays.contains(d)));
    decays
}

#[test]
fn groups_of_parameters_differ_in_weight_decay() {
    for freeze in [false, true] {
        let (mut case, state) = residual();
        case.freeze = freeze;
        let (mut engine, mut reparam) = case.start_from(state, 1);
        let batch = case.batch(1);
        let mut gradients = EdgeGradients::default();
        engine.step(&batch, Step::measure().edge_gradients(&mut gradients)).unwrap();
        let EdgeGradients { layers: upstream, dense: of_dense } = gradients;
        let (before, first) = (engine.state().unwrap(), reparam.saved(&engine).unwrap());
        reparam.step(&mut engine, &batch, at(1), RATE).unwrap();
        let (after, saved) = (engine.state().unwrap(), reparam.saved(&engine).unwrap());
        let moved = |from: f32, gradient: f64, decay: f64| f64::from(from) - RATE * (gradient + decay * f64::from(from));
        let close = |got: f32, want: f64| (f64::from(got) - want).abs() < 1e-5;
        for (i, decay) in decay_of_each(engine.spec()).into_iter().enumerate() {
            let Some(decay) = decay else { continue };
            for (j, got) in after.dense[i].values.iter().enumerate() {
                let want = moved(before.dense[i].values[j], f64::from(of_dense[i][j]), decay);
                assert!(close(*got, want), "{}: {got}, expected {want}", before.dense[i].name);
            }
        }
        for (l, layer) in engine.spec().layers().iter().enumerate() {
            if case.laws[l].is_none() {
                let want = |(w, u): (&f32, &f32)| if freeze { f64::from(*w) } else { moved(*w, f64::from(*u), DECAY) };
                let wants = before.layers[l].weights.iter().zip(&upstream[l]).map(want);
                assert!(after.layers[l].weights.iter().zip(wants).all(|(got, want)| close(*got, want)), "{}", layer.name);
                continue;
            }
            let s = s_of(&first, &layer.name);
            let g = SparseFunction::Sigmoid.at(s);
            let of_position =
                |p: usize| before.layers[l].mask.iter().position(|place| place == p).map(|place| upstream[l][place]);
            let (mut of_g, weights) = (0.0, trained(&first, &layer.name));
            for (p, (from, got)) in case.masks[l].iter().zip(weights.iter().zip(trained(&saved, &layer.name))) {
                let in_use = f64::from(from.abs()) > g;
                let u = if in_use { f64::from(of_position(p).unwrap()) } else { 0.0 };
                of_g -= f64::from(from.signum()) * u;
                let want = if freeze { f64::from(*from) } else { moved(*from, u, DECAY) };
                assert!(close(got, want), "{}[{p}]: {got}, expected {want}", layer.name);
            }
            let (got, want) = (s_of(&saved, &layer.name), s - RATE * (g * (1.0 - g) * of_g + THRESHOLD_DECAY * s));
            assert!((got - want).abs() < 1e-5, "s of {}: {got}, expected {want}", layer.name);
            assert!(!freeze || floats(&saved, "trained", &layer.name) == weights, "{} is frozen", layer.name);
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let case = Case::new(&[12, 24, 5], SOFT, 0.5);
    let message = |change: &dyn Fn(&mut Saved)| {
        let mut saved = case.stored();
        change(&mut saved);
        case.start_with(&saved).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(message(&|_| ()), Ok(()));
    for (missing, says) in [("allowed.fc1.weight", "allowed.fc1.weight is missing"), ("trained.fc2.weight", "trained.fc2.weight")]
    {
        let message = message(&|saved| drop(saved.tensors.remove(missing))).unwrap_err();
        assert!(message.contains(says), "{message}");
    }
    let short =
        message(&|saved| drop(saved.tensors.insert("trained.fc1.weight".into(), SavedTensor::Floats(vec![1.0])))).unwrap_err();
    assert!(short.contains("trained.fc1.weight does not have"), "{short}");
    let other = message(&|saved| saved.note = Value::Null).unwrap_err();
    assert!(other.contains("another method"), "{other}");
    let none = message(&|saved| saved.note["thresholds"] = serde_json::json!({})).unwrap_err();
    assert!(none.contains("no threshold of fc1.weight"), "{none}");
}
