//! The options of `er_str` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

mod checks;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::config::{
    Checks, DataOptions, DrawingOptions, ProgramOptions, PublishedOptions, RESUMED, RunOptions, Setup, Shared, TrainingOptions,
    values,
};
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::graph::Mask;
use shared::init::{FanInit, FanLaw, FanMode, Nonlinearity};
use shared::model::{self as models, ModelSpec};
use shared::run::read_masks;
use shared::schedule::{GmpRate, LearningRate, LearningRates};
use shared::threshold::SparseFunction;
use shared::topology::{MaskPlan, SparseInit, resolve_dense_layers};
use shared::train::{Approach, Published, Reparameterisation, ReparameterisedTraining};
use shared::{Error, Result};

use crate::conv_type::{BnType, ConvType, ResnetType};
use crate::er_method::{ErMethod, str_induced};
use crate::ignored::Ignored;
use crate::model::{of_set, of_type, published_form, widened};
use crate::pruning::Pruning;

/// Everything that decides what `er_str` computes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    data: DataOptions,
    #[command(flatten)]
    #[serde(flatten)]
    own: Own,
    #[command(flatten)]
    #[serde(flatten)]
    drawing: DrawingOptions,
    #[command(flatten)]
    #[serde(flatten)]
    init: FirstWeights,
    #[command(flatten)]
    #[serde(flatten)]
    train: TrainingOptions,
    #[command(flatten)]
    #[serde(flatten)]
    pruning: Pruning,
    #[command(flatten)]
    #[serde(skip)]
    published: PublishedOptions,
    #[command(flatten)]
    #[serde(skip)]
    ignored: Ignored,
}

