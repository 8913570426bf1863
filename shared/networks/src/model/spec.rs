//! What an architecture is: a list of nodes with shapes.

use er_graphs::error::{Error, Result};
use er_graphs::graph::LayerShape;

/// Shape of one sample at some point of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Image {
    /// Channels (features, where height and width are 1).
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Image {
    /// `channels × height × width`.
    #[must_use]
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Values in one sample.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Whether there are no values.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Most values of a tensor, and most multiplications of a layer on one sample: sums over all layers that a name can have are exact in
/// 63 bits, and each of them in a double.
const COUNTABLE: u128 = 1 << 47;

/// Refuses a node whose output has more values or whose weights make more multiplications than can be counted.
pub(super) fn countable(model: &str, node: &str, weights: &[usize], output: Image) -> Result<()> {
    let product =
        |sides: &[usize]| sides.iter().try_fold(1_u128, |n, side| n.checked_mul(*side as u128).filter(|n| *n <= COUNTABLE));
    let pixels = [output.height, output.width];
    let Image { channels, .. } = output;
    if product(&[&[channels], &pixels[..]].concat()).is_some() && product(&[weights, &pixels[..]].concat()).is_some() {
        return Ok(());
    }
    let what = format!("model {model}: {node} of {output} has more values or multiplications than {COUNTABLE}");
    Err(Error::usage(what).help("choose a smaller network, or smaller images"))
}

/// Index into [`ModelSpec::nodes`].
pub type NodeId = usize;

/// What a node computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The network's input; always node 0.
    Input,
    /// Convolution with zero padding.
    Conv {
        /// Weight tensor; `inp` is per group.
        shape: LayerShape,
        /// Step in both directions.
        stride: usize,
        /// Zeros on every side.
        padding: usize,
        /// Groups of channels that see only each other.
        groups: usize,
        /// Whether each output channel adds a trained constant.
        bias: bool,
    },
    /// Linear layer on the input flattened in `(channel, row, column)` order; its output has height and width 1.
    Linear {
        /// Weight tensor.
        shape: LayerShape,
        /// Whether each output unit adds a trained constant.
        bias: bool,
    },
    /// Batch normalisation over samples, rows and columns of each channel (ε = 1e-5, momentum 0.1).
    BatchNorm {
        /// Whether scale and shift are trained; without, they are 1 and 0.
        affine: bool,
    },
    /// max(x, 0).
    Relu,
    /// Largest value of each window; positions outside the image never win.
    MaxPool {
        /// Side of the window.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Border on every side.
        padding: usize,
    },
    /// Mean of each window.
    AvgPool {
        /// Side of the window.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
    },
    /// Mean of each channel.
    GlobalAvgPool,
    /// Sum of two nodes of equal shape.
    Add,
}

/// One node of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Module name; its parameters are `<name>.weight`, `<name>.bias`, `<name>.running_mean`, `<name>.running_var`.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// What it reads: nothing for the input, two nodes for [`Op::Add`], else one.
    pub inputs: Vec<NodeId>,
    /// Shape of its output per sample.
    pub output: Image,
}

/// A weight tensor: a convolution or linear layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The node it belongs to.
    pub node: NodeId,
    /// Parameter name, `<module>.weight`.
    pub name: String,
    /// Shape of the weight tensor.
    pub shape: LayerShape,
    /// Groups of channels (1 for a linear layer).
    pub groups: usize,
    /// Shape of the node's output, for counting operations.
    pub output: Image,
    /// A depthwise convolution, which stays dense and outside every distribution unless asked for.
    pub depthwise: bool,
}

impl Layer {
    /// Multiply-accumulate operations on one sample with every weight present: each weight is used once per output pixel.
    #[must_use]
    pub fn multiply_adds(&self) -> usize {
        self.shape.weights() * self.output.height * self.output.width
    }
}

/// What a parameter or buffer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Weight tensor of the layer with this index.
    Weight(usize),
    /// Bias of a convolution or linear layer.
    Bias,
    /// Trained scale of a batch normalisation (γ).
    Scale,
    /// Trained shift of a batch normalisation (β).
    Shift,
    /// Running mean (not trained).
    Mean,
    /// Running variance (not trained).
    Variance,
}

impl ParamKind {
    /// Whether the optimiser moves it.
    #[must_use]
    pub fn trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }
}

/// One parameter or buffer of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name as in a state dictionary.
    pub name: String,
    /// Shape as in a state dictionary.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: ParamKind,
    /// The node it belongs to.
    pub node: NodeId,
}

impl Parameter {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a family initialises its own parameters (`--init-method default`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultInit {
    /// Convolutions N(0, 2/`fan_out`), linear layers N(0, 0.01²), biases 0 (VGG, wide ResNet).
    FanOutNormal,
    /// Weights and biases U(±1/√`fan_in`) (PyTorch's own default; ResNet-18/34/50, LeNet, networks of linear layers).
    FanInUniform,
    /// Weights N(0, 2/`fan_in`), biases U(±1/√`fan_in`) (ResNet-20 family, MobileNet, soft-threshold ResNet, small networks).
    KaimingNormal,
}

/// An architecture: nodes in an order in which they can be computed. The last node gives the logits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSpec {
    name: String,
    input: Image,
    nodes: Vec<Node>,
    layers: Vec<Layer>,
    default_init: DefaultInit,
}

impl ModelSpec {
    /// Starts a network for samples of this shape.
    #[must_use]
    pub fn new(name: impl Into<String>, input: Image, default_init: DefaultInit) -> Self {
        let node = Node { name: "input".into(), op: Op::Input, inputs: Vec::new(), output: input };
        Self { name: name.into(), input, nodes: vec![node], layers: Vec::new(), default_init }
    }

