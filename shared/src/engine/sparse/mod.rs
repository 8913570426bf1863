//! The default engine: CPU, and work that follows the edges.
//!
//! Activations lie in blocks of 16 samples, sample innermost, with a halo of stored zeros (`tensor`); a convolution gathers
//! along its edges, forward and backward, and correlates once per edge for their gradients (`kernels`, `pass`, `conv`);
//! normalisation, residual addition and ReLU are one pass (`norm`). Every value is computed by one thread in a fixed order, so
//! results do not depend on the number of threads. After the first step nothing is allocated.

mod conv;
mod kernels;
mod loss;
mod norm;
#[cfg(test)]
mod oracle;
mod params;
mod pass;
mod plan;
mod pointwise;
mod pool;
mod tensor;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rayon::prelude::*;

use self::conv::{Conv, Ends};
use self::loss::cross_entropy;
use self::norm::{Epilogue, Norm, NormValues, update_running};
use self::params::{Dense, SparseLayer, checked};
use self::plan::{NormStep, Plan, Step};
use self::tensor::{Pixel, Tensor, View};
use super::optim::{slot_count, update};
use super::simd::{Isa, LANES};
use super::{Batch, Engine, LayerState, ModelState, Outcome, TrainOptions};
use crate::error::{Error, Result};
use crate::model::ModelSpec;

/// Trains one model on the edges of its masks, on the CPU.
///
/// Memory: activations and their gradients for the largest batch; weights, gradients and optimiser state for edges only.
#[derive(Debug)]
pub struct SparseEngine {
    spec: ModelSpec,
    plan: Plan,
    options: TrainOptions,
    isa: Isa,
    threads: Arc<rayon::ThreadPool>,
    max_batch: usize,
    activations: Vec<Tensor>,
    gradients: Vec<Tensor>,
    layers: Vec<SparseLayer>,
    dense: Vec<Dense>,
    norms: Vec<Norm>,
    /// Per normalisation and channel: moments of the last batch, and sums of its backward pass.
    moments: Vec<Vec<(f64, f64)>>,
    sums: Vec<(f64, f64)>,
    outcomes: Vec<Outcome>,
    steps: u64,
}

/// What a pass over the network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Statistics of the batch.
    Train,
    /// Running statistics.
    Evaluate,
}

impl SparseEngine {
    /// Makes an engine for batches of at most `max_batch` samples on `threads` threads, with the best instructions this machine
    /// has.
    ///
    /// # Errors
    /// If the model does not end with logits, the state belongs to another model, or threads cannot be started.
    pub fn new(spec: ModelSpec, state: ModelState, options: TrainOptions, max_batch: usize, threads: usize) -> Result<Self> {
        Self::with_isa(spec, state, options, max_batch, threads, Isa::detect())
    }

    /// As [`SparseEngine::new`], with the instructions of `isa`, which must be one of [`Isa::available`].
    ///
    /// # Errors
    /// As [`SparseEngine::new`], and if this machine does not have `isa`.
    pub fn with_isa(
        spec: ModelSpec,
        state: ModelState,
        options: TrainOptions,
        max_batch: usize,
        threads: usize,
        isa: Isa,
    ) -> Result<Self> {
        if !Isa::available().contains(&isa) {
            return Err(Error::usage(format!("this machine has no {} instructions", isa.name())));
        }
        if max_batch == 0 {
            return Err(Error::usage("a batch must hold at least one sample"));
        }
        let logits = spec.nodes().last().map_or(spec.input(), |n| n.output);
        if logits.height * logits.width != 1 {
            let name = spec.name();
            return Err(Error::usage(format!("model {name}: ends with {logits}, and logits have height and width 1")));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("engine-{i}"));
        let threads = pool.build().map_err(|e| Error::failure(format!("cannot start {threads} threads: {e}")))?;
        let plan = Plan::new(&spec);
        let blocks = max_batch.div_ceil(LANES);
        let mut engine = Self {
            activations: plan.activations.iter().map(|&g| Tensor::new(g, blocks)).collect(),
            gradients: plan.buffers.iter().map(|&g| Tensor::new(g, blocks)).collect(),
            norms: plan.norms.iter().map(|&c| Norm::new(c)).collect(),
            moments: plan.norms.iter().map(|&c| vec![(0.0, 0.0); c]).collect(),
            sums: vec![(0.0, 0.0); plan.norms.iter().copied().max().unwrap_or(0)],
            outcomes: vec![Outcome::default(); blocks],
            layers: Vec::new(),
            dense: Vec::new(),
            steps: 0,
            threads: Arc::new(threads),
            spec,
            plan,
            options,
            isa,
            max_batch,
        };
        engine.load_state(state)?;
        Ok(engine)
    }

