//! The options of iterative pruning.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use shared::config::{OptionId, Resolver, RunOptions, Typed, values};
use shared::density::Density;
use shared::run::checkpoint_content;
use shared::schedule::{LearningRate, LearningRates, LrPolicy, Span};
use shared::topology::iterative::{Pruner, Reset};
use shared::train::{IterativePruning, Load, LoadMode, ReparameterisedTraining, after_levels};
use shared::{Result, option, options};

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
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Iterative pruning (ConvMask)")]
pub(crate) struct Pruning {
    /// Before the training of --epochs, train level after level for --final-prune-epoch epochs, each ended by pruning to the next
    /// of --threshold-list, by: mag (magnitude), snip, synflow, random-global, random-uniform, random-balanced, random-erk, or
    /// mask-ref (to the masks of another run)
    #[arg(long, value_parser = values::parsed::<Pruner>, value_name = "NAME")]
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

/// Levels of training that end with pruning.
#[derive(Debug)]
pub(crate) struct Levels {
    pruner: Pruner,
    densities: Vec<Density>,
    warmup_epochs: u64,
    scheduler: PruneScheduler,
    constant_rate: f64,
    /// Lowest rate of cosines.
    lowest_rate: f64,
    load: Option<Load>,
    reset: Reset,
    masks_of: Option<PathBuf>,
    signs_of: Option<PathBuf>,
    prune_dead: bool,
}

impl Levels {
    /// The experiment: this training after levels of so many epochs.
    pub(crate) fn approach(self, of: ReparameterisedTraining, level_epochs: u64) -> IterativePruning {
        let Self { pruner, densities, warmup_epochs, load, reset, masks_of, signs_of, prune_dead, .. } = self;
        IterativePruning { of, load, pruner, densities, warmup_epochs, level_epochs, reset, masks_of, signs_of, prune_dead }
    }

    /// The learning rates of all phases; `last` is that of the training after the levels, each of which has so many epochs.
    pub(crate) fn rates(&self, last: &LearningRate, level_epochs: u64) -> LearningRates {
        let lowest = self.lowest_rate;
        let last = ending_at(lowest, last);
        let warmup = self.warmup_epochs;
        // Levels without epochs are refused elsewhere.
        let level_epochs = level_epochs.max(1);
        let phase = LearningRate { warmup: Span::epochs(0), floor: 0.0, epochs: level_epochs, ..last.clone() };
        let level = match self.scheduler {
            PruneScheduler::Cosine => LearningRate { policy: LrPolicy::Cosine, floor: lowest, ..phase.clone() },
            PruneScheduler::Constant => LearningRate { policy: LrPolicy::Constant, base: self.constant_rate, ..phase.clone() },
            PruneScheduler::Step => {
                LearningRate { policy: LrPolicy::Step, every: Span::epochs(STEP_EPOCHS), gamma: STEP_GAMMA, ..phase.clone() }
            }
        };
        let rises = LearningRate { policy: LrPolicy::Constant, warmup: Span::epochs(warmup), epochs: warmup, ..phase };
        let before = std::iter::once(rises).filter(|_| warmup > 0);
        let levels = std::iter::repeat_n(level, self.densities.len());
        LearningRates(before.chain(levels).chain([last]).collect())
    }
}

/// A cosine that ends at this rate; other policies have no lowest one.
fn ending_at(lowest: f64, rate: &LearningRate) -> LearningRate {
    LearningRate { floor: if rate.policy == LrPolicy::Cosine { lowest } else { 0.0 }, ..rate.clone() }
}

impl Pruning {
    /// Whether there are levels.
    pub(crate) fn is_on(&self) -> bool {
        self.pruner.is_some()
    }

    /// Whether the option that asks for pruning is in a file.
    pub(crate) fn is_of_file(&self, resolver: &Resolver) -> bool {
        resolver.is_of_file(option!(self.pruner))
    }

    /// Says that these layers are not pruned.
    pub(crate) fn has_no_effect(&self, layers: ConvType, resolver: &mut Resolver) {
        resolver.no_effect(option!(self.pruner), &format!("with {layers}"), "use --conv-type ConvMask");
    }

    /// By what edges are pruned, if they are.
    pub(crate) fn pruner(&self, resolver: &mut Resolver) -> Option<Pruner> {
        resolver.keep(option!(self.pruner))
    }

    /// What messages call the option that asks for pruning.
    pub(crate) fn shown(&self, resolver: &Resolver) -> String {
        resolver.show(option!(self.pruner))
    }

    /// The options that [`Self::label`] tells.
    pub(crate) fn named(&self) -> [OptionId; 1] {
        options![self.pruner]
    }

    /// What the folder's name says: the pruner, and the last density.
    pub(crate) fn label(&self) -> Option<(Pruner, Density)> {
        self.pruner.zip(self.threshold_list.last().copied())
    }

