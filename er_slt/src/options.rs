//! The options of `er_slt` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use serde_json::{Map, json};
use shared::config::{
    DataOptions, DrawingOptions, FileMasks, MaskSettings, OptionId, ProgramOptions, PublishedOptions, RESUMED, Resolver, Settled,
    Setup, SharedOptions, TrainingOptions, TrainingRecipe, listing, values,
};
use shared::data::DataKind;
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::graph::Mask;
use shared::init::{FrozenInit, FrozenOptions, ScoreInit};
use shared::model::{ModelSpec, supermask};
use shared::registry::Named;
use shared::run::checkpoint_content;
use shared::schedule::{EpochSpan, LearningRate, LearningRates, LrPolicy, Span, kept_fractions};
use shared::topology::{MaskWeights, SparseInit};
use shared::train::{TicketSearch, allowed_masks};
use shared::{Error, Result, option, options};

/// The warm-up of the published program, where its policy has one.
const WARMUP: u64 = 5;

/// The published kept fraction before the first level.
const START: f64 = 0.6;

/// What names of folders and summaries say of masks that come with a network.
const LOADED: &str = "loaded";

/// Why what a network begins with cannot be chosen where it comes from a file.
const BROUGHT: &str = "with --load-model: the file has masks, frozen values and scores";

/// Everything that decides what `er_slt` computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    drawing: DrawingOptions,
    #[command(flatten)]
    train: TrainingOptions,
    #[command(flatten)]
    published: PublishedOptions,
    #[command(flatten)]
    ignored: Ignored,
}

/// What may be chosen, how much of it is, and what there is to choose from.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tickets")]
struct Own {
    /// Fraction of the weights and biases of each layer that is KEPT in the end; the name is that of the published program
    #[arg(long, visible_alias = "density", default_value = "0.2", value_parser = values::parsed::<Density>, value_name = "KEPT")]
    sparsity: Density,
    /// Fraction of the weights and biases that may be chosen, in (0, 1]: density of the random mask
    #[arg(long, default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    er_init_density: Density,
    /// How that density is divided among the layers.
    #[arg(long, default_value = "uniform", value_parser = values::sparse_init, value_name = "NAME",
          help = format!("How that density is divided among the layers: {}; one density per layer, or masks of a file, as er_wlt's \
                          --sparse-init", listing::names(SparseInit::named_without_weights().map(|n| n as &dyn Named))))]
    er_method: SparseInit,
    /// Whether the random mask covers biases, too; false: all biases may be chosen
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
    er_mask_bias: bool,
    /// Levels of --epochs each, one after the other; the best epoch of each is saved
    #[arg(long, default_value = "10", value_parser = levels, value_name = "N")]
    levels: usize,
    /// Whether the kept fraction falls from level to level. The published program annealed whatever word followed --anneal, even
    /// False; give true to repeat its runs
    #[arg(long)]
    anneal: bool,
    /// With --anneal: the kept fraction before the first level [default: 0.6]
    #[arg(long, value_parser = values::part, value_name = "KEPT")]
    sparsity_start: Option<f64>,
    /// Frozen weights and biases: kn-zero-bias, kn-nonzero-bias (Kaiming-normal), signed-const-zero-bias, signed-const-with-bias,
    /// ortho-zero-bias, ortho-nonzero-bias or ortho-bias-special (looks-linear orthogonal)
    #[arg(long, alias = "initBias", default_value = "kn-zero-bias", value_parser = values::parsed::<FrozenInit>, value_name = "NAME")]
    init_bias: FrozenInit,
    /// Factor of the standard deviation of nonzero biases
    #[arg(long, default_value = "0.05", value_parser = values::non_negative, value_name = "FACTOR")]
    bfac: f64,
    /// Divide weights by the square root of the kept fraction
    #[arg(long)]
    scale_fan: bool,
    /// First scores: kaiming-uniform, constant (0.5) or published (constant in convolutions, uniform in linear layers)
    #[arg(long, default_value = "kaiming-uniform", value_parser = values::parsed::<ScoreInit>, value_name = "NAME")]
    score_init: ScoreInit,
    /// Rescale the frozen values after each epoch, so that the logits of its last batch fit the loss best
    #[arg(long)]
    scaling: bool,
    /// Training batches through which the running statistics of normalisations settle before each evaluation: they lag behind a
    /// network that changes at every step. The published program does not do this
    #[arg(long, default_value = "0", value_parser = values::whole, value_name = "BATCHES")]
    settle: usize,
    /// Start from the network and the scores of --model-to-load
    #[arg(long)]
    load_model: bool,
    /// With --load-model: a checkpoint or ticket of er_slt; its reported accuracy is verified first
    #[arg(long, value_name = "FILE")]
    model_to_load: Option<PathBuf>,
}

