//! Uniform+ (Gale et al. 2019; Liu et al., "The Unreasonable Effectiveness of Random Pruning", ICLR 2022): the first layer stays
//! dense; below d = 0.2 the last one keeps density 0.2 and all others the q that makes the total d·N; from 0.2 on, all but the
//! first have density d.
//!
//! The code published with the second paper divides the rest by N instead of N without the two layers; its total falls short.

use super::{Distribution, Reach, Solution, total};
use crate::error::{Error, Result};
use crate::graph::LayerShape;
use crate::registry::Named;

/// Least density of the last layer.
const LAST: f64 = 0.2;

/// Dense first layer, last layer at least at density 0.2, the same density between. Needs at least three layers.
#[derive(Debug, Clone, Copy)]
pub struct UniformPlus;

impl Named for UniformPlus {
    fn name(&self) -> &'static str {
        "uniform_plus"
    }

    fn about(&self) -> &'static str {
        "dense first layer, last layer at density 0.2 or more, uniform between"
    }
}

impl Distribution for UniformPlus {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let last = shapes.len() - 1;
        let mut q = d;
        if d < LAST {
            let between = total(&shapes[1..last]);
            let fixed = shapes[0].weights() as f64 + LAST * shapes[last].weights() as f64;
            q = (d * total(shapes) - fixed) / between;
            if q <= 0.0 {
                let least = fixed / total(shapes);
                return Err(Error::usage(format!(
                    "uniform_plus cannot reach density {d:?}: its first and last layer alone keep {least}"
                ))
                .help("choose uniform or ERK, or a higher density"));
            }
        }
        let mut densities = vec![q; shapes.len()];
        densities[0] = 1.0;
        densities[last] = d.max(LAST);
        Ok(Solution::new(shapes, densities, Some(("q", q))))
    }

    fn check(&self, layers: usize) -> Result<()> {
        if layers >= 3 {
            return Ok(());
        }
        let what = format!("uniform_plus treats the first and the last layer apart and needs at least 3 layers, got {layers}");
        Err(Error::usage(what).help("choose uniform or ERK"))
    }

    /// Its dense first layer is left out of the account from 0.2 on.
    fn reach(&self) -> Reach {
        Reach::Unpromised
    }
}
