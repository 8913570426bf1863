//! Edges that two masks share.

use super::same_layers;
use crate::error::Result;
use crate::graph::Mask;
use serde::Serialize;

/// Edges that two masks share, beside what independent masks with the same numbers of edges share (all sets of edges being equally
/// likely, the intersection is hypergeometric).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// Edges of the first mask, k₁.
    pub first: usize,
    /// Edges of the second mask, k₂.
    pub second: usize,
    /// Edges of both.
    pub intersection: usize,
    /// Edges of either.
    pub union: usize,
    /// Intersection over union; 1 if neither has edges.
    pub jaccard: f64,
    /// Overlap coefficient: intersection over the smaller number of edges; none if that is 0.
    pub overlap: Option<f64>,
    /// Twice the intersection over k₁ + k₂; 1 if neither has edges.
    pub dice: f64,
    /// Share of the n weights that exactly one mask has.
    pub hamming: f64,
    /// Expected intersection of independent masks, k₁·k₂/n.
    pub expected_intersection: f64,
    /// About the expected Jaccard index: the expected intersection m over k₁ + k₂ − m; 1 if neither has edges.
    pub expected_jaccard: f64,
    /// Intersection minus its expectation, in standard deviations √(k₁·k₂·(n − k₁)·(n − k₂) / (n²·(n − 1))); none if it cannot vary.
    pub z: Option<f64>,
}

/// Overlap of two masks of one layer. O(weights / 64).
///
/// # Errors
/// If their shapes differ.
///
/// ```
/// use er_graphs::graph::{LayerShape, Mask};
/// use er_graphs::statistics::compare::overlap;
///
/// let mask = |edges: [usize; 3]| Mask::from_positions(LayerShape::linear(3, 4), edges);
/// let overlap = overlap(&mask([0, 1, 2]), &mask([1, 2, 3]))?;
/// assert_eq!((overlap.intersection, overlap.jaccard), (2, 0.5));
/// assert_eq!(overlap.expected_intersection, 3.0 * 3.0 / 12.0);
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub fn overlap(first: &Mask, second: &Mask) -> Result<Overlap> {
    network_overlap(std::slice::from_ref(first), std::slice::from_ref(second))
}

/// Overlap of two networks: counts, expectations and variances are summed over the layers. O(weights / 64).
///
/// # Errors
/// If their layers differ.
pub fn network_overlap(first: &[Mask], second: &[Mask]) -> Result<Overlap> {
    same_layers(first, second)?;
    let (mut k1, mut k2, mut both, mut weights, mut expected, mut variance) = (0, 0, 0, 0, 0.0, 0.0);
    for (a, b) in first.iter().zip(second) {
        k1 += a.edges();
        k2 += b.edges();
        both += a.shared_edges(b);
        weights += a.shape().weights();
        let (n, x, y) = (a.shape().weights() as f64, a.edges() as f64, b.edges() as f64);
        if n > 0.0 {
            expected += x * y / n;
        }
        if n > 1.0 {
            variance += x / n * y / n * (n - x) * (n - y) / (n - 1.0);
        }
    }
    let union = k1 + k2 - both;
    let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    Ok(Overlap {
        first: k1,
        second: k2,
        intersection: both,
        union,
        jaccard: ratio(both as f64, union as f64),
        overlap: (k1.min(k2) > 0).then(|| both as f64 / k1.min(k2) as f64),
        dice: ratio(2.0 * both as f64, (k1 + k2) as f64),
        hamming: (union - both) as f64 / weights.max(1) as f64,
        expected_intersection: expected,
        expected_jaccard: ratio(expected, (k1 + k2) as f64 - expected),
        z: (variance > 0.0).then(|| (both as f64 - expected) / variance.sqrt()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{LayerShape, Sampling, sample};
    use crate::rng::{Purpose, stream};

    const SHAPE: LayerShape = LayerShape::linear(20, 35);

    fn draw(density: f64, seed: u64, law: Sampling) -> Mask {
        sample(SHAPE, density, law, &mut stream(seed, Purpose::Mask, 0))
    }

    #[test]
    fn a_mask_overlaps_with_itself() {
        let mask = draw(0.2, 1, Sampling::Exact);
        let same = overlap(&mask, &mask).unwrap();
        assert_eq!((same.jaccard, same.overlap, same.dice, same.hamming), (1.0, Some(1.0), 1.0, 0.0));
        assert_eq!((same.intersection, same.union), (140, 140));
        assert!(same.z.unwrap() > 20.0);
    }

    #[test]
    fn nothing_and_everything() {
        let (empty, full) = (Mask::empty(SHAPE), Mask::full(SHAPE));
        let nothing = overlap(&empty, &empty).unwrap();
        assert_eq!((nothing.jaccard, nothing.overlap, nothing.dice, nothing.z), (1.0, None, 1.0, None));
        let opposite = overlap(&empty, &full).unwrap();
        assert_eq!((opposite.jaccard, opposite.overlap, opposite.dice, opposite.hamming), (0.0, None, 0.0, 1.0));
        assert_eq!((opposite.expected_jaccard, opposite.z), (0.0, None));
    }

    /// Of independent masks, z has mean 0 and variance 1, in a layer and in a network.
    #[test]
    fn independent_masks_overlap_as_expected() {
        let (mut sums, draws) = ([[0.0; 2]; 2], 2000);
        let mut jaccard = 0.0;
        for seed in 0..draws {
            let pair = |k: u64, d| (draw(d, 4 * seed + k, Sampling::Exact), draw(1.5 * d, 4 * seed + k + 1, Sampling::Exact));
            let ((a, b), (c, d)) = (pair(0, 0.1), pair(2, 0.5));
            let layer = overlap(&a, &b).unwrap();
            jaccard += layer.jaccard - layer.expected_jaccard;
            for (sums, z) in sums.iter_mut().zip([layer.z, network_overlap(&[a, c], &[b, d]).unwrap().z]) {
                sums[0] += z.unwrap();
                sums[1] += z.unwrap().powi(2);
            }
        }
        let n = draws as f64;
        for [z, square] in sums {
            assert!((z / n).abs() < 4.5 / n.sqrt(), "{}", z / n);
            assert!((square / n - 1.0).abs() < 4.5 * (2.0 / n).sqrt(), "{}", square / n);
        }
        assert!((jaccard / n).abs() < 2e-3);
    }

    #[test]
    fn networks_add_up() {
        let (a, b, c, d) = (
            draw(0.1, 1, Sampling::Exact),
            draw(0.2, 2, Sampling::Exact),
            draw(0.3, 3, Sampling::Exact),
            draw(0.4, 4, Sampling::Exact),
        );
        let (x, y) = (overlap(&a, &b).unwrap(), overlap(&c, &d).unwrap());
        let both = network_overlap(&[a.clone(), c], &[b, d]).unwrap();
        assert_eq!(both.intersection, x.intersection + y.intersection);
        assert_eq!(both.union, x.union + y.union);
        assert!((both.hamming - f64::midpoint(x.hamming, y.hamming)).abs() < 1e-15);
        assert!((both.expected_intersection - x.expected_intersection - y.expected_intersection).abs() < 1e-12);
        let other = Mask::empty(LayerShape::linear(35, 20));
        let message = overlap(&a, &other).unwrap_err().what().to_owned();
        assert!(message.contains("layer 0 has shape 20×35 and 35×20"), "{message}");
        assert!(network_overlap(&[a], &[]).is_err());
    }
}