/// Options of the published program that mean nothing here.
#[derive(Debug, Clone, Args)]
struct Ignored {
    /// Accepted: tickets are always saved
    #[arg(long, hide = true, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean)]
    save_model: bool,
    /// A network to hide among the frozen weights
    #[arg(long, hide = true)]
    plant_model: bool,
    /// Its file
    #[arg(long, hide = true)]
    plant_path: Option<PathBuf>,
}

impl ProgramOptions for Options {
    fn shared(&self) -> SharedOptions<'_> {
        SharedOptions { data: &self.data, train: &self.train, published: &self.published }
    }

    fn model(&self, usual: &str) -> String {
        // The published default, for the images it is for.
        self.data.network.name(if self.data.network.data == DataKind::Cifar10 { "vgg16" } else { usual })
    }

    fn named(&self) -> Vec<OptionId> {
        let own = &self.own;
        options![own.sparsity, own.er_init_density, own.er_method, own.anneal, own.load_model].to_vec()
    }

    fn recipe(&self, resolver: &mut Resolver) -> TrainingRecipe {
        let recipe = self.train.recipe();
        let rises = matches!(recipe.lr_policy, LrPolicy::Cosine | LrPolicy::Constant);
        if rises && !resolver.is_given(option!(self.train.warmup_epochs)) {
            return TrainingRecipe { warmup: EpochSpan(Span::epochs(WARMUP.min(self.train.epochs as u64))), ..recipe };
        }
        recipe
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let Settled { network, seed, learning_rate, run } = settled;
        self.ignored.refuse(resolver);
        let Some(spec) = network.and_then(|named| resolver.take(supermask(&named))) else { return Ok(None) };
        let load = self.load(resolver);
        run.remark_same_network(option!(self.own.model_to_load), resolver);
        let (density, method) = (option!(self.own.er_init_density), option!(self.own.er_method));
        let init = resolver.keep(method);
        let file = match &load {
            Some(path) => Some(masks_of_network(path, &spec)?),
            None => FileMasks::read(&init, density, &spec, resolver)?,
        };
        let allowed = file.as_ref().map_or(*density.value(), |file| file.density);
        resolver.keep_as(density, allowed);
        let (dense_layers, of_file) = (self.drawing.dense_layers.clone(), file.map(|file| file.masks));
        let masks = MaskSettings { init, density: allowed, dense_layers, of_file };
        let densities = self.densities(allowed, load.as_deref(), resolver);
        if !matches!(masks.init.weights(), MaskWeights::Unread) {
            let what = format!("{}: {} is about weights, and these are --init-bias here", resolver.show(method), masks.init);
            resolver.problems.add_with_help(what, "use a distribution of the density, such as uniform or ERK");
        }
        let own = Choices::of(&self.own, resolver);
        let Some(plan) = self.drawing.plan(&masks, &spec, seed, resolver) else { return Ok(None) };
        let kept = self.own.sparsity;
        let is_resumed = self.train.resume.is_some();
        let (short, long) = match &load {
            _ if is_resumed => (RESUMED, RESUMED.to_owned()),
            Some(_) => (LOADED, LOADED.to_owned()),
            None => (masks.init.name(), masks.init.to_string()),
        };
        let of = if is_resumed { short.to_owned() } else { format!("{short}-{}", rounded(allowed.get())) };
        let name = format!("{of}-{kept}{}", if own.anneal { "-anneal" } else { "" });
        let facts = Map::from_iter([
            ("density_requested".to_owned(), json!(kept.get())),
            ("sparse_init".to_owned(), json!(long)),
            ("allowed_density_requested".to_owned(), json!(allowed.get())),
            ("anneal".to_owned(), json!(own.anneal)),
        ]);
        let given = masks.of_file;
        let even = given.is_none() && is_uniform(&masks.init);
        let kept_of_uniform = (even && allowed < Density::FULL).then(|| (kept.get() * spec.weight_count() as f64) as usize);
        // Other masks than uniform ones may leave no choice in some layers.
        if even && own.mask_biases && densities.iter().all(|d| *d >= allowed.get()) {
            let [keeps, allows] = options![self.own.sparsity, self.own.er_init_density].map(|option| resolver.name(option));
            resolver
                .remarks
                .push(format!("{keeps} keeps all that {allows} allows ({allowed}): there is next to nothing to choose"));
        }
        if let Some(path) = &load {
            resolver.keep_content(option!(self.own.model_to_load), &checkpoint_content(path)?);
        } else if let Some(masks) = &given {
            resolver.keep_masks(method, masks);
        }
        let approach = TicketSearch {
            masks: plan,
            given,
            mask_biases: own.mask_biases,
            values: own.values,
            scores: own.scores,
            densities,
            level_epochs: (self.train.epochs * self.train.multiplier) as u64,
            rescales: own.rescales,
            settle_batches: own.settle,
            asked: is_resumed.then(|| resolver.asked_density(density, allowed)).flatten(),
            load,
            kept_of_uniform,
            seed,
        };
        // The published program counts the epochs of each level from 1.
        let rates = LearningRate { first_epoch: 1, ..learning_rate.clone() };
        let learning_rates = LearningRates(vec![rates; self.own.levels]);
        Ok(Some(Setup { spec, approach: Box::new(approach), name, facts, learning_rates }))
    }
}

