//! The loop with an engine that does arithmetic simple enough to check by hand.

use super::*;
use crate::Backend;
use crate::data::{Augment, Split};
use crate::run::{Checkpoint, Invocation, Machine, Origin, RunFolder, Saved, StartPoint};
use er_engine::{DenseState, Gradients, LayerState, ModelState, ParameterUpdate};
use er_graphs::graph::{LayerShape, Mask};
use er_networks::model::{DefaultInit, Image, ModelSpec, Op};
use er_networks::schedule::{LearningRate, LrPolicy};
use er_networks::topology::rule::{MomentumKind, Network};

/// One weight that moves by rate × mean pixel; the loss is its value.
struct Fake {
    spec: ModelSpec,
    weight: f32,
    steps: u64,
    /// The step whose loss is not a number.
    breaks_at: Option<u64>,
    /// Evaluations right: the accuracy on the validation images peaks where the weight is nearest to this.
    target: f32,
}

impl Fake {
    fn new() -> Self {
        let mut spec = ModelSpec::new("fake", Image::new(1, 1, 1), DefaultInit::FanInUniform);
        spec.push("fc", Op::Linear { shape: LayerShape::linear(2, 1), bias: true }, &[0]).unwrap();
        Self { spec, weight: 1.0, steps: 0, breaks_at: None, target: 0.0 }
    }
}

impl Engine for Fake {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn step(&mut self, batch: &Batch, step: er_engine::Step) -> Result<Outcome> {
        let er_engine::Step { gradients: Gradients::None, update: ParameterUpdate::Optimizer(rate) } = step else {
            unreachable!("the loop asks for no gradients and moves nothing by hand")
        };
        let n = batch.labels.len();
        let mean = batch.images.iter().zip(0u8..).map(|(x, i)| x * f32::from(i + 1)).sum::<f32>() / n as f32;
        self.weight += rate as f32 * mean;
        self.steps += 1;
        let loss_sum = if self.breaks_at == Some(self.steps) { f64::NAN } else { f64::from(self.weight) * n as f64 };
        Ok(Outcome { loss_sum, correct: n / 2, correct_5: n, samples: n })
    }

