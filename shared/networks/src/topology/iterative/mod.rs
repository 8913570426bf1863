//! Pruning a trained network again and again: which edges go at each level, and what the others begin the next level with, as
//! the program of "Why Random Pruning Is All We Need to Start Sparse" (Gadhikar et al. 2023) does it.

mod prune;
mod pruner;
mod reset;
mod scores;
mod signs;

pub use prune::{prune, take_masks};
pub use pruner::Pruner;
pub use reset::{Reset, reset};
pub use scores::{magnitudes, random_scores, snip_scores};
pub use signs::{shuffle, with_signs};

#[cfg(test)]
mod tests {
    use er_graphs::graph::{LayerShape, LayerState, Mask};

    /// A layer of linear units with these edges and weights, and the velocity 10·w.
    pub(super) fn layer(out: usize, inp: usize, edges: &[(usize, f32)]) -> LayerState {
        let weights: Vec<f32> = edges.iter().map(|e| e.1).collect();
        LayerState {
            mask: Mask::from_positions(LayerShape::linear(out, inp), edges.iter().map(|e| e.0)),
            slots: vec![weights.iter().map(|w| 10.0 * w).collect()],
            weights,
        }
    }

    /// The positions of the edges of each layer.
    pub(super) fn positions(layers: &[LayerState]) -> Vec<Vec<usize>> {
        layers.iter().map(|l| l.mask.iter().collect()).collect()
    }
}
