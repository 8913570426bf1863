//! Trainings of reparameterised weights, on the sparse engine and by their definition with dense tensors in float64.

use rand::RngExt;
use serde_json::{Map, json};
use shared::Result;
use shared::data::{self, DataKind, Part};
use shared::engine::sparse::SparseEngine;
use shared::engine::{Batch, DenseState, Engine, LayerState, ModelState, Optimizer, StepOptions};
use shared::graph::{LayerShape, Mask, Sampling as Drawn, sample};
use shared::model::{DefaultInit, Image, ModelSpec, Op, ParamKind};
use shared::rng::{Purpose, stream};
use shared::run::{Saved, SavedTensor};
use shared::schedule::{Clock, Length};
use shared::train::{
    Data, Decays, Reparameterisation, ReparameterisedOptions, ReparameterisedStepper, StateFrom, Stepper, TrainingContext,
};

pub(crate) const BATCH: usize = 8;
const EPOCH: u64 = 4;

/// After this many steps.
pub(crate) fn at(step: u64) -> Clock {
    Clock { step, batches_per_epoch: EPOCH }
}

pub(crate) fn momentum(momentum: f64, nesterov: bool) -> StepOptions {
    StepOptions { optimizer: Optimizer::Sgd { momentum, nesterov }, weight_decay: 0.0, label_smoothing: 0.0 }
}

/// All parameters move like this, but for the decays of weights and thresholds.
pub(crate) fn decays(how: StepOptions, [weights, thresholds]: [f64; 2]) -> Decays {
    let with = |weight_decay| StepOptions { weight_decay, ..how };
    Decays { weights: with(weights), thresholds: with(thresholds), norms: with(weights) }
}

pub(crate) fn floats(saved: &Saved, what: &str, layer: &str) -> Vec<f32> {
    match &saved.tensors[&format!("{what}.{layer}")] {
        SavedTensor::Floats(values) => values.clone(),
        SavedTensor::Bits(_) => panic!("{what} are numbers"),
    }
}

pub(crate) fn trained(saved: &Saved, layer: &str) -> Vec<f32> {
    floats(saved, "trained", layer)
}

pub(crate) fn s_of(saved: &Saved, layer: &str) -> f64 {
    saved.note["thresholds"][layer]["s"].as_f64().unwrap()
}

/// A network of linear layers without biases.
fn linear(widths: &[usize]) -> ModelSpec {
    let mut spec = ModelSpec::new("linear", Image::new(1, 1, widths[0]), DefaultInit::FanInUniform);
    let mut last = 0;
    for (l, pair) in widths.windows(2).enumerate() {
        let shape = LayerShape::linear(pair[1], pair[0]);
        last = if l == 0 { last } else { spec.push(format!("relu{l}"), Op::Relu, &[last]).unwrap() };
        last = spec.push(format!("fc{}", l + 1), Op::Linear { shape, bias: false }, &[last]).unwrap();
    }
    spec
}

/// Where a training begins, and how it goes on.
pub(crate) struct Case {
    pub(crate) spec: ModelSpec,
    pub(crate) laws: Vec<Option<Reparameterisation>>,
    pub(crate) masks: Vec<Mask>,
    /// In edge order.
    pub(crate) weights: Vec<Vec<f32>>,
    /// As the weights; none are 0.
    pub(crate) velocities: Vec<Vec<f32>>,
    pub(crate) decays: Decays,
    pub(crate) freeze: bool,
}

impl Case {
    /// Linear layers, all of this law, with random masks and weights.
    pub(crate) fn new(widths: &[usize], law: Reparameterisation, density: f64) -> Self {
        Self::of(linear(widths), law, density)
    }

    /// As [`Case::new`], of another network.
    pub(crate) fn of(spec: ModelSpec, law: Reparameterisation, density: f64) -> Self {
        let mut rng = stream(3, Purpose::Init, 0);
        let draw =
            |l: &shared::model::Layer| sample(l.shape, density, Drawn::Bernoulli, &mut stream(3, Purpose::Mask, l.node as u64));
        let masks: Vec<Mask> = spec.layers().iter().map(draw).collect();
        let weights = masks.iter().map(|m| (0..m.edges()).map(|_| rng.random_range(-0.8..0.8)).collect()).collect();
        let laws = vec![Some(law); masks.len()];
        Self { spec, laws, masks, weights, velocities: vec![], decays: decays(momentum(0.0, false), [0.0; 2]), freeze: false }
    }

