//! The fraction of a layer's edges that an update exchanges.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;

use er_graphs::error::{Error, Result};

/// How the drop fraction falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decay {
    /// Half a cosine (RigL, eq. 1).
    Cosine,
    /// A straight line.
    Linear,
    /// Stays.
    Constant,
    /// `(1 − x)^k` over the part x of the way.
    InversePower(f64),
}

impl FromStr for Decay {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let name = s.to_lowercase().replace('_', "-");
        match name.as_str() {
            "cosine" => return Ok(Self::Cosine),
            "linear" | "exponential" => return Ok(Self::Linear),
            "constant" => return Ok(Self::Constant),
            _ => (),
        }
        let power = name.strip_prefix("inverse-power-").or_else(|| name.strip_prefix("exponential-"));
        power.and_then(|k| k.parse().ok()).filter(|k: &f64| k.is_finite() && *k > 0.0).map(Self::InversePower).ok_or_else(|| {
            Error::usage(format!("unknown decay \"{s}\""))
                .help("choose cosine, linear, constant or inverse-power-K with a number K above 0, such as inverse-power-3")
        })
    }
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cosine => f.write_str("cosine"),
            Self::Linear => f.write_str("linear"),
            Self::Constant => f.write_str("constant"),
            Self::InversePower(k) => write!(f, "inverse-power-{k}"),
        }
    }
}

/// The drop fraction f of every step: `η + (α − η)·d(x)` with the decay d and the part `x = t / end` of the way, at most 1.
///
/// ```
/// use er_networks::schedule::{Decay, DropFraction};
/// let rigl = DropFraction { initial: 0.3, floor: 0.0, decay: Decay::Cosine, end: 25_000 };
/// assert_eq!([rigl.at(0), rigl.at(12_500), rigl.at(30_000)], [0.3, 0.15, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropFraction {
    /// α, the fraction at step 0.
    pub initial: f64,
    /// η, where it ends.
    pub floor: f64,
    /// How it gets there.
    pub decay: Decay,
    /// The step at which it does.
    pub end: u64,
}

impl DropFraction {
    /// f(t).
    pub fn at(&self, step: u64) -> f64 {
        let x = if self.end == 0 { 1.0 } else { (step as f64 / self.end as f64).min(1.0) };
        let left = match self.decay {
            Decay::Cosine => f64::midpoint(1.0, (PI * x).cos()),
            Decay::Linear => 1.0 - x,
            Decay::Constant => 1.0,
            Decay::InversePower(k) => (1.0 - x).powf(k),
        };
        self.floor + (self.initial - self.floor) * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_decays() {
        for (typed, decay) in [
            ("cosine", Decay::Cosine),
            ("Linear", Decay::Linear),
            ("exponential", Decay::Linear),
            ("exponential_3", Decay::InversePower(3.0)),
            ("exponential_.3", Decay::InversePower(0.3)),
            ("inverse-power-2.5", Decay::InversePower(2.5)),
        ] {
            assert_eq!(typed.parse::<Decay>().unwrap(), decay, "{typed}");
            assert_eq!(decay.to_string().parse::<Decay>().unwrap(), decay);
        }
        for wrong in ["cos", "exponential_", "inverse-power-0", "inverse-power-x", ""] {
            assert!(wrong.parse::<Decay>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn without_a_way_the_fraction_is_at_its_end() {
        for decay in [Decay::Cosine, Decay::Linear, Decay::InversePower(3.0)] {
            let fraction = DropFraction { initial: 0.5, floor: 0.1, decay, end: 0 };
            assert!((fraction.at(0) - 0.1).abs() < 1e-12);
        }
    }
}
