//! Where networks are computed: the [`Engine`] trait, and [`sparse`], the engine that works along the edges.
//!
//! [`checked`] refuses states and batches that do not fit a model, in the same words for every engine; [`roofline`] measures what the
//! machine could do. Unsafe code is in this crate only, in the kernels.

// A kernel that is not inlined into the function with its instructions enabled would not be compiled for them.
#![allow(clippy::inline_always)]

pub mod checked;
mod device;
mod optim;
pub mod roofline;
mod simd;
pub mod sparse;

pub use device::Device;
pub use simd::Isa;

pub use er_graphs::graph::LayerState;
pub use er_networks::model::{DenseState, ModelState};

use er_graphs::error::Result;
use er_graphs::rng::{Purpose, stream};
use er_networks::model::ModelSpec;
use rand::RngExt;

/// Images and labels of one step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Normalised pixels, `(sample, channel, row, column)` row-major.
    pub images: Vec<f32>,
    /// Class of each sample; its length is the number of samples.
    pub labels: Vec<u32>,
}

impl Batch {
    /// Random pixels and classes for this model: a step on them takes as long as on images.
    #[must_use]
    pub fn noise(spec: &ModelSpec, samples: usize, seed: u64) -> Self {
        let mut rng = stream(seed, Purpose::Data, 0);
        Self {
            images: (0..samples * spec.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect(),
            labels: (0..samples).map(|_| rng.random_range(0..spec.classes() as u32)).collect(),
        }
    }
}

/// What one pass over a batch gave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outcome {
    /// Sum of the samples' losses.
    pub loss_sum: f64,
    /// Samples whose largest logit is the right one (the first of equals counts).
    pub correct: usize,
    /// Samples whose right class is among the five largest logits (the first of equals counts).
    pub correct_5: usize,
    /// Samples.
    pub samples: usize,
}

impl Outcome {
    /// Mean loss.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }

    /// Fraction of samples classified correctly.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples as f64
    }

    /// Adds another pass.
    pub fn add(&mut self, other: Self) {
        self.loss_sum += other.loss_sum;
        self.correct += other.correct;
        self.correct_5 += other.correct_5;
        self.samples += other.samples;
    }
}

/// A pass over a batch, and gradients of its mean loss: on the edges of each layer, and of the dense parameters.
pub type Gradients = (Outcome, Vec<Vec<f32>>, Vec<Vec<f32>>);

/// How parameters move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimizer {
    /// `g = ∂L/∂w + λw; v = μv + g; w ← w − η·(g + μv` if Nesterov else `v)`, with v = g on the first step (PyTorch's form,
    /// dampening 0).
    Sgd {
        /// μ.
        momentum: f64,
        /// Nesterov's look-ahead.
        nesterov: bool,
    },
    /// Adam with L2 inside the gradient, β = (0.9, 0.999), ε = 1e-8.
    Adam,
}

/// Everything that decides a training step besides the batch and the learning rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOptions {
    /// How parameters move.
    pub optimizer: Optimizer,
    /// λ, on all parameters.
    pub weight_decay: f64,
    /// ε of label smoothing: the target gets 1−ε+ε/C, every other class ε/C.
    pub label_smoothing: f64,
}

/// Stochastic gradient descent with Nesterov's momentum 0.9 and weight decay 5e-4, as in the experiments on CIFAR.
impl Default for StepOptions {
    fn default() -> Self {
        let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
        Self { optimizer, weight_decay: 5e-4, label_smoothing: 0.0 }
    }
}

/// What a caller of [`Engine::train_step_by`] may move: the weights of one layer's edges, or one dense parameter or buffer.
#[derive(Debug)]
pub struct Movable<'a> {
    /// The values, in edge order or row-major.
    pub values: &'a mut [f32],
    /// Gradient of the mean loss on each value, without weight decay; empty for buffers.
    pub gradient: &'a [f32],
    /// Optimiser state of the values, as in [`LayerState::slots`]; empty for buffers. Only the caller moves it.
    pub slots: &'a mut [Vec<f32>],
}

/// Owns parameters, optimiser state and activations of one model on one device.
///
/// # Errors
/// Every method that computes or copies fails if the device does: out of memory, lost. What the engine then holds is not defined.
pub trait Engine {
    /// The model.
    fn spec(&self) -> &ModelSpec;

