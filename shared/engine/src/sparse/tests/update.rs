//! What training of masks reads and changes: gradients of all weights, and edges that come and go.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::networks::{networks, random_batch, random_state};
use super::oracle::{self, Values};
use super::{OPTIONS, distance, gradients};
use crate::sparse::{Kernels, Setup, SparseEngine};
use crate::{Batch, Engine, Isa, LayerState, ModelState, Movable, Optimizer, Step, StepOptions};
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::rng::{Purpose, stream};
use er_networks::model::ModelSpec;

/// Every second layer, or every one.
fn marks(layers: usize, all: bool) -> Vec<bool> {
    (0..layers).map(|l| all || l % 2 == 1).collect()
}

/// Gradients handed over, by layer; the last layer must come first.
fn handed_over(engine: &mut SparseEngine, batch: &Batch, rate: Option<f64>, layers: &[bool]) -> Vec<Option<Vec<f32>>> {
    let mut got = vec![None; layers.len()];
    let mut last = layers.len();
    let mut visit = |layer, gradient| {
        assert!(layer < last, "last layer first");
        last = layer;
        got[layer] = Some(gradient);
    };
    let step = rate.map_or_else(Step::statistics, Step::optimizer);
    engine.step(batch, step.weight_gradients(layers, &mut visit)).unwrap();
    got
}

#[test]
fn marked_layers_hand_over_the_gradients_of_the_oracle() {
    for (name, spec) in networks() {
        for (density, empty, samples) in [(0.3, None, 21), (0.8, None, 33), (1.0, None, 18), (0.3, Some(1), 40)] {
            let state = random_state(&spec, density, empty, 7);
            let batch = random_batch(&spec, samples, 3);
            let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
            let tolerance = if empty.is_some() { 2e-2 } else { 3e-4 };
            for (isa, kernels, all) in Isa::available()
                .into_iter()
                .flat_map(|isa| [(isa, Kernels::Faster, false), (isa, Kernels::Edges, true), (isa, Kernels::Weights, false)])
            {
                let setup = Setup { isa, kernels, ..Setup::new(40, 2) };
                let mut engine = SparseEngine::with(spec.clone(), state.clone(), OPTIONS, setup).unwrap();
                let layers = marks(spec.layers().len(), all);
                let got = handed_over(&mut engine, &batch, None, &layers);
                for (l, (got, marked)) in got.iter().zip(&layers).enumerate() {
                    let case = format!("{name} {} {kernels:?} density={density} layer {l}", isa.name());
                    assert_eq!(got.is_some(), *marked, "{case}");
                    let Some(got) = got else { continue };
                    let distance = distance(got, &want.weights[l]);
                    assert!(distance < tolerance, "{case}: {distance}");
                }
            }
        }
    }
}

/// The same bits where the same kernel computes the gradients of edges: layers that are not marked, and those computed with all
/// weights.
#[test]
fn steps_with_gradients_are_steps() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.4, None, 5);
        let none = vec![false; spec.layers().len()];
        let all = vec![true; spec.layers().len()];
        for (kernels, layers, exact) in
            [(Kernels::Faster, &none, true), (Kernels::Weights, &all, true), (Kernels::Edges, &all, false)]
        {
            // Grouped convolutions are always computed along edges.
            let exact = exact && (layers == &none || spec.layers().iter().all(|l| l.groups == 1));
            let setup = Setup { kernels, ..Setup::new(21, 2) };
            let [mut plain, mut with] =
                [(); 2].map(|()| SparseEngine::with(spec.clone(), state.clone(), OPTIONS, setup).unwrap());
            for seed in 0..3 {
                let batch = random_batch(&spec, 21, seed);
                let outcome = plain.step(&batch, Step::optimizer(0.01)).unwrap();
                let mut visit = |layer: usize, gradient: Vec<f32>| {
                    assert_eq!(gradient.len(), spec.layers()[layer].shape.weights(), "{name}");
                };
                let same = with.step(&batch, Step::optimizer(0.01).weight_gradients(layers, &mut visit)).unwrap();
                assert!((same.loss() - outcome.loss()).abs() < 1e-3, "{name} {kernels:?}: {same:?} {outcome:?}");
            }
            let (plain, with) = (plain.state().unwrap(), with.state().unwrap());
            if exact {
                assert_eq!(plain, with, "{name} {kernels:?}");
            }
            for (l, (plain, with)) in plain.layers.iter().zip(&with.layers).enumerate() {
                let want: Vec<f64> = plain.weights.iter().map(|&w| f64::from(w)).collect();
                let distance = distance(&with.weights, &want);
                assert!(distance < 1e-3, "{name} {kernels:?} layer {l}: {distance}");
            }
        }
    }
}

