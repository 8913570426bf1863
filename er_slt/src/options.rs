//! The options of `er_slt` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use serde::Serialize;
use serde_json::{Map, json};
use shared::config::{
    Checks, DataOptions, DrawingOptions, ProgramOptions, PublishedOptions, RESUMED, RunOptions, Setup, Shared, TrainingOptions,
    listing, values,
};
use shared::data::DataKind;
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::graph::Mask;
use shared::init::{FrozenInit, FrozenOptions, ScoreInit};
use shared::model::{ModelSpec, supermask};
use shared::registry::Named;
use shared::schedule::{EpochSpan, LearningRate, LearningRates, LrPolicy, Span, kept_fractions};
use shared::topology::{MaskWeights, SparseInit};
use shared::train::{TicketSearch, allowed_masks};
use shared::{Error, Result};

/// The warm-up of the published program, where its policy has one.
const WARMUP: u64 = 5;

/// The published kept fraction before the first level.
const START: f64 = 0.6;

/// What names of folders and summaries say of masks that come with a network.
const LOADED: &str = "loaded";

/// Why what a network begins with cannot be chosen where it comes from a file.
const BROUGHT: &str = "with --load-model: the file has masks, frozen values and scores";

/// Everything that decides what `er_slt` computes.
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
    train: TrainingOptions,
    #[command(flatten)]
    #[serde(skip)]
    published: PublishedOptions,
    #[command(flatten)]
    #[serde(skip)]
    ignored: Ignored,
}

