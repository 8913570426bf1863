//! Half a cosine (RigL, eq. 1).

use std::f64::consts::PI;

use super::Decay;
use er_graphs::registry::Named;

/// Half a cosine (RigL, eq. 1).
#[derive(Debug, Clone, Copy)]
pub struct Cosine;

impl Named for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn about(&self) -> &'static str {
        "half a cosine"
    }
}

impl Decay for Cosine {
    fn left(&self, x: f64, _: &[f64]) -> f64 {
        f64::midpoint(1.0, (PI * x).cos())
    }
}
