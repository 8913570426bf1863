//! Growth at random.

use super::{GrowRule, random};
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;
use er_graphs::rng::Stream;

/// Any free positions, each set of them equally likely (SET, Mocanu et al. 2018).
#[derive(Debug, Clone, Copy)]
pub struct Random;

impl Named for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn about(&self) -> &'static str {
        "any"
    }
}

impl GrowRule for Random {
    fn positions(&self, layer: &LayerView<'_>, count: usize, rng: &mut Stream, _: &[f64]) -> Vec<usize> {
        random(&layer.free().collect::<Vec<_>>(), count, rng)
    }
}
