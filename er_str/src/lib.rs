//! Soft-threshold reparameterisation inside a random mask, from YAML.

mod conv_type;
mod er_method;
mod ignored;
mod model;
mod options;
mod pruning;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use shared::cli::{self, Program};
use shared::config::{NetworkOptions, RunOptions, TrainingOptions, listing};
use shared::option_of;

/// The program.
struct Str;

impl Program for Str {
    type Options = options::Options;

    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const REVISION: Option<&'static str> = option_env!("ER_REVISION");
    const ABOUT: &'static str = "Trains weights and, with them, how many of them are used: soft-threshold reparameterisation (STR) \
                                 inside a random mask, and the layers it is compared with";
    const EXAMPLES: [&'static str; 3] = [
        "--er-sparse-init 0.3 --er-sparse-method ERK --sInit-value -5 --epochs 30",
        "--conv-type ConvMask --pruner mag --threshold-list 0.3,0.1 --final-prune-epoch 4",
        "show --conv-type STRConv --arch ResNet50 --set cifar100",
    ];

    fn adapt(command: Command) -> Command {
        let network = format!(
            "Network, such as ResNet18 or MobileNetV1: {}; ResNet-18 to 152 and MobileNets get the 1x1 convolution as classifier that \
             STR has (-str) [default: ResNet18 for cifar10, ResNet50 for cifar100, tiny_imagenet and imagenet, else one that suits the \
             images]",
            listing::models()
        );
        let policy = "How the learning rate falls: cosine_lr, constant_lr, efficientnet_lr, multistep_lr (every so many epochs) or \
                      multistep (at milestones)";
        let every = "Epochs between two multiplications of the rate by gamma with the policy multistep_lr";
        let decay = "Weight decay: lambda of the L2 penalty on weights, thresholds, scales and shifts; it is what makes thresholds rise \
                     [default: 1e-4; 0 with --optimizer adam]";
        let name = "Name of the run, after which its folder and files are named [default: er_str]";
        command
            .mut_arg(option_of!(NetworkOptions, data), |arg| arg.long("set").alias("dataset"))
            .mut_arg(option_of!(RunOptions, data_dir), |arg| arg.long("data").visible_alias("data-dir").value_parser(folder))
            .mut_arg(option_of!(NetworkOptions, model), |arg| arg.long("arch").short('a').visible_alias("model").help(network))
            .mut_arg(option_of!(NetworkOptions, classes), |arg| arg.alias("num-classes"))
            .mut_arg(option_of!(TrainingOptions, epochs), |arg| arg.default_value("90"))
            .mut_arg(option_of!(TrainingOptions, batch_size), |arg| arg.short('b').default_value("256"))
            .mut_arg(option_of!(TrainingOptions, lr), |arg| arg.alias("learning-rate"))
            .mut_arg(option_of!(TrainingOptions, lr_policy), |arg| arg.default_value("constant_lr").help(policy))
            .mut_arg(option_of!(TrainingOptions, warmup_epochs), |arg| arg.long("warmup-length"))
            .mut_arg(option_of!(TrainingOptions, lr_step_epochs), |arg| {
                arg.long("multistep-lr-adjust").alias("lr-step-epochs").help(every)
            })
            .mut_arg(option_of!(TrainingOptions, decay_frequency), |arg| {
                arg.help("Steps between two such multiplications, in place of epochs")
            })
            .mut_arg(option_of!(TrainingOptions, lr_gamma), |arg| {
                arg.long("multistep-lr-gamma").alias("lr-gamma").help("Gamma of multistep_lr and multistep")
            })
            .mut_arg(option_of!(TrainingOptions, nesterov), |arg| arg.default_value("false"))
            .mut_arg(option_of!(TrainingOptions, l2), |arg| {
                let named = arg.long("weight-decay").visible_alias("wd").alias("l2");
                named.default_value("1e-4").hide_default_value(true).help(decay)
            })
            .mut_arg(option_of!(RunOptions, out), |arg| arg.visible_alias("log-dir"))
            .mut_arg(option_of!(RunOptions, name), |arg| arg.help(name))
            .mut_arg(option_of!(RunOptions, log_interval), |arg| arg.short('p').visible_alias("print-freq"))
    }
}

/// A folder that exists.
fn folder(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_dir() {
        return Ok(text.into());
    }
    Err(format!("'{text}' is no folder; --data is where data sets are, as in the published program, and --set names one"))
}

/// The program: reads its command line, does what it asks, tells errors. A program of your own registers what it adds and calls this.
pub fn main() -> ExitCode {
    cli::main::<Str>()
}