    /// What a checkpoint would hold before the first step.
    pub(crate) fn stored(&self) -> Saved {
        let mut thresholds = Map::new();
        let mut saved = Saved::default();
        for (l, (layer, law)) in self.spec.layers().iter().zip(&self.laws).enumerate() {
            let Some(law) = law else { continue };
            let mut put = |what: &str, tensor| drop(saved.tensors.insert(format!("{what}.{}", layer.name), tensor));
            put("allowed", SavedTensor::Bits(self.masks[l].to_bytes()));
            put("trained", SavedTensor::Floats(self.weights[l].clone()));
            if let Some(velocity) = self.velocities.get(l) {
                put("velocity.0", SavedTensor::Floats(velocity.clone()));
            }
            let s = if let Reparameterisation::SoftThreshold { first, .. } = law { *first } else { 0.0 };
            thresholds.insert(layer.name.clone(), json!({"s": s, "magnitude": null, "slots": []}));
        }
        saved.note = json!({"kind": "reparameterisation", "thresholds": thresholds, "steps": 0, "training_flops": 0.0, "training_flops_dense": 0.0});
        saved
    }

    /// The weights themselves, normalisations that change nothing.
    pub(crate) fn state(&self) -> ModelState {
        let layers = self.masks.iter().zip(&self.weights);
        let layers = layers.map(|(m, w)| LayerState { mask: m.clone(), weights: w.clone(), slots: vec![] }).collect();
        let dense = self.spec.dense_parameters();
        let first = |kind| if matches!(kind, ParamKind::Scale | ParamKind::Variance) { 1.0 } else { 0.0 };
        let dense = dense.map(|p| DenseState { values: vec![first(p.kind); p.len()], name: p.name, slots: vec![] }).collect();
        ModelState { layers, dense, steps: 0 }
    }

    pub(crate) fn start(&self, threads: usize) -> (SparseEngine, ReparameterisedStepper) {
        self.start_from(self.state(), threads)
    }

    pub(crate) fn start_from(&self, state: ModelState, threads: usize) -> (SparseEngine, ReparameterisedStepper) {
        self.resume(state, &self.stored(), 0, threads).unwrap()
    }

    pub(crate) fn start_with(&self, saved: &Saved) -> Result<(SparseEngine, ReparameterisedStepper)> {
        self.resume(self.state(), saved, 0, 1)
    }

    /// The training after `step`, from what a checkpoint holds then.
    pub(crate) fn go_on(
        &self,
        engine: &SparseEngine,
        stepper: &ReparameterisedStepper,
        step: u64,
        threads: usize,
    ) -> (SparseEngine, ReparameterisedStepper) {
        self.resume(stepper.network(engine).unwrap(), &stepper.saved(engine).unwrap(), step, threads).unwrap()
    }

    fn resume(
        &self,
        state: ModelState,
        saved: &Saved,
        step: u64,
        threads: usize,
    ) -> Result<(SparseEngine, ReparameterisedStepper)> {
        let mut engine = SparseEngine::new(self.spec.clone(), state, self.decays.weights, BATCH, threads)?;
        let digits = data::load(DataKind::Digits, &[], &data::Options::default())?;
        let context = TrainingContext {
            length: Length { batches_per_epoch: EPOCH, epochs: 100, multiplier: 1 },
            data: &Data::new(digits, 8, 8, Part::Test, 1)?,
            options: self.decays.weights,
            clock: at(step),
            saved,
            from: StateFrom::ThisClock,
        };
        let options = ReparameterisedOptions {
            laws: self.laws.clone(),
            decays: self.decays,
            freeze: vec![self.freeze; self.laws.len()],
            settle_batches: 0,
        };
        let reparam = ReparameterisedStepper::new(options, &context, &mut engine)?;
        Ok((engine, reparam))
    }

