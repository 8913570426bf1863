//! Erdős–Rényi on channels (Mocanu et al. 2018): density ∝ (out + inp) / (out·inp), whatever the kernel.

use super::{Distribution, Solution, fill};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// Density proportional to (out + inp) / (out·inp) until a layer is full; surplus goes to the others.
#[derive(Debug, Clone, Copy)]
pub struct Er;

impl Named for Er {
    fn name(&self) -> &'static str {
        "ER"
    }

    fn about(&self) -> &'static str {
        "Erdős–Rényi: density ∝ (out+in)/(out·in), surplus of full layers redistributed"
    }
}

impl Distribution for Er {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let raw: Vec<f64> = shapes.iter().map(|s| (s.out + s.inp) as f64 / (s.out * s.inp) as f64).collect();
        let (densities, epsilon) = fill(self.name(), shapes, d, &raw)?;
        Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
    }
}
