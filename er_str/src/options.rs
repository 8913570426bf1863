//! The options of `er_str` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

mod checks;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use shared::config::{
    DataOptions, DrawingOptions, FileMasks, MaskSettings, OptimizerName, OptionId, ProgramOptions, PublishedOptions, RESUMED,
    Resolver, Settled, Setup, SharedOptions, TrainingOptions, TrainingRecipe, values,
};
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::graph::Mask;
use shared::init::{FanInit, FanLaw, FanMode, Nonlinearity};
use shared::model::{self as models, ModelSpec};
use shared::run::{checkpoint_content, read_masks};
use shared::schedule::{EpochSpan, GmpRate, LrPolicy, Span};
use shared::threshold::SparseFunction;
use shared::topology::{MaskPlan, SparseInit, resolve_dense_layers};
use shared::train::{Approach, Published, Reparameterisation, ReparameterisedTraining};
use shared::{Result, option, options};

use crate::conv_type::{BnType, ConvType, ResnetType};
use crate::er_method::{ErMethod, str_induced};
use crate::ignored::Ignored;
use crate::model::{of_set, of_type, published_form, widened};
use crate::pruning::Pruning;

/// Everything that decides what `er_str` computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    drawing: DrawingOptions,
    #[command(flatten)]
    init: FirstWeights,
    #[command(flatten)]
    train: TrainingOptions,
    #[command(flatten)]
    pruning: Pruning,
    #[command(flatten)]
    published: PublishedOptions,
    #[command(flatten)]
    ignored: Ignored,
}

/// What layers do with their weights.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Layers")]
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
    er_sparse_method: ErMethod,
    /// With --er-sparse-method str-induced-er: layerwise_sparsity/NAME.json in the folder of an er_str run
    #[arg(long, value_name = "FILE")]
    er_sparsity_file: Option<PathBuf>,
    /// Threshold g of s: sigmoid or exp
    #[arg(long, default_value = "sigmoid", value_parser = values::parsed::<SparseFunction>, value_name = "NAME")]
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
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Initialisation")]
struct FirstWeights {
    /// First weights: kaiming_normal, signed_constant, unsigned_constant or standard (uniform)
    #[arg(long, default_value = "kaiming_normal", value_parser = values::parsed::<FanLaw>, value_name = "NAME")]
    init: FanLaw,
    /// What their scale is computed from: fan_in or fan_out
    #[arg(long, default_value = "fan_in", value_parser = values::parsed::<FanMode>, value_name = "NAME")]
    mode: FanMode,
    /// What follows the layers, which decides the gain: relu, linear, leaky_relu, tanh, sigmoid or selu
    #[arg(long, default_value = "relu", value_parser = values::parsed::<Nonlinearity>, value_name = "NAME")]
    nonlinearity: Nonlinearity,
    /// Count only the fraction that --prune-rate does not leave out
    #[arg(long)]
    scale_fan: bool,
}

/// The masks of a run.
struct Masks {
    /// What they are drawn from.
    plan: MaskPlan,
    /// Those of a file.
    of_file: Option<Vec<Mask>>,
    /// Their density.
    density: Density,
    /// How it is divided among the layers, for texts.
    method: ErMethod,
}

