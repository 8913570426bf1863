#![allow(clippy::float_cmp, reason = "mirrored and repeated values are equal to the bit")]

mod fan;
mod frozen;

use super::*;
use crate::model::{DefaultInit, Image, build};
use crate::topology::{half_shape, mirror};
use er_graphs::graph::LayerShape;

fn methods() -> impl Iterator<Item = InitMethod> {
    InitMethod::CHOICES.iter().map(|c| c.value)
}

/// Every third position, from the layer's index on.
fn thirds(spec: &ModelSpec) -> Vec<Mask> {
    let mask = |(i, l): (usize, &crate::model::Layer)| Mask::from_positions(l.shape, (i..l.shape.weights()).step_by(3));
    spec.layers().iter().enumerate().map(mask).collect()
}

fn full(spec: &ModelSpec) -> Vec<Mask> {
    spec.layers().iter().map(|l| Mask::full(l.shape)).collect()
}

/// Mean and variance of weights against the expected ones, within 5 standard deviations of the estimates; `kurtosis` is E x⁴/σ⁴.
fn check_moments(weights: &[f32], mean: f64, variance: f64, kurtosis: f64, place: &str) {
    let n = weights.len() as f64;
    assert!(n > 1000.0, "{place}: too few weights to tell");
    let got_mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
    let got_variance = weights.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum::<f64>() / n;
    assert!((got_mean - mean).abs() < 5.0 * (variance / n).sqrt(), "{place}: mean {got_mean} instead of {mean}");
    let sd = variance * ((kurtosis - 1.0) / n).sqrt();
    assert!((got_variance - variance).abs() < 5.0 * sd, "{place}: variance {got_variance} instead of {variance}");
}

#[test]
fn independent_weights_have_the_moments_of_their_law() {
    use InitMethod as M;
    let spec = build("conv-4", Image::new(3, 16, 16), 10).unwrap();
    let (masks, layer) = (thirds(&spec), 2);
    let shape = spec.layers()[layer].shape;
    assert_eq!(shape, LayerShape::conv(128, 64, [3, 3]));
    let p = 0.3;
    let (fan_in, fan_out) = (576.0, 1152.0);
    let sigma2: f64 = 2.0 / (fan_in * p);
    // Bimodal: given z, mean 0.05·(2z−1) and variance σ²(z²+(1−z)²), whose expectations over z are a variance of 0.0025/3 and ⅔σ².
    let bimodal = 0.0025 / 3.0 + 2.0 / 3.0 * sigma2;
    for (method, mean, variance, kurtosis) in [
        (M::Default, 0.0, 2.0 / fan_in, 3.0),
        (M::Normal, 0.0, sigma2, 3.0),
        (M::Uniform, sigma2.sqrt() / 2.0, sigma2 / 12.0, 1.8),
        (M::Bimodal, 0.0, bimodal, 3.2),
        (M::KaimingNormal, 0.0, 2.0 / fan_in, 3.0),
        (M::KaimingUniform, 0.0, 2.0 / fan_in, 1.8),
        (M::XavierNormal, 0.0, 2.0 / (fan_in + fan_out), 3.0),
        (M::XavierUniform, 0.0, 2.0 / (fan_in + fan_out), 1.8),
        (M::Scaled, 0.0, 2.0 / 1.0001 / (fan_in * p), 3.0),
    ] {
        let state = initialise(&spec, &masks, &vec![p; masks.len()], p, method, 1);
        check_moments(&state.layers[layer].weights, mean, variance, kurtosis, &method.to_string());
    }
    let uniform = initialise(&spec, &masks, &vec![p; masks.len()], p, M::Uniform, 1);
    let range = 0.0..=sigma2.sqrt() as f32;
    assert!(uniform.layers[layer].weights.iter().all(|w| range.contains(w)));
}

#[test]
fn families_have_their_own_defaults() {
    for (model, init, layer, variance, kurtosis) in [
        ("vgg11", DefaultInit::FanOutNormal, 1, 2.0 / (128.0 * 9.0), 3.0),
        ("vgg11", DefaultInit::FanOutNormal, 8, 1e-4, 3.0),
        ("resnet18", DefaultInit::FanInUniform, 1, 1.0 / (3.0 * 576.0), 1.8),
        ("resnet20", DefaultInit::KaimingNormal, 20, 2.0 / 576.0, 3.0),
        ("resnet18-str", DefaultInit::KaimingNormal, 1, 2.0 / 576.0, 3.0),
    ] {
        let spec = build(model, Image::new(3, 32, 32), 10).unwrap();
        assert_eq!(spec.default_init(), init, "{model}");
        let masks: Vec<Mask> = (spec.layers().iter().enumerate())
            .map(|(i, l)| if i == layer { Mask::full(l.shape) } else { Mask::empty(l.shape) })
            .collect();
        let state = initialise(&spec, &masks, &vec![0.5; masks.len()], 0.5, InitMethod::Default, 2);
        check_moments(&state.layers[layer].weights, 0.0, variance, kurtosis, model);
    }
}

