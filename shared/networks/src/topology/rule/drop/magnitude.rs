//! Magnitude.

use super::DropScore;
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// |w|.
#[derive(Debug, Clone, Copy)]
pub struct Magnitude;

impl Named for Magnitude {
    fn name(&self) -> &'static str {
        "magnitude"
    }

    fn about(&self) -> &'static str {
        "|w|"
    }
}

impl DropScore for Magnitude {
    fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
        layer.weights.map(f64::abs)
    }
}
