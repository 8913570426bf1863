//! Training allocates nothing once it runs.

use std::alloc::System;

use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, Engine, Movable, Optimizer, Step, StepOptions};
use shared::graph::Mask;
use shared::init::{InitMethod, initialise};
use shared::model::{Image, Layer, build};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The thread pool hands jobs over in blocks of 63 and takes memory for a block at a time.
const JOBS_PER_BLOCK: usize = 63;

#[test]
fn steps_allocate_nothing() {
    let spec = build("resnet20", Image::new(3, 32, 32), 10).unwrap();
    let tenth = |l: &Layer| Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(10));
    let masks: Vec<Mask> = spec.layers().iter().map(tenth).collect();
    let state = initialise(&spec, &masks, &vec![0.1; masks.len()], 0.1, InitMethod::Default, 1);
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
    let options = StepOptions { optimizer, weight_decay: 5e-4, label_smoothing: 0.0 };
    let mut engine = SparseEngine::new(spec.clone(), state, options, 32, 2).unwrap();
    let batch = Batch {
        images: (0..32 * spec.input().len()).map(|i| (i % 17) as f32 / 17.0).collect(),
        labels: (0..32).map(|i| i % 10).collect(),
    };
    for _ in 0..4 {
        engine.step(&batch, Step::optimizer(0.01)).unwrap();
    }
    let region = Region::new(ALLOCATOR);
    let steps = 40;
    for _ in 0..steps {
        engine.step(&batch, Step::optimizer(0.01)).unwrap();
    }
    let allocations = region.change().allocations;
    assert!(allocations <= 1 + steps / JOBS_PER_BLOCK, "{allocations} allocations in {steps} steps");
    // Steps by hand, with zeros that come and go: two lists each.
    let mut step = 0;
    let mut by_hand = |layers: &mut [Movable], _: &mut [Movable]| {
        step += 1;
        for values in layers.iter_mut().map(|l| &mut *l.values) {
            values.fill(0.1);
            values.iter_mut().step_by(1 + step % 7).for_each(|w| *w = 0.0);
        }
    };
    for _ in 0..4 {
        engine.step(&batch, Step::by(&mut by_hand)).unwrap();
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..steps {
        engine.step(&batch, Step::by(&mut by_hand)).unwrap();
    }
    let allocations = region.change().allocations;
    assert!(allocations <= 2 * steps + 1 + steps / JOBS_PER_BLOCK, "{allocations} allocations in {steps} steps by hand");
}
