//! Balanced in one pass, as in the program `TurboPrune`: a full layer's surplus is divided among the layers from it on. Its own share of the
//! surplus and what earlier layers could have taken are lost.

use super::{Distribution, Reach, Solution, total};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// The same number of edges; the surplus of full layers is divided among the layers from there on.
#[derive(Debug, Clone, Copy)]
pub struct BalancedGreedy;

impl Named for BalancedGreedy {
    fn name(&self) -> &'static str {
        "balanced-greedy"
    }

    fn about(&self) -> &'static str {
        "balanced with the surplus of a full layer divided among the layers after it"
    }
}

impl Distribution for BalancedGreedy {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let mut x = d * total(shapes) / shapes.len() as f64;
        let mut densities = Vec::with_capacity(shapes.len());
        for (l, shape) in shapes.iter().enumerate() {
            let n = shape.weights() as f64;
            if x < n {
                densities.push(x / n);
            } else {
                densities.push(1.0);
                x += (x - n) / (shapes.len() - l) as f64;
            }
        }
        Ok(Solution::new(shapes, densities, Some(("X", x))))
    }

    fn reach(&self) -> Reach {
        Reach::AtMost
    }
}
