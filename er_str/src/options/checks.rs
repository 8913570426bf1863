//! Options that only some layers, or some trainings, have a use for.

use shared::config::{Checks, OptimizerName};
use shared::density::Density;
use shared::schedule::{EpochSpan, LrPolicy, Span};

use super::Options;
use crate::conv_type::ConvType;
use crate::er_method::ErMethod;

impl Options {
    /// Completes and checks what is about training.
    pub(super) fn training(&mut self, checks: &mut Checks, notes: &mut Vec<String>) {
        // As published: Adam has no decay unless it is asked for.
        if self.train.optimizer == OptimizerName::Adam && !checks.given.has("l2") {
            self.train.l2 = 0.0;
        }
        if self.train.lr_policy == LrPolicy::Step && !self.train.warmup_epochs.0.is_zero() {
            let what = format!("{} has no effect with multistep_lr", checks.given.show("warmup-epochs"));
            notes.push(format!("{what}, as published"));
            self.train.warmup_epochs = EpochSpan(Span::epochs(0));
        }
        if self.pruning.is_on() && !checks.given.has("lr-policy") {
            self.train.lr_policy = LrPolicy::Cosine;
        }
        self.pruning.check([Some(self.own.conv_type), self.own.first_layer_type], self.train.lr_policy, self.train.lr, checks);
        if self.own.resnet_type.is_none() {
            checks.no_effect("width", "without --resnet-type", "choose a network with --arch, its width with --width-mult");
        } else if checks.given.has("model") {
            let what = format!("{} and {} name two networks", checks.given.show("resnet-type"), checks.given.show("model"));
            checks.problems.add_with_help(what, "give one of the two");
        }
        // They are in the name of the network.
        for option in ["width-mult", "resnet-type", "width", "bn-type"] {
            checks.unused(option);
        }
    }

    /// Checks options that only some layers have a use for.
    pub(super) fn layers(&mut self, types: &[ConvType], checks: &mut Checks, notes: &mut Vec<String>) {
        let own = &self.own;
        let any = |of: fn(ConvType) -> bool| types.iter().any(|t| of(*t));
        let conv_type = own.conv_type.to_string();
        // Published configurations name these with any type.
        let soft = ["sparse-function", "s-init-value", "st-decay"];
        let masked = ["er-sparse-init", "er-sparse-method"];
        for (options, used) in [(&soft[..], any(ConvType::is_soft)), (&masked, any(ConvType::is_masked))] {
            for option in options.iter().filter(|_| !used) {
                if checks.given.has(option) {
                    notes.push(format!("{} has no effect with {conv_type}", checks.given.show(option)));
                }
                checks.unused(option);
            }
        }
        let without = format!("with {conv_type}");
        if !any(ConvType::is_masked) {
            for option in ["sampling", "flow-preservation", "flow-keep-density"] {
                checks.no_effect(option, &without, "it is about random masks: leave it out");
            }
        }
        let all = own.conv_type == ConvType::Mask && own.er_sparse_method == ErMethod::Construction;
        if all && checks.given.has("er-sparse-init") && own.er_sparse_init < Density::FULL {
            notes.push(format!("{} has no effect {without} and --er-sparse-method none", checks.given.show("er-sparse-init")));
        }
        if own.er_sparse_method != ErMethod::StrInduced || !any(ConvType::is_masked) {
            checks.no_effect("er-sparsity-file", "without --er-sparse-method str-induced-er", "leave it out");
        }
        if !any(ConvType::is_pruned) {
            if !self.init.scale_fan {
                checks.no_effect("prune-rate", &without, "it belongs to DNWConv, GMPConv and --scale-fan");
            }
            checks.no_effect("use-budget", &without, "it belongs to DNWConv and GMPConv");
        } else if own.prune_rate <= 0.0 && !own.use_budget {
            notes.push(format!("nothing is left out {without} and --prune-rate 0"));
        }
        if self.init.scale_fan && own.prune_rate <= 0.0 {
            checks.no_effect("scale-fan", "without --prune-rate", "say what part is left out with --prune-rate");
        }
        if !types.contains(&ConvType::Gmp) {
            checks.no_effect("init-prune-epoch", &without, "it belongs to GMPConv");
            if self.pruning.is_on() {
                if own.final_prune_epoch == 0 {
                    let what = format!("{} 0: a level needs an epoch", checks.given.show("final-prune-epoch"));
                    checks.problems.add_with_help(what, "say how many each level has");
                }
            } else {
                if checks.given.has("final-prune-epoch") {
                    notes.push(format!("{} has no effect {without}", checks.given.show("final-prune-epoch")));
                }
                checks.unused("final-prune-epoch");
            }
        } else if own.final_prune_epoch < own.init_prune_epoch {
            let what = format!(
                "{} {}: before the {} of --init-prune-epoch",
                checks.given.show("final-prune-epoch"),
                own.final_prune_epoch,
                own.init_prune_epoch
            );
            checks.problems.add_with_help(what, "the part that is left out grows from the one to the other");
        } else if own.final_prune_epoch >= self.train.epochs {
            let what = format!("training ends with epoch {}, from 0,", self.train.epochs - 1);
            notes.push(format!(
                "{what} before the {} of --final-prune-epoch: more weights stay than asked for",
                own.final_prune_epoch
            ));
        }
        if own.freeze_weights && !any(ConvType::is_masked) {
            checks.no_effect("freeze-weights", &without, "it belongs to layers with a mask");
        }
        if own.pretrained.is_none() {
            for option in ["evaluate", "ignore-pretrained-weights", "use-budget"] {
                checks.no_effect(option, "without --pretrained", "name a checkpoint of er_str with --pretrained");
            }
        }
    }
}
