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

/// Gradients of the mean loss, without weight decay, of what a network has: edges, biases, scales and shifts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EdgeGradients {
    /// Those of each layer's weights, in edge order.
    pub layers: Vec<Vec<f32>>,
    /// Those of the other parameters, in the order of [`ModelState::dense`]; empty for buffers.
    pub dense: Vec<Vec<f32>>,
}

/// Which gradients a caller of [`Engine::step`] gets: those of the mean loss, without weight decay.
#[derive(Default)]
pub enum Gradients<'a> {
    /// None.
    #[default]
    None,
    /// Those of all weights of some layers, whether there is an edge or not. A marked layer's cost what a dense one's would, the
    /// others what they cost in any step.
    Weights {
        /// Which layers; one mark per layer.
        layers: &'a [bool],
        /// Takes a layer and its gradients in the order of positions, last layer first: one layer's are held at a time.
        visit: &'a mut (dyn FnMut(usize, Vec<f32>) + Send + 'a),
    },
    /// Those on edges, and of the other parameters; what was there before is written over.
    Edges(&'a mut EdgeGradients),
}

/// What [`ParameterUpdate::Caller`] may move: the weights of one layer's edges, or one dense parameter or buffer.
#[derive(Debug)]
pub struct Movable<'a> {
    /// The values, in edge order or row-major.
    pub values: &'a mut [f32],
    /// Gradient of the mean loss on each value, without weight decay; empty for buffers.
    pub gradient: &'a [f32],
    /// Optimiser state of the values, as in [`LayerState::slots`]; empty for buffers. Only the caller moves it.
    pub slots: &'a mut [Vec<f32>],
}

/// Who moves the parameters in a step. The running statistics of batch normalisations move in all steps but
/// [`ParameterUpdate::None`].
#[derive(Default)]
pub enum ParameterUpdate<'a> {
    /// Nobody, and running statistics stay: the step changes nothing.
    #[default]
    None,
    /// Nobody; running statistics alone move, and the optimiser's count of steps stays.
    Statistics,
    /// The optimiser, at this learning rate; it counts the step.
    Optimizer(f64),
    /// The caller, by a function of the layers' weights and of the other parameters, the latter in the order of
    /// [`ModelState::dense`]; both lists are allocated anew at every call. Running statistics have moved before, and the optimiser
    /// counts the step. The function runs on the engine's threads, if there are any, and may use them. Taking over what was moved
    /// is O(edges), whichever weights are 0.
    Caller(&'a mut (dyn FnMut(&mut [Movable], &mut [Movable]) + Send + 'a)),
}

/// What [`Engine::step`] does besides a pass forward and one back: first it hands over gradients, then somebody moves the
/// parameters. By default neither.
#[derive(Default)]
pub struct Step<'a> {
    /// What is handed over.
    pub gradients: Gradients<'a>,
    /// Who moves the parameters.
    pub update: ParameterUpdate<'a>,
}

impl<'a> Step<'a> {
    /// Nothing moves, see [`ParameterUpdate::None`].
    #[must_use]
    pub fn measure() -> Self {
        Self::default()
    }

    /// Running statistics move, see [`ParameterUpdate::Statistics`].
    #[must_use]
    pub fn statistics() -> Self {
        Self { update: ParameterUpdate::Statistics, ..Self::default() }
    }

    /// The optimiser moves the parameters, see [`ParameterUpdate::Optimizer`].
    #[must_use]
    pub fn optimizer(learning_rate: f64) -> Self {
        Self { update: ParameterUpdate::Optimizer(learning_rate), ..Self::default() }
    }

    /// `update(layers, dense)` moves the parameters, see [`ParameterUpdate::Caller`].
    #[must_use]
    pub fn by(update: &'a mut (dyn FnMut(&mut [Movable], &mut [Movable]) + Send + 'a)) -> Self {
        Self { update: ParameterUpdate::Caller(update), ..Self::default() }
    }

    /// The same step, with the gradients of all weights of the layers that are marked to `visit`, see [`Gradients::Weights`].
    #[must_use]
    pub fn weight_gradients(self, layers: &'a [bool], visit: &'a mut (dyn FnMut(usize, Vec<f32>) + Send + 'a)) -> Self {
        Self { gradients: Gradients::Weights { layers, visit }, ..self }
    }

    /// The same step, with the gradients on edges to `to`, see [`Gradients::Edges`].
    #[must_use]
    pub fn edge_gradients(self, to: &'a mut EdgeGradients) -> Self {
        Self { gradients: Gradients::Edges(to), ..self }
    }
}

/// Owns parameters, optimiser state and activations of one model on one device.
///
/// # Errors
/// Every method that computes or copies fails if the device does: out of memory, lost. What the engine then holds is not defined.
pub trait Engine {
    /// The model.
    fn spec(&self) -> &ModelSpec;

    /// A pass forward and one back, with the batch's statistics in batch normalisations, and what `step` says; returns loss and
    /// accuracy before anything moved. Edges of weight 0 have gradients like all others, and may cost nothing else.
    ///
    /// An engine may compute the gradients of layers marked in [`Gradients::Weights`] in another order than it does in other
    /// steps; edges move by those that are handed over.
    ///
    /// # Panics
    /// If the batch is empty, larger than what the engine was made for, or does not fit the model, and if there is not one mark
    /// per layer in [`Gradients::Weights`].
    fn step(&mut self, batch: &Batch, step: Step) -> Result<Outcome>;

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

    /// Lets `change` edit masks, weights and optimiser state of the layers (vectors in the mask's edge order), then takes them over.
    /// A layer whose mask is another than before is laid out anew, in place, in O(edges + weights/64); for the others nothing is
    /// laid out or allocated but the copy of a mask that tells, unless weights have become 0 that were not. `change` runs on the
    /// engine's threads, if it has any, and may use them. Missing optimiser state becomes zeros, as in [`Engine::load_state`].
    ///
    /// # Errors
    /// If a layer has another shape than before, or another number of values than edges, in the words of [`Engine::load_state`].
    /// What the engine then holds is not defined until a state is loaded.
    fn rewire(&mut self, change: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()>;

    /// A copy of everything that must outlive the process.
    fn state(&self) -> Result<ModelState>;

    /// Replaces everything by a saved state.
    ///
    /// # Errors
    /// If the state belongs to another model; names the first parameter that differs, with both shapes. Nothing is replaced then.
    fn load_state(&mut self, state: ModelState) -> Result<()>;
}