    fn logits(&mut self, _: &Batch) -> Result<Vec<f32>> {
        unreachable!("the loop asks for no logits")
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Outcome> {
        let n = batch.labels.len();
        let right = (10.0 - (self.weight - self.target).abs()).clamp(0.0, n as f32);
        Ok(Outcome { loss_sum: f64::from(self.weight), correct: right as usize, correct_5: n, samples: n })
    }

    fn rewire(&mut self, _: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()> {
        unreachable!("the loop changes no masks")
    }

    fn state(&self) -> Result<ModelState> {
        let mask = Mask::from_positions(LayerShape::linear(2, 1), [1]);
        let layers = vec![LayerState { mask, weights: vec![self.weight], slots: Vec::new() }];
        let dense = vec![DenseState { name: "fc.bias".into(), values: vec![0.0; 2], slots: Vec::new() }];
        Ok(ModelState { layers, dense, steps: self.steps })
    }

    fn load_state(&mut self, state: ModelState) -> Result<()> {
        self.weight = state.layers[0].weights[0];
        self.steps = state.steps;
        Ok(())
    }
}

/// Steps of an epoch on [`data`].
const BATCHES: u64 = 4;

/// 25 training images, 5 of them held out, and 10 test images.
fn data() -> Data {
    let split = |n: u8| Split { images: (0..n).map(|i| i * 7).collect(), labels: vec![0; usize::from(n)] };
    let set = DataSet {
        name: "tiny".into(),
        image: Image::new(1, 1, 1),
        classes: 2,
        train: split(25),
        test: split(10),
        mean: vec![0.4],
        std: vec![0.2],
        augment: Augment::NONE,
        hold_out: 5,
    };
    Data::new(set, 6, 10, Part::Validation, 1).unwrap()
}

fn plan(epochs: u64) -> Plan {
    let learning_rate = LearningRate { policy: LrPolicy::Constant, ..LearningRate::two_drops(0.1, epochs, 1) };
    Plan { epochs, max_steps: None, log_interval: 3, learning_rate: learning_rate.into(), contest: Contest::All }
}

/// Optimiser steps and nothing else.
fn plain() -> DynamicStepper {
    plain_after(0, &Saved::default())
}

/// The same, of a checkpoint after this step.
fn plain_after(step: u64, saved: &Saved) -> DynamicStepper {
    let network = Network { movable: vec![false], groups: vec![1], seed: 1 };
    DynamicStepper::new(None, network, MomentumKind::Sgd(0.9), &Fake::new(), step, saved, StateFrom::ThisClock).unwrap()
}

fn session(folder: &RunFolder, plan: Plan) -> Session<'_> {
    let origin = Origin::new("test", &Fake::new().spec, folder.config_hash());
    Session {
        folder,
        origin,
        plan,
        checkpoint_interval: 2,
        mask_interval: None,
        quiet: true,
        heading: String::new(),
        remarks: Vec::new(),
    }
}

fn folder(out: &std::path::Path) -> RunFolder {
    folder_of(out, "0123456789")
}

fn folder_of(out: &std::path::Path, hash: &str) -> RunFolder {
    let program =
        Invocation { name: "test", version: "1", revision: None, command: Vec::new(), device: Machine::this(1, Backend::Sparse) };
    RunFolder::open(out, hash, &program).unwrap()
}

/// Runs to the end, in as many sessions as `kills` has entries plus one; each entry drops the session before that step.
fn run(out: &std::path::Path, kills: &[u64]) -> (Results, Vec<u8>, String) {
    struct Kill(u64);
    impl Hook for Kill {
        fn after_step(&mut self, step: &FinishedStep, _: &mut dyn Engine) -> Result<()> {
            if step.progress.clock.step == self.0 { Err(Error::failure("killed")) } else { Ok(()) }
        }
    }
    for at in kills.iter().copied().chain([u64::MAX]) {
        let folder = folder(out);
        let mut engine = Fake::new();
        let (mut progress, mut saved) = (Progress::new(BATCHES), Saved::default());
        if let Some(checkpoint) = StartPoint::own(&folder, &engine.spec).unwrap() {
            engine.load_state(checkpoint.state).unwrap();
            (progress, saved) = (checkpoint.progress, checkpoint.saved);
        }
        let mut stepper = plain_after(progress.clock.step, &saved);
        let kill: &mut dyn Hook = &mut Kill(at);
        match session(&folder, plan(4)).run(&mut engine, &mut stepper, &mut data(), progress, &mut [kill], &Signals::none()) {
            Ok(Finish::Done(results)) => {
                let metrics = std::fs::read_to_string(folder.metrics()).unwrap();
                return (*results, std::fs::read(folder.last()).unwrap(), metrics);
            }
            Ok(other) => panic!("{other:?}"),
            Err(e) => assert_eq!(e.what(), "killed"),
        }
    }
    unreachable!("the last session is not killed")
}

#[test]
fn a_killed_and_resumed_run_equals_an_uninterrupted_one() {
    let (whole, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (results, last, metrics) = run(whole.path(), &[]);
    // Four batches an epoch and a checkpoint every second step: deaths at the first step, before and after a checkpoint, at the
    // end of an epoch, and twice in a row without progress.
    let (again, last_again, metrics_again) = run(killed.path(), &[1, 4, 7, 7, 9, 16]);
    assert_eq!(metrics, metrics_again);
    assert_eq!(last, last_again);
    let timeless = |r: Results| Results {
        median_step_seconds: None,
        images_per_second: None,
        data_wait_share: None,
        peak_rss_bytes: None,
        ..r
    };
    assert_eq!(timeless(results.clone()), timeless(again));
    assert_eq!((results.epochs, results.steps), (4, 16));
    let steps = metrics.lines().filter(|l| l.contains("\"kind\":\"step\"")).count();
    let epochs = metrics.lines().filter(|l| l.contains("\"kind\":\"epoch\"")).count();
    assert_eq!((metrics.lines().count(), steps, epochs), (10, 5, 4));
}

#[test]
fn the_best_epoch_is_tested_and_ties_go_to_the_first() {
    struct Set<'a>(&'a [f32]);
    impl Hook for Set<'_> {
        fn after_step(&mut self, step: &FinishedStep, engine: &mut dyn Engine) -> Result<()> {
            let mut state = engine.state().unwrap();
            state.layers[0].weights[0] = self.0[step.progress.clock.epochs_begun() as usize - 1];
            engine.load_state(state)
        }
    }
    let out = tempfile::tempdir().unwrap();
    let folder = folder(out.path());
    let set: &mut dyn Hook = &mut Set(&[9.0, 7.0, 7.5, 8.0]);
    let session = session(&folder, plan(4));
    let mut engine = Fake::new();
    let done = session.run(&mut engine, &mut plain(), &mut data(), Progress::new(BATCHES), &mut [set], &Signals::none()).unwrap();
    let Finish::Done(results) = done else { panic!("{done:?}") };
    assert_eq!(results.best_epoch, Some(2));
    assert_eq!((results.validation_accuracy, results.test_accuracy), (Some(3.0 / 5.0), Some(3.0 / 10.0)));
    assert_eq!(Checkpoint::read(&folder.best(), &engine.spec).unwrap().progress.clock.epoch(), 2);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_checkpoint() {
    let out = tempfile::tempdir().unwrap();
    let folder = folder(out.path());
    let mut engine = Fake { breaks_at: Some(7), ..Fake::new() };
    let error = session(&folder, plan(4))
        .run(&mut engine, &mut plain(), &mut data(), Progress::new(BATCHES), &mut [], &Signals::none())
        .unwrap_err();
    assert_eq!(error.what(), "loss is not finite at step 7 (epoch 2)");
    assert_eq!(Checkpoint::read(&folder.last(), &engine.spec).unwrap().progress.clock.step, 6);
}

#[test]
fn weights_that_are_not_finite_are_never_saved() {
    struct Poison;
    impl Hook for Poison {
        fn after_step(&mut self, step: &FinishedStep, engine: &mut dyn Engine) -> Result<()> {
            let mut state = engine.state().unwrap();
            if step.progress.clock.step == 6 {
                state.layers[0].weights[0] = f32::NAN;
            }
            engine.load_state(state)
        }
    }
    let out = tempfile::tempdir().unwrap();
    let folder = folder(out.path());
    let poison: &mut dyn Hook = &mut Poison;
    let mut engine = Fake::new();
    let error = session(&folder, plan(4))
        .run(&mut engine, &mut plain(), &mut data(), Progress::new(BATCHES), &mut [poison], &Signals::none())
        .unwrap_err();
    assert_eq!(error.what(), "fc.weight is not finite after step 6");
    assert_eq!(Checkpoint::read(&folder.last(), &engine.spec).unwrap().progress.clock.step, 4);
}

#[test]
fn max_steps_ends_an_epoch_early_with_an_evaluation() {
    let out = tempfile::tempdir().unwrap();
    let folder = folder(out.path());
    let plan = Plan { max_steps: Some(6), ..plan(4) };
    let mut engine = Fake::new();
    let done = session(&folder, plan)
        .run(&mut engine, &mut plain(), &mut data(), Progress::new(BATCHES), &mut [], &Signals::none())
        .unwrap();
    let Finish::Done(results) = done else { panic!("{done:?}") };
    assert_eq!((results.steps, results.epochs), (6, 2));
    assert!(results.test_accuracy.is_some());
    assert_eq!(Checkpoint::read(&folder.last(), &engine.spec).unwrap().progress.validation.samples, 5);
}

#[test]
fn a_foreign_checkpoint_starts_a_run_without_its_best_epoch() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(a.path(), &[]);
    let from = folder(a.path());
    let other = folder_of(b.path(), "9876543210");
    let spec = Fake::new().spec;
    let start = StartPoint { resume: Some(from.last()), epoch: None };
    let (checkpoint, stays) = start.other(&spec, BATCHES).unwrap().unwrap();
    assert!(stays);
    assert_eq!((checkpoint.progress.clock.epoch(), checkpoint.progress.best), (4, None));
    let (earlier, stays) = StartPoint { epoch: Some(2), ..start.clone() }.other(&spec, BATCHES).unwrap().unwrap();
    assert_eq!(earlier.progress.clock, Clock { step: BATCHES, batches_per_epoch: BATCHES });
    // Epochs of another number of steps are epochs all the same.
    let (coarser, stays_too) = start.other(&spec, 1).unwrap().unwrap();
    assert!(!stays && !stays_too);
    assert_eq!((coarser.progress.clock.epoch(), coarser.progress.clock.step), (4, 4));
    // A checkpoint that only lies in the folder of a run does not belong to it.
    std::fs::copy(from.last(), other.last()).unwrap();
    let error = StartPoint::own(&other, &spec).unwrap_err();
    assert!(error.what().contains("other options"), "{error}");
}
