//! Learning rates of a training in phases.

use super::{Clock, LearningRate, Length, LrPolicy, Span};
use er_graphs::error::{Error, Result};

/// Most epochs of a training, so that no number of steps overflows.
const MOST_EPOCHS: u64 = 1_000_000_000_000;

/// The learning rates of phases of training, one after the other; each begins anew, warm-up included.
///
/// ```
/// use er_networks::schedule::{Clock, LearningRate, LearningRates};
/// let level = LearningRate::two_drops(0.1, 100, 1);
/// let rates = LearningRates(vec![level.clone(), level]);
/// assert_eq!((rates.total_epochs(), rates.at(Clock::at_epoch(100, 391))), (200, 0.1));
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
    pub fn total_epochs(&self) -> u64 {
        self.0.iter().map(|phase| phase.epochs).sum()
    }

    /// Refuses what [`LearningRates::at`] cannot compute.
    ///
    /// # Errors
    /// A usage error that names the first offending value, or says that there are no phases or that they are too long to count
    /// their steps.
    pub fn check(&self) -> Result<()> {
        if self.0.is_empty() {
            return Err(Error::usage("learning rates need at least 1 phase, got 0"));
        }
        let epochs = self.0.iter().fold(0_u128, |sum, phase| sum + u128::from(phase.epochs));
        if epochs > u128::from(MOST_EPOCHS) {
            let what = format!("a training of {epochs} epochs: steps are counted for up to {MOST_EPOCHS}");
            return Err(Error::usage(what).help("lower --epochs or --multiplier, or train in fewer levels"));
        }
        self.0.iter().try_for_each(LearningRate::check)
    }

    /// Refuses milestones that epochs of this many steps do not reach, or that come before the first of them.
    ///
    /// # Errors
    /// A usage error that names the milestone.
    pub fn check_length(&self, batches_per_epoch: u64) -> Result<()> {
        for phase in &self.0 {
            let length = Length { batches_per_epoch, epochs: phase.epochs, multiplier: 1 };
            let early = |m: &&Span| phase.policy == LrPolicy::MultiStep && m.steps(length) == 0;
            if let Some(early) = phase.milestones.iter().find(early) {
                let what =
                    format!("--lr-milestones: {early} of {} steps is before the first: no step would have --lr", length.steps());
                return Err(Error::usage(what).help("give places in the training: epochs from 0, steps (2000it) or parts (0.75)"));
            }
            let late = |m: &&Span| phase.policy == LrPolicy::MultiStep && m.steps(length) >= length.steps();
            if let Some(late) = phase.milestones.iter().find(late) {
                let what = format!("--lr-milestones: {late} is not before the end of training, after {} steps", length.steps());
                return Err(Error::usage(what).help("give places in the training: epochs from 0, steps (2000it) or parts (0.75)"));
            }
        }
        Ok(())
    }

    /// Rate of the next step of a training that stands here. Steps of [`LearningRate::every`] are counted from the start of training, warm-up
    /// and earlier phases included.
    ///
    /// # Panics
    /// If the training has no epoch left.
    pub fn at(&self, clock: Clock) -> f64 {
        let mut left = clock;
        for phase in &self.0 {
            if left.epoch() < phase.epochs {
                return phase.at_phase(left, clock);
            }
            left.step -= phase.epochs * clock.batches_per_epoch;
        }
        panic!("epoch {} of {}, counted from 0", clock.epoch(), self.total_epochs())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the same formula gives the same bits")]

    use super::*;

    fn phase(policy: LrPolicy, base: f64, epochs: u64) -> LearningRate {
        LearningRate { policy, warmup: Span::epochs(5), every: Span::epochs(30), ..LearningRate::two_drops(base, epochs, 1) }
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
                for batch in [0, 6] {
                    let [all, own] = [epoch, e].map(|e| Clock { step: 7 * e + batch, batches_per_epoch: 7 });
                    assert_eq!(rates.at(all), phase.at(own), "epoch {epoch}");
                }
                epoch += 1;
            }
        }
        assert_eq!(LearningRates::from(phases[0].clone()), LearningRates(vec![phases[0].clone()]));
    }

    #[test]
    fn steps_go_on_counting() {
        let steps = LearningRate { every: Span::Steps(1000), ..phase(LrPolicy::Step, 0.1, 100) };
        let rates = LearningRates(vec![steps; 2]);
        let at = |epoch| rates.at(Clock::at_epoch(epoch, 20));
        assert!((at(105) - 0.001).abs() < 1e-15 && at(100) == at(0));
    }

    #[test]
    #[should_panic = "epoch 20 of 20"]
    fn there_is_no_rate_after_the_end() {
        LearningRates(vec![phase(LrPolicy::Constant, 0.1, 10); 2]).at(Clock::at_epoch(20, 3));
    }

    #[test]
    fn trainings_that_cannot_be_counted_are_refused() {
        let one = phase(LrPolicy::Constant, 0.1, 10);
        let of = |epochs, phases| LearningRates(vec![LearningRate { epochs, ..one.clone() }; phases]).check();
        assert!(of(MOST_EPOCHS, 1).is_ok() && of(MOST_EPOCHS / 2, 2).is_ok());
        for (epochs, phases) in [(MOST_EPOCHS + 1, 1), (MOST_EPOCHS / 2 + 1, 2), (u64::MAX, 3)] {
            let error = of(epochs, phases).unwrap_err();
            assert!(error.what().ends_with("steps are counted for up to 1000000000000"), "{error}");
        }
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
