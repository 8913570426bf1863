//! The options of `er_dst` and what they mean together.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

use clap::{ArgAction, Args};
use shared::config::{
    DrawingOptions, ExperimentOptions, MaskSettings, MaskedRun, MovingOptions, OptionId, ProgramOptions, RESUMED, Resolver,
    Settled, Setup, SharedOptions, TrainingRecipe, listing, values,
};
use shared::density::{Density, LayerDensities, Uniform, rounded};
use shared::model::width_for;
use shared::registry::Selected;
use shared::schedule::{Decay, EpochSpan, Length, LrPolicy, Span};
use shared::topology::rule::{Falling, InitialMask, Method, PruneScore};
use shared::topology::{MaskWeights, SparseInit};
use shared::train::{DENSE, STATIC, TrainingMethod, Trains, method_of};
use shared::{Result, option, options};

/// Everything that decides what `er_dst` computes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    own: Own,
    #[command(flatten)]
    moving: MovingOptions,
    #[command(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    ignored: Ignored,
}

/// How the network gets and stays sparse.
#[allow(clippy::struct_excessive_bools)] // one field an option
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Method")]
struct Own {
    /// How the network gets and stays sparse.
    #[arg(long, default_value = "GraNet", value_parser = values::parsed::<Selected<dyn TrainingMethod>>, value_name = "NAME",
          help = format!("How the network gets and stays sparse: {}; er_dst show --method NAME says what each does",
                         listing::all::<dyn TrainingMethod>()))]
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
    density_schedule: Option<Selected<dyn Decay>>,
    /// With Top-KAST: density of the weights that are trained [default: twice that of those used]
    #[arg(long, value_parser = values::parsed::<Density>, value_name = "DENSITY")]
    backward_density: Option<Density>,
    /// Which edges are pruned.
    #[arg(long, value_parser = values::parsed::<PruneScore>, value_name = "NAME",
          help = format!("Which edges are pruned, the least by: {} [default: magnitude]", listing::prune_scores()))]
    prune: Option<PruneScore>,
    /// Whether edges move; false: the same as --method static
    #[arg(long, action = ArgAction::Set, default_value = "true", default_missing_value = "true", num_args = 0..=1,
          value_parser = values::boolean, value_name = "BOOL")]
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
    fn shared(&self) -> SharedOptions<'_> {
        self.shared.shared()
    }

    fn named(&self) -> Vec<OptionId> {
        let mask = &self.shared.sparse.mask;
        options![self.own.method, self.own.final_density, mask.density, mask.sparse_init].to_vec()
    }

    fn recipe(&self, resolver: &mut Resolver) -> TrainingRecipe {
        let recipe = self.shared.train.recipe();
        let (constant, policy) = (option!(self.own.nolr_scheduler), option!(self.shared.train.lr_policy));
        resolver.leave_out(constant);
        if !self.own.nolr_scheduler {
            return recipe;
        }
        if resolver.is_given(policy) && recipe.lr_policy != LrPolicy::Constant {
            let what = format!("{} means --lr-policy constant, but another is asked for", resolver.show(constant));
            resolver.problems.add_with_help(what, "give one of the two");
        }
        TrainingRecipe { lr_policy: LrPolicy::Constant, ..recipe }
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let (named, mask) = (settled.network, &self.shared.sparse.mask);
        let file = match &named {
            Some(spec) if self.shared.sparse.sparse => mask.read(spec, resolver)?,
            _ => None,
        };
        self.ignored.refuse(resolver);
        for option in self.naming_dense_layers() {
            resolver.leave_out(option);
        }
        let (name, of) = self.name(resolver);
        let mut method = method_of(&name);
        let init = self.initial_mask(&method, &of, resolver);
        let density = self.density(file.as_ref().map(|file| file.density), name.trains(), &method, resolver);
        self.densities(density, name.trains(), &of, &mut method, resolver);
        if method.start == InitialMask::Full {
            self.full_masks(&method, &init, resolver);
        }
        let method = self.moving.method(method, &of, resolver);
        let own = &self.own;
        let dense_layers = mask.drawing.dense_layers_and([(own.rm_first, "first"), (own.ignore_linear_layers, "linear")]);
        let masks = MaskSettings { init: init.clone(), density, dense_layers, of_file: file.map(|file| file.masks) };
        let mut spec = named;
        if name.trains() == Trains::Narrower {
            resolver.keep_as(option!(mask.density), density);
            spec = spec.and_then(|wider| {
                let weights = density.get() * wider.weight_count() as f64;
                resolver.take(width_for(wider.name(), wider.input(), wider.classes(), weights))
            });
        }
        let learning_rates = settled.learning_rate.clone().into();
        let run = MaskedRun { method, by: Some(name), masks, advice: ADVICE, learning_rates };
        let setup = self.shared.masked(spec, run, settled.seed, resolver);
        Ok(setup.map(|setup| self.complete(name, &method, &init, density, setup, resolver)))
    }
}

