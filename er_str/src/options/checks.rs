//! Options that only some layers, or some trainings, have a use for.

use shared::config::Resolver;
use shared::schedule::LearningRate;
use shared::{option, options};

use super::Options;
use crate::conv_type::ConvType;
use crate::er_method::ErMethod;
use crate::pruning::Levels;

impl Options {
    /// Whether there are levels that end with pruning. A pruner in a file is for its layers, and means nothing to others.
    pub(super) fn prunes(&self, resolver: &Resolver) -> bool {
        self.pruning.is_on() && (self.own.conv_type == ConvType::Mask || !self.pruning.is_of_file(resolver))
    }

    /// Iterative pruning, checked against the options of layers and of training.
    pub(super) fn pruning_of(&self, rate: &LearningRate, resolver: &mut Resolver) -> Option<Levels> {
        let pruner = self.pruning.pruner(resolver);
        if !self.prunes(resolver) {
            self.pruning.has_no_effect(self.own.conv_type, resolver);
        }
        let Some(pruner) = pruner.filter(|_| self.prunes(resolver)) else {
            self.pruning.refuse(rate.policy, resolver);
            return None;
        };
        let (own, asks) = (&self.own, self.pruning.shown(resolver));
        if own.conv_type != ConvType::Mask {
            let what = format!("{asks} prunes ConvMask, and {} is {}", resolver.name(option!(own.conv_type)), own.conv_type);
            resolver.problems.add_with_help(what, "use --conv-type ConvMask");
        }
        if own.first_layer_type.is_some_and(|first| !matches!(first, ConvType::Mask | ConvType::Dense)) {
            let what = format!("{} does not go with --pruner", resolver.show(option!(own.first_layer_type)));
            resolver.problems.add_with_help(what, "leave it out, or use DenseConv");
        }
        Some(self.pruning.levels(pruner, rate.policy, option!(self.train.lr), resolver))
    }

    /// Checks options that together name the network.
    pub(super) fn network(&self, resolver: &mut Resolver) {
        let own = &self.own;
        let (of_type, model) = (option!(own.resnet_type), option!(self.data.network.model));
        if own.resnet_type.is_none() {
            let help = "choose a network with --arch, its width with --width-mult";
            resolver.no_effect(option!(own.width), "without --resnet-type", help);
        } else if resolver.is_given(model) {
            let what = format!("{} and {} name two networks", resolver.show(of_type), resolver.show(model));
            resolver.problems.add_with_help(what, "give one of the two");
        }
        // They are in the name of the network.
        for option in options![own.width_mult, own.resnet_type, own.width, own.bn_type] {
            resolver.leave_out(option);
        }
    }

    /// Checks options that only some layers have a use for.
    pub(super) fn layers(&self, types: &[ConvType], resolver: &mut Resolver) {
        let (own, drawing) = (&self.own, &self.drawing);
        let any = |of: fn(ConvType) -> bool| types.iter().any(|t| of(*t));
        let without = format!("with {}", own.conv_type);
        // Published configurations name these with any type.
        if !any(ConvType::is_soft) {
            for option in options![own.sparse_function, own.s_init_value, own.st_decay] {
                resolver.remark_no_effect(option, &without);
            }
        }
        if !any(ConvType::is_masked) {
            for option in options![own.er_sparse_init, own.er_sparse_method] {
                resolver.remark_no_effect(option, &without);
            }
            for option in options![drawing.sampling, drawing.flow_preservation, drawing.flow_keep_density] {
                resolver.no_effect(option, &without, "it is about random masks: leave it out");
            }
        }
        if own.er_sparse_method != ErMethod::StrInduced || !any(ConvType::is_masked) {
            let why = "without --er-sparse-method str-induced-er";
            resolver.no_effect(option!(own.er_sparsity_file), why, "leave it out");
        }
        let rate = option!(own.prune_rate);
        if !any(ConvType::is_pruned) {
            if !self.init.scale_fan {
                resolver.no_effect(rate, &without, "it belongs to DNWConv, GMPConv and --scale-fan");
            }
            resolver.no_effect(option!(own.use_budget), &without, "it belongs to DNWConv and GMPConv");
        } else if own.prune_rate <= 0.0 && !own.use_budget {
            resolver.remarks.push(format!("nothing is left out {without} and --prune-rate 0"));
        }
        if self.init.scale_fan && own.prune_rate <= 0.0 {
            let help = "say what part is left out with --prune-rate";
            resolver.no_effect(option!(self.init.scale_fan), "without --prune-rate", help);
        }
        self.epochs_of_pruning(types, &without, resolver);
        if own.freeze_weights && !any(ConvType::is_masked) {
            resolver.no_effect(option!(own.freeze_weights), &without, "it belongs to layers with a mask");
        }
        if own.pretrained.is_none() {
            for option in options![own.evaluate, own.ignore_pretrained_weights, own.use_budget] {
                resolver.no_effect(option, "without --pretrained", "name a checkpoint of er_str with --pretrained");
            }
        }
        // It decides what is done, not what comes of it.
        resolver.leave_out(option!(own.evaluate));
        resolver.keep(option!(own.er_sparsity_file));
        resolver.keep(option!(own.use_budget));
    }

    /// Checks when the part that is left out grows, and how long levels are.
    fn epochs_of_pruning(&self, types: &[ConvType], without: &str, resolver: &mut Resolver) {
        let own = &self.own;
        let (begin, end) = (option!(own.init_prune_epoch), option!(own.final_prune_epoch));
        let (first, last) = (own.init_prune_epoch, own.final_prune_epoch);
        if !types.contains(&ConvType::Gmp) {
            resolver.no_effect(begin, without, "it belongs to GMPConv");
            if !self.prunes(resolver) {
                resolver.remark_no_effect(end, without);
            } else if last == 0 {
                let what = format!("{} 0: a level needs an epoch", resolver.show(end));
                resolver.problems.add_with_help(what, "say how many each level has");
            }
        } else if last < first {
            let what = format!("{} {last}: before the {first} of --init-prune-epoch", resolver.show(end));
            resolver.problems.add_with_help(what, "the part that is left out grows from the one to the other");
        } else if last >= self.train.epochs {
            let what = format!("training ends with epoch {}, from 0,", self.train.epochs - 1);
            let why = format!("{what} before the {last} of --final-prune-epoch: more weights stay than asked for");
            resolver.remarks.push(why);
        }
    }
}
