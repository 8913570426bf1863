//! The fraction of a layer's edges that an update exchanges.

use super::Decay;
use er_graphs::registry::Selected;

/// The drop fraction f of every step: `η + (α − η)·d(x)` with the decay d and the part `x = t / end` of the way, at most 1.
///
/// ```
/// use er_graphs::registry::Selected;
/// use er_networks::schedule::DropFraction;
/// use er_networks::schedule::decay::Cosine;
/// let rigl = DropFraction { initial: 0.3, floor: 0.0, decay: Selected::new(&Cosine), end: 25_000 };
/// assert_eq!([rigl.at(0), rigl.at(12_500), rigl.at(30_000)], [0.3, 0.15, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropFraction {
    /// α, the fraction at step 0.
    pub initial: f64,
    /// η, where it ends.
    pub floor: f64,
    /// How it gets there.
    pub decay: Selected<dyn Decay>,
    /// The step at which it does.
    pub end: u64,
}

impl DropFraction {
    /// f(t).
    pub fn at(&self, step: u64) -> f64 {
        let x = if self.end == 0 { 1.0 } else { (step as f64 / self.end as f64).min(1.0) };
        let left = self.decay.left(x, &self.decay.values());
        self.floor + (self.initial - self.floor) * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::decay::{Cosine, InversePower, Linear};

    fn decay(typed: &str) -> Selected<dyn Decay> {
        typed.parse().unwrap()
    }

    #[test]
    fn names_of_decays() {
        let plain = |decay: &'static dyn Decay| Selected::new(decay);
        let power = |k| plain(&InversePower).with("k", k).unwrap();
        for (typed, of, written) in [
            ("cosine", plain(&Cosine), "cosine"),
            ("Linear", plain(&Linear), "linear"),
            ("exponential", plain(&Linear), "linear"),
            ("exponential_3", power(3.0), "inverse-power-3"),
            ("exponential_.3", power(0.3), "inverse-power-0.3"),
            ("inverse-power-2.5", power(2.5), "inverse-power-2.5"),
            ("inverse-power(k=2.5)", power(2.5), "inverse-power-2.5"),
        ] {
            assert_eq!(decay(typed), of, "{typed}");
            assert_eq!(of.to_string(), written);
            assert_eq!(decay(written), of);
        }
        for wrong in ["cos", "exponential_", "inverse-power-0", "inverse-power-x", "inverse-power-inf", ""] {
            assert!(wrong.parse::<Selected<dyn Decay>>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_way_the_fraction_is_at_its_end() {
        for decay in ["cosine", "linear", "inverse-power-3"].map(decay) {
            let fraction = DropFraction { initial: 0.5, floor: 0.1, decay, end: 0 };
            assert!((fraction.at(0) - 0.1).abs() < 1e-12);
        }
    }
}