    /// The instructions in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    fn layer(&self, index: usize, mut state: LayerState) -> SparseLayer {
        state.slots.resize_with(slot_count(self.options.optimizer), || vec![0.0; state.mask.edges()]);
        let (plan, node) = (&self.plan, |step: &&Step| matches!(step, Step::Conv { layer, .. } if *layer == index));
        let Some(step) = plan.steps.iter().find(node) else { unreachable!("every layer has a step") };
        let input = step.inputs()[0].unwrap_or_default();
        let ends = Ends {
            input: plan.activations[input],
            output: plan.activations[step.output()],
            input_gradient: plan.gradients[input],
            output_gradient: plan.gradients[step.output()],
        };
        let blocks = self.max_batch.div_ceil(LANES);
        let mut conv = Conv::new(plan.convs[index], &state.mask, ends, blocks, input != 0);
        conv.set_weights(&state.weights);
        SparseLayer { gradient: vec![0.0; state.mask.edges()], state, conv }
    }

    fn check_batch(&self, batch: &Batch) -> usize {
        let samples = batch.labels.len();
        assert!(samples > 0 && samples <= self.max_batch, "batch of {samples} samples, room for 1 to {}", self.max_batch);
        assert_eq!(batch.images.len(), samples * self.spec.input().len(), "pixels of a batch of {}", self.spec.input());
        let classes = self.spec.classes();
        assert!(batch.labels.iter().all(|&l| (l as usize) < classes), "a label is not below {classes}");
        samples
    }

    /// Lays out a batch in blocks of 16 samples; missing samples are zeros.
    fn load(&mut self, batch: &Batch) {
        let image = self.spec.input();
        let to = self.activations[0].view();
        let blocks = batch.labels.len().div_ceil(LANES);
        pointwise::planes(blocks, to, |b, c| {
            for y in 0..image.height {
                // SAFETY: each item writes its own plane.
                let row = unsafe { to.row_mut(b, c, y) };
                row.fill(Pixel::ZERO);
                for lane in 0..LANES.min(batch.labels.len() - b * LANES) {
                    let at = (((b * LANES + lane) * image.channels + c) * image.height + y) * image.width;
                    for (pixel, &value) in row.iter_mut().zip(&batch.images[at..at + image.width]) {
                        pixel.0[lane] = value;
                    }
                }
            }
        });
    }

    fn activation(&mut self, tensor: usize) -> View {
        self.activations[tensor].view()
    }

    fn gradient(&mut self, tensor: usize) -> View {
        self.gradients[self.plan.gradient_buffer[tensor]].view()
    }

    fn forward(&mut self, samples: usize, mode: Mode) {
        let (isa, blocks) = (self.isa, samples.div_ceil(LANES));
        for s in 0..self.plan.steps.len() {
            let step = self.plan.steps[s].clone();
            let y = self.activation(step.output());
            let [x, second] = step.inputs().map(|t| t.map(|t| self.activation(t)));
            let Some(x) = x else { unreachable!("every step reads something") };
            match step {
                Step::Conv { layer, bias, .. } => {
                    let bias = bias.map(|b| self.dense[b].state.values.as_slice());
                    self.layers[layer].conv.forward(isa, blocks, x, y, bias);
                }
                Step::Norm { norm, relu, .. } => {
                    let values = norm_values(&self.dense, norm);
                    match mode {
                        Mode::Train => {
                            self.norms[norm.index].measure(isa, samples, x, &values, &mut self.moments[norm.index]);
                        }
                        Mode::Evaluate => self.norms[norm.index].use_running(&values),
                    }
                    self.norms[norm.index].forward(isa, samples, x, y, Epilogue { residual: second, relu });
                }
                Step::Relu { .. } => pointwise::relu_forward(isa, blocks, x, y),
                Step::Add { .. } => pointwise::add_forward(isa, blocks, x, second.unwrap_or(x), y),
                Step::MaxPool { window, .. } => pool::max_forward(isa, blocks, window, x, y),
                Step::AvgPool { window, .. } => pool::average_forward(isa, blocks, window, x, y),
            }
        }
    }

    fn loss(&mut self, batch: &Batch, with_gradient: bool) -> Outcome {
        let logits = self.plan.logits();
        let gradient = with_gradient.then(|| self.gradient(logits));
        let view = self.activation(logits);
        cross_entropy(view, &batch.labels, self.options.label_smoothing, gradient, &mut self.outcomes)
    }

    fn backward(&mut self, samples: usize) {
        let (isa, blocks) = (self.isa, samples.div_ceil(LANES));
        for s in (0..self.plan.steps.len()).rev() {
            let (step, targets) = (self.plan.steps[s].clone(), self.plan.targets[s]);
            let dy = self.gradient(step.output());
            let [input, second] = step.inputs();
            let Some(input) = input else { unreachable!("every step reads something") };
            let wanted = !targets[0].skip;
            let dx = wanted.then(|| self.gradient(input));
            let x = self.activation(input);
            let y = self.activation(step.output());
            match (step, dx) {
                (Step::Conv { layer, bias, .. }, dx) => {
                    let layer = &mut self.layers[layer];
                    layer.conv.edge_gradients(isa, blocks, x, dy, &mut layer.gradient);
                    if let Some(dx) = dx {
                        layer.conv.backward(isa, blocks, dy, dx, targets[0].accumulate);
                    }
                    if let Some(bias) = bias {
                        pointwise::channel_sums(isa, blocks, dy, &mut self.dense[bias].gradient);
                    }
                }
                (Step::Norm { norm, relu, .. }, dx) => {
                    let residual = second.filter(|_| !targets[1].skip).map(|t| self.gradient(t));
                    let sums = &mut self.sums[..self.plan.norms[norm.index]];
                    let epilogue = Epilogue { residual, relu };
                    let accumulate = targets.map(|t| t.accumulate);
                    self.norms[norm.index].backward(isa, samples, [x, y, dy], dx, epilogue, accumulate, sums);
                    if let Some([scale, shift]) = norm.affine {
                        for (c, sum) in sums.iter().enumerate() {
                            self.dense[shift].gradient[c] = sum.0 as f32;
                            self.dense[scale].gradient[c] = sum.1 as f32;
                        }
                    }
                }
                (Step::Add { .. }, dx) => {
                    let other = second.filter(|_| !targets[1].skip).map(|t| self.gradient(t));
                    for (to, target) in [dx, other].into_iter().zip(targets).rev() {
                        if let Some(to) = to {
                            pointwise::add_backward(isa, blocks, dy, to, target.accumulate);
                        }
                    }
                }
                (_, None) => {}
                (Step::Relu { .. }, Some(dx)) => {
                    pointwise::relu_backward(isa, blocks, y, dy, dx, targets[0].accumulate);
                }
                (Step::MaxPool { window, .. }, Some(dx)) => {
                    pool::max_backward(isa, blocks, window, [x, y, dy, dx], targets[0].accumulate);
                }
                (Step::AvgPool { window, .. }, Some(dx)) => {
                    pool::average_backward(isa, blocks, window, dy, dx, targets[0].accumulate);
                }
            }
        }
    }

    fn forward_backward(&mut self, batch: &Batch) -> Outcome {
        let samples = self.check_batch(batch);
        self.load(batch);
        self.forward(samples, Mode::Train);
        let outcome = self.loss(batch, true);
        self.backward(samples);
        outcome
    }

    fn update(&mut self, lr: f64) {
        self.steps += 1;
        let (options, step) = (self.options, self.steps);
        self.layers.par_iter_mut().for_each(|layer| {
            let state = &mut layer.state;
            update(&options, lr, step, &mut state.weights, &layer.gradient, &mut state.slots);
            layer.conv.set_weights(&state.weights);
        });
        for dense in self.dense.iter_mut().filter(|d| d.trained) {
            update(&options, lr, step, &mut dense.state.values, &dense.gradient, &mut dense.state.slots);
        }
        for step in &self.plan.steps {
            if let Step::Norm { norm, .. } = step {
                let [mean, variance] = self
                    .dense
                    .get_disjoint_mut([norm.mean, norm.variance])
                    .unwrap_or_else(|_| unreachable!("mean and variance are two buffers"));
                update_running(&mut mean.state.values, &mut variance.state.values, &self.moments[norm.index]);
            }
        }
    }
}

