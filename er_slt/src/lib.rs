//! Strong lottery tickets: searches an untrained network inside a random mask.

mod options;

use std::process::ExitCode;

use clap::Command;
use shared::cli::{self, Program};
use shared::config::{DataOptions, DrawingOptions, NetworkOptions, RunOptions, TrainingOptions, listing};
use shared::option_of;

/// The program.
struct Slt;

impl Program for Slt {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str = "Finds a subnetwork of an untrained network inside a random mask (strong lottery tickets): weights \
                                 stay as they are, scores are trained, and the largest scores choose (edge-popup)";
    const EXAMPLES: [&'static str; 3] = [
        "--sparsity 0.1 --levels 3 --epochs 10 --lr 0.1",
        "--sparsity 0.1 --anneal --levels 3 --epochs 10 --lr 0.1",
        "show --sparsity 0.05 --er-init-density 0.5 --model resnet18 --data cifar10",
    ];

    fn adapt(command: Command) -> Command {
        let network = format!(
            "Network, with biases everywhere and normalisations without scale and shift (the network NAME-slt): {} [default: vgg16 for \
             cifar10, else one that suits the images]",
            listing::models()
        );
        let dense = "Layers in which every weight may be chosen, outside the density of the mask: first, last, linear or names of \
                     parameters, separated by commas";
        let policy = "How the learning rate falls, anew in each level: step (epochs count from 1), multistep, cosine or constant";
        let warmup = "Epochs of each level over which the rate rises to --lr [default: 0; 5 with cosine and constant]";
        let epochs = "Passes over the training images in each level";
        let decay = "Weight decay: lambda of the L2 penalty on the scores";
        command
            .mut_arg(option_of!(NetworkOptions, data), |arg| arg.alias("dataset"))
            .mut_arg(option_of!(NetworkOptions, model), |arg| arg.help(network))
            .mut_arg(option_of!(DrawingOptions, dense_layers), |arg| arg.help(dense))
            .mut_arg(option_of!(DataOptions, augment), |arg| arg.default_value("false"))
            .mut_arg(option_of!(DataOptions, normalise), |arg| arg.default_value("half"))
            .mut_arg(option_of!(TrainingOptions, seed), |arg| arg.default_value("1"))
            .mut_arg(option_of!(TrainingOptions, epochs), |arg| arg.default_value("10").help(epochs))
            .mut_arg(option_of!(TrainingOptions, test_batch_size), |arg| arg.default_value("1000"))
            .mut_arg(option_of!(TrainingOptions, lr), |arg| arg.default_value("0.01").help("Learning rate of the scores"))
            .mut_arg(option_of!(TrainingOptions, lr_policy), |arg| arg.default_value("step").help(policy))
            .mut_arg(option_of!(TrainingOptions, warmup_epochs), |arg| {
                arg.visible_alias("warmup-length").hide_default_value(true).help(warmup)
            })
            .mut_arg(option_of!(TrainingOptions, nesterov), |arg| arg.default_value("false"))
            .mut_arg(option_of!(TrainingOptions, l2), |arg| arg.visible_alias("wd").help(decay))
            .mut_arg(option_of!(RunOptions, out), |arg| arg.visible_alias("save-file"))
    }
}

/// The program: reads its command line, does what it asks, tells errors. A program of your own registers what it adds and calls this.
pub fn main() -> ExitCode {
    cli::main::<Slt>()
}
