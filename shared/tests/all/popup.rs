//! Edge-popup against the published program and an independent implementation: selections, levels, scales of frozen values, and
//! whole trainings in float64, step by step.

use crate::golden::{flat, golden, number};
use serde_json::Value;
use shared::init::frozen_scales;
use shared::model::{Image, build};
use shared::schedule::kept_fractions;
use shared::score::{Selector, kept, straight_through};

fn bits(v: &Value) -> Vec<bool> {
    flat(v).into_iter().map(|b| b > 0.0).collect()
}

/// The subnetwork of a layer: the allowed positions with the largest scores, as marks of all positions.
fn select(scores: &[f64], allowed: &[bool], keep: usize) -> Vec<bool> {
    let positions: Vec<usize> = (0..scores.len()).filter(|p| allowed[*p]).collect();
    let of_allowed: Vec<f64> = positions.iter().map(|p| scores[*p]).collect();
    let mut marks = Vec::new();
    Selector::default().select(&of_allowed, keep, &mut marks);
    let mut all = vec![false; scores.len()];
    positions.iter().zip(marks).for_each(|(p, mark)| all[*p] = mark);
    all
}

/// How many positions the published program keeps where all are allowed: all but int((1 − k)·n).
fn plainly_kept(k: f64, n: usize) -> usize {
    n - ((1.0 - k) * n as f64) as usize
}

#[test]
fn selections() {
    let golden = golden("slt.json");
    let plain = &golden["edge_popup_plain"];
    let scores = flat(&plain["scores"]);
    let keep = plainly_kept(number(&plain["k"]), scores.len());
    assert_eq!(scores.len() as u64 - keep as u64, plain["n_zeroed"]);
    assert_eq!(select(&scores, &vec![true; scores.len()], keep), bits(&plain["mask"]));
    let cases = golden["edge_popup_er_corrected"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let (scores, allowed, k) = (flat(&case["scores"]), bits(&case["er_mask"]), number(&case["k"]));
        let there = allowed.iter().filter(|a| **a).count();
        assert_eq!(kept(k, scores.len(), scores.len()) as u64, case["keep"]);
        assert_eq!(select(&scores, &allowed, kept(k, scores.len(), there)), bits(&case["mask"]), "k = {k}");
    }
}

#[test]
fn levels() {
    let golden = golden("slt.json");
    let tables = golden["anneal"].as_array().unwrap();
    assert_eq!(tables.len(), 9);
    for table in tables {
        let of = |key: &str| number(&table[key]);
        let expected = flat(&table["densities"]);
        let got = kept_fractions(of("start"), of("final"), of("er_init_density"), expected.len());
        assert_eq!(expected.len() as u64, table["levels"]);
        assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-15), "{got:?}, expected {expected:?}");
    }
}

#[test]
fn scales_of_frozen_values() {
    let golden = &golden("slt.json")["init"];
    let spec = build("resnet18-slt", Image::new(3, 32, 32), 10).unwrap();
    let rows = golden["resnet18"].as_array().unwrap();
    let scales = frozen_scales(&spec, number(&golden["bfac"]), None);
    assert_eq!((rows.len(), scales.len()), (21, 21));
    for ((row, scales), layer) in rows.iter().zip(scales).zip(spec.layers()) {
        assert_eq!(layer.shape.fan_in() as u64, row[1], "{}", layer.name);
        for (got, column) in scales.iter().zip(2..) {
            assert!((got / number(&row[column]) - 1.0).abs() < 1e-12, "{}: {got}, expected {}", layer.name, row[column]);
        }
    }
}

const WIDTHS: [usize; 3] = [6, 8, 3];
const BATCH: usize = 8;

/// A layer: frozen weights, then biases, and the scores of both.
struct Layer {
    values: Vec<f64>,
    weights: usize,
    scores: Vec<f64>,
    velocities: Vec<f64>,
    allowed: Vec<bool>,
}

impl Layer {
    fn new(golden: &Value, suffix: &str, er: bool) -> Self {
        let of = |name: &str| flat(&golden[format!("{name}{suffix}")]);
        let (mut values, scores) = (of("W"), of("scores_"));
        let weights = values.len();
        values.extend(of("b"));
        assert_eq!(values.len(), scores.len());
        let allowed = if er { bits(&golden[format!("er_{suffix}")]) } else { vec![true; scores.len()] };
        Self { velocities: vec![0.0; scores.len()], values, weights, scores, allowed }
    }

    fn subnetwork(&self, k: f64, er: bool) -> Vec<bool> {
        let (n, allowed) = (self.scores.len(), self.allowed.iter().filter(|a| **a).count());
        select(&self.scores, &self.allowed, if er { kept(k, n, allowed) } else { plainly_kept(k, n) })
    }
}

fn trajectory(name: &str, er: bool) {
    let golden = golden("slt_trajectory_f64.json");
    let (config, expected) = (&golden["config"], &golden["variants"][name]);
    let [k, rate, mu, decay] = ["k", "lr", "momentum", "weight_decay"].map(|key| number(&config[key]));
    assert!(!config["nesterov"].as_bool().unwrap());
    let (x, y) = (flat(&golden["X"]), flat(&golden["Y"]).into_iter().map(|c| c as usize).collect::<Vec<_>>());
    let mut layers = ["a", "b"].map(|suffix| Layer::new(&golden, suffix, er));
    for step in 0..config["steps"].as_u64().unwrap() as usize {
        let masks: Vec<Vec<bool>> = layers.iter().map(|layer| layer.subnetwork(k, er)).collect();
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for ((l, layer), mask) in layers.iter().enumerate().zip(&masks) {
            assert_eq!(*mask, bits(&expected["masks"][step][l]), "{name}: layer {l} at step {step}");
            let effective = layer.values.iter().zip(mask).map(|(v, on)| if *on { *v } else { 0.0 });
            let mut effective: Vec<f64> = effective.collect();
            biases.push(effective.split_off(layer.weights));
            weights.push(effective);
        }
        let batch = step % (y.len() / BATCH);
        let (x, y) = (x.chunks(BATCH * WIDTHS[0]).nth(batch).unwrap(), y.chunks(BATCH).nth(batch).unwrap());
        let (loss, of_weights, of_biases) = crate::mlp::gradients(&WIDTHS, &weights, &biases, x, y, 0.0);
        let wanted = number(&expected["losses"][step]);
        assert!((loss - wanted).abs() < 1e-9, "{name}: loss {loss} at step {step}, expected {wanted}");
        for (layer, (mut gradients, of_biases)) in layers.iter_mut().zip(of_weights.into_iter().zip(of_biases)) {
            gradients.extend(of_biases);
            straight_through(&layer.scores, &layer.values, &mut gradients);
            for ((score, velocity), gradient) in layer.scores.iter_mut().zip(&mut layer.velocities).zip(gradients) {
                *velocity = mu * *velocity + gradient + decay * *score;
                *score -= rate * *velocity;
            }
        }
    }
    for (l, layer) in layers.iter().enumerate() {
        for (p, (got, want)) in layer.scores.iter().zip(flat(&expected["final_scores"][l])).enumerate() {
            // Those outside the random mask are trained, too, though never chosen.
            assert!((got - want).abs() < 1e-9, "{name}: score {p} of layer {l}: {got}, expected {want}");
        }
    }
}

#[test]
fn training_where_all_is_allowed() {
    trajectory("plain", false);
}

#[test]
fn training_inside_a_random_mask() {
    trajectory("er", true);
}
