//! Weights by fan.

use super::{check_moments, thirds};
use crate::init::{FanInit, FanLaw, FanMode, InitMethod, Nonlinearity, fan_state, initialise};
use crate::model::{Image, build};
use er_graphs::error::Kind;

#[test]
fn names_and_gains() {
    let gains = ["relu", "leaky_relu", "selu", "tanh", "sigmoid", "linear", "conv2d"];
    let expected = [2f64.sqrt(), (2.0 / 1.0001_f64).sqrt(), 0.75, 5.0 / 3.0, 1.0, 1.0, 1.0];
    for (name, gain) in gains.into_iter().zip(expected) {
        assert!((name.parse::<Nonlinearity>().unwrap().gain() - gain).abs() < 1e-15, "{name}");
    }
    assert!(Nonlinearity::CHOICES.iter().all(|c| c.value.to_string() == c.name && c.name.parse() == Ok(c.value)));
    assert!(FanLaw::CHOICES.iter().all(|c| c.value.to_string() == c.name && c.name.parse() == Ok(c.value)));
    assert!(FanMode::CHOICES.iter().all(|c| c.value.to_string() == c.name && c.name.parse() == Ok(c.value)));
    let error = "hardswish".parse::<Nonlinearity>().unwrap_err();
    let message = "unknown nonlinearity \"hardswish\"\n  choose one of relu, leaky_relu, selu, tanh, sigmoid, linear";
    assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Usage, message));
}

#[test]
fn weights_have_the_moments_of_their_law() {
    let spec = build("conv-4", Image::new(3, 16, 16), 10).unwrap();
    let masks = thirds(&spec);
    // 128×64×3×3 and, linear, 256×256.
    for (layer, fan_in, fan_out) in [(2, 576.0, 1152.0), (5, 256.0, 256.0)] {
        for (mode, fan) in [(FanMode::FanIn, fan_in), (FanMode::FanOut, fan_out)] {
            for (nonlinearity, density) in [(Nonlinearity::Relu, 1.0), (Nonlinearity::Tanh, 0.1)] {
                let gain = nonlinearity.gain();
                let variance = gain * gain / (fan * density);
                let size = variance.sqrt() as f32;
                let drawn = |law| {
                    let state = fan_state(&spec, &masks, &FanInit { law, mode, gain, density }, 1);
                    assert_eq!(state.layers[layer].mask, masks[layer]);
                    state.layers[layer].weights.clone()
                };
                check_moments(&drawn(FanLaw::KaimingNormal), 0.0, variance, 3.0, "normal");
                check_moments(&drawn(FanLaw::Standard), 0.0, 1.0 / (3.0 * fan_in), 1.8, "standard");
                assert!(drawn(FanLaw::UnsignedConstant).iter().all(|w| (w - size).abs() <= 1e-6 * size));
                let signed = drawn(FanLaw::SignedConstant);
                assert!(signed.iter().all(|w| (w.abs() - size).abs() <= 1e-6 * size));
                let (n, positive) = (signed.len() as f64, signed.iter().filter(|w| **w > 0.0).count() as f64);
                assert!((positive - n / 2.0).abs() < 2.5 * n.sqrt(), "{positive} of {n} are positive");
            }
        }
    }
}

/// A depthwise convolution's fans are those of its tensor: 9 in, and as many out as all channels have taps.
#[test]
fn fans_of_groups_are_those_of_the_tensor() {
    let spec = build("mobilenet-v1", Image::new(3, 32, 32), 10).unwrap();
    let depthwise = &spec.layers()[3];
    assert!(depthwise.depthwise && depthwise.shape.dims() == [64, 1, 3, 3]);
    for (mode, fan) in [(FanMode::FanIn, 9.0_f64), (FanMode::FanOut, 576.0)] {
        let init = FanInit { law: FanLaw::UnsignedConstant, mode, ..FanInit::default() };
        let state = fan_state(&spec, &thirds(&spec), &init, 1);
        let expected = (2.0 / fan).sqrt() as f32;
        assert!(state.layers[3].weights.iter().all(|w| (w - expected).abs() < 1e-6), "{mode}");
    }
}

/// One stream a layer: equal laws give equal weights, and everything else is the family's.
#[test]
fn the_default_is_kaiming_normal_with_the_familys_biases() {
    let spec = build("conv-2", Image::new(3, 6, 6), 10).unwrap();
    let masks = thirds(&spec);
    let state = fan_state(&spec, &masks, &FanInit::default(), 4);
    let usual = initialise(&spec, &masks, &[1.0; 5], 1.0, InitMethod::KaimingNormal, 4);
    assert_eq!(state.dense, usual.dense);
    for (a, b) in state.layers.iter().zip(&usual.layers) {
        assert!(a.weights.iter().zip(&b.weights).all(|(a, b)| (a - b).abs() <= 1e-6 * b.abs()));
    }
    assert_eq!(state, fan_state(&spec, &masks, &FanInit::default(), 4));
    assert_ne!(state, fan_state(&spec, &masks, &FanInit::default(), 5));
}
