//! The default engine: CPU, and work that follows the edges.
//!
//! Activations lie in blocks of 16 samples, sample innermost (`tensor`). Only convolutions, additions and poolings write tensors;
//! normalisations and ReLUs are applied where these are read (`plan`, `blend`), and their statistics are taken where tensors are
//! written (`conv`, `plane`). A convolution gathers along its edges, forward and backward, and correlates once per edge for their
//! gradients. Every value is computed by one thread in a fixed order, so results do not depend on the number of threads. After
//! the first step nothing is allocated.

mod backward;
mod blend;
mod conv;
mod forward;
mod loss;
mod norm;
#[cfg(test)]
mod oracle;
mod params;
mod plan;
mod plane;
mod pool;
mod tensor;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};

use rayon::prelude::*;

use self::conv::{Conv, Machine, Scratch};
use self::loss::cross_entropy;
use self::norm::{Norm, NormValues, update_running};
use self::params::{Dense, SparseLayer};
use self::plan::{NormPlan, Plan};
use self::tensor::{Tensor, View};
use super::checked::{complete, complete_layers, ends_with_logits};
use super::simd::{Isa, LANES};
use super::{
    Batch, EdgeGradients, Engine, Gradients, LayerState, ModelState, Movable, Outcome, ParameterUpdate, Step, StepOptions,
};
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_networks::model::{Image, ModelSpec};

/// How layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernels {
    /// Layer by layer whichever is expected to be faster at the layer's density.
    Faster,
    /// Along edges.
    Edges,
    /// With all weights, zeros included; grouped convolutions along edges.
    Weights,
}

/// What an engine runs on, and for how many samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// Samples in the largest training batch.
    pub max_batch: usize,
    /// Threads.
    pub threads: usize,
    /// Instructions; one of [`Isa::available`].
    pub isa: Isa,
    /// How layers are computed.
    pub kernels: Kernels,
}

impl Setup {
    /// The best instructions this machine has, and the faster kernels.
    #[must_use]
    pub fn new(max_batch: usize, threads: usize) -> Self {
        Self { max_batch, threads, isa: Isa::detect(), kernels: Kernels::Faster }
    }
}

/// Trains one model on the edges of its masks, on the CPU.
///
/// Memory: activations that convolutions, additions and poolings write, and those of their gradients that live together, for the
/// largest batch; weights, gradients and optimiser state for edges only.
pub struct SparseEngine {
    spec: ModelSpec,
    plan: Plan,
    options: StepOptions,
    isa: Isa,
    kernels: Kernels,
    threads: Arc<rayon::ThreadPool>,
    max_batch: usize,
    /// Samples that are loaded, at most `max_batch`: what the views below have room for.
    samples: usize,
    /// Activations, and memory for gradients; computed on through the views.
    tensors: Store,
    buffers: Store,
    /// Of the masks that are laid out, or none.
    states: Vec<LayerState>,
    layers: Vec<SparseLayer>,
    dense: Vec<Dense>,
    norms: Vec<Norm>,
    scratch: Vec<Mutex<Scratch>>,
    /// Sums of weight gradients by part of the batch.
    partial: Vec<f32>,
    outcomes: Vec<Outcome>,
    steps: u64,
}

/// Tensors, and how to get at them.
struct Store {
    views: Vec<View>,
    /// Keeps the memory alive.
    _tensors: Vec<Tensor>,
}

impl Store {
    fn new(images: impl Iterator<Item = Image>, blocks: usize) -> Self {
        let mut tensors: Vec<Tensor> = images.map(|image| Tensor::new(image, blocks)).collect();
        Self { views: tensors.iter_mut().map(Tensor::view).collect(), _tensors: tensors }
    }
}

