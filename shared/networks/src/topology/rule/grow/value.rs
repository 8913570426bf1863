//! What edges that come begin with.

use std::fmt;
use std::str::FromStr;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use crate::topology::rule::Real;
use er_graphs::error::{Error, Result};

/// What the weights of edges that come begin with; a divisor scales it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GrownValue {
    /// 0.
    Zero,
    /// N(0, σ) / d with the standard deviation σ of the layer's weights.
    Normal(f64),
    /// U(−a, a) / d with the mean a of the layer's |w|.
    Uniform(f64),
    /// gradient / d.
    Gradient(f64),
    /// sign(gradient) / d.
    GradientSign(f64),
}

/// A value with divisor 1.
type Of = fn(f64) -> GrownValue;

impl GrownValue {
    const NAMES: [(&'static str, Of); 4] = [
        ("random_normal", Self::Normal),
        ("random_uniform", Self::Uniform),
        ("grad_scale", Self::Gradient),
        ("grad_sign", Self::GradientSign),
    ];

    /// Whether the gradient of all weights is needed.
    #[must_use]
    pub fn reads_gradient(self) -> bool {
        matches!(self, Self::Gradient(_) | Self::GradientSign(_))
    }

    /// Values for edges at `positions` of a layer with these weights.
    pub(in crate::topology::rule) fn draw<T: Real>(
        self,
        positions: &[usize],
        weights: &[T],
        gradient: &[T],
        rng: &mut impl Rng,
    ) -> Vec<T> {
        let n = weights.len().max(1) as f64;
        let mean = |f: &dyn Fn(f64) -> f64| weights.iter().map(|w| f((*w).into())).sum::<f64>() / n;
        let each = |f: &mut dyn FnMut(usize) -> f64| positions.iter().map(|p| T::nearest(f(*p))).collect();
        match self {
            Self::Zero => vec![T::default(); positions.len()],
            Self::Normal(d) => {
                let centre = mean(&|w| w);
                let deviation = mean(&|w| (w - centre) * (w - centre)).sqrt();
                each(&mut |_| rng.sample::<f64, _>(StandardNormal) * deviation / d)
            }
            Self::Uniform(d) => {
                let most = mean(&f64::abs);
                each(&mut |_| (2.0 * rng.random::<f64>() - 1.0) * most / d)
            }
            Self::Gradient(d) => each(&mut |p| gradient[p].into() / d),
            Self::GradientSign(d) => each(&mut |p| {
                let g: f64 = gradient[p].into();
                if g == 0.0 { 0.0 } else { g.signum() / d }
            }),
        }
    }
}

impl FromStr for GrownValue {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let typed = s.to_lowercase().replace('-', "_");
        if typed == "zeros" || typed == "zero" {
            return Ok(Self::Zero);
        }
        let found = Self::NAMES.iter().find_map(|(name, of)| {
            let rest = typed.strip_prefix(name)?;
            let divisor = if rest.is_empty() { Some(1.0) } else { rest.strip_prefix('_')?.parse().ok() };
            divisor.filter(|d: &f64| d.is_finite() && *d > 0.0).map(of)
        });
        found.ok_or_else(|| {
            Error::usage(format!("unknown value of grown edges \"{s}\"")).help(
                "choose zeros, random_normal, random_uniform, grad_scale or grad_sign; the last four with an optional divisor, such as grad_scale_10",
            )
        })
    }
}

er_graphs::names::stored_as_text!(GrownValue);

impl fmt::Display for GrownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, divisor) = match self {
            Self::Zero => return f.write_str("zeros"),
            Self::Normal(d) => ("random_normal", d),
            Self::Uniform(d) => ("random_uniform", d),
            Self::Gradient(d) => ("grad_scale", d),
            Self::GradientSign(d) => ("grad_sign", d),
        };
        if (divisor - 1.0).abs() < f64::EPSILON { f.write_str(name) } else { write!(f, "{name}_{divisor}") }
    }
}
