//! Files of masks along a training.

use std::path::Path;

use super::{FinishedEpoch, Hook, Stepper};
use crate::run::{MaskFile, Origin, Progress, RunFolder, create_folder, is_there, write_masks};
use er_engine::Engine;
use er_graphs::error::Result;

/// Writes the masks of the network before the first step and after every so many epochs.
#[derive(Debug)]
pub(super) struct MaskFiles<'a> {
    folder: &'a RunFolder,
    origin: Origin,
    epochs: u64,
}

impl<'a> MaskFiles<'a> {
    pub(super) fn new(folder: &'a RunFolder, origin: Origin, epochs: u64) -> Self {
        Self { folder, origin, epochs }
    }

    /// What is wrong with the files of masks that a run of so many epochs would have, in words, of the first one that is not whole.
    pub(super) fn missing(run: &Path, every: u64, epochs: u64) -> Option<String> {
        let told = |epoch: u64| {
            let path = RunFolder::masks_in(run, epoch);
            match is_there(&path) {
                Ok(false) => Some(format!("there are no masks of epoch {epoch}")),
                _ => MaskFile::read(&path).err().map(|e| e.what().to_owned()),
            }
        };
        (0..=epochs / every).find_map(|i| told(i * every))
    }

    /// Writes the masks as they are.
    ///
    /// # Errors
    /// A folder or file that cannot be written; a device that fails.
    pub(super) fn write(&self, progress: &Progress, engine: &dyn Engine, stepper: &dyn Stepper) -> Result<()> {
        let path = self.folder.masks(progress.clock.epochs_begun());
        if let Some(folder) = path.parent() {
            create_folder(folder)?;
        }
        let state = stepper.network(engine)?;
        let masks: Vec<_> = state.layers.iter().map(|layer| &layer.mask).collect();
        write_masks(&path, engine.spec(), &self.origin, progress, &masks)
    }
}

impl Hook for MaskFiles<'_> {
    fn after_epoch(&mut self, epoch: &FinishedEpoch, engine: &mut dyn Engine) -> Result<()> {
        if epoch.progress.clock.epochs_begun().is_multiple_of(self.epochs) {
            self.write(epoch.progress, engine, epoch.stepper)?;
        }
        Ok(())
    }
}
