//! Cross-entropy with label smoothing, and hits.

use rayon::prelude::*;

use super::tensor::View;
use crate::Outcome;
use crate::simd::LANES;

/// Loss and accuracy of a batch; where `gradient` is given, also ∂(mean loss)/∂logits, 0 in lanes without a sample.
///
/// With smoothing ε the target gets 1−ε+ε/C and every other class ε/C. In float64; summed in sample order.
///
/// # Safety
/// The tensors must have blocks for all labels and a channel a class. The gradient must be the caller's own, logits not be
/// written meanwhile.
///
/// # Panics
/// If there are fewer outcomes than blocks.
pub(super) unsafe fn cross_entropy(
    logits: View,
    labels: &[u32],
    smoothing: f64,
    gradient: Option<View>,
    outcomes: &mut [Outcome],
) -> Outcome {
    let blocks = labels.len().div_ceil(LANES);
    outcomes[..blocks].par_iter_mut().enumerate().for_each(|(b, out)| {
        *out = Outcome::default();
        for lane in 0..LANES {
            match labels.get(b * LANES + lane) {
                Some(&label) => {
                    // SAFETY: an existing block, which one thread handles; the rest by contract.
                    out.add(unsafe { sample(logits, gradient, b, lane, label as usize, smoothing, labels.len()) });
                }
                None => {
                    if let Some(gradient) = gradient {
                        for c in 0..logits.image.channels {
                            // SAFETY: as above.
                            unsafe { set(gradient, b, c, lane, 0.0) };
                        }
                    }
                }
            }
        }
    });
    let mut all = Outcome::default();
    for out in &outcomes[..blocks] {
        all.add(*out);
    }
    all
}

/// One sample; writes its gradient divided by `samples`.
///
/// # Safety
/// The block must exist; that of the gradient must be the caller's own, that of the logits not be written meanwhile.
unsafe fn sample(
    logits: View,
    gradient: Option<View>,
    b: usize,
    lane: usize,
    label: usize,
    smoothing: f64,
    samples: usize,
) -> Outcome {
    let classes = logits.image.channels;
    // SAFETY: pixel (0, 0) of an existing channel, by contract; logits are only read here.
    let logit = |c: usize| f64::from(unsafe { logits.pixels(b, c) }[0].0[lane]);
    let own = logit(label);
    let (mut top, mut ahead) = (f64::NEG_INFINITY, 0);
    for c in 0..classes {
        let other = logit(c);
        top = top.max(other);
        ahead += usize::from(if c < label { other >= own } else { other > own });
    }
    let sum: f64 = (0..classes).map(|c| (logit(c) - top).exp()).sum();
    let log_sum = top + sum.ln();
    let mean_log = (0..classes).map(|c| logit(c) - log_sum).sum::<f64>() / classes as f64;
    let loss = -(1.0 - smoothing) * (own - log_sum) - smoothing * mean_log;
    if let Some(gradient) = gradient {
        for c in 0..classes {
            let target = smoothing / classes as f64 + if c == label { 1.0 - smoothing } else { 0.0 };
            let g = ((logit(c) - log_sum).exp() - target) / samples as f64;
            // SAFETY: passed on from the caller.
            unsafe { set(gradient, b, c, lane, g as f32) };
        }
    }
    // NaN is behind no other logit.
    let among = |first: usize| usize::from(own.is_finite() && ahead < first);
    Outcome { loss_sum: loss, correct: among(1), correct_5: among(5), samples: 1 }
}

