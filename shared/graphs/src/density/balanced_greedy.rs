//! Balanced in one pass, as in the program `TurboPrune`: a full layer's surplus is divided among the layers from it on. Its own share of the
//! surplus and what earlier layers could have taken are lost.

use super::Solution;
use super::distribution::total;
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Solution {
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
    Solution::new(shapes, densities, Some(("X", x)))
}
