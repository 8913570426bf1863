//! How large logits should be.

/// Steps and learning rate of the descent to the best factor, as published.
const STEPS: usize = 20;
const RATE: f64 = 0.1;

/// The factor c with which the logits fit these labels best: 20 steps of gradient descent from 1 on the mean cross-entropy of
/// c·logits; 1 if that leads to 0 or below. `logits` are `(sample, class)` row-major. O(logits) a step.
pub(super) fn factor(logits: &[f32], labels: &[u32]) -> f64 {
    let classes = logits.len() / labels.len();
    let c = (0..STEPS).fold(1.0, |c, _| c - RATE * slope(c, logits, labels, classes));
    if c > 0.0 && c.is_finite() { c } else { 1.0 }
}

/// Derivative of the loss by c: the mean over the samples of Σ p·z − z_label, p being the softmax of c·z.
fn slope(c: f64, logits: &[f32], labels: &[u32], classes: usize) -> f64 {
    let of_sample = |(z, label): (&[f32], &u32)| {
        let largest = z.iter().fold(f64::NEG_INFINITY, |m, z| m.max(c * f64::from(*z)));
        let weights = || z.iter().map(|z| (f64::from(*z), (c * f64::from(*z) - largest).exp()));
        let mean = weights().map(|(z, w)| z * w).sum::<f64>() / weights().map(|(_, w)| w).sum::<f64>();
        mean - f64::from(z[*label as usize])
    };
    logits.chunks(classes).zip(labels).map(of_sample).sum::<f64>() / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(c: f64, logits: &[f32], labels: &[u32], classes: usize) -> f64 {
        let of = |(z, label): (&[f32], &u32)| {
            let sum: f64 = z.iter().map(|z| (c * f64::from(*z)).exp()).sum();
            sum.ln() - c * f64::from(z[*label as usize])
        };
        logits.chunks(classes).zip(labels).map(of).sum::<f64>() / labels.len() as f64
    }

    const LOGITS: [f32; 12] = [2.0, -1.0, 0.5, 0.3, 1.2, -0.7, -2.0, 0.1, 0.4, 1.5, 1.4, 0.0];
    const LABELS: [u32; 4] = [0, 1, 1, 1];

    #[test]
    fn the_slope_is_that_of_the_loss() {
        let at = |c| loss(c, &LOGITS, &LABELS, 3);
        for c in [0.3, 1.0, 2.5] {
            let (got, want) = (slope(c, &LOGITS, &LABELS, 3), (at(c + 1e-5) - at(c - 1e-5)) / 2e-5);
            assert!((got - want).abs() < 1e-9, "{c}: {got}, expected {want}");
        }
    }

    #[test]
    fn the_factor_lowers_the_loss_and_stays_positive() {
        let c = factor(&LOGITS, &LABELS);
        assert!(c > 1.0 && loss(c, &LOGITS, &LABELS, 3) < loss(1.0, &LOGITS, &LABELS, 3));
        // Logits that are always wrong: the best factor would be negative.
        assert!((factor(&[50.0, -50.0], &[1]) - 1.0).abs() < f64::EPSILON);
    }
}
