//! Numbers that rules work on.

/// A floating-point type: engines compute in `f32`, references in `f64`. Scores are `f64` in either case.
pub trait Real: Copy + Default + PartialEq + Send + Sync + Into<f64> {
    /// An integer type that orders as magnitudes do.
    type Magnitude: Copy + Ord + Default + Send + Sync + std::fmt::Debug;

    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;

    /// The magnitude as an integer that orders alike; 0 for what is not a number.
    fn magnitude(self) -> Self::Magnitude;
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
}
