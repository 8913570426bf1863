//! Values with an exponent of their own: products over hundreds of layers leave the range of float64.

use rayon::prelude::*;

/// Exponent of a tensor of zeros: so small that it never decides that of a sum.
const ZERO: i32 = -(1 << 28);

/// The values `values · 2^exponent`.
#[derive(Debug, Clone)]
pub(super) struct Scaled {
    pub(super) values: Vec<f64>,
    pub(super) exponent: i32,
}

impl Scaled {
    /// The same values with the largest magnitude of `values` in [1, 2), unless it is 0 or no number: a change of the exponent only, so exact. O(n).
    pub(super) fn new(values: Vec<f64>, exponent: i32) -> Self {
        let largest = values.par_iter().map(|v| v.abs()).reduce(|| 0.0, f64::max);
        let mut scaled = Self { values, exponent };
        if largest == 0.0 {
            scaled.exponent = ZERO;
        } else if largest.is_finite() {
            // The exponent of the largest; subnormal numbers all count as 2^−1023.
            scaled.set_exponent(exponent + (largest.to_bits() >> 52) as i32 - 1023);
        }
        scaled
    }

    /// Writes the values with another exponent; those too small for it become 0. O(n).
    pub(super) fn set_exponent(&mut self, exponent: i32) {
        let factor = f64::powi(2.0, self.exponent - exponent);
        self.values.par_iter_mut().for_each(|v| *v *= factor);
        self.exponent = exponent;
    }

    /// Adds values of the same number. O(n).
    pub(super) fn add(&mut self, mut other: Self) {
        let exponent = self.exponent.max(other.exponent);
        self.set_exponent(exponent);
        other.set_exponent(exponent);
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += b);
    }
}
