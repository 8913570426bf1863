//! Draws masks, trains inside them, evaluates, saves: `cargo run --release -p shared --example train [FILE]`.

use std::path::Path;

use shared::Result;
use shared::data::{self, DataKind, Part};
use shared::density::Density;
use shared::engine::sparse::SparseEngine;
use shared::engine::{Backend, Batch, Engine, StepOptions};
use shared::model::{Image, build};
use shared::run::{Checkpoint, Origin, Progress, Saved};
use shared::topology::MaskPlan;
use shared::train::{Data, InitialNetwork, OptimizerSteps, Plan, TrainingLoop, evaluate};

fn main() -> Result<()> {
    let spec = build("mlp-300-100", Image::new(1, 8, 8), 10)?;
    let masks = MaskPlan::new("ERK".parse()?, Density::new(0.1)?);
    let first = InitialNetwork::new(Some(masks)).state(&spec, Backend::Sparse)?;
    let mut engine = SparseEngine::new(spec.clone(), first, StepOptions::default(), 64, 2)?;
    let digits = data::load(DataKind::Digits, &[], &data::Options::default())?.with_valid_split(0.1)?;
    let mut data = Data::new(digits, 64, 100, Part::Validation, 1)?;
    let (plan, mut progress) = (Plan::new(10, 0.1), Progress::new(data.batches_per_epoch()));
    TrainingLoop::new(&plan).run(&mut engine, &mut OptimizerSteps, &mut data, &mut progress)?;
    let test = evaluate(&mut engine, &data.test, &mut Batch::default())?;
    let file = std::env::args().nth(1).unwrap_or_else(|| "trained.safetensors".to_owned());
    println!("test accuracy {:.2} %: {file}", 100.0 * test.accuracy().unwrap_or_default());
    Checkpoint::write(Path::new(&file), &spec, &Origin::new("train", &spec, ""), &progress, &engine.state()?, &Saved::default())
}
