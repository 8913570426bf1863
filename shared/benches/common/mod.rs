//! What benches have in common: engines on random masks, and batches of noise.

use shared::density::{Density, LayerDensities};
use shared::engine::sparse::{Kernels, Setup, SparseEngine};
use shared::engine::{Batch, ModelState, Optimizer, StepOptions};
use shared::graph::{LayerShape, Mask, Sampling, sample};
use shared::init::{InitMethod, initialise};
use shared::model::ModelSpec;
use shared::rng::{Purpose, stream};

/// Samples of a step.
pub(crate) const BATCH: usize = 128;

/// As many threads as this process may use.
pub(crate) fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How steps are made.
pub(crate) const OPTIONS: StepOptions =
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true }, weight_decay: 5e-4, label_smoothing: 0.0 };

/// A network whose layers have random masks of the densities that a distribution gives them.
#[allow(dead_code, reason = "a bench may make its own")]
pub(crate) fn network(spec: &ModelSpec, distribution: &LayerDensities, density: f64) -> ModelState {
    let shapes: Vec<LayerShape> = spec.layers().iter().map(|l| l.shape).collect();
    let solution = Density::new(density).and_then(|d| distribution.solve(&shapes, d));
    let densities = solution.unwrap_or_else(|e| panic!("{e}")).densities;
    let draw = |(l, (&shape, &density)): (usize, (&LayerShape, &f64))| {
        sample(shape, density, Sampling::Bernoulli, &mut stream(1, Purpose::Mask, l as u64))
    };
    let masks: Vec<Mask> = shapes.iter().zip(&densities).enumerate().map(draw).collect();
    initialise(spec, &masks, &densities, density, InitMethod::Normal, 1)
}

/// The sparse engine with such a network.
#[allow(dead_code, reason = "a bench may make its own")]
pub(crate) fn engine(
    spec: &ModelSpec,
    distribution: &LayerDensities,
    density: f64,
    threads: usize,
    kernels: Kernels,
) -> SparseEngine {
    let setup = Setup { kernels, ..Setup::new(BATCH, threads) };
    SparseEngine::with(spec.clone(), network(spec, distribution, density), OPTIONS, setup).unwrap_or_else(|e| panic!("{e}"))
}

/// Random images and labels.
pub(crate) fn batch(spec: &ModelSpec) -> Batch {
    Batch::noise(spec, BATCH, 1)
}
