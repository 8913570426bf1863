//! Numbers that rules and optimisers work on.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A floating-point type: engines compute in `f32`, references in `f64`. Scores are `f64` in either case.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Into<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// An integer type that orders as magnitudes do.
    type Magnitude: Copy + Ord + Default + Send + Sync + std::fmt::Debug;

    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;

    /// The magnitude as an integer that orders alike; 0 for what is not a number.
    fn magnitude(self) -> Self::Magnitude;

    /// Without its sign.
    #[must_use]
    fn abs(self) -> Self;

    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;

    /// These numbers, for code that is not generic.
    fn numbers(values: &[Self]) -> Numbers<'_>;
}

/// Numbers of either type, which are read as `f64`: for traits that anybody can implement, whose methods cannot be generic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Numbers<'a> {
    /// In single precision.
    F32(&'a [f32]),
    /// In double precision.
    F64(&'a [f64]),
}

impl Numbers<'_> {
    /// None.
    pub const NONE: Self = Self::F64(&[]);

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are not so many.
    #[inline]
    #[must_use]
    pub fn get(self, index: usize) -> f64 {
        match self {
            Self::F32(values) => f64::from(values[index]),
            Self::F64(values) => values[index],
        }
    }

    /// What a function makes of each.
    pub fn map(self, f: impl Fn(f64) -> f64) -> Vec<f64> {
        match self {
            Self::F32(values) => values.iter().map(|v| f(f64::from(*v))).collect(),
            Self::F64(values) => values.iter().map(|v| f(*v)).collect(),
        }
    }
}

// Without their sign, the bits of floats order as their magnitudes do, and what is not a number comes after infinity. The integers
// have a sign because more processors compare these several at once.
impl Real for f32 {
    type Magnitude = i32;

    fn nearest(value: f64) -> Self {
        value as Self
    }

    fn magnitude(self) -> i32 {
        let bits = self.abs().to_bits() as i32;
        if bits > Self::INFINITY.to_bits() as i32 { 0 } else { bits }
    }

    fn abs(self) -> Self {
        f32::abs(self)
    }

    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    fn numbers(values: &[Self]) -> Numbers<'_> {
        Numbers::F32(values)
    }
}

impl Real for f64 {
    type Magnitude = i64;

    fn nearest(value: f64) -> Self {
        value
    }

    fn magnitude(self) -> i64 {
        let bits = self.abs().to_bits() as i64;
        if bits > Self::INFINITY.to_bits() as i64 { 0 } else { bits }
    }

    fn abs(self) -> Self {
        f64::abs(self)
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn numbers(values: &[Self]) -> Numbers<'_> {
        Numbers::F64(values)
    }
}
