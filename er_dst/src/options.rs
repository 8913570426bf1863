//! The options of `er_dst` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use clap::Args;
use serde::Serialize;
use shared::Result;
use shared::config::{
    Checks, DrawingOptions, ExperimentOptions, MovingOptions, ProgramOptions, RESUMED, RunOptions, Setup, Shared, listing, values,
};
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::model::{ModelSpec, width_for};
use shared::registry::Selected;
use shared::schedule::{Decay, EpochSpan, Length, LrPolicy, Span};
use shared::topology::rule::{Falling, InitialMask, Method, PruneScore};
use shared::topology::{MaskWeights, SparseInit};
use shared::train::{DENSE, STATIC, TrainingMethod, Trains, method_of};

/// Everything that decides what `er_dst` computes.
#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct Options {
    #[command(flatten)]
    #[serde(flatten)]
    own: Own,
    #[command(flatten)]
    #[serde(flatten)]
    moving: MovingOptions,
    #[command(flatten)]
    #[serde(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    #[serde(skip)]
    ignored: Ignored,
}

/// How the network gets and stays sparse.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Method")]
#[serde(rename_all = "kebab-case")]
struct Own {
    /// How the network gets and stays sparse.
    #[arg(long, default_value = "GraNet", value_parser = values::parsed::<Selected<dyn TrainingMethod>>, value_name = "NAME",
          help = format!("How the network gets and stays sparse: {}; er_dst show --method NAME says what each does",
                         listing::all::<dyn TrainingMethod>()))]
    #[serde(serialize_with = "values::display")]
    method: Selected<dyn TrainingMethod>,
    /// Density at which pruning ends [default: 0.05]
    #[arg(long, value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    final_density: Option<Density>,
    /// Where the density begins to fall: an epoch, a step (2000it) or a part of the training (0.1) [default: 0]
    #[arg(long, value_parser = values::parsed::<EpochSpan>, value_name = "SPAN")]
    init_prune_epoch: Option<EpochSpan>,
    /// Where it has fallen, given in the same way; until then the latest epoch counts as the best [default: epoch 110, or 11/16 of the
    /// epochs if that is less]
    #[arg(long, value_parser = values::some_span::<EpochSpan>, value_name = "SPAN")]
    final_prune_epoch: Option<EpochSpan>,
    /// Whether the last pruning is to the final density exactly; the published schedule stops (first - final density) / n^3 above
    /// it after n updates
    #[arg(long)]
    reach_final_density: bool,
    /// How the density falls: a decay, as for --decay-schedule [default: cubic]
    #[arg(long, value_parser = values::parsed::<Selected<dyn Decay>>, value_name = "NAME")]
    #[serde(serialize_with = "values::display_option")]
    density_schedule: Option<Selected<dyn Decay>>,
    /// With Top-KAST: density of the weights that are trained [default: twice that of those used]
    #[arg(long, value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    backward_density: Option<Density>,
    /// Which edges are pruned.
    #[arg(long, value_parser = values::parsed::<PruneScore>, value_name = "NAME",
          help = format!("Which edges are pruned, the least by: {} [default: magnitude]", listing::prune_scores()))]
    #[serde(serialize_with = "values::display_option")]
    prune: Option<PruneScore>,
    /// Whether edges move; false: the same as --method static
    #[arg(long)]
    is_prune: bool,
    /// Keep the first layer dense: the same as --dense-layers first
    #[arg(long)]
    rm_first: bool,
    /// Keep linear layers dense: the same as --dense-layers linear
    #[arg(long)]
    ignore_linear_layers: bool,
    /// Keep the learning rate: the same as --lr-policy constant
    #[arg(long)]
    nolr_scheduler: bool,
}

/// Options of the published program that it accepts and ignores.
#[derive(Debug, Clone, Args)]
struct Ignored {
    /// Regeneration rate
    #[arg(long, hide = true)]
    pruning_rate: Option<f64>,
    /// Batch of a Jacobian
    #[arg(long, hide = true)]
    batch_size_jac: Option<usize>,
}

/// What to do about options of masks where there is none.
const ADVICE: &str = "leave it out, or choose a --method with a mask";

