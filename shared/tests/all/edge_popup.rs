//! Edge-popup on the sparse engine against the float64 trajectory of the corrected algorithm.

use std::any::Any;

use crate::golden::{flat_f32 as flat, golden};
use serde_json::{Value, json};
use shared::data::{self, DataKind, Part};
use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, DenseState, Engine, LayerState, ModelState, Optimizer, StepOptions};
use shared::graph::{LayerShape, Mask};
use shared::model::{Image, ModelSpec, build};
use shared::run::{Saved, SavedTensor};
use shared::schedule::{Clock, Length};
use shared::train::{Data, EdgePopup, EdgePopupOptions, Level, StateFrom, Stepper, TrainingContext};

const BATCH: usize = 8;

/// What an engine does whose parameters others move.
const ADRIFT: StepOptions =
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0, label_smoothing: 0.0 };

/// Set positions of a 0/1 list.
fn ones(bits: &[f32]) -> Vec<usize> {
    (0..bits.len()).filter(|p| bits[*p] > 0.5).collect()
}

/// What a checkpoint holds of the golden network, and the network it chooses: `first` are its masks of weights and biases.
fn stored(spec: &ModelSpec, golden: &Value, density: f64, first: &[Vec<f32>]) -> (ModelState, Saved) {
    let note = json!({"kind": "edge-popup", "density": density, "steps": 0, "scale": 1.0, "training_flops": 0.0, "training_flops_dense": 0.0, "images": ""});
    let (mut saved, mut state) = (Saved { note, ..Saved::default() }, ModelState { layers: vec![], dense: vec![], steps: 0 });
    for (layer, (name, chosen)) in spec.layers().iter().zip(["a", "b"].iter().zip(first)) {
        let of = |what: &str| flat(&golden[format!("{what}{name}")]);
        let values: Vec<f32> = of("W").into_iter().chain(of("b")).collect();
        let (allowed, scores) = (of("er_"), of("scores_"));
        let weights = layer.shape.weights();
        let at = |values: &[f32]| SavedTensor::Floats(ones(&allowed).into_iter().map(|p| values[p]).collect());
        let mask = |shape, bits: &[f32]| Mask::from_positions(shape, ones(bits));
        let biases = LayerShape::linear(layer.shape.out, 1);
        for (what, tensor) in [
            ("allowed", SavedTensor::Bits(mask(layer.shape, &allowed[..weights]).to_bytes())),
            ("allowed_bias", SavedTensor::Bits(mask(biases, &allowed[weights..]).to_bytes())),
            ("frozen", at(&values)),
            ("scores", at(&scores)),
        ] {
            saved.tensors.insert(format!("{what}.{}", layer.name), tensor);
        }
        let edges = mask(layer.shape, &chosen[..weights]);
        state.layers.push(LayerState { weights: edges.iter().map(|p| values[p]).collect(), mask: edges, slots: vec![] });
        let biases = values[weights..].iter().zip(&chosen[weights..]).map(|(b, c)| if *c > 0.5 { *b } else { 0.0 }).collect();
        state.dense.push(DenseState { name: layer.name.replace("weight", "bias"), values: biases, slots: vec![] });
    }
    (state, saved)
}

fn digits() -> Data {
    Data::new(data::load(DataKind::Digits, &[], &data::Options::default()).unwrap(), 8, 8, Part::Test, 1).unwrap()
}

/// What there is at a step, and a stepper in it.
/// Each step is an epoch.
fn at(step: u64) -> Clock {
    Clock { step, batches_per_epoch: 1 }
}

fn popup(golden: &Value, levels: [f64; 2], rescale_steps: Option<u64>, threads: usize) -> (SparseEngine, EdgePopup) {
    let spec = build("mlp-8", Image::new(1, 2, 3), 3).unwrap();
    let config = &golden["config"];
    let momentum = config["momentum"].as_f64().unwrap();
    let options = StepOptions {
        optimizer: Optimizer::Sgd { momentum, nesterov: false },
        weight_decay: config["weight_decay"].as_f64().unwrap(),
        label_smoothing: 0.0,
    };
    let first: Vec<Vec<f32>> = golden["variants"]["er"]["masks"][0].as_array().unwrap().iter().map(flat).collect();
    let (state, saved) = stored(&spec, golden, levels[0], &first);
    let plain = StepOptions { optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false }, ..options };
    let mut engine = SparseEngine::new(spec, state, plain, BATCH, threads).unwrap();
    let length = Length { batches_per_epoch: 1, epochs: 40, multiplier: 1 };
    let context =
        TrainingContext { length, data: &digits(), options, clock: Clock::new(1), saved: &saved, from: StateFrom::ThisClock };
    let popup = EdgePopupOptions { densities: levels.to_vec(), level_steps: 20, rescale_steps, settle_batches: 0 };
    let popup = EdgePopup::new(popup, &context, &mut engine).unwrap();
    (engine, popup)
}

