//! The engine against the naive oracle, the oracle against finite differences, and the engine against itself: instruction sets,
//! numbers of threads, saved states.

mod by_hand;
mod networks;
mod update;
mod zeros;

use rand::RngExt;

use self::networks::{Build, describe, networks, random_batch, random_state};
use super::oracle::{self, Values};
use super::*;
use crate::Optimizer;
use er_graphs::graph::LayerShape;
use er_graphs::rng::{Purpose, stream};
use er_networks::model::{Image, Op};

const OPTIONS: StepOptions =
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true }, weight_decay: 5e-4, label_smoothing: 0.1 };

/// Gradients on edges and of the other parameters, from a step in which nothing moves.
fn gradients(engine: &mut SparseEngine, batch: &Batch) -> (Outcome, Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut all = EdgeGradients::default();
    let outcome = engine.step(batch, Step::measure().edge_gradients(&mut all)).unwrap();
    (outcome, all.layers, all.dense)
}

/// Every tile shape occurs: each width from 1 to 30 with several heights and numbers of blocks, both strides.
#[test]
fn images_of_every_width() {
    for (width, stride) in (1..=30).flat_map(|w| [(w, 1), (w, 2), (w, 3)]) {
        let net = Build::new(Image::new(2, 1 + width % 6, width)).conv(3, 3, 1, 1, 1, true).relu();
        let spec = net.conv(2, 3, stride, 1, 1, false).relu().then(Op::GlobalAvgPool).linear(3, true).0;
        for isa in Isa::available() {
            for samples in [16, 7 * 16, 17 * 16 / (1 + width / 8)] {
                let state = random_state(&spec, 0.6, None, width as u64);
                let batch = random_batch(&spec, samples, 3);
                let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
                let mut engine =
                    SparseEngine::with(spec.clone(), state, OPTIONS, Setup { isa, ..Setup::new(samples, 2) }).unwrap();
                let (_, edges, _) = gradients(&mut engine, &batch);
                for (l, (got, want)) in edges.iter().zip(&want.edges).enumerate() {
                    let distance = distance(got, want);
                    assert!(
                        distance < 1e-4,
                        "{} width={width} stride={stride} samples={samples} layer {l}: {distance}",
                        isa.name()
                    );
                }
            }
        }
    }
}

/// Largest difference relative to the largest value.
fn distance(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let scale = want.iter().fold(1e-2, |m: f64, v| m.max(v.abs()));
    got.iter().zip(want).fold(0.0, |m: f64, (g, w)| m.max((f64::from(*g) - w).abs() / scale))
}

#[test]
fn gradients_equal_those_of_the_oracle() {
    for (name, spec) in networks() {
        for (samples, density, empty) in
            [(1, 0.5, None), (21, 0.3, None), (32, 1.0, None), (40, 0.1, Some(1)), (19, 0.4, Some(0))]
        {
            let state = random_state(&spec, density, empty, 7);
            let batch = random_batch(&spec, samples, 3);
            let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
            // Channels that are constant, or nearly so with one sample, amplify rounding by 1/√ε.
            let tolerance = if samples == 1 || empty.is_some() { 2e-2 } else { 3e-4 };
            for (isa, kernels) in Isa::available().into_iter().flat_map(|i| [(i, Kernels::Edges), (i, Kernels::Weights)]) {
                let setup = Setup { isa, kernels, ..Setup::new(270, 2) };
                let mut engine = SparseEngine::with(spec.clone(), state.clone(), OPTIONS, setup).unwrap();
                let (outcome, edges, dense) = gradients(&mut engine, &batch);
                let case = format!("{name} {} {kernels:?} samples={samples} density={density}", isa.name());
                assert!((outcome.loss() - want.loss).abs() < 1e-4 * want.loss, "{case}: {} {}", outcome.loss(), want.loss);
                assert_eq!(outcome.samples, samples);
                for (l, (got, want)) in edges.iter().zip(&want.edges).enumerate() {
                    assert!(distance(got, want) < tolerance, "{case}: layer {l}: {}", distance(got, want));
                }
                for (d, (got, want)) in dense.iter().zip(&want.dense).enumerate() {
                    assert!(distance(got, want) < tolerance, "{case}: dense {d}: {}", distance(got, want));
                }
                let mut layers = spec.layers().len();
                let mut visit = |layer: usize, gradient: Vec<f32>| {
                    layers -= 1;
                    assert_eq!(layer, layers, "{case}: last layer first");
                    let distance = distance(&gradient, &want.weights[layer]);
                    assert!(distance < tolerance, "{case}: all weights of layer {layer}: {distance}");
                };
                let marks = vec![true; spec.layers().len()];
                let same = engine.step(&batch, Step::measure().weight_gradients(&marks, &mut visit)).unwrap();
                assert_eq!((same, layers), (outcome, 0), "{case}");
                let (_, again, _) = gradients(&mut engine, &batch);
                assert_eq!(edges, again, "{case}");
            }
        }
    }
}

