use super::{check_moments, full, thirds};
use crate::init::{FrozenInit, FrozenOptions, InitMethod, ScoreInit, frozen_scales, frozen_state, initialise, scores};
use crate::model::{DefaultInit, Image, ModelSpec, ModelState, Op, build};
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::names;

fn options(init: FrozenInit) -> FrozenOptions {
    FrozenOptions { init, ..FrozenOptions::default() }
}

fn laws() -> impl Iterator<Item = FrozenInit> {
    FrozenInit::CHOICES.iter().map(|c| c.value)
}

/// Two convolutions and a classifier of many outputs, all with biases.
fn conv(classes: usize) -> ModelSpec {
    build("conv-2", Image::new(3, 6, 6), classes).unwrap()
}

/// The biases of the layer with this index.
fn biases<'a>(spec: &ModelSpec, state: &'a ModelState, layer: usize) -> &'a [f32] {
    let name = spec.layers()[layer].name.replace(".weight", ".bias");
    &state.dense.iter().find(|d| d.name == name).unwrap().values
}

#[test]
fn names_are_parsed_and_every_law_is_a_choice() {
    // Fails to compile when a law is added here without a row.
    let row = |init: FrozenInit| match init {
        FrozenInit::KnZeroBias => 0,
        FrozenInit::KnNonzeroBias => 1,
        FrozenInit::SignedConstZeroBias => 2,
        FrozenInit::SignedConstWithBias => 3,
        FrozenInit::OrthoZeroBias => 4,
        FrozenInit::OrthoNonzeroBias => 5,
        FrozenInit::OrthoBiasSpecial => 6,
    };
    assert_eq!(laws().map(row).collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
    assert!(laws().all(|l| l.to_string().parse() == Ok(l)));
    assert_eq!(FrozenInit::default().to_string(), "kn-zero-bias");
    assert_eq!("signed_const_with_bias".parse(), Ok(FrozenInit::SignedConstWithBias));
    let scores: Vec<&str> = ScoreInit::CHOICES.iter().map(|c| names::name(ScoreInit::CHOICES, &c.value)).collect();
    assert_eq!(scores, ["kaiming-uniform", "constant", "published"]);
    assert!("kn-zero-bais".parse::<FrozenInit>().unwrap_err().to_string().contains("did you mean \"kn-zero-bias\""));
}

#[test]
fn normal_values_have_their_moments() {
    let spec = conv(4000);
    let masks = thirds(&spec);
    for scale_density in [None, Some(0.25)] {
        let scales = frozen_scales(&spec, 3.0, scale_density);
        for init in [FrozenInit::KnZeroBias, FrozenInit::KnNonzeroBias] {
            let state = frozen_state(&spec, &masks, &FrozenOptions { init, bias_factor: 3.0, scale_density }, 1);
            for (layer, &[sd, _]) in state.layers.iter().zip(&scales).skip(1) {
                check_moments(&layer.weights, 0.0, sd * sd, 3.0, "weights");
            }
            let (last, gamma) = (biases(&spec, &state, 4), scales[4][1]);
            assert_eq!(last.len(), 4000);
            if init == FrozenInit::KnNonzeroBias {
                check_moments(last, 0.0, gamma * gamma, 3.0, "biases");
            } else {
                assert!(last.iter().all(|b| *b == 0.0));
            }
        }
    }
}

#[test]
fn signed_values_have_one_magnitude() {
    let spec = conv(4000);
    for scale_density in [None, Some(0.25)] {
        let scales = frozen_scales(&spec, 0.05, scale_density);
        let factor = scale_density.unwrap_or(1.0_f64);
        assert!((scales[1][0] - (2.0 / (576.0 * factor)).sqrt()).abs() < 1e-15);
        for init in [FrozenInit::SignedConstZeroBias, FrozenInit::SignedConstWithBias] {
            let options = FrozenOptions { scale_density, ..options(init) };
            let state = frozen_state(&spec, &thirds(&spec), &options, 2);
            let check = |values: &[f32], sd: f64| {
                assert!(values.iter().all(|w| w.abs() == sd as f32), "{init}");
                let n = values.len() as f64;
                let positive = values.iter().filter(|w| **w > 0.0).count() as f64;
                assert!((positive - n / 2.0).abs() < 2.5 * n.sqrt(), "{init}: {positive} of {n} are positive");
            };
            for (layer, [sd, _]) in state.layers.iter().zip(&scales) {
                check(&layer.weights, *sd);
            }
            if init == FrozenInit::SignedConstWithBias {
                check(biases(&spec, &state, 4), scales[4][0]);
            } else {
                assert!(state.dense.iter().all(|d| d.values.iter().all(|b| *b == 0.0)));
            }
        }
    }
}

#[test]
fn orthogonal_weights_are_the_looks_linear_ones() {
    let spec = conv(7);
    for (scale_density, d) in [(None, 1.0), (Some(0.3), 0.3)] {
        let plain = initialise(&spec, &thirds(&spec), &[d; 5], d, InitMethod::LooksLinear, 3);
        for init in [FrozenInit::OrthoZeroBias, FrozenInit::OrthoNonzeroBias, FrozenInit::OrthoBiasSpecial] {
            let state = frozen_state(&spec, &thirds(&spec), &FrozenOptions { scale_density, ..options(init) }, 3);
            assert_eq!(state.layers, plain.layers, "{init}");
        }
    }
}

#[test]
fn mirrored_biases() {
    let spec = conv(2001);
    let masks = thirds(&spec);
    let options = FrozenOptions { bias_factor: 3.0, ..options(FrozenInit::OrthoNonzeroBias) };
    let state = frozen_state(&spec, &masks, &options, 4);
    for layer in 0..5 {
        let values = biases(&spec, &state, layer);
        let half = values.len().div_ceil(2);
        assert!((0..values.len() / 2).all(|i| values[i] == -values[i + half] && values[i] != 0.0));
    }
    // 2001 outputs: 1001 of the half, of whose mirror image the last is left out.
    let gamma = frozen_scales(&spec, 3.0, None)[4][1];
    check_moments(&biases(&spec, &state, 4)[..1001], 0.0, gamma * gamma, 3.0, "β");
    let special = FrozenOptions { init: FrozenInit::OrthoBiasSpecial, ..options };
    let special = frozen_state(&spec, &masks, &special, 4);
    for layer in [0, 2, 4] {
        assert_eq!(biases(&spec, &special, layer), biases(&spec, &state, layer));
    }
    let zero = frozen_state(&spec, &masks, &FrozenOptions { init: FrozenInit::OrthoZeroBias, ..options }, 4);
    assert!(zero.dense.iter().all(|d| d.values.iter().all(|b| *b == 0.0)));
}

/// What a 3×3 layer adds is what it would make of β in its middle, over √9.
#[test]
fn special_biases_carry_through_taps() {
    let spec = conv(7);
    let options = FrozenOptions { bias_factor: 2.0, scale_density: Some(0.5), ..options(FrozenInit::OrthoBiasSpecial) };
    let state = frozen_state(&spec, &full(&spec), &options, 5);
    let (first, second) = (biases(&spec, &state, 0), biases(&spec, &state, 1));
    for (o, bias) in second[..32].iter().enumerate() {
        let kernel = |i: usize| &state.layers[1].weights[(o * 64 + i) * 9..][..9];
        let carried: f32 = (0..32).map(|i| kernel(i).iter().sum::<f32>() * first[i] / 3.0).sum();
        assert!((bias + carried).abs() < 1e-5 && *bias == -second[o + 32], "{bias}, expected {}", -carried);
    }
    // Flattened: half of 64·3·3 inputs see 32 values of β, and the rest zeros.
    let flattened = biases(&spec, &state, 3);
    assert_eq!(flattened.len(), 256);
    assert!(flattened[..128].iter().zip(&flattened[128..]).all(|(a, b)| *a == -b && *a != 0.0));
}

/// The second of two layers of 1×1 kernels with ReLU between them, at one pixel.
fn output(spec: &ModelSpec, state: &ModelState, x: &[f64], with_biases: bool) -> Vec<f64> {
    let mut values = x.to_vec();
    for (l, layer) in state.layers.iter().enumerate() {
        let rows = layer.weights.chunks(values.len());
        let sums = rows.zip(biases(spec, state, l)).map(|(row, bias)| {
            let bias = if with_biases { f64::from(*bias) } else { 0.0 };
            row.iter().zip(&values).map(|(w, v)| f64::from(*w) * v).sum::<f64>() + bias
        });
        values = sums.map(|v| if l == 0 { v.max(0.0) } else { v }).collect();
    }
    values
}

#[test]
fn special_biases_cancel() {
    let linear = build("mlp-18", Image::new(10, 1, 1), 8).unwrap();
    let mut conv = ModelSpec::new("net", Image::new(10, 4, 4), DefaultInit::FanInUniform);
    for (i, (out, inp)) in [(18, 10), (8, 18)].into_iter().enumerate() {
        let shape = LayerShape::conv(out, inp, [1, 1]);
        let layer = conv.push(format!("c{i}"), Op::Conv { shape, stride: 1, padding: 0, groups: 1, bias: true }, &[2 * i]);
        conv.push(format!("r{i}"), Op::Relu, &[layer.unwrap()]).unwrap();
    }
    let x: Vec<f64> = (0..10).map(|i| f64::from(i * 7 % 10) / 3.0 - 1.4).collect();
    for spec in [linear, conv] {
        for scale_density in [None, Some(0.2)] {
            let options = FrozenOptions { init: FrozenInit::OrthoBiasSpecial, bias_factor: 2.0, scale_density };
            let state = frozen_state(&spec, &full(&spec), &options, 6);
            assert!([0, 1].map(|l| biases(&spec, &state, l)[0]).iter().all(|b| *b != 0.0));
            let (with, without) = (output(&spec, &state, &x, true), output(&spec, &state, &x, false));
            assert!(with.iter().zip(&without).all(|(a, b)| (a - b).abs() < 1e-5), "{with:?} {without:?}");
            // Biases of the first layer alone, as in the other law, change it.
            let options = FrozenOptions { init: FrozenInit::OrthoNonzeroBias, ..options };
            let other = output(&spec, &frozen_state(&spec, &full(&spec), &options, 6), &x, true);
            assert!(other.iter().zip(&without).any(|(a, b)| (a - b).abs() > 1e-2));
        }
    }
}

#[test]
fn values_depend_on_seed_and_edges_of_their_layer_alone() {
    let spec = conv(7);
    let (some, mut other) = (thirds(&spec), thirds(&spec));
    for l in [0, 2, 3, 4] {
        other[l] = Mask::full(spec.layers()[l].shape);
    }
    for init in laws() {
        let run = |masks: &[Mask], seed| {
            let state = frozen_state(&spec, masks, &options(init), seed);
            (state.layers[1].weights.clone(), state.dense)
        };
        assert_eq!(run(&some, 7), run(&other, 7), "{init}");
        assert_ne!(run(&some, 7).0, run(&some, 8).0, "{init}");
    }
    let shape = LayerShape::linear(40, 30);
    let mask = Mask::from_positions(shape, (0..1200).step_by(7));
    let all = Mask::full(LayerShape::linear(40, 1));
    let few = Mask::from_positions(LayerShape::linear(40, 1), [3, 5, 39]);
    for init in ScoreInit::CHOICES.iter().map(|c| c.value) {
        let with = |mask: &Mask, biases: &Mask| scores(2, mask, biases, init, 1);
        let (a, b, c) = (with(&mask, &all), with(&mask, &few), with(&Mask::full(shape), &all));
        assert_eq!((a.len(), b.len()), (mask.edges() + 40, mask.edges() + 3));
        assert_eq!(a[..mask.edges()], b[..mask.edges()]);
        assert_eq!((&a[mask.edges()..], &a[mask.edges()..][..3]), (&c[1200..], &b[mask.edges()..]), "{init}");
    }
}

#[test]
fn scores_have_the_moments_of_their_law() {
    let allowed = |shape: LayerShape| (Mask::from_positions(shape, (0..shape.weights()).step_by(2)), shape.out);
    for (shape, init, bounds) in [
        (LayerShape::conv(3000, 4, [3, 3]), ScoreInit::KaimingUniform, Some([1.0, 1.0])),
        (LayerShape::linear(3000, 36), ScoreInit::KaimingUniform, Some([1.0, 1.0])),
        (LayerShape::linear(3000, 36), ScoreInit::Published, Some([1.0, 6.0_f64.sqrt()])),
        (LayerShape::conv(3000, 4, [3, 3]), ScoreInit::Published, None),
        (LayerShape::linear(3000, 36), ScoreInit::Constant, None),
    ] {
        let (mask, out) = allowed(shape);
        let values = scores(0, &mask, &Mask::full(LayerShape::linear(out, 1)), init, 1);
        let (weights, biases) = values.split_at(mask.edges());
        for (values, bound) in [weights, biases].into_iter().zip(bounds.map_or([None; 2], |b| b.map(Some))) {
            let Some(bound) = bound else {
                assert!(values.iter().all(|s| *s == 0.5), "{init}");
                continue;
            };
            let bound = bound / 6.0;
            assert!(values.iter().all(|s| f64::from(s.abs()) <= bound));
            check_moments(values, 0.0, bound * bound / 3.0, 1.8, &init.to_string());
        }
    }
}
