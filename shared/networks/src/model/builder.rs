//! Building a network one node after the other.

use super::{DefaultInit, Image, ModelSpec, NodeId, Op};
use er_graphs::error::Result;
use er_graphs::graph::LayerShape;

/// A network under construction. Each method reads the node added last and derives the number of input channels from it, so a
/// family's file says only what the family chooses.
#[derive(Debug, Clone)]
pub struct Builder {
    spec: ModelSpec,
    last: NodeId,
}

impl Builder {
    /// A network with only its input.
    pub fn new(name: impl Into<String>, input: Image, init: DefaultInit) -> Self {
        Self { spec: ModelSpec::new(name, input, init), last: 0 }
    }

    /// The node added last.
    pub fn last(&self) -> NodeId {
        self.last
    }

    /// Shape of what the node added last gives.
    pub fn shape(&self) -> Image {
        self.spec.nodes()[self.last].output
    }

    /// Continues from an earlier node: the start of a branch.
    pub fn go_to(&mut self, node: NodeId) -> &mut Self {
        self.last = node;
        self
    }

    /// Square convolution in one group.
    ///
    /// # Errors
    /// Here and below: that of [`ModelSpec::push`].
    pub fn conv(
        &mut self,
        name: impl Into<String>,
        out: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        bias: bool,
    ) -> Result<&mut Self> {
        let shape = LayerShape::conv(out, self.shape().channels, [kernel, kernel]);
        self.push(name, Op::Conv { shape, stride, padding, groups: 1, bias })
    }

    /// 3×3 convolution of each channel on its own, padding 1, no bias.
    pub fn depthwise(&mut self, name: impl Into<String>, stride: usize) -> Result<&mut Self> {
        let groups = self.shape().channels;
        self.push(name, Op::Conv { shape: LayerShape::conv(groups, 1, [3, 3]), stride, padding: 1, groups, bias: false })
    }

    /// Linear layer on everything the last node gives.
    pub fn linear(&mut self, name: impl Into<String>, out: usize, bias: bool) -> Result<&mut Self> {
        let shape = LayerShape::linear(out, self.shape().len());
        self.push(name, Op::Linear { shape, bias })
    }

    /// Batch normalisation with trained scale and shift.
    pub fn norm(&mut self, name: impl Into<String>) -> Result<&mut Self> {
        self.push(name, Op::BatchNorm { affine: true })
    }

    /// max(x, 0).
    pub fn relu(&mut self, name: impl Into<String>) -> Result<&mut Self> {
        self.push(name, Op::Relu)
    }

    /// 2×2 max-pool with stride 2; an odd last row or column is dropped.
    pub fn halve(&mut self, name: impl Into<String>) -> Result<&mut Self> {
        self.max_pool(name, 2, 2, 0)
    }

    /// Max-pool.
    pub fn max_pool(&mut self, name: impl Into<String>, kernel: usize, stride: usize, padding: usize) -> Result<&mut Self> {
        self.push(name, Op::MaxPool { kernel, stride, padding })
    }

    /// Mean over all pixels; nothing where there is only one.
    pub fn global_pool(&mut self, name: impl Into<String>) -> Result<&mut Self> {
        let shape = self.shape();
        if shape.height * shape.width == 1 { Ok(self) } else { self.push(name, Op::GlobalAvgPool) }
    }

    /// Sum of the last node and another.
    pub fn add(&mut self, name: impl Into<String>, other: NodeId) -> Result<&mut Self> {
        self.last = self.spec.push(name, Op::Add, &[self.last, other])?;
        Ok(self)
    }

    /// The finished network.
    pub fn finish(self) -> ModelSpec {
        self.spec
    }

    fn push(&mut self, name: impl Into<String>, op: Op) -> Result<&mut Self> {
        self.last = self.spec.push(name, op, &[self.last])?;
        Ok(self)
    }
}
