//! Options of the published programs that mean nothing here.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use clap::{ArgAction, Args};
use shared::config::{Resolver, values};
use shared::{option, options};

/// Options that are taken so that published commands run, and refused where the answer would be another.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
pub(crate) struct Ignored {
    /// Accepted: one thread readies batches while others compute
    #[arg(long, short = 'j', hide = true, value_parser = values::whole)]
    workers: Option<usize>,
    /// Accepted: this program runs on one device, which --device names
    #[arg(long, hide = true, value_delimiter = ',', value_parser = values::whole)]
    multigpu: Vec<usize>,
    /// Accepted: constant is all there is
    #[arg(long = "sInit-type", hide = true, default_value = "constant", value_parser = ["constant"])]
    s_init_type: String,
    /// Accepted: --warmup-epochs 0 is how to leave it out
    #[arg(long, hide = true, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean)]
    warmup: bool,
    /// No effect as published
    #[arg(long, hide = true)]
    random_mask: bool,
    /// No effect as published
    #[arg(long, hide = true)]
    one_batch: bool,
    /// No effect as published
    #[arg(long, hide = true)]
    prune_random_structured: bool,
    /// No effect as published
    #[arg(long, hide = true)]
    fix_first_last_structured: bool,
    /// A conversion of checkpoints
    #[arg(long, hide = true)]
    dense_conv_model: bool,
    /// A trace
    #[arg(long, hide = true)]
    hessian: bool,
}

impl Ignored {
    /// Each of these that asks for something is a problem.
    pub(crate) fn refuse(&self, resolver: &mut Resolver) {
        for option in options![self.workers, self.multigpu, self.s_init_type] {
            resolver.leave_out(option);
        }
        let never = "it never had an effect";
        for (asked, option, why, instead) in [
            (!self.warmup, option!(self.warmup).id(), "there is warm-up unless it has no epochs", "use --warmup-epochs 0"),
            (self.random_mask, option!(self.random_mask).id(), never, "leave it out"),
            (self.one_batch, option!(self.one_batch).id(), never, "leave it out; --max-steps ends a run early"),
            (self.prune_random_structured, option!(self.prune_random_structured).id(), never, "leave it out"),
            (self.fix_first_last_structured, option!(self.fix_first_last_structured).id(), never, "leave it out"),
            (
                self.dense_conv_model,
                option!(self.dense_conv_model).id(),
                "checkpoints hold the weights that are used, S(W, s), so there is nothing to convert",
                "use the checkpoint as it is: --pretrained FILE --conv-type DenseConv",
            ),
            (self.hessian, option!(self.hessian).id(), "the trace of the Hessian is not computed", "leave it out"),
        ] {
            resolver.leave_out(option);
            if asked {
                resolver.problems.add_with_help(format!("{}: {why}", resolver.show(option)), instead);
            }
        }
    }
}
