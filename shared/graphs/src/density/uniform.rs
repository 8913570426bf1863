//! Uniform: `p_l = d`.

use super::Solution;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Solution {
    Solution::new(shapes, vec![d; shapes.len()], None)
}
