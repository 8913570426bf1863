//! Erdős–Rényi on channels (Mocanu et al. 2018): density ∝ (out + inp) / (out·inp), whatever the kernel.

use super::{Solution, solver::fill};
use crate::error::Result;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Result<Solution> {
    let raw: Vec<f64> = shapes.iter().map(|s| (s.out + s.inp) as f64 / (s.out * s.inp) as f64).collect();
    let (densities, epsilon) = fill("ER", shapes, d, &raw)?;
    Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
}
