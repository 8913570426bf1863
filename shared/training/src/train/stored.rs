//! What checkpoints hold of methods, by layer.

use crate::run::{Saved, SavedTensor};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerShape, Mask};

/// What a checkpoint holds of a layer.
pub(super) struct Stored<'a> {
    pub(super) saved: &'a Saved,
    /// Name of its weights.
    pub(super) layer: &'a str,
    pub(super) shape: LayerShape,
}

impl Stored<'_> {
    /// A mask of the layer, if it is there.
    pub(super) fn bits(&self, what: &str) -> Result<Option<Mask>> {
        self.mask(what, self.shape)
    }

    /// A mask of another shape, if it is there.
    pub(super) fn mask(&self, what: &str, shape: LayerShape) -> Result<Option<Mask>> {
        match self.saved.tensors.get(&format!("{what}.{}", self.layer)) {
            None => Ok(None),
            Some(SavedTensor::Bits(bits)) => {
                Mask::from_bytes(shape, bits).map(Some).map_err(|e| wrong(format_args!("{}", e.what())))
            }
            Some(SavedTensor::Floats(_)) => Err(wrong(format_args!("{what}.{} is no mask", self.layer))),
        }
    }

    /// One number a weight; none if they are not there.
    pub(super) fn floats(&self, what: &str) -> Result<Vec<f32>> {
        self.numbers(what, self.shape.weights())
    }

    /// This many numbers; none if they are not there.
    pub(super) fn numbers(&self, what: &str, count: usize) -> Result<Vec<f32>> {
        match self.saved.tensors.get(&format!("{what}.{}", self.layer)) {
            None => Ok(Vec::new()),
            Some(SavedTensor::Floats(values)) if values.len() == count => Ok(values.clone()),
            Some(_) => Err(wrong(format_args!("{what}.{} does not have {count} numbers", self.layer))),
        }
    }
}

/// An error about what a checkpoint holds.
pub(super) fn wrong(what: std::fmt::Arguments) -> Error {
    Error::failure(format!("what the checkpoint holds of its method does not fit this run: {what}"))
}
