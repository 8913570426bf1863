//! Balanced, as in "How Erdős and Rényi Win the Lottery": every layer keeps X = d·N/L weights, or all of them if it has fewer. The
//! surplus of those layers is lost, so that the achieved density can be far below the target (VGG-16 at 0.5 achieves 0.324).

use super::{Distribution, Reach, Solution, total};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// The same number of edges everywhere; the surplus of full layers is lost.
#[derive(Debug, Clone, Copy)]
pub struct Balanced;

impl Named for Balanced {
    fn name(&self) -> &'static str {
        "balanced"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ER_same_params", "ER_same_params_per_layer"]
    }

    fn about(&self) -> &'static str {
        "the same number of edges in every layer; surplus of full layers lost, so the total falls short"
    }
}

impl Distribution for Balanced {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let x = d * total(shapes) / shapes.len() as f64;
        let densities = shapes.iter().map(|s| (x / s.weights() as f64).min(1.0)).collect();
        Ok(Solution::new(shapes, densities, Some(("X", x))))
    }

    fn reach(&self) -> Reach {
        Reach::AtMost
    }
}
