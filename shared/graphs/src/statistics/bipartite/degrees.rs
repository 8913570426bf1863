//! How edges are spread over the nodes of one side.

use super::fit::Fit;
use serde::Serialize;
use std::collections::BTreeMap;

/// The degrees of one side of a bipartite graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Degrees {
    /// Number of nodes.
    pub units: usize,
    /// Nodes without an edge.
    pub isolated: usize,
    /// Mean degree; none without nodes.
    pub mean: Option<f64>,
    /// Population variance of the degrees; none without nodes.
    pub variance: Option<f64>,
    /// Smallest degree.
    pub min: Option<usize>,
    /// Largest degree.
    pub max: Option<usize>,
    /// Variance over mean, 1 − p for a binomial law; none without edges.
    pub dispersion: Option<f64>,
    /// Gini coefficient: 0 if all degrees are equal, near 1 if few nodes have all edges; 0 without edges, none without nodes.
    pub gini: Option<f64>,
    /// Every degree there is, ascending, with its number of nodes.
    pub histogram: Vec<(usize, usize)>,
    /// What a random graph would have, and how far from it these degrees are; none where a side has no nodes.
    pub expected: Option<Fit>,
}

impl Degrees {
    /// Measures these degrees of nodes that could each be joined to `others` nodes. `probability` is that of an edge if it is known,
    /// as for a graph drawn with it; otherwise the density of the graph is taken. O(n · log(n) + others).
    ///
    /// # Panics
    /// If a degree is larger than `others`, or the probability is not in \[0, 1\].
    ///
    /// ```
    /// use er_graphs::statistics::bipartite::Degrees;
    ///
    /// let degrees = Degrees::of(&[3, 0, 1, 0], 10, None);
    /// assert_eq!((degrees.isolated, degrees.mean, degrees.variance), (2, Some(1.0), Some(1.5)));
    /// assert_eq!(degrees.histogram, [(0, 2), (1, 1), (3, 1)]);
    /// ```
    #[must_use]
    pub fn of(degrees: &[usize], others: usize, probability: Option<f64>) -> Self {
        let mut counts = BTreeMap::new();
        for degree in degrees {
            assert!(*degree <= others, "degree {degree} with {others} nodes on the other side");
            *counts.entry(*degree).or_insert(0) += 1;
        }
        let histogram: Vec<(usize, usize)> = counts.into_iter().collect();
        let units = degrees.len();
        let sums = Sums::of(&histogram);
        let some = |value: f64| (units > 0).then_some(value);
        let n = units as f64;
        let mean = sums.degrees as f64 / n;
        // Whole numbers until the division: no rounding however alike the degrees are.
        let variance = (units as u128 * sums.squares - sums.degrees * sums.degrees) as f64 / (n * n);
        Self {
            units,
            isolated: histogram.first().map_or(0, |(degree, count)| if *degree == 0 { *count } else { 0 }),
            mean: some(mean),
            variance: some(variance),
            min: histogram.first().map(|h| h.0),
            max: histogram.last().map(|h| h.0),
            dispersion: (sums.degrees > 0).then(|| variance / mean),
            gini: some(if sums.degrees > 0 { sums.ranked as f64 / (n * sums.degrees as f64) } else { 0.0 }),
            expected: (units > 0 && others > 0).then(|| {
                let estimate = || sums.degrees as f64 / (n * others as f64);
                Fit::of(&histogram, others, probability.unwrap_or_else(estimate), probability.is_none())
            }),
            histogram,
        }
    }
}

/// Sums over the nodes of one side, exact.
struct Sums {
    degrees: u128,
    squares: u128,
    /// Σ (2i − n − 1)·d₍ᵢ₎ over ascending degrees, i from 1.
    ranked: i128,
}

impl Sums {
    fn of(histogram: &[(usize, usize)]) -> Self {
        let units: i128 = histogram.iter().map(|h| h.1 as i128).sum();
        let mut sums = Self { degrees: 0, squares: 0, ranked: 0 };
        let mut before: i128 = 0;
        for &(degree, count) in histogram {
            let (d, c) = (degree as u128, count as u128);
            sums.degrees += c * d;
            sums.squares += c * d * d;
            // 2i − n − 1 for i from before + 1 to before + count.
            sums.ranked += d as i128 * c as i128 * (2 * before + c as i128 - units);
            before += c as i128;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nodes_and_no_edges_have_defined_results() {
        let none = Degrees::of(&[], 5, None);
        assert_eq!((none.units, none.mean, none.min, none.gini, none.expected), (0, None, None, None, None));
        let empty = Degrees::of(&[0, 0], 5, None);
        assert_eq!((empty.isolated, empty.mean, empty.variance, empty.dispersion), (2, Some(0.0), Some(0.0), None));
        assert_eq!(empty.gini, Some(0.0));
        assert_eq!(empty.expected.map(|fit| fit.isolated), Some(2.0));
        assert_eq!(Degrees::of(&[0, 0], 0, None).expected, None);
    }

    #[test]
    fn equal_degrees_have_no_spread_however_large() {
        let equal = Degrees::of(&[1_234_567; 1001], 10_000_000, None);
        assert_eq!((equal.variance, equal.dispersion, equal.gini), (Some(0.0), Some(0.0), Some(0.0)));
    }

    /// One node of n has all edges: the coefficient is 1 − 1/n.
    #[test]
    fn one_node_with_all_edges_is_the_most_unequal() {
        let hub = Degrees::of(&[0, 0, 7, 0], 9, None);
        assert_eq!(hub.gini, Some(0.75));
        assert_eq!((hub.min, hub.max), (Some(0), Some(7)));
    }
}
