//! Growth by gradient.

use super::GrowRule;
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// Those with the largest |gradient| (RigL, Evci et al. 2020).
#[derive(Debug, Clone, Copy)]
pub struct Gradient;

impl Named for Gradient {
    fn name(&self) -> &'static str {
        "gradient"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["absolute-gradient"]
    }

    fn about(&self) -> &'static str {
        "the largest gradients"
    }
}

impl GrowRule for Gradient {
    fn reads_gradient(&self) -> bool {
        true
    }

    fn score(&self, layer: &LayerView<'_>, position: usize, _: &[f64]) -> f64 {
        layer.gradient.get(position).abs()
    }
}
