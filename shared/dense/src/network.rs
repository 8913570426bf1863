//! A model node by node: forward, and backward by a tape for each node.
//!
//! The forward pass keeps what nodes give and nothing else. The backward pass computes each node again, with a tape, and goes back
//! through it at once; so columns of convolutions and whatever else a tape holds exist for one node at a time.

use dfdx::prelude::*;

use super::ops;
use super::windows::{Index, Indices, Window};
use super::{Images, Matrices, Pair, Processor, Try, Vector};
use er_networks::model::{ModelSpec, NodeId, Op, ParamKind};

/// Memory for the gradient of a tensor.
type Buffer<E, D> = <D as Storage<E>>::Vec;

/// What a node gives, and the statistics of the batch if it is a normalisation.
type Computed<E, D, T> = (Images<E, D, T>, Option<Pair<E, D>>);

/// What a node does, with the places of its parameters.
#[derive(Debug)]
enum Work<D: Storage<usize>> {
    Input,
    /// A convolution; without an index its columns are the pixels. A linear layer is one of them.
    Filter {
        layer: usize,
        bias: Option<usize>,
        index: Option<Index<D>>,
        padding: usize,
    },
    Normalise {
        affine: Option<[usize; 2]>,
        moments: [usize; 2],
    },
    Rectify,
    Largest {
        places: Vec<Index<D>>,
        padding: usize,
    },
    Average {
        index: Index<D>,
        size: usize,
    },
    AverageWhole,
    Add,
}

#[derive(Debug)]
struct Node<D: Storage<usize>> {
    inputs: Vec<NodeId>,
    work: Work<D>,
}

/// Weights of layers as `(group, output, input and tap)`, zeros where no edge is, and all other parameters and buffers.
#[derive(Debug)]
pub(super) struct Parameters<E: Dtype, D: Storage<E>> {
    pub(super) weights: Vec<Matrices<E, D>>,
    pub(super) dense: Vec<Vector<E, D>>,
}

/// Where statistics of normalisations come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistics {
    Batch,
    Running,
}

/// What came out of a batch of images, node by node.
pub(super) struct Passed<E: Dtype, D: Storage<E>> {
    pub(super) values: Vec<Images<E, D>>,
    /// Of each normalisation with statistics of the batch.
    pub(super) moments: Vec<Moments<E, D>>,
}

/// Statistics of a batch.
pub(super) struct Moments<E: Dtype, D: Storage<E>> {
    /// Places of the running mean and variance.
    pub(super) running: [usize; 2],
    /// Mean and biased variance.
    pub(super) batch: Pair<E, D>,
    /// Values of each channel.
    pub(super) count: usize,
}

/// The gradient of one parameter.
pub(super) enum Gradient<E: Dtype, D: Storage<E>> {
    /// Of all weights of a layer, edges or not.
    Weights(usize, Matrices<E, D>),
    /// Of another parameter.
    Dense(usize, Vector<E, D>),
}

/// A model on a device.
#[derive(Debug)]
pub(super) struct Network<D: Storage<usize>> {
    nodes: Vec<Node<D>>,
    /// The most values that a tensor of one sample has.
    largest: usize,
}