impl ProgramOptions for Options {
    fn shared(&mut self) -> Shared<'_> {
        self.shared.shared()
    }

    fn setup(&mut self, named: Option<ModelSpec>, _: &RunOptions, checks: &mut Checks) -> Result<Option<Setup>> {
        let given = self.shared.sparse.read(named.as_ref(), checks)?;
        let method = self.method(checks);
        let spec = named.and_then(|named| self.network(named, checks));
        let small = self.own.method.trains() == Trains::Narrower;
        let without_mask: &[&str] = if small { &["density"] } else { &[] };
        let setup = self.shared.moving(method, Some(self.own.method), given, spec, (ADVICE, without_mask), checks);
        Ok(setup.map(|setup| self.complete(&method, setup, checks)))
    }
}

impl Options {
    fn method(&mut self, checks: &mut Checks) -> Method {
        self.ignored.refuse(checks);
        self.same_as(checks);
        let (name, of) = self.meant(checks);
        let mut method = method_of(&name);
        self.masks_of_a_file(&method, &of, checks);
        self.densities(name.trains(), &of, &mut method, checks);
        if method.start == InitialMask::Full {
            self.full_masks(&method, checks);
        }
        self.moving.complete(&mut method, &of, checks);
        self.shared.sparse.sparse = method.start == InitialMask::Drawn || method.moves();
        method
    }

    fn of_a_file(&self) -> bool {
        matches!(self.shared.sparse.mask.sparse_init, SparseInit::File(_))
    }

    /// What does not go with masks from a file.
    fn masks_of_a_file(&mut self, method: &Method, of: &str, checks: &mut Checks) {
        if !self.of_a_file() {
            return;
        }
        for (option, asked) in [("rm-first", self.own.rm_first), ("ignore-linear-layers", self.own.ignore_linear_layers)] {
            if asked {
                checks.no_effect(option, DrawingOptions::FROM_FILE, "leave it out");
            }
        }
        if method.start == InitialMask::Full && method.moves() {
            let what = format!("{}: {of} begins with all weights, not with given masks", checks.given.show("sparse-init"));
            checks.problems.add_with_help(what, "leave it out, or choose a --method that begins with a mask");
            // So that nothing else is wrong with the masks.
            self.shared.sparse.mask.sparse_init = SparseInit::Densities(LayerDensities::of(&Uniform));
        }
    }

    /// The network to train instead of the one that is named.
    fn network(&self, named: ModelSpec, checks: &mut Checks) -> Option<ModelSpec> {
        if self.own.method.trains() != Trains::Narrower {
            return Some(named);
        }
        let budget = self.shared.sparse.mask.density.get() * named.weight_count() as f64;
        checks.take(width_for(named.name(), named.input(), named.classes(), budget))
    }

    /// Name, facts and remarks of a run.
    fn complete(&self, method: &Method, mut setup: Setup, checks: &Checks) -> Setup {
        let [first, last] = &method.densities;
        let name = self.own.method.to_string();
        let density = self.shared.sparse.mask.density;
        let init = self.shared.sparse.mask.sparse_init.name();
        let begins = if self.of_a_file() { rounded(*first) } else { *first };
        setup.name = match (self.own.method.trains(), method.start) {
            (Trains::Dense, _) => name.clone(),
            (Trains::Narrower, _) => format!("{name}-{density}"),
            (_, InitialMask::Full) if method.prune.is_some() => format!("{name}-{last}"),
            _ if self.shared.train.resume.is_some() && method.prune.is_none() => format!("{name}-{RESUMED}"),
            _ if self.shared.train.resume.is_some() => format!("{name}-{RESUMED}-{last}"),
            _ if method.prune.is_none() => format!("{name}-{init}-{begins}"),
            _ => format!("{name}-{init}-{begins}-{last}"),
        };
        setup.facts.insert("method".into(), name.as_str().into());
        setup.facts.insert("density_requested".into(), (*last).into());
        if begins_full(method) {
            let given = OF_DRAWN_MASKS.into_iter().filter(|option| checks.given.has(option) && checks.is_unused(option));
            let note = |option| format!("--{option} has no effect with --method {name}, which begins with all weights");
            setup.notes.extend(given.map(note));
        }
        if method.prune.is_some() {
            setup.facts.insert("density_first_requested".into(), (*first).into());
        }
        if self.own.method.trains() == Trains::Narrower {
            setup.facts.insert("weights_requested".into(), density.get().into());
        }
        if method.start == InitialMask::Full && method.prune.is_some() && *first < 1.0 {
            let asked = checks.given.show("density");
            let what = format!("{asked} {first}: {name} begins with all weights, so the first update prunes to about {first}");
            setup.notes.push(what);
        }
        setup
    }
}

