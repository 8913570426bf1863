//! Options about training.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;

use crate::config::{Checks, values};
use er_engine::Optimizer;
use er_networks::schedule::{EpochSpan, LearningRate, LrPolicy, Span};
use er_training::run::StartPoint;

/// How parameters move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam.
    Adam,
}

/// How to train.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Training")]
#[serde(rename_all = "kebab-case")]
pub struct TrainingOptions {
    /// Seed of all random decisions
    #[arg(long, default_value = "17", value_parser = values::seed)]
    pub seed: u64,
    /// Passes over the training images
    #[arg(long, default_value = "160", value_parser = values::count)]
    pub epochs: usize,
    /// Stop after this many steps
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub max_steps: Option<usize>,
    /// Images per training step
    #[arg(long, default_value = "128", value_parser = values::count)]
    pub batch_size: usize,
    /// Images per evaluation step
    #[arg(long, default_value = "100", value_parser = values::count)]
    pub test_batch_size: usize,
    /// Learning rate
    #[arg(long, default_value = "0.1", value_parser = values::positive)]
    pub lr: f64,
    /// How the learning rate falls: multistep, step, cosine, constant or efficientnet
    #[arg(long, default_value = "multistep", value_parser = values::parsed::<LrPolicy>, value_name = "NAME")]
    pub lr_policy: LrPolicy,
    /// Where multistep multiplies the rate by gamma, separated by commas: epochs counted from 0 (80), steps (2000it) or parts of the
    /// training (0.5) [default: half and three quarters of the epochs, rounded down]
    #[arg(long, value_delimiter = ',', value_parser = values::parsed::<EpochSpan>, value_name = "SPANS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lr_milestones: Vec<EpochSpan>,
    /// How long it takes until step multiplies the rate by gamma, again and again: epochs, steps (2000it) or a part of the training
    /// (0.25)
    #[arg(long, default_value = "30", value_parser = values::some_span::<EpochSpan>, value_name = "SPAN")]
    pub lr_step_epochs: EpochSpan,
    /// Steps after which step multiplies the rate by gamma, instead of epochs
    #[arg(long, value_parser = values::count, value_name = "STEPS")]
    pub decay_frequency: Option<usize>,
    /// Gamma of multistep and step
    #[arg(long, default_value = "0.1", value_parser = values::positive, value_name = "GAMMA")]
    pub lr_gamma: f64,
    /// How long the rate rises to --lr: epochs, steps (500it) or a part of the training (0.05)
    #[arg(long, default_value = "0", value_parser = values::parsed::<EpochSpan>, value_name = "SPAN")]
    pub warmup_epochs: EpochSpan,
    /// How parameters move
    #[arg(long, default_value = "sgd", ignore_case = true, value_name = "NAME")]
    pub optimizer: OptimizerName,
    /// Momentum of sgd
    #[arg(long, default_value = "0.9", value_parser = values::below_one)]
    pub momentum: f64,
    /// Whether the momentum is Nesterov's
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
    pub nesterov: bool,
    /// Weight decay: lambda of the L2 penalty on all parameters
    #[arg(long, default_value = "5e-4", value_parser = values::non_negative, value_name = "LAMBDA")]
    pub l2: f64,
    /// Probability that the target spreads evenly over all classes, in [0, 1)
    #[arg(long, default_value = "0", value_parser = values::below_one, value_name = "EPSILON")]
    pub label_smoothing: f64,
    /// Go on from this checkpoint of another run: its weights, masks, optimiser state and clock are taken over; data, schedules and method
    /// are those of this run
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// With --resume: the epoch, from 1, at whose beginning the clock is set, so that 1 begins all schedules anew [default: where the
    /// checkpoint stands]
    #[arg(long, value_parser = values::count, value_name = "EPOCH")]
    pub start_epoch: Option<usize>,
    /// Factor that stretches everything that is counted in epochs, and the steps at which rates fall and edges stop moving
    #[arg(long, default_value = "1", value_parser = values::count, value_name = "M")]
    pub multiplier: usize,
}

impl TrainingOptions {
    /// The learning rate of every epoch, of which only the options were checked.
    pub fn learning_rate(&self, checks: &mut Checks) -> LearningRate {
        use LrPolicy::{MultiStep, Step};
        let multiplier = self.multiplier as u64;
        for (option, belongs) in [
            ("lr-milestones", vec![MultiStep]),
            ("lr-step-epochs", vec![Step]),
            ("decay-frequency", vec![Step]),
            ("lr-gamma", vec![MultiStep, Step]),
        ] {
            if !belongs.contains(&self.lr_policy) {
                let names: Vec<String> = belongs.iter().map(ToString::to_string).collect();
                let help = format!("it belongs to --lr-policy {}", names.join(" or "));
                checks.no_effect(option, &format!("with --lr-policy {}", self.lr_policy), &help);
            }
        }
        let epochs = self.epochs as u64;
        if let Some(late) = self.lr_milestones.iter().find(|m| matches!(m.0, Span::Epochs(m) if m >= epochs as f64)) {
            let what =
                format!("{}: milestone {late} is not below the {} epochs", checks.given.show("lr-milestones"), self.epochs);
            checks
                .problems
                .add_with_help(what, "milestones are epochs, counted from 0, steps (2000it) or parts of the training (0.5)");
        }
        if self.decay_frequency.is_some() {
            checks.no_effect("lr-step-epochs", "with --decay-frequency, which counts steps", "give one of the two");
        }
        let drops = LearningRate::two_drops(self.lr, epochs, multiplier);
        let stretched = || self.lr_milestones.iter().map(|m| m.0.stretched(multiplier)).collect();
        let every = self.decay_frequency.map_or(self.lr_step_epochs.0, |steps| Span::Steps(steps as u64));
        LearningRate {
            policy: self.lr_policy,
            milestones: if self.lr_milestones.is_empty() { drops.milestones } else { stretched() },
            every: every.stretched(multiplier),
            gamma: self.lr_gamma,
            warmup: self.warmup_epochs.0,
            ..drops
        }
    }

    /// What `--resume` and `--start-epoch` ask for.
    pub fn start(&self, checks: &mut Checks) -> StartPoint {
        if self.resume.is_none() {
            checks.no_effect("start-epoch", "without --resume", "name the checkpoint to go on from with --resume");
        }
        StartPoint { resume: self.resume.clone(), epoch: self.start_epoch.map(|epoch| epoch as u64) }
    }

    /// Everything else that decides a step.
    pub fn step(&self, checks: &mut Checks) -> er_engine::StepOptions {
        let optimizer = match self.optimizer {
            OptimizerName::Sgd => {
                if self.momentum <= 0.0 {
                    checks.no_effect("nesterov", "without --momentum", "leave it out");
                }
                Optimizer::Sgd { momentum: self.momentum, nesterov: self.nesterov && self.momentum > 0.0 }
            }
            OptimizerName::Adam => {
                // The published programs take it and ignore it.
                checks.unused("momentum");
                checks.no_effect("nesterov", "with --optimizer adam", "leave it out");
                Optimizer::Adam
            }
        };
        er_engine::StepOptions { optimizer, weight_decay: self.l2, label_smoothing: self.label_smoothing }
    }
}