    /// One optimiser step: forward, backward, update; returns the loss and accuracy before the update. Statistics of batch
    /// normalisations are those of the batch, and running ones move.
    ///
    /// # Panics
    /// If the batch is empty, larger than what the engine was made for, or does not fit the model.
    fn train_step(&mut self, batch: &Batch, learning_rate: f64) -> Result<Outcome>;

    /// As [`Engine::train_step`], but `step(layers, dense)` moves the parameters instead of the optimiser. `layers` has the weights
    /// of every layer, in edge order, `dense` the other parameters in the order of [`ModelState::dense`]. Edges of weight 0 have
    /// gradients like all others, and may cost nothing else. Running statistics have moved before `step` is called, and the count of
    /// steps goes up by one. Taking over what was moved is O(edges), whichever weights are 0.
    ///
    /// `step` runs on the engine's threads, if it has any, and may use them. The two lists are allocated anew at every call.
    ///
    /// # Panics
    /// As [`Engine::train_step`].
    fn train_step_by(&mut self, batch: &Batch, step: &mut (dyn FnMut(&mut [Movable], &mut [Movable]) + Send)) -> Result<Outcome>;

    /// Loss and accuracy of any number of samples with running statistics; changes nothing.
    ///
    /// # Panics
    /// If the batch is empty or does not fit the model.
    fn evaluate(&mut self, batch: &Batch) -> Result<Outcome>;

    /// What the network says of any number of samples with running statistics, `(sample, class)` row-major; changes nothing.
    ///
    /// # Panics
    /// As [`Engine::evaluate`].
    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>>;

    /// Forward and backward with batch statistics, without an update: gradients of the mean loss on the edges, one vector per
    /// layer in edge order, and of the dense parameters in the order of [`ModelState::dense`] (empty for buffers).
    fn gradients(&mut self, batch: &Batch) -> Result<Gradients>;

    /// As [`Engine::gradients`] for what a step computes; and hands the gradient of every weight of each layer, whether there is an
    /// edge or not, to `visit(layer, gradient)`, last layer first, in the order of positions. One layer's weights are held at a time;
    /// a layer costs what a dense one would.
    ///
    /// # Panics
    /// As [`Engine::train_step`].
    fn weight_gradients(&mut self, batch: &Batch, visit: &mut (dyn FnMut(usize, Vec<f32>) + Send)) -> Result<Outcome>;

    /// As [`Engine::train_step`], and hands the gradient of every weight of each layer that `layers` marks, whether there is an edge
    /// or not, to `visit(layer, gradient)`, last layer first, in the order of positions: that of the mean loss, without weight
    /// decay. Without a learning rate the optimiser moves nothing and its count of steps stays; running statistics move either
    /// way. A marked layer's gradients cost what a dense one's would, the others what they cost in a step.
    ///
    /// Edges move by the gradients that are handed over. An engine may compute these in another order than it does in
    /// [`Engine::train_step`], so marked layers may differ from it by rounding.
    ///
    /// # Panics
    /// As [`Engine::train_step`], and unless there is one mark per layer.
    fn train_step_with(
        &mut self,
        batch: &Batch,
        learning_rate: Option<f64>,
        layers: &[bool],
        visit: &mut (dyn FnMut(usize, Vec<f32>) + Send),
    ) -> Result<Outcome>;

    /// Lets `change` edit masks, weights and optimiser state of the layers (vectors in the mask's edge order), then takes them over.
    /// A layer whose mask is another than before is laid out anew, in place, in O(edges + weights/64); for the others nothing is
    /// laid out or allocated but the copy of a mask that tells, unless weights have become 0 that were not. `change` runs on the
    /// engine's threads, if it has any, and may use them. Missing optimiser state becomes zeros, as in [`Engine::load_state`].
    ///
    /// # Panics
    /// If there is another number of values than the layer has edges, or the layer has another shape than before.
    fn rewire(&mut self, change: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()>;

    /// A copy of everything that must outlive the process.
    fn state(&self) -> Result<ModelState>;

    /// Replaces everything by a saved state.
    ///
    /// # Errors
    /// If the state belongs to another model; names the first parameter that differs, with both shapes.
    fn load_state(&mut self, state: ModelState) -> Result<()>;
}