/// Options that say which edges are there at first. The published command lines give them for methods that begin with all, too.
const OF_DRAWN_MASKS: [&str; 4] = ["sparse-init", "sampling", "flow-preservation", "flow-keep-density"];

/// Whether all weights are there at first, and fewer later.
fn begins_full(method: &Method) -> bool {
    method.start == InitialMask::Full && method.prune.is_some()
}

impl Options {
    /// Options that mean nothing, or only a remark, where all weights are there at first.
    fn full_masks(&self, method: &Method, checks: &mut Checks) {
        if !method.moves() {
            for option in ["rm-first", "ignore-linear-layers"] {
                checks.no_effect(option, "without a mask", ADVICE);
            }
        } else if method.backward.is_some() {
            for option in OF_DRAWN_MASKS.into_iter().filter(|o| *o != "sparse-init") {
                checks.no_effect(option, "with --method Top-KAST: the largest weights are used", "leave it out");
            }
        // Unless the masks bring the first weights.
        } else if !matches!(self.shared.sparse.mask.sparse_init.weights(), MaskWeights::Bring(_)) {
            for option in OF_DRAWN_MASKS {
                checks.unused(option);
            }
        }
    }

    /// Options that are another's second name.
    fn same_as(&mut self, checks: &mut Checks) {
        let dense = &mut self.shared.sparse.mask.drawing.dense_layers;
        for (asked, layers) in [(self.own.rm_first, "first"), (self.own.ignore_linear_layers, "linear")] {
            if asked && !dense.iter().any(|l| l == layers) {
                dense.push(layers.to_owned());
            }
        }
        if self.own.nolr_scheduler {
            if checks.given.has("lr-policy") && self.shared.train.lr_policy != LrPolicy::Constant {
                let what =
                    format!("{} means --lr-policy constant, but another is asked for", checks.given.show("nolr-scheduler"));
                checks.problems.add_with_help(what, "give one of the two");
            }
            self.shared.train.lr_policy = LrPolicy::Constant;
        }
        for option in ["rm-first", "ignore-linear-layers", "nolr-scheduler"] {
            checks.unused(option);
        }
    }