/// The batch of a step, from 1: eight of the samples after the other.
fn batch(golden: &Value, step: u64) -> Batch {
    let (x, y) = (flat(&golden["X"]), flat(&golden["Y"]));
    let nth = (step as usize - 1) % (y.len() / BATCH);
    let pixels = x.len() / y.len();
    Batch {
        images: x[nth * BATCH * pixels..][..BATCH * pixels].to_vec(),
        labels: y[nth * BATCH..][..BATCH].iter().map(|y| *y as u32).collect(),
    }
}

/// Masks of weights and biases that are in use. No frozen value of the golden network is 0.
fn in_use(engine: &SparseEngine, popup: &EdgePopup) -> Vec<Vec<usize>> {
    let state = popup.network(engine).unwrap();
    let layers = state.layers.iter().zip(&state.dense);
    layers
        .map(|(l, b)| {
            let weights = l.mask.shape().weights();
            l.mask.iter().chain((0..b.values.len()).filter(|o| b.values[*o] != 0.0).map(|o| weights + o)).collect()
        })
        .collect()
}

#[test]
fn the_golden_trajectory() {
    let golden = golden("slt_trajectory_f64.json");
    let expected = &golden["variants"]["er"];
    let (k, lr) = (golden["config"]["k"].as_f64().unwrap(), golden["config"]["lr"].as_f64().unwrap());
    let (mut engine, mut popup) = popup(&golden, [k, k], None, 1);
    for step in 1..=20 {
        let wanted: Vec<Vec<usize>> =
            expected["masks"][step - 1].as_array().unwrap().iter().map(|bits| ones(&flat(bits))).collect();
        assert_eq!(in_use(&engine, &popup), wanted, "before step {step}");
        let stepped = popup.step(&mut engine, &batch(&golden, step as u64), at(step as u64), lr).unwrap();
        let wanted = expected["losses"][step - 1].as_f64().unwrap();
        assert!((stepped.outcome.loss() - wanted).abs() < 1e-5, "step {step}: {}, expected {wanted}", stepped.outcome.loss());
        assert_eq!(stepped.event.is_some_and(|event| event.kind() == "level"), step == 1);
    }
    let saved = popup.saved(&engine).unwrap();
    for (l, (layer, name)) in engine.spec().layers().iter().zip(["a", "b"]).enumerate() {
        let Some(SavedTensor::Floats(scores)) = saved.tensors.get(&format!("scores.{}", layer.name)) else { panic!("no scores") };
        let all = flat(&expected["final_scores"][l]);
        let allowed = ones(&flat(&golden[format!("er_{name}")]));
        for (got, p) in scores.iter().zip(allowed) {
            assert!((got - all[p]).abs() < 1e-5, "{name}[{p}]: {got}, expected {}", all[p]);
        }
    }
}

#[test]
fn levels_keep_what_they_say_and_results_do_not_depend_on_threads() {
    let golden = golden("slt_trajectory_f64.json");
    let k = golden["config"]["k"].as_f64().unwrap();
    let run = |threads| {
        let (mut engine, mut popup) = popup(&golden, [k, 0.2], None, threads);
        let mut events = Vec::new();
        for step in 1..=40 {
            events
                .extend(popup.step(&mut engine, &batch(&golden, step), at(step), 0.1).unwrap().event.map(|event| (step, event)));
            let kept = if step <= 20 { [22, 10] } else { [11, 5] };
            assert_eq!(in_use(&engine, &popup).iter().map(Vec::len).collect::<Vec<_>>(), kept, "step {step}");
        }
        (events, popup.network(&engine).unwrap(), popup.saved(&engine).unwrap())
    };
    let (events, network, saved) = run(1);
    let levels = events.iter().map(|(step, event)| (*step, (&**event as &dyn Any).downcast_ref::<Level>().unwrap()));
    let [(1, first), (21, second)] = levels.collect::<Vec<_>>()[..] else { panic!("{events:?}") };
    assert_eq!((first.level, first.levels, first.density_target, first.stayed), (1, 2, k, None));
    assert_eq!((second.level, second.density_target, second.edges + second.biases), (2, 0.2, 16));
    // All that is kept at the second level was kept at the first: half of 32.
    assert_eq!(second.stayed, Some(0.5));
    assert_eq!((events, network, saved), run(2));
}

