//! Learning rates.

use crate::error::{Error, Result};
use crate::names::{self, Choice};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LrPolicy {
    /// Multiplied by γ every so many epochs.
    Step,
    /// Multiplied by γ at each milestone.
    MultiStep,
    /// Half a cosine from the base down; never exactly 0.
    Cosine,
    /// Stays.
    Constant,
}

impl LrPolicy {
    /// All policies with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::MultiStep, name: "multistep", aliases: &[], about: "multiplied by gamma at each milestone" },
        Choice { value: Self::Step, name: "step", aliases: &[], about: "multiplied by gamma every so many epochs" },
        Choice { value: Self::Cosine, name: "cosine", aliases: &["cosine_lr"], about: "half a cosine down to almost 0" },
        Choice { value: Self::Constant, name: "constant", aliases: &["constant_lr"], about: "the same all the time" },
    ];
}

names::named!(LrPolicy, "learning rate policy");

/// The learning rate of every epoch, as a pure function.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRate {
    /// Rate after the warm-up.
    pub base: f64,
    /// How it falls.
    pub policy: LrPolicy,
    /// [`LrPolicy::MultiStep`]: epochs (0-based) from which on the rate is γ times what it was; one that occurs twice counts
    /// twice.
    pub milestones: Vec<usize>,
    /// [`LrPolicy::Step`]: epochs between two drops.
    pub step_epochs: usize,
    /// [`LrPolicy::Step`]: number of the first epoch, 0 or 1; the rate drops where an epoch's number is a multiple of
    /// [`Self::step_epochs`]. Edge-popup counts from 1, so its first drop comes an epoch earlier.
    pub first_epoch: usize,
    /// [`LrPolicy::Step`]: steps between two drops instead.
    pub step_steps: Option<u64>,
    /// γ of both step policies.
    pub gamma: f64,
    /// Epochs in which the rate rises linearly to the base, before any policy.
    pub warmup_epochs: usize,
    /// Epochs of one cycle; where the cosine ends.
    pub epochs: usize,
    /// How often the schedule runs, warm-up included, one time after the other.
    pub cycles: usize,
}

impl LearningRate {
    /// The schedule of the random-pruning experiments on CIFAR (Liu et al., ICLR 2022): × 0.1 after half and after three quarters
    /// of `epochs`, rounded down; `multiplier` stretches everything. With 1 epoch both drops fall on its start, as they do in the
    /// published program.
    #[must_use]
    pub fn two_drops(base: f64, epochs: usize, multiplier: usize) -> Self {
        Self {
            base,
            policy: LrPolicy::MultiStep,
            milestones: vec![epochs / 2 * multiplier, epochs * 3 / 4 * multiplier],
            step_epochs: epochs.max(1),
            first_epoch: 0,
            step_steps: None,
            gamma: 0.1,
            warmup_epochs: 0,
            epochs: epochs * multiplier,
            cycles: 1,
        }
    }

    /// Epochs of the whole training: those of all cycles.
    pub fn total_epochs(&self) -> usize {
        self.epochs * self.cycles
    }

    /// Refuses what [`LearningRate::at`] cannot compute.
    ///
    /// # Errors
    /// A usage error that names the offending value.
    pub fn check(&self) -> Result<()> {
        if !(self.base.is_finite() && self.base > 0.0) {
            return Err(Error::usage(format!("learning rate must be above 0, got {}", self.base)));
        }
        if !(self.gamma.is_finite() && self.gamma > 0.0) {
            return Err(Error::usage(format!("learning rate factor gamma must be above 0, got {}", self.gamma)));
        }
        if self.policy == LrPolicy::Step && (self.step_epochs == 0 || self.step_steps == Some(0)) {
            return Err(Error::usage("learning rate policy step needs at least 1 epoch or step between drops, got 0"));
        }
        if self.total_epochs() == 0 {
            return Err(Error::usage("learning rate needs at least 1 epoch and 1 cycle, got 0"));
        }
        if self.warmup_epochs > self.epochs {
            return Err(Error::usage(format!(
                "warm-up of {} epochs is longer than the {} epochs",
                self.warmup_epochs, self.epochs
            )));
        }
        Ok(())
    }

    /// Rate at a step (counted from 0) of an epoch (counted from 0 and below [`LearningRate::total_epochs`]): that of the epoch,
    /// unless the policy counts steps. These are counted from the start of training, warm-up and earlier cycles included.
    pub fn at_step(&self, epoch: usize, step: u64) -> f64 {
        match self.step_steps {
            Some(steps) if self.policy == LrPolicy::Step && epoch % self.epochs >= self.warmup_epochs => {
                self.base * self.gamma.powi((step / steps) as i32)
            }
            _ => self.at(epoch),
        }
    }