/// A number of levels: each takes an epoch at least and leaves a checkpoint, so that more than this is a mistake.
fn levels(text: &str) -> Result<usize, String> {
    let most = 1_000_000;
    values::count(text).and_then(|n| if n <= most { Ok(n) } else { Err(format!("'{text}' is not at most {most}")) })
}

/// Whether all layers have the same density.
fn is_uniform(method: &SparseInit) -> bool {
    *method == SparseInit::Densities(LayerDensities::of(&Uniform))
}

/// The masks of a network of this program, whose density is what they allow.
fn masks_of_network(path: &Path, spec: &ModelSpec) -> Result<FileMasks> {
    let masks = allowed_masks(path, spec)?;
    let edges: usize = masks.iter().map(Mask::edges).sum();
    let density = Density::new(edges as f64 / spec.weight_count() as f64)
        .map_err(|_| Error::failure(format!("{} allows no weight: there is nothing to choose", path.display())))?;
    Ok(FileMasks { masks, density })
}

/// What is chosen without regard to other options.
struct Choices {
    anneal: bool,
    mask_biases: bool,
    values: FrozenOptions,
    scores: ScoreInit,
    rescales: bool,
    settle: usize,
}

impl Choices {
    fn of(own: &Own, resolver: &mut Resolver) -> Self {
        let (init, bias_factor) = (resolver.keep(option!(own.init_bias)), resolver.keep(option!(own.bfac)));
        // The published command lines give it with any.
        if !init.reads_bias_factor() && !own.load_model {
            resolver.remark_no_effect(option!(own.bfac), &format!("with --init-bias {init}, whose biases have no such factor"));
        }
        let scale_density = resolver.keep(option!(own.scale_fan)).then(|| own.sparsity.get());
        Self {
            anneal: resolver.keep(option!(own.anneal)),
            mask_biases: resolver.keep(option!(own.er_mask_bias)),
            values: FrozenOptions { init, bias_factor, scale_density },
            scores: resolver.keep(option!(own.score_init)),
            rescales: resolver.keep(option!(own.scaling)),
            settle: resolver.keep(option!(own.settle)),
        }
    }
}

