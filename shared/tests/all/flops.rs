//! Operations, bytes and costs of trainings against independently computed numbers, and against published tables.

use serde::Deserialize;
use shared::density::{Density, LayerDensities};
use shared::graph::LayerShape;
use shared::model::{Convention, CostMethod, Image, ModelSpec, Storage, TrainingCost, build};

#[derive(Deserialize)]
struct Case {
    source: String,
    model: String,
    input: [usize; 3],
    classes: usize,
    macs: Vec<usize>,
    two_macs: f64,
    runs: Vec<Run>,
}

/// A distribution of densities and what the network costs with it.
#[derive(Deserialize)]
struct Run {
    distribution: String,
    sparsities: Vec<f64>,
    two_macs: f64,
}

#[test]
fn operations_are_the_golden_ones_per_layer_and_in_total() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../golden/flops.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in &cases {
        let [c, h, w] = case.input;
        let net = build(&case.model, Image::new(c, h, w), case.classes).unwrap();
        let macs: Vec<usize> = net.layers().iter().map(shared::model::Layer::multiply_adds).collect();
        assert_eq!(macs, case.macs, "{}", case.source);
        let dense = Convention::Macs.network(&net, &vec![1.0; macs.len()]);
        // Whole numbers far below 2⁵³: no rounding.
        assert_eq!(dense.to_bits(), case.two_macs.to_bits(), "{}: {dense}", case.source);
        for run in &case.runs {
            let densities: Vec<f64> = run.sparsities.iter().map(|s| 1.0 - s).collect();
            let flops = Convention::Macs.network(&net, &densities);
            assert!((flops / run.two_macs - 1.0).abs() < 1e-12, "{} {}: {flops}", case.source, run.distribution);
        }
    }
}

/// A network and what it costs at layer sparsities of several distributions.
#[derive(Deserialize)]
struct Counted {
    model: String,
    input: [usize; 3],
    classes: usize,
    runs: Vec<CountedRun>,
}

#[derive(Deserialize)]
struct CountedRun {
    distribution: String,
    /// How an ERK solver rounded the edges of layers to whole numbers.
    rounding: Option<String>,
    first_layer_dense: bool,
    sparsity: f64,
    sparsities: Vec<f64>,
    /// Convention `rigl`, by layer.
    layers: Vec<f64>,
    rigl: f64,
    rigl_reproducibility: f64,
    macs: f64,
    megabytes: f64,
    /// RigL's cost of training with ΔT = 100.
    rigl_training: Option<f64>,
}

impl CountedRun {
    fn densities(&self) -> Vec<f64> {
        self.sparsities.iter().map(|s| 1.0 - s).collect()
    }
}

fn counted() -> Vec<Counted> {
    serde_json::from_str(include_str!("../golden/flops_rigl.json")).unwrap()
}

fn network(model: &str, [c, h, w]: [usize; 3], classes: usize) -> ModelSpec {
    build(model, Image::new(c, h, w), classes).unwrap()
}

fn megabytes(net: &ModelSpec, densities: &[f64]) -> f64 {
    let edges: Vec<f64> = net.layers().iter().zip(densities).map(|(l, d)| l.shape.weights() as f64 * d).collect();
    Storage::of_network(net, &edges).rigl / 1e6
}

fn training(sparse: f64, density: f64, interval: u64) -> TrainingCost {
    TrainingCost {
        sparse,
        small_dense: None,
        density,
        interval,
        steps: 32_000,
        falls: [10_000, 25_000],
        initial_density: 1.0,
        backward_density: 1.0,
    }
}

fn near(what: &str, found: f64, expected: f64) {
    assert!((found / expected - 1.0).abs() < 1e-12, "{what}: {found}, not {expected}");
}

#[test]
fn conventions_count_as_the_golden_numbers_in_every_layer_and_in_total() {
    let cases = counted();
    assert_eq!(cases.iter().map(|c| c.runs.len()).sum::<usize>(), 62);
    for case in &cases {
        let net = network(&case.model, case.input, case.classes);
        let full = vec![1.0; net.layers().len()];
        for run in &case.runs {
            let of = format!("{} {} {:?} {}", case.model, run.distribution, run.rounding, run.sparsity);
            let densities = run.densities();
            for (l, (density, expected)) in densities.iter().zip(&run.layers).enumerate() {
                near(&format!("{of} {}", net.layers()[l].name), Convention::Rigl.layer(&net, l, *density), *expected);
            }
            near(&of, Convention::Rigl.network(&net, &densities), run.rigl);
            near(&of, Convention::RiglReproducibility.network(&net, &densities), run.rigl_reproducibility);
            near(&of, Convention::Macs.network(&net, &densities), run.macs);
            near(&of, megabytes(&net, &densities), run.megabytes);
            if let Some(expected) = run.rigl_training {
                let ratio = run.rigl / Convention::Rigl.network(&net, &full);
                near(&of, training(ratio, 1.0 - run.sparsity, 100).ratio(CostMethod::RigL).unwrap(), expected);
            }
        }
    }
}

/// A network, and masks that rigl-reproducibility drew for it and whose operations it counted.
#[derive(Deserialize)]
struct Executed {
    model: String,
    input: [usize; 3],
    classes: usize,
    dense: f64,
    runs: Vec<ExecutedRun>,
}

#[derive(Deserialize)]
struct ExecutedRun {
    distribution: String,
    first_layer_dense: bool,
    density: f64,
    flops: f64,
}