#[test]
fn where_nobody_moves_parameters_running_statistics_do() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.4, None, 5);
        let mut engine = SparseEngine::new(spec.clone(), state, OPTIONS, 20, 2).unwrap();
        engine.step(&random_batch(&spec, 20, 1), Step::optimizer(0.01)).unwrap();
        let before = engine.state().unwrap();
        let batch = random_batch(&spec, 20, 2);
        let layers = marks(spec.layers().len(), true);
        let handed = handed_over(&mut engine, &batch, None, &layers);
        let after = engine.state().unwrap();
        assert_eq!((&before.layers, before.steps), (&after.layers, after.steps), "{name}");
        let mut moved = SparseEngine::new(spec.clone(), before.clone(), OPTIONS, 20, 2).unwrap();
        moved.step(&batch, Step::optimizer(0.01)).unwrap();
        for ((before, after), moved) in before.dense.iter().zip(&after.dense).zip(moved.state().unwrap().dense) {
            let statistics = before.name.contains("running_");
            assert_eq!(after, if statistics { &moved } else { before }, "{name}");
        }
        // The edges' values among them are what a step would have used.
        let (_, edges, _) = gradients(&mut engine, &batch);
        for ((layer, gradient), edges) in before.layers.iter().zip(handed).zip(edges) {
            let gradient = gradient.unwrap();
            let want: Vec<f64> = layer.mask.iter().map(|p| f64::from(gradient[p])).collect();
            assert!(distance(&edges, &want) < 3e-4, "{name}");
        }
    }
}

/// What becomes of a layer in a random rewiring: left alone, new weights, other edges, none, all, or more or fewer.
fn rewired(layer: &LayerState, rng: &mut ChaCha8Rng) -> LayerState {
    let shape = layer.mask.shape();
    let density = match rng.random_range(0..7) {
        0 => return layer.clone(),
        1 => {
            let weights = layer.weights.iter().map(|w| 0.5 * w).collect();
            return LayerState { weights, ..layer.clone() };
        }
        2 => 0.0,
        3 => 1.0,
        4 => 0.75,
        5 => layer.mask.density(),
        _ => 0.3,
    };
    let mask = Mask::from_positions(shape, (0..shape.weights()).filter(|_| rng.random::<f64>() < density));
    let mut values = |scale: f32| -> Vec<f32> { (0..mask.edges()).map(|_| rng.random_range(0.0..scale)).collect() };
    let weights = values(0.3);
    let slots = layer.slots.iter().map(|_| values(0.01)).collect();
    LayerState { mask, weights, slots }
}

/// Rewires an engine several times, and compares it with one that loads what the first should be.
fn rewire_and_load(name: &str, spec: &ModelSpec, options: StepOptions, threads: usize, seed: u64) -> ModelState {
    let mut rng = stream(seed, Purpose::Mask, 0);
    let mut engine = SparseEngine::new(spec.clone(), random_state(spec, 0.4, None, seed), options, 37, threads).unwrap();
    for round in 0..4 {
        // Smaller batches, before and after.
        for samples in [37, 9] {
            engine.step(&random_batch(spec, samples, round), Step::optimizer(0.01)).unwrap();
        }
        let mut want = engine.state().unwrap();
        for layer in &mut want.layers {
            *layer = rewired(layer, &mut rng);
        }
        engine.rewire(&mut |layers: &mut [LayerState]| layers.clone_from_slice(&want.layers)).unwrap();
        assert_eq!(engine.state().unwrap(), want, "{name}");
        let mut loaded = SparseEngine::new(spec.clone(), want, options, 37, threads).unwrap();
        let same = |engine: &mut SparseEngine, samples, seed| {
            let batch = random_batch(spec, samples, seed);
            let layers = marks(spec.layers().len(), false);
            (handed_over(engine, &batch, Some(0.01), &layers), engine.evaluate(&batch).unwrap())
        };
        for (samples, seed) in [(20, 10), (37, 11), (3, 12)] {
            let [got, want] = [&mut engine, &mut loaded].map(|e| bits(&same(e, samples, seed)));
            assert_eq!(got, want, "{name} {options:?} seed {seed} round {round}");
        }
        let [got, want] = [engine.state().unwrap(), loaded.state().unwrap()].map(|s| bits(&s));
        assert_eq!(got, want, "{name} {options:?} seed {seed} round {round}");
    }
    engine.state().unwrap()
}

