//! From a model's nodes to the steps the engine takes: fusion, halos, and which gradient is written when.

use super::conv::ConvShape;
use super::pool::Window;
use super::tensor::Geometry;
use crate::model::{Image, ModelSpec, NodeId, Op, ParamKind};

/// Index of a tensor; 0 is the network's input.
pub(super) type TensorId = usize;

/// One fused operation. Indices of dense parameters are those of `ModelState::dense`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Conv { layer: usize, input: TensorId, output: TensorId, bias: Option<usize> },
    Norm { norm: NormStep, input: TensorId, residual: Option<TensorId>, output: TensorId, relu: bool },
    Relu { input: TensorId, output: TensorId },
    Add { inputs: [TensorId; 2], output: TensorId },
    MaxPool { window: Window, input: TensorId, output: TensorId },
    AvgPool { window: Window, input: TensorId, output: TensorId },
}

/// Where a normalisation's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NormStep {
    pub(super) index: usize,
    /// Scale and shift, if trained.
    pub(super) affine: Option<[usize; 2]>,
    pub(super) mean: usize,
    pub(super) variance: usize,
}

impl Step {
    pub(super) fn output(&self) -> TensorId {
        match *self {
            Self::Conv { output, .. }
            | Self::Norm { output, .. }
            | Self::Relu { output, .. }
            | Self::Add { output, .. }
            | Self::MaxPool { output, .. }
            | Self::AvgPool { output, .. } => output,
        }
    }

    /// Tensors read. The backward step writes their gradients in the reverse order, which matters where both are one tensor.
    pub(super) fn inputs(&self) -> [Option<TensorId>; 2] {
        match *self {
            Self::Norm { input, residual, .. } => [Some(input), residual],
            Self::Add { inputs, .. } => inputs.map(Some),
            Self::Conv { input, .. } | Self::Relu { input, .. } | Self::MaxPool { input, .. } | Self::AvgPool { input, .. } => {
                [Some(input), None]
            }
        }
    }
}

/// Where the gradient of a step's inputs goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// No gradient is wanted (the network's input).
    pub(super) skip: bool,
    /// Another step has already written it: add.
    pub(super) accumulate: bool,
}

/// How an engine computes a model.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Geometry of each tensor's activations.
    pub(super) activations: Vec<Geometry>,
    /// Geometry of each tensor's gradient.
    pub(super) gradients: Vec<Geometry>,
    /// Buffer that holds each tensor's gradient while it lives; buffers are shared by tensors that do not live together.
    pub(super) gradient_buffer: Vec<usize>,
    /// Geometry of each buffer.
    pub(super) buffers: Vec<Geometry>,
    /// Per step, what its backward pass does with the gradients of its inputs.
    pub(super) targets: Vec<[Target; 2]>,
    /// Channels of each normalisation.
    pub(super) norms: Vec<usize>,
    /// Where each layer sits.
    pub(super) convs: Vec<ConvShape>,
}

impl Plan {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let (steps, images, norms) = Fuser::new(spec).run();
        let convs: Vec<ConvShape> = spec
            .layers()
            .iter()
            .map(|l| match spec.nodes()[l.node].op {
                Op::Conv { shape, stride, padding, groups, .. } => ConvShape { shape, stride, padding, groups, linear: false },
                _ => ConvShape { shape: l.shape, stride: 1, padding: 0, groups: 1, linear: true },
            })
            .collect();
        let geometry = |&image: &Image| Geometry { image, halo: 0 };
        let mut activations: Vec<Geometry> = images.iter().map(geometry).collect();
        let mut gradients = activations.clone();
        for step in &steps {
            if let Step::Conv { layer, input, output, .. } = *step {
                let conv = convs[layer];
                let halo = &mut activations[input].halo;
                *halo = conv.input_halo().max(*halo);
                gradients[output].halo = conv.output_halo(images[input], images[output]);
            }
        }
        let (targets, gradient_buffer, buffers) = schedule_gradients(&steps, &gradients);
        Self { steps, activations, gradients, gradient_buffer, buffers, targets, norms, convs }
    }

    /// The logits.
    pub(super) fn logits(&self) -> TensorId {
        self.activations.len() - 1
    }
}