    /// The method after `--sparse`, `--is-prune` and `--fix`, and what messages call it.
    fn meant(&mut self, checks: &mut Checks) -> (Selected<dyn TrainingMethod>, String) {
        let asked = self.own.method;
        let [dense, fixed]: [&'static dyn TrainingMethod; 2] = [&DENSE, &STATIC];
        let (name, of) = if asked.trains() != Trains::Masked {
            (asked, format!("--method {asked}"))
        } else if !self.shared.sparse.sparse {
            (Selected::new(dense), "--sparse false".to_owned())
        } else if self.shared.sparse.fix {
            (Selected::new(fixed), "--fix".to_owned())
        } else if !self.own.is_prune {
            (Selected::new(fixed), "--is-prune false".to_owned())
        } else {
            (asked, format!("--method {asked}"))
        };
        if name != asked && checks.given.has("method") && name.trains() == Trains::Dense {
            checks
                .problems
                .add_with_help(format!("--method {asked} needs a mask, and {of} asks for none"), "give one of the two");
        }
        self.own.method = name;
        // What they mean is stored as the method.
        for option in ["sparse", "fix", "is-prune"] {
            checks.unused(option);
        }
        self.shared.sparse.fix = false;
        (name, of)
    }

    fn densities(&mut self, trains: Trains, of: &str, method: &mut Method, checks: &mut Checks) {
        let known = checks.given.has("density") || self.of_a_file();
        let [first, last] = &mut method.densities;
        let mask = &mut self.shared.sparse.mask;
        if known {
            *first = mask.density.get();
        } else if trains == Trains::Narrower {
            // So that nothing else is wrong with the network.
            mask.density = Density::FULL;
            let what = "--method small_dense needs --density";
            checks.problems.add_with_help(what, "give the weights of the narrower network as a fraction of those of the wider");
        } else if let Ok(density) = Density::new(*first) {
            mask.density = density;
        }
        if trains == Trains::Narrower {
            (*first, *last) = (1.0, 1.0);
        }
        self.backward(of, method, checks);
        self.pruning(of, method, checks);
    }

    /// The density of what Top-KAST trains.
    fn backward(&mut self, of: &str, method: &mut Method, checks: &mut Checks) {
        let used = method.densities[0];
        let twice = Density::new((2.0 * used).min(1.0)).ok();
        if let (Some(backward), Some(twice)) = (&mut method.backward, twice) {
            *backward = self.own.backward_density.get_or_insert(twice).get();
            if *backward < used {
                let what = format!(
                    "{}: {backward} is below the density {used} of the weights used",
                    checks.given.show("backward-density")
                );
                checks.problems.add_with_help(what, "those used are among those trained");
            }
        } else {
            checks.no_effect("backward-density", &format!("with {of}"), "it belongs to --method Top-KAST");
        }
    }

    /// When and to what the density falls.
    fn pruning(&mut self, of: &str, method: &mut Method, checks: &mut Checks) {
        let [first, last] = &mut method.densities;
        let Some(prune) = &mut method.prune else {
            for option in ["init-prune-epoch", "final-prune-epoch", "prune", "reach-final-density", "density-schedule"] {
                checks.no_effect(option, &format!("with {of}, which does not prune"), "leave it out, or choose another --method");
            }
            // The published command lines give it for methods of one density, too.
            if let Some(density) = self.own.final_density.filter(|d| d.get().to_bits() != first.to_bits()) {
                let what = format!("{}: with {of} the density stays at {first}", checks.given.show("final-density"));
                checks.problems.add_with_help(what, format!("give --density {density}, or choose another --method"));
            }
            *last = *first;
            self.own.final_density = None;
            return;
        };
        if let Some(density) = self.own.final_density {
            *last = density.get();
        } else {
            self.own.final_density = Density::new(*last).ok();
        }
        if last > first {
            let what = format!("{}: {last} is above the first density {first}", checks.given.show("final-density"));
            checks.problems.add_with_help(what, "pruning only makes a network sparser");
        }
        prune.decay = *self.own.density_schedule.get_or_insert(prune.decay);
        prune.score = *self.own.prune.get_or_insert(prune.score);
        if prune.by == Falling::Steps {
            for option in ["init-prune-epoch", "final-prune-epoch"] {
                checks.no_effect(option, &format!("with {of}"), "give the steps --t-begin and --t-end");
            }
            checks.no_effect("reach-final-density", &format!("with {of}, which reaches it"), "leave it out");
            return;
        }
        let epochs = self.shared.train.epochs as u64;
        let begin = *self.own.init_prune_epoch.get_or_insert(EpochSpan(Span::epochs(0)));
        let from = begin.0.whole_epochs().unwrap_or_default();
        let usual = EpochSpan(Span::epochs(110.min(epochs * 11 / 16).max(from + 1)));
        let end = *self.own.final_prune_epoch.get_or_insert(usual);
        // As if an epoch had so many steps that nothing is lost to rounding; places given in steps are checked when data are there.
        let length = Length { batches_per_epoch: 1 << 20, epochs, multiplier: 1 };
        let place = |span: Span| if matches!(span, Span::Steps(_)) { None } else { Some(span.steps(length)) };
        let late = |end| end > length.steps();
        if place(end.0).is_some_and(|end| late(end) || place(begin.0).is_some_and(|begin| begin >= end)) {
            let place =
                checks.given.show(if checks.given.has("final-prune-epoch") { "final-prune-epoch" } else { "init-prune-epoch" });
            let what = format!("{place}: the density would fall from epoch {begin} to {end} of {epochs}");
            checks.problems.add_with_help(what, "it must end after it begins, and before the training does");
        }
        prune.ends = [begin.0, end.0];
        prune.reaches = self.own.reach_final_density;
    }
}

impl Ignored {
    fn refuse(&self, checks: &mut Checks) {
        if self.pruning_rate.is_some() {
            let what = format!("{}: the published program ignores it", checks.given.show("pruning-rate"));
            checks.problems.add_with_help(what, "the part of the edges that is exchanged is --prune-rate");
        }
        if self.batch_size_jac.is_some() {
            let what = format!("{}: the published program ignores it", checks.given.show("batch-size-jac"));
            checks.problems.add_with_help(what, "leave it out");
        }
    }
}
