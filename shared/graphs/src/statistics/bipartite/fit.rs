//! Whether degrees are those of a random graph.

use super::binomial::Binomial;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::f64::consts::PI;

/// Degrees against the law they have in a random graph G(n, p): binomial, with as many trials as the other side has nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// Probability p of an edge.
    pub probability: f64,
    /// Whether p was estimated from this graph, as its density.
    pub estimated: bool,
    /// Expected number of nodes without an edge.
    pub isolated: f64,
    /// Variance of the law.
    pub variance: f64,
    /// Pearson's test; none where too few nodes are expected at too few degrees.
    pub chi_square: Option<ChiSquare>,
    /// Kolmogorov and Smirnov's test.
    pub kolmogorov_smirnov: KolmogorovSmirnov,
}

/// Pearson's χ² test. Neighbouring degrees are put together, from the smallest on, until at least 5 nodes are expected in each bin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChiSquare {
    /// Σ (observed − expected)² / expected over bins.
    pub statistic: f64,
    /// Bins less one, and less one more where p was estimated.
    pub freedom: usize,
    /// Probability of so large a statistic in a random graph.
    pub p: f64,
}

/// Kolmogorov and Smirnov's test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KolmogorovSmirnov {
    /// Largest distance of the two distribution functions.
    pub distance: f64,
    /// Probability of so large a distance for many values of a continuous law whose parameters are known. Degrees are whole numbers
    /// and p may be estimated: their true probability is smaller, so that what is rejected here is rejected.
    pub p: f64,
}

/// Least expected number of nodes in a bin.
const EXPECTED: f64 = 5.0;

impl Fit {
    /// Compares the degrees with their numbers of nodes, ascending and not empty, with the law.
    pub(super) fn of(histogram: &[(usize, usize)], trials: usize, probability: f64, estimated: bool) -> Self {
        let units: usize = histogram.iter().map(|h| h.1).sum();
        let law = Binomial::new(trials, probability);
        Self {
            probability,
            estimated,
            isolated: units as f64 * (trials as f64 * (-probability).ln_1p()).exp(),
            variance: trials as f64 * probability * (1.0 - probability),
            chi_square: chi_square(histogram, units, &law, estimated),
            kolmogorov_smirnov: kolmogorov_smirnov(histogram, units, &law),
        }
    }
}

/// A range of degrees, the last of them, and the number of nodes expected there.
struct Bin {
    end: usize,
    expected: f64,
}

fn bins(units: usize, law: &Binomial) -> Vec<Bin> {
    let mut bins: Vec<Bin> = Vec::new();
    let mut expected = 0.0;
    for (mass, end) in law.mass.iter().zip(law.first..) {
        expected += units as f64 * mass;
        if expected >= EXPECTED {
            bins.push(Bin { end, expected });
            expected = 0.0;
        }
    }
    if let Some(last) = bins.last_mut() {
        last.expected += expected;
    }
    bins
}

fn chi_square(histogram: &[(usize, usize)], units: usize, law: &Binomial, estimated: bool) -> Option<ChiSquare> {
    let bins = bins(units, law);
    let freedom = bins.len().checked_sub(1 + usize::from(estimated)).filter(|f| *f > 0)?;
    let mut observed = vec![0; bins.len()];
    for (degree, count) in histogram {
        // What is above the last bin belongs to it: its probability is there, too.
        observed[bins.partition_point(|b| b.end < *degree).min(bins.len() - 1)] += count;
    }
    let statistic = observed.iter().zip(&bins).map(|(o, b)| (*o as f64 - b.expected).powi(2) / b.expected).sum();
    let p = ChiSquared::new(freedom as f64).ok()?.sf(statistic);
    Some(ChiSquare { statistic, freedom, p })
}

fn kolmogorov_smirnov(histogram: &[(usize, usize)], units: usize, law: &Binomial) -> KolmogorovSmirnov {
    let n = units as f64;
    let mut observed = histogram.iter().peekable();
    let mut nodes = 0;
    let mut up_to = |degree: Option<usize>| {
        while let Some((_, count)) = observed.next_if(|h| degree.is_some_and(|d| h.0 <= d)) {
            nodes += count;
        }
        nodes as f64 / n
    };
    // Below the first degree that matters the law has nothing.
    let mut distance = up_to(law.first.checked_sub(1));
    let mut below = 0.0;
    for (mass, degree) in law.mass.iter().zip(law.first..) {
        below += mass;
        distance = distance.max((up_to(Some(degree)) - below).abs());
    }
    KolmogorovSmirnov { distance, p: kolmogorov(n.sqrt() * distance) }
}