    pub(crate) fn batch(&self, step: u64) -> Batch {
        let mut rng = stream(step, Purpose::Data, 0);
        Batch {
            images: (0..BATCH * self.spec.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect(),
            labels: (0..BATCH).map(|_| rng.random_range(0..self.spec.classes() as u32)).collect(),
        }
    }

    pub(crate) fn reference(&self) -> Reference {
        let double = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let layer = |l: usize| {
            let law = self.laws[l].unwrap();
            let positions: Vec<usize> = self.masks[l].iter().collect();
            let velocity = self.velocities.get(l).map_or_else(|| vec![0.0; positions.len()], |v| double(v));
            let s = if let Reparameterisation::SoftThreshold { first, .. } = law { first } else { 0.0 };
            let all = self.masks[l].shape().weights();
            DenseLayer { law, all, positions, weights: double(&self.weights[l]), velocity, s, of_s: 0.0 }
        };
        Reference { layers: (0..self.laws.len()).map(layer).collect(), decays: self.decays }
    }

    /// One step of both, which must agree: losses, what is in use, trained weights and s.
    pub(crate) fn step_both(
        &self,
        engine: &mut SparseEngine,
        stepper: &mut ReparameterisedStepper,
        reference: &mut Reference,
        step: u64,
        rate: f64,
    ) {
        let batch = self.batch(step);
        let loss = stepper.step(engine, &batch, at(step), rate).unwrap().outcome.loss();
        let wanted = reference.step(&self.spec, &batch, step, rate);
        assert!((loss - wanted).abs() < 2e-5, "loss {loss} at step {step}, expected {wanted}");
        let (saved, network) = (stepper.saved(engine).unwrap(), stepper.network(engine).unwrap());
        for ((layer, of), state) in self.spec.layers().iter().zip(&reference.layers).zip(&network.layers) {
            let epoch = (step - 1) / EPOCH;
            let used = of.positions.iter().zip(of.in_use(epoch)).filter(|(_, used)| *used).map(|(p, _)| *p);
            let mask = Mask::from_positions(layer.shape, used);
            assert_eq!(state.mask, mask, "{} after step {step}", layer.name);
            let close = |(got, want): (f32, &f64)| (f64::from(got) - want).abs() < 2e-5;
            assert!(trained(&saved, &layer.name).into_iter().zip(&of.weights).all(close), "{} after step {step}", layer.name);
            let values = of.effective(epoch);
            assert!(mask.iter().zip(&state.weights).all(|(p, w)| close((*w, &values[p]))), "{} after step {step}", layer.name);
            let (s, wanted) = (s_of(&saved, &layer.name), of.s);
            assert!((s - wanted).abs() < 2e-5, "s of {} after step {step}: {s}, expected {wanted}", layer.name);
        }
    }

    /// Steps of both; returns the weights in use of each layer after each of them.
    pub(crate) fn agrees(&self, steps: u64, rate: f64) -> Vec<Vec<usize>> {
        let ((mut engine, mut stepper), mut reference) = (self.start(1), self.reference());
        let step = |step| {
            self.step_both(&mut engine, &mut stepper, &mut reference, step, rate);
            stepper.network(&engine).unwrap().layers.iter().map(|l| l.mask.edges()).collect()
        };
        (1..=steps).map(step).collect()
    }

    /// Everything in use has a place, and at least the part `worth` of the places is in use or of the magnitude near·(what puts
    /// weights into use) or more. Returns whether a fresh layout would be another.
    pub(crate) fn fits_its_places(&self, engine: &SparseEngine, stepper: &ReparameterisedStepper, near: f32, worth: f64) -> bool {
        let (saved, network, state) = (stepper.saved(engine).unwrap(), stepper.network(engine).unwrap(), engine.state().unwrap());
        let mut is_old = false;
        for (l, layer) in self.spec.layers().iter().enumerate().filter(|(l, _)| self.laws[*l].is_some()) {
            let (used, placed) = (&network.layers[l].mask, &state.layers[l].mask);
            assert!(used.iter().all(|p| placed.contains(p)), "{}", layer.name);
            let weights = trained(&saved, &layer.name);
            let level = match (self.laws[l], saved.note["thresholds"][&layer.name]["magnitude"].as_f64()) {
                (_, Some(g)) => g as f32,
                (Some(Reparameterisation::Largest { .. }), _) => 0.0,
                _ => self.masks[l]
                    .iter()
                    .zip(&weights)
                    .filter(|(p, _)| used.contains(*p))
                    .fold(f32::INFINITY, |m, (_, w)| m.min(w.abs())),
            };
            let wanted = self.masks[l].iter().zip(&weights).filter(|(p, w)| used.contains(*p) || w.abs() >= near * level);
            let wanted = Mask::from_positions(layer.shape, wanted.map(|(p, _)| p));
            assert!(worth * placed.edges() as f64 <= wanted.edges() as f64, "{}: {} places", layer.name, placed.edges());
            is_old |= wanted != *placed;
        }
        is_old
    }
}

/// A layer by its definition.
pub(crate) struct DenseLayer {
    law: Reparameterisation,
    all: usize,
    positions: Vec<usize>,
    weights: Vec<f64>,
    velocity: Vec<f64>,
    s: f64,
    of_s: f64,
}

impl DenseLayer {
    fn in_use(&self, epoch: u64) -> Vec<bool> {
        let left_out = match self.law {
            Reparameterisation::SoftThreshold { function, .. } => {
                let g = function.at(self.s);
                return self.weights.iter().map(|w| w.abs() > g).collect();
            }
            Reparameterisation::Largest { rate } => rate,
            Reparameterisation::Rising(rate) => rate.at(epoch),
        };
        // All but the smallest of the layer, of which those outside the mask are 0.
        let keep = self.weights.len().saturating_sub((left_out * self.all as f64) as usize);
        let mut order: Vec<usize> = (0..self.weights.len()).collect();
        order.sort_by(|a, b| self.weights[*b].abs().total_cmp(&self.weights[*a].abs()));
        let mut used = vec![false; order.len()];
        order[..keep].iter().for_each(|i| used[*i] = true);
        used
    }

