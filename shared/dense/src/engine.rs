//! The engine: parameters on a device, steps, states.

use dfdx::prelude::*;

use super::loss;
use super::network::{Gradient, Moments, Network, Parameters, Statistics};
use super::update::{average, descend};
use super::{Images, Matrices, Processor, Try, Vector, device};
use er_engine::checked::{complete, complete_layers, ends_with_logits};
use er_engine::{
    Batch, DenseState, Device as DeviceName, EdgeGradients, Engine, Gradients, LayerState, ModelState, Movable, Outcome,
    ParameterUpdate, Step, StepOptions,
};
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_networks::model::ModelSpec;

/// dfdx's kernels count the values of a tensor in 32 bits.
const LARGEST: usize = u32::MAX as usize;

/// A layer's edges.
#[derive(Debug)]
struct Edges<E: Dtype, D: Storage<E>> {
    mask: Mask,
    /// 1 where an edge is, else 0.
    keep: Matrices<E, D>,
    slots: Vec<Matrices<E, D>>,
}

/// Another parameter or buffer.
#[derive(Debug)]
struct Dense<E: Dtype, D: Storage<E>> {
    name: String,
    slots: Vec<Vector<E, D>>,
}

/// Trains one model as dense tensors on a device of dfdx, in the precision `E`.
///
/// Memory: what every node gives for the largest batch, and the columns of one convolution; weights, masks and optimiser state
/// with all their zeros.
#[derive(Debug)]
pub struct DenseEngine<E: Dtype, D: Processor<E>> {
    spec: ModelSpec,
    options: StepOptions,
    processor: D,
    /// How users call the device.
    name: DeviceName,
    max_batch: usize,
    network: Network<D>,
    parameters: Parameters<E, D>,
    edges: Vec<Edges<E, D>>,
    dense: Vec<Dense<E, D>>,
    steps: u64,
    /// Samples of the batch before.
    samples: usize,
}

/// A pass forward and back.
struct Pass<E: Dtype, D: Storage<E>> {
    outcome: Outcome,
    moments: Vec<Moments<E, D>>,
    /// Gradients of weights where edges are, by layer.
    weights: Vec<Option<Matrices<E, D>>>,
    /// Gradients of other parameters; none for buffers.
    dense: Vec<Option<Vector<E, D>>>,
}

impl<E: Dtype> DenseEngine<E, Cpu>
where
    Cpu: Processor<E>,
{
    /// Makes an engine on the CPU for training batches of at most `max_batch` samples. Products of matrices use the threads of the
    /// rayon pool that calls; all else dfdx does on one.
    ///
    /// # Errors
    /// If the model does not end with logits, or the state belongs to another model.
    pub fn new(spec: ModelSpec, state: ModelState, options: StepOptions, max_batch: usize) -> Result<Self> {
        Self::on(Cpu::default(), DeviceName::Cpu, spec, state, options, max_batch)
    }
}

impl<E: Dtype, D: Processor<E>> DenseEngine<E, D> {
    /// As [`DenseEngine::new`], on a device that users call `name`.
    ///
    /// # Errors
    /// As [`DenseEngine::new`], and if the device fails.
    pub fn on(
        processor: D,
        name: DeviceName,
        spec: ModelSpec,
        state: ModelState,
        options: StepOptions,
        max_batch: usize,
    ) -> Result<Self> {
        if max_batch == 0 {
            return Err(Error::usage("a batch must hold at least one sample"));
        }
        ends_with_logits(&spec)?;
        let fail = |e: D::Err| device::failed(&e, name);
        // Activations have the same sizes at every step.
        processor.try_enable_cache().map_err(fail)?;
        let network = Network::new(&spec, &processor).map_err(fail)?;
        if network.largest() > LARGEST / max_batch {
            let what = format!("batches of {max_batch} samples are too large for {} on {name}", spec.name());
            let most = LARGEST / network.largest();
            return Err(Error::failure(what).help(format!("tensors hold 2^32 values: use a --batch-size of at most {most}")));
        }
        let mut engine = Self {
            network,
            parameters: Parameters { weights: Vec::new(), dense: Vec::new() },
            edges: Vec::new(),
            dense: Vec::new(),
            steps: 0,
            samples: 0,
            spec,
            options,
            processor,
            name,
            max_batch,
        };
        engine.load_state(state)?;
        Ok(engine)
    }

