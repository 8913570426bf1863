//! Things that another crate adds, reached by name; what everything that is registered has to keep; and the lists of names in the
//! documentation.

use std::collections::HashSet;
use std::ops::Bound::{Excluded, Included};
use std::sync::LazyLock;

use clap::{Args, Command};
use proptest::prelude::*;
use shared::config::{
    ExperimentOptions, MaskedRun, MovingOptions, ProgramOptions, Request, Resolver, RunOptions, Settled, Setup, SharedOptions,
    TypedOptions, read, values,
};
use shared::density::{Density, Distribution, LayerDensities, Reach, Solution, fill};
use shared::graph::{LayerShape, LayerState, Mask, Numbers, Sampling, sample};
use shared::model::{self, Builder, DefaultInit, Family, Image};
use shared::registry::{Door, Named, Parameter, Selected};
use shared::rng::{Purpose, stream};
use shared::run::{Invocation, Machine, Signals};
use shared::schedule::{Decay, DropFraction};
use shared::score::synflow;
use shared::statistics::bipartite::Statistic;
use shared::topology::rule::drop::Snip;
use shared::topology::rule::{
    Count, Drop, DropScope, DropScore, Evidence, Exchange, Exchanging, GrowRule, GrownValue, LayerView, Memory, Method, Network,
    NetworkScore, PruneScore, Redistribute, Rule, Velocities, When, update,
};
use shared::topology::{LayerMasks, MaskGenerator, MaskRequest, SparseInit};
use shared::train::{TrainingMethod, method_of};
use shared::{Result, option};

/// Density ∝ `N_l^-a`, until a layer is full; surplus goes to the others.
struct Inverse;

impl Named for Inverse {
    fn name(&self) -> &'static str {
        "inverse"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["by_size"]
    }

    fn about(&self) -> &'static str {
        "density ∝ 1 / weights of the layer, to a power"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "a", about: "the power", default: 0.5, range: (Excluded(0.0), Included(2.0)) }]
    }
}

impl Distribution for Inverse {
    fn solve(&self, shapes: &[LayerShape], d: f64, parameters: &[f64]) -> Result<Solution> {
        let raw: Vec<f64> = shapes.iter().map(|s| (s.weights() as f64).powf(-parameters[0])).collect();
        let (densities, epsilon) = fill(self.name(), shapes, d, &raw)?;
        Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
    }
}

/// Masks whose every edge is at an even position.
struct Even;

impl Named for Even {
    fn name(&self) -> &'static str {
        "even"
    }

    fn about(&self) -> &'static str {
        "every other position, whatever the density"
    }
}

impl MaskGenerator for Even {
    fn draw(&self, request: &MaskRequest<'_>, _: &[f64]) -> Result<LayerMasks> {
        let masks = request.masks(|_, shape| Mask::from_positions(shape, (0..shape.weights()).step_by(2)));
        Ok(request.at_one_density(masks))
    }
}

/// |w| times the edge's synaptic flow, which the whole network gives, over all layers.
struct FlowWeight;

impl Named for FlowWeight {
    fn name(&self) -> &'static str {
        "flow_weight"
    }

    fn about(&self) -> &'static str {
        "|w| times synaptic flow, one threshold for all layers"
    }
}

impl DropScore for FlowWeight {
    fn scope(&self) -> DropScope {
        DropScope::Network
    }

    fn of_network(&self) -> Option<NetworkScore> {
        Some(|spec, state, _| synflow(spec, state))
    }

    fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
        layer.network.iter().enumerate().map(|(e, flow)| flow * layer.weights.get(e).abs()).collect()
    }
}

/// |gradient| to a power.
struct Gradients;

impl Named for Gradients {
    fn name(&self) -> &'static str {
        "gradients"
    }

    fn about(&self) -> &'static str {
        "|gradient| to a power"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "power", about: "the power", default: 1.0, range: (Included(0.0), Included(4.0)) }]
    }
}