impl Options {
    fn naming_dense_layers(&self) -> [OptionId; 2] {
        options![self.own.rm_first, self.own.ignore_linear_layers]
    }

    /// How the first masks come about, and what does not go with those of a file.
    fn initial_mask(&self, method: &Method, of: &str, resolver: &mut Resolver) -> SparseInit {
        let init = option!(self.shared.sparse.mask.sparse_init);
        if !is_file(init.value()) || !method.has_mask() {
            return init.value().clone();
        }
        for option in self.naming_dense_layers() {
            resolver.no_effect(option, DrawingOptions::FROM_FILE, "leave it out");
        }
        if method.start != InitialMask::Full {
            return init.value().clone();
        }
        let what = format!("{}: {of} begins with all weights, not with given masks", resolver.show(init));
        resolver.problems.add_with_help(what, "leave it out, or choose a --method that begins with a mask");
        // So that nothing else is wrong with the masks.
        SparseInit::Densities(LayerDensities::of(&Uniform))
    }

    /// Name, facts and remarks of a run.
    fn complete(
        &self,
        by: Selected<dyn TrainingMethod>,
        method: &Method,
        init: &SparseInit,
        density: Density,
        mut setup: Setup,
        resolver: &mut Resolver,
    ) -> Setup {
        let (name, trains) = (by.to_string(), by.trains());
        let [first, last] = &method.densities;
        let begins = if is_file(init) { rounded(*first) } else { *first };
        setup.name = match (trains, method.start) {
            (Trains::Dense, _) => name.clone(),
            (Trains::Narrower, _) => format!("{name}-{density}"),
            (_, InitialMask::Full) if method.prune.is_some() => format!("{name}-{last}"),
            _ if self.shared.train.resume.is_some() && method.prune.is_none() => format!("{name}-{RESUMED}"),
            _ if self.shared.train.resume.is_some() => format!("{name}-{RESUMED}-{last}"),
            _ if method.prune.is_none() => format!("{name}-{}-{begins}", init.name()),
            _ => format!("{name}-{}-{begins}-{last}", init.name()),
        };
        setup.facts.insert("method".into(), name.as_str().into());
        if method.has_mask() {
            setup.facts.insert("density_requested".into(), (*last).into());
        }
        if method.prune.is_some() {
            setup.facts.insert("density_first_requested".into(), (*first).into());
        }
        if trains == Trains::Narrower {
            setup.facts.insert("weights_requested".into(), density.get().into());
        }
        let asks = |option: OptionId| resolver.is_given(option);
        let [density, final_density] = [option!(self.shared.sparse.mask.density).id(), option!(self.own.final_density).id()];
        if method.start == InitialMask::Drawn && method.prune.is_some() && asks(density) && first <= last {
            let what = format!("{} {first}: nothing is pruned, since it is the first density of {name}", resolver.show(density));
            resolver.remarks.push(format!("{what}, and the last, {}, is {last}, too", resolver.name(final_density)));
        } else if method.start == InitialMask::Drawn && method.prune.is_some() && asks(density) && !asks(final_density) {
            let what = format!("{} {first}: the first density of {name}", resolver.show(density));
            resolver.remarks.push(format!("{what}; it falls to the {last} of {}", resolver.name(final_density)));
        }
        if method.start == InitialMask::Full && method.prune.is_some() && *first < 1.0 {
            let asked = resolver.show(option!(self.shared.sparse.mask.density));
            let what = format!("{asked} {first}: {name} begins with all weights, so the first update prunes to about {first}");
            resolver.remarks.push(what);
        }
        setup
    }