/// Every kind of step and kernel, small enough for an interpreter that checks every access:
/// `MIRIFLAGS="-Zmiri-tree-borrows -Zmiri-permissive-provenance" cargo +nightly miri test -p er_engine --lib one_small_network` (tree
/// borrows, as the thread pool does not pass otherwise).
#[test]
fn one_small_network() {
    let net = Build::new(Image::new(2, 5, 6)).conv(3, 3, 1, 1, 1, true).norm(true).relu();
    let first = net.1;
    let net = net.conv(3, 3, 1, 1, 1, false).norm(true).add(first).relu().then(Op::MaxPool { kernel: 2, stride: 2, padding: 0 });
    let from = net.1;
    let mut net = net.conv(4, 3, 2, 1, 1, false).norm(false);
    // Two normalisations, whose sums a convolution takes from one gradient.
    let other = std::mem::replace(&mut net.1, from);
    let net = net.conv(4, 1, 2, 0, 1, false).norm(true).add(other).relu().conv(4, 1, 1, 0, 4, false);
    let spec = net.then(Op::GlobalAvgPool).linear(3, true).0;
    let state = random_state(&spec, 0.5, None, 5);
    // Two blocks of samples, or what an interpreter can do in minutes.
    let samples = if cfg!(miri) { 2 } else { 18 };
    let batch = random_batch(&spec, samples, 3);
    let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
    for kernels in [Kernels::Edges, Kernels::Weights] {
        let setup = Setup { isa: Isa::Portable, kernels, ..Setup::new(samples, 2) };
        let mut engine = SparseEngine::with(spec.clone(), state.clone(), OPTIONS, setup).unwrap();
        let marks = vec![true; spec.layers().len()];
        let visit = &mut |layer: usize, gradient: Vec<f32>| assert!(distance(&gradient, &want.weights[layer]) < 3e-4);
        engine.step(&batch, Step::measure().weight_gradients(&marks, visit)).unwrap();
        let (_, edges, _) = gradients(&mut engine, &batch);
        for (got, want) in edges.iter().zip(&want.edges) {
            assert!(distance(got, want) < 3e-4, "{kernels:?}");
        }
        engine.step(&batch, Step::optimizer(0.1)).unwrap();
        assert_eq!(engine.evaluate(&batch).unwrap().samples, samples);
    }
}

/// Graphs that nobody would draw by hand: any node may be normalised, cut, added, pooled or convolved, any number of times. They
/// put gradients to the test that share memory.
#[test]
fn random_networks() {
    for seed in 0..200 {
        let mut rng = stream(seed, Purpose::Init, 7);
        let mut net = Build::new(Image::new(3, 4, 5)).conv(3, 3, 1, 1, 1, false);
        let mut unread = vec![net.1];
        for _ in 0..rng.random_range(3..14) {
            let from = rng.random_range(1..=net.1);
            let other = rng.random_range(1..=net.1);
            net.1 = from;
            net = match rng.random_range(0..6) {
                0 => net.conv(3, 3, 1, 1, 1, rng.random()),
                1 => net.norm(rng.random()),
                2 => net.relu(),
                3 => net.then(Op::MaxPool { kernel: 3, stride: 1, padding: 1 }),
                _ => net.add(other),
            };
            let last = net.0.nodes().len() - 1;
            let read = net.0.nodes()[last].inputs.clone();
            unread.retain(|n| !read.contains(n));
            unread.push(last);
            net.1 = last;
        }
        net.1 = unread[0];
        for &node in &unread[1..] {
            net = net.add(node);
        }
        let spec = net.then(Op::GlobalAvgPool).linear(3, true).0;
        let state = random_state(&spec, 0.7, None, seed);
        let batch = random_batch(&spec, 21, seed);
        let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
        let mut engine = SparseEngine::new(spec.clone(), state, OPTIONS, 21, 2).unwrap();
        let (_, edges, dense) = gradients(&mut engine, &batch);
        let got = edges.iter().chain(&dense);
        for (i, (got, want)) in got.zip(want.edges.iter().chain(&want.dense)).enumerate() {
            let distance = distance(got, want);
            assert!(distance < 2e-3, "seed {seed} parameter {i}: {distance}\n{}", describe(&spec));
        }
    }
}

