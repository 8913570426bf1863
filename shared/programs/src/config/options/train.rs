//! Options about training.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use serde::Serialize;

use crate::config::{Resolver, values};
use crate::option;
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
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Training")]
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
    /// training (0.5) [default: half and three quarters of the epochs, rounded down; none if that is 0]
    #[arg(long, value_delimiter = ',', value_parser = values::parsed::<EpochSpan>, value_name = "SPANS")]
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

/// The options of training that a program may choose by options of its own.
#[derive(Debug, Clone)]
pub struct TrainingRecipe {
    /// How the learning rate falls.
    pub lr_policy: LrPolicy,
    /// How long it rises at first.
    pub warmup: EpochSpan,
    /// Weight decay: λ of the L2 penalty.
    pub weight_decay: f64,
}

impl TrainingOptions {
    /// The recipe as it was typed.
    pub fn recipe(&self) -> TrainingRecipe {
        TrainingRecipe { lr_policy: self.lr_policy, warmup: self.warmup_epochs, weight_decay: self.l2 }
    }

    /// The learning rate of every epoch, of which only the options were checked.
    pub fn learning_rate(&self, recipe: &TrainingRecipe, resolver: &mut Resolver) -> LearningRate {
        use LrPolicy::{MultiStep, Step};
        let epochs = resolver.keep(option!(self.epochs)) as u64;
        let multiplier = resolver.keep(option!(self.multiplier)) as u64;
        let base = resolver.keep(option!(self.lr));
        let milestones = resolver.keep(option!(self.lr_milestones));
        let every = resolver.keep(option!(self.lr_step_epochs));
        let frequency = resolver.keep(option!(self.decay_frequency));
        let gamma = resolver.keep(option!(self.lr_gamma));
        let TrainingRecipe { lr_policy: policy, warmup, .. } = *recipe;
        resolver.keep_as(option!(self.lr_policy), policy);
        resolver.keep_as(option!(self.warmup_epochs), warmup);
        for (option, belongs) in [
            (option!(self.lr_milestones).id(), vec![MultiStep]),
            (option!(self.lr_step_epochs).id(), vec![Step]),
            (option!(self.decay_frequency).id(), vec![Step]),
            (option!(self.lr_gamma).id(), vec![MultiStep, Step]),
        ] {
            if !belongs.contains(&policy) {
                let names: Vec<String> = belongs.iter().map(ToString::to_string).collect();
                let help = format!("it belongs to --lr-policy {}", names.join(" or "));
                resolver.no_effect(option, &format!("with --lr-policy {policy}"), &help);
            }
        }
        if let Some(late) = milestones.iter().find(|m| matches!(m.0, Span::Epochs(m) if m >= epochs as f64)) {
            let option = resolver.show(option!(self.lr_milestones));
            let what = format!("{option}: milestone {late} is not below the {epochs} epochs");
            resolver
                .problems
                .add_with_help(what, "milestones are epochs, counted from 0, steps (2000it) or parts of the training (0.5)");
        }
        if milestones.iter().any(|m| m.0.is_zero()) {
            let what = format!(
                "{}: milestone 0 is before the first step: none would have --lr",
                resolver.show(option!(self.lr_milestones))
            );
            resolver.problems.add_with_help(what, "lower --lr, or leave it out");
        }
        if frequency.is_some() {
            resolver.no_effect(option!(self.lr_step_epochs), "with --decay-frequency, which counts steps", "give one of the two");
        }
        let drops = LearningRate::two_drops(base, epochs, multiplier);
        let stretched = || milestones.iter().map(|m| m.0.stretched(multiplier)).collect();
        let every = frequency.map_or(every.0, |steps| Span::Steps(steps as u64));
        LearningRate {
            policy,
            milestones: if milestones.is_empty() { drops.milestones } else { stretched() },
            every: every.stretched(multiplier),
            gamma,
            warmup: warmup.0,
            ..drops
        }
    }

    /// What `--resume` and `--start-epoch` ask for.
    pub fn start(&self, resolver: &mut Resolver) -> StartPoint {
        let resume = resolver.keep(option!(self.resume));
        let epoch = resolver.keep(option!(self.start_epoch));
        if resume.is_none() {
            let help = "name the checkpoint to go on from with --resume";
            resolver.no_effect(option!(self.start_epoch), "without --resume", help);
        }
        StartPoint { resume, epoch: epoch.map(|epoch| epoch as u64) }
    }

    /// Everything else that decides a step.
    pub fn step(&self, recipe: &TrainingRecipe, resolver: &mut Resolver) -> er_engine::StepOptions {
        let optimizer = resolver.keep(option!(self.optimizer));
        let momentum = resolver.keep(option!(self.momentum));
        let nesterov = resolver.keep(option!(self.nesterov));
        let label_smoothing = resolver.keep(option!(self.label_smoothing));
        resolver.keep_as(option!(self.l2), recipe.weight_decay);
        let optimizer = match optimizer {
            OptimizerName::Sgd => {
                if momentum <= 0.0 {
                    resolver.no_effect(option!(self.nesterov), "without --momentum", "leave it out");
                }
                Optimizer::Sgd { momentum, nesterov: nesterov && momentum > 0.0 }
            }
            OptimizerName::Adam => {
                // The published programs take it and ignore it.
                resolver.leave_out(option!(self.momentum));
                resolver.no_effect(option!(self.nesterov), "with --optimizer adam", "leave it out");
                Optimizer::Adam
            }
        };
        er_engine::StepOptions { optimizer, weight_decay: recipe.weight_decay, label_smoothing }
    }
}
