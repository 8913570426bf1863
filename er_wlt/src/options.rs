//! The options of `er_wlt` and what they mean together.

use clap::Args;
use serde::Serialize;
use shared::Result;
use shared::config::{Checks, ExperimentOptions, MovingOptions, ProgramOptions, RunOptions, Setup, Shared, SparseOptions};
use shared::model::ModelSpec;
use shared::registry::Selected;
use shared::topology::rule::grow::Random;
use shared::topology::rule::{Exchanging, Method};

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

impl ProgramOptions for Options {
    fn shared(&mut self) -> Shared<'_> {
        self.shared.shared()
    }

    fn setup(&mut self, named: Option<ModelSpec>, _: &RunOptions, checks: &mut Checks) -> Result<Option<Setup>> {
        let SparseOptions { sparse, fix, .. } = self.shared.sparse;
        let given = self.shared.sparse.read(named.as_ref(), checks)?;
        let method = self.method(checks);
        let advice = ("add --sparse --fix to train inside a mask", [].as_slice());
        let Some(mut setup) = self.shared.moving(method, None, given, named, advice, checks) else { return Ok(None) };
        if sparse && !fix {
            setup.name.push_str("-moving");
            return Ok(Some(setup));
        }
        let why = if sparse { "with --fix: the mask never changes" } else { "without --sparse: there is no mask" };
        let given = MovingOptions::names().filter(|name| checks.given.has(name));
        setup.notes.extend(given.map(|name| format!("--{name} has no effect {why}")));
        Ok(Some(setup))
    }
}

impl Options {
    /// Without `--fix` edges die and grow as in the random-pruning experiments (Liu et al. 2022).
    fn method(&mut self, checks: &mut Checks) -> Method {
        let sparse = &self.shared.sparse;
        let densities = [sparse.mask.density.get(); 2];
        if !sparse.sparse || sparse.fix {
            for option in MovingOptions::names() {
                checks.unused(option);
            }
            let fixed = if sparse.sparse { Method::STATIC } else { Method::DENSE };
            return Method { densities, ..fixed };
        }
        let exchange = Some(Exchanging { grow: Selected::new(&Random), ..Exchanging::GRANET });
        let mut method = Method { densities, exchange, prune: None, ..Method::GRANET };
        self.moving.complete(&mut method, "these options", checks);
        method
    }
}