    /// Computes, and says how the device failed.
    fn run<R>(&mut self, work: impl FnOnce(&mut Self) -> Try<R, D>) -> Result<R> {
        let name = self.name;
        device::guarded(name, || work(self).map_err(|e| device::failed(&e, name)))
    }

    /// Images and labels on the device, for a pass over so many samples.
    fn upload(&mut self, images: &[f32]) -> Try<Images<E, D>, D> {
        let image = self.spec.input();
        let samples = images.len() / image.len();
        if samples != self.samples {
            // Memory of other sizes would never be used again, or too late.
            self.processor.try_empty_cache()?;
            self.samples = samples;
        }
        let images = images.iter().map(|&v| widened(v)).collect();
        let rows: Images<E, D> =
            self.processor.try_tensor_from_vec(images, (samples, image.channels, image.height * image.width))?;
        rows.try_permute::<_, Axes3<1, 2, 0>>()?.try_contiguous()
    }

    /// Forward and backward with statistics of the batch; hands over the gradients of all weights that are wanted.
    fn forward_backward(&mut self, batch: &Batch, wanted: &mut Gradients) -> Try<Pass<E, D>, D> {
        let samples = batch.checked_samples(&self.spec);
        assert!(samples <= self.max_batch, "batch of {samples} samples, room for {}", self.max_batch);
        let images = self.upload(&batch.images)?;
        let passed = self.network.forward(images, &self.parameters, Statistics::Batch)?;
        let logits = passed.values.last().unwrap_or_else(|| unreachable!("there is an input"));
        let smoothing = self.options.label_smoothing;
        let outcome = loss::outcome(&rows(logits), &batch.labels, smoothing);
        let last = loss::gradient(logits, &batch.labels, smoothing)?;
        let mut weights: Vec<_> = self.edges.iter().map(|_| None).collect();
        let mut dense: Vec<_> = self.dense.iter().map(|_| None).collect();
        self.network.backward(passed.values, last, &self.parameters, &mut |gradient| {
            match gradient {
                Gradient::Weights(layer, gradient) => {
                    if let Gradients::Weights { layers, visit } = wanted
                        && layers[layer]
                    {
                        visit(layer, narrowed(&gradient.as_vec()));
                    }
                    weights[layer] = Some(gradient.try_mul(self.edges[layer].keep.clone())?);
                }
                Gradient::Dense(at, gradient) => dense[at] = Some(gradient),
            }
            Ok(())
        })?;
        Ok(Pass { outcome, moments: passed.moments, weights, dense })
    }

    /// Moves parameters by a step.
    fn descend(&mut self, lr: f64, pass: Pass<E, D>) -> Try<(), D> {
        self.steps += 1;
        let weights = self.parameters.weights.iter_mut().zip(&mut self.edges).zip(pass.weights);
        for ((values, edges), gradient) in weights {
            if let Some(gradient) = gradient {
                descend(&self.options, lr, self.steps, values, gradient, &mut edges.slots)?;
            }
        }
        let dense = self.parameters.dense.iter_mut().zip(&mut self.dense).zip(pass.dense);
        for ((values, dense), gradient) in dense {
            if let Some(gradient) = gradient {
                descend(&self.options, lr, self.steps, values, gradient, &mut dense.slots)?;
            }
        }
        Ok(())
    }

    /// Moves parameters as a caller wishes.
    fn update_by(&mut self, update: &mut (dyn FnMut(&mut [Movable], &mut [Movable]) + Send), pass: &Pass<E, D>) -> Try<(), D> {
        self.steps += 1;
        let gradients = self.on_host(pass);
        let (mut layers, mut dense) = (self.layers(), self.others());
        let movable = layers.iter_mut().zip(&gradients.layers);
        let movable = movable.map(|(l, gradient)| Movable { values: &mut l.weights, gradient, slots: &mut l.slots });
        let others = dense.iter_mut().zip(&gradients.dense);
        let others = others.map(|(d, gradient)| Movable { values: &mut d.values, gradient, slots: &mut d.slots });
        update(&mut movable.collect::<Vec<_>>(), &mut others.collect::<Vec<_>>());
        for (layer, state) in layers.iter().enumerate() {
            self.set_layer(layer, state)?;
        }
        self.set_others(dense)
    }

