//! The numbers of a network.

use er_graphs::graph::LayerState;

/// A parameter that is not masked (bias, scale, shift) or a buffer (running mean and variance).
#[derive(Debug, Clone, PartialEq)]
pub struct DenseState {
    /// Name as in [`super::ModelSpec::parameters`].
    pub name: String,
    /// Values.
    pub values: Vec<f32>,
    /// Optimiser state, as in [`LayerState::slots`]; empty for buffers.
    pub slots: Vec<Vec<f32>>,
}

/// Everything an engine holds that must outlive the process: what a checkpoint stores.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelState {
    /// One per [`super::ModelSpec::layers`].
    pub layers: Vec<LayerState>,
    /// Every other parameter and buffer, in the order of [`super::ModelSpec::parameters`].
    pub dense: Vec<DenseState>,
    /// Optimiser steps taken.
    pub steps: u64,
}
