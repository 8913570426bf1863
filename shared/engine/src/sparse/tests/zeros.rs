//! Weights of exactly 0: they cost nothing, and nothing else changes.

use rand::RngExt;

use super::networks::{networks, random_batch, random_state};
use super::oracle::{self, Values};
use super::{OPTIONS, distance, gradients};
use crate::sparse::{Kernels, Setup, SparseEngine};
use crate::{Engine, Isa, LayerState, ModelState, Movable, Step};
use er_graphs::graph::Mask;
use er_graphs::rng::{Purpose, stream};

/// Sets a part of the weights to 0, and all of layer `empty`.
fn with_zeros(state: &ModelState, part: f64, empty: Option<usize>) -> ModelState {
    let mut state = state.clone();
    let mut rng = stream(9, Purpose::Init, 0);
    for (l, layer) in state.layers.iter_mut().enumerate() {
        layer.weights.iter_mut().filter(|_| Some(l) == empty || rng.random::<f64>() < part).for_each(|w| *w = 0.0);
    }
    state
}

/// The same network with edges only where the weight is not 0, and which of the layer's edges these are.
fn without_zeros(state: &ModelState) -> (ModelState, Vec<Vec<usize>>) {
    let mut smaller = state.clone();
    let kept = smaller.layers.iter_mut().map(|layer| {
        let kept: Vec<usize> = (0..layer.weights.len()).filter(|&e| layer.weights[e] != 0.0).collect();
        let positions: Vec<usize> = layer.mask.iter().collect();
        let mask = Mask::from_positions(layer.mask.shape(), kept.iter().map(|&e| positions[e]));
        *layer = LayerState { mask, weights: kept.iter().map(|&e| layer.weights[e]).collect(), slots: Vec::new() };
        kept
    });
    let kept = kept.collect();
    (smaller, kept)
}

/// Few zeros are computed with, many are left out; neither changes a bit of what a network without these edges computes. Gradients of
/// edges may be added up in another order.
#[test]
fn networks_with_zeros_are_networks_without_these_edges() {
    for (name, spec) in networks() {
        for (part, empty) in [(0.03, None), (0.6, None), (0.95, None), (0.6, Some(1))] {
            let state = with_zeros(&random_state(&spec, 0.5, None, 7), part, empty);
            let (smaller, kept) = without_zeros(&state);
            let batch = random_batch(&spec, 37, 3);
            let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
            // Constant channels amplify rounding.
            let tolerance = if part > 0.9 || empty.is_some() { 2e-2 } else { 3e-4 };
            for isa in Isa::available() {
                let case = format!("{name} {} zeros={part} empty={empty:?}", isa.name());
                let setup = Setup { isa, kernels: Kernels::Edges, ..Setup::new(37, 2) };
                let [mut engine, mut without] =
                    [&state, &smaller].map(|s| SparseEngine::with(spec.clone(), s.clone(), OPTIONS, setup).unwrap());
                assert_eq!(engine.logits(&batch).unwrap(), without.logits(&batch).unwrap(), "{case}");
                let (outcome, edges, dense) = gradients(&mut engine, &batch);
                let (outcome_without, edges_without, dense_without) = gradients(&mut without, &batch);
                assert_eq!((outcome, dense), (outcome_without, dense_without), "{case}");
                for (l, (edges, without)) in edges.iter().zip(&edges_without).enumerate() {
                    let got: Vec<f32> = kept[l].iter().map(|&e| edges[e]).collect();
                    let without: Vec<f64> = without.iter().map(|&g| f64::from(g)).collect();
                    assert!(distance(&got, &without) < 1e-5, "{case} layer {l}: {}", distance(&got, &without));
                    let distance = distance(edges, &want.edges[l]);
                    assert!(distance < tolerance, "{case} layer {l}: {distance}");
                }
            }
        }
    }
}

/// Where a mask is so dense that gradients of edges are computed with all weights, zeros decide about the rest.
#[test]
fn dense_masks_with_zeros_follow_the_oracle() {
    for (name, spec) in networks() {
        for part in [0.2, 0.6, 0.9] {
            let state = with_zeros(&random_state(&spec, 1.0, None, 7), part, None);
            let batch = random_batch(&spec, 37, 3);
            let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
            let tolerance = if part > 0.8 { 2e-2 } else { 3e-4 };
            for isa in Isa::available() {
                let mut engine =
                    SparseEngine::with(spec.clone(), state.clone(), OPTIONS, Setup { isa, ..Setup::new(37, 2) }).unwrap();
                let (_, edges, dense) = gradients(&mut engine, &batch);
                let got = edges.iter().chain(&dense);
                for (i, (got, want)) in got.zip(want.edges.iter().chain(&want.dense)).enumerate() {
                    let distance = distance(got, want);
                    assert!(distance < tolerance, "{name} {} zeros={part} parameter {i}: {distance}", isa.name());
                }
            }
        }
    }
}

/// Weights that go and come back by hand: the engine computes as one that loads what they are, with any number of threads.
#[test]
fn weights_go_and_come_back() {
    for (name, spec) in networks() {
        for (kernels, density) in [(Kernels::Faster, 1.0), (Kernels::Faster, 0.5), (Kernels::Edges, 0.5), (Kernels::Weights, 0.5)]
        {
            let trained = [1, 2, 3].map(|threads| {
                let setup = Setup { kernels, ..Setup::new(37, threads) };
                let start = random_state(&spec, density, None, 2);
                let mut engine = SparseEngine::with(spec.clone(), start.clone(), OPTIONS, setup).unwrap();
                for (round, part) in [0.5, 0.0, 0.9, 1.0, 0.02, 0.7].into_iter().enumerate() {
                    let used = with_zeros(&start, part, None);
                    let mut put = |layers: &mut [Movable], _: &mut [Movable]| {
                        for (layer, used) in layers.iter_mut().zip(&used.layers) {
                            layer.values.copy_from_slice(&used.weights);
                        }
                    };
                    engine.step(&random_batch(&spec, 37, round as u64), Step::by(&mut put)).unwrap();
                    let mut loaded = SparseEngine::with(spec.clone(), engine.state().unwrap(), OPTIONS, setup).unwrap();
                    let batch = random_batch(&spec, 20, 8);
                    assert_eq!(engine.logits(&batch).unwrap(), loaded.logits(&batch).unwrap(), "{name} {kernels:?} zeros={part}");
                    let [got, want] = [&mut engine, &mut loaded].map(|e| format!("{:?}", gradients(e, &batch)));
                    assert_eq!(got, want, "{name} {kernels:?} zeros={part}");
                }
                let outcome = engine.step(&random_batch(&spec, 37, 7), Step::optimizer(0.01)).unwrap();
                format!("{outcome:?} {:?}", engine.state().unwrap())
            });
            assert_eq!(trained[0], trained[1], "{name} {kernels:?}");
            assert_eq!(trained[0], trained[2], "{name} {kernels:?}");
        }
    }
}
