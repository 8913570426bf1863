//! Where a run starts.

use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::folder::RunFolder;
use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;

/// Where a run may begin other than with a fresh network.
#[derive(Debug, Clone, Default)]
pub struct StartPoint {
    /// Checkpoint of another run to go on from (`--resume`).
    pub resume: Option<PathBuf>,
    /// Epoch, from 1, to go on with instead of the one after the checkpoint (`--start-epoch`).
    pub epoch: Option<usize>,
}

impl StartPoint {
    /// The checkpoint this run goes on from: its own latest one, else the one asked for, else none. What was the best epoch of
    /// another run does not count in this one.
    ///
    /// # Errors
    /// If the checkpoint is of another model or another run, or damaged; if the one of the best epoch so far is, or is missing,
    /// since the run could not report that epoch in the end.
    pub fn checkpoint(&self, folder: &RunFolder, spec: &ModelSpec) -> Result<Option<Checkpoint>> {
        let own = |path: &Path| {
            let checkpoint =
                Checkpoint::read(path, spec).map_err(|e| e.or_help("put it back, or remove the run's folder to begin again"))?;
            if checkpoint.origin.config_hash == folder.config_hash() {
                return Ok(checkpoint);
            }
            let what = format!("checkpoint {} is of a run with other options", path.display());
            Err(Error::failure(what).help("start from a foreign checkpoint with --resume"))
        };
        let last = folder.last();
        if last.exists() {
            let checkpoint = own(&last)?;
            if checkpoint.progress.best.is_some() {
                own(&folder.best())?;
            }
            return Ok(Some(checkpoint));
        }
        let Some(path) = &self.resume else { return Ok(None) };
        let mut checkpoint = Checkpoint::read(path, spec)?;
        checkpoint.progress.best = None;
        if let Some(epoch) = self.epoch {
            checkpoint.progress.epoch = epoch.saturating_sub(1) as u64;
            checkpoint.progress.batch = 0;
        }
        Ok(Some(checkpoint))
    }
}
