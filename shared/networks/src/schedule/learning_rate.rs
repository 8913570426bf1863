//! Learning rates.

use er_graphs::error::{Error, Result};
use er_graphs::names::{self, Choice};
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
    /// Half a cosine from the base down; never quite at the floor.
    Cosine,
    /// Stays.
    Constant,
    /// Multiplied by 0.97 every 2.4 epochs, continuously, as in the training of EfficientNet.
    EfficientNet,
}

impl LrPolicy {
    /// All policies with their names. The published programs of STR and edge-popup call `step` multistep_lr; what is `multistep`
    /// here has milestones.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::MultiStep, name: "multistep", aliases: &[], about: "multiplied by gamma at each milestone" },
        Choice { value: Self::Step, name: "step", aliases: &["multistep_lr"], about: "multiplied by gamma every so many epochs" },
        Choice { value: Self::Cosine, name: "cosine", aliases: &["cosine_lr"], about: "half a cosine down to almost 0" },
        Choice { value: Self::Constant, name: "constant", aliases: &["constant_lr"], about: "the same all the time" },
        Choice {
            value: Self::EfficientNet,
            name: "efficientnet",
            aliases: &["efficientnet_lr"],
            about: "multiplied by 0.97 every 2.4 epochs",
        },
    ];
}

names::named!(LrPolicy, "learning rate policy");

/// The learning rate of every epoch of one phase of training, as a pure function.
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
    /// Epochs of the phase; where the cosine ends.
    pub epochs: usize,
    /// [`LrPolicy::Cosine`]: the rate it falls towards.
    pub floor: f64,
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
            floor: 0.0,
        }
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
        if !(0.0..=self.base).contains(&self.floor) {
            return Err(Error::usage(format!(
                "lowest learning rate must be between 0 and the learning rate {}, got {}",
                self.base, self.floor
            )));
        }
        if self.epochs == 0 {
            return Err(Error::usage("learning rate needs at least 1 epoch, got 0"));
        }
        if self.warmup_epochs > self.epochs {
            return Err(Error::usage(format!(
                "warm-up of {} epochs is longer than the {} epochs",
                self.warmup_epochs, self.epochs
            )));
        }
        Ok(())
    }

    /// Rate at a step (counted from 0 and from the start of all training) of an epoch (counted from 0): that of the epoch, unless
    /// the policy counts steps.
    pub fn at_step(&self, epoch: usize, step: u64) -> f64 {
        match self.step_steps {
            Some(steps) if self.policy == LrPolicy::Step && epoch >= self.warmup_epochs => {
                self.base * self.gamma.powi((step / steps) as i32)
            }
            _ => self.at(epoch),
        }
    }

    /// Rate in an epoch, counted from 0. During the first W warm-up epochs, base·(e + 1)/W; then by policy, with e counted from the
    /// start, except that the cosine floor + ½(1 + cos(π(e − W)/(E − W)))·(base − floor) begins after the warm-up.
    ///
    /// ```
    /// let rate = er_networks::schedule::LearningRate::two_drops(0.1, 160, 1);
    /// assert_eq!([rate.at(79), rate.at(80)], [0.1, 0.1 * 0.1]);
    /// ```
    pub fn at(&self, epoch: usize) -> f64 {
        let warmup = self.warmup_epochs;
        if epoch < warmup {
            return self.base * (epoch + 1) as f64 / warmup as f64;
        }
        match self.policy {
            LrPolicy::Constant => self.base,
            LrPolicy::Step => self.base * self.gamma.powi(((epoch + self.first_epoch) / self.step_epochs) as i32),
            LrPolicy::MultiStep => self.base * self.gamma.powi(self.milestones.iter().filter(|m| **m <= epoch).count() as i32),
            LrPolicy::Cosine => {
                let left = 0.5 * (1.0 + (PI * (epoch - warmup) as f64 / (self.epochs as f64 - warmup as f64)).cos());
                self.floor + (self.base - self.floor) * left
            }
            LrPolicy::EfficientNet => self.base * 0.97_f64.powf(epoch as f64 / 2.4),
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

    /// As edge-popup counts: × 0.1 every 30 epochs.
    #[test]
    fn epochs_may_count_from_one() {
        let rate = LearningRate { step_epochs: 30, first_epoch: 1, ..rate(LrPolicy::Step) };
        for (epoch, lr) in [(0, 0.1), (28, 0.1), (29, 0.01), (58, 0.01), (59, 0.001), (88, 0.001), (89, 0.0001), (99, 0.0001)] {
            assert!((rate.at(epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", rate.at(epoch));
        }
    }

    #[test]
    fn the_cosine_ends_at_its_floor() {
        let rate = LearningRate { floor: 0.02, warmup_epochs: 20, ..rate(LrPolicy::Cosine) };
        for (epoch, lr) in [(0, 0.005), (19, 0.1), (20, 0.1), (60, 0.06), (100, 0.02)] {
            assert!((rate.at(epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", rate.at(epoch));
        }
        let level = LearningRate { floor: rate.base, ..rate };
        assert!(level.check().is_ok() && level.at(99) == level.base);
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
            LearningRate { floor: -0.01, ..good.clone() },
            LearningRate { floor: f64::NAN, ..good.clone() },
            LearningRate { floor: 0.11, ..good.clone() },
        ] {
            assert_eq!(bad.check().unwrap_err().kind(), er_graphs::error::Kind::Usage, "{bad:?}");
        }
    }

    #[test]
    fn policies_have_names() {
        for choice in LrPolicy::CHOICES {
            assert_eq!(choice.value.to_string(), choice.name);
            assert_eq!(choice.name.parse::<LrPolicy>().unwrap(), choice.value);
        }
        assert_eq!("cosine_lr".parse::<LrPolicy>().unwrap(), LrPolicy::Cosine);
        assert_eq!("multistep_lr".parse::<LrPolicy>().unwrap(), LrPolicy::Step);
        assert!("cosin".parse::<LrPolicy>().unwrap_err().to_string().contains("did you mean \"cosine\""));
    }
}