impl ProgramOptions for Options {
    fn shared(&self) -> SharedOptions<'_> {
        SharedOptions { data: &self.data, train: &self.train, published: &self.published }
    }

    fn model(&self, usual: &str) -> String {
        let (own, network) = (&self.own, &self.data.network);
        let of_type = own.resnet_type.map(|resnet| of_type(resnet, own.width));
        let usual = of_type.as_deref().or_else(|| of_set(network.data)).unwrap_or(usual);
        widened(&published_form(&network.name(usual)), own.width_mult)
    }

    fn named(&self) -> Vec<OptionId> {
        let own = &self.own;
        let of_layers = options![own.conv_type, own.er_sparse_init, own.er_sparse_method, own.prune_rate];
        of_layers.into_iter().chain(self.pruning.named()).collect()
    }

    fn recipe(&self, resolver: &mut Resolver) -> TrainingRecipe {
        let mut recipe = self.train.recipe();
        // As published: Adam has no decay unless it is asked for.
        if self.train.optimizer == OptimizerName::Adam && !resolver.is_given(option!(self.train.l2)) {
            recipe.weight_decay = 0.0;
        }
        if recipe.lr_policy == LrPolicy::Step && !recipe.warmup.0.is_zero() {
            let what = format!("{} has no effect with multistep_lr", resolver.show(option!(self.train.warmup_epochs)));
            resolver.remarks.push(format!("{what}, as published"));
            recipe.warmup = EpochSpan(Span::epochs(0));
        }
        if self.prunes(resolver) && !resolver.is_given(option!(self.train.lr_policy)) {
            recipe.lr_policy = LrPolicy::Cosine;
        }
        recipe
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let Settled { network, seed, learning_rate, run } = settled;
        self.ignored.refuse(resolver);
        let pruning = self.pruning_of(learning_rate, resolver);
        self.network(resolver);
        let Some(spec) = network.and_then(|named| resolver.take(self.form(named))) else { return Ok(None) };
        resolver.keep_as(option!(self.data.network.model), spec.name());
        let dense_layers = self.dense_layers(resolver);
        let Some(types) = self.types(&dense_layers, &spec, resolver) else { return Ok(None) };
        self.layers(&types, resolver);
        let masks = if types.iter().any(|of| of.is_masked()) {
            let Some(masks) = self.masks(&types, &spec, seed, resolver)? else { return Ok(None) };
            Some(masks)
        } else {
            None
        };
        let laws = self.laws(&types, &spec, resolver)?;
        self.keep_contents(masks.as_ref(), resolver)?;
        let own = &self.own;
        let resumes = self.train.resume.is_some();
        if !own.ignore_pretrained_weights {
            run.remark_same_network(option!(own.pretrained), resolver);
        }
        let density = masks.as_ref().map_or(own.er_sparse_init, |masks| masks.density);
        let asked = resumes.then(|| resolver.asked_density(option!(own.er_sparse_init), density)).flatten();
        let (name, facts) = self.name_and_facts(masks.as_ref(), self.prunes(resolver));
        let (masks, given) = masks.map(|Masks { plan, of_file, .. }| (plan, of_file)).unzip();
        let init = FanInit {
            law: resolver.keep(option!(self.init.init)),
            mode: resolver.keep(option!(self.init.mode)),
            gain: resolver.keep(option!(self.init.nonlinearity)).gain(),
            density: if resolver.keep(option!(self.init.scale_fan)) { 1.0 - own.prune_rate } else { 1.0 },
        };
        let spares = resolver.keep(option!(own.ignore_pretrained_weights));
        let approach = ReparameterisedTraining {
            counts: counts(masks.is_some(), &types, &spec),
            masks,
            given: given.flatten(),
            init,
            pretrained: resolver.keep(option!(own.pretrained)).filter(|_| !spares),
            laws,
            threshold_decay: resolver.keep(option!(own.st_decay)).filter(|_| types.iter().any(|of| of.is_soft())),
            spare_norms: resolver.keep(option!(own.no_bn_decay)),
            freeze: resolver.keep(option!(own.freeze_weights)),
            settle_batches: resolver.keep(option!(own.settle)),
            published: Published {
                prune_rate: resolver.keep(option!(own.prune_rate)),
                table: resolver.keep(option!(own.result_dir)),
                name: run.name.clone().unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned()),
                config: run.config.as_deref().map(|path| path.display().to_string()).unwrap_or_default(),
            },
            save_every: u64::try_from(resolver.keep(option!(own.save_every))).ok(),
            asked,
            seed,
        };
        let (approach, learning_rates): (Box<dyn Approach>, _) = match pruning {
            Some(levels) => {
                // What is wrong with options is told before what is wrong with files.
                if resolver.problems.is_empty() {
                    self.pruning.keep_contents(resolver)?;
                }
                self.pruning.remark_same_network(run, resolver);
                let level_epochs = own.final_prune_epoch as u64;
                let rates = levels.rates(learning_rate, level_epochs);
                (Box::new(levels.approach(approach, level_epochs)), rates)
            }
            None => (Box::new(approach), self.pruning.without_levels(learning_rate)),
        };
        Ok(Some(Setup { spec, approach, name, facts, learning_rates }))
    }

    fn evaluates(&self) -> Option<&Path> {
        self.own.pretrained.as_deref().filter(|_| self.own.evaluate)
    }
}

