//! Given densities `r_l` relative to that of the whole network, as soft thresholds learn them (Kusupati et al. 2020):
//! `p_l = min(1, d·r_l)`, whose surplus is lost. The published program has the measured *sparsities* in this place, which is
//! nearly uniform, and keeps most where the thresholds had kept least.

use super::Solution;
use crate::error::{Error, Result};
use crate::graph::LayerShape;

pub(super) const NAME: &str = "str-induced-er";

pub(super) fn solve(shapes: &[LayerShape], d: f64, relative: &[f64]) -> Solution {
    Solution::new(shapes, relative.iter().map(|r| (d * r).min(1.0)).collect(), None)
}

pub(super) fn check(relative: &[f64], layers: usize) -> Result<()> {
    if relative.len() != layers {
        return Err(Error::usage(format!("{NAME} has {} densities for {layers} layers", relative.len()))
            .help("give one density for every layer that is not dense, in definition order"));
    }
    match relative.iter().position(|r| !(r.is_finite() && *r >= 0.0)) {
        Some(l) => Err(Error::usage(format!("{NAME}: layer {} is {}, not a number from 0 on", l + 1, relative[l]))),
        None if relative.iter().all(|r| *r <= 0.0) => {
            Err(Error::usage(format!("{NAME}: all are 0")).help("give some layer weights"))
        }
        None => Ok(()),
    }
}
