//! The network at the end of each level.

use std::path::PathBuf;

use serde::Serialize;

use crate::run::{Checkpoint, Origin, RunFolder, create_folder};
use crate::train::{Data, FinishedEpoch, Hook, evaluate};
use er_engine::{Batch, Engine};
use er_graphs::error::Result;

/// Writes the network at the end of each level, before it is pruned: with the density that the level was trained at.
pub(super) struct Levels {
    folder: PathBuf,
    origin: Origin,
    /// Epochs of warm-up, of each level, and of all of these.
    epochs: [u64; 3],
}

impl Levels {
    /// # Errors
    /// If the folder cannot be made.
    pub(super) fn new(epochs: [u64; 3], folder: &RunFolder, origin: &Origin) -> Result<Self> {
        create_folder(&folder.tickets())?;
        Ok(Self { folder: folder.path().to_owned(), origin: origin.clone(), epochs })
    }
}

impl Hook for Levels {
    fn after_epoch(&mut self, epoch: &FinishedEpoch, engine: &mut dyn Engine) -> Result<()> {
        let (clock, [warmup, level, last]) = (epoch.progress.clock, self.epochs);
        let trained = clock.epoch().saturating_sub(warmup);
        // A level that was cut short has not ended.
        if clock.batch() > 0 || trained == 0 || !trained.is_multiple_of(level) || clock.epoch() > last {
            return Ok(());
        }
        let path = RunFolder::ticket_in(&self.folder, trained / level);
        epoch.write(&path, &self.origin, engine)
    }
}

/// The network at the end of a level. Accuracies are fractions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Trained {
    /// From 1.
    level: u64,
    /// Of all weights, in the training of the level.
    density: f64,
    edges: usize,
    validation_accuracy: Option<f64>,
    test_accuracy: Option<f64>,
}

/// The network at the end of a level, tested.
///
/// # Errors
/// If its file is missing or damaged.
pub(super) fn tested(folder: &RunFolder, level: u64, engine: &mut dyn Engine, data: &Data) -> Result<Trained> {
    let Checkpoint { state, progress, .. } = Checkpoint::read(&folder.ticket(level), engine.spec())?;
    let edges: usize = state.layers.iter().map(|l| l.mask.edges()).sum();
    let density = edges as f64 / engine.spec().weight_count() as f64;
    engine.load_state(state)?;
    let test = evaluate(engine, &data.test, &mut Batch::default())?;
    Ok(Trained { level, density, edges, validation_accuracy: progress.validation.accuracy(), test_accuracy: test.accuracy() })
}
