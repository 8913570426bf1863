//! The options of iterative pruning.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared::config::{Checks, values};
use shared::density::Density;
use shared::schedule::{LearningRate, LearningRates, LrPolicy, Span};
use shared::topology::iterative::{Pruner, Reset};
use shared::train::{IterativePruning, Load, LoadMode, ReparameterisedTraining, after_levels};
use shared::{Error, Result};

use crate::conv_type::ConvType;

/// Lowest rate of the published cosine.
const LR_MIN: f64 = 0.01;

/// Epochs after which the published step schedule of a level multiplies the rate by [`STEP_GAMMA`].
const STEP_EPOCHS: u64 = 60;

/// Factor of that schedule.
const STEP_GAMMA: f64 = 0.1;

/// How the learning rate falls in a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum PruneScheduler {
    /// Half a cosine from --lr to --lr-min.
    Cosine,
    /// --constant-prune-lr.
    Constant,
    /// --lr, times 0.1 every 60 epochs.
    Step,
}

/// Levels of training that end with pruning, before the training of --epochs.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Iterative pruning (ConvMask)")]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Pruning {
    /// Before the training of --epochs, train level after level for --final-prune-epoch epochs, each ended by pruning to the next
    /// of --threshold-list, by: mag (magnitude), snip, synflow, random-global, random-uniform, random-balanced, random-erk, or
    /// mask-ref (to the masks of another run)
    #[arg(long, value_parser = values::parsed::<Pruner>, value_name = "NAME")]
    #[serde(serialize_with = "values::display_option")]
    pruner: Option<Pruner>,
    /// Density after each level, at most the one before, separated by commas or spaces
    #[arg(long, value_delimiter = ',', default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "DENSITIES")]
    threshold_list: Vec<Density>,
    /// Epochs before the first level, in which the rate rises to --lr; resets go back to the weights after them; there
    /// are none where weights are loaded
    #[arg(long = "warmup-epochs", default_value = "10", value_parser = values::whole, value_name = "EPOCHS")]
    prune_warmup_epochs: usize,
    /// How the learning rate falls in each level: cosine (from --lr to --lr-min), constant (--constant-prune-lr) or step (--lr,
    /// times 0.1 every 60 epochs)
    #[arg(long, default_value = "cosine", ignore_case = true, hide_possible_values = true, value_name = "NAME")]
    prune_scheduler: PruneScheduler,
    /// With --prune-scheduler constant: the learning rate in levels
    #[arg(long, default_value = "0.1", value_parser = values::positive, value_name = "LR")]
    constant_prune_lr: f64,
    /// Lowest learning rate of cosines [default: 0; 0.01 with --pruner]
    #[arg(long, value_parser = values::non_negative, value_name = "LR")]
    lr_min: Option<f64>,
    /// After each pruning, weights, biases, scales and shifts go back to what they were before the first level, and so does the
    /// optimiser (as with each --reset-...); without any, training goes on from the trained weights
    #[arg(long)]
    reset_weights: bool,
    /// With --reset-weights: weights get the signs that they have after the same level in the run of --load-expt-sign
    #[arg(long)]
    reset_weight_sign: bool,
    /// Only normalisations go back, including running statistics
    #[arg(long)]
    reset_only_bn: bool,
    /// As --reset-weights, but weights keep the signs they have after training
    #[arg(long)]
    reset_weight_amplitude: bool,
    /// Only the signs of weights go back; magnitudes stay as trained
    #[arg(long)]
    reset_only_weight_sign: bool,
    /// Also prune edges that are on no path from the image to the logits
    #[arg(long)]
    prune_dead: bool,
    /// With --pruner mask-ref: folder of a run with --pruner; its masks after each level are taken
    #[arg(long, value_name = "FOLDER")]
    target_expt_name: Option<PathBuf>,
    /// Start from the weights of --load-model-name and the masks of --load-mask-name; resets go back to fresh weights
    #[arg(long)]
    load_before_prune: bool,
    /// Start from the weights of --load-model-name inside this run's masks; resets go back to them
    #[arg(long)]
    load_only_model: bool,
    /// As --load-before-prune, but with the signs of the weights in --load-expt-sign
    #[arg(long)]
    load_model_mask_and_sign: bool,
    /// As --load-model-mask-and-sign, but with the magnitudes of each layer permuted
    #[arg(long)]
    load_shuffled_model_mask_and_sign: bool,
    /// With these four options: the checkpoint with the weights
    #[arg(long, value_name = "FILE")]
    load_model_name: Option<PathBuf>,
    /// With these options except --load-only-model: the checkpoint with the masks [default: the one with the weights]
    #[arg(long, value_name = "FILE")]
    load_mask_name: Option<PathBuf>,
    /// Where signs come from: with --load-...-sign, a checkpoint; with --reset-weight-sign, the folder of a run with --pruner
    #[arg(long, value_name = "PATH")]
    load_expt_sign: Option<PathBuf>,
}