impl DropScore for Gradients {
    fn reads_gradient(&self) -> bool {
        true
    }

    fn score(&self, layer: &LayerView<'_>, parameters: &[f64]) -> Vec<f64> {
        layer.mask.iter().map(|p| layer.gradient.get(p).abs().powf(parameters[0])).collect()
    }
}

/// RigL that drops by |w · gradient|.
struct RigLSnip;

impl Named for RigLSnip {
    fn name(&self) -> &'static str {
        "RigL-snip"
    }

    fn about(&self) -> &'static str {
        "RigL, dropping by |w · gradient|"
    }
}

impl TrainingMethod for RigLSnip {
    fn method(&self, _: &[f64]) -> Method {
        let drop = Drop { by: Selected::new(&Snip), ..Exchanging::RIGL.drop };
        Method { exchange: Some(Exchanging { drop, ..Exchanging::RIGL }), ..Method::RIGL }
    }
}

/// Growth where gradients are smallest, the control of RigL.
struct LeastGradient;

impl Named for LeastGradient {
    fn name(&self) -> &'static str {
        "least_gradient"
    }

    fn about(&self) -> &'static str {
        "the smallest gradients"
    }
}

impl GrowRule for LeastGradient {
    fn reads_gradient(&self) -> bool {
        true
    }

    fn score(&self, layer: &LayerView<'_>, position: usize, _: &[f64]) -> f64 {
        1.0 / layer.gradient.get(position).abs()
    }
}

/// A quarter of a circle.
struct Circle;

impl Named for Circle {
    fn name(&self) -> &'static str {
        "circle"
    }

    fn about(&self) -> &'static str {
        "a quarter of a circle"
    }
}

impl Decay for Circle {
    fn left(&self, x: f64, _: &[f64]) -> f64 {
        (1.0 - x * x).sqrt()
    }
}

static PLAIN: Family = Family {
    name: "plain",
    pattern: "plain-<depth>-<width>",
    examples: &["plain-3-16"],
    about: "so many 3x3 convolutions of this width, without shortcuts",
    build: |name, input, classes| match name.words().as_slice() {
        ["plain", depth, width] => Some(name.number(depth).and_then(|depth| {
            let width = name.number(width)?;
            let mut b = Builder::new(format!("plain-{depth}-{width}"), input, DefaultInit::KaimingNormal);
            for i in 1..=depth {
                b.conv(format!("conv{i}"), width, 3, 1, 1, false)?.norm(format!("bn{i}"))?.relu(format!("relu{i}"))?;
            }
            b.global_pool("pool")?.linear("fc", classes, true)?;
            Ok(b.finish())
        })),
        _ => None,
    },
};

/// Adds all of them, once in this process.
static ADDED: LazyLock<()> = LazyLock::new(|| {
    <dyn Distribution>::registry().add(&Inverse).unwrap();
    <dyn MaskGenerator>::registry().add(&Even).unwrap();
    <dyn DropScore>::registry().add(&FlowWeight).unwrap();
    <dyn DropScore>::registry().add(&Gradients).unwrap();
    <dyn GrowRule>::registry().add(&LeastGradient).unwrap();
    <dyn Decay>::registry().add(&Circle).unwrap();
    Family::registry().add(&PLAIN).unwrap();
    <dyn TrainingMethod>::registry().add(&RigLSnip).unwrap();
});

/// Everything behind a door, what was added above included.
fn all<T: Door + ?Sized>() -> Vec<Selected<T>> {
    LazyLock::force(&ADDED);
    T::registry().iter().map(Selected::new).collect()
}

fn added<T: Door + ?Sized>(typed: &str) -> Selected<T> {
    LazyLock::force(&ADDED);
    typed.parse().unwrap()
}

