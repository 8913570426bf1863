//! ERK+ (Liu et al., "The Unreasonable Effectiveness of Random Pruning", ICLR 2022): a fixed density for the last layer, ERK for
//! the others, so that the total is d·N.

use std::ops::Bound::{Excluded, Included};

use super::{Distribution, Erk, Solution, total};
use crate::error::{Error, Result};
use crate::graph::LayerShape;
use crate::registry::{Named, Parameter};

/// Fixed density of the last layer, ERK before.
#[derive(Debug, Clone, Copy)]
pub struct ErkPlus;

impl Named for ErkPlus {
    fn name(&self) -> &'static str {
        "ERK_plus"
    }

    fn about(&self) -> &'static str {
        "dense last layer, ERK before"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "fc_density",
            about: "the density of the last layer",
            default: 1.0,
            range: (Excluded(0.0), Included(1.0)),
        }]
    }
}

impl Distribution for ErkPlus {
    fn solve(&self, shapes: &[LayerShape], d: f64, parameters: &[f64]) -> Result<Solution> {
        let fc_density = parameters[0];
        let (rest, fc) = (&shapes[..shapes.len() - 1], &shapes[shapes.len() - 1..]);
        let budget = d * total(shapes) - fc_density * total(fc);
        // The negated comparison also refuses a network of one layer, where the quotient is not a number.
        if !(budget > 0.0 && budget / total(rest) <= 1.0) {
            return Err(Error::usage(format!(
                "ERK_plus cannot reach density {d:?} with its last layer at density {fc_density:?}"
            ))
            .help("choose ERK, or another density"));
        }
        let solved = Erk.solve(rest, budget / total(rest), &[1.0])?;
        let mut densities = solved.densities;
        densities.push(fc_density);
        Ok(Solution { note: solved.note, ..Solution::new(shapes, densities, None) })
    }
}
