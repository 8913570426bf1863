//! Magnitude times gradient.

use super::DropScore;
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// |w · ∂L/∂w| on the batch of the update (SNIP, Lee et al. 2019). The square of it, Taylor_FO (Molchanov et al. 2019), orders
/// alike.
#[derive(Debug, Clone, Copy)]
pub struct Snip;

impl Named for Snip {
    fn name(&self) -> &'static str {
        "Taylor_FO"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["snip"]
    }

    fn about(&self) -> &'static str {
        "|w · gradient|"
    }
}

impl DropScore for Snip {
    fn reads_gradient(&self) -> bool {
        true
    }

    fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
        layer.mask.iter().enumerate().map(|(e, p)| (layer.weights.get(e) * layer.gradient.get(p)).abs()).collect()
    }
}
