//! A power of a straight line.

use std::ops::Bound::{Excluded, Unbounded};

use super::Decay;
use er_graphs::registry::{Named, Parameter};

/// `(1 − x)^k` over the part x of the way. It is written `inverse-power-3`, as it was before there were parameters in brackets.
#[derive(Debug, Clone, Copy)]
pub struct InversePower;

impl Named for InversePower {
    fn name(&self) -> &'static str {
        "inverse-power"
    }

    fn about(&self) -> &'static str {
        "a straight line to the power k, also written inverse-power-3"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "k", about: "the power, K of inverse-power-K", default: 3.0, range: (Excluded(0.0), Unbounded) }]
    }
}

impl Decay for InversePower {
    fn left(&self, x: f64, parameters: &[f64]) -> f64 {
        (1.0 - x).powf(parameters[0])
    }
}

/// `inverse-power(3)` for `inverse-power-3` and `exponential_3`.
pub(super) fn from_older_spelling(typed: &str) -> Option<String> {
    let folded = typed.trim().to_lowercase().replace('_', "-");
    let k = folded.strip_prefix("inverse-power-").or_else(|| folded.strip_prefix("exponential-"))?;
    (!k.is_empty()).then(|| format!("inverse-power({k})"))
}
