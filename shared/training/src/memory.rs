//! Whether something fits into memory, asked before it is allocated: an allocation that fails ends the program without a word on what to do,
//! and one that only seems to succeed has the system end it.
//!
//! Sizes here are what is needed at least, so that nothing is refused that would fit. Everything is counted in 128 bits, which no
//! product of sizes overflows.

use er_engine::sparse::SparseEngine;
use er_engine::{ModelState, StepOptions};
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_networks::model::ModelSpec;

use crate::run::free_memory_bytes;

/// Bytes that are taken to be there where the system does not say: 256 GiB.
pub const UNKNOWN: u64 = 1 << 38;

/// Bytes of a weight, a gradient, a number of optimiser state.
const FLOAT: u128 = size_of::<f32>() as u128;

/// Bytes that are there: those that the system has left, or [`UNKNOWN`].
pub fn available() -> u64 {
    free_memory_bytes().unwrap_or(UNKNOWN)
}

/// Refuses what takes more than these bytes: `what` begins the sentence, `help` says what to do.
///
/// # Errors
/// A failure with both numbers.
pub fn check(what: &str, needed: u128, available: u64, help: &str) -> Result<()> {
    if needed <= u128::from(available) {
        return Ok(());
    }
    let gigabytes = |bytes: u128| bytes as f64 / 1e9;
    let (needed, free) = (gigabytes(needed), gigabytes(available.into()));
    Err(Error::failure(format!("{what} takes about {needed:.1} GB of memory, and {free:.1} GB are free")).help(help))
}

/// Bytes of the masks of all layers: a bit a weight.
pub fn of_masks(spec: &ModelSpec) -> u128 {
    weights(spec).div_ceil(8)
}

/// Bytes of so many numbers for each weight of the network, whether there is an edge or not.
pub fn of_all_weights(spec: &ModelSpec, numbers: usize) -> u128 {
    FLOAT * numbers as u128 * weights(spec)
}

/// Bytes of the weights on these edges.
pub fn of_edges<'a>(masks: impl IntoIterator<Item = &'a Mask>) -> u128 {
    FLOAT * masks.into_iter().map(|mask| mask.edges() as u128).sum::<u128>()
}

/// Bytes that training at this density takes at least besides activations: masks, and weights and optimiser state in a state and in an
/// engine.
pub fn of_training(spec: &ModelSpec, density: f64, options: StepOptions) -> u128 {
    let numbers = 2 * (1 + options.optimizer.slots());
    of_masks(spec) + (density * of_all_weights(spec, numbers) as f64) as u128
}

/// Bytes of the images of a batch.
pub fn of_batch(spec: &ModelSpec, samples: usize) -> u128 {
    FLOAT * spec.input().len() as u128 * samples as u128
}

/// Bytes of the activations of a batch in the sparse engine, and of their gradients.
pub fn of_activations(spec: &ModelSpec, max_batch: usize) -> u128 {
    SparseEngine::activation_bytes(spec, max_batch) as u128
}

/// Bytes that a sparse engine takes for these masks besides the weights that it is given: gradients, optimiser state, and the weights
/// laid out for the passes forward and back.
pub fn of_sparse_edges<'a>(masks: impl IntoIterator<Item = &'a Mask>, options: StepOptions) -> u128 {
    (3 + options.optimizer.slots() as u128) * of_edges(masks)
}

/// Bytes that a sparse engine takes besides the state that it is given.
pub(crate) fn of_sparse_engine(spec: &ModelSpec, state: &ModelState, options: StepOptions, max_batch: usize) -> u128 {
    let stored = state.layers.iter().map(|layer| layer.slots.iter().map(Vec::len).sum::<usize>() as u128 * FLOAT).sum();
    let edges = of_sparse_edges(state.layers.iter().map(|layer| &layer.mask), options);
    edges.saturating_sub(stored) + of_activations(spec, max_batch)
}

fn weights(spec: &ModelSpec) -> u128 {
    spec.layers().iter().map(|layer| layer.shape.weights() as u128).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_engine::Optimizer;
    use er_networks::model::{Image, build};

    #[test]
    fn what_fits_just_so_is_not_refused() {
        for (needed, available) in [(0, 0), (1_500_000_000, 1_500_000_000), (u128::from(u64::MAX), u64::MAX)] {
            assert!(check("it", needed, available, "").is_ok());
            let Some(less) = available.checked_sub(1) else { continue };
            assert!(check("it", needed, less, "").is_err());
        }
        let error = check("a mask", 3_000_000_000, 1_500_000_000, "draw less").unwrap_err();
        assert_eq!(error.to_string(), "a mask takes about 3.0 GB of memory, and 1.5 GB are free\n  draw less");
        assert!(check("it", u128::MAX, u64::MAX, "").unwrap_err().what().starts_with("it takes about 34028"));
    }

    #[test]
    fn sizes_are_counted() {
        let spec = build("mlp-4", Image::new(1, 1, 8), 2).unwrap();
        assert_eq!([of_masks(&spec), of_all_weights(&spec, 2), of_batch(&spec, 3)], [5, 2 * 4 * 40, 4 * 8 * 3]);
        let masks = [Mask::full(spec.layers()[0].shape), Mask::empty(spec.layers()[1].shape)];
        let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: false };
        let options = StepOptions { optimizer: momentum, weight_decay: 0.0, label_smoothing: 0.0 };
        assert_eq!([of_edges(&masks), of_sparse_edges(&masks, options)], [4 * 32, 4 * 4 * 32]);
        // Blocks of 16 samples, of 4 units and 2 logits at least.
        assert!(of_activations(&spec, 17) >= 32 * 6 * 4);
        let large = build("mlp-65536-65536-x64", Image::new(1, 8, 8), 10).unwrap();
        assert_eq!(of_masks(&large), (64_u128 * (1 << 22) + (1 << 44) + 10 * (1 << 22)) / 8);
    }
}
