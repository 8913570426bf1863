//! The files of the published programs: what each layer keeps, its threshold, and a row of results.

use serde::Deserialize;
use serde_json::{Map, json};

use super::Note;
use crate::run::{Checkpoint, Origin, RunFolder, clean, create_folder, now, pretty, replace_text};
use crate::train::{FinishedEpoch, Hook};
use er_engine::Engine;
use er_graphs::error::Result;
use er_networks::model::ModelSpec;

/// The published columns; the later program has the last.
const COLUMNS: &str = "Date Finished, Base Config, Name, Prune Rate, Current Val Top 1, Current Val Top 5, Best Val Top 1, \
                       Best Val Top 5, Best Train Top 1, Best Train Top 5, Sparsity";

/// What the published files say of a run besides its results.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Part of the weights that is to be left out.
    pub prune_rate: f64,
    /// Name of the table.
    pub table: String,
    /// Name of the run.
    pub name: String,
    /// The file its options are from; empty if there is none.
    pub config: String,
}

impl Published {
    /// Writes `layerwise_sparsity/<name>.json` and `layerwise_threshold/<name>.json` of the network that was tested, and the row of
    /// results. Accuracies and sparsity are percentages, as published; the best ones are those of any epoch, whatever its density.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub(super) fn write(&self, folder: &RunFolder, spec: &ModelSpec) -> Result<()> {
        let Self { prune_rate, table, name, config } = self;
        let tested = Checkpoint::read(&folder.best(), spec)?;
        let note = Note::deserialize(&tested.saved.note).unwrap_or_default();
        let (mut sparsity, mut thresholds) = (Map::new(), Map::new());
        let (mut edges, mut weights) = (0, 0);
        for (of, state) in spec.layers().iter().zip(&tested.state.layers) {
            let layer = of.name.trim_end_matches(".weight");
            let (kept, all) = (state.mask.edges(), of.shape.weights());
            (edges, weights) = (edges + kept, weights + all);
            sparsity.insert(layer.to_owned(), json!(percent_left_out(kept, all)));
            let threshold = note.thresholds.get(&of.name).and_then(|t| t.magnitude).unwrap_or(0.0);
            thresholds.insert(layer.to_owned(), json!(threshold));
        }
        let total = percent_left_out(edges, weights);
        sparsity.insert("total".to_owned(), json!(total));
        for (kind, layers) in [("layerwise_sparsity", sparsity), ("layerwise_threshold", thresholds)] {
            let within = folder.path().join(kind);
            create_folder(&within)?;
            replace_text(&within.join(format!("{}.json", clean(name))), &pretty(&layers)?)?;
        }
        let epochs = RunFolder::lines_in(folder.path(), "epoch")?;
        let last = |key: &str| epochs.last().and_then(|line| line[key].as_f64());
        let best = |key: &str| epochs.iter().filter_map(|line| line[key].as_f64()).reduce(f64::max);
        let keys = ["validation_accuracy", "validation_accuracy_top5", "train_accuracy", "train_accuracy_top5"];
        let numbers = keys[..2].iter().map(|key| last(key)).chain(keys.iter().map(|key| best(key)));
        let numbers: Vec<String> = numbers.map(|v| v.map_or_else(String::new, |v| format!("{:.2}", 100.0 * v))).collect();
        let row = format!("{}, {config}, {name}, {prune_rate}, {}, {total:.4}", now(), numbers.join(", "));
        replace_text(&folder.path().join(format!("{}.csv", clean(table))), &format!("{COLUMNS}\n{row}\n"))
    }
}

fn percent_left_out(kept: usize, all: usize) -> f64 {
    100.0 * (all - kept) as f64 / all as f64
}

/// Keeps a checkpoint of every so many epochs.
#[derive(Debug)]
pub(super) struct EveryEpochs {
    epochs: u64,
    folder: std::path::PathBuf,
    origin: Origin,
}

impl EveryEpochs {
    pub(super) fn new(epochs: u64, folder: &RunFolder, origin: &Origin) -> Self {
        Self { epochs, folder: folder.path().join("checkpoints"), origin: origin.clone() }
    }
}

impl Hook for EveryEpochs {
    fn after_epoch(&mut self, epoch: &FinishedEpoch, engine: &mut dyn Engine) -> Result<()> {
        let number = epoch.progress.clock.epochs_begun();
        if !number.is_multiple_of(self.epochs) {
            return Ok(());
        }
        let path = self.folder.join(format!("epoch-{number}.safetensors"));
        epoch.write(&path, &self.origin, engine)
    }
}