/// Probability that Kolmogorov's law is above t (Kolmogorov 1933), by the series that converges faster.
fn kolmogorov(t: f64) -> f64 {
    let p = if t < 1.0 {
        let term = |k: i32| (-f64::from((2 * k - 1).pow(2)) * PI * PI / (8.0 * t * t)).exp();
        if t > 0.0 { 1.0 - (2.0 * PI).sqrt() / t * (1..=4).map(term).sum::<f64>() } else { 1.0 }
    } else {
        let term = |k: i32| (-2.0 * f64::from(k * k) * t * t).exp();
        2.0 * (term(1) - term(2) + term(3) - term(4))
    };
    p.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::Degrees;
    use super::*;
    use crate::graph::{Biadjacency, Sampling};

    /// Table values of Kolmogorov's law.
    #[test]
    fn kolmogorov_law_is_the_tables() {
        for (t, p) in [
            (0.5, 0.963_945_243_664_875_1),
            (1.0, 0.269_999_671_677_356),
            (1.36, 0.049_485_876_755_378_76),
            (2.0, 6.709_252_557_796_953e-4),
        ] {
            assert!((kolmogorov(t) / p - 1.0).abs() < 1e-12, "{t}: {}", kolmogorov(t));
        }
        assert_eq!((kolmogorov(0.0), kolmogorov(0.04)), (1.0, 1.0));
        assert!((kolmogorov(1.0 - 1e-12) - kolmogorov(1.0)).abs() < 1e-11);
        assert!(kolmogorov(40.0) < 1e-300);
    }

    /// p-values of random graphs, with p known or estimated.
    fn p_values(estimated: bool) -> Vec<(f64, f64)> {
        let fit = |seed| {
            let graph = Biadjacency::sample(300, 400, 0.05, Sampling::Bernoulli, seed);
            let fit = Degrees::of(&graph.right_degrees(), 300, (!estimated).then_some(0.05)).expected.unwrap();
            (fit.chi_square.unwrap().p, fit.kolmogorov_smirnov.p)
        };
        (0..500).map(fit).collect()
    }

    #[test]
    fn p_values_of_random_graphs_are_uniform() {
        for estimated in [false, true] {
            let values = p_values(estimated);
            for level in [0.05, 0.2, 0.5, 0.8] {
                let below = |p: &dyn Fn(&(f64, f64)) -> f64| values.iter().filter(|v| p(v) <= level).count() as f64;
                let slack = 4.0 * (500.0 * level * (1.0 - level)).sqrt();
                let chi_square = below(&|v| v.0);
                assert!((chi_square - 500.0 * level).abs() < slack, "estimated {estimated}: {chi_square} of 500 below {level}");
                let kolmogorov = below(&|v| v.1);
                assert!(kolmogorov < 500.0 * level + slack, "estimated {estimated}: {kolmogorov} of 500 below {level}");
            }
        }
    }

    #[test]
    fn other_degrees_are_rejected() {
        // Every node has the same degree, and degrees that fall off like k^-2.
        let regular = [15; 400];
        let scale_free: Vec<usize> = (0..400).map(|i| (4.0 / (1.0 - f64::from(i) / 401.0)) as usize).collect();
        for degrees in [&regular[..], &scale_free] {
            let fit = Degrees::of(degrees, 300 + 1400, None).expected.unwrap();
            assert!(fit.chi_square.as_ref().unwrap().p < 1e-10, "{fit:?}");
            assert!(fit.kolmogorov_smirnov.p < 1e-6, "{fit:?}");
        }
    }

    /// Four nodes of two trials at 1/2: 1, 2, 1 are expected.
    #[test]
    fn few_nodes_have_a_distance_but_no_bins() {
        let fit = Fit::of(&[(0, 1), (2, 3)], 2, 0.5, false);
        assert_eq!(fit.chi_square, None);
        assert!((fit.kolmogorov_smirnov.distance - 0.5).abs() < 1e-15);
        assert_eq!((fit.isolated, fit.variance), (1.0, 0.5));
        let surprise = Fit::of(&[(1, 2), (5, 2)], 5, 0.0, false);
        assert_eq!((surprise.kolmogorov_smirnov.distance, surprise.isolated), (1.0, 4.0));
    }

    /// Two bins, by hand: 50 and 50 are expected, 60 and 40 there.
    #[test]
    fn bins_give_the_statistic() {
        let chi_square = Fit::of(&[(0, 60), (1, 40)], 1, 0.5, false).chi_square.unwrap();
        assert_eq!((chi_square.statistic, chi_square.freedom), (4.0, 1));
        assert!((chi_square.p - 0.045_500_263_896_358_41).abs() < 1e-12);
        assert_eq!(Fit::of(&[(0, 60), (1, 40)], 1, 0.4, true).chi_square, None);
    }
}