#[test]
fn rescaling_multiplies_the_logits_and_divides_the_rate() {
    let golden = golden("slt_trajectory_f64.json");
    let (mut engine, mut popup) = popup(&golden, [0.4, 0.4], Some(2), 1);
    let batch = batch(&golden, 1);
    // So small a rate moves no score.
    let still = 1e-20;
    let before = engine.logits(&batch).unwrap();
    popup.step(&mut engine, &batch, at(1), still).unwrap();
    assert_eq!(engine.logits(&batch).unwrap(), before);
    popup.step(&mut engine, &batch, at(2), still).unwrap();
    let scale = popup.results()["scale"].as_f64().unwrap();
    assert!((scale - 1.0).abs() > 0.01, "{scale}");
    for (after, before) in engine.logits(&batch).unwrap().iter().zip(&before) {
        assert!((f64::from(*after) - scale * f64::from(*before)).abs() < 1e-5, "{after}, expected {scale} · {before}");
    }
    // The velocities of scores do not know the rate, so scores move by rate/scale times them.
    let numbers = |popup: &EdgePopup, what: &str| match &popup.saved(&engine).unwrap().tensors[&format!("{what}.fc1.weight")] {
        SavedTensor::Floats(values) => values.clone(),
        SavedTensor::Bits(_) => panic!("{what} are numbers"),
    };
    let scores = numbers(&popup, "scores");
    let mut other = SparseEngine::new(engine.spec().clone(), engine.state().unwrap(), ADRIFT, BATCH, 1).unwrap();
    popup.step(&mut other, &batch, at(3), 0.5).unwrap();
    for ((after, before), velocity) in numbers(&popup, "scores").iter().zip(&scores).zip(numbers(&popup, "velocity.0")) {
        let expected = f64::from(*before) - 0.5 / scale * f64::from(velocity);
        assert!((f64::from(*after) - expected).abs() < 1e-6, "{after}, expected {expected}");
    }
}

#[test]
fn a_network_that_its_scores_do_not_choose_is_refused() {
    let golden = golden("slt_trajectory_f64.json");
    let spec = build("mlp-8", Image::new(1, 2, 3), 3).unwrap();
    let masks = &golden["variants"]["er"]["masks"];
    let first: Vec<Vec<f32>> = masks[0].as_array().unwrap().iter().map(flat).collect();
    let later: Vec<Vec<f32>> = masks[19].as_array().unwrap().iter().map(flat).collect();
    let options =
        StepOptions { optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false }, weight_decay: 0.0, label_smoothing: 0.0 };
    let length = Length { batches_per_epoch: 1, epochs: 1, multiplier: 1 };
    let search = |chosen: &[Vec<f32>], change: &dyn Fn(&mut Saved)| {
        let (state, mut saved) = stored(&spec, &golden, 0.4, chosen);
        change(&mut saved);
        let mut engine = SparseEngine::new(spec.clone(), state, options, 8, 1).unwrap();
        let context =
            TrainingContext { length, data: &digits(), options, clock: Clock::new(1), saved: &saved, from: StateFrom::ThisClock };
        let levels = EdgePopupOptions { densities: vec![0.4], level_steps: 1, rescale_steps: None, settle_batches: 0 };
        EdgePopup::new(levels, &context, &mut engine).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(search(&first, &|_| ()), Ok(()));
    let message = search(&later, &|_| ()).unwrap_err();
    assert!(message.contains("is not what its scores choose"), "{message}");
    let message = search(&first, &|saved| drop(saved.tensors.remove("scores.fc1.weight"))).unwrap_err();
    assert!(message.contains("scores.fc1.weight is missing"), "{message}");
    let message = search(&first, &|saved| saved.note = Value::Null).unwrap_err();
    assert!(message.contains("does not fit this run"), "{message}");
}
