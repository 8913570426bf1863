//! Magnitude, over all layers.

use super::{DropScope, DropScore, Magnitude};
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// |w|, compared over all layers.
#[derive(Debug, Clone, Copy)]
pub struct Threshold;

impl Named for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["global_magnitude"]
    }

    fn about(&self) -> &'static str {
        "|w|, one threshold for all layers"
    }
}

impl DropScore for Threshold {
    fn scope(&self) -> DropScope {
        DropScope::Network
    }

    fn score(&self, layer: &LayerView<'_>, parameters: &[f64]) -> Vec<f64> {
        Magnitude.score(layer, parameters)
    }
}
