//! What ran, where, when, and how it ended.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::Backend;
use er_engine::Isa;

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A process is at it, or was when it died.
    Running,
    /// Request to stop; saved.
    Interrupted,
    /// Done.
    Finished,
    /// Stopped by an error.
    Failed,
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the program.
    pub program: String,
    /// Its version.
    pub version: String,
    /// Revision of its source, where the build found one.
    pub revision: Option<String>,
    /// The words of the command line of the latest session.
    pub command: Vec<String>,
    /// Hash of the options that decide the result.
    pub config_hash: String,
    /// Machine of the latest session.
    pub device: Machine,
    /// Start of the first session, UTC.
    pub started: String,
    /// Start of the latest session, UTC.
    pub resumed: Option<String>,
    /// End of the latest session, UTC; none while it runs.
    pub ended: Option<String>,
    /// State.
    pub status: Status,
    /// What stopped it.
    pub error: Option<String>,
    /// What its options do not say of themselves.
    #[serde(flatten)]
    pub scope: Scope,
}

/// How long a training is, and which of its options decide the result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Steps of the whole training; none in manifests of versions that did not say so.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Long names of the options that only say how and where to run; none in manifests of versions that did not say so.
    #[serde(default)]
    pub running_options: Option<Vec<String>>,
    /// SHA-256 of what decides the result in files, by the long name of the option that names the file.
    #[serde(default)]
    pub contents: BTreeMap<String, String>,
}

/// What a run is computed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What computes, as [`Backend`] is written; sparse in manifests from before there was a choice.
    #[serde(default = "sparse")]
    pub engine: String,
    /// Model name of the processor.
    pub cpu: String,
    /// Threads in use.
    pub threads: usize,
    /// Vector instructions in use.
    pub isa: String,
}

impl Machine {
    /// This machine, with this engine on it.
    pub fn this(threads: usize, backend: Backend) -> Self {
        Self { engine: backend.to_string(), cpu: cpu_name(), threads, isa: Isa::detect().name().to_owned() }
    }
}

fn sparse() -> String {
    Backend::Sparse.to_string()
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

/// Now, as `2024-02-29T12:34:56Z`.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    utc(seconds)
}

/// Seconds since 1970 as a date in the Gregorian calendar (days are counted from 1 March of year 0, so that leap days come last).
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let (month, day) = (if shifted < 10 { shifted + 3 } else { shifted - 9 }, day - (153 * shifted + 2) / 5 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }

    #[test]
    fn this_machine_has_a_name() {
        let device = Machine::this(3, Backend::Dense(er_engine::Device::Cuda(1)));
        assert!(!device.cpu.is_empty() && !device.isa.is_empty() && device.threads == 3);
        assert_eq!(device.engine, "dense on cuda:1");
    }

    #[test]
    fn manifests_from_before_there_was_a_choice_are_of_the_sparse_engine() {
        let device: Machine = serde_json::from_str(r#"{"cpu": "some", "threads": 2, "isa": "avx2"}"#).unwrap();
        assert_eq!((device.engine.as_str(), device.threads), ("sparse", 2));
    }

    #[test]
    fn earlier_manifests_say_nothing_of_steps_and_options() {
        let scope: Scope = serde_json::from_str("{}").unwrap();
        assert_eq!(scope, Scope::default());
    }
}
