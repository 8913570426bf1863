//! Values that no training goes on from, and that no evaluation makes sense of.

use std::path::Path;

use super::{Checkpoint, not_finite};
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;

/// Refuses a checkpoint with a value that is not a finite number. The programs write none; where all logits are NaN, a network would be
/// as good as chance and nobody would know why. O(values).
///
/// # Errors
/// Names the file and the first tensor with such a value.
pub(super) fn check(path: &Path, spec: &ModelSpec, checkpoint: &Checkpoint) -> Result<()> {
    let Some(name) = not_finite(spec, &checkpoint.state).or_else(|| checkpoint.saved.not_finite()) else { return Ok(()) };
    let what = format!("checkpoint {} has a value in {name} that is not a finite number", path.display());
    Err(Error::failure(what).help("the training that wrote it has diverged, or the file is damaged: take another checkpoint"))
}
