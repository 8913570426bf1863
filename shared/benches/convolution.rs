//! Time of one 3×3 convolution, forward and backward (both gradients), at batch 128, uniform random masks.
//!
//! `cargo bench -p shared --bench convolution`, with options after `--`: see `--help`.
//!
//! A layer cannot be timed from outside the engine, and a network of one layer would be timed with its input, head and loss, and
//! without the gradient of its input, which nobody needs. So two networks are timed that differ in [`MORE`] equal convolutions
//! and in nothing else, and the difference is divided by [`MORE`]. What remains beside the three computations is the optimiser's
//! step on the layer's edges, which is small. The two networks take turns, so that load from elsewhere meets both.
//!
//! An operation is a multiplication or an addition of an edge at a pixel: 2 × edges × pixels × batch × 3 computations; those on
//! padding count too.

mod common;

use std::time::Instant;

use clap::Parser;
use common::{BATCH, all_threads, batch, engine};
use shared::Result;
use shared::density::{LayerDensities, Uniform};
use shared::engine::sparse::Kernels;
use shared::engine::{Engine, Step};
use shared::graph::LayerShape;
use shared::model::{DefaultInit, Image, ModelSpec, Op};

/// Convolutions of the shorter network.
const FEW: usize = 2;
/// How many the longer one has more.
const MORE: usize = 4;

/// Times one 3x3 convolution, forward and backward, at batch 128.
#[derive(Parser)]
struct Options {
    /// Densities of the masks.
    #[arg(long, value_delimiter = ',', default_value = "0.005,0.01,0.02,0.05,0.1,0.2,0.5,1")]
    densities: Vec<f64>,
    /// Channels x side of the image.
    #[arg(long, value_delimiter = ',', value_parser = shape, default_value = "64x32,128x16,256x8,512x4")]
    shapes: Vec<(usize, usize)>,
    /// Threads [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Compute along edges, with all weights, or as the engine chooses.
    #[arg(long, value_parser = kernels, default_value = "faster")]
    kernels: Kernels,
    /// Steps of each network; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn shape(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once('x').and_then(|(c, s)| Some((c.parse().ok()?, s.parse().ok()?)));
    sides.ok_or_else(|| "not of the form 64x32".into())
}

fn kernels(text: &str) -> Result<Kernels, String> {
    match text {
        "faster" => Ok(Kernels::Faster),
        "edges" => Ok(Kernels::Edges),
        "weights" => Ok(Kernels::Weights),
        _ => Err("not one of faster, edges, weights".into()),
    }
}

/// Equal convolutions one after the other, and a small head.
fn chain(convolutions: usize, channels: usize, side: usize) -> Result<ModelSpec> {
    let mut spec = ModelSpec::new("chain", Image::new(channels, side, side), DefaultInit::KaimingNormal);
    let shape = LayerShape::conv(channels, channels, [3, 3]);
    let mut last = 0;
    for i in 1..=convolutions {
        last = spec.push(format!("conv{i}"), Op::Conv { shape, stride: 1, padding: 1, groups: 1, bias: false }, &[last])?;
    }
    last = spec.push("pool", Op::GlobalAvgPool, &[last])?;
    spec.push("fc", Op::Linear { shape: LayerShape::linear(10, channels), bias: false }, &[last])?;
    Ok(spec)
}

/// Edges and seconds of one convolution.
fn measure(channels: usize, side: usize, density: f64, threads: usize, options: &Options) -> Result<(f64, f64)> {
    let engine = |convolutions| -> Result<_> {
        Ok(engine(&chain(convolutions, channels, side)?, &LayerDensities::of(&Uniform), density, threads, options.kernels))
    };
    let [mut few, mut many] = [engine(FEW)?, engine(FEW + MORE)?];
    let batch = batch(few.spec());
    // At rate 0 weights stay as they are.
    let step = |engine: &mut dyn Engine| -> Result<f64> {
        let start = Instant::now();
        engine.step(&batch, Step::optimizer(0.0))?;
        Ok(start.elapsed().as_secs_f64())
    };
    step(&mut few)?;
    step(&mut many)?;
    let differences = (0..options.rounds.max(1)).map(|_| Ok(step(&mut many)? - step(&mut few)?));
    let mut differences = differences.collect::<Result<Vec<f64>>>()?;
    differences.sort_unstable_by(f64::total_cmp);
    let edges = |engine: &dyn Engine| -> Result<usize> {
        Ok(engine.state()?.layers.iter().map(|l| if l.mask.shape().linear { 0 } else { l.mask.edges() }).sum())
    };
    Ok(((edges(&many)? - edges(&few)?) as f64 / MORE as f64, differences[differences.len() / 2] / MORE as f64))
}

fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        eprintln!("times are taken with --bench, as `cargo bench` gives it");
        return Ok(());
    }
    let threads = options.threads.unwrap_or_else(all_threads);
    if !options.json {
        println!("Threads: {threads}\n\n| channels | side | density | edges | ms | GFLOP/s |\n|---|---|---|---|---|---|");
    }
    for &(channels, side) in &options.shapes {
        for &density in &options.densities {
            let (edges, seconds) = measure(channels, side, density, threads, &options)?;
            let gflops = 2e-9 * 3.0 * edges * (side * side * BATCH) as f64 / seconds;
            let ms = 1e3 * seconds;
            if options.json {
                let line = serde_json::json!({
                    "channels": channels, "side": side, "density": density, "threads": threads,
                    "edges": edges, "ms": ms, "gflops": gflops,
                });
                println!("{line}");
            } else {
                println!("| {channels} | {side} | {density} | {edges:.0} | {ms:.2} | {gflops:.0} |");
            }
        }
    }
    Ok(())
}