/// What may be chosen, how much of it is, and what there is to choose from.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Tickets")]
#[serde(rename_all = "kebab-case")]
struct Own {
    /// Fraction of the weights and biases of each layer that is KEPT in the end; the name is that of the published program
    #[arg(long, visible_alias = "density", default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "KEPT")]
    sparsity: Density,
    /// Fraction of the weights and biases that may be chosen, in (0, 1]: density of the random mask
    #[arg(long, default_value = "0.5", value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    er_init_density: Density,
    /// How that density is divided among the layers.
    #[arg(long, default_value = "uniform", value_parser = values::sparse_init, value_name = "NAME",
          help = format!("How that density is divided among the layers: {}; one density per layer, or masks of a file, as er_wlt's \
                          --sparse-init", listing::names(SparseInit::named_without_weights().map(|n| n as &dyn Named))))]
    #[serde(serialize_with = "values::display")]
    er_method: SparseInit,
    /// Whether the random mask covers biases, too; false: all biases may be chosen
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
    er_mask_bias: bool,
    /// Levels of --epochs each, one after the other; the best epoch of each is saved
    #[arg(long, default_value = "10", value_parser = values::count, value_name = "N")]
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
    #[serde(serialize_with = "values::display")]
    init_bias: FrozenInit,
    /// Factor of the standard deviation of nonzero biases
    #[arg(long, default_value = "0.05", value_parser = values::non_negative, value_name = "FACTOR")]
    bfac: f64,
    /// Divide weights by the square root of the kept fraction
    #[arg(long)]
    scale_fan: bool,
    /// First scores: kaiming-uniform, constant (0.5) or published (constant in convolutions, uniform in linear layers)
    #[arg(long, default_value = "kaiming-uniform", value_parser = values::parsed::<ScoreInit>, value_name = "NAME")]
    #[serde(serialize_with = "values::display")]
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
    fn shared(&mut self) -> Shared<'_> {
        // The published default, for the images it is for.
        if self.data.network.data == DataKind::Cifar10 {
            self.data.network.model.get_or_insert_with(|| "vgg16".to_owned());
        }
        Shared { data: &mut self.data, train: &mut self.train, published: &self.published }
    }

    fn setup(&mut self, named: Option<ModelSpec>, _: &RunOptions, checks: &mut Checks) -> Result<Option<Setup>> {
        self.ignored.refuse(checks);
        self.warmup(checks);
        let Some(spec) = named.and_then(|named| checks.take(supermask(&named))) else { return Ok(None) };
        let load = self.load(checks);
        let given = self.given(load.as_deref(), &spec, checks)?;
        let densities = self.densities(load.as_deref(), checks);
        self.method(checks);
        let own = &self.own;
        let seed = self.train.seed;
        let Some(masks) = self.drawing.plan(&spec, &own.er_method, own.er_init_density, seed, checks) else { return Ok(None) };
        let (short, method) = match &load {
            _ if self.train.resume.is_some() => (RESUMED, RESUMED.to_owned()),
            Some(_) => (LOADED, LOADED.to_owned()),
            None => (own.er_method.name(), own.er_method.to_string()),
        };
        let allowed = rounded(own.er_init_density.get());
        let of = if self.train.resume.is_some() { short.to_owned() } else { format!("{short}-{allowed}") };
        let name = format!("{of}-{}{}", own.sparsity, if own.anneal { "-anneal" } else { "" });
        let facts = Map::from_iter([
            ("density_requested".to_owned(), json!(own.sparsity.get())),
            ("sparse_init".to_owned(), json!(method)),
            ("allowed_density_requested".to_owned(), json!(own.er_init_density.get())),
            ("anneal".to_owned(), json!(own.anneal)),
        ]);
        let at_random = given.is_none() && is_uniform(&own.er_method) && own.er_init_density < Density::FULL;
        let kept_of_uniform = at_random.then(|| (own.sparsity.get() * spec.weight_count() as f64) as usize);
        let notes = self.nothing_to_choose(given.is_none(), &densities).into_iter().collect();
        let mut contents = Vec::new();
        if let Some(path) = &load {
            contents.push(("model-to-load", std::fs::read(path).map_err(|e| Error::io("read", path, &e))?));
        } else if let Some(masks) = &given {
            contents.push(("er-method", masks.iter().flat_map(Mask::to_bytes).collect()));
        }
        let approach = TicketSearch {
            masks,
            given,
            mask_biases: own.er_mask_bias,
            values: FrozenOptions {
                init: own.init_bias,
                bias_factor: own.bfac,
                scale_density: own.scale_fan.then(|| own.sparsity.get()),
            },
            scores: own.score_init,
            densities,
            level_epochs: (self.train.epochs * self.train.multiplier) as u64,
            rescales: own.scaling,
            settle_batches: own.settle,
            asked: self.train.resume.as_ref().and_then(|_| checks.asked_density("er-init-density", own.er_init_density)),
            load,
            kept_of_uniform,
            seed,
        };
        Ok(Some(Setup { spec, approach: Box::new(approach), name, facts, contents, notes }))
    }

    /// The rates of each level; the published program counts its epochs from 1.
    fn schedule(&self, usual: LearningRate) -> LearningRates {
        LearningRates(vec![LearningRate { first_epoch: 1, ..usual }; self.own.levels])
    }
}

/// Whether all layers have the same density.
fn is_uniform(method: &SparseInit) -> bool {
    *method == SparseInit::Densities(LayerDensities::of(&Uniform))
}

impl Options {
    fn warmup(&mut self, checks: &Checks) {
        if !checks.given.has("warmup-epochs") && matches!(self.train.lr_policy, LrPolicy::Cosine | LrPolicy::Constant) {
            self.train.warmup_epochs = EpochSpan(Span::epochs(WARMUP.min(self.train.epochs as u64)));
        }
    }

    /// The masks of a file, whose density then is the one that is allowed.
    fn given(&mut self, load: Option<&Path>, spec: &ModelSpec, checks: &mut Checks) -> Result<Option<Vec<Mask>>> {
        let Own { er_method, er_init_density, .. } = &mut self.own;
        let Some(path) = load else {
            return DrawingOptions::read(er_method, er_init_density, "er-init-density", spec, checks);
        };
        let masks = allowed_masks(path, spec)?;
        let edges: usize = masks.iter().map(Mask::edges).sum();
        *er_init_density = Density::new(edges as f64 / spec.weight_count() as f64)
            .map_err(|_| Error::failure(format!("{} allows no weight: there is nothing to choose", path.display())))?;
        Ok(Some(masks))
    }

