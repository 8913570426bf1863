//! Options about masks.

use clap::Args;

use crate::config::{OptionId, Resolver, Typed, listing, values};
use crate::{option, options};
use er_graphs::density::{Density, rounded};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Mask, Sampling};
use er_graphs::registry::Named;
use er_networks::model::ModelSpec;
use er_networks::topology::{FlowPreservation, MaskPlan, SparseInit, resolve_dense_layers};
use er_training::run::{layerwise, read_masks};

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
                          file (a list, densities by the names of layers, or the layer-wise sparsities of a run of er_str), rescaled \
                          to the density; or the masks of a checkpoint, mask file or run (FILE.safetensors, FOLDER or FOLDER@best), \
                          which decide the density", listing::names(SparseInit::named().map(|n| n as &dyn Named))))]
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

/// Which masks a run begins with.
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

/// The masks of a file, which decide their density.
#[derive(Debug)]
pub struct FileMasks {
    /// The masks, layer by layer.
    pub masks: Vec<Mask>,
    /// Their density, of all layers that count for it.
    pub density: Density,
}

impl FileMasks {
    /// The masks of the file that `init` names, if it names one. Having asked for another density than theirs, by this option, is a
    /// problem.
    ///
    /// # Errors
    /// If the file is missing or damaged, does not fit the model, or has no edge.
    pub fn read(init: &SparseInit, asked: Typed<'_, Density>, spec: &ModelSpec, resolver: &mut Resolver) -> Result<Option<Self>> {
        let SparseInit::File(path) = init else { return Ok(None) };
        let masks = read_masks(path, spec)?;
        let masked: Vec<&Mask> = spec.layers().iter().zip(&masks).filter(|(l, _)| !l.depthwise).map(|(_, m)| m).collect();
        let (edges, weights) = Mask::totals(masked.iter().copied());
        let density = Density::new(edges as f64 / weights as f64).map_err(|_| {
            Error::failure(format!("the masks of {} have no edge: nothing passes through the network", path.display()))
                .help("give a file whose masks have some")
        })?;
        // Half an edge a layer is what rounding makes of a density, and six digits are what programs print of it.
        let rounding = 0.5 * masked.len() as f64 + 1e-6 * weights as f64;
        if resolver.is_given(asked) && (asked.value().get() * weights as f64 - edges as f64).abs() > rounding {
            let asked = format!("{} {}", resolver.show(asked), asked.value());
            let what = format!("{asked}: the masks of {} have density {}", path.display(), rounded(density.get()));
            resolver.problems.add_with_help(what, "leave it out: the file decides");
        }
        Ok(Some(Self { masks, density }))
    }
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

    /// The masks of the file that they name, if they name one: see [`FileMasks::read`].
    ///
    /// # Errors
    /// As [`FileMasks::read`].
    pub fn read(&self, spec: &ModelSpec, resolver: &mut Resolver) -> Result<Option<FileMasks>> {
        FileMasks::read(&self.sparse_init, option!(self.density), spec, resolver)
    }

    /// Which masks they ask for, where these are those of the file that they name.
    pub fn settings(&self, file: Option<FileMasks>) -> MaskSettings {
        let density = file.as_ref().map_or(self.density, |file| file.density);
        let (init, dense_layers) = (self.sparse_init.clone(), self.drawing.dense_layers.clone());
        MaskSettings { init, density, dense_layers, of_file: file.map(|file| file.masks) }
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

    /// The layers named by `--dense-layers`, and those that options with names of their own ask for, where they do.
    pub fn dense_layers_and(&self, others: [(bool, &str); 2]) -> Vec<String> {
        let mut layers = self.dense_layers.clone();
        for (asked, other) in others {
            if asked && !layers.iter().any(|layer| layer == other) {
                layers.push(other.to_owned());
            }
        }
        layers
    }

    /// What masks of these settings are drawn from.
    pub fn plan(&self, settings: &MaskSettings, spec: &ModelSpec, seed: u64, resolver: &mut Resolver) -> Option<MaskPlan> {
        resolver.keep_as(option!(self.dense_layers), &settings.dense_layers);
        if matches!(settings.init, SparseInit::File(_)) {
            resolver.no_effect(option!(self.dense_layers), Self::FROM_FILE, "leave it out");
        }
        let dense_layers = resolver.take(resolve_dense_layers(spec, &settings.dense_layers))?;
        self.plan_with_dense(settings, dense_layers, spec, seed, resolver)
    }

    /// [`DrawingOptions::plan`], where the caller says which layers are dense, and what becomes of `--dense-layers`.
    pub fn plan_with_dense(
        &self,
        settings: &MaskSettings,
        dense_layers: Vec<usize>,
        spec: &ModelSpec,
        seed: u64,
        resolver: &mut Resolver,
    ) -> Option<MaskPlan> {
        let law = resolver.keep(option!(self.sampling));
        let [on, keeps] = [option!(self.flow_preservation), option!(self.flow_keep_density)].map(|flow| resolver.keep(flow));
        if matches!(settings.init, SparseInit::File(_)) {
            for option in options![self.sampling, self.flow_preservation, self.flow_keep_density] {
                resolver.no_effect(option, Self::FROM_FILE, "leave it out");
            }
        } else if !on {
            let without = format!("without {}", resolver.name(option!(self.flow_preservation)));
            resolver.no_effect(option!(self.flow_keep_density), &without, "add --flow-preservation");
        }
        let flow = match (on, keeps) {
            (false, _) => FlowPreservation::Off,
            (true, false) => FlowPreservation::On,
            (true, true) => FlowPreservation::KeepDensity,
        };
        let init = match &settings.init {
            SparseInit::ByName(numbers) => {
                let layers = spec.layers().iter().enumerate().filter(|(l, layer)| !layer.depthwise && !dense_layers.contains(l));
                let names: Vec<&str> = layers.map(|(_, layer)| layer.name.as_str()).collect();
                SparseInit::Densities(resolver.take(layerwise::by_name(numbers, &names))?)
            }
            other => other.clone(),
        };
        let plan = MaskPlan { init, law, density: settings.density, dense_layers, flow, seed };
        resolver.take(plan.check(spec))?;
        Some(plan)
    }
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
