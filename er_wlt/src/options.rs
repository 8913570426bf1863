//! The options of `er_wlt` and what they mean together.

use clap::Args;
use shared::config::{
    ExperimentOptions, MaskedRun, MovingOptions, OptionId, ProgramOptions, Resolver, Settled, Setup, SharedOptions, SparseOptions,
};
use shared::density::Density;
use shared::registry::Selected;
use shared::topology::rule::grow::Random;
use shared::topology::rule::{Exchanging, Method};
use shared::{Result, options};

/// Everything that decides what `er_wlt` computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    moving: MovingOptions,
}

impl ProgramOptions for Options {
    fn shared(&self) -> SharedOptions<'_> {
        self.shared.shared()
    }

    fn named(&self) -> Vec<OptionId> {
        let SparseOptions { mask, .. } = &self.shared.sparse;
        options![self.shared.sparse.sparse, self.shared.sparse.fix, mask.density, mask.sparse_init].to_vec()
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let SparseOptions { sparse, fix, mask } = &self.shared.sparse;
        let file = match &settled.network {
            Some(spec) if *sparse => mask.read(spec, resolver)?,
            _ => None,
        };
        let masks = mask.settings(file);
        let method = self.method(masks.density, resolver);
        let advice = "add --sparse --fix to train inside a mask";
        let run = MaskedRun { method, by: None, masks, advice, learning_rates: settled.learning_rate.clone().into() };
        let Some(mut setup) = self.shared.masked(settled.network, run, settled.seed, resolver) else { return Ok(None) };
        if *sparse && !fix {
            setup.name.push_str("-moving");
        }
        Ok(Some(setup))
    }
}

impl Options {
    /// Without `--fix` edges die and grow as in the random-pruning experiments (Liu et al. 2022).
    fn method(&self, density: Density, resolver: &mut Resolver) -> Method {
        let SparseOptions { sparse, fix, .. } = self.shared.sparse;
        let densities = [density.get(); 2];
        if !sparse || fix {
            let why = if sparse { "with --fix: the mask never changes" } else { "without --sparse: there is no mask" };
            for option in self.moving.ids() {
                resolver.remark_no_effect(option, why);
            }
            let fixed = if sparse { Method::STATIC } else { Method::DENSE };
            return Method { densities, ..fixed };
        }
        let exchange = Some(Exchanging { grow: Selected::new(&Random), ..Exchanging::GRANET });
        let method = Method { densities, exchange, prune: None, ..Method::GRANET };
        self.moving.method(method, "these options", resolver)
    }
}
