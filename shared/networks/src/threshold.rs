//! Soft threshold reparameterisation (Kusupati et al. 2020): a network uses its weights less a threshold g(s) that each layer trains.

use er_graphs::graph::Real;
use er_graphs::names::{self, Choice};
use serde::Deserialize;

/// The function g that makes a threshold of a trained number s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SparseFunction {
    /// 1/(1 + e^−s).
    #[default]
    Sigmoid,
    /// e^s.
    Exp,
}

impl SparseFunction {
    /// Both functions with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Sigmoid, name: "sigmoid", aliases: &[], about: "between 0 and 1: 1/(1 + e^-s)" },
        Choice { value: Self::Exp, name: "exp", aliases: &[], about: "above 0: e^s" },
    ];

    /// The threshold g(s).
    #[must_use]
    pub fn at(self, s: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-s).exp()),
            Self::Exp => s.exp(),
        }
    }

    /// The derivative g'(s).
    #[must_use]
    pub fn slope(self, s: f64) -> f64 {
        let g = self.at(s);
        match self {
            Self::Sigmoid => g * (1.0 - g),
            Self::Exp => g,
        }
    }
}

names::named!(SparseFunction, "sparse function");

/// What the network uses for a weight: sign(w)·max(|w| − g, 0). What is not a number stays so.
///
/// ```
/// assert_eq!([-1.0, 0.25, 0.5].map(|w| er_networks::threshold::soft_threshold(w, 0.25)), [-0.75, 0.0, 0.25]);
/// ```
#[must_use]
pub fn soft_threshold<T: Real>(weight: T, g: T) -> T {
    if is_below(weight, g) {
        T::default()
    } else if weight < T::default() {
        weight + g
    } else {
        weight - g
    }
}

/// Turns the gradients of what the network uses into those of the weights: 0 for weights that are not above the threshold, which only
/// weight decay moves any more.
///
/// # Panics
/// If the numbers of weights and gradients differ.
pub fn weight_gradients<T: Real>(weights: &[T], gradients: &mut [T], g: T) {
    assert_eq!(weights.len(), gradients.len(), "one gradient a weight");
    for (weight, gradient) in weights.iter().zip(gradients) {
        *gradient = gradients_of(*weight, *gradient, g).0;
    }
}

/// The gradient of the threshold g from those of what the network uses, `upstream`: −Σ sign(w)·U over the weights above the
/// threshold, summed in their order. That of s is g'(s) times this.
///
/// # Panics
/// If the numbers of weights and gradients differ.
#[must_use]
pub fn threshold_gradient<T: Real>(weights: &[T], upstream: &[T], g: T) -> f64 {
    assert_eq!(weights.len(), upstream.len(), "one gradient a weight");
    let mut sum = 0.0;
    for (weight, gradient) in weights.iter().zip(upstream) {
        sum += gradients_of(*weight, *gradient, g).1;
    }
    sum
}

/// The gradient of one weight, and what it adds to that of the threshold.
pub fn gradients_of<T: Real>(weight: T, upstream: T, g: T) -> (T, f64) {
    if is_below(weight, g) {
        return (T::default(), 0.0);
    }
    let signed: f64 = upstream.into();
    (upstream, if weight < T::default() { signed } else { -signed })
}

/// Whether the network uses 0 for a weight. What is not a number is not below, so that its network says so.
pub fn is_below<T: Real>(weight: T, g: T) -> bool {
    weight.abs() <= g
}

#[cfg(test)]
mod tests {
    use super::*;
    use SparseFunction::{Exp, Sigmoid};
    use serde::Deserialize;

    type Matrix = [Vec<f64>; 2];

    #[derive(Deserialize)]
    struct Golden {
        soft_threshold: Operator,
        sigmoid_f32: Table,
    }

    #[derive(Deserialize)]
    struct Operator {
        weight: Matrix,
        upstream: Matrix,
        mask: Matrix,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        s: f64,
        g: f64,
        out: Matrix,
        out_masked: Matrix,
        grad_w: Matrix,
        grad_s: f64,
    }

    #[derive(Deserialize)]
    struct Table {
        rows: Vec<[f64; 3]>,
    }

    fn golden() -> Golden {
        serde_json::from_str(include_str!("../../tests/golden/str.json")).unwrap()
    }

