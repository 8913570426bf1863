//! Given densities (measured on a pruned network, or learned), rescaled to the target:
//! `p_l = min(1, ε·given_l)` with exact total.

use super::{Solution, fill};
use crate::error::{Error, Result};
use crate::graph::LayerShape;

pub(super) const NAME: &str = "list of densities";

pub(super) fn solve(shapes: &[LayerShape], d: f64, given: &[f64]) -> Result<Solution> {
    let (densities, epsilon) = fill(NAME, shapes, d, given)?;
    Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
}

/// Numbers separated by commas, in brackets or not.
pub(super) fn parse(text: &str) -> Result<Vec<f64>> {
    let text = text.trim();
    let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let number = |word: &str| {
        let word = word.trim();
        word.parse().map_err(|_| {
            Error::usage(format!("list of densities: {word:?} is not a number"))
                .help("write one density a layer, for example [0.5, 0.1, 1]")
        })
    };
    inner.split(',').map(number).collect()
}

pub(super) fn check(given: &[f64], layers: usize) -> Result<()> {
    if given.len() != layers {
        return Err(Error::usage(format!("list of densities has {} densities for {layers} layers", given.len()))
            .help("give one density for every layer that is not dense, in definition order"));
    }
    match given.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(l) => Err(Error::usage(format!("list of densities: layer {} is {}, outside 0 to 1", l + 1, given[l]))),
        None if given.iter().all(|p| *p <= 0.0) => {
            Err(Error::usage("list of densities: all are 0").help("give some layer weights"))
        }
        None => Ok(()),
    }
}
