//! What a finished run leaves behind. Test files of a program add what they read of it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Place, json};

/// A finished run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) folder: PathBuf,
    pub(crate) summary: Value,
    /// All lines of metrics.
    pub(crate) metrics: Vec<Value>,
}

impl Run {
    /// Runs these words in a folder of their own.
    pub(crate) fn of(place: &Place, words: &str) -> Self {
        Self::read(&place.trained(words))
    }

    pub(crate) fn read(folder: &Path) -> Self {
        let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let metrics = metrics.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        Self { folder: folder.to_owned(), summary: json(&folder.join("summary.json")), metrics }
    }

    /// The lines of this kind.
    pub(crate) fn lines(&self, kind: &str) -> Vec<&Value> {
        self.metrics.iter().filter(|l| l["kind"] == kind).collect()
    }

    /// A number of the summary.
    pub(crate) fn number(&self, key: &str) -> f64 {
        self.summary[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", self.summary[key]))
    }
}
