//! How unequal degrees are.

use super::Statistic;
use crate::graph::Biadjacency;
use crate::registry::Named;

/// The Gini coefficient of the degrees of one side: the mean difference of two of them over twice their mean; 0 where all are equal, and
/// nearly 1 where one node has all edges. Not defined without an edge.
#[derive(Debug, Clone, Copy)]
pub struct Gini {
    name: &'static str,
    about: &'static str,
    degrees: fn(&Biadjacency) -> Vec<usize>,
}

impl Gini {
    /// Of the left side.
    pub const INPUTS: Self =
        Self { name: "gini_inputs", about: "Gini coefficient of the inputs' degrees", degrees: Biadjacency::left_degrees };

    /// Of the right side.
    pub const OUTPUTS: Self =
        Self { name: "gini_outputs", about: "Gini coefficient of the outputs' degrees", degrees: Biadjacency::right_degrees };
}

impl Named for Gini {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Statistic for Gini {
    fn of(&self, graph: &Biadjacency) -> Option<f64> {
        let mut degrees = (self.degrees)(graph);
        degrees.sort_unstable();
        let n = degrees.len() as f64;
        let sum: usize = degrees.iter().sum();
        // Σ (2i − n − 1)·d_i / (n·Σ d_i) over ascending degrees, i from 1.
        let weighted: f64 = (1..).zip(&degrees).map(|(i, d)| (2.0 * f64::from(i) - n - 1.0) * *d as f64).sum();
        (sum > 0).then(|| weighted / (n * sum as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{LayerShape, Mask, Sampling, View};

    /// By its definition, over all pairs.
    fn by_pairs(degrees: &[usize]) -> f64 {
        let (n, mean) = (degrees.len() as f64, degrees.iter().sum::<usize>() as f64 / degrees.len() as f64);
        let differences: f64 = degrees.iter().flat_map(|a| degrees.iter().map(move |b| a.abs_diff(*b) as f64)).sum();
        differences / (n * n) / (2.0 * mean)
    }

    #[test]
    fn it_is_half_the_relative_mean_difference() {
        for density in [0.05, 0.3, 0.9] {
            let graph = Biadjacency::sample(40, 25, density, Sampling::Bernoulli, 3);
            for (gini, degrees) in [(Gini::INPUTS, graph.left_degrees()), (Gini::OUTPUTS, graph.right_degrees())] {
                let got = gini.of(&graph).unwrap();
                assert!((got - by_pairs(&degrees)).abs() < 1e-12, "{density}: {got}");
            }
        }
    }

    #[test]
    fn extremes() {
        let full = Biadjacency::sample(4, 3, 1.0, Sampling::Exact, 1);
        assert_eq!([Gini::INPUTS, Gini::OUTPUTS].map(|g| g.of(&full)), [Some(0.0); 2]);
        let empty = Biadjacency::sample(4, 3, 0.0, Sampling::Exact, 1);
        assert_eq!([Gini::INPUTS, Gini::OUTPUTS].map(|g| g.of(&empty)), [None; 2]);
        // One output has all five edges.
        let star = Mask::from_positions(LayerShape::linear(4, 5), 0..5);
        let star = Biadjacency::of_mask(&star, 1, View::Weights);
        assert_eq!([Gini::INPUTS, Gini::OUTPUTS].map(|g| g.of(&star)), [Some(0.0), Some(0.75)]);
    }
}
