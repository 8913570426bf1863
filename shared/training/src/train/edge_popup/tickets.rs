//! What a search leaves behind: the best network of each level, and a table.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::TicketSearch;
use crate::run::{Checkpoint, Origin, RunFolder, create_folder, replace_text};
use crate::train::{Data, FinishedEpoch, Hook, TrainingContext, evaluate};
use er_engine::{Batch, Engine};
use er_graphs::error::{Error, Result};

/// The published columns, and which epoch of which level a row is of.
const COLUMNS: &str = "Task,Initialization,Scaling,Epochs,Annealing epochs,Sparsity,Current sparsity,Current Train,Current Val,\
                       Best Val,Seed,Level,Epoch";

/// Writes the best network of each level, and rows of `results.csv`: as published, after every epoch of a level whose number ends
/// with 9, and after its last.
pub(super) struct Tickets {
    folders: Vec<PathBuf>,
    table: PathBuf,
    rows: Vec<String>,
    origin: Origin,
    densities: Vec<f64>,
    level_epochs: u64,
    /// What rows begin with, and the seed.
    begins: String,
    seed: u64,
}

impl Tickets {
    /// Goes on after the rows of epochs before this context.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub(super) fn new(search: &TicketSearch, folder: &RunFolder, origin: &Origin, context: &TrainingContext) -> Result<Self> {
        let table = folder.table();
        let text = match std::fs::read_to_string(&table) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|e| Error::io("read", &table, &e))?,
        };
        let epochs = search.level_epochs;
        let before = |row: &&str| {
            let mut from_last = row.rsplit(',').map(|n| n.parse::<u64>().ok());
            let (epoch, level) = (from_last.next().flatten(), from_last.next().flatten());
            epoch.zip(level).is_some_and(|(epoch, level)| (level - 1) * epochs + epoch <= context.clock.epoch())
        };
        let rows = text.lines().skip(1).take_while(before).map(str::to_owned).collect();
        create_folder(&folder.tickets())?;
        let density = search.densities.last().copied().unwrap_or_default();
        let [task, init] = [context.data.test.set().name.clone(), search.values.init.to_string()];
        let (scaling, levels) = (search.rescales, search.densities.len());
        Ok(Self {
            folders: (1..=levels as u64).map(|level| folder.ticket(level)).collect(),
            table,
            rows,
            origin: origin.clone(),
            densities: search.densities.clone(),
            level_epochs: epochs,
            begins: format!("{task},{init},{scaling},{epochs},{levels},{density}"),
            seed: search.seed,
        })
    }
}

impl Hook for Tickets {
    fn after_epoch(&mut self, epoch: &FinishedEpoch, engine: &mut dyn Engine) -> Result<()> {
        let progress = epoch.progress;
        let before = progress.clock.epochs_begun() - 1;
        let (level, of_level) = ((before / self.level_epochs) as usize, before % self.level_epochs + 1);
        if epoch.is_best {
            epoch.write(&self.folders[level], &self.origin, engine)?;
        }
        if of_level % 10 != 9 && of_level != self.level_epochs {
            return Ok(());
        }
        let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
        self.rows.push(format!(
            "{},{},{},{},{},{},{},{of_level}",
            self.begins,
            self.densities[level],
            number(progress.train.mean_loss()),
            number(progress.validation.accuracy()),
            number(progress.best.map(|b| b.accuracy)),
            self.seed,
            level + 1,
        ));
        let mut text = format!("{COLUMNS}\n");
        for row in &self.rows {
            let _ = writeln!(text, "{row}");
        }
        replace_text(&self.table, &text)
    }
}

/// The best network of a level. Accuracies are fractions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ticket {
    level: u64,
    density_requested: f64,
    /// Of the weights.
    density: f64,
    edges: usize,
    /// From 1, over all levels.
    best_epoch: Option<u64>,
    validation_accuracy: Option<f64>,
    test_accuracy: Option<f64>,
}

/// The best network of a level, tested.
///
/// # Errors
/// If the file is damaged.
pub(super) fn tested(path: &Path, level: u64, asked: f64, engine: &mut dyn Engine, data: &Data) -> Result<Ticket> {
    let Checkpoint { state, progress, .. } = Checkpoint::read(path, engine.spec())?;
    let edges: usize = state.layers.iter().map(|l| l.mask.edges()).sum();
    let density = edges as f64 / engine.spec().weight_count() as f64;
    engine.load_state(state)?;
    let test = evaluate(engine, &data.test, &mut Batch::default())?;
    Ok(Ticket {
        level,
        density_requested: asked,
        density,
        edges,
        best_epoch: progress.best.map(|b| b.epoch),
        validation_accuracy: progress.best.map(|b| b.accuracy),
        test_accuracy: test.accuracy(),
    })
}
