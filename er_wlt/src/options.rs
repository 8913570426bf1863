//! The options of `er_wlt` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use clap::Args;
use serde::Serialize;
use shared::Result;
use shared::cli::Program;
use shared::config::{Checks, DataOptions, Given, InitOptions, MaskOptions, Resolved, RunOptions, TrainOptions, values};
use shared::init::InitMethod;
use shared::model::ModelSpec;
use shared::run::Start;
use shared::topology::{MaskPlan, SparseInit};
use shared::train::{Beginning, Plan};

use crate::Wlt;

/// Everything that can be asked of `er_wlt`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) deciding: Deciding,
    #[command(flatten)]
    pub(crate) run: RunOptions,
    /// Train this many times, with seeds --seed, --seed + 1, …; then print mean and standard deviation
    #[arg(long, default_value = "1", value_parser = values::count, value_name = "N", help_heading = "Running")]
    pub(crate) iters: usize,
    #[command(flatten)]
    moving: Moving,
    #[command(flatten)]
    published: Published,
}

/// Options that decide the result.
#[derive(Debug, Clone, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Deciding {
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) data: DataOptions,
    /// Train inside a mask; without, all weights exist
    #[arg(long, help_heading = "Mask")]
    sparse: bool,
    /// Keep the mask fixed, the only way so far
    #[arg(long, help_heading = "Mask")]
    fix: bool,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) mask: MaskOptions,
    #[command(flatten)]
    #[serde(flatten)]
    init: InitOptions,
    /// Same as --init-method scaled: Kaiming's variance for the edges that exist
    #[arg(long, help_heading = "Initialisation")]
    scaled: bool,
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) train: TrainOptions,
    /// Factor that stretches the epochs and the milestones of the learning rate
    #[arg(long, default_value = "1", value_parser = values::count, value_name = "M", help_heading = "Training")]
    multiplier: usize,
}

/// Options about masks that move during training, which a fixed one does not.
#[derive(Debug, Clone, Args)]
struct Moving {
    /// How edges grow
    #[arg(long, hide = true, ignore_case = true, value_parser = ["random", "random_unfired", "momentum", "gradient"])]
    growth: Option<String>,
    /// How edges die
    #[arg(long, hide = true, ignore_case = true, value_parser = ["magnitude", "SET", "Taylor_FO", "threshold"])]
    death: Option<String>,
    /// How edges move between layers
    #[arg(long, hide = true, ignore_case = true, value_parser = ["momentum", "magnitude", "nonzeros", "none"])]
    redistribution: Option<String>,
    /// Fraction of the edges that die at once
    #[arg(long, hide = true, value_parser = values::below_one)]
    death_rate: Option<f64>,
    /// Steps between two changes
    #[arg(long, hide = true, value_parser = values::count)]
    update_frequency: Option<usize>,
    /// How the death rate falls
    #[arg(long, hide = true, ignore_case = true, value_parser = ["cosine", "linear"])]
    decay_schedule: Option<String>,
    /// Steps between two falls
    #[arg(long, hide = true, value_parser = values::count)]
    decay_frequency: Option<usize>,
}

/// Names of [`Moving`].
const MOVING: [&str; 7] =
    ["growth", "death", "redistribution", "death-rate", "update-frequency", "decay-schedule", "decay-frequency"];

/// Options of the published program that mean nothing here.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
struct Published {
    /// Accepted: this program always runs on the CPU
    #[arg(long, hide = true)]
    no_cuda: bool,
    /// Half precision
    #[arg(long, hide = true)]
    fp16: bool,
    /// Timing of layers
    #[arg(long, hide = true)]
    bench: bool,
    /// Activations
    #[arg(long, hide = true)]
    save_features: bool,
    /// L1 penalty
    #[arg(long, hide = true, value_parser = values::non_negative)]
    l1: Option<f64>,
}

/// Options that fit together: what will run.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) config: Resolved,
    pub(crate) spec: ModelSpec,
    pub(crate) data_options: shared::data::Options,
    pub(crate) beginning: Beginning,
    pub(crate) plan: Plan,
    pub(crate) step: shared::engine::TrainOptions,
    pub(crate) start: Start,
    /// The deciding options with every default filled in.
    pub(crate) deciding: Deciding,
    /// Remarks for the user.
    pub(crate) notes: Vec<String>,
}

