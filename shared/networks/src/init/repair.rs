//! Orthogonal repair: gradient descent that makes the rows of a masked weight matrix orthonormal, on the edges only.

use crate::model::ModelSpec;
use crate::model::ModelState;
use er_graphs::graph::Mask;
use rayon::prelude::*;

/// ‖E‖ at which a matrix counts as orthogonal; the gradient of the norm has no direction at 0.
pub const ORTHOGONAL: f64 = 1e-12;

/// How far to descend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrthoRepair {
    /// Step along the gradient.
    pub learning_rate: f64,
    /// Number of steps.
    pub iterations: usize,
}

impl Default for OrthoRepair {
    /// Learning rate 0.01, 1000 iterations.
    fn default() -> Self {
        Self { learning_rate: 0.01, iterations: 1000 }
    }
}

/// What a repair achieved: the distance ‖B·Bᵀ − I‖ (Frobenius) of a layer from orthonormal rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrthoRepaired {
    /// At the start.
    pub before: f64,
    /// At the end. A layer with more rows than columns cannot get below √(rows − columns).
    pub after: f64,
}

/// Repairs every layer of a state; returns what was achieved for each.
///
/// # Panics
/// If the state is not one of this model.
pub fn ortho_repair(spec: &ModelSpec, state: &mut ModelState, repair: OrthoRepair) -> Vec<OrthoRepaired> {
    assert_eq!(spec.layers().len(), state.layers.len(), "one state a layer");
    (state.layers.par_iter_mut().zip(spec.layers()))
        .map(|(state, layer)| {
            let mut weights: Vec<f64> = state.weights.iter().copied().map(f64::from).collect();
            let repaired = ortho_repair_edges(&state.mask, layer.groups, &mut weights, repair);
            state.weights = weights.into_iter().map(|w| w as f32).collect();
            repaired
        })
        .collect()
}

/// Minimises f = ‖B·Bᵀ − I‖ (Frobenius) over the edges' weights by gradient descent with a fixed step. B is the layer's
/// out × `fan_in` matrix, zero outside the mask; for a grouped convolution it is block-diagonal, so that only rows of one group
/// meet. With E = B·Bᵀ − I the gradient is 2·(E·B)/‖E‖ at the edges. Stops early when ‖E‖ < 1e-12.
///
/// The published implementation lets gradients accumulate over the iterations, which oscillates and ends far from
/// orthogonality; this is plain descent.
///
/// Both products visit, for every edge, the edges of its column: O(Σ d²) an iteration, d being the degrees of the columns, and
/// O(edges + rows) memory. The result does not depend on the number of threads.
///
/// # Panics
/// If there is not one weight an edge.
pub fn ortho_repair_edges(mask: &Mask, groups: usize, weights: &mut [f64], repair: OrthoRepair) -> OrthoRepaired {
    assert_eq!(mask.edges(), weights.len(), "one weight an edge");
    let graph = Graph::new(mask, groups);
    let mut gradient = vec![0.0; weights.len()];
    let before = graph.descend(weights, &mut gradient);
    let mut after = before;
    for _ in 0..repair.iterations {
        if after < ORTHOGONAL || weights.is_empty() {
            break;
        }
        let step = 2.0 * repair.learning_rate / after;
        for (w, g) in weights.iter_mut().zip(&gradient) {
            *w -= step * g;
        }
        after = graph.descend(weights, &mut gradient);
    }
    OrthoRepaired { before, after }
}

/// A mask by rows and by columns.
struct Graph {
    /// Where the edges of each row begin, and their number at the end.
    row_starts: Vec<usize>,
    /// Column of each edge.
    columns: Vec<usize>,
    /// Where the entries of each column begin, and their number at the end.
    column_starts: Vec<usize>,
    /// Row and edge of each entry, ordered by column, then row.
    entries: Vec<(usize, usize)>,
}

impl Graph {
    fn new(mask: &Mask, groups: usize) -> Self {
        let (rows, fan_in) = (mask.shape().out, mask.shape().fan_in());
        let rows_per_group = rows / groups;
        let mut row_starts = vec![0; rows + 1];
        let mut column_starts = vec![0; groups * fan_in + 1];
        let mut columns = Vec::with_capacity(mask.edges());
        for position in mask.iter() {
            let (row, k) = (position / fan_in, position % fan_in);
            let column = row / rows_per_group * fan_in + k;
            row_starts[row + 1] += 1;
            column_starts[column + 1] += 1;
            columns.push(column);
        }
        accumulate(&mut row_starts);
        accumulate(&mut column_starts);
        let mut next = column_starts.clone();
        let mut entries = vec![(0, 0); columns.len()];
        for row in 0..rows {
            for edge in row_starts[row]..row_starts[row + 1] {
                let slot = &mut next[columns[edge]];
                entries[*slot] = (row, edge);
                *slot += 1;
            }
        }
        Self { row_starts, columns, column_starts, entries }
    }

    fn rows(&self) -> usize {
        self.row_starts.len() - 1
    }

    /// ‖E‖ at these weights; `gradient` becomes E·B at the edges. A row of E serves only the gradient of its own row, so no
    /// more than one row exists at a time in each thread.
    fn descend(&self, weights: &[f64], gradient: &mut [f64]) -> f64 {
        let by_column: Vec<(u32, f64)> = self.entries.iter().map(|&(row, edge)| (row as u32, weights[edge])).collect();
        let column = |edge: usize| {
            let k = self.columns[edge];
            &by_column[self.column_starts[k]..self.column_starts[k + 1]]
        };
        let mut rest = gradient;
        let mut slices = Vec::with_capacity(self.rows());
        for row in 0..self.rows() {
            let (slice, tail) = rest.split_at_mut(self.row_starts[row + 1] - self.row_starts[row]);
            slices.push(slice);
            rest = tail;
        }
        let squares: Vec<f64> = (slices.into_par_iter().enumerate().with_min_len(8))
            .map_init(
                || vec![0.0; self.rows()],
                |e, (row, gradient)| {
                    let start = self.row_starts[row];
                    e.fill(0.0);
                    e[row] = -1.0;
                    for (offset, weight) in weights[start..start + gradient.len()].iter().enumerate() {
                        for &(other, w) in column(start + offset) {
                            e[other as usize] += weight * w;
                        }
                    }
                    for (offset, g) in gradient.iter_mut().enumerate() {
                        *g = product(e, column(start + offset));
                    }
                    e.iter().map(|x| x * x).sum::<f64>()
                },
            )
            .collect();
        squares.iter().sum::<f64>().sqrt()
    }
}

/// Scalar product of a dense and a sparse vector; four partial sums hide the latency of additions.
fn product(dense: &[f64], sparse: &[(u32, f64)]) -> f64 {
    let (mut sums, chunks) = ([0.0; 4], sparse.chunks_exact(4));
    let tail: f64 = chunks.remainder().iter().map(|&(at, w)| dense[at as usize] * w).sum();
    for chunk in chunks {
        for (sum, &(at, w)) in sums.iter_mut().zip(chunk) {
            *sum += dense[at as usize] * w;
        }
    }
    sums.iter().sum::<f64>() + tail
}

/// Counts, shifted by one, into starts.
fn accumulate(counts: &mut [usize]) {
    for i in 1..counts.len() {
        counts[i] += counts[i - 1];
    }
}
