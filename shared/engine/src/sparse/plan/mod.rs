//! From a model's nodes to the steps the engine takes.
//!
//! Normalisations and ReLUs are no steps of their own: whoever reads a tensor applies them on the way ([`Source`]), so their
//! results are never stored. Additions and poolings write tensors, as convolutions do.

mod gradients;

use super::conv::ConvShape;
use super::pool::Window;
use er_networks::model::{Image, ModelSpec, NodeId, Op, ParamKind};

pub(super) use gradients::{Back, Buffers, Finish, Mode, Write};

/// Index of a stored tensor; 0 is the network's input.
pub(super) type TensorId = usize;

/// Index into [`Plan::sources`].
pub(super) type SourceId = usize;

/// A tensor as somebody reads it: `relu?(normalise?(tensor))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) tensor: TensorId,
    pub(super) norm: Option<usize>,
    pub(super) relu: bool,
}

/// One operation. Indices of dense parameters are those of `ModelState::dense`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Conv {
        layer: usize,
        input: SourceId,
        output: TensorId,
        bias: Option<usize>,
    },
    /// Writes a source, or the sum of two.
    Sum {
        inputs: Vec<SourceId>,
        output: TensorId,
    },
    MaxPool {
        window: Window,
        input: SourceId,
        output: TensorId,
    },
    AvgPool {
        window: Window,
        input: SourceId,
        output: TensorId,
    },
}

impl Step {
    pub(super) fn output(&self) -> TensorId {
        match *self {
            Self::Conv { output, .. }
            | Self::Sum { output, .. }
            | Self::MaxPool { output, .. }
            | Self::AvgPool { output, .. } => output,
        }
    }

    /// Sources read.
    pub(super) fn inputs(&self) -> &[SourceId] {
        match self {
            Self::Sum { inputs, .. } => inputs,
            Self::Conv { input, .. } | Self::MaxPool { input, .. } | Self::AvgPool { input, .. } => std::slice::from_ref(input),
        }
    }
}

/// A batch normalisation: what it reads, and where its values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NormPlan {
    pub(super) tensor: TensorId,
    pub(super) channels: usize,
    /// Scale and shift, if trained.
    pub(super) affine: Option<[usize; 2]>,
    pub(super) mean: usize,
    pub(super) variance: usize,
}

/// How an engine computes a model.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) sources: Vec<Source>,
    pub(super) norms: Vec<NormPlan>,
    /// Shape of each stored tensor.
    pub(super) tensors: Vec<Image>,
    /// The logits.
    pub(super) logits: SourceId,
    /// Where each layer sits.
    pub(super) convs: Vec<ConvShape>,
    /// Per step, what its backward pass reads and writes.
    pub(super) back: Vec<Back>,
    /// Memory for gradients.
    pub(super) buffers: Buffers,
}

impl Plan {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        let mut fuser = Fuser { spec, value: Vec::new(), plan: Parts::default() };
        fuser.run();
        let Parts { steps, sources, norms, tensors, logits } = fuser.plan;
        let convs: Vec<ConvShape> = spec
            .layers()
            .iter()
            .map(|l| match spec.nodes()[l.node].op {
                Op::Conv { shape, stride, padding, groups, .. } => ConvShape { shape, stride, padding, groups, linear: false },
                _ => ConvShape { shape: l.shape, stride: 1, padding: 0, groups: 1, linear: true },
            })
            .collect();
        let (back, buffers) = gradients::schedule(&steps, &sources, &norms, &tensors, &convs, logits);
        Self { steps, sources, norms, tensors, logits, convs, back, buffers }
    }

    /// The normalisation of a tensor.
    pub(super) fn norm_of(&self, tensor: TensorId) -> Option<usize> {
        self.norms.iter().position(|n| n.tensor == tensor)
    }
}

#[derive(Default)]
struct Parts {
    steps: Vec<Step>,
    sources: Vec<Source>,
    norms: Vec<NormPlan>,
    tensors: Vec<Image>,
    logits: SourceId,
}

struct Fuser<'a> {
    spec: &'a ModelSpec,
    /// How each node's value is read.
    value: Vec<Source>,
    plan: Parts,
}

