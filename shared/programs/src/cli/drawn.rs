//! Masks that a sub-command draws for a network, without a training around them.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{MaskOptions, NetworkOptions, Resolver, values};
use crate::options;
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
    /// The network and the masks of a run with this configuration, or of the one in this folder, in place of all these options
    #[arg(long = "config", value_name = "FILE|FOLDER", help_heading = None)]
    pub(super) configuration: Option<PathBuf>,
}

/// The network of a configuration of the program, the masks that its run would draw, and its seed.
pub(super) type OfConfiguration<'a> = dyn Fn(&Path) -> Result<(ModelSpec, Drawn, u64)> + 'a;

impl DrawnOptions {
    /// The network, its masks and their seed. Draws after telling what is wrong with these options and what `resolver` has found wrong with
    /// others.
    ///
    /// # Errors
    /// One usage error with all problems; a mask file that is missing or does not fit.
    pub(super) fn draw(self, mut resolver: Resolver, of: &OfConfiguration) -> Result<(ModelSpec, Drawn, u64)> {
        if let Some(path) = &self.configuration {
            let (network, mask) = (self.network.ids(), self.mask.ids());
            for option in network.into_iter().chain(mask).chain(options![self.seed]) {
                resolver.no_effect(option, "with --config, which says it", "leave it out");
            }
            resolver.finish()?;
            return of(path);
        }
        let named = self.network.network(|usual| self.network.name(usual));
        let Some(spec) = resolver.take(named) else {
            resolver.finish()?;
            unreachable!("no network is a problem");
        };
        let settings = self.mask.settings(self.mask.read(&spec, &mut resolver)?);
        let masks = self.mask.plan(&settings, &spec, self.seed, &mut resolver);
        resolver.finish()?;
        let init = InitMethod::Default;
        let initial = InitialNetwork { masks, given: settings.of_file, init, ortho_repair: false, seed: self.seed };
        let drawn = initial.draw(&spec)?;
        Ok((spec, drawn, self.seed))
    }
}