    /// The options that need `--pruner`.
    fn need_pruner(&self) -> [OptionId; 18] {
        options![
            self.threshold_list,
            self.prune_warmup_epochs,
            self.prune_scheduler,
            self.constant_prune_lr,
            self.reset_weights,
            self.reset_weight_sign,
            self.reset_only_bn,
            self.reset_weight_amplitude,
            self.reset_only_weight_sign,
            self.prune_dead,
            self.target_expt_name,
            self.load_before_prune,
            self.load_only_model,
            self.load_model_mask_and_sign,
            self.load_shuffled_model_mask_and_sign,
            self.load_model_name,
            self.load_mask_name,
            self.load_expt_sign,
        ]
    }

    /// Without a pruner these options mean nothing but the lowest rate of a cosine.
    pub(crate) fn refuse(&self, policy: LrPolicy, resolver: &mut Resolver) {
        for option in self.need_pruner() {
            resolver.no_effect(option, "without --pruner", "add --pruner, such as --pruner mag");
        }
        resolver.keep(option!(self.lr_min));
        if policy != LrPolicy::Cosine {
            resolver.no_effect(option!(self.lr_min), "with this --lr-policy", "it belongs to cosine_lr");
        }
    }

    /// The learning rate of a training without levels.
    pub(crate) fn without_levels(&self, rate: &LearningRate) -> LearningRates {
        ending_at(self.lr_min.unwrap_or_default(), rate).into()
    }

    /// The levels; `policy` and `lr` are those of the training after them.
    pub(crate) fn levels(&self, pruner: Pruner, policy: LrPolicy, lr: Typed<'_, f64>, resolver: &mut Resolver) -> Levels {
        let list = option!(self.threshold_list);
        let densities = resolver.keep(list);
        let pairs = densities.iter().zip(densities.iter().skip(1));
        if let Some((a, b)) = pairs.clone().find(|(a, b)| a.get() < b.get()) {
            let what = format!("{}: {b} comes after {a}", resolver.show(list));
            resolver.problems.add_with_help(what, "edges that are pruned do not come back: let densities fall");
        }
        let scheduler = resolver.keep(option!(self.prune_scheduler));
        let constant_rate = resolver.keep(option!(self.constant_prune_lr));
        let has_cosine = scheduler == PruneScheduler::Cosine || policy == LrPolicy::Cosine;
        let floor = option!(self.lr_min);
        let mut lowest_rate = resolver.keep_or(floor, LR_MIN);
        if *lr.value() < lowest_rate && !resolver.is_given(floor) && has_cosine {
            let (asked, pruner) = (resolver.show(lr), resolver.name(option!(self.pruner)));
            let what = format!("{asked} {}: below {lowest_rate}, where cosines end with {pruner}", lr.value());
            resolver.problems.add_with_help(what, "choose a lower end with --lr-min, such as 0");
            // So that nothing else is wrong with the rates.
            lowest_rate = 0.0;
        }
        if scheduler != PruneScheduler::Constant {
            resolver.no_effect(option!(self.constant_prune_lr), "without --prune-scheduler constant", "leave it out");
        }
        if !has_cosine {
            resolver.no_effect(floor, "without a cosine", "leave it out");
        }
        let target = option!(self.target_expt_name);
        let masks_of = resolver.keep(target);
        if pruner == Pruner::MaskRef && masks_of.is_none() {
            let what = format!("{} mask-ref needs {}", self.shown(resolver), resolver.name(target));
            resolver.problems.add_with_help(what, "name the folder of a run with --pruner and as many levels");
        } else if pruner != Pruner::MaskRef {
            resolver.no_effect(target, "without --pruner mask-ref", "leave it out");
        }
        let mode = self.mode(resolver);
        self.files(mode, resolver);
        let load = self.load_model_name.clone().zip(mode).map(|(model, mode)| Load {
            mode,
            masks: self.load_mask_name.clone().unwrap_or_else(|| model.clone()),
            model,
            signs: self.load_expt_sign.clone().filter(|_| is_signed(mode)),
        });
        let warmup = option!(self.prune_warmup_epochs);
        if mode.is_some() && resolver.is_given(warmup) && *warmup.value() > 0 {
            let what = format!("{} {} trains weights that a file then replaces", resolver.show(warmup), warmup.value());
            resolver.problems.add_with_help(what, "use --warmup-epochs 0");
        }
        let warmup_epochs = if mode.is_some() { 0 } else { *warmup.value() as u64 };
        resolver.keep_as(warmup, warmup_epochs);
        Levels {
            pruner,
            densities,
            warmup_epochs,
            scheduler,
            constant_rate,
            lowest_rate,
            load,
            reset: self.reset(resolver),
            masks_of,
            signs_of: self.load_expt_sign.clone().filter(|_| self.reset_weight_sign),
            prune_dead: resolver.keep(option!(self.prune_dead)),
        }
    }