/// Equal for what is not a number, too.
fn bits(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

#[test]
fn rewiring_is_loading() {
    for (seed, (name, spec)) in networks().into_iter().enumerate() {
        for optimizer in [OPTIONS.optimizer, Optimizer::Sgd { momentum: 0.0, nesterov: false }, Optimizer::Adam] {
            let options = StepOptions { optimizer, ..OPTIONS };
            let trained = [1, 2, 3].map(|threads| bits(&rewire_and_load(name, &spec, options, threads, seed as u64)));
            assert_eq!(trained[0], trained[1], "{name}");
            assert_eq!(trained[0], trained[2], "{name}");
        }
    }
}

type Change = fn(&mut LayerState);

/// Refuses what no layer can be, in the words of [`Engine::load_state`], and goes on with the state that is loaded next.
#[test]
fn states_that_do_not_fit_are_refused() {
    let (_, spec) = networks().swap_remove(0);
    let first = random_state(&spec, 0.4, None, 1);
    let mut engine = SparseEngine::new(spec.clone(), first.clone(), OPTIONS, 4, 2).unwrap();
    let mut fresh = SparseEngine::new(spec.clone(), first.clone(), OPTIONS, 4, 2).unwrap();
    let changes: [(Change, &str); 4] = [
        (|layer| layer.weights.push(1.0), "values, expected"),
        (|layer| layer.slots[0].push(1.0), "optimiser state of"),
        (|layer| layer.slots.push(Vec::new()), "vectors of optimiser state, expected 1"),
        (|layer| layer.mask = Mask::empty(LayerShape::linear(2, 2)), "has shape 2×2"),
    ];
    for (change, words) in changes {
        let mut unfit = engine.state().unwrap();
        change(&mut unfit.layers[1]);
        let refused = engine.load_state(unfit).unwrap_err();
        assert!(refused.what().contains(words) && refused.what().contains(&spec.layers()[1].name), "{refused}");
        let error = engine.rewire(&mut |layers: &mut [LayerState]| change(&mut layers[1])).unwrap_err();
        assert_eq!((error.what(), error.help_text()), (refused.what(), refused.help_text()));
        for engine in [&mut engine, &mut fresh] {
            engine.load_state(first.clone()).unwrap();
            engine.step(&random_batch(&spec, 4, 1), Step::optimizer(0.01)).unwrap();
        }
        assert_eq!(engine.state().unwrap(), fresh.state().unwrap());
    }
}

/// A mask of another shape, left behind by a panic, is not computed along.
#[test]
fn what_a_panic_leaves_is_not_taken_over() {
    let (_, spec) = networks().swap_remove(0);
    let first = random_state(&spec, 1.0, None, 1);
    let mut engine = SparseEngine::new(spec.clone(), first.clone(), OPTIONS, 4, 1).unwrap();
    let mut change = |layers: &mut [LayerState]| {
        layers[0].mask = Mask::full(LayerShape::linear(1 << 10, 1 << 10));
        panic!("halfway");
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.rewire(&mut change))).unwrap_err();
    // Other kernels for other weights: layers would be laid out anew.
    let mut clear = |layers: &mut [Movable], _: &mut [Movable]| layers.iter_mut().for_each(|layer| layer.values.fill(0.0));
    engine.step(&random_batch(&spec, 4, 1), Step::by(&mut clear)).unwrap();
    engine.load_state(first.clone()).unwrap();
    assert_eq!(engine.state().unwrap().layers[0].mask, first.layers[0].mask);
}

#[test]
#[should_panic(expected = "one mark per layer")]
fn every_layer_has_a_mark() {
    let (_, spec) = networks().swap_remove(0);
    let mut engine = SparseEngine::new(spec.clone(), random_state(&spec, 0.4, None, 1), OPTIONS, 4, 1).unwrap();
    engine.step(&random_batch(&spec, 4, 1), Step::statistics().weight_gradients(&[true], &mut |_, _| {})).unwrap();
}
