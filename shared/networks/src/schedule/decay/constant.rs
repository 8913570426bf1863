//! Stays.

use super::Decay;
use er_graphs::registry::Named;

/// Stays.
#[derive(Debug, Clone, Copy)]
pub struct Constant;

impl Named for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn about(&self) -> &'static str {
        "stays"
    }
}

impl Decay for Constant {
    fn left(&self, _: f64, _: &[f64]) -> f64 {
        1.0
    }

    fn falls(&self) -> bool {
        false
    }
}
