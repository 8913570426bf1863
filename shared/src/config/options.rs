//! The options that several programs share, in groups that a program puts together. Each field is one option: its name, what it
//! accepts, its help text and its default; a program may give it another default.
//!
//! Every group but [`RunOptions`] decides the result of a run.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::checks::Checks;
use super::values;
use crate::data::DataKind;
use crate::density::Density;
use crate::engine::Optimizer;
use crate::error::Result;
use crate::graph::Law;
use crate::init::InitMethod;
use crate::model::{self, Image, ModelSpec};
use crate::run::Start;
use crate::schedule::{LearningRate, LrPolicy};
use crate::topology::{FlowPreservation, MaskPlan, SparseInit, resolve_dense_layers};

/// What to train on.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Data and model")]
#[serde(rename_all = "kebab-case")]
pub struct DataOptions {
    /// Data set: digits (built in), mnist, fashion_mnist, cifar10, cifar100, tiny_imagenet, imagenet or synthetic
    #[arg(long, default_value = "digits", value_parser = values::parsed::<DataKind>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub data: DataKind,
    /// Shape of the images; only imagenet and synthetic leave a choice [default: that of the data set]
    #[arg(long, value_parser = values::image, value_name = "CxHxW")]
    #[serde(serialize_with = "values::display_option")]
    pub input: Option<Image>,
    /// Number of classes; only synthetic leaves a choice [default: that of the data set]
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub classes: Option<usize>,
    /// Fraction of the training images held out for validation; 0: validate on the test images [default: 0.1, or 0 for
    /// cifar100, tiny_imagenet and imagenet]
    #[arg(long, value_parser = values::below_one, value_name = "FRACTION")]
    pub valid_split: Option<f64>,
    /// Network, such as resnet18, vgg16, wrn-28-10, mlp-300-100; with -x<factor>, as resnet18-x0.5, that many times as wide
    /// [default: one that suits the images]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
}

impl DataOptions {
    /// The network, and what to ask the data set for. Fills in the options that were left out.
    ///
    /// # Errors
    /// A shape or number of classes that the data set does not have; a network that does not exist or does not fit.
    pub fn resolve(&mut self, seed: u64) -> Result<(ModelSpec, crate::data::Options)> {
        self.valid_split.get_or_insert(self.data.default_valid_split());
        let options = crate::data::Options { input: self.input, classes: self.classes, seed, ..Default::default() };
        let (image, classes) = options.shape(self.data)?;
        (self.input, self.classes) = (Some(image), Some(classes));
        let name = self.model.get_or_insert_with(|| model::default_for(image).to_owned());
        let spec = model::build(name, image, classes)?;
        spec.name().clone_into(name);
        Ok((spec, options))
    }
}

/// Which weights exist.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Mask")]
#[serde(rename_all = "kebab-case")]
pub struct MaskOptions {
    /// Kept fraction of the weights, in (0, 1]
    #[arg(long, default_value = "0.05", value_parser = values::parsed::<Density>)]
    pub density: Density,
    /// How the density is divided among the layers: ERK, ER, uniform, balanced (ER_same_params, ER_same_params_per_layer),
    /// balanced-exact, balanced-greedy, pyramid, ERK-clipped, uniform_plus, ERK_plus, ER_flow, ER_ortho,
    /// global_magnitude; or one density a layer, as a list like [0.5,0.1,1] or a JSON file, rescaled to the density
    #[arg(long, default_value = "ERK", value_parser = values::sparse_init, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub sparse_init: SparseInit,
    /// How edges are drawn: bernoulli (each independently) or exact (a fixed number a layer)
    #[arg(long, default_value = "bernoulli", value_parser = values::parsed::<Law>, value_name = "LAW")]
    pub sampling: Law,
    /// Layers that stay dense and outside the density: first, last or names of parameters, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dense_layers: Vec<String>,
    /// Whether units without edges get one
    #[arg(long)]
    pub flow_preservation: bool,
    /// Whether other edges go for those that --flow-preservation adds
    #[arg(long)]
    pub flow_keep_density: bool,
}

