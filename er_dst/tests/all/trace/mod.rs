//! What a run leaves behind, read for tests.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Place, json};

/// 44 steps of the built-in digits in four epochs, and a network of 6464 weights that may all be missing.
pub(crate) const SHORT: &str = "--model mlp-64-32 --batch-size 128 --epochs 4 --log-interval 4 --threads 1 --quiet";
pub(crate) const STEPS: u64 = 44;
pub(crate) const STEPS_PER_EPOCH: u64 = 11;
/// Weights of its layers.
pub(crate) const LAYERS: [usize; 3] = [64 * 64, 64 * 32, 32 * 10];
pub(crate) const WEIGHTS: usize = LAYERS[0] + LAYERS[1] + LAYERS[2];

/// A finished run.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) folder: PathBuf,
    pub(crate) summary: Value,
    /// The lines of metrics at updates.
    pub(crate) updates: Vec<Value>,
    /// All lines of metrics but the first, which names the configuration.
    pub(crate) metrics: String,
    /// The run's hash, or as much of it as the folder's name has.
    pub(crate) hash: String,
}

impl Trace {
    /// Runs these words in a folder of their own.
    pub(crate) fn of(place: &Place, words: &str) -> Self {
        Self::read(&place.trained(words))
    }

    pub(crate) fn read(folder: &Path) -> Self {
        let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let (_, metrics) = metrics.split_once('\n').unwrap();
        let lines = metrics.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        Self {
            summary: json(&folder.join("summary.json")),
            updates: lines.filter(|l| l["kind"] == "update").collect(),
            metrics: metrics.to_owned(),
            hash: folder.to_str().unwrap().rsplit('-').next().unwrap().to_owned(),
            folder: folder.to_owned(),
        }
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.summary[key].as_f64().unwrap_or_else(|| panic!("{key} is {}", self.summary[key]))
    }

    pub(crate) fn steps_of_updates(&self) -> Vec<u64> {
        self.updates.iter().map(|u| u["step"].as_u64().unwrap()).collect()
    }

    pub(crate) fn edges(&self) -> Vec<usize> {
        self.updates.iter().map(|u| u["edges"].as_u64().unwrap() as usize).collect()
    }

    /// The lines at the ends of epochs.
    pub(crate) fn epochs(&self) -> Vec<Value> {
        let lines = self.metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["kind"] == "epoch").collect()
    }

    /// What holds for every run with updates: documented fields, sums over layers, what was ever active only grows.
    pub(crate) fn is_consistent(&self) {
        let mut ever = 0.0;
        for update in &self.updates {
            let number = |key: &str| update[key].as_f64().unwrap_or_else(|| panic!("{key} of {update}"));
            for key in ["density_target", "drop_fraction", "returned"] {
                assert!(update[key].is_null() || (0.0..=1.0).contains(&number(key)), "{key} of {update}");
            }
            let layers = update["layers"].as_object().unwrap();
            for key in ["edges", "pruned", "dropped", "grown", "repaired"] {
                let sum: f64 = layers.values().map(|l| l[key].as_f64().unwrap()).sum();
                assert_eq!(sum, number(key), "{key} of {update}");
            }
            let returned: f64 = layers.values().map(|l| l["returned"].as_f64().unwrap()).sum();
            assert_eq!(update["returned"].is_null(), number("dropped") == 0.0, "{update}");
            assert!((update["returned"].as_f64().unwrap_or_default() * number("dropped") - returned).abs() < 1e-9, "{update}");
            assert!(layers.values().all(|l| l["itop"].as_f64() >= l["density"].as_f64()), "{update}");
            assert!((number("density") - number("edges") / WEIGHTS as f64).abs() < 1e-12, "{update}");
            assert_eq!(number("dropped"), number("grown"), "{update}");
            assert!(number("itop") >= ever && number("itop") >= number("density"), "{update}");
            ever = number("itop");
        }
        let last = self.updates.last().unwrap();
        assert_eq!(self.number("updates") as usize, self.updates.len());
        assert_eq!(self.summary["itop"], last["itop"]);
        assert_eq!(self.summary["edges"], last["edges"]);
    }
}
