//! The two largest singular values of a sparse matrix by bidiagonalisation.

use super::matrix::{Matrix, dot, orthogonalise};
use super::tridiagonal::Bidiagonal;
use crate::rng::{Purpose, stream};
use rand::RngExt;

/// How far to go for singular values. Two of a component that differ by less than the tolerance may be taken for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// The bounds of the errors of σ₁ and σ₂, divided by σ₁, must not be larger.
    pub tolerance: f64,
    /// But take no more steps than this many in a connected component (at least 2). A step is two products with the matrix, and
    /// keeps a vector as long as the smaller side.
    pub steps: usize,
}

impl Default for Accuracy {
    /// 1e-10 within 300 steps, which is 1e-9 of σ₂ unless that is less than a tenth of σ₁. Most layers take 50 to 200 steps.
    fn default() -> Self {
        Self { tolerance: 1e-10, steps: 300 }
    }
}

/// The two largest singular values, and how they were found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Leading {
    pub(super) sigma1: f64,
    /// 0 if the smaller side has one node.
    pub(super) sigma2: f64,
    pub(super) steps: usize,
    /// Bound of both absolute errors.
    pub(super) error: f64,
}

/// Golub–Kahan–Lanczos bidiagonalisation A V = U B, Aᵀ U = V Bᵀ + β v eᵀ from the smaller side, until the largest two singular
/// values of B are near enough to those of A, or the space is invariant.
///
/// Vectors of the smaller side are orthogonalised against all earlier ones. Those of the larger side need not be, nor be kept (Simon
/// and Zha 2000; Barlow 2013 shows that the singular values of B are then as accurate as the matrix).
///
/// The matrix must be that of a connected graph and isolated nodes. Then σ₁ is simple (Perron and Frobenius), and the start vector,
/// positive with noise, has a part along it and along every other singular space. So an invariant space holds every distinct
/// singular value, and σ₂, however often it occurs: there is no need to start anew. `scale` is a bound of σ₁.
///
/// O(steps · edges + steps² · smaller side) time.
pub(super) fn leading(matrix: &Matrix, scale: f64, accuracy: &Accuracy) -> Leading {
    // Smaller than what rounding leaves.
    let negligible = 1e-13 * scale;
    let mut b = Bidiagonal::default();
    let mut basis = vec![start(matrix)];
    let (mut u, mut beta) = (vec![0.0; matrix.large()], 0.0);
    let mut product = vec![0.0; matrix.large()];
    loop {
        let steps = basis.len();
        let v = &basis[steps - 1];
        matrix.to_large(v, &mut product);
        subtract(&mut product, beta, &u);
        let alpha = scale_to_unit(&mut product, negligible);
        std::mem::swap(&mut u, &mut product);
        b.push(alpha);
        let mut next = vec![0.0; matrix.small()];
        if alpha > 0.0 {
            matrix.to_small(&u, &mut next);
            subtract(&mut next, alpha, v);
            orthogonalise(&mut next, &basis);
        }
        beta = if steps < matrix.small() { scale_to_unit(&mut next, negligible) } else { 0.0 };
        let last = beta <= 0.0 || steps >= accuracy.steps.max(2);
        // Looking costs more than a step where the graph is small.
        if last || steps.is_multiple_of(4) {
            let found = estimate(&b, beta, steps);
            if last || found.error <= accuracy.tolerance * found.sigma1 {
                return found;
            }
        }
        b.push(beta);
        basis.push(next);
    }
}

/// What the bidiagonal matrix says of the whole one. So far away as the norm of the residual, or nearer, is a singular value of the
/// matrix. That the error is usually much smaller, about the residual's square over the gap to the next singular value (Kato and
/// Temple), is of no use here: of two that lie close together only one may be seen, and then nobody knows the gap.
fn estimate(b: &Bidiagonal, beta: f64, steps: usize) -> Leading {
    let [sigma1, sigma2] = [1, 2].map(|k| b.singular_value(k));
    let error = [sigma1, sigma2].map(|value| beta * b.last_entry(value)).into_iter().fold(0.0, f64::max);
    Leading { sigma1, sigma2, steps, error }
}

/// Positive with noise where the smaller side has edges, of length 1.
fn start(matrix: &Matrix) -> Vec<f64> {
    let rng = &mut stream(0, Purpose::Start, matrix.small() as u64);
    let mut entry = |node| {
        let value = rng.random_range(0.5..1.5);
        if matrix.has_edges(node) { value } else { 0.0 }
    };
    let mut vector: Vec<f64> = (0..matrix.small()).map(&mut entry).collect();
    scale_to_unit(&mut vector, 0.0);
    vector
}

/// Divides a vector by its length and returns that; both become 0 if the length is negligible.
fn scale_to_unit(vector: &mut [f64], negligible: f64) -> f64 {
    let length = dot(vector, vector).sqrt();
    if length <= negligible {
        vector.fill(0.0);
        return 0.0;
    }
    for x in vector.iter_mut() {
        *x /= length;
    }
    length
}

fn subtract(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x -= factor * y);
}