impl MaskOptions {
    /// Names of these options, which a dense run has no use for.
    pub const NAMES: [&str; 6] = ["density", "sparse-init", "sampling", "dense-layers", "flow-preservation", "flow-keep-density"];

    /// What the masks of a model are drawn from.
    pub fn plan(&self, spec: &ModelSpec, seed: u64, checks: &mut Checks) -> Option<MaskPlan> {
        let flow = match (self.flow_preservation, self.flow_keep_density) {
            (false, _) => FlowPreservation::Off,
            (true, false) => FlowPreservation::On,
            (true, true) => FlowPreservation::KeepDensity,
        };
        if !self.flow_preservation {
            checks.no_effect("flow-keep-density", "without --flow-preservation", "add --flow-preservation");
        }
        let dense_layers = checks.take(resolve_dense_layers(spec, &self.dense_layers))?;
        let init = self.sparse_init.clone();
        let plan = MaskPlan { init, law: self.sampling, density: self.density, dense_layers, flow, seed };
        checks.take(plan.check(spec))?;
        Some(plan)
    }
}

/// What the weights that exist begin with.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Initialisation")]
#[serde(rename_all = "kebab-case")]
pub struct InitOptions {
    /// First weights: default (the model's own), normal, uniform, bimodal, looks-linear, kaiming-normal, kaiming-uniform,
    /// xavier-normal, xavier-uniform, orthogonal or scaled
    #[arg(long, default_value = "default", value_parser = values::parsed::<InitMethod>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    pub init_method: InitMethod,
    /// Whether the first weights of each layer are moved towards an orthogonal matrix
    #[arg(long)]
    pub ortho_repair: bool,
}

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
pub struct TrainOptions {
    /// Seed of all random decisions
    #[arg(long, default_value = "17", value_parser = values::seed)]
    pub seed: u64,
    /// Passes over the training images
    #[arg(long, default_value = "160", value_parser = values::count)]
    pub epochs: usize,
    /// Stop after this many steps
    #[arg(long, value_parser = values::count, value_name = "N")]
    pub max_steps: Option<usize>,
    /// Images a training step
    #[arg(long, default_value = "128", value_parser = values::count)]
    pub batch_size: usize,
    /// Images a step of evaluation
    #[arg(long, default_value = "100", value_parser = values::count)]
    pub test_batch_size: usize,
    /// Learning rate
    #[arg(long, default_value = "0.1", value_parser = values::positive)]
    pub lr: f64,
    /// How the learning rate falls: multistep, step, cosine or constant
    #[arg(long, default_value = "multistep", value_parser = values::parsed::<LrPolicy>, value_name = "NAME")]
    pub lr_policy: LrPolicy,
    /// Epochs, counted from 0 and separated by commas, from which on multistep multiplies the rate by gamma [default: half and
    /// three quarters of the epochs]
    #[arg(long, value_delimiter = ',', value_parser = values::whole, value_name = "EPOCHS")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lr_milestones: Vec<usize>,
    /// Epochs after which step multiplies the rate by gamma, again and again
    #[arg(long, default_value = "30", value_parser = values::count, value_name = "EPOCHS")]
    pub lr_step_epochs: usize,
    /// Gamma of multistep and step
    #[arg(long, default_value = "0.1", value_parser = values::positive, value_name = "GAMMA")]
    pub lr_gamma: f64,
    /// Epochs in which the rate rises to --lr
    #[arg(long, default_value = "0", value_parser = values::whole, value_name = "EPOCHS")]
    pub warmup_epochs: usize,
    /// How parameters move
    #[arg(long, default_value = "sgd", ignore_case = true, value_name = "NAME")]
    pub optimizer: OptimizerName,
    /// Momentum of sgd (Nesterov's)
    #[arg(long, default_value = "0.9", value_parser = values::below_one)]
    pub momentum: f64,
    /// Weight decay: lambda of the L2 penalty on all parameters
    #[arg(long, default_value = "5e-4", value_parser = values::non_negative, value_name = "LAMBDA")]
    pub l2: f64,
    /// Probability that the target gives to all classes together, in [0, 1)
    #[arg(long, default_value = "0", value_parser = values::below_one, value_name = "EPSILON")]
    pub label_smoothing: f64,
    /// Go on from this checkpoint of another run: weights, masks, optimiser and step
    #[arg(long, value_name = "FILE")]
    pub resume: Option<PathBuf>,
    /// With --resume: the epoch, from 1, to go on with [default: the one after the checkpoint]
    #[arg(long, value_parser = values::count, value_name = "EPOCH")]
    pub start_epoch: Option<usize>,
}