/// Shapes at which regions are cut into bands, images into strips, and units into segments.
#[test]
fn large_layers_are_cut_into_regions() {
    let net = Build::new(Image::new(3, 40, 40)).conv(70, 3, 1, 1, 1, false).norm(true).relu();
    let net = net.conv(66, 5, 2, 2, 1, false).norm(true).relu().conv(130, 3, 1, 1, 1, true).relu();
    let spec = net.then(Op::AvgPool { kernel: 5, stride: 5 }).linear(33, true).relu().linear(4, true).0;
    let state = random_state(&spec, 0.02, None, 5);
    let batch = random_batch(&spec, 18, 3);
    let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, true);
    for kernels in [Kernels::Edges, Kernels::Weights] {
        let mut engine =
            SparseEngine::with(spec.clone(), state.clone(), OPTIONS, Setup { kernels, ..Setup::new(18, 2) }).unwrap();
        let (_, edges, _) = gradients(&mut engine, &batch);
        for (l, (got, want)) in edges.iter().zip(&want.edges).enumerate() {
            assert!(distance(got, want) < 3e-4, "{kernels:?} layer {l}: {}", distance(got, want));
        }
    }
}

#[test]
fn evaluation_uses_running_statistics_and_changes_nothing() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.4, None, 11);
        let batch = random_batch(&spec, 18, 5);
        let want = oracle::run(&spec, &Values::new(&state), &state, &batch, OPTIONS.label_smoothing, false);
        // Room for fewer samples than there are: they come in several chunks.
        let mut engine = SparseEngine::new(spec.clone(), state, OPTIONS, 7, 2).unwrap();
        let before = engine.state().unwrap();
        let outcome = engine.evaluate(&batch).unwrap();
        assert!((outcome.loss() - want.loss).abs() < 1e-4 * want.loss, "{name}: {} {}", outcome.loss(), want.loss);
        let classes = spec.classes();
        let correct = (0..18).filter(|&s| {
            let row = &want.logits[s * classes..(s + 1) * classes];
            let best = (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            best == batch.labels[s] as usize
        });
        assert_eq!(outcome.correct, correct.count(), "{name}");
        assert_eq!(engine.state().unwrap(), before, "{name}");
    }
}

