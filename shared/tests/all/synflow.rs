//! SynFlow's scores against finite differences, the engine, and the published code.

use rand::RngExt;
use shared::engine::{Batch, Engine, Optimizer, StepOptions, sparse::SparseEngine};
use shared::graph::{LayerShape, Mask, Sampling, sample};
use shared::init::{InitMethod, initialise};
use shared::model::{DefaultInit, Image, ModelSpec, ModelState, Op, build};
use shared::rng::{Purpose, stream};
use shared::score::{sum_of_logits, synflow};

/// A network with every kind of node, odd sizes, strides, padding and groups.
fn network() -> ModelSpec {
    let mut net = ModelSpec::new("net", Image::new(2, 11, 9), DefaultInit::FanInUniform);
    let mut push = |name: &str, op, inputs: &[usize]| net.push(name, op, inputs).unwrap();
    let conv = |out, inp, kernel, stride, padding, groups, bias| {
        let shape = LayerShape::conv(out, inp, kernel);
        Op::Conv { shape, stride, padding, groups, bias }
    };
    let stem = push("stem", conv(4, 2, [3, 3], 1, 1, 1, true), &[0]);
    let bn = push("bn1", Op::BatchNorm { affine: true }, &[stem]);
    let relu = push("relu1", Op::Relu, &[bn]);
    let pool = push("max", Op::MaxPool { kernel: 3, stride: 2, padding: 1 }, &[relu]);
    let grouped = push("grouped", conv(6, 2, [3, 2], 2, 1, 2, false), &[pool]);
    let bn = push("bn2", Op::BatchNorm { affine: true }, &[grouped]);
    let side = push("side", conv(6, 4, [3, 3], 2, 1, 1, false), &[pool]);
    let bare = push("bn3", Op::BatchNorm { affine: false }, &[side]);
    let add = push("add", Op::Add, &[bn, bare]);
    let relu = push("relu2", Op::Relu, &[add]);
    let avg = push("avg", Op::AvgPool { kernel: 2, stride: 1 }, &[relu]);
    let hidden = push("fc1", Op::Linear { shape: LayerShape::linear(5, 6 * 2 * 2), bias: true }, &[avg]);
    let mean = push("mean", Op::GlobalAvgPool, &[relu]);
    let beside = push("beside", Op::Linear { shape: LayerShape::linear(5, 6), bias: false }, &[mean]);
    let add = push("add2", Op::Add, &[hidden, beside]);
    let relu = push("relu3", Op::Relu, &[add]);
    push("fc2", Op::Linear { shape: LayerShape::linear(3, 5), bias: true }, &[relu]);
    net
}

fn initial(spec: &ModelSpec, density: f64, method: InitMethod) -> ModelState {
    let draw = |(i, l): (usize, &shared::model::Layer)| {
        sample(l.shape, density, Sampling::Bernoulli, &mut stream(3, Purpose::Mask, i as u64))
    };
    let masks: Vec<Mask> = spec.layers().iter().enumerate().map(draw).collect();
    initialise(spec, &masks, &vec![density; masks.len()], density, method, 3)
}

/// With trained-looking values of everything that is not an edge, of both signs; means large enough that ReLUs close.
fn trained(spec: &ModelSpec) -> ModelState {
    let mut state = initial(spec, 0.7, InitMethod::Default);
    let mut rng = stream(5, Purpose::Init, 0);
    for (i, value) in state.dense.iter_mut().flat_map(|d| &mut d.values).enumerate() {
        *value = rng.random_range(0.1..0.9) * if i % 3 == 0 { -1.0 } else { 1.0 };
    }
    state
}

#[test]
fn scores_are_the_finite_differences_of_the_sum_of_logits() {
    let spec = network();
    let state = trained(&spec);
    let scores = synflow(&spec, &state);
    let mut factor = None;
    let mut positive = 0;
    for (layer, scores) in scores.iter().enumerate() {
        assert_eq!(scores.len(), state.layers[layer].weights.len());
        for (edge, &score) in scores.iter().enumerate() {
            // θ·∂R/∂θ: both ends differ by exactly 2·step·θ.
            let at = |sign: f32| {
                let mut moved = state.clone();
                moved.layers[layer].weights[edge] *= 1.0 + sign / 1024.0;
                (sum_of_logits(&spec, &moved), f64::from(moved.layers[layer].weights[edge]))
            };
            let ((above, more), (below, less)) = (at(1.0), at(-1.0));
            let expected = ((above - below) / (more - less) * f64::from(state.layers[layer].weights[edge])).abs();
            if score == 0.0 {
                assert!(expected < 1e-12, "layer {layer} edge {edge}: {expected}");
                continue;
            }
            positive += 1;
            let factor = *factor.get_or_insert(f64::exp2((expected / score).log2().round()));
            assert!((expected / factor - score).abs() < 1e-6 * score.max(1e-3), "layer {layer} edge {edge}: {expected} {score}");
        }
    }
    assert!(positive > 100, "{positive}");
    let largest = scores.iter().flatten().copied().fold(0.0, f64::max);
    assert!((1.0..2.0).contains(&largest), "{largest}");
}

