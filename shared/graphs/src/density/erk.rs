//! Erdős–Rényi-kernel (Evci et al., "Rigging the Lottery", ICML 2020): density ∝ (sum / product of the tensor's dimensions)^α.

use super::{Solution, solver::fill};
use crate::error::Result;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64, power: f64) -> Result<Solution> {
    let raw: Vec<f64> = shapes.iter().map(|s| ratio(s).powf(power)).collect();
    let (densities, epsilon) = fill("ERK", shapes, d, &raw)?;
    Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
}

/// Sum of the tensor's dimensions over their product: four dimensions of a convolution, two of a linear layer.
pub(super) fn ratio(shape: &LayerShape) -> f64 {
    shape.dims().iter().sum::<usize>() as f64 / shape.weights() as f64
}
