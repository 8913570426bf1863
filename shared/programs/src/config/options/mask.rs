//! Options about masks.

use clap::Args;
use serde::Serialize;

use crate::config::{Checks, listing, values};
use er_graphs::density::{Density, rounded};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Mask, Sampling};
use er_graphs::registry::Named;
use er_networks::init::InitMethod;
use er_networks::model::ModelSpec;
use er_networks::topology::{FlowPreservation, MaskPlan, MaskWeights, SparseInit, resolve_dense_layers};
use er_training::run::read_masks;

/// Which weights exist.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Mask")]
#[serde(rename_all = "kebab-case")]
pub struct MaskOptions {
    /// Kept fraction of the weights, in (0, 1]
    #[arg(long, default_value = "0.05", value_parser = values::parsed::<Density>)]
    pub density: Density,
    /// How the density is divided among the layers.
    #[arg(long, default_value = "ERK", value_parser = values::sparse_init, value_name = "NAME",
          help = format!("How the density is divided among the layers: {}; or one density per layer, as a list like [0.5,0.1,1] or a JSON \
                          file, rescaled to the density; or the masks of a checkpoint or mask file (FILE.safetensors), which decide \
                          the density", listing::names(SparseInit::named().map(|n| n as &dyn Named))))]
    #[serde(serialize_with = "values::display")]
    pub sparse_init: SparseInit,
    /// How they are drawn.
    #[command(flatten)]
    #[serde(flatten)]
    pub drawing: DrawingOptions,
}

/// How the masks of a given density are drawn.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Mask")]
#[serde(rename_all = "kebab-case")]
pub struct DrawingOptions {
    /// How edges are drawn: bernoulli (each independently) or exact (a fixed number per layer)
    #[arg(long, default_value = "bernoulli", value_parser = values::parsed::<Sampling>, value_name = "LAW")]
    pub sampling: Sampling,
    /// Layers that stay dense and outside the density: first, last, linear or names of parameters, separated by
    /// commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dense_layers: Vec<String>,
    /// Whether units without edges are given one
    #[arg(long)]
    pub flow_preservation: bool,
    /// Whether as many other edges are removed as --flow-preservation adds
    #[arg(long)]
    pub flow_keep_density: bool,
}

impl MaskOptions {
    /// Names of these options, which a dense run has no use for.
    pub const NAMES: [&str; 6] = ["density", "sparse-init", "sampling", "dense-layers", "flow-preservation", "flow-keep-density"];
}

impl DrawingOptions {
    /// Why these options mean nothing with masks from a file.
    pub const FROM_FILE: &str = "with masks from a file, which are taken as they are";

    /// The masks of the file that `init` names, if it names one, whose density then is the `density` that `option` asks for. To be
    /// called before anything reads the density.
    ///
    /// # Errors
    /// If the file is missing or damaged, does not fit the model, or has no edge.
    pub fn read(
        init: &SparseInit,
        density: &mut Density,
        option: &str,
        spec: &ModelSpec,
        checks: &mut Checks,
    ) -> Result<Option<Vec<Mask>>> {
        let SparseInit::File(path) = init else { return Ok(None) };
        let masks = read_masks(path, spec)?;
        let masked: Vec<&Mask> = spec.layers().iter().zip(&masks).filter(|(l, _)| !l.depthwise).map(|(_, m)| m).collect();
        let (edges, weights) = Mask::totals(masked.iter().copied());
        let found = Density::new(edges as f64 / weights as f64).map_err(|_| {
            Error::failure(format!("the masks of {} have no edge: nothing passes through the network", path.display()))
                .help("give a file whose masks have some")
        })?;
        // Half an edge a layer is what rounding makes of a density, and six digits are what programs print of it.
        let rounding = 0.5 * masked.len() as f64 + 1e-6 * weights as f64;
        if checks.given.has(option) && (density.get() * weights as f64 - edges as f64).abs() > rounding {
            let asked = format!("{} {density}", checks.given.show(option));
            let what = format!("{asked}: the masks of {} have density {}", path.display(), rounded(found.get()));
            checks.problems.add_with_help(what, "leave it out: the file decides");
        }
        *density = found;
        Ok(Some(masks))
    }

