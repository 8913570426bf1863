//! Whole training steps (forward, backward, optimiser) at batch 128 on 3×32×32, uniform random masks.
//!
//! `cargo bench -p shared --bench step`, or a part of it: `-- resnet18`, `-- vgg16::0.05`, `-- '::0\.1$'` (a regular expression on
//! `network::density`). `THREADS=1 cargo bench …` for another number of threads than all.

mod common;

use common::{BATCH, all_threads, batch, engine};
use divan::Bencher;
use divan::counter::ItemsCount;
use shared::density::Distribution;
use shared::engine::Engine;
use shared::engine::sparse::Kernels;
use shared::model::{Image, build};

fn main() {
    divan::main();
}

fn step(bencher: Bencher, model: &str, density: f64) {
    let threads = std::env::var("THREADS").ok().and_then(|t| t.parse().ok()).unwrap_or_else(all_threads);
    let spec = build(model, Image::new(3, 32, 32), 10).unwrap_or_else(|e| panic!("{e}"));
    let batch = batch(&spec);
    let mut engine = engine(&spec, &Distribution::Uniform, density, threads, Kernels::Faster);
    engine.train_step(&batch, 0.01);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| engine.train_step(&batch, 0.01));
}

#[divan::bench(args = [0.01, 0.05, 0.1, 1.0], sample_count = 5, sample_size = 1)]
fn resnet18(bencher: Bencher, density: f64) {
    step(bencher, "resnet18", density);
}

#[divan::bench(args = [0.01, 0.05, 0.1, 1.0], sample_count = 5, sample_size = 1)]
fn vgg16(bencher: Bencher, density: f64) {
    step(bencher, "vgg16", density);
}

#[divan::bench(args = [0.01, 0.05, 0.1, 1.0], sample_count = 3, sample_size = 1)]
fn resnet50(bencher: Bencher, density: f64) {
    step(bencher, "resnet50", density);
}