impl Checked {
    /// Layers that get a random mask: none in a dense run.
    pub(crate) fn masked_layers(&self) -> Vec<usize> {
        let Some(plan) = &self.beginning.masks else { return Vec::new() };
        let layers = self.spec.layers().iter().enumerate();
        layers.filter(|(l, layer)| !layer.depthwise && !plan.dense_layers.contains(l)).map(|(l, _)| l).collect()
    }
}

impl Options {
    /// Checks everything at once.
    ///
    /// # Errors
    /// One usage error with all problems.
    pub(crate) fn check(&self, given: &Given) -> Result<Checked> {
        let mut checks = Checks::new(given);
        let mut deciding = self.deciding.clone();
        let seed = deciding.train.seed;
        self.published.refuse(&mut checks);
        let init = deciding.init_method(&mut checks);
        let resolved = deciding.data.resolve(seed);
        if let Err(error) = &resolved {
            checks.problems.add_error(error);
        }
        let masks = deciding.masks(resolved.as_ref().ok().map(|(spec, _)| spec), &mut checks);
        let beginning = Beginning { masks, init, ortho_repair: deciding.init.ortho_repair, seed };
        let learning_rate = deciding.train.learning_rate(deciding.multiplier, &mut checks);
        let plan = Plan {
            epochs: learning_rate.epochs as u64,
            max_steps: deciding.train.max_steps.map(|n| n as u64),
            log_interval: self.run.log_interval as u64,
            learning_rate,
        };
        let step = deciding.train.step(&mut checks);
        let start = deciding.train.start(&mut checks);
        let unused = checks.finish()?;
        let (spec, data_options) = resolved?;
        let config = Resolved::new(Wlt::NAME, &deciding, &self.run, &unused)?;
        let notes = deciding.notes(given);
        Ok(Checked { config, spec, data_options, beginning, plan, step, start, deciding, notes })
    }
}

impl Deciding {
    /// Whether there is a mask.
    pub(crate) fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// The way weights are drawn, which two options can name.
    fn init_method(&mut self, checks: &mut Checks) -> InitMethod {
        if self.scaled {
            let other = self.init.init_method;
            if checks.given.has("init-method") && other != InitMethod::Scaled {
                let what = format!("{} means --init-method scaled, but {other} is asked for", checks.given.show("scaled"));
                checks.problems.add_with_help(what, "give one of the two");
            }
            self.init.init_method = InitMethod::Scaled;
        }
        checks.unused("scaled");
        self.init.init_method
    }

    /// What the masks are drawn from; none without `--sparse`, and where there is a problem.
    fn masks(&self, spec: Option<&ModelSpec>, checks: &mut Checks) -> Option<MaskPlan> {
        if !self.sparse {
            for option in MaskOptions::NAMES.into_iter().chain(["fix"]) {
                checks.no_effect(option, "without --sparse", "add --sparse --fix to train inside a mask");
            }
            return None;
        }
        if !self.fix {
            let what = "without --fix edges die and grow during training, which er_wlt does not do yet";
            checks.problems.add_with_help(format!("{}: {what}", checks.given.show("sparse")), "add --fix");
        }
        if self.mask.sparse_init == SparseInit::ErOrtho && self.init.init_method != InitMethod::Default {
            let what = format!("{}: ER_ortho brings weights of its own", checks.given.show("init-method"));
            checks.problems.add_with_help(what, "leave --init-method at default");
        }
        self.mask.plan(spec?, self.train.seed, checks)
    }

    /// Remarks on options that are accepted and have no effect.
    fn notes(&self, given: &Given) -> Vec<String> {
        let why = if self.sparse { "with --fix: the mask never changes" } else { "without --sparse: there is no mask" };
        MOVING.iter().filter(|name| given.has(name)).map(|name| format!("--{name} has no effect {why}")).collect()
    }
}

impl Published {
    fn refuse(&self, checks: &mut Checks) {
        for (asked, option, why, instead) in [
            (self.fp16, "fp16", "half precision is not implemented", "leave it out: everything is computed in 32 bits"),
            (self.bench, "bench", "there is no timing of single layers", "see median_step_seconds in summary.json of a run"),
            (
                self.save_features,
                "save-features",
                "activations are not saved",
                "load checkpoints/best.safetensors of a run in a program of your own",
            ),
            (self.l1 > Some(0.0), "l1", "there is no L1 penalty", "use --l2, or leave it out"),
        ] {
            if asked {
                checks.problems.add_with_help(format!("{}: {why}", checks.given.show(option)), instead);
            }
        }
    }
}
