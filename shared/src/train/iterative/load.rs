//! Networks put together from files of other runs, to begin with.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::graph::{LayerState, Mask};
use crate::model::{ModelSpec, ModelState};
use crate::run::{Checkpoint, RunFolder, read_masks};
use crate::topology::iterative::{shuffle, with_signs};

/// What is taken of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadMode {
    /// Weights, inside the masks that are drawn; resets go back to them.
    Weights,
    /// Weights and masks; resets go back to fresh weights.
    Network,
    /// As [`LoadMode::Network`], with the signs of a third file.
    Signs,
    /// As [`LoadMode::Signs`], with the magnitudes of each layer permuted.
    Shuffled,
}

/// A network to begin with.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// What is taken.
    pub mode: LoadMode,
    /// The checkpoint with weights, biases, normalisations.
    pub model: PathBuf,
    /// That with masks.
    pub masks: PathBuf,
    /// That with signs; only [`LoadMode::Signs`] and [`LoadMode::Shuffled`] have one.
    pub signs: Option<PathBuf>,
}

impl Load {
    /// The network to begin with, and what resets go back to, in place of a fresh one.
    ///
    /// # Errors
    /// Files that are missing or damaged, or of another network.
    pub(super) fn apply(&self, spec: &ModelSpec, fresh: ModelState, seed: u64) -> Result<(ModelState, ModelState)> {
        let model = Checkpoint::read(&self.model, spec)?.state;
        let mut state = fresh.clone();
        state.dense = model.dense;
        state.dense.iter_mut().for_each(|dense| dense.slots = Vec::new());
        let masks: Vec<Mask> = match self.mode {
            LoadMode::Weights => fresh.layers.iter().map(|l| l.mask.clone()).collect(),
            _ => read_masks(&self.masks, spec)?,
        };
        for ((layer, mask), from) in state.layers.iter_mut().zip(masks).zip(&model.layers) {
            *layer = LayerState { weights: from.weights_at(&mask), mask, slots: Vec::new() };
        }
        if self.mode == LoadMode::Shuffled {
            shuffle(&mut state.layers, seed);
        }
        if let Some(signs) = &self.signs {
            with_signs(&mut state.layers, &Checkpoint::read(signs, spec)?.state.layers);
        }
        let first = if self.mode == LoadMode::Weights { state.clone() } else { fresh };
        Ok((state, first))
    }
}

/// The networks that a run with as many levels had trained after each of them: those of the next levels, and the last.
///
/// # Errors
/// Files that are missing or damaged, or of another network.
pub(super) fn networks_of(run: &Path, spec: &ModelSpec, levels: usize) -> Result<Vec<Vec<LayerState>>> {
    let path = |level: usize| {
        if level < levels { RunFolder::ticket_in(run, level as u64 + 1) } else { RunFolder::best_in(run) }
    };
    (1..=levels).map(|level| Ok(Checkpoint::read(&path(level), spec)?.state.layers)).collect()
}
