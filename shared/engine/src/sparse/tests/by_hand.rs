//! Steps that a caller takes in place of the optimiser, and logits.

use rayon::prelude::*;

use super::networks::{networks, random_batch, random_state};
use super::oracle::{self, Values};
use super::{OPTIONS, gradients};
use crate::sparse::SparseEngine;
use crate::{EdgeGradients, Engine, Movable, Optimizer, Step, StepOptions};

const RATE: f32 = 0.02;

/// Gradient descent with weight decay, as the optimiser computes it.
fn descend(parameter: &mut Movable) {
    let decay = OPTIONS.weight_decay as f32;
    for (w, g) in parameter.values.iter_mut().zip(parameter.gradient) {
        *w -= RATE * (g + decay * *w);
    }
}

#[test]
fn descent_by_hand_is_the_optimisers() {
    let options = StepOptions { optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false }, ..OPTIONS };
    for (name, spec) in networks() {
        let mut state = random_state(&spec, 0.5, None, 3);
        state.layers.iter_mut().for_each(|l| l.weights.iter_mut().step_by(3).for_each(|w| *w = 0.0));
        for threads in [1, 2] {
            let [mut plain, mut by_hand] =
                [(); 2].map(|()| SparseEngine::new(spec.clone(), state.clone(), options, 21, threads).unwrap());
            for seed in 0..3 {
                let batch = random_batch(&spec, 21, seed);
                let want = plain.step(&batch, Step::optimizer(f64::from(RATE))).unwrap();
                let mut update = |layers: &mut [Movable], dense: &mut [Movable]| {
                    assert!(threads == 1 || rayon::current_num_threads() == threads, "{name}");
                    layers.par_iter_mut().for_each(descend);
                    dense.iter_mut().for_each(descend);
                };
                let got = by_hand.step(&batch, Step::by(&mut update)).unwrap();
                assert_eq!(got, want, "{name}");
            }
            assert_eq!(by_hand.state().unwrap(), plain.state().unwrap(), "{name}");
        }
    }
}

/// Whoever moves nothing sees the gradients on edges that are handed over, and leaves parameters and optimiser state as they are.
#[test]
fn all_edges_have_their_gradients() {
    for (name, spec) in networks() {
        let mut state = random_state(&spec, 0.5, None, 3);
        state.layers.iter_mut().for_each(|l| l.weights.iter_mut().step_by(2).for_each(|w| *w = 0.0));
        let mut engine = SparseEngine::new(spec.clone(), state, OPTIONS, 21, 2).unwrap();
        engine.step(&random_batch(&spec, 21, 1), Step::optimizer(0.01)).unwrap();
        let before = engine.state().unwrap();
        let batch = random_batch(&spec, 21, 2);
        let (outcome, edges, dense) = gradients(&mut engine, &batch);
        assert_eq!(engine.state().unwrap(), before, "{name}: nothing moves");
        let mut update = |layers: &mut [Movable], others: &mut [Movable]| {
            for (parameters, gradients) in [(&*layers, &edges), (&*others, &dense)] {
                assert_eq!(parameters.len(), gradients.len(), "{name}");
                for (parameter, gradient) in parameters.iter().zip(gradients) {
                    assert_eq!(parameter.gradient, gradient, "{name}");
                }
            }
        };
        let got = engine.step(&batch, Step::by(&mut update)).unwrap();
        assert_eq!(got, outcome, "{name}");
        // Whoever moves the parameters.
        let mut handed = EdgeGradients::default();
        let mut other = SparseEngine::new(spec.clone(), before.clone(), OPTIONS, 21, 2).unwrap();
        other.step(&batch, Step::optimizer(0.01).edge_gradients(&mut handed)).unwrap();
        assert_eq!(handed, EdgeGradients { layers: edges.clone(), dense: dense.clone() }, "{name}");
        let after = engine.state().unwrap();
        assert_eq!((&after.layers, after.steps), (&before.layers, before.steps + 1), "{name}");
        for (after, before) in after.dense.iter().zip(&before.dense) {
            let statistics = before.name.contains("running_");
            assert_eq!(after != before, statistics, "{name} {}", before.name);
        }
    }
}

#[test]
fn logits_are_those_of_evaluation() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.4, None, 11);
        let batch = random_batch(&spec, 37, 5);
        let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, false);
        // Room for fewer samples than there are: they come in several parts.
        let mut engine = SparseEngine::new(spec.clone(), state.clone(), OPTIONS, 18, 2).unwrap();
        let before = engine.state().unwrap();
        let logits = engine.logits(&batch).unwrap();
        assert_eq!(engine.state().unwrap(), before, "{name}");
        assert!(super::distance(&logits, &want.logits) < 1e-4, "{name}");
        let mut alone = SparseEngine::new(spec.clone(), state, OPTIONS, 37, 1).unwrap();
        assert_eq!(alone.logits(&batch).unwrap(), logits, "{name}");
        let smoothing = OPTIONS.label_smoothing;
        let loss = logits.chunks(spec.classes()).zip(&batch.labels).map(|(row, &label)| {
            let log_sum = row.iter().map(|&v| f64::from(v).exp()).sum::<f64>().ln();
            let mean = row.iter().map(|&v| f64::from(v) - log_sum).sum::<f64>() / row.len() as f64;
            (smoothing - 1.0) * (f64::from(row[label as usize]) - log_sum) - smoothing * mean
        });
        let (loss, evaluated) = (loss.sum::<f64>(), engine.evaluate(&batch).unwrap().loss_sum);
        assert!((loss - evaluated).abs() < 1e-9 * evaluated, "{name}: {loss} {evaluated}");
    }
}