#[test]
fn gradients_of_the_oracle_are_finite_differences() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.5, None, 23);
        let batch = random_batch(&spec, 6, 29);
        let values = Values::new(&state);
        let pass = oracle::run(&spec, &values, &state, &batch, 0.1, true);
        let loss = |values: &Values| oracle::run(&spec, values, &state, &batch, 0.1, true).loss;
        let h = 1e-6;
        let mut rng = stream(1, Purpose::Init, 1);
        for l in 0..spec.layers().len() {
            for _ in 0..4 {
                let e = rng.random_range(0..state.layers[l].mask.edges());
                let p = state.layers[l].mask.iter().nth(e).unwrap();
                let (mut up, mut down) = (values.clone(), values.clone());
                up.weights[l][p] += h;
                down.weights[l][p] -= h;
                let slope = (loss(&up) - loss(&down)) / (2.0 * h);
                let got = pass.edges[l][e];
                assert!((slope - got).abs() < 1e-6 + 1e-4 * got.abs(), "{name}: layer {l} edge {e}: {slope} {got}");
            }
        }
        for d in 0..values.dense.len() {
            for i in 0..pass.dense[d].len().min(3) {
                let (mut up, mut down) = (values.clone(), values.clone());
                up.dense[d][i] += h;
                down.dense[d][i] -= h;
                let slope = (loss(&up) - loss(&down)) / (2.0 * h);
                let got = pass.dense[d][i];
                assert!((slope - got).abs() < 1e-6 + 1e-4 * got.abs(), "{name}: dense {d} value {i}: {slope} {got}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (name, spec) in networks() {
        let state = random_state(&spec, 0.3, None, 2);
        let trained = [1, 2, 3].map(|threads| {
            let mut engine = SparseEngine::new(spec.clone(), state.clone(), OPTIONS, 37, threads).unwrap();
            let losses =
                [4, 5, 6].map(|seed| engine.step(&random_batch(&spec, 37, seed), Step::optimizer(0.1)).unwrap().loss_sum);
            (losses, engine.state().unwrap())
        });
        assert_eq!(trained[0], trained[1], "{name}");
        assert_eq!(trained[0], trained[2], "{name}");
    }
}

/// One step of an optimiser in float64.
fn step_one(options: &StepOptions, lr: f64, step: i32, w: &mut f64, gradient: f64, [first, second]: &mut [f64; 2]) {
    let g = gradient + options.weight_decay * *w;
    match options.optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            *first = momentum * *first + g;
            *w -= lr * if nesterov { g + momentum * *first } else { *first };
        }
        Optimizer::Adam => {
            *first = 0.9 * *first + 0.1 * g;
            *second = 0.999 * *second + 0.001 * g * g;
            let (m, v) = (*first / (1.0 - 0.9_f64.powi(step)), *second / (1.0 - 0.999_f64.powi(step)));
            *w -= lr * m / (v.sqrt() + 1e-8);
        }
    }
}

/// Weights, biases, scales, shifts and running statistics after some steps, against float64 on the oracle's gradients.
#[test]
fn steps_follow_the_optimiser() {
    for (name, spec) in networks().into_iter().filter(|(name, _)| ["vgg", "lenet", "resnet"].contains(name)) {
        for optimizer in [
            Optimizer::Sgd { momentum: 0.9, nesterov: true },
            Optimizer::Sgd { momentum: 0.9, nesterov: false },
            Optimizer::Sgd { momentum: 0.0, nesterov: false },
            Optimizer::Adam,
        ] {
            // A decay that shows in three steps.
            let options = StepOptions { optimizer, weight_decay: 0.1, ..OPTIONS };
            let state = random_state(&spec, 0.4, None, 31);
            let mut engine = SparseEngine::new(spec.clone(), state.clone(), options, 24, 2).unwrap();
            let mut values = Values::new(&state);
            let mut edge_slots: Vec<_> = state.layers.iter().map(|l| vec![[0.0; 2]; l.mask.edges()]).collect();
            let mut dense_slots: Vec<_> = state.dense.iter().map(|d| vec![[0.0; 2]; d.values.len()]).collect();
            let lr = 0.01;
            for step in 1..=3 {
                let batch = random_batch(&spec, 24, step);
                let pass = oracle::run(&spec, &values, &state, &batch, options.label_smoothing, true);
                engine.step(&batch, Step::optimizer(lr)).unwrap();
                for (l, layer) in state.layers.iter().enumerate() {
                    for (e, p) in layer.mask.iter().enumerate() {
                        let (w, slots) = (&mut values.weights[l][p], &mut edge_slots[l][e]);
                        step_one(&options, lr, step as i32, w, pass.edges[l][e], slots);
                    }
                }
                let mut moments = pass.moments.iter();
                for (d, slots) in dense_slots.iter_mut().enumerate() {
                    for (i, g) in pass.dense[d].iter().enumerate() {
                        step_one(&options, lr, step as i32, &mut values.dense[d][i], *g, &mut slots[i]);
                    }
                    if state.dense[d].name.ends_with("running_mean") {
                        for (c, (mean, variance)) in moments.next().unwrap().iter().enumerate() {
                            values.dense[d][c] = 0.9 * values.dense[d][c] + 0.1 * mean;
                            values.dense[d + 1][c] = 0.9 * values.dense[d + 1][c] + 0.1 * variance;
                        }
                    }
                }
            }
            let got = engine.state().unwrap();
            for (l, layer) in got.layers.iter().enumerate() {
                let want: Vec<f64> = layer.mask.iter().map(|p| values.weights[l][p]).collect();
                let distance = distance(&layer.weights, &want);
                assert!(distance < 2e-4, "{name} {optimizer:?} layer {l}: {distance}");
            }
            for (dense, want) in got.dense.iter().zip(&values.dense) {
                let distance = distance(&dense.values, want);
                assert!(distance < 2e-4, "{name} {optimizer:?} {}: {distance}", dense.name);
            }
        }
    }
}

