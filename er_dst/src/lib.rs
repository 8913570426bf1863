//! Dynamic sparse training: moves the edges of a random mask while it trains.

mod options;

use std::process::ExitCode;

use clap::Command;
use shared::cli::{self, Program};
use shared::config::{MaskOptions, SparseOptions, TrainingOptions, on_unless_switched_off};
use shared::option_of;

/// The program.
struct Dst;

impl Program for Dst {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str =
        "Trains a network on the edges of a random mask, and moves the edges while it trains (dynamic sparse training)";
    const EXAMPLES: [&'static str; 3] = [
        "--method RigL --density 0.1 --update-frequency 20 --epochs 30",
        "--method GraNet --sparse-init ER_same_params_per_layer --update-frequency 20 --epochs 30",
        "show --method SET --density 0.05 --model resnet50 --data cifar100",
    ];

    fn adapt(command: Command) -> Command {
        on_unless_switched_off(command, option_of!(SparseOptions, sparse))
            .mut_arg(option_of!(SparseOptions, sparse), |arg| arg.help("Train inside a mask; false: the same as --method dense"))
            .mut_arg(option_of!(SparseOptions, fix), |arg| {
                arg.alias("static-topo").help("Keep the first mask: the same as --method static")
            })
            .mut_arg(option_of!(MaskOptions, density), |arg| {
                arg.visible_alias("init-density").alias("dense-allocation").hide_default_value(true).help(
                    "Kept fraction of the weights at first, in (0, 1]; with small_dense, weights of the narrower network as a \
                     fraction of those of the wider [default: that of the method]",
                )
            })
            .mut_arg(option_of!(TrainingOptions, epochs), |arg| arg.default_value("250"))
            .mut_arg(option_of!(TrainingOptions, batch_size), |arg| arg.default_value("100"))
            .mut_arg(option_of!(TrainingOptions, l2), |arg| arg.default_value("1e-4"))
    }
}

/// The program: reads its command line, does what it asks, tells errors. A program of your own registers what it adds and calls this.
pub fn main() -> ExitCode {
    cli::main::<Dst>()
}
