//! Top-KAST on the sparse engine against its definition in float64, with dense tensors and masks.

use rand::RngExt;
use std::any::Any;

use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, Engine, Optimizer, StepOptions};
use shared::graph::Mask;
use shared::init::{InitMethod, initialise};
use shared::model::{Image, ModelSpec, build};
use shared::rng::{Purpose, stream};
use shared::run::Saved;
use shared::schedule::Clock;
use shared::topology::rule::{Network, When};
use shared::train::{StateFrom, Stepper, TopKastOptions, TopKastStepper, Update};

const WIDTHS: [usize; 4] = [10, 16, 8, 3];
const RATE: f64 = 0.1;
const MU: f64 = 0.9;
const DECAY: f64 = 1e-2;
const DENSITY: f64 = 0.3;
const BACKWARD: f64 = 0.6;
const REFRESH: u64 = 4;

fn options() -> TopKastOptions {
    TopKastOptions {
        when: When { interval: REFRESH, begin: 0, end: None, accumulate: 1 },
        densities: vec![DENSITY; 3],
        backward: BACKWARD / DENSITY,
        decay: DECAY / DENSITY,
    }
}

fn network() -> Network {
    Network { movable: vec![true; 3], groups: vec![1; 3], seed: 1 }
}

fn engine() -> (ModelSpec, SparseEngine) {
    let spec = build("mlp-16-8", Image::new(1, 2, 5), 3).unwrap();
    let masks: Vec<Mask> = spec.layers().iter().map(|l| Mask::full(l.shape)).collect();
    let state = initialise(&spec, &masks, &[1.0; 3], 1.0, InitMethod::Default, 5);
    let step =
        StepOptions { optimizer: Optimizer::Sgd { momentum: MU, nesterov: true }, weight_decay: DECAY, label_smoothing: 0.0 };
    (spec.clone(), SparseEngine::new(spec, state, step, 8, 1).unwrap())
}

fn batch(step: u64) -> Batch {
    let mut rng = stream(step, Purpose::Data, 0);
    Batch {
        images: (0..80).map(|_| rng.random_range(-1.0..1.0)).collect(),
        labels: (0..8).map(|_| rng.random_range(0..3)).collect(),
    }
}

/// Marks the ⌊part · n⌋ largest magnitudes.
fn largest(theta: &[f64], part: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..theta.len()).collect();
    order.sort_by(|a, b| theta[*b].abs().total_cmp(&theta[*a].abs()));
    let mut marks = vec![false; theta.len()];
    order[..(part * theta.len() as f64) as usize].iter().for_each(|p| marks[*p] = true);
    marks
}

/// θ and velocities of weights and biases, A and B.
struct Reference {
    theta: Vec<Vec<f64>>,
    biases: Vec<Vec<f64>>,
    velocities: Vec<Vec<f64>>,
    bias_velocities: Vec<Vec<f64>>,
    sets: Vec<[Vec<bool>; 2]>,
}

impl Reference {
    fn new(engine: &SparseEngine) -> Self {
        let state = engine.state().unwrap();
        let double = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let theta: Vec<Vec<f64>> = state.layers.iter().map(|l| double(&l.weights)).collect();
        let biases: Vec<Vec<f64>> = state.dense.iter().map(|d| double(&d.values)).collect();
        let zeros = |of: &[Vec<f64>]| of.iter().map(|values| vec![0.0; values.len()]).collect::<Vec<_>>();
        let (velocities, bias_velocities) = (zeros(&theta), zeros(&biases));
        let mut new = Self { theta, biases, velocities, bias_velocities, sets: Vec::new() };
        new.choose();
        new
    }

    fn choose(&mut self) {
        self.sets = self.theta.iter().map(|t| [largest(t, DENSITY), largest(t, BACKWARD)]).collect();
        for (velocity, [_, backward]) in self.velocities.iter_mut().zip(&self.sets) {
            velocity.iter_mut().zip(backward).filter(|(_, b)| !**b).for_each(|(v, _)| *v = 0.0);
        }
    }

    fn forward(&self, layer: usize) -> Vec<f64> {
        self.theta[layer].iter().zip(&self.sets[layer][0]).map(|(w, used)| if *used { *w } else { 0.0 }).collect()
    }

