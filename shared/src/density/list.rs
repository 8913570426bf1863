//! Given densities (measured on a pruned network, or learned), rescaled to the target:
//! `p_l = min(1, ε·given_l)` with exact total.

use super::{Solution, solver::fill};
use crate::error::{Error, Result};
use crate::graph::LayerShape;

pub(super) fn solve(shapes: &[LayerShape], d: f64, given: &[f64]) -> Result<Solution> {
    let (densities, epsilon) = fill("list of densities", shapes, d, given)?;
    Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
}

pub(super) fn check(given: &[f64], layers: usize) -> Result<()> {
    if given.len() != layers {
        return Err(Error::usage(format!("list of densities has {} densities for {layers} layers", given.len()))
            .help("give one density for every layer that is not dense, in definition order"));
    }
    match given.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(l) => Err(Error::usage(format!("list of densities: layer {} is {}, outside 0 to 1", l + 1, given[l]))),
        None => Ok(()),
    }
}
