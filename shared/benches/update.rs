//! What an update of the masks costs during training, at batch 128 on 3×32×32, ERK masks.
//!
//! `cargo bench -p shared --bench update`, with options after `--`: see `--help`.
//!
//! Four times a network, in milliseconds and as the best of all rounds; the parts of a round take turns, so that load from elsewhere
//! meets all. A step; the gradients of all weights without a step ([`Engine::train_step_with`]); selecting the largest of these, as
//! many as a layer has edges to replace; and [`Engine::rewire`] without the time of the closure, which replaces edges by random
//! others.

mod common;

use std::time::Instant;

use clap::Parser;
use common::{all_threads, batch, engine};
use rand::RngExt;
use rayon::prelude::*;
use shared::Result;
use shared::density::Distribution;
use shared::engine::sparse::Kernels;
use shared::engine::{Engine, LayerState};
use shared::graph::Mask;
use shared::model::{Image, build};
use shared::rng::{Purpose, stream};

/// Times an update of all masks against a training step.
#[derive(Parser)]
struct Options {
    /// Networks.
    #[arg(long, value_delimiter = ',', default_value = "resnet20,resnet50")]
    models: Vec<String>,
    /// Overall density.
    #[arg(long, default_value_t = 0.1)]
    density: f64,
    /// Part of a layer's edges that is replaced.
    #[arg(long, default_value_t = 0.3)]
    part: f64,
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

/// Edges of a layer to replace: none where all weights are edges.
fn to_replace(mask: &Mask, part: f64) -> usize {
    ((mask.edges() as f64 * part) as usize).min(mask.shape().weights() - mask.edges())
}

/// Replaces a part of the edges by random others, which start at zero.
fn replace(state: &mut LayerState, part: f64, layer: u64, round: u64) {
    let mut rng = stream(round, Purpose::Mask, layer);
    let old = state.mask.clone();
    let positions: Vec<usize> = old.iter().collect();
    let mut replaced = 0;
    while replaced < to_replace(&old, part) {
        let position = rng.random_range(0..old.shape().weights());
        replaced += usize::from(!old.contains(position) && state.mask.insert(position));
    }
    while replaced > 0 {
        replaced -= usize::from(state.mask.remove(positions[rng.random_range(0..positions.len())]));
    }
    for values in state.slots.iter_mut().chain([&mut state.weights]) {
        let mut kept = positions.iter().zip(std::mem::take(values)).filter(|(p, _)| state.mask.contains(**p));
        *values = state.mask.iter().map(|p| if old.contains(p) { kept.next().map_or(0.0, |(_, v)| v) } else { 0.0 }).collect();
    }
}

/// Milliseconds of what `run` does.
fn time<R>(run: impl FnOnce() -> R) -> (f64, R) {
    let start = Instant::now();
    let result = run();
    (1e3 * start.elapsed().as_secs_f64(), result)
}

/// Best milliseconds of a step, the gradients of all weights, selecting, laying out anew.
fn measure(model: &str, threads: usize, options: &Options) -> Result<[f64; 4]> {
    let spec = build(model, Image::new(3, 32, 32), 10)?;
    let batch = batch(&spec);
    let mut engine = engine(&spec, &Distribution::Erk { power: 1.0 }, options.density, threads, Kernels::Faster);
    let layers = vec![true; spec.layers().len()];
    engine.train_step(&batch, 0.01);
    let mut best = [f64::INFINITY; 4];
    for round in 0..options.rounds.max(1) {
        let (step, _) = time(|| engine.train_step(&batch, 0.01));
        let mut gradients = vec![Vec::new(); layers.len()];
        let (all, _) = time(|| engine.train_step_with(&batch, None, &layers, &mut |layer, gradient| gradients[layer] = gradient));
        let (mut selecting, mut changing) = (0.0, 0.0);
        let (rewiring, ()) = time(|| {
            engine.rewire(&mut |states: &mut [LayerState]| {
                (selecting, ()) = time(|| {
                    gradients.par_iter_mut().zip(&*states).for_each(|(gradient, state)| {
                        let k = to_replace(&state.mask, options.part).min(gradient.len() - 1);
                        gradient.select_nth_unstable_by(k, |a, b| b.abs().total_cmp(&a.abs()));
                    });
                });
                (changing, ()) = time(|| {
                    let states = states.par_iter_mut().enumerate();
                    states.for_each(|(layer, state)| replace(state, options.part, layer as u64, round));
                });
            });
        });
        for (best, now) in best.iter_mut().zip([step, all, selecting, rewiring - selecting - changing]) {
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
    println!("Threads: {threads}\n\n| network | step | gradients of all weights | selecting | laying out | update / step |");
    println!("|---|---|---|---|---|---|");
    for model in &options.models {
        let [step, all, selecting, rewiring] = measure(model, threads, &options)?;
        let ratio = (all + selecting + rewiring) / step;
        println!("| {model} | {step:.1} | {all:.1} | {selecting:.1} | {rewiring:.1} | {ratio:.2} |");
    }
    Ok(())
}
