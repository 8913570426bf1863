//! Magnitude, sign by sign.

use super::{DropScope, DropScore, Magnitude};
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// |w|, half of the edges among positive and half among negative weights (SET, Mocanu et al. 2018).
#[derive(Debug, Clone, Copy)]
pub struct Set;

impl Named for Set {
    fn name(&self) -> &'static str {
        "SET"
    }

    fn about(&self) -> &'static str {
        "|w|, half of them positive and half negative"
    }
}

impl DropScore for Set {
    fn scope(&self) -> DropScope {
        DropScope::Signs
    }

    fn score(&self, layer: &LayerView<'_>, parameters: &[f64]) -> Vec<f64> {
        Magnitude.score(layer, parameters)
    }
}
