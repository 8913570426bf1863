//! Parameters with what computing them needs.

use super::conv::Conv;
use crate::DenseState;
use er_networks::model::ModelSpec;

/// What computing a layer needs besides its state.
#[derive(Debug)]
pub(super) struct SparseLayer {
    /// Of the edges.
    pub(super) gradient: Vec<f32>,
    pub(super) conv: Conv,
}

/// A parameter that is not masked, or a buffer.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) state: DenseState,
    pub(super) trained: bool,
    /// Empty for buffers.
    pub(super) gradient: Vec<f32>,
}

impl Dense {
    /// Those of a state that fits the model.
    pub(super) fn all(spec: &ModelSpec, states: Vec<DenseState>) -> Vec<Self> {
        let dense = spec.dense_parameters().zip(states).map(|(parameter, state)| {
            let trained = parameter.kind.trained();
            Self { gradient: vec![0.0; if trained { parameter.len() } else { 0 }], state, trained }
        });
        dense.collect()
    }
}
