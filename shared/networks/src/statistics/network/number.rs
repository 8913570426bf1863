//! Numbers that count paths, and tensors of them.

/// What paths are counted with.
pub(super) trait Number: Copy + Send + Sync + std::fmt::Debug {
    const ZERO: Self;
    const ONE: Self;
    /// Exponent of a tensor of zeros: one that never decides that of a sum.
    const NOTHING: i32;

    fn plus(self, other: Self) -> Self;

    /// Several times the number.
    fn times(self, factor: u32) -> Self;

    /// Takes a power of two out of values, so that what is counted next has room; returns its exponent. None for zeros.
    fn normalise(values: &mut [Self]) -> Option<i32>;

    /// Multiplies by 2^exponent.
    fn scale(self, exponent: i32) -> Self;
}

/// Counts with 53 bits.
impl Number for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NOTHING: i32 = -(1 << 28);

    fn plus(self, other: Self) -> Self {
        self + other
    }

    fn times(self, factor: u32) -> Self {
        self * Self::from(factor)
    }

    fn normalise(values: &mut [Self]) -> Option<i32> {
        let largest = values.iter().copied().fold(0.0, Self::max);
        if largest == 0.0 {
            return None;
        }
        // Sums of numbers of which the largest was in [1, 2) are not subnormal.
        let exponent = (largest.to_bits() >> 52) as i32 - 1023;
        let factor = Self::powi(2.0, -exponent);
        for v in values {
            *v *= factor;
        }
        Some(exponent)
    }

    fn scale(self, exponent: i32) -> Self {
        // 0 times the infinity of a large exponent would be no number.
        if self == 0.0 { 0.0 } else { self * Self::powi(2.0, exponent) }
    }
}

/// Exact counts. The largest number stands for all that are at least as large.
impl Number for u128 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const NOTHING: i32 = 0;

    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }

    fn times(self, factor: u32) -> Self {
        self.saturating_mul(factor.into())
    }

    fn normalise(_: &mut [Self]) -> Option<i32> {
        Some(0)
    }

    /// Exact counts have exponent 0 only.
    fn scale(self, _: i32) -> Self {
        self
    }
}

/// The numbers `values · 2^exponent`, while they are counted.
#[derive(Clone)]
pub(super) struct Scaled<T> {
    pub(super) values: Vec<T>,
    pub(super) exponent: i32,
}

impl<T: Number> Scaled<T> {
    pub(super) fn new(mut values: Vec<T>, exponent: i32) -> Self {
        let exponent = T::normalise(&mut values).map_or(T::NOTHING, |taken| exponent + taken);
        Self { values, exponent }
    }

    pub(super) fn zeros(length: usize) -> Self {
        Self { values: vec![T::ZERO; length], exponent: T::NOTHING }
    }

    /// Adds numbers one by one. Those too small beside the largest vanish, as in any sum of floating-point numbers.
    pub(super) fn add(&mut self, other: &Self) {
        let exponent = self.exponent.max(other.exponent);
        for (a, b) in self.values.iter_mut().zip(&other.values) {
            *a = a.scale(self.exponent - exponent).plus(b.scale(other.exponent - exponent));
        }
        self.exponent = exponent;
    }
}

/// Numbers of paths, `values · 2^exponent`: products over many layers leave the range of float64.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Counts {
    /// Each number without the power of two.
    pub values: Vec<f64>,
    /// The common exponent.
    pub exponent: i32,
}

impl Counts {
    /// log₂ of a number; none for 0.
    ///
    /// # Panics
    /// If there is no such number.
    #[must_use]
    pub fn log2(&self, index: usize) -> Option<f64> {
        log2(self.values[index], self.exponent)
    }

    /// A number itself, infinite from 2¹⁰²⁴ up.
    ///
    /// # Panics
    /// If there is no such number.
    #[must_use]
    pub fn value(&self, index: usize) -> f64 {
        self.values[index].scale(self.exponent)
    }
}

impl From<Scaled<f64>> for Counts {
    fn from(scaled: Scaled<f64>) -> Self {
        Self { values: scaled.values, exponent: scaled.exponent }
    }
}

/// log₂ of `value · 2^exponent`; none for 0.
pub(super) fn log2(value: f64, exponent: i32) -> Option<f64> {
    (value > 0.0).then(|| value.log2() + f64::from(exponent))
}
