//! DynamicStepper sparse training: moves the edges of a random mask while it trains.

mod options;

use std::process::ExitCode;

use clap::Command;
use shared::Result;
use shared::cli::{self, Program};
use shared::config::on_unless_switched_off;

/// The program.
struct Dst;

impl Program for Dst {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str =
        "Trains a network on the edges of a random mask, and moves the edges while it trains (dynamic sparse training)";

    fn adapt(command: Command) -> Command {
        on_unless_switched_off(on_unless_switched_off(command, "sparse"), "is_prune")
            .mut_arg("sparse", |arg| arg.help("Train inside a mask; false: the same as --method dense"))
            .mut_arg("fix", |arg| arg.alias("static-topo").help("Keep the first mask: the same as --method static"))
            .mut_arg("density", |arg| {
                arg.visible_alias("init-density").alias("dense-allocation").hide_default_value(true).help(
                    "Kept fraction of the weights at first, in (0, 1]; with small_dense, weights of the narrower network as a \
                     fraction of those of the wider [default: that of the method]",
                )
            })
            .mut_arg("epochs", |arg| arg.default_value("250"))
            .mut_arg("batch_size", |arg| arg.default_value("100"))
            .mut_arg("l2", |arg| arg.default_value("1e-4"))
    }
}

/// The whole of the program. `add` comes first: it may add to the [registries](shared::registry), so that a crate of your own has
/// this program with your distribution, score or model in it.
pub fn main(add: impl FnOnce() -> Result<()>) -> ExitCode {
    cli::main::<Dst>(add)
}