/// The engine tells losses, log Σ exp(logits) − logit of the label. Their differences are those of the logits, and one logit is made
/// known.
#[test]
fn logits_are_those_of_the_engine() {
    let spec = network();
    let mut state = trained(&spec);
    for value in state.layers.iter_mut().flat_map(|l| &mut l.weights).chain(state.dense.iter_mut().flat_map(|d| &mut d.values)) {
        *value = value.abs();
    }
    // The first logit is its bias alone.
    let last = state.layers.last_mut().unwrap();
    let kept: Vec<(usize, f32)> = last.mask.iter().zip(last.weights.iter().copied()).filter(|(p, _)| *p >= 5).collect();
    last.mask = Mask::from_positions(last.mask.shape(), kept.iter().map(|k| k.0));
    last.weights = kept.iter().map(|k| k.1).collect();
    let known = f64::from(state.dense.last().unwrap().values[0]);
    let expected = sum_of_logits(&spec, &state);
    let options = StepOptions { optimizer: Optimizer::Adam, weight_decay: 0.0, label_smoothing: 0.0 };
    let mut engine = SparseEngine::new(spec.clone(), state, options, 1, 1).unwrap();
    let mut loss = |label| engine.evaluate(&Batch { images: vec![1.0; spec.input().len()], labels: vec![label] }).unwrap().loss();
    let sum: f64 = (0..3).map(|c| known + loss(0) - loss(c)).sum();
    assert!((sum / expected - 1.0).abs() < 1e-5, "{sum} {expected}");
}

#[test]
fn every_layer_of_a_chain_has_the_same_sum_of_scores() {
    let spec = build("vgg11", Image::new(3, 16, 16), 10).unwrap();
    let mut state = initial(&spec, 0.05, InitMethod::Default);
    state.dense.last_mut().unwrap().values.fill(0.0);
    let scores = synflow(&spec, &state);
    let sums: Vec<f64> = scores.iter().map(|s| s.iter().sum()).collect();
    assert!(sums[0] > 0.0 && sums.iter().all(|s| (s / sums[0] - 1.0).abs() < 1e-12), "{sums:?}");
}

#[test]
fn scores_of_deep_networks_are_finite() {
    for (name, side, depth) in [("resnet110", 8, 54), ("resnet152", 8, 100), ("vgg19", 16, 16), ("resnet1202-w4", 4, 1000)] {
        let spec = build(name, Image::new(3, side, side), 10).unwrap();
        let state = initial(&spec, 0.2, InitMethod::Normal);
        assert_eq!(sum_of_logits(&spec, &state).is_infinite(), name == "resnet1202-w4");
        let scores = synflow(&spec, &state);
        assert!(scores.iter().flatten().all(|s| s.is_finite()), "{name}");
        let alive = scores.iter().filter(|s| s.iter().any(|s| *s > 0.0)).count();
        assert!(alive >= depth, "{name}: {alive} layers of {}", scores.len());
    }
}

#[test]
fn a_network_without_paths_scores_zero() {
    let spec = build("resnet20", Image::new(1, 8, 8), 4).unwrap();
    let scores = synflow(&spec, &initial(&spec, 1e-9, InitMethod::Default));
    assert!(scores.iter().flatten().all(|s| *s == 0.0));
    let mut state = initial(&spec, 1.0, InitMethod::Default);
    state.layers[0].mask = Mask::empty(state.layers[0].mask.shape());
    state.layers[0].weights.clear();
    let scores = synflow(&spec, &state);
    assert!(scores[0].is_empty() && scores.iter().flatten().all(|s| *s == 0.0));
}

/// Layer densities after 100 rounds of pruning, from the published code, executed.
#[derive(serde::Deserialize)]
struct Golden {
    density: f64,
    kept: usize,
    layers: Vec<f64>,
}

/// Prunes to d^(r/100) in round r = 1 … 100, globally by score (Tanaka et al. 2020, algorithm 1); the density of each layer.
fn prune(spec: &ModelSpec, density: f64) -> (usize, Vec<f64>) {
    let mut state = initial(spec, 1.0, InitMethod::KaimingNormal);
    let total = spec.weight_count() as f64;
    for round in 1..=100 {
        let kept = spec.weight_count() - ((1.0 - density.powf(f64::from(round) / 100.0)) * total) as usize;
        let scores = synflow(spec, &state);
        let mut ranked: Vec<f64> = scores.iter().flatten().copied().collect();
        let (_, threshold, _) = ranked.select_nth_unstable_by(kept - 1, |a, b| b.total_cmp(a));
        for (layer, scores) in state.layers.iter_mut().zip(&scores) {
            let edges = layer.mask.iter().zip(&layer.weights).zip(scores).filter(|(_, s)| **s >= *threshold);
            let edges: Vec<(usize, f32)> = edges.map(|((p, w), _)| (p, *w)).collect();
            layer.mask = Mask::from_positions(layer.mask.shape(), edges.iter().map(|e| e.0));
            layer.weights = edges.iter().map(|e| e.1).collect();
        }
    }
    let edges = state.layers.iter().map(|l| l.mask.edges()).sum();
    (edges, state.layers.iter().map(|l| l.mask.density()).collect())
}

/// The tolerance is about what seeds differ by. Shortcuts of few edges differ by more.
#[test]
fn hundred_rounds_of_pruning_give_the_golden_layer_densities() {
    let golden: Golden = serde_json::from_str(include_str!("../golden/synflow_resnet20.json")).unwrap();
    let spec = build("resnet20", Image::new(3, 32, 32), 10).unwrap();
    let (kept, densities) = prune(&spec, golden.density);
    assert_eq!(kept, golden.kept);
    for ((layer, density), expected) in spec.layers().iter().zip(densities).zip(golden.layers) {
        let shortcut = layer.name.contains("shortcut");
        assert!(shortcut || (density / expected - 1.0).abs() < 0.15, "{}: {density} {expected}", layer.name);
    }
}