impl TrainOptions {
    /// The learning rate of every epoch; `multiplier` stretches the schedule.
    pub fn learning_rate(&self, multiplier: usize, checks: &mut Checks) -> LearningRate {
        use LrPolicy::{MultiStep, Step};
        for (option, belongs) in
            [("lr-milestones", vec![MultiStep]), ("lr-step-epochs", vec![Step]), ("lr-gamma", vec![MultiStep, Step])]
        {
            if !belongs.contains(&self.lr_policy) {
                let names: Vec<String> = belongs.iter().map(ToString::to_string).collect();
                let help = format!("it belongs to --lr-policy {}", names.join(" or "));
                checks.no_effect(option, &format!("with --lr-policy {}", self.lr_policy), &help);
            }
        }
        if let Some(late) = self.lr_milestones.iter().find(|m| **m >= self.epochs) {
            let what =
                format!("{}: milestone {late} is not below the {} epochs", checks.given.show("lr-milestones"), self.epochs);
            checks.problems.add_with_help(what, "milestones are epochs, counted from 0");
        }
        let drops = LearningRate::two_drops(self.lr, self.epochs, multiplier);
        let stretched = || self.lr_milestones.iter().map(|m| m * multiplier).collect();
        let rate = LearningRate {
            policy: self.lr_policy,
            milestones: if self.lr_milestones.is_empty() { drops.milestones } else { stretched() },
            step_epochs: self.lr_step_epochs * multiplier,
            gamma: self.lr_gamma,
            warmup_epochs: self.warmup_epochs,
            ..drops
        };
        checks.take(rate.check());
        rate
    }

    /// What `--resume` and `--start-epoch` ask for.
    pub fn start(&self, checks: &mut Checks) -> Start {
        if self.resume.is_none() {
            checks.no_effect("start-epoch", "without --resume", "name the checkpoint to go on from with --resume");
        }
        Start { resume: self.resume.clone(), epoch: self.start_epoch }
    }

    /// Everything else that decides a step.
    pub fn step(&self, checks: &mut Checks) -> crate::engine::TrainOptions {
        let optimizer = match self.optimizer {
            OptimizerName::Sgd => Optimizer::Sgd { momentum: self.momentum, nesterov: self.momentum > 0.0 },
            OptimizerName::Adam => {
                // The published programs take it and ignore it.
                checks.unused("momentum");
                Optimizer::Adam
            }
        };
        crate::engine::TrainOptions { optimizer, weight_decay: self.l2, label_smoothing: self.label_smoothing }
    }
}

/// How and where to run: nothing here changes a result.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Running")]
#[serde(rename_all = "kebab-case")]
pub struct RunOptions {
    /// YAML file of options; those of the command line win
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Folder in which each run gets a folder of its own
    #[arg(long, default_value = "runs", value_name = "FOLDER")]
    pub out: PathBuf,
    /// Word that the name of the run's folder begins with [default: the program's name]
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new(), value_name = "WORD")]
    pub save: Option<String>,
    /// Folder of the data sets [default: $ER_DATA, ./data, /usr/share/datasets]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// Threads [default: one a core]
    #[arg(long, alias = "max-threads", value_parser = values::threads, value_name = "N")]
    pub threads: Option<usize>,
    /// Steps between two lines of metrics
    #[arg(long, default_value = "100", value_parser = values::count, value_name = "STEPS")]
    pub log_interval: usize,
    /// Steps between two checkpoints; there is one after each epoch in any case
    #[arg(long, default_value = "1000", value_parser = values::count, value_name = "STEPS")]
    pub checkpoint_interval: usize,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

impl RunOptions {
    /// Threads to use: those asked for, else one a core.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }
}