#[test]
fn dense_parameters_start_as_the_family_says() {
    let values = |model: &str, name: &str| {
        let spec = build(model, Image::new(3, 32, 32), 2000).unwrap();
        let masks: Vec<Mask> = spec.layers().iter().map(|l| Mask::empty(l.shape)).collect();
        let state = initialise(&spec, &masks, &vec![0.1; masks.len()], 0.1, InitMethod::Normal, 3);
        assert_eq!(state.steps, 0);
        let expected: Vec<(String, usize)> = spec.dense_parameters().map(|p| (p.name.clone(), p.len())).collect();
        let got: Vec<(String, usize)> = state.dense.iter().map(|d| (d.name.clone(), d.values.len())).collect();
        assert_eq!(got, expected);
        state.dense.into_iter().find(|d| d.name == name).unwrap().values
    };
    assert_eq!(values("resnet20", "bn.weight"), [1.0; 16]);
    assert_eq!(values("resnet20", "bn.bias"), [0.0; 16]);
    assert_eq!(values("resnet20", "bn.running_mean"), [0.0; 16]);
    assert_eq!(values("resnet20", "bn.running_var"), [1.0; 16]);
    assert_eq!(values("vgg11", "classifier.bias"), [0.0; 2000]);
    // U(±1/√64) and U(±1/√100).
    check_moments(&values("resnet20", "fc.bias"), 0.0, 1.0 / (3.0 * 64.0), 1.8, "resnet20");
    check_moments(&values("mlp-100", "fc2.bias"), 0.0, 1.0 / 300.0, 1.8, "mlp");
}

#[test]
fn the_same_seed_gives_the_same_state_whatever_the_number_of_threads() {
    let spec = build("lenet-40-20", Image::new(1, 8, 8), 5).unwrap();
    let (masks, densities) = (thirds(&spec), vec![1.0 / 3.0; spec.layers().len()]);
    let run = |threads: usize, method, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut state = initialise(&spec, &masks, &densities, 0.3, method, seed);
            ortho_repair(&spec, &mut state, OrthoRepair { learning_rate: 0.01, iterations: 20 });
            (state, er_ortho_weights(&spec, &masks, &densities, seed))
        })
    };
    for method in methods() {
        let one = run(1, method, 7);
        assert_eq!(one, run(3, method, 7), "{method}");
        assert_ne!(one.0, run(1, method, 8).0, "{method}");
    }
}

#[test]
fn layers_without_edges_and_layers_of_density_zero_are_fine() {
    let spec = build("lenet-30-20", Image::new(1, 4, 4), 5).unwrap();
    let mut masks = thirds(&spec);
    masks[1] = Mask::empty(spec.layers()[1].shape);
    let densities = [0.3, 0.3, 0.0];
    for method in methods() {
        let mut state = initialise(&spec, &masks, &densities, 0.3, method, 1);
        assert!(state.layers[1].weights.is_empty());
        assert!(state.layers.iter().flat_map(|l| &l.weights).all(|w| w.is_finite()), "{method}");
        let repaired = ortho_repair(&spec, &mut state, OrthoRepair::default());
        assert!((repaired[1].after - 20.0_f64.sqrt()).abs() < 1e-12);
    }
    for method in [InitMethod::Normal, InitMethod::Uniform, InitMethod::Bimodal] {
        let state = initialise(&spec, &masks, &densities, 0.3, method, 1);
        assert!(state.layers[2].weights.iter().all(|&w| w == 0.0), "{method}");
    }
    assert!(er_ortho_weights(&spec, &masks, &densities, 1)[2].iter().all(|&w| w == 0.0));
}