/// The options that need `--pruner`.
const NEED_PRUNER: [&str; 18] = [
    "threshold-list",
    "prune-warmup-epochs",
    "prune-scheduler",
    "constant-prune-lr",
    "reset-weights",
    "reset-weight-sign",
    "reset-only-bn",
    "reset-weight-amplitude",
    "reset-only-weight-sign",
    "prune-dead",
    "target-expt-name",
    "load-before-prune",
    "load-only-model",
    "load-model-mask-and-sign",
    "load-shuffled-model-mask-and-sign",
    "load-model-name",
    "load-mask-name",
    "load-expt-sign",
];

impl Pruning {
    /// Whether there are levels.
    pub(crate) fn is_on(&self) -> bool {
        self.pruner.is_some()
    }

    /// What the folder's name says: the pruner, and the last density.
    pub(crate) fn label(&self) -> Option<(Pruner, Density)> {
        self.pruner.zip(self.threshold_list.last().copied())
    }

    /// Checks these options alone and against others; `types` are what layers are, and what the first is instead.
    pub(crate) fn check(&mut self, types: [Option<ConvType>; 2], policy: LrPolicy, lr: f64, checks: &mut Checks) {
        let Some(pruner) = self.pruner else {
            for option in NEED_PRUNER {
                checks.no_effect(option, "without --pruner", "add --pruner, such as --pruner mag");
            }
            if policy != LrPolicy::Cosine {
                checks.no_effect("lr-min", "with this --lr-policy", "it belongs to cosine_lr");
            }
            return;
        };
        if let [Some(other), _] = types
            && other != ConvType::Mask
        {
            let what = format!("{} prunes ConvMask, and --conv-type is {other}", checks.given.show("pruner"));
            checks.problems.add_with_help(what, "use --conv-type ConvMask");
        }
        if let [_, Some(other)] = types
            && !matches!(other, ConvType::Mask | ConvType::Dense)
        {
            let what = format!("{} does not go with --pruner", checks.given.show("first-layer-type"));
            checks.problems.add_with_help(what, "leave it out, or use DenseConv");
        }
        let pairs = self.threshold_list.iter().zip(self.threshold_list.iter().skip(1));
        if let Some((a, b)) = pairs.clone().find(|(a, b)| a.get() < b.get()) {
            let what = format!("{}: {b} comes after {a}", checks.given.show("threshold-list"));
            checks.problems.add_with_help(what, "edges that are pruned do not come back: let densities fall");
        }
        let (floor, chosen) = (*self.lr_min.get_or_insert(LR_MIN), checks.given.has("lr-min"));
        if lr < floor && !chosen && (self.prune_scheduler == PruneScheduler::Cosine || policy == LrPolicy::Cosine) {
            let what = format!("{} {lr}: below {floor}, where cosines end with --pruner", checks.given.show("lr"));
            checks.problems.add_with_help(what, "choose a lower end with --lr-min, such as 0");
            self.lr_min = None;
        }
        if self.prune_scheduler != PruneScheduler::Constant {
            checks.no_effect("constant-prune-lr", "without --prune-scheduler constant", "leave it out");
        }
        if self.prune_scheduler != PruneScheduler::Cosine && policy != LrPolicy::Cosine {
            checks.no_effect("lr-min", "without a cosine", "leave it out");
        }
        if pruner == Pruner::MaskRef && self.target_expt_name.is_none() {
            let what = format!("{} mask-ref needs --target-expt-name", checks.given.show("pruner"));
            checks.problems.add_with_help(what, "name the folder of a run with --pruner and as many levels");
        } else if pruner != Pruner::MaskRef {
            checks.no_effect("target-expt-name", "without --pruner mask-ref", "leave it out");
        }
        self.check_files(checks);
    }

