//! How long steps really take.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use super::Measuring;
use er_engine::sparse::SparseEngine;
use er_engine::{Batch, Engine, Optimizer, Step, StepOptions};
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::init::{InitMethod, initialise};
use er_networks::model::ModelSpec;
use er_networks::topology::Drawn;
use er_training::memory;
use er_training::train::median;

/// Passes that count; one before them does not, since caches and pages settle in it.
const PASSES: usize = 5;

/// Numbers of a weight: itself, its gradient, its velocity, and twice what it is laid out as to compute with.
const WEIGHTS: usize = 5;

/// SGD as most papers have it. The rate is 0, so that no pass of noise spoils the weights for the next.
const OPTIONS: StepOptions =
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: true }, weight_decay: 0.0, label_smoothing: 0.0 };

/// Medians of a few passes of the sparse engine, one batch each.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Measured {
    batch_size: usize,
    threads: usize,
    masks: Seconds,
    all_weights: Seconds,
    /// `masks` over `all_weights`.
    training_ratio: f64,
    inference_ratio: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Seconds {
    training_step_seconds: f64,
    inference_seconds: f64,
}

impl Measuring {
    /// Times the network with the masks and with all weights, in turns.
    ///
    /// # Errors
    /// If the two do not fit into memory.
    pub(super) fn run(&self, spec: &ModelSpec, drawn: &Drawn, seed: u64) -> Result<Measured> {
        let threads = self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        self.check_memory(spec, memory::available())?;
        let full: Vec<Mask> = spec.layers().iter().map(|l| Mask::full(l.shape)).collect();
        let engine = |masks: &[Mask], densities: &[f64], overall: f64| {
            let state = initialise(spec, masks, densities, overall, InitMethod::Default, seed);
            SparseEngine::new(spec.clone(), state, OPTIONS, self.batch_size, threads)
        };
        let mut engines = [
            engine(&drawn.masks, &drawn.densities_requested, drawn.requested.get())?,
            engine(&full, &vec![1.0; full.len()], 1.0)?,
        ];
        let batch = Batch::noise(spec, self.batch_size, seed);
        // [masks, all weights][training, inference]
        let mut seconds: [[Vec<f64>; 2]; 2] = Default::default();
        for pass in 0..=PASSES {
            for (engine, [training, inference]) in engines.iter_mut().zip(&mut seconds) {
                let start = Instant::now();
                engine.step(&batch, Step::optimizer(0.0))?;
                let middle = Instant::now();
                engine.evaluate(&batch)?;
                if pass > 0 {
                    training.push((middle - start).as_secs_f64());
                    inference.push(middle.elapsed().as_secs_f64());
                }
            }
        }
        let [masks, all_weights] = seconds
            .map(|of| of.map(|seconds| median(&seconds).unwrap_or_default()))
            .map(|[training_step_seconds, inference_seconds]| Seconds { training_step_seconds, inference_seconds });
        Ok(Measured {
            batch_size: self.batch_size,
            threads,
            masks,
            all_weights,
            training_ratio: masks.training_step_seconds / all_weights.training_step_seconds,
            inference_ratio: masks.inference_seconds / all_weights.inference_seconds,
        })
    }

    /// Two engines, each with its weights and what it computes on them.
    fn check_memory(&self, spec: &ModelSpec, available: u64) -> Result<()> {
        let of_engine = memory::of_activations(spec, self.batch_size) + memory::of_all_weights(spec, WEIGHTS);
        let what = format!("measuring {} on {} images of {}", spec.name(), self.batch_size, spec.input());
        memory::check(&what, 2 * of_engine, available, "lower --batch-size, or leave out --measure")
    }
}

impl Measured {
    /// The end of the table, beside the ratio of operations.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, counted: f64) -> fmt::Result {
        let Self { batch_size, threads, masks, all_weights, .. } = self;
        let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        write!(f, "\n\nmeasured: medians of {PASSES} batches of {batch_size} images, {threads}")?;
        write!(f, "\n{:13}  {:>12}  {:>12}  {:>8}  {:>10}", "", "masks", "all weights", "ratio", "operations")?;
        for (name, of, ratio) in [
            ("training step", (masks.training_step_seconds, all_weights.training_step_seconds), self.training_ratio),
            ("inference", (masks.inference_seconds, all_weights.inference_seconds), self.inference_ratio),
        ] {
            write!(f, "\n{name:13}  {:>10.3}ms  {:>10.3}ms  {ratio:>8.4}  {counted:>10.4}", of.0 * 1e3, of.1 * 1e3)?;
        }
        Ok(())
    }
}
