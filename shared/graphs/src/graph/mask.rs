//! The mask of one layer: which of its weights exist.

use super::LayerShape;
use crate::error::{Error, Result};

/// Positions of the bits that are set, ascending, the lowest bit of a word first.
pub fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(w, &word)| {
        std::iter::successors(Some(word).filter(|b| *b != 0), |b| Some(b & (b - 1)).filter(|b| *b != 0))
            .map(move |b| w * 64 + b.trailing_zeros() as usize)
    })
}

/// The edges of one layer's bipartite graph: one packed bit per position of the weight tensor and the exact number of set bits.
///
/// Positions are flat row-major indices into the weight tensor (see [`LayerShape`]). Iteration is in ascending order, which is
/// *the* edge order: the k-th value of any per-edge array belongs to the k-th edge of the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    shape: LayerShape,
    words: Vec<u64>,
    edges: usize,
}

impl Mask {
    /// No edges.
    #[must_use]
    pub fn empty(shape: LayerShape) -> Self {
        Self { shape, words: vec![0; shape.weights().div_ceil(64)], edges: 0 }
    }

    /// All edges.
    #[must_use]
    pub fn full(shape: LayerShape) -> Self {
        let n = shape.weights();
        let mut words = vec![u64::MAX; n.div_ceil(64)];
        if !n.is_multiple_of(64)
            && let Some(last) = words.last_mut()
        {
            *last = (1 << (n % 64)) - 1;
        }
        Self { shape, words, edges: n }
    }

    /// The edges at these flat positions; repeated positions count once.
    ///
    /// # Panics
    /// If a position is outside the tensor.
    #[must_use]
    pub fn from_positions(shape: LayerShape, positions: impl IntoIterator<Item = usize>) -> Self {
        let mut mask = Self::empty(shape);
        for p in positions {
            mask.insert(p);
        }
        mask
    }

    /// Shape of the weight tensor.
    #[must_use]
    pub fn shape(&self) -> LayerShape {
        self.shape
    }

    /// Number of edges.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.edges
    }

    /// Fraction of positions that are edges; 0 for a tensor without weights.
    #[must_use]
    pub fn density(&self) -> f64 {
        if self.shape.weights() == 0 { 0.0 } else { self.edges as f64 / self.shape.weights() as f64 }
    }

    /// Edges and weights of several masks together.
    pub fn totals<'a>(masks: impl IntoIterator<Item = &'a Self>) -> (usize, usize) {
        masks.into_iter().fold((0, 0), |(edges, weights), mask| (edges + mask.edges, weights + mask.shape.weights()))
    }

    /// Whether the weight at this flat position exists.
    ///
    /// # Panics
    /// If the position is outside the tensor.
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        assert!(position < self.shape.weights(), "position {position} outside a layer of shape {}", self.shape);
        self.words[position / 64] >> (position % 64) & 1 == 1
    }

    /// Adds an edge; returns whether it is new.
    ///
    /// # Panics
    /// If the position is outside the tensor.
    pub fn insert(&mut self, position: usize) -> bool {
        let new = !self.contains(position);
        self.words[position / 64] |= 1 << (position % 64);
        self.edges += usize::from(new);
        new
    }

    /// Removes an edge; returns whether it was there.
    ///
    /// # Panics
    /// If the position is outside the tensor.
    pub fn remove(&mut self, position: usize) -> bool {
        let there = self.contains(position);
        self.words[position / 64] &= !(1 << (position % 64));
        self.edges -= usize::from(there);
        there
    }

    /// Adds all edges of another mask. O(weights / 64).
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn extend(&mut self, other: &Self) {
        assert_eq!(self.shape, other.shape, "shapes of two masks");
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        self.edges = self.words.iter().map(|w| w.count_ones() as usize).sum();
    }

    /// Number of edges that another mask has too. O(weights / 64).
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn shared_edges(&self, other: &Self) -> usize {
        assert_eq!(self.shape, other.shape, "shapes of two masks");
        self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    /// Flat positions of the edges, ascending. O(weights / 64 + edges).
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        ones(&self.words)
    }

    /// Flat positions without an edge, ascending. O(weights).
    pub fn free(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        let weights = self.shape.weights();
        self.words.iter().enumerate().flat_map(move |(w, &word)| {
            let last = (weights - w * 64).min(64);
            (0..last).filter(move |bit| word >> bit & 1 == 0).map(move |bit| w * 64 + bit)
        })
    }

    /// Number of edges into each output unit. O(edges).
    #[must_use]
    pub fn in_degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.shape.out];
        for p in self.iter() {
            degrees[p / self.shape.fan_in()] += 1;
        }
        degrees
    }

    /// Number of edges out of each input unit (of one group). O(edges).
    #[must_use]
    pub fn out_degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.shape.inp];
        for p in self.iter() {
            degrees[p % self.shape.fan_in() / self.shape.taps()] += 1;
        }
        degrees
    }

    /// The bits, eight positions a byte, lowest bit first (what checkpoints store).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.truncate(self.shape.weights().div_ceil(8));
        bytes
    }

    /// Inverse of [`Mask::to_bytes`].
    ///
    /// # Errors
    /// If the number of bytes does not fit the shape or a bit is set beyond the last weight.
    pub fn from_bytes(shape: LayerShape, bytes: &[u8]) -> Result<Self> {
        let expected = shape.weights().div_ceil(8);
        if bytes.len() != expected {
            return Err(Error::failure(format!("mask of shape {shape} has {} bytes, expected {expected}", bytes.len())));
        }
        let words: Vec<u64> = bytes
            .chunks(8)
            .map(|c| {
                let mut word = [0; 8];
                word[..c.len()].copy_from_slice(c);
                u64::from_le_bytes(word)
            })
            .collect();
        let spare = words.len() * 64 - shape.weights();
        if spare > 0 && words.last().is_some_and(|w| w >> (64 - spare) != 0) {
            return Err(Error::failure(format!("mask of shape {shape} has bits beyond its last weight")));
        }
        let edges = words.iter().map(|w| w.count_ones() as usize).sum();
        Ok(Self { shape, words, edges })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_position_is_an_edge_or_free(weights in 1..300_usize, bits in prop::collection::vec(any::<bool>(), 300)) {
            let mask = Mask::from_positions(LayerShape::linear(1, weights), (0..weights).filter(|p| bits[*p]));
            prop_assert_eq!(mask.iter().collect::<Vec<_>>(), (0..weights).filter(|p| bits[*p]).collect::<Vec<_>>());
            prop_assert_eq!(mask.free().collect::<Vec<_>>(), (0..weights).filter(|p| !bits[*p]).collect::<Vec<_>>());
        }
    }
}
