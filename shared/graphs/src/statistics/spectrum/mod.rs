//! Singular values of biadjacency matrices, and the Ramanujan criteria.
//!
//! The eigenvalues of a bipartite graph are ± the singular values of its biadjacency matrix and zeros, so σ₁ is its largest eigenvalue
//! and σ₂ the third largest in size.

mod bidiagonal;
mod matrix;
mod parts;
mod ramanujan;
mod tridiagonal;

pub use bidiagonal::Accuracy;
pub use ramanujan::{Imdb, Ramanujan, imdb, ramanujan};

use crate::graph::Biadjacency;
use bidiagonal::{Leading, leading};
use matrix::Matrix;
use parts::{Sides, components, on_left};
use serde::Serialize;

/// The two largest singular values of a graph's biadjacency matrix beside what random graphs have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spectrum {
    /// The largest singular value.
    pub sigma1: f64,
    /// The second largest, with multiplicity: that of a second component may come first. 0 if there is only one.
    pub sigma2: f64,
    /// σ₁ − σ₂.
    pub gap: f64,
    /// σ₂ / σ₁.
    pub ratio: f64,
    /// √(d_L·d_R) with the mean degrees of the nodes that have edges: σ₁ of a random graph is slightly larger.
    pub null1: f64,
    /// √(1 − d)·(√d_L + √d_R) with the density d among the same nodes: near σ₂ of a random graph, where the bulk of its singular
    /// values ends (Marchenko and Pastur). 0 for a complete graph.
    pub null2: f64,
    /// σ₁ divided by its value for a random graph.
    pub sigma1_over_null: f64,
    /// σ₂ divided by its value for a random graph; none if that is 0.
    pub sigma2_over_null: Option<f64>,
    /// 1 − s₂ with the second largest singular value of the matrix whose entries are divided by the roots of both nodes' degrees: the
    /// second smallest eigenvalue of the normalised Laplacian (between h²/2 and 2h, Cheeger's constant being h). 0 if
    /// the nodes with edges form more than one component.
    pub normalised_gap: f64,
    /// Steps of bidiagonalisation for σ₁ and σ₂, in all components that could have mattered.
    pub steps: usize,
    /// Bound of the errors of σ₁ and σ₂, divided by σ₁. It is pessimistic: usually they are much smaller.
    pub error: f64,
    /// Steps of bidiagonalisation for the normalised matrix.
    pub normalised_steps: usize,
    /// Bound of the error of the normalised gap.
    pub normalised_error: f64,
}

/// Singular values of a graph; none without edges. Isolated nodes change nothing.
///
/// O(steps · edges + steps² · nodes of the smaller side) time; see [`Accuracy`]. The result does not depend on the number of threads.
///
/// ```
/// use er_graphs::graph::Biadjacency;
/// use er_graphs::statistics::spectrum::{Accuracy, spectrum};
///
/// // A path with three edges: the golden ratio and its inverse.
/// let graph = Biadjacency::from_edges(2, 2, [(0, 0), (1, 0), (1, 1)]);
/// let spectrum = spectrum(&graph, &Accuracy::default()).unwrap();
/// assert!((spectrum.sigma1 - 1.618033988749895).abs() < 1e-12);
/// assert!((spectrum.sigma2 - 0.618033988749895).abs() < 1e-12);
/// ```
#[must_use]
pub fn spectrum(graph: &Biadjacency, accuracy: &Accuracy) -> Option<Spectrum> {
    let parts = components(graph);
    let Leading { sigma1, sigma2, steps, error } = singular_values(graph, &parts, accuracy)?;
    let normalised = if parts.len() == 1 {
        leading(&Matrix::normalised(graph), 1.0, accuracy)
    } else {
        // Each component has a largest singular value of 1.
        Leading { sigma1: 1.0, sigma2: 1.0, steps: 0, error: 0.0 }
    };
    let sides = Sides::of(graph);
    let (left, right) = (sides.left_degree(), sides.right_degree());
    let null1 = (left * right).sqrt();
    let null2 = (1.0 - right / sides.left as f64).max(0.0).sqrt() * (left.sqrt() + right.sqrt());
    Some(Spectrum {
        sigma1,
        sigma2,
        gap: sigma1 - sigma2,
        ratio: sigma2 / sigma1,
        null1,
        null2,
        sigma1_over_null: sigma1 / null1,
        sigma2_over_null: (null2 > 0.0).then(|| sigma2 / null2),
        normalised_gap: 1.0 - normalised.sigma2,
        steps,
        error: error / sigma1,
        normalised_steps: normalised.steps,
        normalised_error: normalised.error,
    })
}

/// σ₁ and σ₂ of the whole graph from those of its components, largest component first.
fn singular_values(graph: &Biadjacency, parts: &[Vec<usize>], accuracy: &Accuracy) -> Option<Leading> {
    let mut all: Option<Leading> = None;
    for part in parts {
        let bound = largest_possible(graph, part);
        // Rounding aside, which would make equal components count as larger ones.
        if all.is_some_and(|a| bound <= a.sigma2 * (1.0 + 1e-12)) {
            continue;
        }
        let found = if parts.len() == 1 {
            leading(&Matrix::plain(graph), bound, accuracy)
        } else {
            leading(&Matrix::plain(&on_left(graph, part)), bound, accuracy)
        };
        all = Some(all.map_or(found, |a| {
            let mut values = [a.sigma1, a.sigma2, found.sigma1, found.sigma2];
            values.sort_by(|x, y| y.total_cmp(x));
            Leading { sigma1: values[0], sigma2: values[1], steps: a.steps + found.steps, error: a.error.max(found.error) }
        }));
    }
    all
}

/// √(d_l·d_r) of the edge where it is largest: no singular value of the component with these left nodes is larger (Berman and Zhang
/// 2001).
fn largest_possible(graph: &Biadjacency, left: &[usize]) -> f64 {
    let of_node = |l: &usize| {
        let list = graph.of_left(*l);
        list.iter().map(|r| list.len() * graph.of_right(*r as usize).len()).max().unwrap_or(0)
    };
    (left.iter().map(of_node).max().unwrap_or(0) as f64).sqrt()
}

#[cfg(test)]
mod tests;