    /// Checks which files are named.
    fn files(&self, mode: Option<LoadMode>, resolver: &mut Resolver) {
        let [model, masks, signs] = [option!(self.load_model_name), option!(self.load_mask_name), option!(self.load_expt_sign)];
        for file in [model, masks, signs] {
            resolver.keep(file);
        }
        let (signed, other_signs) = (mode.is_some_and(is_signed), option!(self.reset_weight_sign));
        if self.reset_weight_sign && !self.reset_weights {
            resolver.no_effect(other_signs, "without --reset-weights", "add --reset-weights");
        }
        match (signed || self.reset_weight_sign, signs.value()) {
            (false, _) => resolver.no_effect(signs, "without an option that reads signs", "leave it out"),
            (true, None) => {
                let what = format!("{} is missing", resolver.show(signs));
                resolver.problems.add_with_help(what, "name where signs come from");
            }
            (true, Some(_)) if signed && self.reset_weight_sign => {
                let what = format!("{} and --load-...-sign read signs from different places", resolver.show(other_signs));
                resolver.problems.add_with_help(what, "give one of the two");
            }
            (true, Some(_)) => {}
        }
        match (mode, model.value()) {
            (None, _) => {
                for option in [model, masks] {
                    resolver.no_effect(option, "without an option that says what to load", "add --load-before-prune");
                }
            }
            (Some(_), None) => {
                let what = format!("{} is missing", resolver.show(model));
                resolver.problems.add_with_help(what, "name the checkpoint to begin with");
            }
            (Some(LoadMode::Weights), Some(_)) => {
                resolver.no_effect(masks, "with --load-only-model", "leave it out, or use --load-before-prune");
            }
            (Some(_), Some(_)) => {}
        }
    }

    /// The ways to begin with files.
    fn modes(&self) -> [(Typed<'_, bool>, LoadMode); 4] {
        [
            (option!(self.load_before_prune), LoadMode::Network),
            (option!(self.load_only_model), LoadMode::Weights),
            (option!(self.load_model_mask_and_sign), LoadMode::Signs),
            (option!(self.load_shuffled_model_mask_and_sign), LoadMode::Shuffled),
        ]
    }

    /// What is loaded; two answers are a problem.
    fn mode(&self, resolver: &mut Resolver) -> Option<LoadMode> {
        one_of(self.modes(), "the options --load-... that say what to begin with", resolver)
    }

    /// Whether the masks to begin with are those of a file.
    pub(crate) fn loads_masks(&self, prunes: bool) -> bool {
        let loads = self.modes().into_iter().any(|(asked, mode)| *asked.value() && mode != LoadMode::Weights);
        prunes && loads
    }

    /// What is reset; two answers are a problem.
    fn reset(&self, resolver: &mut Resolver) -> Reset {
        let others = resolver.keep(option!(self.reset_weight_sign));
        let resets = [
            (option!(self.reset_weights), if others { Reset::OtherSigns } else { Reset::Weights }),
            (option!(self.reset_only_bn), Reset::Norms),
            (option!(self.reset_weight_amplitude), Reset::Amplitude),
            (option!(self.reset_only_weight_sign), Reset::Signs),
        ];
        one_of(resets, "the options --reset-...", resolver).unwrap_or_default()
    }

    /// A remark where all seeds begin with the weights of a file.
    pub(crate) fn remark_same_network(&self, run: &RunOptions, resolver: &mut Resolver) {
        run.remark_same_network(option!(self.load_model_name), resolver);
    }

    /// What in files decides the result.
    ///
    /// # Errors
    /// Files that cannot be read.
    pub(crate) fn keep_contents(&self, resolver: &mut Resolver) -> Result<()> {
        for (option, of_run) in [
            (option!(self.load_model_name), false),
            (option!(self.load_mask_name), false),
            (option!(self.target_expt_name), true),
            (option!(self.load_expt_sign), self.reset_weight_sign),
        ] {
            let Some(path) = option.value() else { continue };
            let files = if of_run { after_levels(path, self.threshold_list.len())? } else { vec![path.clone()] };
            let content = files.iter().map(|file| checkpoint_content(file)).collect::<Result<Vec<_>>>()?.concat();
            resolver.keep_content(option, &content);
        }
        Ok(())
    }
}

/// Whether signs come from a file.
fn is_signed(mode: LoadMode) -> bool {
    matches!(mode, LoadMode::Signs | LoadMode::Shuffled)
}

/// The one that is asked for; more are a problem.
fn one_of<T, const N: usize>(asked: [(Typed<'_, bool>, T); N], what: &str, resolver: &mut Resolver) -> Option<T> {
    let asked: Vec<T> = asked.into_iter().filter_map(|(asked, value)| resolver.keep(asked).then_some(value)).collect();
    if asked.len() > 1 {
        resolver.problems.add_with_help(format!("{what} do not go together"), "give one of them");
    }
    asked.into_iter().next()
}