impl std::fmt::Debug for SparseEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SparseEngine({}, {}, step {})", self.spec.name(), self.isa.name(), self.steps)
    }
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
    pub fn new(spec: ModelSpec, state: ModelState, options: StepOptions, max_batch: usize, threads: usize) -> Result<Self> {
        Self::with(spec, state, options, Setup::new(max_batch, threads))
    }

    /// As [`SparseEngine::new`], with every choice made by the caller.
    ///
    /// # Errors
    /// As [`SparseEngine::new`], and if this machine does not have the instructions.
    pub fn with(spec: ModelSpec, state: ModelState, options: StepOptions, setup: Setup) -> Result<Self> {
        let Setup { max_batch, threads, isa, kernels } = setup;
        if !Isa::available().contains(&isa) {
            return Err(Error::usage(format!("this machine has no {} instructions", isa.name())));
        }
        if max_batch == 0 {
            return Err(Error::usage("a batch must hold at least one sample"));
        }
        ends_with_logits(&spec)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("engine-{i}"));
        let threads = pool.build().map_err(|e| Error::failure(format!("cannot start {threads} threads: {e}")))?;
        let plan = Plan::new(&spec);
        let blocks = max_batch.div_ceil(LANES);
        let layers = (0..spec.layers().len()).map(|layer| SparseLayer { gradient: Vec::new(), conv: place(&plan, layer) });
        let layers: Vec<SparseLayer> = layers.collect();
        let mut scratch = Scratch::default();
        for layer in &layers {
            layer.conv.reserve(isa, &mut scratch);
        }
        let mut engine = Self {
            tensors: Store::new(plan.tensors.iter().copied(), blocks),
            buffers: Store::new(plan.buffers.sizes.iter().map(|&size| Image::new(size, 1, 1)), blocks),
            norms: plan.norms.iter().map(|n| Norm::new(n.channels)).collect(),
            scratch: (0..threads.current_num_threads()).map(|_| Mutex::new(scratch.clone())).collect(),
            partial: Vec::new(),
            outcomes: vec![Outcome::default(); blocks],
            states: Vec::new(),
            layers,
            dense: Vec::new(),
            steps: 0,
            threads: Arc::new(threads),
            spec,
            plan,
            options,
            isa,
            kernels,
            max_batch,
            samples: 0,
        };
        engine.load_state(state)?;
        Ok(engine)
    }

    /// Bytes that activations and their gradients take in an engine for batches of at most `max_batch` samples, whatever the masks:
    /// most of its memory but for large layers; [`usize::MAX`] where they are more than that. O(nodes); nothing is allocated.
    #[must_use]
    pub fn activation_bytes(spec: &ModelSpec, max_batch: usize) -> usize {
        let plan = Plan::new(spec);
        let values = plan.tensors.iter().map(Image::len).chain(plan.buffers.sizes.iter().copied()).sum::<usize>();
        values.saturating_mul(max_batch.next_multiple_of(LANES)).saturating_mul(size_of::<f32>())
    }

    /// The instructions in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Takes over the states of layers: lays out those whose mask is not the one in `laid_out`.
    fn take_over(&mut self, laid_out: &[Mask]) {
        let (isa, kernels, max_batch) = (self.isa, self.kernels, self.max_batch);
        let layers = self.layers.par_iter_mut().zip(&self.states).enumerate();
        layers.for_each(|(index, (layer, state))| {
            if laid_out.get(index) != Some(&state.mask) {
                layer.conv.lay_out(isa, kernels, &state.mask);
                layer.conv.parts(isa, max_batch);
                layer.gradient.resize(state.mask.edges(), 0.0);
            }
            layer.conv.set_weights(isa, kernels, &state.mask, &state.weights);
        });
        let partial = self.layers.iter().map(|l| l.conv.partial_sums(false)).max().unwrap_or(0);
        if self.partial.len() < partial {
            self.partial.resize(partial, 0.0);
        }
    }

    fn machine(&self) -> Machine<'_> {
        Machine { isa: self.isa, samples: self.samples, scratch: &self.scratch }
    }

    /// The tensor of logits.
    fn last(&self) -> View {
        self.tensors.views[self.plan.sources[self.plan.logits].tensor]
    }

    fn loss(&mut self, labels: &[u32], with_gradient: bool) -> Outcome {
        assert_eq!(labels.len(), self.samples, "labels of the samples that are loaded");
        let logits = self.last();
        let blocks = labels.len().div_ceil(LANES);
        let gradient = with_gradient.then(|| self.buffers.views[self.plan.buffers.logits].with_image(logits.image, blocks));
        // SAFETY: the views are this engine's and have room for the samples; nobody else computes on them.
        unsafe { cross_entropy(logits, labels, self.options.label_smoothing, gradient, &mut self.outcomes) }
    }

    fn forward_backward(&mut self, batch: &Batch, gradients: &mut Gradients) -> Outcome {
        batch.checked_samples(&self.spec);
        self.load(&batch.images);
        self.forward(Mode::Train);
        let outcome = self.loss(&batch.labels, true);
        self.backward(gradients);
        outcome
    }

    /// Runs a batch of any size through the network with running statistics, a part at a time; `each` reads what came out, and gets
    /// the labels.
    fn in_parts(&mut self, batch: &Batch, mut each: impl FnMut(&mut Self, &[u32])) {
        batch.checked_samples(&self.spec);
        let pixels = self.spec.input().len();
        for (labels, images) in batch.labels.chunks(self.max_batch).zip(batch.images.chunks(self.max_batch * pixels)) {
            self.load(images);
            self.forward(Mode::Evaluate);
            each(self, labels);
        }
    }

    /// A copy of the gradients on edges, and of those of the other parameters.
    fn edge_gradients(&self) -> EdgeGradients {
        EdgeGradients {
            layers: self.layers.iter().map(|l| l.gradient.clone()).collect(),
            dense: self.dense.iter().map(|d| d.gradient.clone()).collect(),
        }
    }

    /// Moves what a step moves, running statistics first.
    fn update(&mut self, update: ParameterUpdate) {
        if !matches!(update, ParameterUpdate::None) {
            self.update_statistics();
        }
        match update {
            ParameterUpdate::None | ParameterUpdate::Statistics => {}
            ParameterUpdate::Optimizer(learning_rate) => self.descend(learning_rate),
            ParameterUpdate::Caller(update) => self.update_by(update),
        }
    }

    /// Moves parameters by a step of the optimiser.
    fn descend(&mut self, lr: f64) {
        self.steps += 1;
        let (options, step, isa, kernels) = (self.options, self.steps, self.isa, self.kernels);
        self.layers.par_iter_mut().zip(&mut self.states).for_each(|(layer, state)| {
            options.descend(lr, step, &mut state.weights, &layer.gradient, &mut state.slots);
            layer.conv.set_weights(isa, kernels, &state.mask, &state.weights);
        });
        for dense in self.dense.iter_mut().filter(|d| d.trained) {
            options.descend(lr, step, &mut dense.state.values, &dense.gradient, &mut dense.state.slots);
        }
    }

    /// Moves parameters as a caller wishes.
    fn update_by(&mut self, update: &mut (dyn FnMut(&mut [Movable], &mut [Movable]) + Send)) {
        self.steps += 1;
        let layers = self.layers.iter().zip(&mut self.states);
        let layers = layers.map(|(layer, state)| Movable {
            values: &mut state.weights,
            gradient: &layer.gradient,
            slots: &mut state.slots,
        });
        let mut layers: Vec<Movable> = layers.collect();
        let dense = self.dense.iter_mut().map(|d| Movable {
            values: &mut d.state.values,
            gradient: &d.gradient,
            slots: &mut d.state.slots,
        });
        let mut dense: Vec<Movable> = dense.collect();
        update(&mut layers, &mut dense);
        let (isa, kernels) = (self.isa, self.kernels);
        self.layers.par_iter_mut().zip(&self.states).for_each(|(layer, state)| {
            layer.conv.set_weights(isa, kernels, &state.mask, &state.weights);
        });
    }

    /// Moves running statistics.
    fn update_statistics(&mut self) {
        for (plan, norm) in self.plan.norms.iter().zip(&self.norms) {
            let [mean, variance] = self
                .dense
                .get_disjoint_mut([plan.mean, plan.variance])
                .unwrap_or_else(|_| unreachable!("mean and variance are two buffers"));
            update_running(&mut mean.state.values, &mut variance.state.values, &norm.moments);
        }
    }
}