#[test]
fn what_is_added_is_reached_by_name() {
    let rule: LayerDensities = added::<dyn Distribution>("By-Size").to_string().parse().unwrap();
    assert_eq!((rule.name(), rule.to_string().as_str()), ("inverse", "inverse"));
    let shapes = [LayerShape::linear(100, 100), LayerShape::linear(50, 50)];
    let solve = |typed: &str| typed.parse::<LayerDensities>().unwrap().solve(&shapes, Density::new(0.1).unwrap()).unwrap();
    let [half, one] = ["inverse", "inverse:a=1"].map(|typed| solve(typed).densities);
    // A quarter of the weights, to the power 1/2 and 1.
    assert!((half[1] / half[0] - 2.0).abs() < 1e-12 && (one[1] / one[0] - 4.0).abs() < 1e-12, "{half:?} {one:?}");
    let init: SparseInit = "inverse(1)".parse().unwrap();
    assert_eq!((init.to_string().as_str(), init.name()), ("inverse(a=1)", "inverse"));
    assert_eq!("even".parse::<SparseInit>().unwrap().name(), "even");
    assert_eq!(added::<dyn DropScore>("gradients:power=2").values(), [2.0]);
    assert_eq!("Gradients(2)".parse::<PruneScore>().unwrap().to_string(), "gradients(power=2)");
    assert!("flow_weight".parse::<PruneScore>().is_err(), "its scope is the network's");
    let decay = added::<dyn Decay>("Circle");
    let fraction = DropFraction { initial: 0.5, floor: 0.1, decay, end: 100 };
    assert!((fraction.at(60) - (0.1 + 0.4 * 0.8)).abs() < 1e-12);
    let net = model::build("Plain_2_8-x0.5", Image::new(3, 8, 8), 10).unwrap();
    assert_eq!((net.name(), net.layers()[1].shape.out), ("plain-2-8-x0.5", 4));
    let error = model::build("plain-two-8", Image::new(3, 8, 8), 10).unwrap_err();
    assert_eq!(error.what(), "model plain-two-8: \"two\" is not a whole number from 1 to 65536");
    let error = model::build("banana", Image::new(3, 8, 8), 10).unwrap_err();
    assert!(error.help_text().unwrap().contains("plain-<depth>-<width>"), "{error}");
    let error = "invers".parse::<LayerDensities>().unwrap_err();
    assert_eq!(error.help_text(), Some("did you mean \"inverse\"?"));
}

/// Families that cannot be added.
static WRONG: [(Family, &str); 4] = [
    (Family { name: "mine", examples: &["mlp-3"], ..PLAIN }, "mlp-3 is an example, but it does not build it"),
    (Family { name: "mine", ..PLAIN }, "plain-3-16 is a name of the family plain"),
    (
        Family { name: "mine", examples: &["plain-3-16-x0.5"], ..PLAIN },
        "plain-3-16-x0.5 ends in what stands for a factor or a form",
    ),
    (Family { name: "mine", examples: &[], ..PLAIN }, "it has no examples"),
];

#[test]
fn no_name_is_given_twice() {
    LazyLock::force(&ADDED);
    let error = <dyn GrowRule>::registry().add(&LeastGradient).unwrap_err();
    assert_eq!(error.what(), "growth \"least_gradient\" cannot be added: the name \"least_gradient\" is that of least_gradient");
    for (family, why) in &WRONG {
        let error = Family::registry().add(family).unwrap_err();
        assert_eq!(error.what(), format!("family of models \"mine\" cannot be added: {why}"));
    }
}

/// Options of a program that moves edges.
#[derive(Clone, Args)]
struct Options {
    #[command(flatten)]
    shared: ExperimentOptions,
    #[command(flatten)]
    moving: MovingOptions,
    /// The method.
    #[arg(long, default_value = "RigL-snip", value_parser = values::parsed::<Selected<dyn TrainingMethod>>)]
    method: Selected<dyn TrainingMethod>,
}