    fn close(got: &[f64], expected: &[f64]) -> bool {
        got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-14)
    }

    #[test]
    fn values_and_gradients() {
        let Operator { weight, upstream, mask, cases } = golden().soft_threshold;
        let [weight, upstream, mask] = [weight, upstream, mask].map(|m| m.concat());
        let edges: Vec<usize> = (0..mask.len()).filter(|p| mask[*p] > 0.0).collect();
        let of_edges = |all: &[f64]| edges.iter().map(|p| all[*p]).collect::<Vec<_>>();
        let on_edges = |values: &[f64]| {
            let mut all = vec![0.0; mask.len()];
            edges.iter().zip(values).for_each(|(p, v)| all[*p] = *v);
            all
        };
        assert_eq!(cases.len(), 5);
        for case in cases {
            let g = Sigmoid.at(case.s);
            assert!((g - case.g).abs() < 1e-15, "g({}) = {g}", case.s);
            let all: Vec<f64> = weight.iter().map(|w| soft_threshold(*w, g)).collect();
            assert!(close(&all, &case.out.concat()), "s = {}: {all:?}", case.s);
            assert!(close(&on_edges(&of_edges(&all)), &case.out_masked.concat()));
            let (weights, mut gradients) = (of_edges(&weight), of_edges(&upstream));
            let of_s = Sigmoid.slope(case.s) * threshold_gradient(&weights, &gradients, g);
            assert!((of_s - case.grad_s).abs() < 1e-14, "s = {}: gradient {of_s}, expected {}", case.s, case.grad_s);
            weight_gradients(&weights, &mut gradients, g);
            assert!(close(&on_edges(&gradients), &case.grad_w.concat()), "s = {}: {gradients:?}", case.s);
        }
    }

    /// The published program computes g in single precision.
    #[test]
    fn sigmoids_agree_with_those_of_single_precision() {
        let rows = golden().sigmoid_f32.rows;
        assert!(rows.len() >= 8);
        for [s, value, slope] in rows {
            for (got, expected) in [(Sigmoid.at(s), value), (Sigmoid.slope(s), slope)] {
                let got = f64::from(got as f32);
                // Where its e^−s is infinite, ours is a subnormal number, that is, none that moves a weight.
                let differs =
                    if expected == 0.0 { got >= f64::from(f32::MIN_POSITIVE) } else { (got / expected - 1.0).abs() > 1e-6 };
                assert!(!differs, "s = {s}: {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        assert!((Exp.at(2.0_f64.ln()) - 2.0).abs() < 1e-15 && (Sigmoid.at(3.0_f64.ln()) - 0.75).abs() < 1e-15);
        for function in [Sigmoid, Exp] {
            for s in [-5.0, -0.5, 0.0, 1.5] {
                let slope = (function.at(s + 1e-5) - function.at(s - 1e-5)) / 2e-5;
                assert!((function.slope(s) - slope).abs() < 1e-9, "{function} at {s}");
            }
            assert_eq!([function.at(-1e4), function.slope(-1e4)].map(f64::to_bits), [0; 2], "{function}");
        }
    }

    #[test]
    fn a_weight_at_the_threshold_is_not_above_it() {
        for weight in [0.25_f32, -0.25, 0.0, -0.0] {
            let mut gradient = [1.0];
            assert_eq!(threshold_gradient(&[weight], &gradient, 0.25).to_bits(), 0.0_f64.to_bits());
            weight_gradients(&[weight], &mut gradient, 0.25);
            assert_eq!([gradient[0], soft_threshold(weight, 0.25)].map(f32::to_bits), [0; 2], "{weight}");
        }
        assert_eq!([0.0, -0.0_f32].map(|w| soft_threshold(w, 0.0).to_bits()), [0; 2]);
        assert!(soft_threshold(f32::NAN, 0.25).is_nan() && soft_threshold(1.0, f32::NAN).is_nan());
    }

    #[test]
    fn functions_have_names() {
        for choice in SparseFunction::CHOICES {
            assert_eq!(choice.name.parse::<SparseFunction>().unwrap(), choice.value);
            assert_eq!(choice.value.to_string(), choice.name);
        }
        assert_eq!(SparseFunction::default(), Sigmoid);
    }
}
