//! Whole training steps (forward, backward, optimiser) at batch 128 on 3×32×32, uniform random masks.
//!
//! `cargo bench -p shared --bench step`, or a part of it: `-- resnet18`, `-- vgg16::0.05`, `-- '::0\.1$'` (a regular expression on
//! `network::density`). `THREADS=1 cargo bench …` for another number of threads than all.
//!
//! `-- zeros` times steps moved by hand, of whose weights a part is 0.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

mod common;

use common::{BATCH, all_threads, batch, engine};
use divan::Bencher;
use divan::counter::ItemsCount;
use rand::RngExt;
use rayon::prelude::*;
use shared::density::{LayerDensities, Uniform};
use shared::engine::sparse::Kernels;
use shared::engine::{Engine, LayerState, Movable, Step};
use shared::model::{Image, build};
use shared::rng::{Purpose, stream};

fn main() {
    divan::main();
}

fn threads() -> usize {
    std::env::var("THREADS").ok().and_then(|t| t.parse().ok()).unwrap_or_else(all_threads)
}

fn step(bencher: Bencher, model: &str, density: f64) {
    let spec = build(model, Image::new(3, 32, 32), 10).unwrap();
    let batch = batch(&spec);
    let mut engine = engine(&spec, &LayerDensities::of(&Uniform), density, threads(), Kernels::Faster);
    engine.step(&batch, Step::optimizer(0.01)).unwrap();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| engine.step(&batch, Step::optimizer(0.01)).unwrap());
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

/// Density of the masks, and part of the weights on them that is 0 and stays so.
#[divan::bench(args = [(0.5, 0.0), (0.5, 0.6), (0.5, 0.9), (1.0, 0.0), (1.0, 0.8)], sample_count = 3, sample_size = 1)]
fn resnet18_zeros(bencher: Bencher, (density, zeros): (f64, f64)) {
    let spec = build("resnet18", Image::new(3, 32, 32), 10).unwrap();
    let batch = batch(&spec);
    let mut engine = engine(&spec, &LayerDensities::of(&Uniform), density, threads(), Kernels::Faster);
    engine
        .rewire(&mut |layers: &mut [LayerState]| {
            for (l, layer) in layers.iter_mut().enumerate() {
                let mut rng = stream(1, Purpose::Init, l as u64);
                layer.weights.iter_mut().filter(|_| rng.random::<f64>() < zeros).for_each(|w| *w = 0.0);
            }
        })
        .unwrap();
    let mut step = |layers: &mut [Movable], _: &mut [Movable]| {
        layers.par_iter_mut().for_each(|layer| {
            for (w, g) in layer.values.iter_mut().zip(layer.gradient) {
                *w -= if *w == 0.0 { 0.0 } else { 0.01 * g };
            }
        });
    };
    engine.step(&batch, Step::by(&mut step)).unwrap();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| engine.step(&batch, Step::by(&mut step)).unwrap());
}
