//! Growth by velocity.

use super::GrowRule;
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// Those with the largest |velocity|, for which velocities are kept of all weights (SNFS, Dettmers and Zettlemoyer 2019).
#[derive(Debug, Clone, Copy)]
pub struct Momentum;

impl Named for Momentum {
    fn name(&self) -> &'static str {
        "momentum"
    }

    fn about(&self) -> &'static str {
        "the largest velocities; every step costs the gradients of all weights"
    }
}

impl GrowRule for Momentum {
    fn reads_velocity(&self) -> bool {
        true
    }

    fn score(&self, layer: &LayerView<'_>, position: usize, _: &[f64]) -> f64 {
        layer.velocity.size(position)
    }
}
