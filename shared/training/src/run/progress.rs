//! How far a run has come: together with the engine's state, all that a resumed run needs.

use er_networks::schedule::Clock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use er_engine::Outcome;

/// Losses and hits added up since some moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// Sum of the samples' losses.
    pub loss: f64,
    /// Samples classified correctly.
    pub correct: usize,
    /// Samples whose class is among the five likeliest; 0 in checkpoints of versions that did not count them.
    #[serde(default)]
    pub correct_5: usize,
    /// Samples.
    pub samples: usize,
}

impl Sums {
    /// Adds a pass over a batch.
    pub fn add(&mut self, outcome: Outcome) {
        self.loss += outcome.loss_sum;
        self.correct += outcome.correct;
        self.correct_5 += outcome.correct_5;
        self.samples += outcome.samples;
    }

    /// Mean loss; none without samples.
    pub fn mean_loss(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.loss / self.samples as f64)
    }

    /// Fraction of samples classified correctly; none without samples.
    pub fn accuracy(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.correct as f64 / self.samples as f64)
    }

    /// Fraction of samples whose class is among the five likeliest; none without samples.
    pub fn accuracy_5(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.correct_5 as f64 / self.samples as f64)
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epoch, from 1.
    pub epoch: u64,
    /// Its accuracy on the validation set, as a fraction.
    pub accuracy: f64,
    /// Its top-5 accuracy there; none in checkpoints of versions that did not count it.
    pub accuracy_5: Option<f64>,
}

/// The network of another run that this one went on from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TakenOver {
    /// Its file, as it was named.
    pub file: String,
    /// Where this run took it up.
    pub step: u64,
    /// What the summary says of it, in place of what options ask for.
    pub facts: Map<String, Value>,
}

/// Where a run stands and what it has to remember of the way there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps made, of how many an epoch: everything else about the position follows.
    #[serde(flatten)]
    pub clock: Clock,
    /// Since the last line of metrics.
    pub interval: Sums,
    /// Since the epoch began; the whole epoch right after it.
    pub train: Sums,
    /// Latest evaluation on the validation set.
    pub validation: Sums,
    /// The best epoch so far; none before the first evaluation.
    pub best: Option<Best>,
    /// Where the run came from, if not from a network of its own.
    #[serde(default)]
    pub taken_over: Option<TakenOver>,
}

impl Progress {
    /// The beginning of a run whose epochs have this many steps.
    pub fn new(batches_per_epoch: u64) -> Self {
        Self { clock: Clock::new(batches_per_epoch), ..Self::default() }
    }
}