impl Options {
    /// The network with the normalisations that are asked for.
    fn form(&self, named: ModelSpec) -> Result<ModelSpec> {
        match self.own.bn_type {
            BnType::Learned => Ok(named),
            BnType::NonAffine => models::non_affine(&named),
        }
    }

    /// Names of layers that stay dense.
    fn dense_layers(&self, resolver: &mut Resolver) -> Vec<String> {
        let own = &self.own;
        for option in options![own.first_layer_dense, own.last_layer_dense] {
            resolver.leave_out(option);
        }
        let dense = self.drawing.dense_layers_and([(own.first_layer_dense, "first"), (own.last_layer_dense, "last")]);
        resolver.keep_as(option!(self.drawing.dense_layers), &dense);
        dense
    }

    /// What each layer is.
    fn types(&self, dense_layers: &[String], spec: &ModelSpec, resolver: &mut Resolver) -> Option<Vec<ConvType>> {
        let own = &self.own;
        let conv_type = resolver.keep(option!(own.conv_type));
        let first = resolver.keep(option!(own.first_layer_type));
        if own.first_layer_dense && first.is_some_and(|of| of != ConvType::Dense) {
            let [dense, of] = options![own.first_layer_dense, own.first_layer_type].map(|option| resolver.show(option));
            resolver.problems.add_with_help(format!("{dense} and {of} say two things of the first layer"), "give one of the two");
        }
        let dense = resolver.take(resolve_dense_layers(spec, dense_layers))?;
        let mut types = vec![conv_type; spec.layers().len()];
        if let Some(first) = first {
            types[0] = first;
        }
        for l in dense {
            types[l] = ConvType::Dense;
        }
        Some(types)
    }

    /// The masks of the layers that have one; none if there are problems.
    fn masks(&self, types: &[ConvType], spec: &ModelSpec, seed: u64, resolver: &mut Resolver) -> Result<Option<Masks>> {
        let own = &self.own;
        let (density, method) = (option!(own.er_sparse_init), option!(own.er_sparse_method));
        let mut of = own.er_sparse_method.clone();
        if self.pruning.loads_masks(self.prunes(resolver)) {
            if of != ErMethod::Construction && resolver.is_given(method) {
                let what = format!("{} has no effect with the masks of a file", resolver.show(method));
                resolver.problems.add_with_help(what, "leave it out");
            }
            // What resets go back to has all weights.
            of = ErMethod::Construction;
        }
        let mut asked = own.er_sparse_init;
        let init = match &of {
            ErMethod::Of(init) => init.clone(),
            ErMethod::Construction => {
                if own.conv_type == ConvType::Mask {
                    if asked < Density::FULL {
                        let why = format!("with {} and {} none", own.conv_type, resolver.name(method));
                        let loaded = "with the masks of a file";
                        resolver.remark_no_effect(
                            density,
                            if self.pruning.loads_masks(self.prunes(resolver)) { loaded } else { &why },
                        );
                    }
                    resolver.leave_out(density);
                    asked = Density::FULL;
                }
                SparseInit::Densities(LayerDensities::of(&Uniform))
            }
            ErMethod::StrInduced => {
                let file = option!(own.er_sparsity_file);
                let Some(path) = file.value() else {
                    let what = format!("{} str-induced-er needs {}", resolver.show(method), resolver.name(file));
                    let help = "name layerwise_sparsity/NAME.json in the folder of an er_str run";
                    resolver.problems.add_with_help(what, help);
                    return Ok(None);
                };
                SparseInit::Densities(str_induced(path, spec, |l| types[l].is_masked() && !spec.layers()[l].depthwise)?)
            }
        };
        let file = FileMasks::read(&init, density, spec, resolver)?;
        let density_of_masks = file.as_ref().map_or(asked, |file| file.density);
        resolver.keep_as(method, &of);
        resolver.keep_as(density, density_of_masks);
        let (density, of_file) = (density_of_masks, file.map(|file| file.masks));
        let dense = (0..types.len()).filter(|l| !types[*l].is_masked()).collect();
        let settings = MaskSettings { init, density, dense_layers: Vec::new(), of_file };
        let plan = self.drawing.plan_with_dense(&settings, dense, spec, seed, resolver);
        Ok(plan.map(|plan| Masks { plan, of_file: settings.of_file, density, method: of }))
    }

