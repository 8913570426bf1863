//! The options of `er_wlt` and what they mean together.

use clap::Args;
use serde::Serialize;
use shared::config::{Checks, ExperimentOptions, Given, MovingOptions, SparseOptions};
use shared::topology::rule::{Exchanging, Grow, Method, MethodName};
use shared::train::{Deciding, Experiment};

/// Everything that decides what `er_wlt` computes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    #[serde(flatten)]
    moving: MovingOptions,
}

impl Deciding for Options {
    const ADVICE: &'static str = "add --sparse --fix to train inside a mask";

    fn shared(&mut self) -> &mut ExperimentOptions {
        &mut self.shared
    }

    /// Without `--fix` edges die and grow as in the random-pruning experiments (Liu et al. 2022).
    fn check(&mut self, checks: &mut Checks) -> Method {
        let sparse = &self.shared.sparse;
        if !sparse.sparse || sparse.fix {
            for option in MovingOptions::names() {
                checks.unused(option);
            }
            let name = if sparse.sparse { MethodName::Static } else { MethodName::Dense };
            return Method { densities: [sparse.mask.density.get(); 2], ..name.method() };
        }
        let mut method = Method {
            densities: [sparse.mask.density.get(); 2],
            exchange: Some(Exchanging { grow: Grow::Random, ..Exchanging::GRANET }),
            ..MethodName::Dst.method()
        };
        self.moving.complete(&mut method, "these options", checks);
        method
    }

    /// Remarks on options that are accepted and have no effect.
    fn complete(&self, given: &Given, experiment: &mut Experiment) {
        let SparseOptions { sparse, fix, .. } = self.shared.sparse;
        if sparse && !fix {
            experiment.mask_name.push_str("-moving");
            return;
        }
        let why = if sparse { "with --fix: the mask never changes" } else { "without --sparse: there is no mask" };
        let given = MovingOptions::names().filter(|name| given.has(name));
        experiment.notes.extend(given.map(|name| format!("--{name} has no effect {why}")));
    }
}