/// B·Bᵀ of a full mask's weights for rows of `columns` entries.
fn gram(weights: &[f32], columns: usize, i: usize, j: usize) -> f64 {
    let row = |r: usize| &weights[r * columns..(r + 1) * columns];
    row(i).iter().zip(row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[test]
fn orthogonal_weights_are_rows_or_columns_of_one_matrix() {
    let spec = build("mlp-20-30", Image::new(1, 6, 6), 4).unwrap();
    let dense = initialise(&spec, &full(&spec), &[1.0; 3], 1.0, InitMethod::Orthogonal, 4);
    for (layer, rows, columns) in [(0, 20, 36), (2, 4, 30)] {
        for i in 0..rows {
            for j in 0..=i {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((gram(&dense.layers[layer].weights, columns, i, j) - expected).abs() < 1e-6);
            }
        }
    }
    // 30 rows of 20: orthonormal columns, so the squares sum to 20.
    assert!((dense.layers[1].weights.iter().map(|w| w * w).sum::<f32>() - 20.0).abs() < 1e-4);
    let masks = thirds(&spec);
    let sparse = initialise(&spec, &masks, &[0.3; 3], 0.3, InitMethod::Orthogonal, 4);
    for (s, d) in sparse.layers.iter().zip(&dense.layers) {
        let restricted: Vec<f32> = s.mask.iter().map(|p| d.weights[p]).collect();
        assert_eq!(s.weights, restricted);
    }
}

/// With odd sizes, so that cropping takes place.
#[test]
fn looks_linear_weights_are_mirrored_with_signs_and_scaled() {
    let spec = build("conv-2", Image::new(3, 6, 6), 7).unwrap();
    let p = 0.25;
    let state = initialise(&spec, &full(&spec), &[p; 5], p, InitMethod::LooksLinear, 6);
    let at = |layer: usize, o: usize, i: usize, tap: usize| {
        let shape = spec.layers()[layer].shape;
        state.layers[layer].weights[(o * shape.inp + i) * shape.taps() + tap]
    };
    for tap in 0..9 {
        for o in 0..32 {
            for i in 0..3 {
                assert!(at(0, o, i, tap) == -at(0, o + 32, i, tap) && at(0, o, i, tap) != 0.0, "the first layer mirrors outputs");
            }
            for i in 0..32 {
                let u = at(1, o, i, tap);
                assert_eq!([at(1, o + 32, i, tap), at(1, o, i + 32, tap), at(1, o + 32, i + 32, tap)], [-u, -u, u]);
            }
        }
    }
    // Seven outputs: four of the half and three of its mirror image.
    for i in 0..128 {
        assert_eq!(at(4, 6, i, 0), -at(4, 2, i, 0));
        assert_eq!(at(4, 6, i + 128, 0), at(4, 2, i, 0));
    }
    // A row holds an orthonormal row of U twice, over √p.
    assert!((gram(&state.layers[1].weights, 576, 5, 5) - 2.0 / p).abs() < 1e-4);
    assert!(gram(&state.layers[1].weights, 576, 5, 6).abs() < 1e-5);
}

/// The mask and the weights that mirroring makes of a half-size layer.
#[test]
fn er_ortho_weights_are_mirrored_repaired_halves() {
    let spec = build("mlp-16-9", Image::new(1, 6, 5), 3).unwrap();
    let masks: Vec<Mask> = (spec.layers().iter().enumerate())
        .map(|(index, l)| {
            let half = half_shape(l.shape, index == 0);
            let kept = |p: &usize| (p / half.inp * 7 + p % half.inp * 5) % 11 < 6;
            mirror(&Mask::from_positions(half, (0..half.weights()).filter(kept)), l.shape)
        })
        .collect();
    let p = 0.5;
    let weights = er_ortho_weights(&spec, &masks, &[p; 3], 9);
    for (index, (mask, weights)) in masks.iter().zip(&weights).enumerate() {
        let shape = mask.shape();
        let mut dense = vec![0.0; shape.weights()];
        mask.iter().zip(weights).for_each(|(p, &w)| dense[p] = w);
        let LayerShape { out: rows, inp: columns, .. } = half_shape(shape, index == 0);
        for p in 0..shape.weights() {
            let (o, i) = (p / shape.inp, p % shape.inp);
            let sign = if (o >= rows) == (i >= columns) { 1.0 } else { -1.0 };
            assert_eq!(dense[p], sign * dense[o % rows * shape.inp + i % columns], "layer {index}, position {p}");
        }
        let half = |o: usize, i: usize| f64::from(dense[o * shape.inp + i]) * p.sqrt();
        for a in 0..rows {
            for b in 0..=a {
                let product: f64 = (0..columns).map(|i| half(a, i) * half(b, i)).sum();
                let expected = if a == b { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 0.01, "layer {index}: rows {a} and {b} have product {product}");
            }
        }
    }
}

#[test]
fn repair_brings_sparse_layers_near_orthogonality_and_keeps_the_mask() {
    let spec = build("mlp-60-40", Image::new(1, 10, 10), 10).unwrap();
    let masks = thirds(&spec);
    let mut state = initialise(&spec, &masks, &[1.0 / 3.0; 3], 1.0 / 3.0, InitMethod::Normal, 5);
    let repaired = ortho_repair(&spec, &mut state, OrthoRepair::default());
    // The second mask uses only every third column, 20 of them for 40 rows.
    for (layer, best) in repaired.iter().zip([0.0, 20.0_f64.sqrt(), 0.0]) {
        assert!(layer.before > best + 2.0 && (best - 1e-9..best + 0.1).contains(&layer.after), "{repaired:?}");
    }
    assert_eq!(state.layers.iter().map(|l| l.mask.clone()).collect::<Vec<_>>(), masks);
}

/// Rows of different groups see different inputs: each depthwise kernel only gets length 1.
#[test]
fn groups_are_repaired_apart() {
    let mask = Mask::full(LayerShape::conv(4, 1, [3, 3]));
    let mut weights: Vec<f64> = (0..36).map(|i| 0.1 + 0.01 * f64::from(i % 7)).collect();
    ortho_repair_edges(&mask, 4, &mut weights, OrthoRepair { learning_rate: 1e-3, iterations: 2000 });
    for kernel in weights.chunks(9) {
        assert!((kernel.iter().map(|w| w * w).sum::<f64>() - 1.0).abs() < 1e-2);
    }
    assert!(weights.iter().all(|w| *w > 0.0), "the directions stay");
}
