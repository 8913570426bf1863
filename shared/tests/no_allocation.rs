//! Training allocates nothing once it runs.

use std::alloc::System;

use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, DenseState, Engine, LayerState, ModelState, Optimizer, TrainOptions};
use shared::graph::Mask;
use shared::model::{Image, ParamKind, build};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The thread pool hands jobs over in blocks of 63 and takes memory for a block at a time.
const JOBS_PER_BLOCK: usize = 63;

#[test]
fn steps_allocate_nothing() {
    let spec = build("resnet20", Image::new(3, 32, 32), 10).unwrap();
    let layers = spec.layers().iter().map(|l| {
        let mask = Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(10));
        LayerState { weights: vec![0.1; mask.edges()], mask, slots: Vec::new() }
    });
    let layers = layers.collect();
    let parameters = spec.parameters();
    let dense = parameters.iter().filter(|p| !matches!(p.kind, ParamKind::Weight(_)));
    let dense = dense.map(|p| DenseState { name: p.name.clone(), values: vec![1.0; p.len()], slots: Vec::new() });
    let state = ModelState { layers, dense: dense.collect(), steps: 0 };
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let options = TrainOptions { optimizer, weight_decay: 5e-4, label_smoothing: 0.0 };
    let mut engine = SparseEngine::new(spec.clone(), state, options, 32, 2).unwrap();
    let batch = Batch {
        images: (0..32 * spec.input().len()).map(|i| (i % 17) as f32 / 17.0).collect(),
        labels: (0..32).map(|i| i % 10).collect(),
    };
    for _ in 0..4 {
        engine.train_step(&batch, 0.01);
    }
    let region = Region::new(ALLOCATOR);
    let steps = 40;
    for _ in 0..steps {
        engine.train_step(&batch, 0.01);
    }
    let allocations = region.change().allocations;
    assert!(allocations <= 1 + steps / JOBS_PER_BLOCK, "{allocations} allocations in {steps} steps");
}
