//! Learning rates.

use er_graphs::error::{Error, Result};
use er_graphs::names::{self, Choice};
use serde::Deserialize;
use std::f64::consts::PI;

use super::{Clock, Length, Span};

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
    /// [`LrPolicy::MultiStep`]: where the rate becomes γ times what it was; what occurs twice counts twice.
    pub milestones: Vec<Span>,
    /// [`LrPolicy::Step`]: from one drop to the next. Steps, and parts of the training, are counted from the start of all training.
    pub every: Span,
    /// [`LrPolicy::Step`]: number of the first epoch, 0 or 1; the rate drops where an epoch's number is a multiple of
    /// [`Self::every`], if that is a whole number of epochs. Edge-popup counts from 1, so its first drop comes an epoch earlier.
    pub first_epoch: u64,
    /// γ of both step policies.
    pub gamma: f64,
    /// Where the rate has risen linearly to the base, before any policy.
    pub warmup: Span,
    /// Epochs of the phase; where the cosine ends.
    pub epochs: u64,
    /// [`LrPolicy::Cosine`]: the rate it falls towards.
    pub floor: f64,
}

impl LearningRate {
    /// The schedule of the random-pruning experiments on CIFAR (Liu et al., ICLR 2022): × 0.1 after half and after three quarters
    /// of `epochs`, rounded down; `multiplier` stretches everything. With 1 epoch there is no drop; in the published program both fall on
    /// its start, so that it never trains at `base`.
    #[must_use]
    pub fn two_drops(base: f64, epochs: u64, multiplier: u64) -> Self {
        Self {
            base,
            policy: LrPolicy::MultiStep,
            milestones: [epochs / 2, epochs * 3 / 4]
                .into_iter()
                .filter(|epoch| *epoch > 0)
                .map(|epoch| Span::epochs(epoch * multiplier))
                .collect(),
            every: Span::epochs(epochs.max(1)),
            first_epoch: 0,
            gamma: 0.1,
            warmup: Span::epochs(0),
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
        if self.policy == LrPolicy::Step && self.every.is_zero() {
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
        if let Span::Epochs(warmup) = self.warmup
            && warmup > self.epochs as f64
        {
            return Err(Error::usage(format!("warm-up of {warmup} epochs is longer than the {} epochs", self.epochs)));
        }
        Ok(())
    }

    /// Rate of the next step of a phase that stands here, before which all training stands at `all`: that of its epoch e, unless
    /// something is given in other units. During a warm-up of W epochs, base·(e + 1)/W, and base·(t + 1)/W in one of W steps; then by
    /// policy, with e counted from the start, except that the cosine floor + ½(1 + cos(π(e − W)/(E − W)))·(base − floor) begins after the
    /// warm-up.
    ///
    /// ```
    /// use er_networks::schedule::{Clock, LearningRate};
    /// let rate = LearningRate::two_drops(0.1, 160, 1);
    /// let of_epoch = |epoch| rate.at(Clock::at_epoch(epoch, 391));
    /// assert_eq!([of_epoch(79), of_epoch(80)], [0.1, 0.1 * 0.1]);
    /// ```
    pub fn at(&self, clock: Clock) -> f64 {
        self.at_phase(clock, clock)
    }

    /// As [`LearningRate::at`] for a phase that is not the first: `all` is where all training stands.
    pub(super) fn at_phase(&self, clock: Clock, all: Clock) -> f64 {
        let length = Length { batches_per_epoch: clock.batches_per_epoch, epochs: self.epochs, multiplier: 1 };
        let epoch = clock.epoch();
        let warmup = self.warmup.steps(length);
        if clock.step < warmup {
            return match self.warmup.whole_epochs() {
                Some(epochs) => self.base * (epoch + 1) as f64 / epochs as f64,
                None => self.base * (clock.step + 1) as f64 / warmup as f64,
            };
        }
        let dropped = |times: u64| self.base * self.gamma.powi(times as i32);
        match self.policy {
            LrPolicy::Constant => self.base,
            LrPolicy::Step => dropped(match self.every.whole_epochs() {
                Some(epochs) => (epoch + self.first_epoch) / epochs,
                None => all.step / self.every.steps(length).max(1),
            }),
            LrPolicy::MultiStep => dropped(self.milestones.iter().filter(|m| m.steps(length) <= clock.step).count() as u64),
            LrPolicy::Cosine => {
                let warmup = warmup as f64 / length.batches_per_epoch as f64;
                let left = 0.5 * (1.0 + (PI * (epoch as f64 - warmup) / (self.epochs as f64 - warmup)).cos());
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

    /// The rate in an epoch, counted from 0.
    fn of(rate: &LearningRate, epoch: u64) -> f64 {
        rate.at(Clock::at_epoch(epoch, 5))
    }

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
                assert!((of(&rate, e) - expected).abs() < 1e-15, "epoch {e} of {epochs}·{multiplier}: {}", of(&rate, e));
            }
        }
        assert_eq!([1, 3].map(|stretch| of(&LearningRate::two_drops(0.1, 1, stretch), stretch - 1)), [0.1, 0.1]);
    }

    #[test]
    fn steps_and_warmup() {
        let rate = LearningRate { every: Span::epochs(30), warmup: Span::epochs(5), ..rate(LrPolicy::Step) };
        let expected = [(0, 0.02), (4, 0.1), (5, 0.1), (29, 0.1), (30, 0.01), (59, 0.01), (60, 0.001), (99, 0.0001)];
        for (epoch, lr) in expected {
            assert!((of(&rate, epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", of(&rate, epoch));
        }
    }

    #[test]
    fn steps_instead_of_epochs() {
        let rate = LearningRate { every: Span::Steps(30_000), gamma: 0.2, warmup: Span::epochs(5), ..rate(LrPolicy::Step) };
        for (epoch, step, lr) in [(4, 1759, 0.1), (5, 1760, 0.1), (85, 29_999, 0.1), (85, 30_000, 0.02), (170, 60_000, 0.004)] {
            let clock = Clock { step, batches_per_epoch: 352 };
            assert_eq!(clock.epoch(), epoch);
            assert!((rate.at(clock) - lr).abs() < 1e-15, "step {step}: {}", rate.at(clock));
        }
        assert!((rate.at(Clock::new(352)) - 0.02).abs() < 1e-15);
    }

    #[test]
    fn milestones_are_where_they_are_asked_for() {
        let milestones = vec![Span::Part(0.5), Span::Part(0.75), Span::Steps(290)];
        let rate = LearningRate { milestones, ..LearningRate::two_drops(1.0, 3, 1) };
        for (step, drops) in [(0, 0), (149, 0), (150, 1), (224, 1), (225, 2), (289, 2), (290, 3), (299, 3)] {
            let got = rate.at(Clock { step, batches_per_epoch: 100 });
            assert!((got - 0.1_f64.powi(drops)).abs() < 1e-15, "step {step}: {got}");
        }
    }

    #[test]
    fn a_warm_up_in_steps_rises_at_each() {
        let rate = LearningRate { warmup: Span::Steps(4), ..rate(LrPolicy::Constant) };
        for (step, lr) in [(0, 0.025), (1, 0.05), (3, 0.1), (4, 0.1), (50, 0.1)] {
            let got = rate.at(Clock { step, batches_per_epoch: 10 });
            assert!((got - lr).abs() < 1e-15, "step {step}: {got}");
        }
    }

    /// As edge-popup counts: × 0.1 every 30 epochs.
    #[test]
    fn epochs_may_count_from_one() {
        let rate = LearningRate { every: Span::epochs(30), first_epoch: 1, ..rate(LrPolicy::Step) };
        for (epoch, lr) in [(0, 0.1), (28, 0.1), (29, 0.01), (58, 0.01), (59, 0.001), (88, 0.001), (89, 0.0001), (99, 0.0001)] {
            assert!((of(&rate, epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", of(&rate, epoch));
        }
    }

    #[test]
    fn the_cosine_ends_at_its_floor() {
        let rate = LearningRate { floor: 0.02, warmup: Span::epochs(20), ..rate(LrPolicy::Cosine) };
        for (epoch, lr) in [(0, 0.005), (19, 0.1), (20, 0.1), (60, 0.06), (100, 0.02)] {
            assert!((of(&rate, epoch) - lr).abs() < 1e-15, "epoch {epoch}: {}", of(&rate, epoch));
        }
        let level = LearningRate { floor: rate.base, ..rate };
        assert!(level.check().is_ok() && of(&level, 99) == level.base);
    }

    #[test]
    fn impossible_schedules_are_refused() {
        let good = rate(LrPolicy::Step);
        assert!(good.check().is_ok());
        for bad in [
            LearningRate { base: 0.0, ..good.clone() },
            LearningRate { base: f64::NAN, ..good.clone() },
            LearningRate { gamma: -0.1, ..good.clone() },
            LearningRate { every: Span::epochs(0), ..good.clone() },
            LearningRate { every: Span::Steps(0), ..good.clone() },
            LearningRate { warmup: Span::epochs(101), ..good.clone() },
            LearningRate { epochs: 0, ..good.clone() },
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