#[test]
fn the_counter_of_the_reproduction_executed() {
    let cases: Vec<Executed> = serde_json::from_str(include_str!("../golden/flops_rigl_reproducibility.json")).unwrap();
    assert_eq!(cases.iter().map(|c| c.runs.len()).sum::<usize>(), 24);
    for case in &cases {
        let net = network(&case.model, case.input, case.classes);
        let convention = Convention::RiglReproducibility;
        // The program counts weights that are not 0, and among ResNet-50's 24 million ones a few are: two of the last stage, with 16
        // pixels, would explain what it lacks.
        let lacking = convention.network(&net, &vec![1.0; net.layers().len()]) - case.dense;
        assert_eq!(lacking as i64, if case.model == "wrn-22-2" { 0 } else { 2 * 2 * 16 }, "{}", case.model);
        for run in &case.runs {
            let densities = solved(&net, &run.distribution, run.density, usize::from(run.first_layer_dense));
            // Every weight is kept with its layer's probability, and costs two operations a pixel.
            let variance = net.layers().iter().zip(&densities).map(|(l, p)| {
                let uses = 2.0 * l.multiply_adds() as f64 / l.shape.weights() as f64;
                l.shape.weights() as f64 * p * (1.0 - p) * uses * uses
            });
            let deviation = (run.flops - convention.network(&net, &densities)) / variance.sum::<f64>().sqrt();
            let of = format!("{} {} {}", case.model, run.distribution, run.density);
            assert!(deviation.abs() < 4.0, "{of}: {deviation} standard deviations from its mean");
        }
    }
}

/// Densities of the layers, of which the first `dense` are full and the others have this density together.
fn solved(net: &ModelSpec, distribution: &str, density: f64, dense: usize) -> Vec<f64> {
    let shapes: Vec<LayerShape> = net.layers()[dense..].iter().map(|l| l.shape).collect();
    let distribution: LayerDensities = distribution.parse().unwrap();
    let solution = distribution.solve(&shapes, Density::new(density).unwrap()).unwrap();
    [vec![1.0; dense], solution.densities].concat()
}

/// A number of a published table that follows from the formulas.
#[derive(Deserialize)]
struct Row {
    table: String,
    #[serde(rename = "row")]
    line: String,
    quantity: String,
    /// As printed.
    published: String,
    of: Quantity,
    model: String,
    input: [usize; 3],
    classes: usize,
    convention: String,
    /// All weights if there are none.
    masks: Option<Masks>,
    method: Option<String>,
    /// Length of the training relative to that of the dense network.
    multiplier: Option<f64>,
    /// The network that costs are relative to, if it is another one.
    relative_to: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Quantity {
    Inference,
    InferenceRatio,
    Training,
    TrainingRatio,
    Megabytes,
    Megaflops,
}

#[derive(Deserialize)]
struct Masks {
    from: From,
    distribution: String,
    sparsity: f64,
    first_layer_dense: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum From {
    /// Layer sparsities of `flops_rigl.json`, as the published solver rounds them; depthwise layers dense.
    Run,
    /// Solved here, for depthwise layers too.
    Solver,
}

impl Row {
    fn densities(&self, net: &ModelSpec) -> Vec<f64> {
        let Some(masks) = &self.masks else { return vec![1.0; net.layers().len()] };
        if let From::Solver = masks.from {
            return solved(net, &masks.distribution, 1.0 - masks.sparsity, usize::from(masks.first_layer_dense));
        }
        let cases = counted();
        let runs = &cases.iter().find(|c| c.model == self.model).unwrap().runs;
        let fits = |run: &&CountedRun| {
            run.distribution == masks.distribution
                && run.sparsity.to_bits() == masks.sparsity.to_bits()
                && run.first_layer_dense == masks.first_layer_dense
                && run.rounding.as_deref().is_none_or(|r| r == "floor_ones")
        };
        runs.iter().find(fits).unwrap().densities()
    }

    fn found(&self) -> f64 {
        let net = network(&self.model, self.input, self.classes);
        let convention: Convention = self.convention.parse().unwrap();
        let reference = network(self.relative_to.as_ref().unwrap_or(&self.model), self.input, self.classes);
        let dense = convention.network(&reference, &vec![1.0; net.layers().len()]);
        let densities = self.densities(&net);
        let inference = convention.network(&net, &densities);
        let ratio = || {
            let method: CostMethod = self.method.as_ref().unwrap().parse().unwrap();
            // The notebook that pruning's costs are from looks at the density every 1000 steps.
            let interval = if method == CostMethod::Pruning { 1000 } else { 100 };
            let density = self.masks.as_ref().map_or(1.0, |m| 1.0 - m.sparsity);
            let cost = training(inference / dense, density, interval);
            self.multiplier.unwrap() * cost.ratio(method).unwrap()
        };
        match self.of {
            Quantity::Inference => inference,
            Quantity::InferenceRatio => inference / dense,
            // 32,000 steps of 4096 images.
            Quantity::Training => 3.0 * dense * ratio() * 32_000.0 * 4096.0,
            Quantity::TrainingRatio => ratio(),
            Quantity::Megabytes => megabytes(&net, &densities),
            Quantity::Megaflops => inference / 1e6,
        }
    }
}

#[test]
fn published_tables_come_out_to_the_last_printed_digit() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../golden/flops_published.json")).unwrap();
    assert_eq!(rows.len(), 74);
    let mut wrong = Vec::new();
    for row in &rows {
        let found = row.found();
        let digits = |number: &str| number.split_once('.').map_or(0, |(_, digits)| digits.len());
        let printed = match row.published.split_once('e') {
            Some((mantissa, _)) => format!("{found:.*e}", digits(mantissa)),
            None => format!("{found:.*}", digits(&row.published)),
        };
        if printed != row.published {
            wrong.push(format!("{}, {}, {}: {found}, not {}", row.table, row.line, row.quantity, row.published));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
