//! Networks put together from files of other runs, to begin with.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::run::{Checkpoint, RunFolder, read_masks};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerState, Mask};
use er_networks::model::{ModelSpec, ModelState};
use er_networks::topology::iterative::{shuffle, with_signs};

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

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "begins with the weights of {}", self.model.display())?;
        if self.mode != LoadMode::Weights {
            write!(f, ", the masks of {}", self.masks.display())?;
        }
        if let Some(signs) = &self.signs {
            write!(f, ", the signs of {}", signs.display())?;
        }
        f.write_str(if self.mode == LoadMode::Shuffled { "; magnitudes permuted within layers" } else { "" })
    }
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

/// The files of the networks that a run has trained after each of its first levels: those of the next levels, and, after its own
/// last level, its best.
///
/// # Errors
/// If the run has fewer levels.
pub fn after_levels(run: &Path, levels: usize) -> Result<Vec<PathBuf>> {
    let own = (1..=levels as u64 + 1).take_while(|level| RunFolder::ticket_in(run, *level).is_file()).count();
    if own < levels {
        let what = format!("{} has the networks of {own} levels, and {levels} are needed", run.display());
        return Err(Error::failure(what).help("name the folder of a finished run with --pruner and as many levels"));
    }
    let path = |level: usize| {
        if level < own { RunFolder::ticket_in(run, level as u64 + 1) } else { RunFolder::best_in(run) }
    };
    Ok((1..=levels).map(path).collect())
}

/// The layers of networks of [`after_levels`].
///
/// # Errors
/// Files that are missing or damaged, or of another network.
pub(super) fn layers_after(run: &Path, spec: &ModelSpec, levels: usize) -> Result<Vec<Vec<LayerState>>> {
    after_levels(run, levels)?.iter().map(|path| Ok(Checkpoint::read(path, spec)?.state.layers)).collect()
}

/// The masks of networks of [`after_levels`].
///
/// # Errors
/// As [`layers_after`].
pub(super) fn masks_after(run: &Path, spec: &ModelSpec, levels: usize) -> Result<Vec<Vec<Mask>>> {
    after_levels(run, levels)?.iter().map(|path| read_masks(path, spec)).collect()
}