/// Walks the steps backwards: who writes a gradient first, and when its buffer is free again.
fn schedule_gradients(steps: &[Step], geometry: &[Geometry]) -> (Vec<[Target; 2]>, Vec<usize>, Vec<Geometry>) {
    let mut buffers = Vec::new();
    let mut free: Vec<usize> = Vec::new();
    let mut holder: Vec<Option<usize>> = vec![None; geometry.len()];
    let mut take = |tensor: usize, free: &mut Vec<usize>| {
        // Only a buffer of the same geometry: its halo is zero and stays so.
        let same = free.iter().position(|&b| buffers[b] == geometry[tensor]);
        same.map_or_else(
            || {
                buffers.push(geometry[tensor]);
                buffers.len() - 1
            },
            |at| free.swap_remove(at),
        )
    };
    let last = geometry.len() - 1;
    holder[last] = Some(take(last, &mut free));
    let mut targets = vec![[Target::default(); 2]; steps.len()];
    for (s, step) in steps.iter().enumerate().rev() {
        for (target, input) in targets[s].iter_mut().zip(step.inputs()).rev() {
            let Some(input) = input else { continue };
            target.skip = input == 0;
            target.accumulate = holder[input].is_some();
            if !target.skip && !target.accumulate {
                holder[input] = Some(take(input, &mut free));
            }
        }
        free.extend(holder[step.output()]);
    }
    // The input's gradient is never computed; it gets a number that is never used.
    let gradient_buffer = holder.iter().map(|h| h.unwrap_or(usize::MAX)).collect();
    (targets, gradient_buffer, buffers)
}

/// Turns nodes into steps: a normalisation absorbs the addition and the ReLU that alone read it.
struct Fuser<'a> {
    spec: &'a ModelSpec,
    /// Number of nodes that read each node.
    readers: Vec<usize>,
    /// Tensor of each node that has one of its own.
    tensor: Vec<Option<TensorId>>,
    images: Vec<Image>,
    steps: Vec<Step>,
    norms: Vec<usize>,
}

impl<'a> Fuser<'a> {
    fn new(spec: &'a ModelSpec) -> Self {
        let mut readers = vec![0; spec.nodes().len()];
        for node in spec.nodes() {
            for &i in &node.inputs {
                readers[i] += 1;
            }
        }
        Self { spec, readers, tensor: vec![None; spec.nodes().len()], images: Vec::new(), steps: Vec::new(), norms: Vec::new() }
    }

    fn run(mut self) -> (Vec<Step>, Vec<Image>, Vec<usize>) {
        let mut layer = 0;
        for (id, node) in self.spec.nodes().iter().enumerate() {
            if self.is_absorbed(id) {
                continue;
            }
            let tensor = self.images.len();
            self.images.push(node.output);
            self.tensor[id] = Some(tensor);
            let input = |f: &Self| f.read(node.inputs[0]);
            let from = node.inputs.first().map_or(node.output, |&i| self.spec.nodes()[i].output);
            let step = match node.op {
                Op::Input => continue,
                Op::Conv { bias, .. } | Op::Linear { bias, .. } => {
                    layer += 1;
                    let bias = bias.then(|| self.dense(id, ParamKind::Bias)).flatten();
                    Step::Conv { layer: layer - 1, input: input(&self), output: tensor, bias }
                }
                Op::MaxPool { kernel, stride, padding } => {
                    let window = Window { height: kernel, width: kernel, stride, padding };
                    Step::MaxPool { window, input: input(&self), output: tensor }
                }
                Op::AvgPool { kernel, stride } => {
                    let window = Window { height: kernel, width: kernel, stride, padding: 0 };
                    Step::AvgPool { window, input: input(&self), output: tensor }
                }
                Op::GlobalAvgPool => {
                    let window = Window { height: from.height, width: from.width, stride: 1, padding: 0 };
                    Step::AvgPool { window, input: input(&self), output: tensor }
                }
                Op::BatchNorm { .. } => self.norm(id, None, false, tensor),
                Op::Add => match self.absorbed_by_add(id) {
                    Some(norm) => self.norm(norm, Some(self.other(id, norm)), false, tensor),
                    None => Step::Add { inputs: [self.read(node.inputs[0]), self.read(node.inputs[1])], output: tensor },
                },
                Op::Relu => match self.absorbed_by_relu(id) {
                    Some(add) if self.spec.nodes()[add].op == Op::Add => match self.absorbed_by_add(add) {
                        Some(norm) => self.norm(norm, Some(self.other(add, norm)), true, tensor),
                        None => Step::Relu { input: input(&self), output: tensor },
                    },
                    Some(norm) => self.norm(norm, None, true, tensor),
                    None => Step::Relu { input: input(&self), output: tensor },
                },
            };
            self.steps.push(step);
        }
        (self.steps, self.images, self.norms)
    }