/// What layers do with their weights.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Layers")]
#[serde(rename_all = "kebab-case")]
struct Own {
    /// What layers do with their weights: STRConvER (soft threshold inside a random mask), STRConv (soft threshold), DenseConv (all
    /// weights), ConvER (random mask), ConvMask (mask that --pruner changes), DNWConv or GMPConv (the largest weights)
    #[arg(long, default_value = "STRConvER", ignore_case = true, value_name = "NAME")]
    conv_type: ConvType,
    /// Density of the random mask, in (0, 1]
    #[arg(long, default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    er_sparse_init: Density,
    /// How that density is divided among the layers.
    #[arg(long, default_value = "uniform", value_parser = values::parsed::<ErMethod>, value_name = "NAME",
          help = format!("How that density is divided among the layers: {}; one density per layer, or masks of a file, as er_wlt's \
                          --sparse-init; ERK-clipped and balanced are the rules of the published program", ErMethod::names()))]
    #[serde(serialize_with = "values::display")]
    er_sparse_method: ErMethod,
    /// With --er-sparse-method str-induced-er: layerwise_sparsity/NAME.json in the folder of an er_str run
    #[arg(long, value_name = "FILE")]
    er_sparsity_file: Option<PathBuf>,
    /// Threshold g of s: sigmoid or exp
    #[arg(long, default_value = "sigmoid", value_parser = values::parsed::<SparseFunction>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    sparse_function: SparseFunction,
    /// First s of each layer. The published default, 100, leaves no weight; all its configurations give another
    #[arg(long = "sInit-value", default_value = "-200", value_parser = values::number, value_name = "S")]
    s_init_value: f64,
    /// Weight decay of thresholds, instead of --weight-decay
    #[arg(long, value_parser = values::non_negative, value_name = "LAMBDA")]
    st_decay: Option<f64>,
    /// Apply no weight decay to scales and shifts with bn in their names; those of shortcuts have other names, as in the published
    /// program
    #[arg(long)]
    no_bn_decay: bool,
    /// With DNWConv, GMPConv and --scale-fan: fraction of the weights that is left out, in [0, 1)
    #[arg(long, default_value = "0", value_parser = values::below_one, value_name = "PART")]
    prune_rate: f64,
    /// With GMPConv: epoch, counted from 0, in which this fraction begins to grow
    #[arg(long, default_value = "0", value_parser = values::whole, value_name = "EPOCH")]
    init_prune_epoch: usize,
    /// With GMPConv: last epoch in which it grows; with --pruner: epochs of each level
    #[arg(long, default_value = "100", value_parser = values::whole, value_name = "EPOCH")]
    final_prune_epoch: usize,
    /// Normalisations: LearnedBatchNorm, or NonAffineBatchNorm without scale and shift
    #[arg(long, default_value = "LearnedBatchNorm", ignore_case = true, value_name = "NAME")]
    bn_type: BnType,
    /// Same as --dense-layers first
    #[arg(long)]
    first_layer_dense: bool,
    /// Same as --dense-layers last
    #[arg(long)]
    last_layer_dense: bool,
    /// Type of the first layer, in place of --conv-type
    #[arg(long, ignore_case = true, value_name = "NAME")]
    first_layer_type: Option<ConvType>,
    /// Train thresholds, scales and shifts only; weights stay as they are
    #[arg(long)]
    freeze_weights: bool,
    /// Training batches through which the running statistics of normalisations settle before each evaluation: they lag behind a
    /// network that changes at every step. The published program does not do this
    #[arg(long, default_value = "0", value_parser = values::whole, value_name = "BATCHES")]
    settle: usize,
    /// Start from the weights of a checkpoint, and from its thresholds if it has any, on the edges of this run's masks
    #[arg(long, value_name = "FILE")]
    pretrained: Option<PathBuf>,
    /// Train nothing; report the accuracy of the network in --pretrained
    #[arg(long, short = 'e')]
    #[serde(skip)]
    evaluate: bool,
    /// With --pretrained: take nothing from it but what --use-budget needs
    #[arg(long)]
    ignore_pretrained_weights: bool,
    /// With DNWConv and GMPConv: leave out as much of each layer as --pretrained does
    #[arg(long)]
    use_budget: bool,
    /// Keep a checkpoint every so many epochs; -1: only the last and the best
    #[arg(long, default_value = "-1", value_parser = every, value_name = "EPOCHS")]
    save_every: i64,
    /// Factor on the number of channels of the network
    #[arg(long, default_value = "1", value_parser = values::positive, value_name = "FACTOR")]
    width_mult: f64,
    /// A ResNet-18 of another width, in place of --arch: large, res50, small-dense, small-dense-inc or small-sub
    #[arg(long, ignore_case = true, value_name = "NAME")]
    resnet_type: Option<ResnetType>,
    /// With --resnet-type small-dense, small-dense-inc and small-sub: number of channels
    #[arg(long, default_value = "64", value_parser = values::count, value_name = "CHANNELS")]
    width: usize,
    /// Name of the table of results
    #[arg(long, default_value = "results", value_parser = clap::builder::NonEmptyStringValueParser::new(), value_name = "NAME")]
    result_dir: String,
}

/// A number of epochs, or -1.
fn every(text: &str) -> std::result::Result<i64, String> {
    let value = text.trim().parse().ok().filter(|n| *n == -1 || (1..=1_000_000_000).contains(n));
    value.ok_or_else(|| format!("'{text}' is not -1 or a whole number from 1 to 1000000000"))
}

/// First weights.
#[allow(clippy::struct_field_names)] // the option's name
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Initialisation")]
#[serde(rename_all = "kebab-case")]
struct FirstWeights {
    /// First weights: kaiming_normal, signed_constant, unsigned_constant or standard (uniform)
    #[arg(long, default_value = "kaiming_normal", value_parser = values::parsed::<FanLaw>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    init: FanLaw,
    /// What their scale is computed from: fan_in or fan_out
    #[arg(long, default_value = "fan_in", value_parser = values::parsed::<FanMode>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    mode: FanMode,
    /// What follows the layers, which decides the gain: relu, linear, leaky_relu, tanh, sigmoid or selu
    #[arg(long, default_value = "relu", value_parser = values::parsed::<Nonlinearity>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
    nonlinearity: Nonlinearity,
    /// Count only the fraction that --prune-rate does not leave out
    #[arg(long)]
    scale_fan: bool,
}

