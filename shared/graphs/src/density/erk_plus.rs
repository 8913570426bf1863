//! ERK+ (Liu et al., "The Unreasonable Effectiveness of Random Pruning", ICLR 2022): a fixed density for the last layer, ERK for
//! the others, so that the total is d·N.

use super::distribution::total;
use super::{Solution, erk};
use crate::error::{Error, Result};
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64, fc_density: f64) -> Result<Solution> {
    let (rest, fc) = (&shapes[..shapes.len() - 1], &shapes[shapes.len() - 1..]);
    let budget = d * total(shapes) - fc_density * total(fc);
    // The negated comparison also refuses a network of one layer, where the quotient is not a number.
    if !(budget > 0.0 && budget / total(rest) <= 1.0) {
        return Err(Error::usage(format!("ERK_plus cannot reach density {d} with its last layer at density {fc_density}"))
            .help("choose ERK, or another density"));
    }
    let solved = erk::solve(rest, budget / total(rest), 1.0)?;
    let mut densities = solved.densities;
    densities.push(fc_density);
    Ok(Solution { note: solved.note, ..Solution::new(shapes, densities, None) })
}
