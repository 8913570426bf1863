//! Soft thresholds against an independent implementation: a whole training in float64, step by step, and where weight decay alone
//! takes a threshold.

use crate::golden::{flat, golden, number};
use serde_json::Value;
use shared::engine::{Optimizer, StepOptions};
use shared::schedule::{Clock, LearningRate, LrPolicy, Span};
use shared::threshold::{SparseFunction, soft_threshold, threshold_gradient, weight_gradients};

fn options(config: &Value, decay: &str) -> StepOptions {
    assert_ne!(config["nesterov"], true);
    StepOptions {
        optimizer: Optimizer::Sgd { momentum: number(&config["momentum"]), nesterov: false },
        weight_decay: number(&config[decay]),
        label_smoothing: 0.0,
    }
}

const WIDTHS: [usize; 3] = [6, 8, 3];
const BATCH: usize = 8;

/// A layer: all its weights, which of them are edges, and s.
struct Layer {
    weights: Vec<f64>,
    edges: Vec<bool>,
    s: f64,
    velocities: [Vec<f64>; 1],
    of_s: [Vec<f64>; 1],
}

impl Layer {
    fn new(golden: &Value, l: usize) -> Self {
        let weights = flat(&golden[format!("W{}", l + 1)]);
        let edges = flat(&golden[format!("M{}", l + 1)]).into_iter().map(|m| m > 0.0).collect();
        let velocities = [vec![0.0; weights.len()]];
        Self { weights, edges, s: number(&golden["config"]["s_init"]), velocities, of_s: [vec![0.0]] }
    }

    fn g(&self) -> f64 {
        SparseFunction::Sigmoid.at(self.s)
    }

    /// What the network uses.
    fn effective(&self) -> Vec<f64> {
        let g = self.g();
        self.weights.iter().zip(&self.edges).map(|(w, edge)| if *edge { soft_threshold(*w, g) } else { 0.0 }).collect()
    }

    /// Moves the weights, those outside the mask by weight decay alone, and s.
    fn descend(&mut self, rate: f64, step: u64, mut upstream: Vec<f64>, [of_weights, of_s]: [&StepOptions; 2]) {
        upstream.iter_mut().zip(&self.edges).filter(|(_, edge)| !**edge).for_each(|(u, _)| *u = 0.0);
        let slope = SparseFunction::Sigmoid.slope(self.s) * threshold_gradient(&self.weights, &upstream, self.g());
        weight_gradients(&self.weights, &mut upstream, self.g());
        of_weights.descend(rate, step, &mut self.weights, &upstream, &mut self.velocities);
        of_s.descend(rate, step, std::slice::from_mut(&mut self.s), &[slope], &mut self.of_s);
    }
}

#[test]
fn training_inside_a_random_mask() {
    let golden = golden("str_trajectory_f64.json");
    let (config, record) = (&golden["config"], &golden["record"]);
    let (of_weights, of_s) = (options(config, "weight_decay"), options(config, "st_decay"));
    let [rate, smoothing] = ["lr", "label_smoothing"].map(|key| number(&config[key]));
    let (x, y) = (flat(&golden["X"]), flat(&golden["Y"]).into_iter().map(|c| c as usize).collect::<Vec<_>>());
    let mut layers = [0, 1].map(|l| Layer::new(&golden, l));
    assert_eq!(config["steps"], 30);
    for step in 0..30 {
        let batch = step % (y.len() / BATCH);
        let (x, y) = (x.chunks(BATCH * WIDTHS[0]).nth(batch).unwrap(), y.chunks(BATCH).nth(batch).unwrap());
        let weights = layers.each_ref().map(Layer::effective);
        let (loss, upstream, _) = crate::mlp::gradients(&WIDTHS, &weights, &[vec![], vec![]], x, y, smoothing);
        let wanted = number(&record["losses"][step]);
        assert!((loss - wanted).abs() < 1e-9, "loss {loss} at step {step}, expected {wanted}");
        for ((l, layer), upstream) in layers.iter_mut().enumerate().zip(upstream) {
            layer.descend(rate, step as u64 + 1, upstream, [&of_weights, &of_s]);
            let wanted = number(&record["thresholds"][step][l]);
            assert!((layer.s - wanted).abs() < 1e-9, "s of layer {l} after step {step}: {}, expected {wanted}", layer.s);
            let used = layer.effective().iter().filter(|w| **w != 0.0).count();
            assert_eq!(record["nnz"][step][l], used, "layer {l} after step {step}");
        }
    }
    for (l, layer) in layers.iter().enumerate() {
        for (p, (got, want)) in layer.weights.iter().zip(flat(&golden[format!("final_W{}", l + 1)])).enumerate() {
            assert!((got - want).abs() < 1e-9, "weight {p} of layer {l}: {got}, expected {want}");
        }
    }
}

/// With s far below 0 a threshold is 0 and has no gradient: its weight decay alone raises it until it begins to act.
#[test]
fn weight_decay_raises_a_threshold() {
    let golden = &golden("str.json")["threshold_drift"];
    let whole = |key: &str| golden[key].as_u64().unwrap();
    let options = options(golden, "weight_decay");
    let usual = LearningRate::two_drops(number(&golden["lr"]), whole("epochs"), 1);
    let rates = LearningRate { policy: LrPolicy::Cosine, warmup: Span::epochs(whole("warmup")), ..usual };
    let (mut s, mut velocity, mut step) = ([number(&golden["s_init"])], [vec![0.0]], 0);
    let rows = golden["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 100);
    for (epoch, row) in (0..).zip(rows) {
        for _ in 0..whole("iters_per_epoch") {
            step += 1;
            options.descend(rates.at(Clock::at_epoch(epoch, 1)), step, &mut s, &[0.0], &mut velocity);
        }
        assert_eq!(row[0], epoch);
        for (got, wanted) in [(s[0], number(&row[1])), (SparseFunction::Sigmoid.at(s[0]), number(&row[2]))] {
            assert!((got / wanted - 1.0).abs() < 1e-9, "after epoch {epoch}: {got}, expected {wanted}");
        }
    }
}
