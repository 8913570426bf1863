//! What the engine does beyond being right, which `tests/conformance.rs` shows.

use super::*;
use er_engine::{Batch, LayerState, Optimizer, Step};
use er_graphs::graph::{LayerShape, Mask};
use er_networks::init::{InitMethod, initialise};
use er_networks::model::{DefaultInit, Image, Op, build};

const OPTIONS: StepOptions =
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false }, weight_decay: 5e-4, label_smoothing: 0.1 };

fn digits(options: StepOptions) -> DenseEngine<f32, Cpu> {
    let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
    let state = half_of_all(&spec);
    DenseEngine::new(spec, state, options, 16).unwrap()
}

/// Every second weight.
fn half_of_all(spec: &ModelSpec) -> ModelState {
    let half = |l: &er_networks::model::Layer| Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(2));
    let masks: Vec<Mask> = spec.layers().iter().map(half).collect();
    initialise(spec, &masks, &vec![0.5; masks.len()], 0.5, InitMethod::Default, 1)
}

fn batch(samples: usize) -> Batch {
    let images = (0..samples * 64).map(|i| (i * i % 101) as f32 / 50.0 - 1.0).collect();
    Batch { images, labels: (0..samples as u32).map(|i| i % 10).collect() }
}

#[test]
fn the_number_of_threads_changes_no_bit_and_a_saved_state_goes_on() {
    for optimizer in [OPTIONS.optimizer, Optimizer::Adam] {
        let options = StepOptions { optimizer, ..OPTIONS };
        let [mut one, two] = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut engine = digits(options);
            pool.install(|| engine.step(&batch(16), Step::optimizer(0.1)).unwrap());
            engine
        });
        let saved = one.state().unwrap();
        assert_eq!(saved, two.state().unwrap());
        let mut copy = DenseEngine::<f32, _>::new(one.spec().clone(), saved, options, 16).unwrap();
        for engine in [&mut one, &mut copy] {
            engine.step(&batch(13), Step::optimizer(0.1)).unwrap();
        }
        assert_eq!(one.state().unwrap(), copy.state().unwrap());
    }
}

/// A batch larger than there is room for is evaluated in parts.
#[test]
fn evaluation_takes_batches_of_any_size() {
    let mut engine = digits(OPTIONS);
    let (all, first) = (engine.evaluate(&batch(40)).unwrap(), engine.evaluate(&batch(16)).unwrap());
    assert_eq!((all.samples, first.samples), (40, 16));
    let logits = engine.logits(&batch(40)).unwrap();
    assert_eq!(logits.len(), 400);
    assert_eq!(logits[..160], engine.logits(&batch(16)).unwrap());
}

/// dfdx's own ReLU makes 0 of it.
#[test]
fn a_diverged_network_shows_nan() {
    let spec = build("conv-2-x0.1", Image::new(1, 8, 8), 10).unwrap();
    let mut state = half_of_all(&spec);
    state.layers[0].weights.fill(f32::NAN);
    let mut engine = DenseEngine::<f32, _>::new(spec, state, OPTIONS, 16).unwrap();
    assert!(engine.step(&batch(16), Step::optimizer(0.1)).unwrap().loss().is_nan());
}

#[test]
fn what_does_not_fit_is_refused() {
    let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
    let make =
        |spec: &ModelSpec, state, most| DenseEngine::<f32, _>::new(spec.clone(), state, OPTIONS, most).map(drop).unwrap_err();
    let other = build("mlp-30", Image::new(1, 8, 8), 10).unwrap();
    assert!(make(&spec, half_of_all(&other), 4).what().contains("layers"));
    assert_eq!(make(&spec, half_of_all(&spec), 0).what(), "a batch must hold at least one sample");
    let large = make(&spec, half_of_all(&spec), 1 << 24);
    assert_eq!(large.what(), "batches of 16777216 samples are too large for digits on cpu");
    let mut pixels = ModelSpec::new("pixels", Image::new(1, 8, 8), DefaultInit::KaimingNormal);
    pixels.push("relu", Op::Relu, &[0]).unwrap();
    assert!(make(&pixels, half_of_all(&pixels), 4).what().contains("logits have height and width 1"));
}

/// In the words of `load_state`; the engine stays what it is.
#[test]
fn a_rewiring_that_does_not_fit_is_refused() {
    type Change = fn(&mut LayerState);
    let mut engine = digits(OPTIONS);
    engine.step(&batch(16), Step::optimizer(0.1)).unwrap();
    let before = engine.state().unwrap();
    let changes: [(Change, &str); 4] = [
        (|layer| layer.weights.push(1.0), "values, expected"),
        (|layer| layer.slots[0].push(1.0), "optimiser state of"),
        (|layer| layer.slots.push(Vec::new()), "vectors of optimiser state, expected 1"),
        (|layer| layer.mask = Mask::empty(LayerShape::linear(2, 2)), "has shape 2×2"),
    ];
    for (change, words) in changes {
        let mut unfit = before.clone();
        change(&mut unfit.layers[1]);
        let refused = engine.load_state(unfit).unwrap_err();
        assert!(refused.what().contains(words) && refused.what().contains(&engine.spec().layers()[1].name), "{refused}");
        let error = engine.rewire(&mut |layers: &mut [LayerState]| change(&mut layers[1])).unwrap_err();
        assert_eq!((error.what(), error.help_text()), (refused.what(), refused.help_text()));
        assert_eq!(engine.state().unwrap(), before);
    }
}

/// The products of matrices against the edges' own arithmetic; also grouped convolutions, more rows than columns, no edges.
#[test]
fn orthogonal_repair_is_that_of_the_edges() {
    for name in ["digits", "mobilenet-v2-x0.2"] {
        let spec = build(name, Image::new(3, 16, 16), 10).unwrap();
        let mut by_matrices = half_of_all(&spec);
        by_matrices.layers[1].mask = Mask::empty(by_matrices.layers[1].mask.shape());
        by_matrices.layers[1].weights.clear();
        let mut by_edges = by_matrices.clone();
        let repair = OrthoRepair { learning_rate: 0.01, iterations: 50 };
        let got = ortho_repair(Device::Cpu, &spec, &mut by_matrices, repair).unwrap();
        let want = er_networks::init::ortho_repair(&spec, &mut by_edges, repair);
        for ((got, want), layer) in got.iter().zip(&want).zip(spec.layers()) {
            assert!((got.before - want.before).abs() < 1e-9 && (got.after - want.after).abs() < 1e-9, "{name} {}", layer.name);
        }
        for (got, want) in by_matrices.layers.iter().zip(&by_edges.layers) {
            // Both descend in float64; single precision rounds either way.
            let near = |(g, w): (&f32, &f32)| (g - w).abs() <= f32::EPSILON * w.abs().max(1e-3);
            assert!(got.weights.iter().zip(&want.weights).all(near));
        }
    }
}
