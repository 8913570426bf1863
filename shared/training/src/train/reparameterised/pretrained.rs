//! Weights and thresholds of another run.

use std::path::Path;

use serde::Deserialize;

use super::layer::Layer;
use super::{Note, Reparameterisation, reparameterised};
use crate::run::{Checkpoint, Saved};
use er_graphs::error::{Error, Result};
use er_networks::model::{ModelSpec, ModelState};

/// A network whose weights, at the edges of `fresh`, are those of a file: the trained ones where it has some for a layer whose law
/// is about thresholds too, with its threshold, else the ones in use. Edges that the file does not have begin with 0. All other
/// parameters and running statistics are the file's.
///
/// # Errors
/// If the file is missing or damaged, or of another network.
pub(super) fn load(
    path: &Path,
    spec: &ModelSpec,
    laws: &[Option<Reparameterisation>],
    fresh: ModelState,
) -> Result<(ModelState, Saved)> {
    let Checkpoint { state, saved, .. } = Checkpoint::read(path, spec)?;
    let note = Note::deserialize(&saved.note).unwrap_or_default();
    let mut begins = ModelState { dense: state.dense, ..fresh };
    begins.dense.iter_mut().for_each(|d| d.slots = Vec::new());
    let mut laws = laws.to_vec();
    for (((of, law), begins), in_use) in spec.layers().iter().zip(&mut laws).zip(&mut begins.layers).zip(&state.layers) {
        let trained = match (law, note.thresholds.get(&of.name)) {
            (Some(Reparameterisation::SoftThreshold { first, .. }), Some(threshold)) if threshold.magnitude.is_some() => {
                *first = threshold.s;
                let damaged = |e: &Error| Error::failure(format!("{}: {}", path.display(), e.what()));
                Some(Layer::trained(&saved, &of.name, of.shape).map_err(|e| damaged(&e))?)
            }
            _ => None,
        };
        begins.weights = trained.as_ref().unwrap_or(in_use).weights_at(&begins.mask);
    }
    Ok(reparameterised(spec, &laws, begins))
}