    /// Options that say which edges are there at first. The published command lines give them for methods that begin with all, too.
    fn of_drawn_masks(&self) -> [OptionId; 4] {
        let mask = &self.shared.sparse.mask;
        options![mask.sparse_init, mask.drawing.sampling, mask.drawing.flow_preservation, mask.drawing.flow_keep_density]
    }

    /// Options that mean nothing, or only a remark, where all weights are there at first.
    fn full_masks(&self, method: &Method, init: &SparseInit, resolver: &mut Resolver) {
        let mask = &self.shared.sparse.mask;
        if !method.moves() {
            for option in self.naming_dense_layers() {
                resolver.no_effect(option, "without a mask", ADVICE);
            }
        } else if method.backward.is_some() {
            let with_edges = option!(mask.sparse_init).into();
            for option in self.of_drawn_masks().into_iter().filter(|option| *option != with_edges) {
                resolver.no_effect(option, "with --method Top-KAST: the largest weights are used", "leave it out");
            }
        // Unless the masks bring the first weights.
        } else if !matches!(init.weights(), MaskWeights::Bring(_)) {
            let why = format!("with --method {}, which begins with all weights", self.own.method);
            for option in self.of_drawn_masks() {
                resolver.remark_no_effect(option, &why);
            }
        }
    }