impl<D: Storage<usize>> Network<D> {
    /// The most values that a tensor has for one sample, columns of convolutions included.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    pub(super) fn new<E: Dtype>(spec: &ModelSpec, device: &D) -> Try<Self, D>
    where
        D: Processor<E>,
    {
        let dense: Vec<_> = spec.dense_parameters().collect();
        let place = |node: NodeId, kind: ParamKind| dense.iter().position(|p| p.node == node && p.kind == kind);
        let pair = |node, kinds: [ParamKind; 2]| {
            kinds.map(|kind| place(node, kind).unwrap_or_else(|| unreachable!("normalisations have two of each kind")))
        };
        let layer = |node: NodeId| {
            let layer = spec.layers().iter().position(|l| l.node == node);
            layer.unwrap_or_else(|| unreachable!("every filter is a layer"))
        };
        let mut indices = Indices::new();
        let mut largest = 0;
        let mut nodes = Vec::with_capacity(spec.nodes().len());
        for (id, node) in spec.nodes().iter().enumerate() {
            let to = node.output;
            let from = node.inputs.first().map_or(to, |&i| spec.nodes()[i].output);
            let work = match node.op {
                Op::Input => Work::Input,
                Op::Conv { shape, stride, padding, .. } => {
                    let window = Window::new(from, to, shape.kernel, stride, padding);
                    let index = if window.is_identity() { None } else { Some(indices.whole(window, device)?) };
                    largest = largest.max(from.channels * index.as_ref().map_or(0, Index::len));
                    Work::Filter { layer: layer(id), bias: place(id, ParamKind::Bias), index, padding }
                }
                Op::Linear { .. } => Work::Filter { layer: layer(id), bias: place(id, ParamKind::Bias), index: None, padding: 0 },
                Op::BatchNorm { affine } => Work::Normalise {
                    affine: affine.then(|| pair(id, [ParamKind::Scale, ParamKind::Shift])),
                    moments: pair(id, [ParamKind::Mean, ParamKind::Variance]),
                },
                Op::Relu => Work::Rectify,
                Op::MaxPool { kernel, stride, padding } => {
                    let window = Window::new(from, to, [kernel, kernel], stride, padding);
                    Work::Largest { places: indices.places(window, device)?, padding }
                }
                Op::AvgPool { kernel, stride } => {
                    let index = indices.whole(Window::new(from, to, [kernel, kernel], stride, 0), device)?;
                    largest = largest.max(from.channels * index.len());
                    Work::Average { index, size: kernel * kernel }
                }
                Op::GlobalAvgPool => Work::AverageWhole,
                Op::Add => Work::Add,
            };
            largest = largest.max(to.len());
            nodes.push(Node { inputs: node.inputs.clone(), work });
        }
        Ok(Self { nodes, largest })
    }

    /// Computes one node. Tensors that come in keep their identity.
    fn compute<E, T>(
        &self,
        node: NodeId,
        values: &[Images<E, D>],
        parameters: &Parameters<E, D>,
        statistics: Statistics,
    ) -> Try<Computed<E, D, T>, D>
    where
        E: Dtype,
        D: Processor<E>,
        T: Tape<E, D> + Merge<T> + Merge<NoneTape>,
    {
        let Node { inputs, work } = &self.nodes[node];
        let x = || values[inputs[0]].retaped::<T>();
        let dense = |at: usize| parameters.dense[at].retaped::<T>();
        let y = match work {
            Work::Input => unreachable!("images are given"),
            Work::Filter { layer, bias, index, padding } => {
                let weights = parameters.weights[*layer].retaped::<T>();
                let y = match index {
                    // Nobody asks for the gradient of images.
                    Some(index) if inputs[0] == 0 => ops::filtered(weights, ops::columns(values[0].clone(), index, *padding)?)?,
                    Some(index) => ops::filtered(weights, ops::columns(x(), index, *padding)?)?,
                    None => ops::filtered(weights, x())?,
                };
                match bias {
                    Some(bias) => ops::shifted(y, dense(*bias))?,
                    None => y,
                }
            }
            Work::Normalise { affine, moments } => {
                let running = (statistics == Statistics::Running).then(|| moments.map(|at| parameters.dense[at].clone()));
                let (y, batch) = ops::normalised(x(), running, affine.map(|pair| pair.map(dense)))?;
                return Ok((y, Some(batch)));
            }
            Work::Rectify => ops::rectified(x())?,
            Work::Largest { places, padding } => ops::largest(x(), places, *padding)?,
            Work::Average { index, size } => ops::averaged(x(), index, *size)?,
            Work::AverageWhole => ops::averaged_whole(x())?,
            // dfdx does not go back through operations on twice the same tensor.
            Work::Add if inputs[0] == inputs[1] => x().try_mul(super::scalar::<E>(2.0))?,
            Work::Add => x().try_add(values[inputs[1]].retaped::<T>())?,
        };
        Ok((y, None))
    }

