//! ERK without redistribution, as in the ER variant of STR: `p_l = min(1, C·raw_l)` with
//! `Σ C·raw_l·N_l = d·N`.

use super::erk::ratio;
use super::{Distribution, Reach, Solution, total};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// ERK whose surplus is lost: the achieved density is below the target when layers are full.
#[derive(Debug, Clone, Copy)]
pub struct ErkClipped;

impl Named for ErkClipped {
    fn name(&self) -> &'static str {
        "ERK-clipped"
    }

    fn about(&self) -> &'static str {
        "ERK cut off at 1 without redistribution, so the total falls short"
    }
}

impl Distribution for ErkClipped {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        // The ratio times the weights is the sum of the tensor's dimensions.
        let demand = shapes.iter().flat_map(LayerShape::dims).sum::<usize>() as f64;
        let c = d * total(shapes) / demand;
        let densities = shapes.iter().map(|s| (c * ratio(s)).min(1.0)).collect();
        Ok(Solution::new(shapes, densities, Some(("C", c))))
    }

    fn reach(&self) -> Reach {
        Reach::AtMost
    }
}