    /// The method after `--sparse`, `--is-prune` and `--fix`, and what messages call it.
    fn name(&self, resolver: &mut Resolver) -> (Selected<dyn TrainingMethod>, String) {
        let (asked, sparse) = (self.own.method, &self.shared.sparse);
        let [dense, fixed]: [&'static dyn TrainingMethod; 2] = [&DENSE, &STATIC];
        let method = option!(self.own.method);
        let as_asked = format!("{} {asked}", resolver.name(method));
        let (name, of) = if asked.trains() != Trains::Masked {
            (asked, as_asked)
        } else if !sparse.sparse {
            (Selected::new(dense), format!("{} false", resolver.name(option!(sparse.sparse))))
        } else if sparse.fix {
            (Selected::new(fixed), resolver.name(option!(sparse.fix)))
        } else if !self.own.is_prune {
            (Selected::new(fixed), format!("{} false", resolver.name(option!(self.own.is_prune))))
        } else {
            (asked, as_asked)
        };
        if name != asked && resolver.is_given(method) && name.trains() == Trains::Dense {
            let what = format!("{} {asked} needs a mask, and {of} asks for none", resolver.show(method));
            resolver.does_not_apply(method, what, "give one of the two");
        }
        resolver.keep_as(method, name);
        // What they mean is stored as the method.
        for option in options![sparse.sparse, sparse.fix, self.own.is_prune] {
            resolver.leave_out(option);
        }
        (name, of)
    }

    /// The first density: that of a file, the one that is asked for, or that of the method.
    fn density(&self, of_file: Option<Density>, trains: Trains, method: &Method, resolver: &mut Resolver) -> Density {
        let density = option!(self.shared.sparse.mask.density);
        let asked = resolver.is_given(density).then_some(*density.value());
        if let Some(known) = of_file.or(asked) {
            return known;
        }
        if trains == Trains::Narrower {
            let what = format!("{} small_dense needs {}", resolver.name(option!(self.own.method)), resolver.name(density));
            let help = "give the weights of the narrower network as a fraction of those of the wider";
            resolver.problems.add_with_help(what, help);
            // So that nothing else is wrong with the network.
            return Density::FULL;
        }
        Density::new(method.densities[0]).unwrap_or(*density.value())
    }

    fn densities(&self, density: Density, trains: Trains, of: &str, method: &mut Method, resolver: &mut Resolver) {
        let [first, last] = &mut method.densities;
        *first = density.get();
        if trains == Trains::Narrower {
            (*first, *last) = (1.0, 1.0);
        }
        self.backward(of, method, resolver);
        self.pruning(of, method, resolver);
    }

    /// The density of what Top-KAST trains.
    fn backward(&self, of: &str, method: &mut Method, resolver: &mut Resolver) {
        let used = method.densities[0];
        let twice = Density::new((2.0 * used).min(1.0)).ok();
        let option = option!(self.own.backward_density);
        if let (Some(backward), Some(twice)) = (&mut method.backward, twice) {
            *backward = resolver.keep_or(option, twice).get();
            if *backward < used {
                let what = format!("{}: {backward} is below the density {used} of the weights used", resolver.show(option));
                resolver.problems.add_with_help(what, "those used are among those trained");
            }
        } else {
            resolver.no_effect(option, &format!("with {of}"), "it belongs to --method Top-KAST");
        }
    }

    /// When and to what the density falls.
    fn pruning(&self, of: &str, method: &mut Method, resolver: &mut Resolver) {
        let own = &self.own;
        let (begin, end, reach) =
            (option!(own.init_prune_epoch), option!(own.final_prune_epoch), option!(own.reach_final_density));
        let final_density = option!(own.final_density);
        let has_mask = method.has_mask();
        let [first, last] = &mut method.densities;
        let Some(prune) = &mut method.prune else {
            let why = format!("with {of}, which does not prune");
            for option in
                options![own.init_prune_epoch, own.final_prune_epoch, own.prune, own.reach_final_density, own.density_schedule]
            {
                resolver.no_effect(option, &why, "leave it out, or choose another --method");
            }
            if !has_mask {
                resolver.no_effect(final_density, "without a mask", ADVICE);
            // The published command lines give it for methods of one density, too.
            } else if let Some(density) = own.final_density.filter(|d| d.get().to_bits() != first.to_bits()) {
                let what = format!("{}: with {of} the density stays at {first}", resolver.show(final_density));
                resolver.does_not_apply(final_density, what, format!("give --density {density}, or choose another --method"));
            }
            *last = *first;
            resolver.leave_out(final_density);
            return;
        };
        if let Ok(usual) = Density::new(*last) {
            *last = resolver.keep_or(final_density, usual).get();
        }
        if last > first {
            let what = format!("{}: {last} is above the first density {first}", resolver.show(final_density));
            let density = option!(self.shared.sparse.mask.density);
            let help = if resolver.is_of_file(density) {
                "pruning only makes a network sparser: --unset density takes back what the file says of the first one"
            } else {
                "pruning only makes a network sparser"
            };
            resolver.problems.add_with_help(what, help);
        }
        prune.decay = resolver.keep_or(option!(own.density_schedule), prune.decay);
        prune.score = resolver.keep_or(option!(own.prune), prune.score);
        if prune.by == Falling::Steps {
            for option in options![own.init_prune_epoch, own.final_prune_epoch] {
                resolver.no_effect(option, &format!("with {of}"), "give the steps --t-begin and --t-end");
            }
            resolver.no_effect(reach, &format!("with {of}, which reaches it"), "leave it out");
            return;
        }
        prune.reaches = resolver.keep(reach);
        let epochs = self.shared.train.epochs as u64;
        let from = resolver.keep_or(begin, EpochSpan(Span::epochs(0)));
        let usual = 110.min(epochs * 11 / 16).max(from.0.whole_epochs().unwrap_or_default() + 1);
        let to = resolver.keep_or(end, EpochSpan(Span::epochs(usual)));
        prune.ends = [from.0, to.0];
        // As if an epoch had so many steps that nothing is lost to rounding; places given in steps are checked when data are there.
        let length = Length { batches_per_epoch: 1 << 20, epochs, multiplier: 1 };
        let place = |span: Span| if matches!(span, Span::Steps(_)) { None } else { Some(span.steps(length)) };
        let late = |end| end > length.steps();
        if place(to.0).is_some_and(|end| late(end) || place(from.0).is_some_and(|begin| begin >= end)) {
            let at = if resolver.is_given(end) { end } else { begin };
            let what = format!("{}: the density would fall from epoch {from} to {to} of {epochs}", resolver.show(at));
            resolver.problems.add_with_help(what, "it must end after it begins, and before the training does");
        }
    }
}

/// Whether the masks are those of a file.
fn is_file(init: &SparseInit) -> bool {
    matches!(init, SparseInit::File(_))
}

impl Ignored {
    fn refuse(&self, resolver: &mut Resolver) {
        for (option, instead) in [
            (option!(self.pruning_rate).id(), "the part of the edges that is exchanged is --prune-rate"),
            (option!(self.batch_size_jac).id(), "leave it out"),
        ] {
            resolver.leave_out(option);
            if resolver.is_given(option) {
                let what = format!("{}: the published program ignores it", resolver.show(option));
                resolver.problems.add_with_help(what, instead);
            }
        }
    }
}
