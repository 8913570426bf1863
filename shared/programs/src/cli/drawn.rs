//! Masks that a sub-command draws for a network, without a training around them.

use clap::Args;

use crate::config::{Checks, DrawingOptions, MaskOptions, NetworkOptions, values};
use er_graphs::error::Result;
use er_networks::init::InitMethod;
use er_networks::model::ModelSpec;
use er_networks::topology::Drawn;
use er_training::train::InitialNetwork;

/// A network and masks drawn for it.
#[derive(Debug, Clone, Args)]
pub(super) struct DrawnOptions {
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) mask: MaskOptions,
    /// Seed of all random decisions
    #[arg(long, default_value = "17", value_parser = values::seed, help_heading = "Mask")]
    pub(super) seed: u64,
}

impl DrawnOptions {
    /// Draws, after telling what is wrong with these options and what `checks` has found wrong with others.
    ///
    /// # Errors
    /// One usage error with all problems; a mask file that is missing or does not fit.
    pub(super) fn draw(mut self, mut checks: Checks) -> Result<(ModelSpec, Drawn)> {
        let named = self.network.resolve();
        let Some(spec) = checks.take(named) else {
            checks.finish()?;
            unreachable!("no network is a problem");
        };
        let MaskOptions { density, sparse_init, drawing } = &mut self.mask;
        let given = DrawingOptions::read(sparse_init, density, "density", &spec, &mut checks)?;
        let masks = drawing.plan(&spec, sparse_init, *density, self.seed, &mut checks);
        checks.finish()?;
        let initial = InitialNetwork { masks, given, init: InitMethod::Default, ortho_repair: false, seed: self.seed };
        let drawn = initial.draw(&spec)?;
        Ok((spec, drawn))
    }
}
