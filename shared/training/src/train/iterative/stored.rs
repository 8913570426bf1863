//! A whole network among what a method remembers.

use std::collections::BTreeMap;

use crate::run::{Saved, SavedTensor};
use crate::train::stored::{Stored, wrong};
use er_engine::{DenseState, LayerState, ModelState};
use er_graphs::error::Result;
use er_networks::model::ModelSpec;

/// Puts a network among these tensors, with names that begin with `prefix`.
pub(super) fn save_state(prefix: &str, spec: &ModelSpec, state: &ModelState, tensors: &mut BTreeMap<String, SavedTensor>) {
    let mut put = |what: &str, name: &str, tensor| drop(tensors.insert(format!("{prefix}.{what}.{name}"), tensor));
    for (of, layer) in spec.layers().iter().zip(&state.layers) {
        put("mask", &of.name, SavedTensor::Bits(layer.mask.to_bytes()));
        put("values", &of.name, SavedTensor::Floats(layer.weights.clone()));
        for (i, slot) in layer.slots.iter().enumerate() {
            put(&format!("slot-{i}"), &of.name, SavedTensor::Floats(slot.clone()));
        }
    }
    for dense in &state.dense {
        put("values", &dense.name, SavedTensor::Floats(dense.values.clone()));
        for (i, slot) in dense.slots.iter().enumerate() {
            put(&format!("slot-{i}"), &dense.name, SavedTensor::Floats(slot.clone()));
        }
    }
}

/// The network that [`save_state`] has put there, if it has, after this many steps.
///
/// # Errors
/// If something is missing or does not fit.
pub(super) fn read_state(prefix: &str, spec: &ModelSpec, saved: &Saved, steps: u64) -> Result<Option<ModelState>> {
    let begins = format!("{prefix}.");
    if !saved.tensors.keys().any(|name| name.starts_with(&begins)) {
        return Ok(None);
    }
    let layer = |of: &er_networks::model::Layer| {
        let stored = Stored { saved, layer: &of.name, shape: of.shape };
        let mask = stored.bits(&format!("{prefix}.mask"))?;
        let mask = mask.ok_or_else(|| wrong(format_args!("{prefix}.mask.{} is missing", of.name)))?;
        let edges = mask.edges();
        Ok(LayerState { weights: values(saved, prefix, &of.name, edges)?, slots: slots(saved, prefix, &of.name, edges)?, mask })
    };
    let layers = spec.layers().iter().map(layer).collect::<Result<_>>()?;
    let dense = spec.dense_parameters().map(|p| {
        let count = p.len();
        let (values, slots) = (values(saved, prefix, &p.name, count)?, slots(saved, prefix, &p.name, count)?);
        Ok(DenseState { values, slots, name: p.name })
    });
    Ok(Some(ModelState { layers, dense: dense.collect::<Result<_>>()?, steps }))
}

fn floats(saved: &Saved, name: &str, count: usize) -> Result<Option<Vec<f32>>> {
    match saved.tensors.get(name) {
        None => Ok(None),
        Some(SavedTensor::Floats(values)) if values.len() == count => Ok(Some(values.clone())),
        Some(_) => Err(wrong(format_args!("{name} does not have {count} numbers"))),
    }
}

fn values(saved: &Saved, prefix: &str, name: &str, count: usize) -> Result<Vec<f32>> {
    let whole = format!("{prefix}.values.{name}");
    floats(saved, &whole, count)?.ok_or_else(|| wrong(format_args!("{whole} is missing")))
}

fn slots(saved: &Saved, prefix: &str, name: &str, count: usize) -> Result<Vec<Vec<f32>>> {
    let slot = |i: usize| floats(saved, &format!("{prefix}.slot-{i}.{name}"), count).transpose();
    (0..).map_while(slot).collect()
}
