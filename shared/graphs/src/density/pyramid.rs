//! Pyramid, as in "How Erdős and Rényi Win the Lottery": `p_l = r^l` for l = 1…L with `Σ N_l·r^l = d·N`. The last layers
//! starve at low density (VGG-16 at 0.001 keeps an expected 0.0025 weights of its classifier), so flow preservation is not
//! optional there.

use super::{Distribution, Solution, total};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::Named;

/// Densities r, r², r³, … from first to last layer.
#[derive(Debug, Clone, Copy)]
pub struct Pyramid;

impl Named for Pyramid {
    fn name(&self) -> &'static str {
        "pyramid"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["pyramid_sparsity", "pyramidal"]
    }

    fn about(&self) -> &'static str {
        "densities r, r², r³, … from the first to the last layer"
    }
}

impl Distribution for Pyramid {
    fn solve(&self, shapes: &[LayerShape], d: f64, _: &[f64]) -> Result<Solution> {
        let kept = |r: f64| shapes.iter().rev().fold(0.0, |sum, s| r * (s.weights() as f64 + sum));
        let target = d * total(shapes);
        // kept(r) grows from 0 to N, and kept(d) ≤ d·N: the root is in [d, 1). Halve until no number is left between the ends.
        let (mut low, mut high) = (d, 1.0);
        loop {
            let middle = f64::midpoint(low, high);
            if middle <= low || middle >= high {
                break;
            }
            if kept(middle) < target { low = middle } else { high = middle }
        }
        let densities = (1..=shapes.len()).map(|l| low.powi(l as i32)).collect();
        Ok(Solution::new(shapes, densities, Some(("r", low))))
    }
}