impl Fuser<'_> {
    fn run(&mut self) {
        for (id, node) in self.spec.nodes().iter().enumerate() {
            let input = node.inputs.first().map_or(Source { tensor: 0, norm: None, relu: false }, |&i| self.value[i]);
            let from = node.inputs.first().map_or(node.output, |&i| self.spec.nodes()[i].output);
            let value = match node.op {
                Op::Input => self.tensor(node.output),
                Op::Conv { bias, .. } => self.conv(id, input, bias),
                Op::Linear { bias, .. } => {
                    // Flattened, a normalisation's channels would no longer be the layer's.
                    let mixed = input.norm.is_some() && from.height * from.width > 1;
                    let input = if mixed { self.store(input) } else { input };
                    self.conv(id, input, bias)
                }
                Op::BatchNorm { .. } => {
                    // One normalisation a tensor: then there are no more than four ways to read it.
                    let taken = self.plan.norms.iter().any(|n| n.tensor == input.tensor);
                    let input = if input.norm.is_some() || input.relu || taken { self.store(input) } else { input };
                    let norm = self.norm(id, input.tensor);
                    Source { norm: Some(norm), ..input }
                }
                Op::Relu => Source { relu: true, ..input },
                Op::Add => {
                    let inputs = vec![self.source(input), self.source(self.value[node.inputs[1]])];
                    self.push(node.output, |output| Step::Sum { inputs, output })
                }
                Op::MaxPool { kernel, stride, padding } => {
                    let window = Window { height: kernel, width: kernel, stride, padding };
                    let input = self.source(input);
                    self.push(node.output, |output| Step::MaxPool { window, input, output })
                }
                Op::AvgPool { .. } | Op::GlobalAvgPool => {
                    let window = match node.op {
                        Op::AvgPool { kernel, stride } => Window { height: kernel, width: kernel, stride, padding: 0 },
                        _ => Window { height: from.height, width: from.width, stride: 1, padding: 0 },
                    };
                    let input = self.source(input);
                    self.push(node.output, |output| Step::AvgPool { window, input, output })
                }
            };
            self.value.push(value);
        }
        let last = self.value[self.value.len() - 1];
        let logits = if last.norm.is_some() || last.relu { self.store(last) } else { last };
        self.plan.logits = self.source(logits);
    }

    fn tensor(&mut self, image: Image) -> Source {
        self.plan.tensors.push(image);
        Source { tensor: self.plan.tensors.len() - 1, norm: None, relu: false }
    }

    fn push(&mut self, image: Image, step: impl FnOnce(TensorId) -> Step) -> Source {
        let value = self.tensor(image);
        self.plan.steps.push(step(value.tensor));
        value
    }

    fn source(&mut self, source: Source) -> SourceId {
        let sources = &mut self.plan.sources;
        sources.iter().position(|&s| s == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        })
    }

    /// Writes a source to a tensor of its own.
    fn store(&mut self, source: Source) -> Source {
        let image = self.plan.tensors[source.tensor];
        let inputs = vec![self.source(source)];
        self.push(image, |output| Step::Sum { inputs, output })
    }

    fn conv(&mut self, id: NodeId, input: Source, bias: bool) -> Source {
        let layer = self.plan.steps.iter().filter(|s| matches!(s, Step::Conv { .. })).count();
        let input = self.source(input);
        let bias = bias.then(|| self.dense(id, ParamKind::Bias)).flatten();
        self.push(self.spec.nodes()[id].output, |output| Step::Conv { layer, input, output, bias })
    }

    fn norm(&mut self, node: NodeId, tensor: TensorId) -> usize {
        let find = |kind| self.dense(node, kind);
        let missing = || unreachable!("every normalisation has running statistics");
        let norm = NormPlan {
            tensor,
            channels: self.spec.nodes()[node].output.channels,
            affine: find(ParamKind::Scale).zip(find(ParamKind::Shift)).map(|(a, b)| [a, b]),
            mean: find(ParamKind::Mean).unwrap_or_else(missing),
            variance: find(ParamKind::Variance).unwrap_or_else(missing),
        };
        self.plan.norms.push(norm);
        self.plan.norms.len() - 1
    }

    /// Index of a node's parameter among those that are not weights of layers.
    fn dense(&self, node: NodeId, kind: ParamKind) -> Option<usize> {
        self.spec.dense_parameters().enumerate().find(|(_, p)| p.node == node && p.kind == kind).map(|(i, _)| i)
    }
}
