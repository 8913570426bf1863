//! Where a training stands.

use serde::{Deserialize, Serialize};

/// Where a training stands: how many steps it has made. Everything else (epoch, place in it, level, phase) follows from that and from the
/// number of steps an epoch has, so that no two counts can disagree.
///
/// ```
/// use er_networks::schedule::Clock;
/// let clock = Clock { step: 250, batches_per_epoch: 100 };
/// assert_eq!((clock.epoch(), clock.batch(), clock.epochs_begun()), (2, 50, 3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Steps made.
    pub step: u64,
    /// Steps of an epoch; 0 while that is not known.
    #[serde(default)]
    pub batches_per_epoch: u64,
}

impl Clock {
    /// The beginning of a training.
    #[must_use]
    pub fn new(batches_per_epoch: u64) -> Self {
        Self { step: 0, batches_per_epoch }
    }

    /// The beginning of this epoch, counted from 0.
    #[must_use]
    pub fn at_epoch(epoch: u64, batches_per_epoch: u64) -> Self {
        Self { step: epoch * batches_per_epoch, batches_per_epoch }
    }

    /// Epochs completed: the number, from 0, of the epoch that the next step belongs to.
    #[must_use]
    pub fn epoch(self) -> u64 {
        self.step.checked_div(self.batches_per_epoch).unwrap_or_default()
    }

    /// Steps made in that epoch.
    #[must_use]
    pub fn batch(self) -> u64 {
        self.step - self.epoch() * self.batches_per_epoch
    }

    /// Epochs begun: the number, from 1, of the epoch that the latest step belongs to.
    #[must_use]
    pub fn epochs_begun(self) -> u64 {
        self.epoch() + u64::from(self.batch() > 0)
    }

    /// A step later.
    #[must_use]
    pub fn next(self) -> Self {
        Self { step: self.step + 1, ..self }
    }

    /// The same epoch where an epoch has another number of steps: what was made of an unfinished one begins again. Where the number was not
    /// known, the steps count.
    #[must_use]
    pub fn with_batches(self, batches_per_epoch: u64) -> Self {
        match self.batches_per_epoch {
            0 => Self { batches_per_epoch, ..self },
            same if same == batches_per_epoch => self,
            _ => Self::at_epoch(self.epoch(), batches_per_epoch),
        }
    }
}

/// How long a training is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Steps of an epoch.
    pub batches_per_epoch: u64,
    /// Epochs, stretched by the multiplier.
    pub epochs: u64,
    /// The multiplier, which stretches everything that is counted in epochs or in parts of the training.
    pub multiplier: u64,
}

impl Length {
    /// Steps of the whole training.
    #[must_use]
    pub fn steps(self) -> u64 {
        self.batches_per_epoch * self.epochs
    }
}