    /// Moves running statistics.
    fn update_statistics(&mut self, pass: &Pass<E, D>) -> Try<(), D> {
        for Moments { running, batch, count } in &pass.moments {
            // The running variance is unbiased.
            let unbiased = *count as f64 / (*count as f64 - 1.0).max(1.0);
            for ((at, batch), factor) in running.iter().zip(batch).zip([1.0, unbiased]) {
                average(&mut self.parameters.dense[*at], batch, factor)?;
            }
        }
        Ok(())
    }

    /// Runs a batch of any size through the network with running statistics, a part at a time; `each` gets logits, sample by
    /// sample, and labels.
    fn in_parts(&mut self, batch: &Batch, mut each: impl FnMut(Vec<f64>, &[u32])) -> Try<(), D> {
        batch.checked_samples(&self.spec);
        let pixels = self.spec.input().len();
        for (labels, images) in batch.labels.chunks(self.max_batch).zip(batch.images.chunks(self.max_batch * pixels)) {
            let images = self.upload(images)?;
            each(rows(&self.network.logits(images, &self.parameters)?), labels);
        }
        Ok(())
    }

    /// Copies layers from the device.
    fn layers(&self) -> Vec<LayerState> {
        let layers = self.edges.iter().zip(&self.parameters.weights);
        let layers = layers.map(|(edges, weights)| LayerState {
            mask: edges.mask.clone(),
            weights: at_edges(&edges.mask, &weights.as_vec()),
            slots: edges.slots.iter().map(|slot| at_edges(&edges.mask, &slot.as_vec())).collect(),
        });
        layers.collect()
    }

    /// Copies a layer to the device; its state fits.
    fn set_layer(&mut self, layer: usize, state: &LayerState) -> Try<(), D> {
        let (groups, shape) = (self.spec.layers()[layer].groups, state.mask.shape());
        let shape = (groups, shape.out / groups, shape.fan_in());
        let upload = |values: &mut dyn Iterator<Item = E>| -> Try<Matrices<E, D>, D> {
            let mut dense = vec![E::default(); state.mask.shape().weights()];
            for (position, value) in state.mask.iter().zip(values) {
                dense[position] = value;
            }
            self.processor.try_tensor_from_vec(dense, shape)
        };
        let weights = upload(&mut state.weights.iter().map(|&w| widened(w)))?;
        let slots = state.slots.iter().map(|slot| upload(&mut slot.iter().map(|&v| widened(v)))).collect::<Try<_, D>>()?;
        // Gradients are multiplied with it at every step; it changes only with the mask.
        let keep = match self.edges.get(layer).filter(|edges| edges.mask == state.mask) {
            Some(edges) => edges.keep.clone(),
            None => upload(&mut std::iter::repeat(E::ONE))?,
        };
        let edges = Edges { mask: state.mask.clone(), keep, slots };
        if layer < self.edges.len() {
            (self.edges[layer], self.parameters.weights[layer]) = (edges, weights);
        } else {
            self.edges.push(edges);
            self.parameters.weights.push(weights);
        }
        Ok(())
    }

    fn vector(&self, values: &[f32]) -> Try<Vector<E, D>, D> {
        self.processor.try_tensor_from_vec(values.iter().map(|&v| widened(v)).collect(), (values.len(),))
    }

    /// Copies other parameters from the device.
    fn others(&self) -> Vec<DenseState> {
        let dense = self.dense.iter().zip(&self.parameters.dense);
        let dense = dense.map(|(dense, values)| DenseState {
            name: dense.name.clone(),
            values: narrowed(&values.as_vec()),
            slots: dense.slots.iter().map(|slot| narrowed(&slot.as_vec())).collect(),
        });
        dense.collect()
    }

    /// Copies other parameters to the device; their states fit.
    fn set_others(&mut self, states: Vec<DenseState>) -> Try<(), D> {
        (self.dense, self.parameters.dense) = (Vec::new(), Vec::new());
        for state in states {
            self.parameters.dense.push(self.vector(&state.values)?);
            let slots = state.slots.iter().map(|slot| self.vector(slot)).collect::<Try<_, D>>()?;
            self.dense.push(Dense { name: state.name, slots });
        }
        Ok(())
    }