/// Writes one lane of pixel (0, 0).
///
/// # Safety
/// The plane must exist and be the caller's own.
unsafe fn set(gradient: View, b: usize, c: usize, lane: usize, value: f32) {
    // SAFETY: passed on from the caller.
    let pixel = unsafe { gradient.pixels_mut(b, c) };
    pixel[0].0[lane] = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparse::tensor::Tensor;
    use er_graphs::rng::{Purpose, stream};
    use er_networks::model::Image;
    use rand::RngExt;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    /// Rows of logits as a tensor.
    fn tensor(rows: &[&[f32]]) -> Tensor {
        let classes = rows[0].len();
        let mut tensor = Tensor::new(Image::new(classes, 1, 1), rows.len().div_ceil(LANES));
        for (i, row) in rows.iter().enumerate() {
            for (c, value) in row.iter().enumerate() {
                tensor.data[i / LANES * classes + c].0[i % LANES] = *value;
            }
        }
        tensor
    }

    /// Of these samples, hits at the first place and among the first five.
    fn hits(samples: &[(Vec<f32>, u32)]) -> [usize; 2] {
        let mut logits = tensor(&samples.iter().map(|(row, _)| row.as_slice()).collect::<Vec<_>>());
        let labels: Vec<u32> = samples.iter().map(|s| s.1).collect();
        let outcomes = &mut vec![Outcome::default(); samples.len()];
        // SAFETY: a tensor of these samples.
        let outcome = unsafe { cross_entropy(logits.view(), &labels, 0.1, None, outcomes) };
        assert_eq!(outcome.samples, samples.len());
        [outcome.correct, outcome.correct_5]
    }

    #[test]
    fn hits_are_those_of_a_ranking_in_float64() {
        let mut rng = stream(1, Purpose::Data, 0);
        for classes in [1, 2, 5, 6, 10, 23] {
            // Few different values: most samples have ties.
            let samples: Vec<(Vec<f32>, u32)> = (0..53)
                .map(|_| ((0..classes).map(|_| rng.random_range(-4..4_i8).into()).collect(), rng.random_range(0..classes)))
                .collect();
            let place = |(row, label): &(Vec<f32>, u32)| {
                let mut order: Vec<usize> = (0..row.len()).collect();
                // Stable: equal logits stay in the order of classes.
                order.sort_by(|&a, &b| f64::from(row[b]).total_cmp(&f64::from(row[a])));
                order.iter().position(|&c| c == *label as usize).unwrap()
            };
            let expected = [1, 5].map(|first| samples.iter().filter(|s| place(s) < first).count());
            assert_eq!(hits(&samples), expected, "{classes} classes");
            assert!(classes > 5 || expected[1] == samples.len());
        }
    }

    #[test]
    fn logits_that_are_not_finite_are_no_hits() {
        for (row, label, expected) in [
            ([f32::NAN, 0.0, 1.0], 0, [0, 0]),
            ([f32::NAN, 0.0, 1.0], 2, [1, 1]),
            ([f32::NEG_INFINITY; 3], 0, [0, 0]),
            ([f32::INFINITY, 0.0, 1.0], 0, [0, 0]),
            ([f32::INFINITY, 0.0, 1.0], 2, [0, 1]),
        ] {
            assert_eq!(hits(&[(row.into(), label)]), expected, "{row:?} {label}");
        }
    }

    #[derive(Deserialize)]
    struct Golden {
        label_smoothing: Smoothing,
    }

    #[derive(Deserialize)]
    struct Smoothing {
        logits: Vec<Vec<f32>>,
        targets: Vec<u32>,
        values: BTreeMap<String, f64>,
    }

    #[test]
    fn smoothed_losses() {
        let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/str.json")).unwrap();
        let Smoothing { logits, targets, values } = golden.label_smoothing;
        let mut tensor = tensor(&logits.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!(values.len(), 3);
        for (smoothing, expected) in values {
            let mut outcomes = [Outcome::default()];
            // SAFETY: a tensor of these samples.
            let got = unsafe { cross_entropy(tensor.view(), &targets, smoothing.parse().unwrap(), None, &mut outcomes) }.loss();
            // Logits are rounded to single precision.
            assert!((got - expected).abs() < 1e-8, "smoothing {smoothing}: {got}, expected {expected}");
        }
    }
}
