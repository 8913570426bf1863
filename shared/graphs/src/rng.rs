//! One seed, many independent named streams.
//!
//! Every random decision draws from a stream named by what it is for and by an index (a layer, an epoch, an image), never from a
//! generator passed around. So no decision depends on the order or the number of threads in which others were made, and a
//! resumed run needs no generator state.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// A named stream of random numbers; [`rand`]'s extension traits draw from it.
pub type Stream = ChaCha8Rng;

/// What a stream of random numbers is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Edges of the initial mask; index: layer.
    Mask = 1,
    /// Weights and biases; index: layer or parameter.
    Init = 2,
    /// Order of the training images; index: epoch.
    Shuffle = 3,
    /// Augmentation; index: `epoch << 32 | image`.
    Augment = 4,
    /// Edges that grow or are repaired; index: `step << 16 | layer`.
    Growth = 5,
    /// Synthetic data; index: image.
    Data = 6,
    /// Scores of edge-popup; index: layer, for those of biases `1 << 32 | layer`.
    Score = 7,
    /// Random scores by which edges are pruned; index: `level << 32 | layer`.
    Prune = 8,
    /// Magnitudes that change places; index: layer.
    Permute = 9,
    /// Samples that statistics of graphs are estimated from; index: what is sampled.
    Statistics = 10,
    /// Start vectors of iterative measurements; index: their length.
    Start = 11,
}

/// The generator of one named stream. Streams of different `(seed, purpose, index)` are independent; equal ones are equal on
/// every machine.
#[must_use]
pub fn stream(seed: u64, purpose: Purpose, index: u64) -> Stream {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&index.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}