    /// Tensor of a node.
    fn read(&self, node: NodeId) -> TensorId {
        self.tensor[node].unwrap_or_else(|| unreachable!("a fused node is read by nobody else"))
    }

    /// The normalisation that an addition is fused into: the later one if both summands could be.
    fn absorbed_by_add(&self, add: NodeId) -> Option<NodeId> {
        let node = &self.spec.nodes()[add];
        let fits = |&&i: &&NodeId| matches!(self.spec.nodes()[i].op, Op::BatchNorm { .. }) && self.readers[i] == 1;
        node.inputs.iter().filter(fits).max().copied()
    }

    /// The normalisation or fused addition that a ReLU is fused into.
    fn absorbed_by_relu(&self, relu: NodeId) -> Option<NodeId> {
        let from = self.spec.nodes()[relu].inputs[0];
        let fits = match self.spec.nodes()[from].op {
            Op::BatchNorm { .. } => true,
            Op::Add => self.absorbed_by_add(from).is_some(),
            _ => false,
        };
        (fits && self.readers[from] == 1).then_some(from)
    }

    /// Whether a later node computes this one.
    fn is_absorbed(&self, id: NodeId) -> bool {
        self.readers[id] == 1
            && self.spec.nodes().iter().enumerate().skip(id + 1).any(|(later, node)| {
                node.inputs.contains(&id)
                    && match node.op {
                        Op::Add => self.absorbed_by_add(later) == Some(id),
                        Op::Relu => self.absorbed_by_relu(later) == Some(id),
                        _ => false,
                    }
            })
    }

    /// Tensor of the summand that is not `norm`.
    fn other(&self, add: NodeId, norm: NodeId) -> TensorId {
        let inputs = &self.spec.nodes()[add].inputs;
        self.read(if inputs[0] == norm { inputs[1] } else { inputs[0] })
    }

    fn norm(&mut self, node: NodeId, residual: Option<TensorId>, relu: bool, output: TensorId) -> Step {
        let index = self.norms.len();
        self.norms.push(self.spec.nodes()[node].output.channels);
        let find = |kind| self.dense(node, kind);
        let affine = find(ParamKind::Scale).zip(find(ParamKind::Shift)).map(|(a, b)| [a, b]);
        let missing = || unreachable!("every normalisation has running statistics");
        let norm = NormStep {
            index,
            affine,
            mean: find(ParamKind::Mean).unwrap_or_else(missing),
            variance: find(ParamKind::Variance).unwrap_or_else(missing),
        };
        Step::Norm { norm, input: self.read(self.spec.nodes()[node].inputs[0]), residual, output, relu }
    }

    /// Index of a node's parameter among those that are not weights of layers.
    fn dense(&self, node: NodeId, kind: ParamKind) -> Option<usize> {
        let parameters = self.spec.parameters();
        let dense = parameters.iter().filter(|p| !matches!(p.kind, ParamKind::Weight(_)));
        dense.enumerate().find(|(_, p)| p.node == node && p.kind == kind).map(|(i, _)| i)
    }
}
