//! Cross-entropy with label smoothing.

use rayon::prelude::*;

use super::tensor::View;
use crate::engine::Outcome;
use crate::engine::simd::LANES;

/// Loss and accuracy of a batch; where `gradient` is given, also ∂(mean loss)/∂logits, 0 in lanes without a sample.
///
/// With smoothing ε the target gets 1−ε+ε/C and every other class ε/C. In float64; summed in sample order.
pub(super) fn cross_entropy(
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
                    out.add(sample(logits, gradient, b, lane, label as usize, smoothing, labels.len()));
                }
                None => {
                    if let Some(gradient) = gradient {
                        for c in 0..logits.image.channels {
                            set(gradient, b, c, lane, 0.0);
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
fn sample(logits: View, gradient: Option<View>, b: usize, lane: usize, label: usize, smoothing: f64, samples: usize) -> Outcome {
    let classes = logits.image.channels;
    // SAFETY: pixel (0, 0) of an existing channel; logits are only read here.
    let logit = |c: usize| f64::from(unsafe { logits.pixels(b, c) }[0].0[lane]);
    let (mut best, mut top) = (0, f64::NEG_INFINITY);
    for c in 0..classes {
        if logit(c) > top {
            (best, top) = (c, logit(c));
        }
    }
    let sum: f64 = (0..classes).map(|c| (logit(c) - top).exp()).sum();
    let log_sum = top + sum.ln();
    let mean_log = (0..classes).map(|c| logit(c) - log_sum).sum::<f64>() / classes as f64;
    let loss = -(1.0 - smoothing) * (logit(label) - log_sum) - smoothing * mean_log;
    if let Some(gradient) = gradient {
        for c in 0..classes {
            let target = smoothing / classes as f64 + if c == label { 1.0 - smoothing } else { 0.0 };
            let g = ((logit(c) - log_sum).exp() - target) / samples as f64;
            set(gradient, b, c, lane, g as f32);
        }
    }
    Outcome { loss_sum: loss, correct: usize::from(best == label && top > f64::NEG_INFINITY), samples: 1 }
}

fn set(gradient: View, b: usize, c: usize, lane: usize, value: f32) {
    // SAFETY: pixel (0, 0) of an existing channel, in a block that one thread handles.
    let pixel = unsafe { gradient.pixels_mut(b, c) };
    pixel[0].0[lane] = value;
}

#[cfg(test)]
mod tests {
    use super::super::tensor::Tensor;
    use super::*;
    use crate::model::Image;
    use serde::Deserialize;
    use std::collections::BTreeMap;

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
        let mut tensor = Tensor::new(Image::new(logits[0].len(), 1, 1), 1);
        for (lane, logits) in logits.iter().enumerate() {
            tensor.data.iter_mut().zip(logits).for_each(|(class, logit)| class.0[lane] = *logit);
        }
        assert_eq!(values.len(), 3);
        for (smoothing, expected) in values {
            let mut outcomes = [Outcome::default()];
            let got = cross_entropy(tensor.view(), &targets, smoothing.parse().unwrap(), None, &mut outcomes).loss();
            // Logits are rounded to single precision.
            assert!((got - expected).abs() < 1e-8, "smoothing {smoothing}: {got}, expected {expected}");
        }
    }
}