    /// What all nodes give.
    pub(super) fn forward<E>(
        &self,
        images: Images<E, D>,
        parameters: &Parameters<E, D>,
        statistics: Statistics,
    ) -> Try<Passed<E, D>, D>
    where
        E: Dtype,
        D: Processor<E>,
    {
        let (mut values, mut moments) = (vec![images], Vec::new());
        for (id, node) in self.nodes.iter().enumerate().skip(1) {
            let (y, batch) = self.compute::<E, NoneTape>(id, &values, parameters, statistics)?;
            if let (Work::Normalise { moments: running, .. }, Some(batch), Statistics::Batch) = (&node.work, batch, statistics) {
                let (_, pixels, samples) = *y.shape();
                moments.push(Moments { running: *running, batch, count: pixels * samples });
            }
            values.push(y);
        }
        Ok(Passed { values, moments })
    }

    /// What the last node gives with running statistics.
    pub(super) fn logits<E>(&self, images: Images<E, D>, parameters: &Parameters<E, D>) -> Try<Images<E, D>, D>
    where
        E: Dtype,
        D: Processor<E>,
    {
        let mut values = self.forward(images, parameters, Statistics::Running)?.values;
        Ok(values.pop().unwrap_or_else(|| unreachable!("there is an input")))
    }

    /// Goes back from the gradient of the last node, last node first. Hands the gradient of each parameter to `each`.
    pub(super) fn backward<E>(
        &self,
        mut values: Vec<Images<E, D>>,
        last: Buffer<E, D>,
        parameters: &Parameters<E, D>,
        each: &mut dyn FnMut(Gradient<E, D>) -> Try<(), D>,
    ) -> Try<(), D>
    where
        E: Dtype,
        D: Processor<E>,
    {
        let mut gradients: Vec<Option<Buffer<E, D>>> = values.iter().map(|_| None).collect();
        if let Some(gradient) = gradients.last_mut() {
            *gradient = Some(last);
        }
        for (id, node) in self.nodes.iter().enumerate().skip(1).rev() {
            // All that read this node are done.
            values.truncate(id);
            let Some(gradient) = gradients[id].take() else { continue };
            let (y, _) = self.compute::<E, OwnedTape<E, D>>(id, &values, parameters, Statistics::Batch)?;
            let so_far = node.inputs.iter().filter_map(|&i| Some((values[i].clone(), gradients[i].take()?))).collect();
            let mut back = go_back(y, gradient, so_far)?;
            for &input in node.inputs.iter().filter(|&&i| i != 0) {
                // The second of two equal inputs finds the gradient taken.
                if gradients[input].is_none() {
                    gradients[input] = Some(taken(&mut back, &values[input])?);
                }
            }
            match &node.work {
                Work::Filter { layer, bias, .. } => {
                    each(Gradient::Weights(*layer, back.get(&parameters.weights[*layer])))?;
                    if let Some(bias) = *bias {
                        each(Gradient::Dense(bias, back.get(&parameters.dense[bias])))?;
                    }
                }
                Work::Normalise { affine, .. } => {
                    for at in (*affine).into_iter().flatten() {
                        each(Gradient::Dense(at, back.get(&parameters.dense[at])))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Goes back through a tape from the gradient of what it led to; adds to the gradients that some tensors have already.
fn go_back<S: Shape, E: Dtype, D: Processor<E>>(
    y: Tensor<S, E, D, OwnedTape<E, D>>,
    gradient: Buffer<E, D>,
    so_far: Vec<(Images<E, D>, Buffer<E, D>)>,
) -> Try<Gradients<E, D>, D> {
    let (y, mut tape) = y.split_tape();
    let device = y.device().clone();
    let y = y.ghost();
    // dfdx goes back from a number of its own, whose gradient is 1; this is done next.
    tape.add_backward_op(move |gradients| {
        *gradients.get_or_alloc_mut(&y)? = gradient;
        for (tensor, buffer) in so_far {
            *gradients.get_or_alloc_mut(&tensor)? = buffer;
        }
        Ok(())
    });
    let number: Tensor<Rank0, E, D> = device.try_zeros()?;
    number.put_tape(tape).try_backward()
}

/// Takes the memory of a gradient out.
pub(super) fn taken<S: Shape, E: Dtype, D: Processor<E>>(
    gradients: &mut Gradients<E, D>,
    of: &Tensor<S, E, D>,
) -> Try<Buffer<E, D>, D> {
    let nothing = <D as Storage<E>>::try_alloc_len(of.device(), 1)?;
    Ok(std::mem::replace(gradients.get_or_alloc_mut(of)?, nothing))
}