    /// What the network uses, of all weights.
    fn effective(&self, epoch: u64) -> Vec<f64> {
        let g = if let Reparameterisation::SoftThreshold { function, .. } = self.law { function.at(self.s) } else { 0.0 };
        let mut all = vec![0.0; self.all];
        for ((p, w), used) in self.positions.iter().zip(&self.weights).zip(self.in_use(epoch)) {
            all[*p] = if used { w.signum() * (w.abs() - g) } else { 0.0 };
        }
        all
    }

    fn descend(&mut self, epoch: u64, rate: f64, upstream: &[f64], decays: &Decays) {
        let used = self.in_use(epoch);
        let mut of_g = 0.0;
        for (i, used) in used.into_iter().enumerate() {
            let mut gradient = upstream[self.positions[i]];
            if !used && !matches!(self.law, Reparameterisation::Largest { .. }) {
                gradient = 0.0;
            }
            of_g -= self.weights[i].signum() * gradient;
            moves(&decays.weights, rate, &mut self.weights[i], gradient, &mut self.velocity[i]);
        }
        if let Reparameterisation::SoftThreshold { function, .. } = self.law {
            let gradient = of_g * function.slope(self.s);
            moves(&decays.thresholds, rate, &mut self.s, gradient, &mut self.of_s);
        }
    }
}

/// One number by SGD.
fn moves(options: &StepOptions, rate: f64, value: &mut f64, gradient: f64, velocity: &mut f64) {
    let Optimizer::Sgd { momentum, nesterov } = options.optimizer else { panic!("SGD") };
    let g = gradient + options.weight_decay * *value;
    *velocity = momentum * *velocity + g;
    *value -= rate * if nesterov { g + momentum * *velocity } else { *velocity };
}

/// Linear layers by their definition.
pub(crate) struct Reference {
    pub(crate) layers: Vec<DenseLayer>,
    pub(crate) decays: Decays,
}

impl Reference {
    /// Moves everything; returns the loss before.
    fn step(&mut self, spec: &ModelSpec, batch: &Batch, step: u64, rate: f64) -> f64 {
        let epoch = (step - 1) / EPOCH;
        let widths: Vec<usize> = std::iter::once(spec.input().len()).chain(spec.layers().iter().map(|l| l.shape.out)).collect();
        let weights: Vec<Vec<f64>> = self.layers.iter().map(|l| l.effective(epoch)).collect();
        let (x, y): (Vec<f64>, Vec<usize>) =
            (batch.images.iter().map(|v| f64::from(*v)).collect(), batch.labels.iter().map(|y| *y as usize).collect());
        let (loss, upstream, _) = crate::mlp::gradients(&widths, &weights, &vec![vec![]; weights.len()], &x, &y, 0.0);
        for (layer, upstream) in self.layers.iter_mut().zip(&upstream) {
            layer.descend(epoch, rate, upstream, &self.decays);
        }
        loss
    }
}
