//! Numbers that rules work on.

/// A floating-point type: engines compute in `f32`, references in `f64`. Scores are `f64` in either case.
pub trait Real: Copy + Default + PartialEq + Send + Sync + Into<f64> {
    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;
}

impl Real for f32 {
    fn nearest(value: f64) -> Self {
        value as Self
    }
}

impl Real for f64 {
    fn nearest(value: f64) -> Self {
        value
    }
}