impl ProgramOptions for Options {
    fn shared(&mut self) -> Shared<'_> {
        let own = &self.own;
        if self.data.network.model.is_none() {
            self.data.network.model = match own.resnet_type {
                Some(resnet) => Some(of_type(resnet, own.width)),
                None => of_set(self.data.network.data).map(str::to_owned),
            };
        }
        if let Some(name) = &mut self.data.network.model {
            *name = widened(&published_form(name), own.width_mult);
        }
        Shared { data: &mut self.data, train: &mut self.train, published: &self.published }
    }

    fn setup(&mut self, named: Option<ModelSpec>, run: &RunOptions, checks: &mut Checks) -> Result<Option<Setup>> {
        let mut notes = Vec::new();
        self.ignored.refuse(checks);
        self.training(checks, &mut notes);
        let Some(spec) = named.and_then(|named| checks.take(self.form(named))) else { return Ok(None) };
        let Some(types) = self.types(&spec, checks) else { return Ok(None) };
        self.layers(&types, checks, &mut notes);
        let init = self.sparse_init(&types, &spec, checks)?;
        let given = match &init {
            Some(init) => DrawingOptions::read(init, &mut self.own.er_sparse_init, "er-sparse-init", &spec, checks)?,
            None => None,
        };
        let Some(masks) = self.masks(init.as_ref(), &types, &spec, checks) else { return Ok(None) };
        let laws = self.laws(&types, &spec, checks)?;
        let mut contents = self.contents(given.as_deref(), init.as_ref())?;
        let own = &self.own;
        let approach = ReparameterisedTraining {
            counts: counts(masks.is_some(), &types, &spec),
            masks,
            given,
            init: FanInit {
                law: self.init.init,
                mode: self.init.mode,
                gain: self.init.nonlinearity.gain(),
                density: if self.init.scale_fan { 1.0 - own.prune_rate } else { 1.0 },
            },
            pretrained: own.pretrained.clone().filter(|_| !own.ignore_pretrained_weights),
            laws,
            threshold_decay: own.st_decay,
            spare_norms: own.no_bn_decay,
            freeze: own.freeze_weights,
            settle_batches: own.settle,
            published: Published {
                prune_rate: own.prune_rate,
                table: own.result_dir.clone(),
                name: run.save.clone().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
                config: run.config.as_deref().map(|path| path.display().to_string()).unwrap_or_default(),
            },
            save_every: u64::try_from(own.save_every).ok(),
            asked: self.train.resume.as_ref().and_then(|_| checks.asked_density("er-sparse-init", own.er_sparse_init)),
            seed: self.train.seed,
        };
        let (name, facts) = self.name_and_facts(init.as_ref());
        let levels = self.pruning.approach(&approach, own.final_prune_epoch, checks);
        let approach: Box<dyn Approach> = match levels {
            Some(levels) => {
                // What is wrong with options is told before what is wrong with files.
                if checks.problems.is_empty() {
                    contents.extend(self.pruning.contents()?);
                }
                Box::new(levels)
            }
            None => Box::new(approach),
        };
        Ok(Some(Setup { spec, approach, name, facts, contents, notes }))
    }

    fn evaluates(&self) -> Option<&Path> {
        self.own.pretrained.as_deref().filter(|_| self.own.evaluate)
    }

    fn schedule(&self, usual: LearningRate) -> LearningRates {
        self.pruning.schedule(usual, self.own.final_prune_epoch)
    }
}

