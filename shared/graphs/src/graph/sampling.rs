//! Random masks in time proportional to their edges.

use super::{LayerShape, Mask};
use crate::names::{self, Choice};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, Geometric};
use serde::Deserialize;

/// How the edges of a random graph are drawn from a density p.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// G(n, p): every edge exists with probability p, independently (Gilbert 1959). The number of edges has mean Np and variance
    /// Np(1−p).
    #[default]
    Bernoulli,
    /// G(n, m): exactly round(Np) edges, every such set equally likely (Erdős and Rényi 1959).
    Exact,
}

impl Sampling {
    /// All laws with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::Bernoulli,
            name: "bernoulli",
            aliases: &["gnp"],
            about: "every edge independently with the layer's density",
        },
        Choice {
            value: Self::Exact,
            name: "exact",
            aliases: &["gnm"],
            about: "exactly the rounded number of edges, at random places",
        },
    ];
}

names::named!(Sampling, "sampling law");

/// Draws a random mask. Density 0 gives no edges and 1 all of them.
///
/// O(edges) time besides clearing the packed bits; above density 1/2 it is the missing edges that are drawn.
///
/// ```
/// use er_graphs::graph::{Sampling, LayerShape, sample};
/// use er_graphs::rng::{Purpose, stream};
///
/// let mask = sample(LayerShape::linear(100, 50), 0.1, Sampling::Exact, &mut stream(1, Purpose::Mask, 0));
/// assert_eq!(mask.edges(), 500);
/// ```
///
/// # Panics
/// If the density is not in \[0, 1\].
#[must_use]
pub fn sample(shape: LayerShape, density: f64, law: Sampling, rng: &mut impl Rng) -> Mask {
    assert!((0.0..=1.0).contains(&density), "density {density} outside [0, 1]");
    match law {
        Sampling::Bernoulli => sample_bernoulli(shape, density, rng),
        Sampling::Exact => sample_count(shape, (shape.weights() as f64 * density).round() as usize, rng),
    }
}

/// Draws a mask with exactly this many edges, every such set equally likely (Floyd's algorithm, Bentley and Floyd 1987, with the
/// mask itself as its set). O(min(edges, weights − edges)) time besides clearing the packed bits.
///
/// # Panics
/// If there are fewer weights than edges.
#[must_use]
pub fn sample_count(shape: LayerShape, edges: usize, rng: &mut impl Rng) -> Mask {
    let n = shape.weights();
    assert!(edges <= n, "{edges} edges in a layer of shape {shape}");
    if edges > n / 2 {
        return complement(&sample_count(shape, n - edges, rng));
    }
    let mut mask = Mask::empty(shape);
    for last in n - edges..n {
        if !mask.insert(rng.random_range(0..=last)) {
            mask.insert(last);
        }
    }
    mask
}

/// Independent edges: the gaps between successive ones are geometric (Batagelj and Brandes 2005).
fn sample_bernoulli(shape: LayerShape, density: f64, rng: &mut impl Rng) -> Mask {
    if density > 0.5 {
        return complement(&sample_bernoulli(shape, 1.0 - density, rng));
    }
    let mut mask = Mask::empty(shape);
    let Ok(gap) = Geometric::new(density) else { unreachable!("density was checked") };
    let mut next = gap.sample(rng);
    while next < shape.weights() as u64 {
        mask.insert(next as usize);
        next = (next + 1).saturating_add(gap.sample(rng));
    }
    mask
}