/// The values of one normalisation.
fn norm_values(dense: &[Dense], norm: NormStep) -> NormValues<'_> {
    let values = |i: usize| dense[i].state.values.as_slice();
    NormValues {
        gamma: norm.affine.map(|[scale, _]| values(scale)),
        beta: norm.affine.map(|[_, shift]| values(shift)),
        running_mean: values(norm.mean),
        running_variance: values(norm.variance),
    }
}

impl Engine for SparseEngine {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn train_step(&mut self, batch: &Batch, learning_rate: f64) -> Outcome {
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let outcome = self.forward_backward(batch);
            self.update(learning_rate);
            outcome
        })
    }

    fn evaluate(&mut self, batch: &Batch) -> Outcome {
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let samples = self.check_batch(batch);
            self.load(batch);
            self.forward(samples, Mode::Evaluate);
            self.loss(batch, false)
        })
    }

    fn gradients(&mut self, batch: &Batch) -> (Outcome, Vec<Vec<f32>>, Vec<Vec<f32>>) {
        let threads = Arc::clone(&self.threads);
        let outcome = threads.install(|| self.forward_backward(batch));
        let edges = self.layers.iter().map(|l| l.gradient.clone()).collect();
        (outcome, edges, self.dense.iter().map(|d| d.gradient.clone()).collect())
    }

    fn state(&self) -> ModelState {
        ModelState {
            layers: self.layers.iter().map(|l| l.state.clone()).collect(),
            dense: self.dense.iter().map(|d| d.state.clone()).collect(),
            steps: self.steps,
        }
    }

    fn load_state(&mut self, state: ModelState) -> Result<()> {
        let (layers, dense) = checked(&self.spec, state.layers, state.dense, slot_count(self.options.optimizer))?;
        self.layers = layers.into_iter().enumerate().map(|(i, l)| self.layer(i, l)).collect();
        self.dense = dense;
        self.steps = state.steps;
        Ok(())
    }
}
