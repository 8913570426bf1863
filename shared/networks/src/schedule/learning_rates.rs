//! Learning rates of a training in phases.

use super::LearningRate;
use er_graphs::error::{Error, Result};

/// The learning rates of phases of training, one after the other; each begins anew, warm-up included.
///
/// ```
/// use er_networks::schedule::{LearningRate, LearningRates};
/// let level = LearningRate::two_drops(0.1, 100, 1);
/// let rates = LearningRates(vec![level.clone(), level]);
/// assert_eq!((rates.total_epochs(), rates.at(100)), (200, 0.1));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRates(pub Vec<LearningRate>);

impl From<LearningRate> for LearningRates {
    fn from(only: LearningRate) -> Self {
        Self(vec![only])
    }
}

impl LearningRates {
    /// Epochs of the whole training: those of all phases.
    pub fn total_epochs(&self) -> usize {
        self.0.iter().map(|phase| phase.epochs).sum()
    }

    /// Refuses what [`LearningRates::at`] cannot compute.
    ///
    /// # Errors
    /// A usage error that names the first offending value, or says that there are no phases.
    pub fn check(&self) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::usage("learning rates need at least 1 phase, got 0"));
        }
        self.0.iter().try_for_each(LearningRate::check)
    }

    /// Rate at a step (counted from 0) of an epoch (counted from 0 and below [`LearningRates::total_epochs`]): that of the epoch,
    /// unless the policy counts steps. These are counted from the start of training, warm-up and earlier phases included.
    ///
    /// # Panics
    /// As [`LearningRates::at`].
    pub fn at_step(&self, epoch: usize, step: u64) -> f64 {
        let (phase, epoch) = self.phase(epoch);
        phase.at_step(epoch, step)
    }

    /// Rate in an epoch, counted from 0 and below [`LearningRates::total_epochs`].
    ///
    /// # Panics
    /// If the epoch comes after the last.
    pub fn at(&self, epoch: usize) -> f64 {
        let (phase, epoch) = self.phase(epoch);
        phase.at(epoch)
    }

    /// The phase of an epoch, and which of its epochs it is.
    fn phase(&self, epoch: usize) -> (&LearningRate, usize) {
        let mut left = epoch;
        for phase in &self.0 {
            if left < phase.epochs {
                return (phase, left);
            }
            left -= phase.epochs;
        }
        panic!("epoch {epoch} of {}, counted from 0", self.total_epochs())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the same formula gives the same bits")]

    use super::*;
    use crate::schedule::LrPolicy;

    fn phase(policy: LrPolicy, base: f64, epochs: usize) -> LearningRate {
        LearningRate { policy, warmup_epochs: 5, step_epochs: 30, ..LearningRate::two_drops(base, epochs, 1) }
    }

    #[test]
    fn phases_begin_anew() {
        let phases =
            [phase(LrPolicy::Cosine, 0.1, 100), phase(LrPolicy::MultiStep, 0.2, 10), phase(LrPolicy::EfficientNet, 0.3, 40)];
        let rates = LearningRates(phases.to_vec());
        assert_eq!(rates.total_epochs(), 150);
        let mut epoch = 0;
        for phase in &phases {
            for e in 0..phase.epochs {
                assert_eq!([rates.at(epoch), rates.at_step(epoch, 7)], [phase.at(e); 2], "epoch {epoch}");
                epoch += 1;
            }
        }
        assert_eq!(LearningRates::from(phases[0].clone()), LearningRates(vec![phases[0].clone()]));
    }

    #[test]
    fn steps_go_on_counting() {
        let steps = LearningRate { step_steps: Some(1000), ..phase(LrPolicy::Step, 0.1, 100) };
        let rates = LearningRates(vec![steps; 2]);
        assert!((rates.at_step(105, 2100) - 0.001).abs() < 1e-15 && rates.at_step(100, 2000) == rates.at(0));
    }

    #[test]
    #[should_panic = "epoch 20 of 20"]
    fn there_is_no_rate_after_the_end() {
        LearningRates(vec![phase(LrPolicy::Constant, 0.1, 10); 2]).at(20);
    }

    #[test]
    fn every_phase_is_checked() {
        let (good, bad) = (phase(LrPolicy::Constant, 0.1, 10), phase(LrPolicy::Constant, 0.0, 10));
        assert!(LearningRates::from(good.clone()).check().is_ok());
        for bad in [vec![], vec![bad.clone()], vec![good, bad]] {
            assert_eq!(LearningRates(bad).check().unwrap_err().kind(), er_graphs::error::Kind::Usage);
        }
    }
}
