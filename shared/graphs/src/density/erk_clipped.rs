//! ERK without redistribution, as in the ER variant of STR: `p_l = min(1, C·raw_l)` with
//! `Σ C·raw_l·N_l = d·N`.

use super::distribution::total;
use super::{Solution, erk::ratio};
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Solution {
    // The ratio times the weights is the sum of the tensor's dimensions.
    let demand = shapes.iter().flat_map(LayerShape::dims).sum::<usize>() as f64;
    let c = d * total(shapes) / demand;
    let densities = shapes.iter().map(|s| (c * ratio(s)).min(1.0)).collect();
    Solution::new(shapes, densities, Some(("C", c)))
}
