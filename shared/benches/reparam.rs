//! What a step of soft threshold reparameterisation costs against the part of the weights in use, at batch 128 on 3×32×32.
//!
//! `cargo bench -p shared --bench reparam`, with options after `--`: see `--help`.
//!
//! Milliseconds, as the best of all rounds: of whole steps; of steps of the same network with nothing but its weights in use, moved by
//! the engine's optimiser; and of what is done to the weights of the masks, in use or not, when gradients are known, with the
//! optimiser's part for biases and scales. Weights are normal, masks random and uniform, and every layer has the same part of its weights in use. The two kinds of
//! steps take turns, so that load from elsewhere meets both.

mod common;

use std::time::Instant;

use clap::Parser;
use common::{BATCH, all_threads, batch};
use serde_json::{Map, json};
use shared::data::{self, DataKind, Part};
use shared::engine::sparse::SparseEngine;
use shared::engine::{
    Batch, Engine, Gradients, LayerState, ModelState, Movable, Optimizer, Outcome, ParameterUpdate, Step, StepOptions,
};
use shared::error::Result;
use shared::graph::{Mask, Sampling as Drawn, sample};
use shared::init::{InitMethod, initialise};
use shared::model::{Image, ModelSpec, build};
use shared::rng::{Purpose, stream};
use shared::run::{Saved, SavedTensor};
use shared::schedule::{Clock, Length};
use shared::threshold::SparseFunction;
use shared::train::{
    Data, Decays, Reparameterisation, ReparameterisedOptions, ReparameterisedStepper, StateFrom, Stepper, TrainingContext,
};

/// Times steps of soft threshold reparameterisation.
#[derive(Parser)]
struct Options {
    /// Network.
    #[arg(long, default_value = "resnet18-str")]
    model: String,
    /// Densities of the random masks.
    #[arg(long, value_delimiter = ',', default_value = "1,0.3")]
    masks: Vec<f64>,
    /// Parts of all weights in use; those above the density of the mask are left out.
    #[arg(long, value_delimiter = ',', default_value = "1,0.5,0.2,0.1,0.05,0.02,0.01")]
    densities: Vec<f64>,
    /// Threads [default: all]
    #[arg(long)]
    threads: Option<usize>,
    /// Rounds; the fastest counts.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Whole steps alone, one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// So small that nothing leaves or comes into use.
const RATE: f64 = 1e-12;

fn how() -> StepOptions {
    StepOptions { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false }, weight_decay: 1e-3, label_smoothing: 0.1 }
}

/// An engine that a stepper moves, which makes its steps through the engine that it is given.
struct Case {
    mask: f64,
    density: f64,
    engine: SparseEngine,
    stepper: ReparameterisedStepper,
    /// The weights in use alone.
    plain: SparseEngine,
    best: [f64; 3],
}

/// The network of a case, and what a checkpoint would hold of it: thresholds leave just so many weights in use.
fn stored(spec: &ModelSpec, mask: f64, density: f64) -> (ModelState, Saved) {
    let draw = |(l, layer): (usize, &shared::model::Layer)| {
        sample(layer.shape, mask, Drawn::Bernoulli, &mut stream(1, Purpose::Mask, l as u64))
    };
    let masks: Vec<Mask> = spec.layers().iter().enumerate().map(draw).collect();
    let densities = vec![mask; masks.len()];
    let mut state = initialise(spec, &masks, &densities, mask, InitMethod::Normal, 1);
    let (mut saved, mut thresholds) = (Saved::default(), Map::new());
    for (layer, of) in state.layers.iter_mut().zip(spec.layers()) {
        let mut sorted: Vec<f32> = layer.weights.iter().map(|w| w.abs()).collect();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let keep = (density * of.shape.weights() as f64).round() as usize;
        // All weights are above e^−80.
        let s = sorted.get(keep).map_or(-80.0, |g| f64::from(*g).ln());
        let mut put = |what: &str, tensor| drop(saved.tensors.insert(format!("{what}.{}", of.name), tensor));
        put("allowed", SavedTensor::Bits(layer.mask.to_bytes()));
        put("trained", SavedTensor::Floats(layer.weights.clone()));
        thresholds.insert(of.name.clone(), json!({"s": s, "magnitude": null, "slots": []}));
        let used: Vec<(usize, f32)> =
            layer.mask.iter().zip(layer.weights.iter().copied()).filter(|(_, w)| w.abs() > s.exp() as f32).collect();
        let mask = Mask::from_positions(of.shape, used.iter().map(|(p, _)| *p));
        *layer = LayerState { mask, weights: used.into_iter().map(|(_, w)| w).collect(), slots: Vec::new() };
    }
    saved.note = json!({"kind": "reparameterisation", "thresholds": thresholds, "steps": 0, "training_flops": 0.0, "training_flops_dense": 0.0});
    (state, saved)
}