    /// A remark on a search that has no choice. Other masks than uniform ones may leave one in some layers.
    fn nothing_to_choose(&self, drawn: bool, densities: &[f64]) -> Option<String> {
        let Own { er_method, er_init_density: allowed, er_mask_bias, .. } = &self.own;
        let even = drawn && *er_mask_bias && is_uniform(er_method);
        (even && densities.iter().all(|d| *d >= allowed.get())).then(|| {
            format!("--sparsity keeps all that --er-init-density allows ({allowed}): there is next to nothing to choose")
        })
    }

    /// The kept fraction of each level. `load` is the file to begin with.
    fn densities(&mut self, load: Option<&Path>, checks: &mut Checks) -> Vec<f64> {
        let own = &mut self.own;
        let (last, allowed) = (own.sparsity.get(), own.er_init_density.get());
        if last > allowed {
            let who = match (load, &own.er_method) {
                (Some(path), _) => path.display().to_string(),
                (None, SparseInit::File(path)) => path.display().to_string(),
                _ => "--er-init-density".to_owned(),
            };
            let sparsity = checks.given.show("sparsity");
            let what = format!("{sparsity} {last}: more than the {} that {who} allows", rounded(allowed));
            checks.problems.add_with_help(what, "it is the kept fraction of all weights and biases: keep fewer, or allow more");
        }
        if !own.anneal {
            checks.no_effect("sparsity-start", "without --anneal", "add --anneal");
            return vec![last; own.levels];
        }
        let start = *own.sparsity_start.get_or_insert(START);
        if start < last {
            let what = format!("{} {start}: below the {last} of --sparsity", checks.given.show("sparsity-start"));
            checks.problems.add_with_help(what, "the kept fraction falls from --sparsity-start to --sparsity");
        }
        kept_fractions(start, last, allowed, own.levels)
    }

    /// What to begin with instead of a fresh network.
    fn load(&mut self, checks: &mut Checks) -> Option<PathBuf> {
        let own = &self.own;
        if !own.load_model {
            checks.no_effect("model-to-load", "without --load-model", "add --load-model");
            return None;
        }
        let path = own.model_to_load.clone();
        if path.is_none() {
            let what = format!("{} needs --model-to-load", checks.given.show("load-model"));
            checks.problems.add_with_help(what, "name a checkpoint or ticket of er_slt");
        }
        for option in [
            "er-init-density",
            "er-method",
            "er-mask-bias",
            "init-bias",
            "bfac",
            "scale-fan",
            "score-init",
            "sampling",
            "dense-layers",
            "flow-preservation",
        ] {
            checks.no_effect(option, BROUGHT, "leave it out");
        }
        // A switch that is off does not count as given.
        if !own.er_mask_bias {
            checks.problems.add_with_help(format!("--er-mask-bias false has no effect {BROUGHT}"), "leave it out");
        }
        path
    }

    /// Refuses masks that come with weights.
    fn method(&self, checks: &mut Checks) {
        let method = &self.own.er_method;
        if !matches!(method.weights(), MaskWeights::Unread) {
            let what = format!("{}: {method} is about weights, and these are --init-bias here", checks.given.show("er-method"));
            checks.problems.add_with_help(what, "use a distribution of the density, such as uniform or ERK");
        }
    }
}

impl Ignored {
    fn refuse(&self, checks: &mut Checks) {
        if !self.save_model {
            checks.problems.add_with_help("--save-model false: the best network of each level is always saved", "leave it out");
        }
        if self.plant_model || self.plant_path.is_some() {
            let option = if self.plant_model { "--plant-model" } else { "--plant-path" };
            let what = format!("{option}: the program that plants a network among frozen weights was never published");
            checks.problems.add_with_help(what, "leave --plant-model and --plant-path out");
        }
    }
}