    /// Adds a node and returns its index.
    ///
    /// # Errors
    /// If the operation does not fit the shape of what it reads, or has more than 2⁴⁷ outputs or multiplications on one sample (named in the
    /// message).
    ///
    /// # Panics
    /// If `inputs` names a node that does not exist yet or the wrong number of nodes.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let name = name.into();
        assert_eq!(inputs.len(), if op == Op::Add { 2 } else { 1 }, "{name}: wrong number of inputs");
        let from = self.nodes[inputs[0]].output;
        let bad = |why: String| Error::usage(format!("model {}: {name} cannot read {from}: {why}", self.name));
        let window = |kernel: [usize; 2], stride: usize, padding: usize| {
            let side = |n: usize, k: usize| (n + 2 * padding).checked_sub(k).map(|room| room / stride + 1);
            match (side(from.height, kernel[0]), side(from.width, kernel[1])) {
                (Some(h), Some(w)) => Ok((h, w)),
                _ => Err(bad(format!("smaller than its {}x{} window", kernel[0], kernel[1]))
                    .help("use a larger --input or a model for small images")),
            }
        };
        let output = match op {
            Op::Input => return Err(bad("a network has one input".into())),
            Op::Conv { shape, stride, padding, groups, .. } => {
                if shape.inp * groups != from.channels || !shape.out.is_multiple_of(groups) {
                    return Err(bad(format!("weight {shape} in {groups} groups")));
                }
                let (h, w) = window(shape.kernel, stride, padding)?;
                Image::new(shape.out, h, w)
            }
            Op::Linear { shape, .. } => {
                if shape.inp != from.len() {
                    return Err(bad(format!("weight {shape}")));
                }
                Image::new(shape.out, 1, 1)
            }
            Op::BatchNorm { .. } | Op::Relu => from,
            Op::MaxPool { kernel, stride, padding } => {
                let (h, w) = window([kernel, kernel], stride, padding)?;
                Image::new(from.channels, h, w)
            }
            Op::AvgPool { kernel, stride } => {
                let (h, w) = window([kernel, kernel], stride, 0)?;
                Image::new(from.channels, h, w)
            }
            Op::GlobalAvgPool => Image::new(from.channels, 1, 1),
            Op::Add => {
                let other = self.nodes[inputs[1]].output;
                if other != from {
                    return Err(bad(format!("the other summand has shape {other}")));
                }
                from
            }
        };
        let weights = if let Op::Conv { shape, .. } | Op::Linear { shape, .. } = op { shape.dims() } else { Vec::new() };
        countable(&self.name, &name, &weights, output)?;
        let node = self.nodes.len();
        if let Op::Conv { shape, .. } | Op::Linear { shape, .. } = op {
            let groups = if let Op::Conv { groups, .. } = op { groups } else { 1 };
            let depthwise = groups > 1 && shape.inp == 1;
            self.layers.push(Layer { node, name: format!("{name}.weight"), shape, groups, output, depthwise });
        }
        self.nodes.push(Node { name, op, inputs: inputs.to_vec(), output });
        Ok(node)
    }

    /// Canonical name, for example `resnet18`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shape of one input sample.
    #[must_use]
    pub fn input(&self) -> Image {
        self.input
    }

    /// Number of logits.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.nodes.last().map_or(0, |n| n.output.len())
    }

    /// The nodes, in an order in which they can be computed.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The weight tensors in definition order: stem, then each block (its convolutions, then its shortcut), then the classifier.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// How this family initialises its parameters.
    #[must_use]
    pub fn default_init(&self) -> DefaultInit {
        self.default_init
    }

    /// Every parameter and buffer that is no masked weight (biases, scales, shifts, running statistics), in node order: those of
    /// [`ModelState::dense`](super::ModelState::dense).
    pub fn dense_parameters(&self) -> impl Iterator<Item = Parameter> + use<> {
        self.parameters().into_iter().filter(|p| !matches!(p.kind, ParamKind::Weight(_)))
    }

    /// Every parameter and buffer, in node order.
    #[must_use]
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut all = Vec::new();
        let mut layer = 0;
        for (node, n) in self.nodes.iter().enumerate() {
            let mut add = |suffix: &str, shape: Vec<usize>, kind| {
                all.push(Parameter { name: format!("{}.{suffix}", n.name), shape, kind, node });
            };
            match n.op {
                Op::Conv { shape, bias, .. } | Op::Linear { shape, bias } => {
                    add("weight", shape.dims(), ParamKind::Weight(layer));
                    layer += 1;
                    if bias {
                        add("bias", vec![shape.out], ParamKind::Bias);
                    }
                }
                Op::BatchNorm { affine } => {
                    let channels = vec![n.output.channels];
                    if affine {
                        add("weight", channels.clone(), ParamKind::Scale);
                        add("bias", channels.clone(), ParamKind::Shift);
                    }
                    add("running_mean", channels.clone(), ParamKind::Mean);
                    add("running_var", channels, ParamKind::Variance);
                }
                _ => {}
            }
        }
        all
    }

    /// Number of weights of all layers.
    #[must_use]
    pub fn weight_count(&self) -> usize {
        self.layers.iter().map(|l| l.shape.weights()).sum()
    }

    /// Number of trained values: weights, biases, scales and shifts.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.parameters().iter().filter(|p| p.kind.trained()).map(Parameter::len).sum()
    }
}