    /// What masks of this density are drawn from.
    pub fn plan(
        &self,
        spec: &ModelSpec,
        init: &SparseInit,
        density: Density,
        seed: u64,
        checks: &mut Checks,
    ) -> Option<MaskPlan> {
        let flow = match (self.flow_preservation, self.flow_keep_density) {
            (false, _) => FlowPreservation::Off,
            (true, false) => FlowPreservation::On,
            (true, true) => FlowPreservation::KeepDensity,
        };
        if matches!(init, SparseInit::File(_)) {
            for (option, asked) in [
                ("sampling", true),
                ("dense-layers", !self.dense_layers.is_empty()),
                ("flow-preservation", self.flow_preservation),
                ("flow-keep-density", self.flow_keep_density),
            ] {
                if asked {
                    checks.no_effect(option, Self::FROM_FILE, "leave it out");
                } else {
                    checks.unused(option);
                }
            }
        } else if !self.flow_preservation {
            checks.no_effect("flow-keep-density", "without --flow-preservation", "add --flow-preservation");
        }
        let dense_layers = checks.take(resolve_dense_layers(spec, &self.dense_layers))?;
        let plan = MaskPlan { init: init.clone(), law: self.sampling, density, dense_layers, flow, seed };
        checks.take(plan.check(spec))?;
        Some(plan)
    }
}

/// Whether there is a mask, whether it may change, and which one it is.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Mask")]
#[serde(rename_all = "kebab-case")]
pub struct SparseOptions {
    /// Train inside a mask; without it, all weights exist
    #[arg(long)]
    pub sparse: bool,
    /// Keep the mask fixed, so that no edges move
    #[arg(long)]
    pub fix: bool,
    /// The mask.
    #[command(flatten)]
    #[serde(flatten)]
    pub mask: MaskOptions,
}

impl SparseOptions {
    /// Options of masks are problems without one, but for those in `but`; `advice` says what to do.
    pub fn refuse(&self, advice: &str, but: &[&str], checks: &mut Checks) {
        for option in MaskOptions::NAMES.into_iter().chain(["fix"]).filter(|o| !but.contains(o)) {
            checks.no_effect(option, "without a mask", advice);
        }
    }

    /// The masks of the file that `--sparse-init` names, if there is a mask and it names one: see [`DrawingOptions::read`].
    ///
    /// # Errors
    /// As [`DrawingOptions::read`].
    pub fn read(&mut self, spec: Option<&ModelSpec>, checks: &mut Checks) -> Result<Option<Vec<Mask>>> {
        let (Some(spec), true) = (spec, self.sparse) else { return Ok(None) };
        let MaskOptions { sparse_init, density, .. } = &mut self.mask;
        DrawingOptions::read(sparse_init, density, "density", spec, checks)
    }

    /// What the masks are drawn from; none without `--sparse`, and where there is a problem. `init` and `seed` are those of the
    /// run.
    pub fn plan(&self, spec: Option<&ModelSpec>, init: InitMethod, seed: u64, checks: &mut Checks) -> Option<MaskPlan> {
        if !self.sparse {
            return None;
        }
        let brings = matches!(self.mask.sparse_init.weights(), MaskWeights::Bring(_));
        if brings && init != InitMethod::Default {
            let name = self.mask.sparse_init.name();
            let what = format!("{}: {name} brings weights of its own", checks.given.show("init-method"));
            checks.problems.add_with_help(what, "leave --init-method at default");
        }
        self.mask.drawing.plan(spec?, &self.mask.sparse_init, self.mask.density, seed, checks)
    }
}
