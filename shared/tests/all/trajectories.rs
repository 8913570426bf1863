//! Whole trainings in float64, step by step: the rules of GraNet, DST, GMP and static training on a small network, against the
//! published program's trajectories.

use crate::golden::{flat, golden};
use serde_json::Value;
use shared::graph::{LayerShape, LayerState, Mask};
use shared::schedule::{Length, Span};
use shared::topology::rule::{Evidence, Memory, Method, Network, update};
use shared::train::method_named;

const WIDTHS: [usize; 4] = [10, 16, 8, 3];
const LAYERS: [&str; 3] = ["l1", "l2", "l3"];
const BATCH: usize = 8;
const RATE: f64 = 0.1;
const MU: f64 = 0.9;
const DECAY: f64 = 5e-4;

struct Mlp {
    layers: Vec<LayerState<f64>>,
    biases: Vec<Vec<f64>>,
    bias_velocities: Vec<Vec<f64>>,
}

impl Mlp {
    fn new(golden: &Value, full: bool) -> Self {
        // The last layer has no bias.
        let of = |what: &str| LAYERS.map(|l| golden["init_params"].get(format!("{l}.{what}")).map_or_else(Vec::new, flat));
        let layers = of("weight").into_iter().enumerate().map(|(l, weights)| {
            let shape = LayerShape::linear(WIDTHS[l + 1], WIDTHS[l]);
            let bits = flat(&golden["init_masks"][format!("{}.weight", LAYERS[l])]);
            let mask = Mask::from_positions(shape, (0..weights.len()).filter(|p| full || bits[*p] == 1.0));
            let weights: Vec<f64> = mask.iter().map(|p| weights[p]).collect();
            LayerState { slots: vec![vec![0.0; weights.len()]], mask, weights }
        });
        let layers = layers.collect();
        let biases = of("bias").to_vec();
        Self { layers, bias_velocities: biases.iter().map(|b| vec![0.0; b.len()]).collect(), biases }
    }

    /// Nesterov's SGD on the edges.
    fn step(&mut self, weights: &[Vec<f64>], biases: &[Vec<f64>]) {
        let moved = |w: &mut f64, v: &mut f64, g: f64| {
            let g = g + DECAY * *w;
            *v = MU * *v + g;
            *w -= RATE * (g + MU * *v);
        };
        for (l, layer) in self.layers.iter_mut().enumerate() {
            for (e, p) in layer.mask.iter().enumerate() {
                moved(&mut layer.weights[e], &mut layer.slots[0][e], weights[l][p]);
            }
            for (b, (w, v)) in self.biases[l].iter_mut().zip(&mut self.bias_velocities[l]).enumerate() {
                moved(w, v, biases[l][b]);
            }
        }
    }

    fn dense(&self, layer: usize, values: impl Fn(&LayerState<f64>) -> &[f64]) -> Vec<f64> {
        let layer = &self.layers[layer];
        let mut dense = vec![0.0; layer.mask.shape().weights()];
        layer.mask.iter().zip(values(layer)).for_each(|(p, v)| dense[p] = *v);
        dense
    }
}

/// The largest difference, and where.
fn compare(name: &str, got: &[f64], want: &Value) {
    let want = flat(want);
    assert_eq!(got.len(), want.len(), "{name}");
    for (i, (g, w)) in got.iter().zip(&want).enumerate() {
        assert!((g - w).abs() < 1e-9, "{name}[{i}]: {g}, expected {w}");
    }
}

fn trajectory(name: &str, method: &Method, full: bool) {
    let golden = golden("dst_trajectories_mlp_f64.json");
    let expected = &golden["trajectories"][name];
    let (x, y) = (flat(&golden["X"]), flat(&golden["Y"]));
    let y: Vec<usize> = y.iter().map(|c| *c as usize).collect();
    let mut net = Mlp::new(&golden, full);
    let rule = method.rule(Length { batches_per_epoch: 4, epochs: 10, multiplier: 1 }).unwrap();
    let network = Network { movable: vec![true; 3], groups: vec![1; 3], seed: 1 };
    let mut memory = Memory::new(&net.layers);
    let mut updates = expected["updates"].as_array().unwrap().iter();
    for step in 1..=40_u64 {
        let b = (step as usize - 1) % 4;
        let batch = (&x[b * BATCH * WIDTHS[0]..(b + 1) * BATCH * WIDTHS[0]], &y[b * BATCH..(b + 1) * BATCH]);
        let all: Vec<Vec<f64>> = (0..3).map(|l| net.dense(l, |s| &s.weights)).collect();
        let (loss, weights, biases) = crate::mlp::gradients(&WIDTHS, &all, &net.biases, batch.0, batch.1, 0.0);
        let wanted = expected["losses"][step as usize - 1].as_f64().unwrap();
        assert!((loss - wanted).abs() < 1e-9, "{name}: loss {loss} at step {step}, expected {wanted}");
        net.step(&weights, &biases);
        if let Some(rule) = rule.as_ref().filter(|r| r.when.is_update(step)) {
            let mut evidence = Evidence { gradients: weights, ..Evidence::default() };
            update(rule, step, &network, &mut net.layers, &mut evidence, &mut memory);
        }
        if step % 5 == 0 {
            let want = updates.next().unwrap();
            assert_eq!(want["step"], step);
            for (l, layer) in net.layers.iter().enumerate() {
                let bits = flat(&want["masks"][format!("{}.weight", LAYERS[l])]);
                let positions: Vec<usize> = (0..bits.len()).filter(|p| bits[*p] == 1.0).collect();
                assert_eq!(layer.mask.iter().collect::<Vec<_>>(), positions, "{name}: {} after step {step}", LAYERS[l]);
            }
        }
    }
    for (l, layer) in LAYERS.iter().enumerate() {
        let weight = format!("{layer}.weight");
        compare(&format!("{name} {weight}"), &net.dense(l, |s| &s.weights), &expected["final_params"][&weight]);
        compare(&format!("{name} velocity of {weight}"), &net.dense(l, |s| &s.slots[0]), &expected["final_momentum"][&weight]);
        let bias = format!("{layer}.bias");
        if l < 2 {
            compare(&format!("{name} {bias}"), &net.biases[l], &expected["final_params"][&bias]);
        }
    }
}

fn published(name: &str) -> Method {
    let mut method = Method { densities: [0.5, 0.2], interval: Span::Steps(5), ..method_named(name).unwrap() };
    if let Some(prune) = &mut method.prune {
        prune.ends = [0, 8].map(Span::epochs);
    }
    method
}

#[test]
fn granet() {
    trajectory("GraNet", &published("GraNet"), false);
}

#[test]
fn dst() {
    trajectory("DST", &published("DST"), false);
}

#[test]
fn gmp() {
    trajectory("GMP", &published("GMP"), true);
}

#[test]
fn a_static_mask() {
    trajectory("static", &published("static"), false);
}
