//! Uniform: `p_l = d`.

use super::{Distribution, Solution};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// The same density everywhere.
#[derive(Debug, Clone, Copy)]
pub struct Uniform;

impl Named for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["ER_init"]
    }

    fn about(&self) -> &'static str {
        "the same density in every layer"
    }
}

impl Distribution for Uniform {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        Ok(Solution::new(shapes, vec![d; shapes.len()], None))
    }
}