impl ProgramOptions for Options {
    fn shared(&self) -> SharedOptions<'_> {
        self.shared.shared()
    }

    fn setup(&self, settled: Settled<'_>, resolver: &mut Resolver) -> Result<Option<Setup>> {
        let name = resolver.keep(option!(self.method));
        let method = self.moving.method(method_of(&name), "this program", resolver);
        let masks = self.shared.sparse.mask.settings(None);
        let method = Method { densities: [masks.density.get(); 2], ..method };
        let run = MaskedRun {
            method,
            by: Some(name),
            masks,
            advice: "add --sparse",
            learning_rates: settled.learning_rate.clone().into(),
        };
        Ok(self.shared.masked(settled.network, run, settled.seed, resolver))
    }
}

fn command() -> Command {
    RunOptions::augment_args(Options::augment_args(Command::new("program")))
}

fn request(words: &[&str]) -> Request {
    LazyLock::force(&ADDED);
    read(&command(), &command(), &words.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_training_uses_what_is_added() {
    let out = tempfile::tempdir().unwrap();
    let yaml = out.path().join("mine.yaml");
    let text = "sparse: true\ndata: digits\nmodel: plain-2-8\nsparse-init: inverse(a=1)\ndeath: flow_weight\ngrowth: least_gradient\n\
                decay-schedule: circle\ndensity: 0.3\nupdate-frequency: 3\nepochs: 1\nquiet: true\nthreads: 1\n";
    std::fs::write(&yaml, text).unwrap();
    let folder = out.path().to_str().unwrap();
    let run = |more: &[&str]| {
        let words = [&["--config", yaml.to_str().unwrap(), "--out", folder], more].concat();
        let Request::Run(matches, given) = request(&words) else { panic!("{words:?} asks for text") };
        let line = TypedOptions::<Options>::new("program", &command(), &matches, given).unwrap();
        let experiment = line.experiment(5).unwrap();
        let training = &experiment.training;
        let device = Machine::this(1, training.backend);
        let program = Invocation { name: "program", version: "0", revision: None, command: Vec::new(), device };
        let fresh = || training.approach.begin(&training.spec, training.backend);
        let launched = training.launch(&program, &experiment.destination("program"), fresh, &Signals::none()).unwrap();
        (launched.end.unwrap(), experiment.config, training.approach.to_string())
    };
    let (summary, config, words) = run(&[]);
    assert_eq!((&summary["model"], &summary["sparse_init"]), (&"plain-2-8".into(), &"inverse(a=1)".into()));
    assert!(summary["updates"].as_u64().unwrap() >= 2, "{summary}");
    for (option, value) in
        [("method", "RigL-snip"), ("death", "flow_weight"), ("growth", "least_gradient"), ("decay-schedule", "circle")]
    {
        assert_eq!(config.get(option).unwrap(), value);
    }
    assert!(words.contains("drop: the least by flow_weight, ⌊f·n⌋ over all layers; f from 0.3 to 0 (circle)"), "{words}");
    assert!(words.contains("grow: as many by least_gradient"), "{words}");
    // Masks that are no distribution, and a score with a parameter.
    let (summary, config, _) = run(&["--sparse-init", "even", "--death", "gradients:power=0.5"]);
    assert_eq!((&summary["sparse_init"], config.get("death").unwrap()), (&"even".into(), &"gradients(power=0.5)".into()));
    assert!((summary["density"].as_f64().unwrap() - 0.5).abs() < 0.01, "{summary}");
}

#[test]
fn help_texts_name_what_is_added() {
    let Request::Text(help) = request(&["--help"]) else { panic!("no help") };
    let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "inverse or by_size (inverse:a=0.5)",
        "even;",
        "flow_weight (|w| times synaptic flow, one threshold for all layers)",
        "gradients (|gradient| to a power; gradients:power=1)",
        "least_gradient (the smallest gradients)",
        "circle (a quarter of a circle)",
        "plain-<depth>-<width>",
    ] {
        assert!(flat.contains(text), "{text}: {help}");
    }
}

#[test]
fn an_update_grows_by_a_rule_that_is_added() {
    let shape = LayerShape::linear(6, 20);
    let mask = sample(shape, 0.4, Sampling::Exact, &mut stream(1, Purpose::Mask, 0));
    let weights: Vec<f64> = (0..mask.edges()).map(|e| 1.0 + e as f64).collect();
    let mut layers = [LayerState { mask: mask.clone(), weights, slots: Vec::new() }];
    let gradient: Vec<f64> = (0..shape.weights()).map(|p| (p * 37 % 121) as f64 - 60.5).collect();
    let exchange = Exchange {
        drop: Drop { by: added("magnitude"), count: Count::Floor },
        grow: added("least_gradient"),
        redistribute: Redistribute::None,
        fraction: DropFraction { initial: 0.25, floor: 0.0, decay: added("constant"), end: 1 },
        value: GrownValue::Zero,
        regrown_keeps: true,
    };
    let when = When { interval: 1, begin: 0, end: None, accumulate: 1 };
    let rule = Rule { prune: None, exchange: Some(exchange), when, replaces_step: true, keeps_flow: false };
    assert!(rule.reads_gradient() && !rule.needs_every_gradient());
    let mut memory = Memory::new(&layers);
    let network = Network { movable: vec![true], groups: vec![1], seed: 1 };
    let mut evidence = Evidence { gradients: vec![gradient.clone()], ..Evidence::default() };
    let change = update(&rule, 1, &network, &mut layers, &mut evidence, &mut memory)[0];
    assert_eq!((change.dropped, change.grown), (12, 12));
    // The first edges have the least weights.
    let kept: Vec<usize> = mask.iter().skip(12).collect();
    let mut free: Vec<usize> = (0..shape.weights()).filter(|p| !kept.contains(p)).collect();
    free.sort_by(|a, b| gradient[*a].abs().total_cmp(&gradient[*b].abs()));
    let mut expected = [&kept[..], &free[..12]].concat();
    expected.sort_unstable();
    assert_eq!(layers[0].mask.iter().collect::<Vec<_>>(), expected);
}

/// Values of a layer with ties and zeros.
fn coarse(seed: u64, n: usize) -> Vec<f64> {
    use rand::RngExt;
    let rng = &mut stream(seed, Purpose::Data, n as u64);
    (0..n).map(|_| f64::from(rng.random_range(-3..4_i32)) / 2.0).collect()
}

proptest! {
    #[test]
    fn distributions_keep_what_they_promise(
        sizes in prop::collection::vec((1..60_usize, 1..60_usize, 1..4_usize), 1..12), d in 1e-3..1.0_f64,
        rule in prop::sample::select(all::<dyn Distribution>()),
    ) {
        let shapes: Vec<LayerShape> = sizes.into_iter().map(|(out, inp, k)| LayerShape::conv(out, inp, [k, k])).collect();
        // Some refuse targets that their fixed layers do not allow.
        let Ok(solved) = rule.solve(&shapes, Density::new(d).unwrap()) else { return Ok(()) };
        prop_assert_eq!(solved.densities.len(), shapes.len());
        prop_assert!(solved.densities.iter().all(|p| (0.0..=1.0).contains(p)), "{}: {:?}", rule, solved.densities);
        match rule.reach() {
            Reach::Target => prop_assert!((solved.achieved / d - 1.0).abs() < 1e-9, "{}: {} of {d}", rule, solved.achieved),
            Reach::AtMost => prop_assert!(solved.achieved <= d * (1.0 + 1e-9), "{}: {} of {d}", rule, solved.achieved),
            Reach::Unpromised => {}
        }
    }

    #[test]
    fn scores_and_growth_keep_what_they_promise(
        seed in 0..1000_u64, density in 0.0..=1.0_f64, stays in 0.0..=1.0_f64, part in 0.0..=1.0_f64,
        score in prop::sample::select(all::<dyn DropScore>()), grow in prop::sample::select(all::<dyn GrowRule>()), single: bool,
    ) {
        let shape = LayerShape::conv(7, 5, [3, 3]);
        let n = shape.weights();
        let mask = sample(shape, density, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, 0));
        let kept = sample(shape, stays, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, 1));
        let kept = Mask::from_positions(shape, mask.iter().filter(|p| kept.contains(*p)));
        let (weights, all, flow) = (coarse(seed, mask.edges()), coarse(seed + 1, n), coarse(seed + 2, mask.edges()));
        let [weights_f32, all_f32] = [&weights, &all].map(|values| values.iter().map(|v| *v as f32).collect::<Vec<f32>>());
        // Halves are the same in either precision.
        let [weights, all] = if single {
            [Numbers::F32(&weights_f32), Numbers::F32(&all_f32)]
        } else {
            [Numbers::F64(&weights), Numbers::F64(&all)]
        };
        let network: Vec<f64> = flow.iter().map(|v| v.abs()).collect();
        let view = LayerView {
            layer: 0, step: 9, mask: &mask, kept: &mask, weights, slots: [weights, Numbers::NONE], gradient: all,
            velocity: Velocities { first: all, second: Numbers::NONE }, network: &network, ever: &mask,
        };
        let scores = score.score(&view, &score.values());
        prop_assert_eq!(scores.len(), mask.edges());
        prop_assert!(scores.iter().all(|s| s.is_finite() && *s >= 0.0), "{}: {:?}", score, scores);
        let view = LayerView { kept: &kept, network: &[], ..view };
        let count = (part * (n - kept.edges()) as f64) as usize;
        let choose = || grow.positions(&view, count, &mut stream(seed, Purpose::Growth, 0), &grow.values());
        let grown = choose();
        prop_assert_eq!(grown.len(), count, "{}", grow);
        prop_assert!(grown.is_sorted_by(|a, b| a < b) && grown.iter().all(|p| *p < n && !kept.contains(*p)), "{}: {:?}", grow, grown);
        prop_assert_eq!(grown, choose());
    }

    #[test]
    fn decays_fall_from_one_to_nothing(x in 0.0..=1.0_f64, y in 0.0..=1.0_f64, decay in prop::sample::select(all::<dyn Decay>())) {
        let left = |x: f64| decay.left(x, &decay.values());
        prop_assert!((left(0.0) - 1.0).abs() < 1e-12);
        prop_assert!(left(x.max(y)) <= left(x.min(y)) + 1e-12 && left(x) >= -1e-12, "{}", decay);
        prop_assert!(if decay.falls() { left(1.0).abs() < 1e-12 } else { (left(x) - 1.0).abs() < 1e-12 }, "{}", decay);
    }
}

