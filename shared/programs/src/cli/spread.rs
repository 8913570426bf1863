//! Numbers over seeds.

use serde::Serialize;

/// Mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    /// Mean.
    pub(super) mean: f64,
    /// Standard deviation of the sample (n − 1); none of one value.
    pub(super) std: Option<f64>,
}

impl Spread {
    /// Of these values; none of no values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        Some(Self { mean, std: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_deviation_divides_by_one_less() {
        let of = Spread::of(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((of.mean - 2.5).abs() < 1e-12 && (of.std.unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[0.7]), Some(Spread { mean: 0.7, std: None }));
        assert_eq!(Spread::of(&[]), None);
    }
}