/// The edges that `mask` lacks.
fn complement(mask: &Mask) -> Mask {
    let mut rest = Mask::full(mask.shape());
    for p in mask.iter() {
        rest.remove(p);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, stream};
    use statrs::distribution::{ChiSquared, ContinuousCDF};

    const DENSITIES: [f64; 8] = [0.001, 0.02, 0.3, 0.5, 0.5001, 0.66, 0.8, 0.99];

    fn draw(shape: LayerShape, density: f64, law: Sampling, index: u64) -> Mask {
        sample(shape, density, law, &mut stream(3, Purpose::Mask, index))
    }

    #[test]
    fn extreme_densities_are_exact() {
        let shape = LayerShape::conv(13, 7, [3, 3]);
        for law in [Sampling::Bernoulli, Sampling::Exact] {
            assert_eq!(draw(shape, 0.0, law, 0), Mask::empty(shape));
            assert_eq!(draw(shape, 1.0, law, 0), Mask::full(shape));
        }
    }

    #[test]
    fn bernoulli_counts_have_the_binomial_mean_and_variance() {
        let shape = LayerShape::linear(50, 40);
        let (n, draws) = (2000.0, 400);
        for density in DENSITIES {
            let variance = n * density * (1.0 - density);
            let counts: Vec<f64> =
                (0..draws).map(|k| draw(shape, density, Sampling::Bernoulli, k).edges() as f64 - n * density).collect();
            assert!(counts.iter().all(|c| c.abs() <= 5.5 * variance.sqrt() + 1.0), "density {density}");
            let mean = counts.iter().sum::<f64>() / draws as f64;
            assert!(mean.abs() <= 5.0 * (variance / draws as f64).sqrt(), "density {density}: mean off by {mean}");
            let ratio = counts.iter().map(|c| c * c).sum::<f64>() / draws as f64 / variance;
            // The variance estimate has relative standard deviation about √(2/draws), more where counts are nearly Poisson.
            let sd = ((2.0 + 1.0 / variance) / draws as f64).sqrt();
            assert!((ratio - 1.0).abs() <= 5.0 * sd, "density {density}: variance ratio {ratio}");
        }
    }

    #[test]
    fn exact_counts_are_exact() {
        let shape = LayerShape::conv(11, 9, [3, 3]);
        for (k, density) in DENSITIES.into_iter().enumerate() {
            let mask = draw(shape, density, Sampling::Exact, k as u64);
            assert_eq!(mask.edges(), (891.0 * density).round() as usize);
            assert_eq!(mask.iter().count(), mask.edges());
        }
    }

    #[test]
    fn positions_are_uniform() {
        let shape = LayerShape::linear(8, 8);
        for law in [Sampling::Bernoulli, Sampling::Exact] {
            for density in [0.05, 0.3, 0.75] {
                let draws = 4000;
                let mut hits = [0.0; 64];
                for k in 0..draws {
                    for p in draw(shape, density, law, k).iter() {
                        hits[p] += 1.0;
                    }
                }
                // Hits of one position are binomial. With an exact count they are negatively correlated, which takes one degree of
                // freedom and the factor 63/64 out of the sum.
                let kept = if law == Sampling::Exact { (64.0 * density).round() / 64.0 } else { density };
                let sum: f64 =
                    hits.iter().map(|h| (h - draws as f64 * kept).powi(2) / (draws as f64 * kept * (1.0 - kept))).sum();
                let (statistic, freedom) = if law == Sampling::Exact { (sum * 63.0 / 64.0, 63.0) } else { (sum, 64.0) };
                let tail = 1.0 - ChiSquared::new(freedom).unwrap().cdf(statistic);
                assert!(tail > 1e-4 && tail < 1.0 - 1e-4, "{law} at {density}: tail {tail}");
            }
        }
    }

    #[test]
    fn neighbouring_edges_are_independent() {
        let shape = LayerShape::linear(300, 300);
        for density in [0.1, 0.7] {
            let mask = draw(shape, density, Sampling::Bernoulli, 0);
            let pairs = (1..shape.weights()).filter(|p| mask.contains(*p) && mask.contains(p - 1)).count() as f64;
            let (n, p2) = (shape.weights() as f64 - 1.0, density * density);
            // Variance of the number of adjacent pairs: overlapping pairs share an edge.
            let variance = n * (p2 * (1.0 - p2) + 2.0 * p2 * (density - p2));
            assert!((pairs - n * p2).abs() < 5.0 * variance.sqrt(), "{pairs} pairs at {density}");
        }
    }

    #[test]
    fn equal_streams_give_equal_masks() {
        let shape = LayerShape::conv(16, 16, [3, 3]);
        for law in [Sampling::Bernoulli, Sampling::Exact] {
            assert_eq!(draw(shape, 0.1, law, 5), draw(shape, 0.1, law, 5));
            assert_ne!(draw(shape, 0.1, law, 5), draw(shape, 0.1, law, 6));
        }
    }

    #[test]
    fn laws_have_names() {
        for choice in Sampling::CHOICES {
            assert_eq!(choice.value.to_string(), choice.name);
            assert_eq!(choice.name.parse::<Sampling>().unwrap(), choice.value);
        }
        assert_eq!("gaussian".parse::<Sampling>().unwrap_err().what(), "unknown sampling law \"gaussian\"");
    }
}
