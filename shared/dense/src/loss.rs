//! Cross-entropy with label smoothing, and hits.

use dfdx::prelude::*;

use super::network::taken;
use super::{Images, Processor, Try, scalar};
use er_engine::Outcome;

/// Loss and hits of logits `(sample, class)` row-major, in float64. With smoothing ε the target gets 1−ε+ε/C and every other class
/// ε/C.
pub(super) fn outcome(logits: &[f64], labels: &[u32], smoothing: f64) -> Outcome {
    let classes = logits.len() / labels.len();
    let mut all = Outcome::default();
    for (row, &label) in logits.chunks(classes).zip(labels) {
        let label = label as usize;
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = top + row.iter().map(|v| (v - top).exp()).sum::<f64>().ln();
        let loss = |class: usize| log_sum - row[class];
        let mean = (0..classes).map(loss).sum::<f64>() / classes as f64;
        // The first of equals counts.
        let before = |class: &usize| if *class < label { row[*class] >= row[label] } else { row[*class] > row[label] };
        let place = (0..classes).filter(before).count();
        // NaN is behind no other logit.
        let among = |first: usize| usize::from(row[label].is_finite() && place < first);
        all.add(Outcome {
            loss_sum: (1.0 - smoothing) * loss(label) + smoothing * mean,
            correct: among(1),
            correct_5: among(5),
            samples: 1,
        });
    }
    all
}

/// Gradient of the mean loss on the logits `(class, 1, sample)`.
pub(super) fn gradient<E: Dtype, D: Processor<E>>(
    logits: &Images<E, D>,
    labels: &[u32],
    smoothing: f64,
) -> Try<<D as Storage<E>>::Vec, D> {
    let (classes, _, samples) = *logits.shape();
    let mut targets = vec![scalar::<E>(smoothing / classes as f64); classes * samples];
    for (sample, &label) in labels.iter().enumerate() {
        targets[label as usize * samples + sample] += scalar::<E>(1.0 - smoothing);
    }
    let targets: Tensor<(usize, usize), E, D> = logits.device().try_tensor_from_vec(targets, (classes, samples))?;
    let log_softmax = logits.retaped::<OwnedTape<E, D>>().try_reshape_like(&(classes, samples))?.try_log_softmax::<Axis<0>>()?;
    let sum = log_softmax.try_mul(targets)?.try_sum::<Rank0, _>()?;
    let mut gradients = sum.try_mul(scalar::<E>(-1.0 / samples as f64))?.try_backward()?;
    taken(&mut gradients, logits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_places() {
        let logits = [0.0, 2.0, 1.0, 3.0, 3.0, 3.0];
        let outcome = outcome(&logits, &[2, 1], 0.0);
        let first = (0.0_f64.exp() + 2.0_f64.exp() + 1.0_f64.exp()).ln() - 1.0;
        assert!((outcome.loss_sum - first - 3.0_f64.ln()).abs() < 1e-12);
        assert_eq!((outcome.correct, outcome.correct_5, outcome.samples), (0, 2, 2));
        for label in 0..3 {
            let equal = super::outcome(&[1.0; 3], &[label], 0.3);
            assert_eq!(equal.correct, usize::from(label == 0));
            assert!((equal.loss_sum - 3.0_f64.ln()).abs() < 1e-12);
        }
        let diverged = super::outcome(&[f64::NAN, 0.0], &[0], 0.1);
        assert!(diverged.loss_sum.is_nan() && diverged.correct_5 == 0);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (classes, labels, smoothing) = (3, [2, 0], 0.2);
        let rows = [0.3, -1.0, 0.5, 2.0, 0.1, -0.4];
        // Class by class, as activations lie.
        let transposed = (0..classes).flat_map(|c| [rows[c], rows[classes + c]]).collect();
        let device = Cpu::default();
        let tensor: Images<f64, Cpu> = device.try_tensor_from_vec(transposed, (classes, 1, 2)).unwrap();
        let gradient = gradient(&tensor, &labels, smoothing).unwrap();
        for (i, at) in [0, 2, 4, 1, 3, 5].into_iter().enumerate() {
            let mean = |by: f64| {
                let mut moved = rows;
                moved[i] += by;
                outcome(&moved, &labels, smoothing).loss()
            };
            let expected = (mean(1e-6) - mean(-1e-6)) / 2e-6;
            assert!((gradient[at] - expected).abs() < 1e-8, "{i}");
        }
    }
}