/// Each is written so that it is read back, also with every parameter at another value; no two share a name.
fn names_are_unique_and_read_back<T: Door + ?Sized>() {
    let mut names = HashSet::new();
    for item in all::<T>() {
        let mut others = vec![item];
        for parameter in item.parameters() {
            for value in [0.25, 0.5, 1.0, 1.5, 2.0] {
                others.extend(item.with(parameter.name, value));
            }
        }
        for selected in others {
            let text = selected.to_string();
            assert_eq!(text.parse::<Selected<T>>().unwrap(), selected, "{text}");
            let values: Vec<String> = selected.values().iter().map(ToString::to_string).collect();
            let typed = format!("{}:{}", item.name(), values.join(","));
            assert_eq!(typed.parse::<Selected<T>>().unwrap(), selected, "{typed}");
        }
        for name in std::iter::once(&item.name()).chain(item.aliases()) {
            assert_eq!(name.to_uppercase().replace('-', "_").parse::<Selected<T>>().unwrap(), item, "{name}");
            assert!(names.insert(name.to_lowercase().replace('_', "-")), "{name} is used twice");
        }
        assert!(!item.about().is_empty() && !item.about().ends_with('.') && !item.about().contains('`'), "{}", item.name());
    }
}

#[test]
fn names_behind_every_door_are_unique_and_read_back() {
    names_are_unique_and_read_back::<dyn Distribution>();
    names_are_unique_and_read_back::<dyn MaskGenerator>();
    names_are_unique_and_read_back::<dyn DropScore>();
    names_are_unique_and_read_back::<dyn GrowRule>();
    names_are_unique_and_read_back::<dyn Decay>();
    names_are_unique_and_read_back::<dyn TrainingMethod>();
    names_are_unique_and_read_back::<dyn Statistic>();
    names_are_unique_and_read_back::<Family>();
    // Two doors behind one option.
    let names: Vec<String> = SparseInit::named()
        .flat_map(|n| std::iter::once(n.name()).chain(n.aliases().iter().copied()))
        .map(|n| n.to_lowercase().replace('_', "-"))
        .collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    for (name, _) in PruneScore::named() {
        assert_eq!(name.parse::<PruneScore>().unwrap().to_string(), name);
    }
}