    fn check_files(&mut self, checks: &mut Checks) {
        let mode = one_of(self.modes(), "the options --load-... that say what to begin with", checks);
        let signed = matches!(mode, Some(LoadMode::Signs | LoadMode::Shuffled));
        if self.reset_weight_sign && !self.reset_weights {
            checks.no_effect("reset-weight-sign", "without --reset-weights", "add --reset-weights");
        }
        match (signed || self.reset_weight_sign, &self.load_expt_sign) {
            (false, _) => checks.no_effect("load-expt-sign", "without an option that reads signs", "leave it out"),
            (true, None) => checks.problems.add_with_help("--load-expt-sign is missing", "name where signs come from"),
            (true, Some(_)) if signed && self.reset_weight_sign => {
                let what = "--reset-weight-sign and --load-...-sign read signs from different places";
                checks.problems.add_with_help(what, "give one of the two");
            }
            (true, Some(_)) => {}
        }
        match (mode, &self.load_model_name) {
            (None, _) => {
                for option in ["load-model-name", "load-mask-name"] {
                    checks.no_effect(option, "without an option that says what to load", "add --load-before-prune");
                }
            }
            (Some(_), None) => checks.problems.add_with_help("--load-model-name is missing", "name the checkpoint to begin with"),
            (Some(LoadMode::Weights), Some(_)) => {
                checks.no_effect("load-mask-name", "with --load-only-model", "leave it out, or use --load-before-prune");
            }
            (Some(_), Some(_)) => {}
        }
        if mode.is_some() && checks.given.has("prune-warmup-epochs") && self.prune_warmup_epochs > 0 {
            let what = format!(
                "{} {} trains weights that a file then replaces",
                checks.given.show("prune-warmup-epochs"),
                self.prune_warmup_epochs
            );
            checks.problems.add_with_help(what, "use --warmup-epochs 0");
        } else if mode.is_some() {
            self.prune_warmup_epochs = 0;
        }
    }

    /// Whether these are asked for.
    fn modes(&self) -> [(bool, LoadMode); 4] {
        [
            (self.load_before_prune, LoadMode::Network),
            (self.load_only_model, LoadMode::Weights),
            (self.load_model_mask_and_sign, LoadMode::Signs),
            (self.load_shuffled_model_mask_and_sign, LoadMode::Shuffled),
        ]
    }

    /// What is loaded.
    fn mode(&self) -> Option<LoadMode> {
        self.modes().into_iter().find_map(|(asked, mode)| asked.then_some(mode))
    }

    /// Whether the masks to begin with are those of a file.
    pub(crate) fn loads_masks(&self) -> bool {
        self.is_on() && self.mode().is_some_and(|mode| mode != LoadMode::Weights)
    }

    /// What is reset; two answers are a problem.
    fn reset(&self, checks: &mut Checks) -> Reset {
        let resets = [
            (self.reset_weights, if self.reset_weight_sign { Reset::OtherSigns } else { Reset::Weights }),
            (self.reset_only_bn, Reset::Norms),
            (self.reset_weight_amplitude, Reset::Amplitude),
            (self.reset_only_weight_sign, Reset::Signs),
        ];
        one_of(resets, "the options --reset-...", checks).unwrap_or_default()
    }

