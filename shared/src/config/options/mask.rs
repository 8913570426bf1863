//! Options about masks.

use clap::Args;
use serde::Serialize;

use crate::config::{Checks, values};
use crate::density::Density;
use crate::graph::Law;
use crate::init::InitMethod;
use crate::model::ModelSpec;
use crate::topology::{FlowPreservation, MaskPlan, SparseInit, resolve_dense_layers};

/// Which weights exist.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Mask")]
#[serde(rename_all = "kebab-case")]
pub struct MaskOptions {
    /// Kept fraction of the weights, in (0, 1]
    #[arg(long, default_value = "0.05", value_parser = values::parsed::<Density>)]
    pub density: Density,
    /// How the density is divided among the layers: ERK, ER, uniform, balanced (ER_same_params, ER_same_params_per_layer),
    /// balanced-exact, balanced-greedy, pyramid, ERK-clipped, uniform_plus, ERK_plus, ER_flow, ER_ortho,
    /// global_magnitude; or one density a layer, as a list like [0.5,0.1,1] or a JSON file, rescaled to the density
    #[arg(long, default_value = "ERK", value_parser = values::sparse_init, value_name = "NAME")]
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
    /// How edges are drawn: bernoulli (each independently) or exact (a fixed number a layer)
    #[arg(long, default_value = "bernoulli", value_parser = values::parsed::<Law>, value_name = "LAW")]
    pub sampling: Law,
    /// Layers that stay dense and outside the density: first, last, linear or names of parameters, separated by
    /// commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dense_layers: Vec<String>,
    /// Whether units without edges get one
    #[arg(long)]
    pub flow_preservation: bool,
    /// Whether other edges go for those that --flow-preservation adds
    #[arg(long)]
    pub flow_keep_density: bool,
}

impl MaskOptions {
    /// Names of these options, which a dense run has no use for.
    pub const NAMES: [&str; 6] = ["density", "sparse-init", "sampling", "dense-layers", "flow-preservation", "flow-keep-density"];
}

impl DrawingOptions {
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
        if !self.flow_preservation {
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
    /// Train inside a mask; without, all weights exist
    #[arg(long)]
    pub sparse: bool,
    /// Keep the mask fixed: no edges move
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

    /// What the masks are drawn from; none without `--sparse`, and where there is a problem. `init` and `seed` are those of the
    /// run.
    pub fn plan(&self, spec: Option<&ModelSpec>, init: InitMethod, seed: u64, checks: &mut Checks) -> Option<MaskPlan> {
        if !self.sparse {
            return None;
        }
        if self.mask.sparse_init == SparseInit::ErOrtho && init != InitMethod::Default {
            let what = format!("{}: ER_ortho brings weights of its own", checks.given.show("init-method"));
            checks.problems.add_with_help(what, "leave --init-method at default");
        }
        self.mask.drawing.plan(spec?, &self.mask.sparse_init, self.mask.density, seed, checks)
    }
}
