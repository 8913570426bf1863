//! Options of the published programs that mean nothing here.

use clap::Args;

use crate::config::{Resolver, values};
use crate::option;

/// Options of the published programs that are taken so that their commands run, and refused where the answer would be another.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
pub struct PublishedOptions {
    /// Accepted: without --device, nothing runs on a GPU
    #[arg(long, hide = true)]
    pub no_cuda: bool,
    /// Half precision
    #[arg(long, hide = true)]
    pub fp16: bool,
    /// Timing of layers
    #[arg(long, hide = true)]
    pub bench: bool,
    /// Activations
    #[arg(long, hide = true)]
    pub save_features: bool,
    /// L1 penalty
    #[arg(long, hide = true, value_parser = values::non_negative)]
    pub l1: Option<f64>,
}

impl PublishedOptions {
    /// Each of these that asks for something is a problem.
    pub fn refuse(&self, resolver: &mut Resolver) {
        // It is compared with --device elsewhere.
        resolver.leave_out(option!(self.no_cuda));
        for (asked, option, why, instead) in [
            (
                self.fp16,
                option!(self.fp16).id(),
                "half precision is not implemented",
                "leave it out: everything is computed in 32 bits",
            ),
            (
                self.bench,
                option!(self.bench).id(),
                "there is no timing of single layers",
                "see median_step_seconds in summary.json of a run",
            ),
            (
                self.save_features,
                option!(self.save_features).id(),
                "activations are not saved",
                "load checkpoints/best.safetensors of a run in a program of your own",
            ),
            (self.l1 > Some(0.0), option!(self.l1).id(), "there is no L1 penalty", "use --l2, or leave it out"),
        ] {
            resolver.leave_out(option);
            if asked {
                resolver.problems.add_with_help(format!("{}: {why}", resolver.show(option)), instead);
            }
        }
    }
}
