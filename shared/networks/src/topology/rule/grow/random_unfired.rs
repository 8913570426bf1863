//! Growth at random where nothing has been tried.

use super::{GrowRule, random};
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;
use er_graphs::rng::Stream;

/// Any that never had an edge before the others (in-time over-parameterisation, Liu et al. 2021).
#[derive(Debug, Clone, Copy)]
pub struct RandomUnfired;

impl Named for RandomUnfired {
    fn name(&self) -> &'static str {
        "random_unfired"
    }

    fn about(&self) -> &'static str {
        "any, those never active first"
    }
}

impl GrowRule for RandomUnfired {
    fn positions(&self, layer: &LayerView<'_>, count: usize, rng: &mut Stream, _: &[f64]) -> Vec<usize> {
        let (fired, unfired): (Vec<usize>, Vec<usize>) = layer.free().partition(|p| layer.ever.contains(*p));
        let first = count.min(unfired.len());
        let mut all = random(&unfired, first, rng);
        all.extend(random(&fired, count - first, rng));
        all.sort_unstable();
        all
    }
}