impl Options {
    /// The kept fraction of each level. `load` is the file to begin with.
    fn densities(&self, allowed: Density, load: Option<&Path>, resolver: &mut Resolver) -> Vec<f64> {
        let own = &self.own;
        let levels = resolver.keep(option!(own.levels));
        let last = resolver.keep(option!(own.sparsity)).get();
        let allowed = allowed.get();
        if last > allowed {
            let who = match (load, &own.er_method) {
                (Some(path), _) => path.display().to_string(),
                (None, SparseInit::File(path)) => path.display().to_string(),
                _ => resolver.name(option!(own.er_init_density)),
            };
            let sparsity = resolver.show(option!(own.sparsity));
            let what = format!("{sparsity} {last}: more than the {} that {who} allows", rounded(allowed));
            resolver.problems.add_with_help(what, "it is the kept fraction of all weights and biases: keep fewer, or allow more");
        }
        let option = option!(own.sparsity_start);
        if !own.anneal {
            resolver.no_effect(option, "without --anneal", "add --anneal");
            return vec![last; levels];
        }
        let start = resolver.keep_or(option, START);
        if start < last {
            let what = format!("{} {start}: below the {last} of {}", resolver.show(option), resolver.name(option!(own.sparsity)));
            resolver.problems.add_with_help(what, "the kept fraction falls from --sparsity-start to --sparsity");
        }
        kept_fractions(start, last, allowed, levels)
    }

    /// What to begin with instead of a fresh network.
    fn load(&self, resolver: &mut Resolver) -> Option<PathBuf> {
        let own = &self.own;
        let path = resolver.keep(option!(own.model_to_load));
        if !resolver.keep(option!(own.load_model)) {
            resolver.no_effect(option!(own.model_to_load), "without --load-model", "add --load-model");
            return None;
        }
        if path.is_none() {
            let what = format!("{} needs --model-to-load", resolver.show(option!(own.load_model)));
            resolver.problems.add_with_help(what, "name a checkpoint or ticket of er_slt");
        }
        let of_networks = options![
            own.er_init_density,
            own.er_method,
            own.er_mask_bias,
            own.init_bias,
            own.bfac,
            own.scale_fan,
            own.score_init,
            self.drawing.sampling,
            self.drawing.dense_layers,
            self.drawing.flow_preservation,
        ];
        for option in of_networks {
            resolver.no_effect(option, BROUGHT, "leave it out");
        }
        // A switch that is off does not count as given.
        if !own.er_mask_bias {
            let what = format!("{} false has no effect {BROUGHT}", resolver.show(option!(own.er_mask_bias)));
            resolver.problems.add_with_help(what, "leave it out");
        }
        path
    }
}

impl Ignored {
    fn refuse(&self, resolver: &mut Resolver) {
        for option in options![self.save_model, self.plant_model, self.plant_path] {
            resolver.leave_out(option);
        }
        if !self.save_model {
            let what =
                format!("{} false: the best network of each level is always saved", resolver.show(option!(self.save_model)));
            resolver.problems.add_with_help(what, "leave it out");
        }
        if self.plant_model || self.plant_path.is_some() {
            let option = if self.plant_model { option!(self.plant_model).id() } else { option!(self.plant_path).id() };
            let what =
                format!("{}: the program that plants a network among frozen weights was never published", resolver.show(option));
            resolver.problems.add_with_help(what, "leave --plant-model and --plant-path out");
        }
    }
}
