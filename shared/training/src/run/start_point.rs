//! Where a run starts.

use std::path::{Path, PathBuf};

use er_graphs::error::{Error, Result};
use er_networks::model::ModelSpec;
use er_networks::schedule::Clock;

use super::checkpoint::Checkpoint;
use super::folder::RunFolder;
use super::progress::{Progress, TakenOver};

/// Where a run may begin other than with a fresh network.
#[derive(Debug, Clone, Default)]
pub struct StartPoint {
    /// Checkpoint of another run to go on from (`--resume`).
    pub resume: Option<PathBuf>,
    /// Epoch, from 1, at whose beginning the clock is set, instead of where the checkpoint stands (`--start-epoch`).
    pub epoch: Option<u64>,
}

impl StartPoint {
    /// The latest checkpoint of a run in its own folder, if there is one.
    ///
    /// # Errors
    /// If it is of another model or another run, or damaged; if the one of the best epoch so far is, or is missing, since the run could
    /// not report that epoch in the end.
    pub fn own(folder: &RunFolder, spec: &ModelSpec) -> Result<Option<Checkpoint>> {
        let read = |path: &Path| {
            let checkpoint = Checkpoint::read(path, spec)
                .map_err(|e| e.or_help("put it back, or move the run's folder away to begin again"))?;
            if checkpoint.origin.config_hash == folder.config_hash() {
                return Ok(checkpoint);
            }
            let what = format!("checkpoint {} is of a run with other options", path.display());
            Err(Error::failure(what).help("start from a foreign checkpoint with --resume"))
        };
        if !RunFolder::has_begun(folder.path())? {
            return Ok(None);
        }
        let checkpoint = read(&folder.last())?;
        if checkpoint.progress.best.is_some() {
            read(&folder.best())?;
        }
        Ok(Some(checkpoint))
    }

    /// The checkpoint of another run to go on from, if one is asked for, with the clock as this run has it: epochs completed count, however
    /// many steps they had there. Whether that is where the checkpoint stands. What was the best epoch of the other run does not count in
    /// this one.
    ///
    /// # Errors
    /// If it is of another model, or damaged.
    pub fn other(&self, spec: &ModelSpec, batches_per_epoch: u64) -> Result<Option<(Checkpoint, bool)>> {
        let Some(path) = &self.resume else { return Ok(None) };
        let mut checkpoint = Checkpoint::read(path, spec)?;
        let there = checkpoint.progress.clock;
        let clock = match self.epoch {
            Some(epoch) => Clock::at_epoch(epoch.saturating_sub(1), batches_per_epoch),
            None => there.with_batches(batches_per_epoch),
        };
        // The losses of an epoch that goes on here.
        let Progress { interval, train, validation, .. } = checkpoint.progress;
        let taken_over = Some(TakenOver { file: path.display().to_string(), step: clock.step, ..TakenOver::default() });
        checkpoint.progress = Progress { clock, best: None, taken_over, ..Progress::default() };
        let stays = clock.step == there.step;
        if stays {
            checkpoint.progress = Progress { interval, train, validation, ..checkpoint.progress };
        }
        Ok(Some((checkpoint, stays)))
    }
}
