//! The same run on both engines, and runs that go on on the other one.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shared::model::{Image, ModelSpec, ModelState, build};
use shared::run::{Checkpoint, SavedTensor};

use super::{CLOCKS, Place, Run, json};

/// Distance of numbers, and of tensors relative to their norm. Short runs end about 1e-6 apart.
const ROUNDING: f64 = 1e-4;

/// The same for what is made of the latest gradients: rounding may put a value on the other side of the kink of a ReLU or a maximum.
const KINK: f64 = 1e-2;

/// Distance of accuracies: rounding may decide between two logits for an image or two.
const IMAGES: f64 = 0.02;

/// A network for the built-in digits.
pub(crate) fn of_digits(model: &str) -> ModelSpec {
    build(model, Image::new(1, 8, 8), 10).unwrap()
}

/// Trains on both engines; metrics, summaries and checkpoints are the same to rounding. The run on the sparse one.
pub(crate) fn engines_agree(place: &Place, words: &str, spec: &ModelSpec) -> Run {
    let [sparse, dense] = ["sparse", "dense"].map(|engine| Run::of(place, &format!("{words} --engine {engine}")));
    assert_eq!(sparse.folder.file_name(), dense.folder.file_name(), "{words}: both are one run");
    assert_eq!(sparse.metrics.len(), dense.metrics.len(), "{words}");
    ends_as(&sparse, &dense, spec);
    checkpoints_agree(&sparse, &dense, "best", spec);
    numbers_agree("the summary", &sparse.summary, &dense.summary);
    assert_eq!(["sparse", "dense on cpu"], [&sparse, &dense].map(|run| engine(&run.folder)).each_ref().map(String::as_str));
    sparse
}

/// Trains so many steps on one engine and the rest on the other, both ways round; the rest is the same to rounding.
pub(crate) fn engines_take_over(place: &Place, words: &str, spec: &ModelSpec, steps: u64) {
    let whole = Run::of(place, words);
    for (first, then) in [("sparse", "dense"), ("dense", "sparse")] {
        let part = place.trained(&format!("{words} --engine {first} --max-steps {steps}"));
        let rest = Run::of(place, &format!("{words} --engine {then} --resume {}", saved(&part, "last").display()));
        assert_eq!(rest.lines("step").len() + steps as usize, whole.lines("step").len(), "{words}: a line each step");
        ends_as(&whole, &rest, spec);
    }
}

/// What computed a run.
pub(crate) fn engine(run: &Path) -> String {
    json(&run.join("manifest.json"))["device"]["engine"].as_str().unwrap().to_owned()
}

/// The network that a run ended with.
pub(crate) fn network(run: &Path, spec: &ModelSpec) -> ModelState {
    Checkpoint::read(&saved(run, "last"), spec).unwrap().state
}

/// Masks are the same, and tensors are no farther apart than this, relative to their norm.
pub(crate) fn networks_agree(a: &ModelState, b: &ModelState, spec: &ModelSpec, distance: f64) {
    for ((layer, a), b) in spec.layers().iter().zip(&a.layers).zip(&b.layers) {
        assert!(a.mask == b.mask, "the mask of {} differs", layer.name);
        near(&layer.name, &a.weights, &b.weights, distance);
    }
    for (a, b) in a.dense.iter().zip(&b.dense) {
        near(&a.name, &a.values, &b.values, distance);
    }
}

fn saved(run: &Path, which: &str) -> PathBuf {
    run.join(format!("checkpoints/{which}.safetensors"))
}

/// The second run's lines and last checkpoint are those that the first one ends with.
fn ends_as(whole: &Run, rest: &Run, spec: &ModelSpec) {
    // The first line names the configuration.
    let lines = rest.metrics.len() - 1;
    for (a, b) in whole.metrics[whole.metrics.len() - lines..].iter().zip(&rest.metrics[1..]) {
        numbers_agree("a line", a, b);
    }
    checkpoints_agree(whole, rest, "last", spec);
}

fn checkpoints_agree(a: &Run, b: &Run, which: &str, spec: &ModelSpec) {
    let [a, b] = [a, b].map(|run| Checkpoint::read(&saved(&run.folder, which), spec).unwrap());
    networks_agree(&a.state, &b.state, spec, ROUNDING);
    let slots = |state: &ModelState| -> Vec<Vec<f32>> {
        let layers = state.layers.iter().flat_map(|l| l.slots.clone());
        layers.chain(state.dense.iter().flat_map(|d| d.slots.clone())).collect()
    };
    let [a_slots, b_slots] = [&a, &b].map(|of| slots(&of.state));
    assert_eq!(a_slots.len(), b_slots.len());
    a_slots.iter().zip(&b_slots).for_each(|(a, b)| near("optimiser state", a, b, KINK));
    numbers_agree("the method's note", &a.saved.note, &b.saved.note);
    assert!(a.saved.tensors.keys().eq(b.saved.tensors.keys()));
    for (name, a) in &a.saved.tensors {
        match (a, &b.saved.tensors[name]) {
            (SavedTensor::Floats(a), SavedTensor::Floats(b)) => {
                let of_gradients = ["velocity", "momentum", "gradient"].iter().any(|of| name.starts_with(of));
                near(name, a, b, if of_gradients { KINK } else { ROUNDING });
            }
            (a, b) => assert!(a == b, "{name} differs"),
        }
    }
}

fn near(name: &str, a: &[f32], b: &[f32], distance: f64) {
    assert_eq!(a.len(), b.len(), "{name}");
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let (off, size) = (norm(&mut a.iter().zip(b).map(|(a, b)| a - b)), norm(&mut a.iter().copied()));
    assert!(off <= distance * size, "{name} is {off:e} off at a norm of {size:e}");
}

/// Everything is equal but clock values and numbers that are not whole, which are near. A run that goes on from a checkpoint of another
/// one counts the best of its own epochs.
fn numbers_agree(name: &str, a: &Value, b: &Value) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{name}: {:?}, {:?}", a.keys(), b.keys());
            let compared = a.iter().filter(|(key, _)| !CLOCKS.contains(&key.as_str()) && *key != "best_epoch");
            compared.for_each(|(key, a)| numbers_agree(key, a, &b[key]));
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{name}");
            a.iter().zip(b).for_each(|(a, b)| numbers_agree(name, a, b));
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let [a, b] = [a, b].map(|number| number.as_f64().unwrap());
            let distance = if name.contains("accuracy") { IMAGES } else { ROUNDING * a.abs().max(1.0) };
            assert!((a - b).abs() <= distance, "{name}: {a}, {b}");
        }
        _ => assert_eq!(a, b, "{name}"),
    }
}