/// A layer's place in the network, without edges.
fn place(plan: &Plan, index: usize) -> Conv {
    let of_layer = |step: &plan::Step| matches!(step, plan::Step::Conv { layer, .. } if *layer == index);
    let Some((step, back)) = plan.steps.iter().zip(&plan.back).find(|(step, _)| of_layer(step)) else {
        unreachable!("every layer has a step")
    };
    let ends = [plan.sources[step.inputs()[0]].tensor, step.output()].map(|t| plan.tensors[t]);
    Conv::new(plan.convs[index], ends, back.writes[0].is_some())
}

/// The values of one normalisation.
fn norm_values(dense: &[Dense], norm: NormPlan) -> NormValues<'_> {
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

    fn step(&mut self, batch: &Batch, step: Step) -> Result<Outcome> {
        let Step { mut gradients, update } = step;
        if let Gradients::Weights { layers, .. } = &gradients {
            assert_eq!(layers.len(), self.layers.len(), "one mark per layer");
        }
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let outcome = self.forward_backward(batch, &mut gradients);
            if let Gradients::Edges(to) = gradients {
                *to = self.edge_gradients();
            }
            self.update(update);
            Ok(outcome)
        })
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Outcome> {
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let mut all = Outcome::default();
            self.in_parts(batch, |engine, labels| all.add(engine.loss(labels, false)));
            Ok(all)
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let classes = self.spec.classes();
            let mut all = Vec::with_capacity(batch.labels.len() * classes);
            self.in_parts(batch, |engine, labels| {
                let logits = engine.last();
                for sample in 0..labels.len() {
                    // SAFETY: pixel (0, 0) of a channel of this engine's own tensor, which nobody writes meanwhile.
                    all.extend((0..classes).map(|c| unsafe { logits.pixels(sample / LANES, c) }[0].0[sample % LANES]));
                }
            });
            Ok(all)
        })
    }

    fn rewire(&mut self, change: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()> {
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            let laid_out: Vec<Mask> = self.states.iter().map(|s| s.mask.clone()).collect();
            // Kernels trust that these are the masks laid out: what does not fit, or is left half changed by a panic, does not
            // come back.
            let mut states = std::mem::take(&mut self.states);
            change(&mut states);
            complete_layers(&self.spec, &mut states, self.options.optimizer.slots())?;
            self.states = states;
            self.take_over(&laid_out);
            Ok(())
        })
    }

    fn state(&self) -> Result<ModelState> {
        let dense = self.dense.iter().map(|d| d.state.clone()).collect();
        Ok(ModelState { layers: self.states.clone(), dense, steps: self.steps })
    }

    fn load_state(&mut self, state: ModelState) -> Result<()> {
        let state = complete(&self.spec, state, self.options.optimizer.slots())?;
        (self.states, self.dense, self.steps) = (state.layers, Dense::all(&self.spec, state.dense), state.steps);
        let threads = Arc::clone(&self.threads);
        threads.install(|| self.take_over(&[]));
        Ok(())
    }
}