    fn step(&mut self, step: u64) -> f64 {
        let Batch { images, labels } = batch(step);
        let x: Vec<f64> = images.iter().map(|v| f64::from(*v)).collect();
        let y: Vec<usize> = labels.iter().map(|l| *l as usize).collect();
        let used: Vec<Vec<f64>> = (0..3).map(|l| self.forward(l)).collect();
        let (loss, weights, biases) = crate::mlp::gradients(&WIDTHS, &used, &self.biases, &x, &y, 0.0);
        for l in 0..3 {
            let [forward, backward] = &self.sets[l];
            for p in (0..weights[l].len()).filter(|p| backward[*p]) {
                let (theta, v) = (&mut self.theta[l][p], &mut self.velocities[l][p]);
                let g = weights[l][p] + if forward[p] { DECAY * *theta } else { 0.0 };
                *v = MU * *v + g;
                let rest = if forward[p] { 0.0 } else { DECAY / DENSITY * *theta };
                *theta -= RATE * (g + MU * *v + rest);
            }
            for (i, g) in biases[l].iter().enumerate() {
                let (b, v) = (&mut self.biases[l][i], &mut self.bias_velocities[l][i]);
                let g = g + DECAY * *b;
                *v = MU * *v + g;
                *b -= RATE * (g + MU * *v);
            }
        }
        if step.is_multiple_of(REFRESH) {
            self.choose();
        }
        loss
    }
}

#[test]
fn steps_are_those_of_the_definition() {
    let (_, mut engine) = engine();
    let mut reference = Reference::new(&engine);
    let mut stepper =
        TopKastStepper::new(&options(), network(), &mut engine, 0, &Saved::default(), StateFrom::ThisClock).unwrap();
    let mut moved = 0;
    for step in 1..=18 {
        let loss = reference.step(step);
        let stepped = stepper.step(&mut engine, &batch(step), Clock { step, batches_per_epoch: 4 }, RATE).unwrap();
        assert!((stepped.outcome.loss() - loss).abs() < 1e-5, "step {step}: {} {loss}", stepped.outcome.loss());
        assert_eq!(stepped.event.is_some(), step % REFRESH == 0);
        if let Some(update) = stepped.event.as_deref().and_then(|event| (event as &dyn Any).downcast_ref::<Update>()) {
            moved += update.grown;
        }
        let visible = stepper.network(&engine).unwrap();
        for (l, (seen, inside)) in visible.layers.iter().zip(engine.state().unwrap().layers).enumerate() {
            let positions = |marks: &[bool]| (0..marks.len()).filter(|p| marks[*p]).collect::<Vec<_>>();
            let [forward, backward] = &reference.sets[l];
            assert_eq!(seen.mask.iter().collect::<Vec<_>>(), positions(forward), "A of layer {l} after step {step}");
            assert_eq!(inside.mask.iter().collect::<Vec<_>>(), positions(backward), "B of layer {l} after step {step}");
            for (p, w) in seen.mask.iter().zip(&seen.weights) {
                assert!((f64::from(*w) - reference.theta[l][p]).abs() < 1e-5, "layer {l}, {p} after step {step}");
            }
        }
    }
    // Something has to happen for the test to mean anything.
    assert!(moved > 0);
    assert!(stepper.final_report().unwrap().contains("step 16"));
}

#[test]
fn a_checkpoint_goes_on_bit_for_bit() {
    let (spec, mut whole) = engine();
    let mut stepper = TopKastStepper::new(&options(), network(), &mut whole, 0, &Saved::default(), StateFrom::ThisClock).unwrap();
    let mut parts = None;
    for step in 1..=12 {
        stepper.step(&mut whole, &batch(step), Clock { step, batches_per_epoch: 4 }, RATE).unwrap();
        if step == 6 {
            parts = Some((stepper.network(&whole).unwrap(), stepper.saved(&whole).unwrap()));
        }
    }
    let (state, saved) = parts.unwrap();
    assert!(state.layers.iter().all(|l| l.mask.density() < 0.31), "checkpoints hold the sparse network");
    let (_, mut again) = engine();
    assert_eq!(again.spec().name(), spec.name());
    again.load_state(state).unwrap();
    let mut resumed = TopKastStepper::new(&options(), network(), &mut again, 6, &saved, StateFrom::ThisClock).unwrap();
    for step in 7..=12 {
        resumed.step(&mut again, &batch(step), Clock { step, batches_per_epoch: 4 }, RATE).unwrap();
    }
    assert_eq!(again.state().unwrap(), whole.state().unwrap());
    assert_eq!(resumed.saved(&again).unwrap(), stepper.saved(&whole).unwrap());
    let mut broken = saved;
    broken.tensors.retain(|name, _| !name.starts_with("velocity"));
    assert!(TopKastStepper::new(&options(), network(), &mut again, 6, &broken, StateFrom::ThisClock).is_err());
}
