//! Products with the biadjacency matrix of a graph, or with its degree-normalised form.

use crate::graph::Biadjacency;
use rayon::prelude::*;

/// Nodes or numbers that make a task worth another thread.
const TASK: usize = 1 << 14;

/// A biadjacency matrix between its smaller and its larger side.
pub(super) struct Matrix<'a> {
    graph: &'a Biadjacency,
    left_is_small: bool,
    /// One over the root of each degree, on the small and on the large side, if the matrix is normalised.
    scales: Option<[Vec<f64>; 2]>,
}

impl<'a> Matrix<'a> {
    /// The matrix of zeros and ones.
    pub(super) fn plain(graph: &'a Biadjacency) -> Self {
        Self { graph, left_is_small: graph.left() <= graph.right(), scales: None }
    }

    /// Each entry divided by the root of the product of its two nodes' degrees. Its largest singular value is 1.
    pub(super) fn normalised(graph: &'a Biadjacency) -> Self {
        let plain = Self::plain(graph);
        let roots =
            |degrees: Vec<usize>| degrees.into_iter().map(|d| if d == 0 { 0.0 } else { 1.0 / (d as f64).sqrt() }).collect();
        let (left, right) = (roots(graph.left_degrees()), roots(graph.right_degrees()));
        Self { scales: Some(if plain.left_is_small { [left, right] } else { [right, left] }), ..plain }
    }

    /// Number of nodes on the smaller side.
    pub(super) fn small(&self) -> usize {
        self.graph.left().min(self.graph.right())
    }

    /// Number of nodes on the larger side.
    pub(super) fn large(&self) -> usize {
        self.graph.left().max(self.graph.right())
    }

    /// Whether a node of the smaller side has edges.
    pub(super) fn has_edges(&self, small: usize) -> bool {
        let list = if self.left_is_small { self.graph.of_left(small) } else { self.graph.of_right(small) };
        !list.is_empty()
    }

    /// Times a vector on the smaller side. O(edges).
    pub(super) fn to_large(&self, x: &[f64], y: &mut [f64]) {
        self.gather(!self.left_is_small, x, y, self.scales.as_ref().map(|[small, large]| (&small[..], &large[..])));
    }

    /// Transposed, times a vector on the larger side. O(edges).
    pub(super) fn to_small(&self, x: &[f64], y: &mut [f64]) {
        self.gather(self.left_is_small, x, y, self.scales.as_ref().map(|[small, large]| (&large[..], &small[..])));
    }

    /// Each number of the result is summed by one thread, in the order of the list.
    fn gather(&self, to_left: bool, x: &[f64], y: &mut [f64], scales: Option<(&[f64], &[f64])>) {
        let scaled: Vec<f64>;
        let x = match scales {
            Some((before, _)) => {
                scaled = x.iter().zip(before).map(|(x, s)| x * s).collect();
                &scaled
            }
            None => x,
        };
        let task = TASK * y.len() / (self.graph.edges() + y.len()).max(1) + 1;
        y.par_iter_mut().enumerate().with_min_len(task).for_each(|(node, y)| {
            let list = if to_left { self.graph.of_left(node) } else { self.graph.of_right(node) };
            *y = sum_of(x, list) * scales.map_or(1.0, |(_, after)| after[node]);
        });
    }
}

/// Sum of the numbers at these places: four sums side by side, because one would wait for each addition.
fn sum_of(x: &[f64], places: &[u32]) -> f64 {
    let mut sums = [0.0; 4];
    let chunks = places.chunks_exact(4);
    let rest: f64 = chunks.remainder().iter().map(|p| x[*p as usize]).sum();
    for four in chunks {
        for (sum, p) in sums.iter_mut().zip(four) {
            *sum += x[*p as usize];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Scalar product, in an order that depends on the length only.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Takes from x its part along each vector of an orthonormal basis, twice, which leaves it orthogonal to working precision.
/// O(length · basis).
pub(super) fn orthogonalise(x: &mut [f64], basis: &[Vec<f64>]) {
    for _ in 0..2 {
        let parts: Vec<f64> = basis.par_iter().with_min_len(TASK / x.len() + 1).map(|b| dot(b, x)).collect();
        let chunk = TASK / basis.len() + 64;
        x.par_chunks_mut(chunk).enumerate().for_each(|(c, x)| {
            for (part, b) in parts.iter().zip(basis) {
                let b = &b[c * chunk..][..x.len()];
                x.iter_mut().zip(b).for_each(|(x, b)| *x -= part * b);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Sampling;

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        for (left, right) in [(7, 12), (12, 7), (400, 300)] {
            let graph = Biadjacency::sample(left, right, 0.4, Sampling::Exact, 3);
            let (dl, dr) = (graph.left_degrees(), graph.right_degrees());
            for normalised in [false, true] {
                let matrix = if normalised { Matrix::normalised(&graph) } else { Matrix::plain(&graph) };
                let entry = |l: usize, r: usize| {
                    let there = graph.of_left(l).contains(&(r as u32));
                    let scale = if normalised { 1.0 / ((dl[l] * dr[r]) as f64).sqrt() } else { 1.0 };
                    if there { scale } else { 0.0 }
                };
                let of = |small: usize, large: usize| if left <= right { entry(small, large) } else { entry(large, small) };
                let (small, large) = (matrix.small(), matrix.large());
                let x: Vec<f64> = (0..small).map(|i| (i as f64).sin()).collect();
                let mut y = vec![0.0; large];
                matrix.to_large(&x, &mut y);
                for (j, y) in y.iter().enumerate() {
                    assert!((y - (0..small).map(|i| of(i, j) * x[i]).sum::<f64>()).abs() < 1e-12);
                }
                let mut back = vec![0.0; small];
                matrix.to_small(&y, &mut back);
                for (i, back) in back.iter().enumerate() {
                    assert!((back - (0..large).map(|j| of(i, j) * y[j]).sum::<f64>()).abs() < 1e-11);
                }
            }
        }
    }

    #[test]
    fn vectors_become_orthogonal() {
        let n = 5000;
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for k in 0..20 {
            let mut x: Vec<f64> = (0..n).map(|i| 1.0 + 1e-6 * f64::from(i * (k + 1)).sin()).collect();
            if k > 0 {
                orthogonalise(&mut x, &basis);
            }
            let norm = dot(&x, &x).sqrt();
            x = x.into_iter().map(|x| x / norm).collect();
            assert!(basis.iter().all(|b| dot(b, &x).abs() < 1e-13));
            basis.push(x);
        }
    }
}
