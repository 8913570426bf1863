//! Options about masks.

use std::path::Path;

use clap::Args;

use crate::config::{OptionId, Resolver, Typed, listing, values};
use crate::{option, options};
use er_graphs::density::{Density, rounded};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Mask, Sampling};
use er_graphs::registry::Named;
use er_networks::model::ModelSpec;
use er_networks::topology::{FlowPreservation, MaskPlan, SparseInit, resolve_dense_layers};
use er_training::run::read_masks;

/// Which weights exist.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mask")]
pub struct MaskOptions {
    /// Kept fraction of the weights, in (0, 1]
    #[arg(long, default_value = "0.05", value_parser = values::parsed::<Density>)]
    pub density: Density,
    /// How the density is divided among the layers.
    #[arg(long, default_value = "ERK", value_parser = values::sparse_init, value_name = "NAME",
          help = format!("How the density is divided among the layers: {}; or one density per layer, as a list like [0.5,0.1,1] or a JSON \
                          file, rescaled to the density; or the masks of a checkpoint or mask file (FILE.safetensors), which decide \
                          the density", listing::names(SparseInit::named().map(|n| n as &dyn Named))))]
    pub sparse_init: SparseInit,
    /// How they are drawn.
    #[command(flatten)]
    pub drawing: DrawingOptions,
}

/// How the masks of a given density are drawn.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mask")]
pub struct DrawingOptions {
    /// How edges are drawn: bernoulli (each independently) or exact (a fixed number per layer)
    #[arg(long, default_value = "bernoulli", value_parser = values::parsed::<Sampling>, value_name = "LAW")]
    pub sampling: Sampling,
    /// Layers that stay dense and outside the density: first, last, linear or names of parameters, separated by
    /// commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub dense_layers: Vec<String>,
    /// Whether units without edges are given one
    #[arg(long)]
    pub flow_preservation: bool,
    /// Whether as many other edges are removed as --flow-preservation adds
    #[arg(long)]
    pub flow_keep_density: bool,
}

/// Which masks are asked for: what options say, or what stands in a file that they name.
#[derive(Debug, Clone)]
pub struct MaskSettings {
    /// How the density is divided among the layers.
    pub init: SparseInit,
    /// The density: of a file of masks, that of its masks.
    pub density: Density,
    /// Layers that stay dense.
    pub dense_layers: Vec<String>,
    /// The masks of the file that `init` names, if it names one.
    pub of_file: Option<Vec<Mask>>,
}

impl MaskOptions {
    /// Which options these are; a dense run has no use for them.
    pub fn ids(&self) -> [OptionId; 6] {
        let drawing = &self.drawing;
        options![
            self.density,
            self.sparse_init,
            drawing.sampling,
            drawing.dense_layers,
            drawing.flow_preservation,
            drawing.flow_keep_density,
        ]
    }

    /// Which masks they ask for. A file that they name is read if a network is there for it.
    ///
    /// # Errors
    /// As [`DrawingOptions::settings`].
    pub fn settings(&self, spec: Option<&ModelSpec>, resolver: &mut Resolver) -> Result<MaskSettings> {
        self.drawing.settings(&self.sparse_init, option!(self.density), spec, resolver)
    }

    /// What masks of these settings are drawn from.
    pub fn plan(&self, settings: &MaskSettings, spec: &ModelSpec, seed: u64, resolver: &mut Resolver) -> Option<MaskPlan> {
        resolver.keep_as(option!(self.density), settings.density);
        resolver.keep_as(option!(self.sparse_init), &settings.init);
        self.drawing.plan(settings, spec, seed, resolver)
    }
}

impl DrawingOptions {
    /// Why these options mean nothing with masks from a file.
    pub const FROM_FILE: &str = "with masks from a file, which are taken as they are";

    /// Which masks are asked for by `init`, by the `density` of an option, and by these options. A file that `init` names is read if a
    /// network is there for it.
    ///
    /// # Errors
    /// If the file is missing or damaged, does not fit the model, or has no edge.
    pub fn settings(
        &self,
        init: &SparseInit,
        density: Typed<'_, Density>,
        spec: Option<&ModelSpec>,
        resolver: &mut Resolver,
    ) -> Result<MaskSettings> {
        let (init, dense_layers) = (init.clone(), self.dense_layers.clone());
        let mut settings = MaskSettings { init, density: *density.value, dense_layers, of_file: None };
        if let (SparseInit::File(path), Some(spec)) = (&settings.init, spec) {
            let masks = read_masks(path, spec)?;
            settings.density = density_of_file(path, &masks, density, spec, resolver)?;
            settings.of_file = Some(masks);
        }
        Ok(settings)
    }

    /// What masks of these settings are drawn from.
    pub fn plan(&self, settings: &MaskSettings, spec: &ModelSpec, seed: u64, resolver: &mut Resolver) -> Option<MaskPlan> {
        let MaskSettings { init, density, dense_layers, .. } = settings;
        resolver.keep_as(option!(self.dense_layers), dense_layers);
        let law = resolver.keep(option!(self.sampling));
        let [on, keeps] = [option!(self.flow_preservation), option!(self.flow_keep_density)].map(|flow| resolver.keep(flow));
        if matches!(init, SparseInit::File(_)) {
            for option in options![self.sampling, self.dense_layers, self.flow_preservation, self.flow_keep_density] {
                resolver.no_effect(option, Self::FROM_FILE, "leave it out");
            }
        } else if !on {
            resolver.no_effect(option!(self.flow_keep_density), "without --flow-preservation", "add --flow-preservation");
        }
        let flow = match (on, keeps) {
            (false, _) => FlowPreservation::Off,
            (true, false) => FlowPreservation::On,
            (true, true) => FlowPreservation::KeepDensity,
        };
        let dense_layers = resolver.take(resolve_dense_layers(spec, dense_layers))?;
        let plan = MaskPlan { init: init.clone(), law, density: *density, dense_layers, flow, seed };
        resolver.take(plan.check(spec))?;
        Some(plan)
    }
}

/// The density of the masks of a file, which decides; having asked for another is a problem.
fn density_of_file(
    path: &Path,
    masks: &[Mask],
    asked: Typed<'_, Density>,
    spec: &ModelSpec,
    resolver: &mut Resolver,
) -> Result<Density> {
    let masked: Vec<&Mask> = spec.layers().iter().zip(masks).filter(|(l, _)| !l.depthwise).map(|(_, m)| m).collect();
    let (edges, weights) = Mask::totals(masked.iter().copied());
    let found = Density::new(edges as f64 / weights as f64).map_err(|_| {
        Error::failure(format!("the masks of {} have no edge: nothing passes through the network", path.display()))
            .help("give a file whose masks have some")
    })?;
    // Half an edge a layer is what rounding makes of a density, and six digits are what programs print of it.
    let rounding = 0.5 * masked.len() as f64 + 1e-6 * weights as f64;
    if resolver.is_given(asked) && (asked.value.get() * weights as f64 - edges as f64).abs() > rounding {
        let asked = format!("{} {}", resolver.show(asked), asked.value);
        let what = format!("{asked}: the masks of {} have density {}", path.display(), rounded(found.get()));
        resolver.problems.add_with_help(what, "leave it out: the file decides");
    }
    Ok(found)
}

/// Whether there is a mask, whether it may change, and which one it is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Mask")]
pub struct SparseOptions {
    /// Train inside a mask; without it, all weights exist
    #[arg(long)]
    pub sparse: bool,
    /// Keep the mask fixed, so that no edges move
    #[arg(long)]
    pub fix: bool,
    /// The mask.
    #[command(flatten)]
    pub mask: MaskOptions,
}
