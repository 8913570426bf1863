//! Balanced with an exact total: every layer that is not full keeps the same number of weights X.

use super::{Solution, solver::fill};
use crate::error::Result;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Result<Solution> {
    let raw: Vec<f64> = shapes.iter().map(|s| 1.0 / s.weights() as f64).collect();
    let (densities, x) = fill("balanced-exact", shapes, d, &raw)?;
    Ok(Solution::new(shapes, densities, Some(("X", x))))
}
