//! Whole training steps (forward, backward, optimiser) at batch 128 on 3×32×32, uniform random masks.
//!
//! `cargo bench -p shared --bench step`; `THREADS=1 cargo bench …` for another number of threads than all.

use rand::RngExt;
use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, Engine, Optimizer, TrainOptions};
use shared::graph::{Law, Mask, sample};
use shared::init::{InitMethod, initialise};
use shared::model::{Image, Layer, ModelSpec, build};
use shared::rng::{Purpose, stream};

const BATCH: usize = 128;

fn main() {
    divan::main();
}

fn engine(spec: &ModelSpec, density: f64) -> SparseEngine {
    let draw =
        |(l, layer): (usize, &Layer)| sample(layer.shape, density, Law::Bernoulli, &mut stream(1, Purpose::Mask, l as u64));
    let masks: Vec<Mask> = spec.layers().iter().enumerate().map(draw).collect();
    let densities = vec![density; masks.len()];
    let state = initialise(spec, &masks, &densities, density, InitMethod::Normal, 1);
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let options = TrainOptions { optimizer, weight_decay: 5e-4, label_smoothing: 0.0 };
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = std::env::var("THREADS").ok().and_then(|t| t.parse().ok()).unwrap_or(all);
    SparseEngine::new(spec.clone(), state, options, BATCH, threads).unwrap_or_else(|e| panic!("{e}"))
}

#[divan::bench(args = [
    ("resnet18", 0.01), ("resnet18", 0.05), ("resnet18", 0.1), ("resnet18", 1.0),
    ("vgg16", 0.01), ("vgg16", 0.05), ("vgg16", 0.1), ("vgg16", 1.0),
    ("resnet50", 0.01), ("resnet50", 0.05),
], sample_count = 5, sample_size = 1)]
fn step(bencher: divan::Bencher, (model, density): (&str, f64)) {
    let spec = build(model, Image::new(3, 32, 32), 10).unwrap_or_else(|e| panic!("{e}"));
    let mut rng = stream(1, Purpose::Data, 0);
    let batch = Batch {
        images: (0..BATCH * spec.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect(),
        labels: (0..BATCH).map(|_| rng.random_range(0..10)).collect(),
    };
    let mut engine = engine(&spec, density);
    engine.train_step(&batch, 0.01);
    bencher.counter(divan::counter::ItemsCount::new(BATCH)).bench_local(|| engine.train_step(&batch, 0.01));
}
