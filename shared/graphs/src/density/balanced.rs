//! Balanced, as in "How Erdős and Rényi Win the Lottery": every layer keeps X = d·N/L weights, or all of them if it has fewer. The
//! surplus of those layers is lost, so that the achieved density can be far below the target (VGG-16 at 0.5 achieves 0.324).

use super::Solution;
use super::distribution::total;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Solution {
    let x = d * total(shapes) / shapes.len() as f64;
    let densities = shapes.iter().map(|s| (x / s.weights() as f64).min(1.0)).collect();
    Solution::new(shapes, densities, Some(("X", x)))
}