impl Options {
    /// The network with the normalisations that are asked for.
    fn form(&mut self, named: ModelSpec) -> Result<ModelSpec> {
        let spec = match self.own.bn_type {
            BnType::Learned => named,
            BnType::NonAffine => models::non_affine(&named)?,
        };
        self.data.network.model = Some(spec.name().to_owned());
        Ok(spec)
    }

    /// What each layer is.
    fn types(&mut self, spec: &ModelSpec, checks: &mut Checks) -> Option<Vec<ConvType>> {
        let Own { first_layer_dense, last_layer_dense, first_layer_type, conv_type, .. } = self.own;
        for (asked, name) in [(first_layer_dense, "first"), (last_layer_dense, "last")] {
            if asked && !self.drawing.dense_layers.iter().any(|n| n == name) {
                self.drawing.dense_layers.push(name.to_owned());
            }
        }
        for option in ["first-layer-dense", "last-layer-dense"] {
            checks.unused(option);
        }
        if first_layer_dense && first_layer_type.is_some_and(|of| of != ConvType::Dense) {
            let [dense, of] = ["first-layer-dense", "first-layer-type"].map(|option| checks.given.show(option));
            checks.problems.add_with_help(format!("{dense} and {of} say two things of the first layer"), "give one of the two");
        }
        let dense = checks.take(resolve_dense_layers(spec, &self.drawing.dense_layers))?;
        let mut types = vec![conv_type; spec.layers().len()];
        if let Some(first) = first_layer_type {
            types[0] = first;
        }
        for l in dense {
            types[l] = ConvType::Dense;
        }
        Some(types)
    }

    /// Where the masks come from, if there are any.
    fn sparse_init(&mut self, types: &[ConvType], spec: &ModelSpec, checks: &mut Checks) -> Result<Option<SparseInit>> {
        if !types.iter().any(|t| t.is_masked()) {
            return Ok(None);
        }
        let own = &mut self.own;
        if self.pruning.loads_masks() {
            if own.er_sparse_method != ErMethod::Construction && checks.given.has("er-sparse-method") {
                let what = format!("{} has no effect with the masks of a file", checks.given.show("er-sparse-method"));
                checks.problems.add_with_help(what, "leave it out");
            }
            // What resets go back to has all weights.
            own.er_sparse_method = ErMethod::Construction;
        }
        Ok(match &own.er_sparse_method {
            ErMethod::Of(init) => Some(init.clone()),
            ErMethod::Construction => {
                if own.conv_type == ConvType::Mask {
                    own.er_sparse_init = Density::FULL;
                    checks.unused("er-sparse-init");
                }
                Some(SparseInit::Densities(LayerDensities::of(&Uniform)))
            }
            ErMethod::StrInduced => {
                let Some(path) = &own.er_sparsity_file else {
                    let what = format!("{} str-induced-er needs --er-sparsity-file", checks.given.show("er-sparse-method"));
                    let help = "name layerwise_sparsity/NAME.json in the folder of an er_str run";
                    checks.problems.add_with_help(what, help);
                    return Ok(None);
                };
                Some(SparseInit::Densities(str_induced(path, spec, |l| types[l].is_masked() && !spec.layers()[l].depthwise)?))
            }
        })
    }

    /// What masks are drawn from: none where no layer has one.
    #[allow(clippy::option_option)] // nothing to draw, or a problem
    fn masks(
        &self,
        init: Option<&SparseInit>,
        types: &[ConvType],
        spec: &ModelSpec,
        checks: &mut Checks,
    ) -> Option<Option<MaskPlan>> {
        let Some(init) = init else { return Some(None) };
        let plan = self.drawing.plan(spec, init, self.own.er_sparse_init, self.train.seed, checks)?;
        let dense_layers = (0..types.len()).filter(|l| !types[*l].is_masked()).collect();
        Some(Some(MaskPlan { dense_layers, ..plan }))
    }

