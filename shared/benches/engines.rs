//! Training steps of both engines at batch 128, for the same networks with uniform random masks.
//!
//! `cargo bench -p shared --bench engines`, or a part of it: `-- dense`, `-- '::resnet20'`. All threads of this machine; dfdx uses
//! them for products of matrices alone. With the feature `cuda` the dense engine computes on the first GPU.

#![allow(clippy::unwrap_used, reason = "a bench may panic")]

mod common;

use common::{BATCH, OPTIONS, all_threads, batch, network};
use divan::Bencher;
use divan::counter::ItemsCount;
use shared::density::{LayerDensities, Uniform};
use shared::engine::{Backend, Device, Step};
use shared::model::{Image, build};

const NETWORKS: [&str; 6] = ["lenet-300-100", "lenet5", "resnet20", "mobilenet-v1", "vgg16", "resnet18"];
const DENSITY: f64 = 0.1;

fn main() {
    divan::main();
}

/// The first step, which takes memory, is not counted.
fn step(bencher: Bencher, backend: Backend, model: &str) {
    let side = if model.starts_with("lenet") { 28 } else { 32 };
    let spec = build(model, Image::new(if side == 28 { 1 } else { 3 }, side, side), 10).unwrap();
    let (batch, state) = (batch(&spec), network(&spec, &LayerDensities::of(&Uniform), DENSITY));
    let mut engine = backend.engine(spec, state, OPTIONS, BATCH, all_threads()).unwrap();
    engine.step(&batch, Step::optimizer(0.01)).unwrap();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| engine.step(&batch, Step::optimizer(0.01)).unwrap());
}

#[divan::bench(args = NETWORKS, sample_count = 3, sample_size = 1)]
fn sparse(bencher: Bencher, model: &str) {
    step(bencher, Backend::Sparse, model);
}

#[divan::bench(args = NETWORKS, sample_count = 3, sample_size = 1)]
fn dense(bencher: Bencher, model: &str) {
    let device = if cfg!(feature = "cuda") { Device::Cuda(0) } else { Device::Cpu };
    step(bencher, Backend::Dense(device), model);
}
