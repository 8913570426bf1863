//! Random semi-orthogonal matrices.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Vectors that are orthonormalised together before the others see them: enough to hide the memory traffic of the others, few
/// enough to stay in cache.
const PANEL: usize = 32;

/// A rows × columns matrix, row-major, with orthonormal rows if rows ≤ columns and orthonormal columns otherwise; uniformly
/// distributed (Haar), as the orthogonal factor of a Gaussian matrix. O(rows · columns · min(rows, columns)).
pub(super) fn semi_orthogonal(rows: usize, columns: usize, rng: &mut impl Rng) -> Vec<f64> {
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<f64> = (0..count * length).map(|_| rng.sample(StandardNormal)).collect();
    orthonormalise(&mut vectors, length);
    if rows <= columns { vectors } else { (0..count * length).map(|at| vectors[at % columns * length + at / columns]).collect() }
}

/// Modified Gram–Schmidt on vectors of this length, stored one after the other. Gaussian matrices are well conditioned, so the loss
/// of orthogonality stays near rounding; the implied triangular factor has a positive diagonal, which is what makes the
/// result uniformly distributed.
fn orthonormalise(vectors: &mut [f64], length: usize) {
    let mut rest = vectors;
    while !rest.is_empty() {
        let (panel, others) = rest.split_at_mut((PANEL * length).min(rest.len()));
        for i in 0..panel.len() / length {
            let (done, current) = panel[..(i + 1) * length].split_at_mut(i * length);
            for q in done.chunks_exact(length) {
                remove_component(current, q);
            }
            let norm = dot(current, current).sqrt();
            for x in current {
                *x /= norm;
            }
        }
        let panel = &*panel;
        others.par_chunks_exact_mut(length).for_each(|v| {
            for q in panel.chunks_exact(length) {
                remove_component(v, q);
            }
        });
        rest = others;
    }
}

/// v ← v − (q·v) q.
fn remove_component(v: &mut [f64], q: &[f64]) {
    let c = dot(v, q);
    for (x, y) in v.iter_mut().zip(q) {
        *x -= c * y;
    }
}

/// Scalar product with eight partial sums, which the compiler may keep in vector registers.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut sums, a8, b8) = ([0.0; 8], a.chunks_exact(8), b.chunks_exact(8));
    let tail: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::rng::{Purpose, stream};

    /// Largest deviation of the Gram matrix of the shorter side from the identity.
    fn defect(m: &[f64], rows: usize, columns: usize) -> f64 {
        let count = rows.min(columns);
        let at = |vector: usize, k: usize| if rows <= columns { m[vector * columns + k] } else { m[k * columns + vector] };
        let gram = |i, j| (0..rows.max(columns)).map(|k| at(i, k) * at(j, k)).sum::<f64>();
        (0..count)
            .flat_map(|i| (0..=i).map(move |j| (i, j)))
            .map(|(i, j)| (gram(i, j) - f64::from(u8::from(i == j))).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_shorter_side_is_orthonormal() {
        for (rows, columns) in [(1, 1), (1, 9), (5, 3), (40, 100), (100, 40), (97, 97), (64, 27)] {
            let m = semi_orthogonal(rows, columns, &mut stream(3, Purpose::Init, 0));
            assert_eq!(m.len(), rows * columns);
            let defect = defect(&m, rows, columns);
            assert!(defect < 1e-12, "{rows}x{columns}: {defect}");
        }
        assert!(semi_orthogonal(0, 4, &mut stream(3, Purpose::Init, 0)).is_empty());
    }

    /// Entries of a Haar matrix have mean 0 and variance 1/longer side; a triangular factor with signs of its own would bias the
    /// first entry of each vector.
    #[test]
    fn entries_have_the_moments_of_a_uniform_draw() {
        let (n, draws) = (6, 4000);
        let (mut diagonal, mut square) = (0.0, 0.0);
        for i in 0..draws {
            let m = semi_orthogonal(n, n, &mut stream(5, Purpose::Init, i));
            diagonal += (0..n).map(|k| m[k * n + k]).sum::<f64>();
            square += m[0] * m[0];
        }
        let (draws, n) = (draws as f64, n as f64);
        // The trace of a Haar matrix has mean 0 and variance 1, the square of an entry mean 1/n and variance 2(n−1)/(n²(n+2)).
        assert!(diagonal.abs() < 5.0 * draws.sqrt(), "{diagonal}");
        let sd = (2.0 * (n - 1.0) / (n * n * (n + 2.0)) / draws).sqrt();
        assert!((square / draws - 1.0 / n).abs() < 5.0 * sd, "{}", square / draws);
    }
}