    /// What becomes of the weights of each layer.
    fn laws(&self, types: &[ConvType], spec: &ModelSpec, checks: &mut Checks) -> Result<Vec<Option<Reparameterisation>>> {
        let own = &self.own;
        let budget = match &own.pretrained {
            Some(path) if own.use_budget => Some(read_masks(path, spec)?),
            _ => None,
        };
        if budget.is_some() {
            checks.no_effect("prune-rate", "with --use-budget", "the file decides");
        }
        let rate = |l: usize| budget.as_ref().map_or(own.prune_rate, |masks| 1.0 - masks[l].density());
        let law = |(l, of): (usize, &ConvType)| match of {
            ConvType::Dense | ConvType::Er | ConvType::Mask => None,
            ConvType::Str | ConvType::StrEr => {
                Some(Reparameterisation::SoftThreshold { function: own.sparse_function, first: own.s_init_value })
            }
            ConvType::Dnw => Some(Reparameterisation::Largest { rate: rate(l) }),
            ConvType::Gmp => {
                let [first, last] = [own.init_prune_epoch, own.final_prune_epoch].map(|epoch| epoch as u64);
                Some(Reparameterisation::Rising(GmpRate { rate: rate(l), first, last: last.max(first) }))
            }
        };
        Ok(types.iter().enumerate().map(law).collect())
    }

    /// What in files decides the result.
    fn contents(&self, given: Option<&[Mask]>, init: Option<&SparseInit>) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut contents = Vec::new();
        let read = |path: &Path| std::fs::read(path).map_err(|e| Error::io("read", path, &e));
        if let Some(path) = &self.own.pretrained {
            contents.push(("pretrained", read(path)?));
        }
        if let Some(masks) = given {
            contents.push(("er-sparse-method", masks.iter().flat_map(Mask::to_bytes).collect()));
        }
        let induced = init.is_some() && self.own.er_sparse_method == ErMethod::StrInduced;
        if let Some(path) = self.own.er_sparsity_file.as_deref().filter(|_| induced) {
            contents.push(("er-sparsity-file", read(path)?));
        }
        Ok(contents)
    }

    /// What the folder's name and the summary say of the layers.
    fn name_and_facts(&self, init: Option<&SparseInit>) -> (String, Map<String, Value>) {
        let own = &self.own;
        let conv_type = own.conv_type.to_string();
        let mut facts = Map::from_iter([("conv_type".to_owned(), json!(conv_type))]);
        let mut name = conv_type;
        if init.is_some() {
            let (method, density) = (own.er_sparse_method.to_string(), own.er_sparse_init);
            let short = if matches!(init, Some(SparseInit::File(_))) { "mask" } else { &method };
            name = match self.train.resume {
                Some(_) => format!("{name}-{RESUMED}"),
                None => format!("{name}-{short}-{}", rounded(density.get())),
            };
            facts.insert("er_sparse_method".to_owned(), json!(method));
            let key = if own.conv_type.is_soft() { "mask_density_requested" } else { "density_requested" };
            facts.insert(key.to_owned(), json!(density.get()));
            if let Some((pruner, last)) = self.pruning.label() {
                name = format!("{name}-{pruner}-{last}");
                facts.insert("pruner".to_owned(), json!(pruner.to_string()));
                facts.insert("density_requested".to_owned(), json!(last.get()));
            }
        } else if own.conv_type.is_pruned() && !own.use_budget {
            name = format!("{name}-{}", own.prune_rate);
            facts.insert("density_requested".to_owned(), json!(1.0 - own.prune_rate));
        }
        (name, facts)
    }
}

/// Whether each layer counts for the density: where there are masks, those that have one.
fn counts(has_masks: bool, types: &[ConvType], spec: &ModelSpec) -> Vec<bool> {
    let masked = |(of, layer): (&ConvType, &models::Layer)| of.is_masked() && !layer.depthwise;
    types.iter().zip(spec.layers()).map(|of| !has_masks || masked(of)).collect()
}
