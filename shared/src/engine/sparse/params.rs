//! Parameters and their optimiser state, and whether a saved state fits a model.

use super::conv::Conv;
use crate::engine::{DenseState, LayerState};
use crate::error::{Error, Result};
use crate::model::{Layer, ModelSpec, ParamKind};

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

/// Checks a saved state against a model and completes missing optimiser state with zeros.
pub(super) fn checked(
    spec: &ModelSpec,
    mut layers: Vec<LayerState>,
    dense: Vec<DenseState>,
    slots: usize,
) -> Result<(Vec<LayerState>, Vec<Dense>)> {
    let model = spec.name();
    if layers.len() != spec.layers().len() {
        let (got, want) = (layers.len(), spec.layers().len());
        return Err(Error::failure(format!("the state has {got} layers, {model} has {want}")));
    }
    for (state, layer) in layers.iter_mut().zip(spec.layers()) {
        check_layer(layer, state, slots)?;
    }
    let parameters = spec.parameters();
    let expected: Vec<_> = parameters.iter().filter(|p| !matches!(p.kind, ParamKind::Weight(_))).collect();
    if dense.len() != expected.len() {
        let (got, want) = (dense.len(), expected.len());
        return Err(Error::failure(format!("the state has {got} biases and buffers, {model} has {want}")));
    }
    let mut checked = Vec::with_capacity(dense.len());
    for (mut state, parameter) in dense.into_iter().zip(expected) {
        if state.name != parameter.name {
            let (got, want) = (&state.name, &parameter.name);
            return Err(Error::failure(format!("the state has {got} where {model} has {want}")));
        }
        let trained = parameter.kind.trained();
        let slots = if trained { slots } else { 0 };
        check_lengths(&state.name, parameter.len(), &state.values, &state.slots, slots)?;
        state.slots.resize_with(slots, || vec![0.0; parameter.len()]);
        let gradient = vec![0.0; if trained { parameter.len() } else { 0 }];
        checked.push(Dense { state, trained, gradient });
    }
    Ok((layers, checked))
}

/// Checks a layer's state and completes missing optimiser state with zeros.
pub(super) fn check_layer(layer: &Layer, state: &mut LayerState, slots: usize) -> Result<()> {
    let (name, got, want) = (&layer.name, state.mask.shape(), layer.shape);
    if got != want {
        return Err(Error::failure(format!("the state of {name} has shape {got}, expected {want}")));
    }
    let edges = state.mask.edges();
    check_lengths(name, edges, &state.weights, &state.slots, slots)?;
    state.slots.resize_with(slots, || vec![0.0; edges]);
    Ok(())
}

fn check_lengths(name: &str, want: usize, values: &[f32], slots: &[Vec<f32>], slot_count: usize) -> Result<()> {
    if values.len() != want {
        return Err(Error::failure(format!("the state of {name} has {} values, expected {want}", values.len())));
    }
    if !slots.is_empty() && slots.len() != slot_count {
        let got = slots.len();
        return Err(Error::failure(format!("the state of {name} has {got} vectors of optimiser state, expected {slot_count}"))
            .help("resume with the optimiser that wrote the checkpoint"));
    }
    if let Some(slot) = slots.iter().find(|s| s.len() != want) {
        return Err(Error::failure(format!("optimiser state of {name} has {} values, expected {want}", slot.len())));
    }
    Ok(())
}
