//! The part of the weights that gradual magnitude pruning leaves out of a training of all weights.

/// A pruning rate that rises with a cube (Zhu and Gupta 2018) from epoch e₀ to epoch e₁: r·(1 − (1 − (e − e₀)/(e₁ − e₀ + 1))³), 0
/// before and that of e₁ after. It stays (e₁ − e₀ + 1)⁻³·r below r.
///
/// ```
/// let rate = er_networks::schedule::GmpRate { rate: 0.9, first: 5, last: 14 };
/// assert_eq!([rate.at(5), rate.at(10)], [0.0, 0.9 * 0.875]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GmpRate {
    /// r.
    pub rate: f64,
    /// e₀, counted from 0.
    pub first: u64,
    /// e₁, not before e₀.
    pub last: u64,
}

impl GmpRate {
    /// The rate in an epoch.
    pub fn at(&self, epoch: u64) -> f64 {
        if epoch < self.first {
            return 0.0;
        }
        let done = (epoch.min(self.last) - self.first) as f64 / (self.last - self.first + 1) as f64;
        self.rate * (1.0 - (1.0 - done).powi(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_by_hand() {
        let rate = GmpRate { rate: 0.8, first: 2, last: 5 };
        // 1 − (3/4)³ = 37/64, 1 − (1/2)³ = 56/64, 1 − (1/4)³ = 63/64.
        for (epoch, expected) in [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.4625), (4, 0.7), (5, 0.7875), (6, 0.7875), (1000, 0.7875)] {
            assert!((rate.at(epoch) - expected).abs() < 1e-15, "epoch {epoch}: {}", rate.at(epoch));
        }
    }

    #[test]
    fn one_epoch_is_too_short_to_rise() {
        let rate = GmpRate { rate: 0.8, first: 3, last: 3 };
        assert!([0, 3, 4].into_iter().all(|epoch| rate.at(epoch) == 0.0));
    }
}