    /// Gradients of edges and of the other parameters.
    fn on_host(&self, pass: &Pass<E, D>) -> EdgeGradients {
        let weights = pass.weights.iter().zip(&self.edges);
        let none = |edges: &Edges<E, D>| vec![0.0; edges.mask.edges()];
        let weights = weights.map(|(g, edges)| g.as_ref().map_or_else(|| none(edges), |g| at_edges(&edges.mask, &g.as_vec())));
        let dense = pass.dense.iter().map(|g| g.as_ref().map_or_else(Vec::new, |g| narrowed(&g.as_vec())));
        EdgeGradients { layers: weights.collect(), dense: dense.collect() }
    }
}

/// Single precision as the device computes.
fn widened<E: Dtype>(value: f32) -> E {
    E::from_f32(value).unwrap_or_default()
}

fn narrowed<E: Dtype>(values: &[E]) -> Vec<f32> {
    values.iter().map(|v| v.to_f32().unwrap_or(f32::NAN)).collect()
}

/// The values at a mask's edges, of a layer that has all of them.
fn at_edges<E: Dtype>(mask: &Mask, dense: &[E]) -> Vec<f32> {
    mask.iter().map(|position| dense[position].to_f32().unwrap_or(f32::NAN)).collect()
}

/// Logits by sample.
fn rows<E: Dtype, D: Processor<E>>(logits: &Images<E, D>) -> Vec<f64> {
    let (classes, _, samples) = *logits.shape();
    let by_class = logits.as_vec();
    let order = (0..samples).flat_map(|sample| (0..classes).map(move |class| class * samples + sample));
    order.map(|at| by_class[at].to_f64().unwrap_or(f64::NAN)).collect()
}

impl<E: Dtype, D: Processor<E>> Engine for DenseEngine<E, D> {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn step(&mut self, batch: &Batch, step: Step) -> Result<Outcome> {
        let Step { mut gradients, update } = step;
        if let Gradients::Weights { layers, .. } = &gradients {
            assert_eq!(layers.len(), self.edges.len(), "one mark per layer");
        }
        self.run(|engine| {
            let pass = engine.forward_backward(batch, &mut gradients)?;
            let outcome = pass.outcome;
            if let Gradients::Edges(to) = gradients {
                *to = engine.on_host(&pass);
            }
            if !matches!(update, ParameterUpdate::None) {
                engine.update_statistics(&pass)?;
            }
            match update {
                ParameterUpdate::None | ParameterUpdate::Statistics => {}
                ParameterUpdate::Optimizer(learning_rate) => engine.descend(learning_rate, pass)?,
                ParameterUpdate::Caller(update) => engine.update_by(update, &pass)?,
            }
            Ok(outcome)
        })
    }

    fn evaluate(&mut self, batch: &Batch) -> Result<Outcome> {
        self.run(|engine| {
            let (mut all, smoothing) = (Outcome::default(), engine.options.label_smoothing);
            engine.in_parts(batch, |logits, labels| all.add(loss::outcome(&logits, labels, smoothing)))?;
            Ok(all)
        })
    }

    fn logits(&mut self, batch: &Batch) -> Result<Vec<f32>> {
        self.run(|engine| {
            let mut all = Vec::with_capacity(batch.labels.len() * engine.spec.classes());
            engine.in_parts(batch, |logits, _| all.extend(logits.into_iter().map(|v| v as f32)))?;
            Ok(all)
        })
    }

    fn rewire(&mut self, change: &mut (dyn FnMut(&mut [LayerState]) + Send)) -> Result<()> {
        let mut layers = device::guarded(self.name, || Ok(self.layers()))?;
        change(&mut layers);
        complete_layers(&self.spec, &mut layers, self.options.optimizer.slots())?;
        self.run(|engine| layers.iter().enumerate().try_for_each(|(layer, state)| engine.set_layer(layer, state)))
    }

    fn state(&self) -> Result<ModelState> {
        device::guarded(self.name, || Ok(ModelState { layers: self.layers(), dense: self.others(), steps: self.steps }))
    }

    fn load_state(&mut self, state: ModelState) -> Result<()> {
        let state = complete(&self.spec, state, self.options.optimizer.slots())?;
        self.run(|engine| {
            for (layer, state) in state.layers.iter().enumerate() {
                engine.set_layer(layer, state)?;
            }
            engine.set_others(state.dense)?;
            engine.steps = state.steps;
            Ok(())
        })
    }
}
