//! Uniform+ (Gale et al. 2019; Liu et al., "The Unreasonable Effectiveness of Random Pruning", ICLR 2022): the first layer stays
//! dense; below d = 0.2 the last one keeps density 0.2 and all others the q that makes the total d·N; from 0.2 on, all but the
//! first have density d.
//!
//! The code published with the second paper divides the rest by N instead of N without the two layers; its total falls short.

use super::Solution;
use super::distribution::total;
use crate::error::{Error, Result};
use crate::graph::LayerShape;

/// Least density of the last layer.
const LAST: f64 = 0.2;

/// Needs at least three layers.
pub(super) fn solve(shapes: &[LayerShape], d: f64) -> Result<Solution> {
    let last = shapes.len() - 1;
    let mut q = d;
    if d < LAST {
        let between = total(&shapes[1..last]);
        let fixed = shapes[0].weights() as f64 + LAST * shapes[last].weights() as f64;
        q = (d * total(shapes) - fixed) / between;
        if q <= 0.0 {
            let least = fixed / total(shapes);
            return Err(Error::usage(format!(
                "uniform_plus cannot reach density {d}: its first and last layer alone keep {least}"
            ))
            .help("choose uniform or ERK, or a higher density"));
        }
    }
    let mut densities = vec![q; shapes.len()];
    densities[0] = 1.0;
    densities[last] = d.max(LAST);
    Ok(Solution::new(shapes, densities, Some(("q", q))))
}