/// With two samples at one pixel each, a normalisation blows up whatever is not one of them, layer after layer.
#[test]
fn places_without_a_sample_stay_out_of_the_gradients() {
    let deep = (0..40).fold(Build::new(Image::new(1, 1, 8)), |net, _| net.linear(8, true).norm(true).relu());
    let spec = deep.linear(3, true).0;
    for isa in Isa::available() {
        for samples in [1, 2, 18] {
            let mut engine =
                SparseEngine::with(spec.clone(), random_state(&spec, 1.0, None, 3), OPTIONS, Setup { isa, ..Setup::new(32, 1) })
                    .unwrap();
            let (_, edges, dense) = gradients(&mut engine, &random_batch(&spec, samples, 1));
            assert!(edges.iter().chain(&dense).flatten().all(|g| g.is_finite()), "{} samples={samples}", isa.name());
        }
    }
}

#[test]
fn a_saved_state_continues_bit_for_bit() {
    for optimizer in [OPTIONS.optimizer, Optimizer::Adam] {
        let (_, spec) = networks().swap_remove(5);
        let options = StepOptions { optimizer, ..OPTIONS };
        let mut engine = SparseEngine::new(spec.clone(), random_state(&spec, 0.3, None, 2), options, 20, 2).unwrap();
        engine.step(&random_batch(&spec, 20, 1), Step::optimizer(0.1)).unwrap();
        let mut copy = SparseEngine::new(spec.clone(), engine.state().unwrap(), options, 20, 1).unwrap();
        for e in [&mut engine, &mut copy] {
            e.step(&random_batch(&spec, 13, 2), Step::optimizer(0.1)).unwrap();
        }
        assert_eq!(engine.state().unwrap(), copy.state().unwrap());
    }
}

#[test]
fn a_state_of_another_model_is_refused() {
    let nets = networks();
    let other = random_state(&nets[1].1, 0.5, None, 1);
    let error = SparseEngine::new(nets[0].1.clone(), other, OPTIONS, 4, 1).unwrap_err();
    assert!(error.what().contains("shape") || error.what().contains("layers"), "{error}");
    let mut short = random_state(&nets[0].1, 0.5, None, 1);
    short.layers[1].weights.pop();
    let error = SparseEngine::new(nets[0].1.clone(), short, OPTIONS, 4, 1).unwrap_err();
    assert!(error.what().contains("values, expected"), "{error}");
}

#[test]
fn logits_must_be_one_pixel() {
    let spec = Build::new(Image::new(1, 4, 4)).conv(3, 3, 1, 1, 1, false).0;
    let error = SparseEngine::new(spec.clone(), random_state(&spec, 0.5, None, 1), OPTIONS, 4, 1).err().unwrap();
    assert_eq!(error.what(), "model test: ends with 3x4x4, and logits have height and width 1");
}

#[test]
#[should_panic(expected = "pixels in a region of 16 samples")]
fn offsets_that_do_not_fit_are_refused() {
    let image = Image::new(1 << 21, 4, 400);
    let shape = LayerShape::conv(1, image.channels, [1, 1]);
    let conv = conv::ConvShape { shape, stride: 1, padding: 0, groups: 1, linear: false };
    Conv::new(conv, [image, Image::new(1, 4, 400)], false);
}

#[test]
fn a_diverged_network_shows_nan() {
    for (name, spec) in networks() {
        let mut state = random_state(&spec, 0.5, None, 1);
        state.layers[0].weights.fill(f32::NAN);
        let mut engine = SparseEngine::new(spec.clone(), state, OPTIONS, 16, 2).unwrap();
        assert!(engine.step(&random_batch(&spec, 16, 1), Step::optimizer(0.1)).unwrap().loss().is_nan(), "{name}");
    }
}
