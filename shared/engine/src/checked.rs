//! Whether a saved state, or a batch, fits a model.

use super::{Batch, LayerState, ModelState};
use er_graphs::error::{Error, Result};
use er_networks::model::{Layer, ModelSpec};

/// Checks a saved state against a model and completes missing optimiser state with zeros.
pub fn complete(spec: &ModelSpec, mut state: ModelState, slots: usize) -> Result<ModelState> {
    complete_layers(spec, &mut state.layers, slots)?;
    let model = spec.name();
    let expected: Vec<_> = spec.dense_parameters().collect();
    if state.dense.len() != expected.len() {
        let (got, want) = (state.dense.len(), expected.len());
        return Err(Error::failure(format!("the state has {got} biases and buffers, {model} has {want}")));
    }
    for (state, parameter) in state.dense.iter_mut().zip(expected) {
        if state.name != parameter.name {
            let (got, want) = (&state.name, &parameter.name);
            return Err(Error::failure(format!("the state has {got} where {model} has {want}")));
        }
        let slots = if parameter.kind.trained() { slots } else { 0 };
        check_lengths(&state.name, parameter.len(), &state.values, &state.slots, slots)?;
        state.slots.resize_with(slots, || vec![0.0; parameter.len()]);
    }
    Ok(state)
}

/// Checks the states of all layers and completes missing optimiser state with zeros.
pub fn complete_layers(spec: &ModelSpec, states: &mut [LayerState], slots: usize) -> Result<()> {
    if states.len() != spec.layers().len() {
        let (got, model, want) = (states.len(), spec.name(), spec.layers().len());
        return Err(Error::failure(format!("the state has {got} layers, {model} has {want}")));
    }
    spec.layers().iter().zip(states).try_for_each(|(layer, state)| complete_layer(layer, state, slots))
}

fn complete_layer(layer: &Layer, state: &mut LayerState, slots: usize) -> Result<()> {
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

/// The logits of a model are one value a class.
pub fn ends_with_logits(spec: &ModelSpec) -> Result<()> {
    let logits = spec.nodes().last().map_or(spec.input(), |n| n.output);
    if logits.height * logits.width != 1 {
        let name = spec.name();
        return Err(Error::usage(format!("model {name}: ends with {logits}, and logits have height and width 1")));
    }
    Ok(())
}

impl Batch {
    /// Number of samples, at least one, with as many pixels as the model reads and labels that it knows.
    ///
    /// # Panics
    /// Otherwise.
    pub fn checked_samples(&self, spec: &ModelSpec) -> usize {
        let samples = self.labels.len();
        assert!(samples > 0, "batch of no samples");
        assert_eq!(self.images.len(), samples * spec.input().len(), "pixels of a batch of {}", spec.input());
        let classes = spec.classes();
        assert!(self.labels.iter().all(|&l| (l as usize) < classes), "a label is not below {classes}");
        samples
    }
}
