//! The binomial law, for as many trials as a layer has units.

/// Probabilities of a binomial law at all values that matter: from `first` on, `mass` each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binomial {
    pub(super) first: usize,
    pub(super) mass: Vec<f64>,
}

/// Values this much less likely than the likeliest are left out.
const NEGLIGIBLE: f64 = 1e-20;

impl Binomial {
    /// From the likeliest value outwards by the ratio of neighbouring probabilities, then scaled to a sum of 1. So nothing is
    /// computed from factorials or an incomplete beta function, whose series needs more terms the more trials there are; the
    /// relative error is some 1e-16 a step away from the likeliest value. O(√trials) for a law that is not narrow.
    ///
    /// # Panics
    /// If the probability is not in \[0, 1\].
    pub(super) fn new(trials: usize, probability: f64) -> Self {
        assert!((0.0..=1.0).contains(&probability), "probability {probability} outside [0, 1]");
        if probability <= 0.0 || probability >= 1.0 {
            return Self { first: if probability > 0.0 { trials } else { 0 }, mass: vec![1.0] };
        }
        let odds = probability / (1.0 - probability);
        let mode = (((trials + 1) as f64 * probability) as usize).min(trials);
        let mut below = Vec::new();
        let mut mass = 1.0;
        for k in (1..=mode).rev() {
            mass *= k as f64 / ((trials - k + 1) as f64 * odds);
            if mass < NEGLIGIBLE {
                break;
            }
            below.push(mass);
        }
        let first = mode - below.len();
        let mut all: Vec<f64> = below.into_iter().rev().collect();
        mass = 1.0;
        for k in mode..=trials {
            if mass < NEGLIGIBLE {
                break;
            }
            all.push(mass);
            mass *= (trials - k) as f64 / (k + 1) as f64 * odds;
        }
        let sum: f64 = all.iter().sum();
        for mass in &mut all {
            *mass /= sum;
        }
        Self { first, mass: all }
    }
}

/// How many of `units` nodes are expected to have each degree if each of their `trials` possible edges is there with this
/// probability: degrees with their expected numbers, ascending, as far as these are at least 1/10,000 of the largest.
///
/// # Panics
/// If the probability is not in \[0, 1\].
///
/// ```
/// use er_graphs::statistics::bipartite::expected_histogram;
///
/// assert_eq!(expected_histogram(100, 2, 0.5), [(0, 25.0), (1, 50.0), (2, 25.0)]);
/// ```
#[must_use]
pub fn expected_histogram(units: usize, trials: usize, probability: f64) -> Vec<(usize, f64)> {
    let law = Binomial::new(trials, probability);
    let largest = law.mass.iter().copied().fold(0.0, f64::max);
    let kept = law.mass.iter().zip(law.first..).filter(|(m, _)| **m >= 1e-4 * largest);
    kept.map(|(m, degree)| (degree, units as f64 * m)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::Discrete;

    /// Against another implementation where that one is exact enough, and moments anywhere.
    #[test]
    fn probabilities_are_binomial() {
        for (trials, p) in [(1, 0.3), (12, 0.5), (300, 0.05), (4608, 0.1), (512, 0.999), (100_000, 0.01), (100_000, 0.5)] {
            let law = Binomial::new(trials, p);
            let other = statrs::distribution::Binomial::new(p, trials as u64).unwrap();
            let (mut mean, mut square) = (0.0, 0.0);
            for (m, k) in law.mass.iter().zip(law.first..) {
                let theirs = other.pmf(k as u64);
                // Theirs comes from logarithms of about trials · ln(trials).
                assert!((m - theirs).abs() <= 1e-8 * m + 1e-30, "{trials} {p} at {k}: {m} {theirs}");
                let off = k as f64 - trials as f64 * p;
                mean += m * off;
                square += m * off * off;
            }
            let variance = trials as f64 * p * (1.0 - p);
            assert!(mean.abs() < 1e-10 * variance, "{trials} {p}: {mean}");
            assert!((square / variance - 1.0).abs() < 1e-11, "{trials} {p}: {square}");
        }
    }

    #[test]
    fn certain_laws_have_one_value() {
        assert_eq!(Binomial::new(7, 0.0), Binomial { first: 0, mass: vec![1.0] });
        assert_eq!(Binomial::new(7, 1.0), Binomial { first: 7, mass: vec![1.0] });
        assert_eq!(Binomial::new(0, 0.5), Binomial { first: 0, mass: vec![1.0] });
    }

    #[test]
    fn expected_numbers_add_up_to_the_units() {
        let sum: f64 = expected_histogram(1000, 300, 0.05).iter().map(|h| h.1).sum();
        assert!((sum - 1000.0).abs() < 0.5, "{sum}");
    }
}
