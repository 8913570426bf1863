//! A straight line.

use super::Decay;
use er_graphs::registry::Named;

/// A straight line.
#[derive(Debug, Clone, Copy)]
pub struct Linear;

impl Named for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["exponential"]
    }

    fn about(&self) -> &'static str {
        "a straight line"
    }
}

impl Decay for Linear {
    fn left(&self, x: f64, _: &[f64]) -> f64 {
        1.0 - x
    }
}
