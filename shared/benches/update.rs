//! What an update of the masks costs during training, at batch 128 on 3×32×32, ERK masks.
//!
//! `cargo bench -p shared --bench update`, with options after `--`: see `--help`.
//!
//! Milliseconds of a training step, and of the steps at which RigL, SET and DST move 30 % of the edges, as the best of all rounds;
//! they take turns, so that load from elsewhere meets all. RigL's moves no weights; those of SET and DST do, so that what their
//! update costs is what lies above a step. Of an update the gradients of all weights, and everything else, are also told apart.

mod common;

use std::time::Instant;

use clap::Parser;
use common::{all_threads, batch, engine};
use shared::Result;
use shared::density::{Erk, LayerDensities};
use shared::engine::sparse::Kernels;
use shared::engine::{Batch, Engine, Step};
use shared::model::{Image, build};
use shared::run::Saved;
use shared::schedule::{Clock, Length, Span};
use shared::topology::rule::{Method, MomentumKind, Network};
use shared::train::{DynamicStepper, StateFrom, Stepper, method_named};

/// Times an update of all masks against a training step.
#[derive(Parser)]
struct Options {
    /// Networks.
    #[arg(long, value_delimiter = ',', default_value = "resnet20,resnet50")]
    models: Vec<String>,
    /// Overall density.
    #[arg(long, default_value_t = 0.1)]
    density: f64,
    /// Threads [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Rounds; the fastest counts.
    #[arg(long, default_value_t = 10)]
    rounds: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A method whose every step is an update that moves 30 % of the edges.
fn method(name: &str, engine: &dyn Engine) -> Result<DynamicStepper> {
    let mut method = Method { interval: Span::Steps(1), end: None, ..method_named(name)? };
    if let Some(exchange) = &mut method.exchange {
        (exchange.rate, exchange.floor) = (0.3, 0.3);
    }
    let rule = method.rule(Length { batches_per_epoch: 1 << 20, epochs: 1, multiplier: 1 })?;
    let layers = engine.spec().layers();
    let network = Network { movable: vec![true; layers.len()], groups: layers.iter().map(|l| l.groups).collect(), seed: 1 };
    DynamicStepper::new(rule, network, MomentumKind::Sgd(0.9), engine, 0, &Saved::default(), StateFrom::ThisClock)
}

/// Milliseconds.
fn time<R>(run: impl FnOnce() -> Result<R>) -> Result<f64> {
    let start = Instant::now();
    run()?;
    Ok(1e3 * start.elapsed().as_secs_f64())
}

/// Best milliseconds of a step, the gradients of all weights, and the updates of RigL, SET and DST.
fn measure(model: &str, threads: usize, options: &Options) -> Result<[f64; 5]> {
    let spec = build(model, Image::new(3, 32, 32), 10)?;
    let batch: Batch = batch(&spec);
    let mut engine = engine(&spec, &LayerDensities::of(&Erk), options.density, threads, Kernels::Faster);
    let layers = vec![true; spec.layers().len()];
    engine.step(&batch, Step::optimizer(0.01))?;
    let mut methods = Vec::new();
    for name in ["RigL", "SET", "DST"] {
        methods.push(method(name, &engine)?);
    }
    let mut best = [f64::INFINITY; 5];
    for round in 1..=options.rounds.max(1) {
        let mut now = vec![time(|| engine.step(&batch, Step::optimizer(0.01)))?];
        let mut gradients = vec![Vec::new(); layers.len()];
        let mut keep = |layer: usize, gradient| gradients[layer] = gradient;
        now.push(time(|| engine.step(&batch, Step::statistics().weight_gradients(&layers, &mut keep)))?);
        drop(gradients);
        for method in &mut methods {
            now.push(time(|| method.step(&mut engine, &batch, Clock { step: round, batches_per_epoch: 1 << 20 }, 0.01))?);
        }
        for (best, now) in best.iter_mut().zip(now) {
            *best = best.min(now);
        }
    }
    Ok(best)
}

fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        eprintln!("times are taken with --bench, as `cargo bench` gives it");
        return Ok(());
    }
    let threads = options.threads.unwrap_or_else(all_threads);
    println!("Threads: {threads}\n\n| network | step | gradients of all weights | RigL | RigL / step | SET | DST |");
    println!("|---|---|---|---|---|---|---|");
    for model in &options.models {
        let [step, gradients, rigl, set, dst] = measure(model, threads, &options)?;
        println!("| {model} | {step:.1} | {gradients:.1} | {rigl:.1} | {:.2} | {set:.1} | {dst:.1} |", rigl / step);
    }
    Ok(())
}