    /// The experiment; none without `--pruner`.
    pub(crate) fn approach(
        &self,
        of: &ReparameterisedTraining,
        level_epochs: usize,
        checks: &mut Checks,
    ) -> Option<IterativePruning> {
        let pruner = self.pruner?;
        let reset = self.reset(checks);
        let mode = self.mode();
        let load = self.load_model_name.clone().zip(mode).map(|(model, mode)| Load {
            mode,
            masks: self.load_mask_name.clone().unwrap_or_else(|| model.clone()),
            model,
            signs: self.load_expt_sign.clone().filter(|_| matches!(mode, LoadMode::Signs | LoadMode::Shuffled)),
        });
        Some(IterativePruning {
            of: of.clone(),
            load,
            pruner,
            densities: self.threshold_list.clone(),
            warmup_epochs: self.prune_warmup_epochs as u64,
            level_epochs: level_epochs as u64,
            reset,
            masks_of: self.target_expt_name.clone(),
            signs_of: self.load_expt_sign.clone().filter(|_| self.reset_weight_sign),
            prune_dead: self.prune_dead,
        })
    }

    /// What in files decides the result.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub(crate) fn contents(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let read = |path: &Path| std::fs::read(path).map_err(|e| Error::io("read", path, &e));
        let mut contents = Vec::new();
        for (option, path, of_run) in [
            ("load-model-name", &self.load_model_name, false),
            ("load-mask-name", &self.load_mask_name, false),
            ("target-expt-name", &self.target_expt_name, true),
            ("load-expt-sign", &self.load_expt_sign, self.reset_weight_sign),
        ] {
            let Some(path) = path else { continue };
            let files = if of_run { after_levels(path, self.threshold_list.len())? } else { vec![path.clone()] };
            contents.push((option, files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?.concat()));
        }
        Ok(contents)
    }

    /// The learning rates of all phases; `last` is that of the training after the levels.
    pub(crate) fn schedule(&self, last: LearningRate, level_epochs: usize) -> LearningRates {
        let floor = if last.policy == LrPolicy::Cosine { self.lr_min.unwrap_or_default() } else { 0.0 };
        let last = LearningRate { floor, ..last };
        if !self.is_on() {
            return last.into();
        }
        let warmup = self.prune_warmup_epochs as u64;
        // Levels without epochs are refused elsewhere.
        let level_epochs = level_epochs.max(1) as u64;
        let phase = LearningRate { warmup: Span::epochs(0), floor: 0.0, epochs: level_epochs, ..last.clone() };
        let level = match self.prune_scheduler {
            PruneScheduler::Cosine => {
                LearningRate { policy: LrPolicy::Cosine, floor: self.lr_min.unwrap_or_default(), ..phase.clone() }
            }
            PruneScheduler::Constant => {
                LearningRate { policy: LrPolicy::Constant, base: self.constant_prune_lr, ..phase.clone() }
            }
            PruneScheduler::Step => {
                LearningRate { policy: LrPolicy::Step, every: Span::epochs(STEP_EPOCHS), gamma: STEP_GAMMA, ..phase.clone() }
            }
        };
        let rises = LearningRate { policy: LrPolicy::Constant, warmup: Span::epochs(warmup), epochs: warmup, ..phase };
        let before = std::iter::once(rises).filter(|_| warmup > 0);
        let levels = std::iter::repeat_n(level, self.threshold_list.len());
        LearningRates(before.chain(levels).chain([last]).collect())
    }
}

/// The one that is asked for; more are a problem.
fn one_of<T, const N: usize>(asked: [(bool, T); N], what: &str, checks: &mut Checks) -> Option<T> {
    let mut asked = asked.into_iter().filter(|(asked, _)| *asked).map(|(_, value)| value);
    let first = asked.next();
    if asked.next().is_some() {
        checks.problems.add_with_help(format!("{what} do not go together"), "give one of them");
    }
    first
}
