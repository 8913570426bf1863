//! The one word for how much of a network is kept.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Fraction of weights that are kept, above 0 and at most 1. What other programs call sparsity is one minus this.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Density(f64);

impl Density {
    /// All weights.
    pub const FULL: Self = Self(1.0);

    /// A density.
    ///
    /// # Errors
    /// If the value is not above 0 and at most 1.
    pub fn new(value: f64) -> Result<Self> {
        if value > 0.0 && value <= 1.0 { Ok(Self(value)) } else { Err(invalid(value)) }
    }

    /// The fraction.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A density with at most six significant digits, for texts and names of folders.
pub fn rounded(density: f64) -> f64 {
    format!("{density:.5e}").parse().unwrap_or(density)
}

fn invalid(value: impl fmt::Display) -> Error {
    Error::usage(format!("density must be above 0 and at most 1, got {value}")).help("0.05 keeps one weight in twenty")
}

impl FromStr for Density {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        s.trim().parse().map_or_else(|_| Err(invalid(format!("\"{s}\""))), Self::new)
    }
}

impl TryFrom<f64> for Density {
    type Error = Error;

    fn try_from(value: f64) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Density> for f64 {
    fn from(density: Density) -> Self {
        density.0
    }
}

impl fmt::Display for Density {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a line of zeros.
        if self.0 < 1e-4 { fmt::LowerExp::fmt(&self.0, f) } else { fmt::Display::fmt(&self.0, f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fractions_are_densities() {
        assert_eq!("0.05".parse::<Density>().unwrap(), Density(0.05));
        assert_eq!("1".parse::<Density>().unwrap(), Density::FULL);
        for (typed, got) in [("1.5", "1.5"), ("0", "0"), ("-0.1", "-0.1"), ("NaN", "NaN"), ("five", "\"five\"")] {
            let error = typed.parse::<Density>().unwrap_err();
            assert_eq!(error.what(), format!("density must be above 0 and at most 1, got {got}"));
        }
    }

    #[test]
    fn texts_have_six_digits() {
        for (exact, text) in [(1.0 / 3.0, 0.333_333), (0.05, 0.05), (1.0, 1.0), (2.0 / 3e7, 6.666_67e-8), (0.999_999_9, 1.0)] {
            assert_eq!(rounded(exact).to_bits(), f64::to_bits(text), "{exact}");
        }
    }

    #[test]
    fn serialises_as_a_number_and_checks_what_it_reads() {
        assert_eq!(serde_json::to_string(&Density::new(0.1).unwrap()).unwrap(), "0.1");
        assert_eq!(serde_json::from_str::<Density>("0.1").unwrap(), Density(0.1));
        assert!(serde_json::from_str::<Density>("0.0").unwrap_err().to_string().contains("above 0"));
    }
}