impl Case {
    fn new(spec: &ModelSpec, data: &Data, [mask, density]: [f64; 2], threads: usize) -> Result<Self> {
        let (state, saved) = stored(spec, mask, density);
        let plain = SparseEngine::new(spec.clone(), state.clone(), how(), BATCH, threads)?;
        let mut engine = SparseEngine::new(spec.clone(), state, how(), BATCH, threads)?;
        let length = Length { batches_per_epoch: 1 << 20, epochs: 1, multiplier: 1 };
        let context = TrainingContext {
            length,
            data,
            options: how(),
            clock: Clock::new(1 << 20),
            saved: &saved,
            from: StateFrom::ThisClock,
        };
        let still = StepOptions { weight_decay: 0.0, ..how() };
        let decays = Decays { weights: how(), thresholds: still, norms: how() };
        let law = Some(Reparameterisation::SoftThreshold { function: SparseFunction::Exp, first: 0.0 });
        let layers = spec.layers().len();
        let options = ReparameterisedOptions { laws: vec![law; layers], decays, freeze: vec![false; layers], settle_batches: 0 };
        let stepper = ReparameterisedStepper::new(options, &context, &mut engine)?;
        Ok(Self { mask, density, engine, stepper, plain, best: [f64::INFINITY; 3] })
    }

    /// One round; the first only readies everything.
    fn round(&mut self, batch: &Batch, round: u64, all: bool) -> Result<()> {
        let start = Instant::now();
        let mut engine = Timed { engine: &mut self.engine, moving: 0.0 };
        self.stepper.step(&mut engine, batch, Clock { step: round, batches_per_epoch: 1 << 20 }, RATE)?;
        let moving = engine.moving;
        let whole = 1e3 * start.elapsed().as_secs_f64();
        let start = Instant::now();
        if all {
            self.plain.step(batch, Step::optimizer(RATE))?;
        }
        let plain = 1e3 * start.elapsed().as_secs_f64();
        if round > 1 {
            self.best.iter_mut().zip([whole, plain, moving]).for_each(|(best, now)| *best = best.min(now));
        }
        Ok(())
    }

    fn print(&self, json: bool) -> Result<()> {
        let Self { mask, density, best: [whole, plain, moving], .. } = self;
        if json {
            println!("{}", json!({"mask": mask, "density": density, "ms": whole}));
            return Ok(());
        }
        let state = self.engine.state()?;
        let places = state.layers.iter().map(|l| l.mask.edges()).sum::<usize>() as f64 / self.engine.spec().weight_count() as f64;
        let [ratio, part] = [whole / plain, 100.0 * moving / whole];
        println!("| {mask} | {density} | {places:.3} | {whole:.1} | {plain:.1} | {ratio:.2} | {moving:.1} | {part:.1} % |");
        Ok(())
    }
}

/// An engine that measures how long moving its parameters takes.
struct Timed<'a> {
    engine: &'a mut SparseEngine,
    /// Milliseconds.
    moving: f64,
}

impl Engine for Timed<'_> {
    fn step(&mut self, batch: &Batch, step: Step) -> Result<Outcome> {
        match step {
            Step { gradients: Gradients::None, update: ParameterUpdate::Caller(update) } => {
                let moving = &mut self.moving;
                let mut timed = |layers: &mut [Movable], dense: &mut [Movable]| {
                    let start = Instant::now();
                    update(layers, dense);
                    *moving += 1e3 * start.elapsed().as_secs_f64();
                };
                self.engine.step(batch, Step::by(&mut timed))
            }
            step => self.engine.step(batch, step),
        }
    }

    fn rewire(&mut self, change: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()> {
        self.engine.rewire(change)
    }

    fn spec(&self) -> &ModelSpec {
        self.engine.spec()
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Outcome> {
        self.engine.evaluate(batch)
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.engine.logits(batch)
    }

    fn state(&self) -> Result<ModelState> {
        self.engine.state()
    }

    fn load_state(&mut self, state: ModelState) -> Result<()> {
        self.engine.load_state(state)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    if !options.bench {
        eprintln!("times are taken with --bench, as `cargo bench` gives it");
        return Ok(());
    }
    let threads = options.threads.unwrap_or_else(all_threads);
    let spec = build(&options.model, Image::new(3, 32, 32), 10)?;
    let batch = batch(&spec);
    let data = Data::new(data::load(DataKind::Digits, &[], &data::Options::default())?, 8, 8, Part::Test, 1)?;
    if !options.json {
        println!("Threads: {threads}\n\n| mask | in use | places | step | edges alone | ratio | moving | part of the step |");
        println!("|---|---|---|---|---|---|---|---|");
    }
    for mask in &options.masks {
        for density in options.densities.iter().filter(|density| *density <= mask) {
            let mut case = Case::new(&spec, &data, [*mask, *density], threads)?;
            (1..=options.rounds.max(1) + 1).try_for_each(|round| case.round(&batch, round, !options.json))?;
            case.print(options.json)?;
        }
    }
    Ok(())
}