    /// What becomes of the weights of each layer.
    fn laws(&self, types: &[ConvType], spec: &ModelSpec, resolver: &mut Resolver) -> Result<Vec<Option<Reparameterisation>>> {
        let own = &self.own;
        let budget = match &own.pretrained {
            Some(path) if own.use_budget => Some(read_masks(path, spec)?),
            _ => None,
        };
        if budget.is_some() && !self.init.scale_fan {
            let with_budget = format!("with {}", resolver.name(option!(own.use_budget)));
            resolver.no_effect(option!(own.prune_rate), &with_budget, "the file decides");
        }
        let rate = |l: usize| budget.as_ref().map_or(own.prune_rate, |masks| 1.0 - masks[l].density());
        let function = resolver.keep(option!(own.sparse_function));
        let first_threshold = resolver.keep(option!(own.s_init_value));
        let epochs = [resolver.keep(option!(own.init_prune_epoch)), resolver.keep(option!(own.final_prune_epoch))];
        let law = |(l, of): (usize, &ConvType)| match of {
            ConvType::Dense | ConvType::Er | ConvType::Mask => None,
            ConvType::Str | ConvType::StrEr => Some(Reparameterisation::SoftThreshold { function, first: first_threshold }),
            ConvType::Dnw => Some(Reparameterisation::Largest { rate: rate(l) }),
            ConvType::Gmp => {
                let [first, last] = epochs.map(|epoch| epoch as u64);
                Some(Reparameterisation::Rising(GmpRate { rate: rate(l), first, last: last.max(first) }))
            }
        };
        Ok(types.iter().enumerate().map(law).collect())
    }

    /// What in files decides the result.
    fn keep_contents(&self, masks: Option<&Masks>, resolver: &mut Resolver) -> Result<()> {
        let own = &self.own;
        if let Some(path) = &own.pretrained {
            resolver.keep_content(option!(own.pretrained), &checkpoint_content(path)?);
        }
        let Some(masks) = masks else { return Ok(()) };
        if let Some(given) = &masks.of_file {
            resolver.keep_masks(option!(own.er_sparse_method), given);
        }
        if let Some(path) = own.er_sparsity_file.as_deref().filter(|_| masks.method == ErMethod::StrInduced) {
            resolver.keep_content(option!(own.er_sparsity_file), &checkpoint_content(path)?);
        }
        Ok(())
    }

    /// What the folder's name and the summary say of the layers.
    fn name_and_facts(&self, masks: Option<&Masks>, prunes: bool) -> (String, Map<String, Value>) {
        let own = &self.own;
        let conv_type = own.conv_type.to_string();
        let mut facts = Map::from_iter([("conv_type".to_owned(), json!(conv_type))]);
        let mut name = conv_type;
        if let Some(Masks { plan, density, method, .. }) = masks {
            let method = method.to_string();
            let short = if matches!(plan.init, SparseInit::File(_)) { "mask" } else { &method };
            name = match self.train.resume {
                Some(_) => format!("{name}-{RESUMED}"),
                None => format!("{name}-{short}-{}", rounded(density.get())),
            };
            facts.insert("er_sparse_method".to_owned(), json!(method));
            let key = if own.conv_type.is_soft() { "mask_density_requested" } else { "density_requested" };
            facts.insert(key.to_owned(), json!(density.get()));
            if let Some((pruner, last)) = self.pruning.label().filter(|_| prunes) {
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