    /// Rate in an epoch, counted from 0 and below [`LearningRate::total_epochs`]; every cycle is as the first. During the first W
    /// warm-up epochs, base·(e + 1)/W; then by policy, with e counted from the start of the cycle, except that the cosine
    /// ½(1 + cos(π(e − W)/(E − W))) begins after the warm-up.
    ///
    /// # Panics
    /// If there are no epochs, which [`LearningRate::check`] refuses.
    ///
    /// ```
    /// let rate = shared::schedule::LearningRate::two_drops(0.1, 160, 1);
    /// assert_eq!([rate.at(79), rate.at(80)], [0.1, 0.1 * 0.1]);
    /// ```
    pub fn at(&self, epoch: usize) -> f64 {
        let (epoch, warmup) = (epoch % self.epochs, self.warmup_epochs);
        if epoch < warmup {
            return self.base * (epoch + 1) as f64 / warmup as f64;
        }
        self.base
            * match self.policy {
                LrPolicy::Constant => 1.0,
                LrPolicy::Step => self.gamma.powi(((epoch + self.first_epoch) / self.step_epochs) as i32),
                LrPolicy::MultiStep => self.gamma.powi(self.milestones.iter().filter(|m| **m <= epoch).count() as i32),
                LrPolicy::Cosine => 0.5 * (1.0 + (PI * (epoch - warmup) as f64 / (self.epochs as f64 - warmup as f64)).cos()),
            }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the same formula gives the same bits")]

    use super::*;

    fn rate(policy: LrPolicy) -> LearningRate {
        LearningRate { policy, ..LearningRate::two_drops(0.1, 100, 1) }
    }

    #[test]
    fn two_drops_fall_where_the_published_program_puts_them() {
        for (epochs, multiplier, first, second) in [(160, 1, 80, 120), (160, 2, 160, 240), (250, 1, 125, 187), (7, 3, 9, 15)] {
            let rate = LearningRate::two_drops(0.1, epochs, multiplier);
            assert_eq!(rate.epochs, epochs * multiplier);
            for e in 0..rate.epochs {
                let expected = if e < first {
                    0.1
                } else if e < second {
                    0.01
                } else {
                    0.001
                };
                assert!((rate.at(e) - expected).abs() < 1e-15, "epoch {e} of {epochs}·{multiplier}: {}", rate.at(e));
            }
        }
        assert!((LearningRate::two_drops(0.1, 1, 1).at(0) - 0.001).abs() < 1e-15);
    }

    #[test]
    fn steps_and_warmup() {
        let rate = LearningRate { step_epochs: 30, warmup_epochs: 5, ..rate(LrPolicy::Step) };
        let expected = [(0, 0.02), (4, 0.1), (5, 0.1), (29, 0.1), (30, 0.01), (59, 0.01), (60, 0.001), (99, 0.0001)];
        for (epoch, lr) in expected {
            assert!((rate.at(epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", rate.at(epoch));
        }
    }

    #[test]
    fn steps_instead_of_epochs() {
        let rate = LearningRate { step_steps: Some(30_000), gamma: 0.2, warmup_epochs: 5, ..rate(LrPolicy::Step) };
        for (epoch, step, lr) in [(4, 1759, 0.1), (5, 1760, 0.1), (85, 29_999, 0.1), (85, 30_000, 0.02), (99, 60_000, 0.004)] {
            assert!((rate.at_step(epoch, step) - lr).abs() < 1e-15, "step {step}: {}", rate.at_step(epoch, step));
        }
        assert!((rate.at_step(0, 0) - 0.02).abs() < 1e-15);
        let epochs = LearningRate { step_steps: None, ..rate };
        assert!((epochs.at_step(7, 12_345) - epochs.at(7)).abs() < 1e-15);
    }

    /// The schedule of edge-popup: × 0.1 every 30 epochs, counted from 1 in each level.
    #[test]
    fn cycles_begin_anew_and_may_count_from_one() {
        let rate = LearningRate { step_epochs: 30, first_epoch: 1, epochs: 100, cycles: 5, ..rate(LrPolicy::Step) };
        assert_eq!(rate.total_epochs(), 500);
        for level in 0..5 {
            for (epoch, lr) in [(0, 0.1), (28, 0.1), (29, 0.01), (58, 0.01), (59, 0.001), (88, 0.001), (89, 0.0001), (99, 0.0001)]
            {
                let got = rate.at(100 * level + epoch);
                assert!((got - lr).abs() < 1e-15, "level {level}, epoch {epoch}: {got}");
            }
        }
        for policy in LrPolicy::CHOICES.iter().map(|c| c.value) {
            let once = LearningRate { policy, warmup_epochs: 5, cycles: 1, ..rate.clone() };
            let twice = LearningRate { cycles: 2, ..once.clone() };
            assert!((0..100).all(|e| once.at(e) == twice.at(e) && once.at(e) == twice.at(e + 100)), "{policy}");
        }
        // Steps go on counting.
        let steps = LearningRate { step_steps: Some(1000), warmup_epochs: 5, ..rate };
        assert!((steps.at_step(105, 2100) - 0.001).abs() < 1e-15 && steps.at_step(100, 2000) == steps.at(0));
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let good = rate(LrPolicy::Step);
        assert!(good.check().is_ok());
        for bad in [
            LearningRate { base: 0.0, ..good.clone() },
            LearningRate { base: f64::NAN, ..good.clone() },
            LearningRate { gamma: -0.1, ..good.clone() },
            LearningRate { step_epochs: 0, ..good.clone() },
            LearningRate { step_steps: Some(0), ..good.clone() },
            LearningRate { warmup_epochs: 101, ..good.clone() },
            LearningRate { epochs: 0, warmup_epochs: 0, ..good.clone() },
            LearningRate { cycles: 0, ..good.clone() },
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), crate::error::Kind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn policies_have_names() {
        for choice in LrPolicy::CHOICES {
            assert_eq!(choice.value.to_string(), choice.name);
            assert_eq!(choice.name.parse::<LrPolicy>().unwrap(), choice.value);
        }
        assert_eq!("cosine_lr".parse::<LrPolicy>().unwrap(), LrPolicy::Cosine);
        assert!("cosin".parse::<LrPolicy>().unwrap_err().to_string().contains("did you mean \"cosine\""));
    }
}