/// What stands between backticks in the part of a text that begins with one heading and ends before another.
fn quoted(text: &str, from: &str, to: &str) -> HashSet<String> {
    let begin = text.find(from).unwrap_or_else(|| panic!("no {from}"));
    let part = &text[begin..begin + text[begin..].find(to).unwrap_or_else(|| panic!("no {to}"))];
    part.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn built_in<T: Door + ?Sized>() -> impl Iterator<Item = &'static str> {
    T::registry().built_in().iter().flat_map(|item| std::iter::once(item.name()).chain(item.aliases().iter().copied()))
}

#[test]
fn the_documentation_names_everything_that_is_built_in() {
    let methods = include_str!("../../../docs/methods.md");
    let masks = quoted(methods, "\n## Densities", "\n## Sampling");
    for name in built_in::<dyn Distribution>() {
        assert!(masks.contains(name), "docs/methods.md does not name the distribution {name}");
    }
    let masks = quoted(methods, "\n## Other initial masks", "\n## Statistics of masks");
    for name in built_in::<dyn MaskGenerator>() {
        assert!(masks.contains(name), "docs/methods.md does not name the initial mask {name}");
    }
    let rules = quoted(methods, "\n## Moving edges", "\n### What a method is");
    for name in built_in::<dyn DropScore>().chain(built_in::<dyn GrowRule>()).chain(built_in::<dyn Decay>()) {
        assert!(rules.contains(name), "docs/methods.md does not name {name}");
    }
    let table = quoted(methods, "\n### What a method is", "\n### Where sources differ");
    let page = quoted(concat!(include_str!("../../../docs/er_dst.md"), "\n# END"), "# ", "\n# END");
    for method in <dyn TrainingMethod>::registry().built_in() {
        assert!(table.contains(method.name()), "docs/methods.md does not name the method {}", method.name());
        assert!(page.contains(method.name()), "docs/er_dst.md does not name the method {}", method.name());
    }
    let more = quoted(include_str!("../../../docs/formats.md"), "\n| `more`", "\n| `skipped`");
    for name in built_in::<dyn Statistic>() {
        assert!(more.contains(name), "docs/formats.md does not name the statistic {name}");
    }
    // And no distribution that is not there: the first column of the table.
    let rows = methods[methods.find("\n## Densities").unwrap()..].lines().skip_while(|l| !l.starts_with("|---")).skip(1);
    for row in rows.take_while(|l| l.starts_with('|')) {
        let first = row.split('|').nth(1).unwrap();
        for name in first.split('`').skip(1).step_by(2).filter(|n| !n.contains(['[', ':'])) {
            assert!(
                <dyn Distribution>::registry().find(name).is_some(),
                "docs/methods.md names {name}, which is no distribution"
            );
        }
    }
}
