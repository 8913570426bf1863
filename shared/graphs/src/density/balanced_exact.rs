//! Balanced with an exact total: every layer that is not full keeps the same number of weights X.

use super::{Distribution, Solution, fill};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// The same number of edges in all layers that are not full.
#[derive(Debug, Clone, Copy)]
pub struct BalancedExact;

impl Named for BalancedExact {
    fn name(&self) -> &'static str {
        "balanced-exact"
    }

    fn about(&self) -> &'static str {
        "the same number of edges in every layer that is not full; exact total"
    }
}

impl Distribution for BalancedExact {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let raw: Vec<f64> = shapes.iter().map(|s| 1.0 / s.weights() as f64).collect();
        let (densities, x) = fill(self.name(), shapes, d, &raw)?;
        Ok(Solution::new(shapes, densities, Some(("X", x))))
    }
}
