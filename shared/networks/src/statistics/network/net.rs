//! A network reduced to what decides paths: stages between tensors, and sums of tensors.

use crate::model::{Image, ModelSpec, NodeId, Op};
use er_graphs::graph::{LayerShape, Mask};
use std::ops::Range;

/// What the units of a network's graph are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathView {
    /// Channels, wherever their pixels are: a path goes through any of the kernel positions that an edge between two channels has, and
    /// pooling adds none. A linear layer that reads an image has as many parallel edges from a channel as it keeps pixels of it. The units of an
    /// image that only linear layers read are its pixels.
    Channels,
    /// Every pixel of every channel: the unrolled computation graph. Padding carries no path, a pooling window one for each pixel in
    /// it.
    Pixels,
}

/// What happens at a node, as far as paths go.
pub(super) enum Step {
    /// Paths begin.
    Image,
    /// Edges lead here.
    Stage(Stage),
    /// Two tensors meet, unit by unit.
    Sum([NodeId; 2]),
    /// Nothing: the node has the units and the paths of an earlier one, which has a step of another kind.
    Same(NodeId),
}

/// A network's steps in one view.
pub(super) struct Net {
    /// One for each node of the model.
    pub(super) steps: Vec<Step>,
    /// Units of each node.
    pub(super) units: Vec<usize>,
    /// Values a unit: pixels in the pixel view, 1 in the channel view.
    pub(super) planes: Vec<usize>,
}

impl Net {
    pub(super) fn new(spec: &ModelSpec, view: PathView) -> Self {
        let nodes = spec.nodes();
        let mut steps: Vec<Step> = Vec::with_capacity(nodes.len());
        let mut layer = 0;
        for node in nodes {
            let source = |k: usize| match steps[node.inputs[k]] {
                Step::Same(earlier) => earlier,
                _ => node.inputs[k],
            };
            steps.push(match node.op {
                Op::Input => Step::Image,
                Op::Add => Step::Sum([source(0), source(1)]),
                _ => match Stage::new(spec, node.op, node.inputs[0], node.output, view) {
                    None => Step::Same(source(0)),
                    Some(mut stage) => {
                        stage.input = source(0);
                        if let Op::Conv { .. } | Op::Linear { .. } = node.op {
                            stage.layer = Some(layer);
                            layer += 1;
                        }
                        Step::Stage(stage)
                    }
                },
            });
        }
        let plane = |image: Image| if view == PathView::Pixels { image.height * image.width } else { 1 };
        let mut net = Self {
            steps,
            units: nodes.iter().map(|n| n.output.channels).collect(),
            planes: nodes.iter().map(|n| plane(n.output)).collect(),
        };
        if view == PathView::Channels {
            net.flatten_image(spec.input());
        }
        net
    }

    /// Makes the pixels of the image its units, if only linear layers read them.
    fn flatten_image(&mut self, image: Image) {
        let linear = |step: &Step| match step {
            Step::Stage(stage) => stage.input > 0 || stage.shape.linear && stage.shape.inp == image.len(),
            Step::Sum(summands) => !summands.contains(&0),
            Step::Image | Step::Same(_) => true,
        };
        if !self.steps.iter().all(linear) {
            return;
        }
        for (step, units) in self.steps.iter_mut().zip(&mut self.units) {
            match step {
                Step::Stage(stage) if stage.input == 0 => stage.spread = 1,
                Step::Image | Step::Same(0) => *units = image.len(),
                _ => {}
            }
        }
    }

    /// The node whose step a node has: itself, unless nothing happens there.
    pub(super) fn source(&self, node: NodeId) -> NodeId {
        if let Step::Same(earlier) = self.steps[node] { earlier } else { node }
    }

    /// The node that gives the logits.
    pub(super) fn logits(&self) -> NodeId {
        self.source(self.steps.len() - 1)
    }

    /// The stages with weights, in the order of the layers, and their nodes.
    pub(super) fn layers(&self) -> impl Iterator<Item = (NodeId, &Stage)> {
        self.steps.iter().enumerate().filter_map(|(node, step)| match step {
            Step::Stage(stage) if stage.layer.is_some() => Some((node, stage)),
            _ => None,
        })
    }

    /// Where the units of each node begin when those of all nodes are numbered, and their number. Units of nodes at which nothing happens
    /// are not counted again.
    pub(super) fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for (step, units) in self.steps.iter().zip(&self.units) {
            let own = if let Step::Same(_) = step { 0 } else { *units };
            starts.push(starts[starts.len() - 1] + own);
        }
        starts
    }

    /// How many steps read the values of each node.
    pub(super) fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.steps.len()];
        for step in &self.steps {
            match step {
                Step::Stage(stage) => readers[stage.input] += 1,
                Step::Sum(summands) => summands.iter().for_each(|s| readers[*s] += 1),
                Step::Image | Step::Same(_) => {}
            }
        }
        readers
    }
}

/// Edges between two tensors: a layer, or windows, which have an edge at every position from each channel to itself.
pub(super) struct Stage {
    /// The node it reads.
    pub(super) input: NodeId,
    /// Which layer it is; none for windows.
    pub(super) layer: Option<usize>,
    pub(super) shape: LayerShape,
    pub(super) groups: usize,
    /// Input units that one unit of the tensor is read as: pixels, where a linear layer reads channels of an image.
    pub(super) spread: usize,
    /// Where kernel positions lead; none where positions do not count.
    pub(super) geometry: Option<Geometry>,
}

/// All edges between two units of two tensors.
pub(super) struct Pair {
    pub(super) input: u32,
    pub(super) output: u32,
    /// How many there are: kernel positions, or pixels of the input channel.
    pub(super) kept: u32,
}

impl Stage {
    /// What a node does with the image it reads; none if it leaves units and paths as they are.
    fn new(spec: &ModelSpec, op: Op, input: NodeId, to: Image, view: PathView) -> Option<Self> {
        let from = spec.nodes()[input].output;
        let pixels = view == PathView::Pixels;
        let of = |shape: LayerShape, groups, stride, padding| {
            let (from, to) = ([from.height, from.width], [to.height, to.width]);
            let geometry = pixels.then_some(Geometry { from, to, kernel: shape.kernel, stride, padding });
            Some(Self { input, layer: None, shape, groups, spread: 1, geometry })
        };
        let windows = |kernel: [usize; 2], stride, padding| {
            let shape = LayerShape::conv(from.channels, 1, kernel);
            if pixels { of(shape, from.channels, stride, padding) } else { None }
        };
        match op {
            Op::Conv { shape, stride, padding, groups, .. } => of(shape, groups, stride, padding),
            Op::Linear { shape, .. } => {
                let spread = if pixels { 1 } else { from.height * from.width };
                let geometry = pixels.then_some(Geometry { from: [1; 2], to: [1; 2], kernel: [1; 2], stride: 1, padding: 0 });
                Some(Self { input, layer: None, shape, groups: 1, spread, geometry })
            }
            Op::MaxPool { kernel, stride, padding } => windows([kernel; 2], stride, padding),
            Op::AvgPool { kernel, stride } => windows([kernel; 2], stride, 0),
            Op::GlobalAvgPool => windows([from.height, from.width], 1, 0),
            Op::Input | Op::BatchNorm { .. } | Op::Relu | Op::Add => None,
        }
    }

    /// Input units over all groups.
    pub(super) fn inputs(&self) -> usize {
        self.groups * self.shape.inp
    }

    /// The mask of this stage among those of the layers; none where all edges are there.
    pub(super) fn mask<'a>(&self, masks: &'a [Mask]) -> Option<&'a Mask> {
        self.layer.map(|l| &masks[l])
    }

    /// The input unit and kernel position of every edge into an output unit, in edge order. O(positions).
    pub(super) fn edges_into(&self, mask: Option<&Mask>, output: usize) -> impl Iterator<Item = (usize, usize)> {
        let (taps, first) = (self.shape.taps(), output / (self.shape.out / self.groups) * self.shape.inp);
        let kept = move |p: usize| mask.is_none_or(|m| m.contains(p));
        (0..self.shape.inp).flat_map(move |input| {
            let start = (output * self.shape.inp + input) * taps;
            (0..taps).filter(move |tap| kept(start + tap)).map(move |tap| (first + input, tap))
        })
    }

    /// The output unit and kernel position of every edge out of an input unit, in edge order. O(positions).
    pub(super) fn edges_out_of(&self, mask: Option<&Mask>, input: usize) -> impl Iterator<Item = (usize, usize)> {
        let (taps, per_group) = (self.shape.taps(), self.shape.out / self.groups);
        let (group, column) = (input / self.shape.inp, input % self.shape.inp);
        let kept = move |p: usize| mask.is_none_or(|m| m.contains(p));
        (group * per_group..(group + 1) * per_group).flat_map(move |output| {
            let start = (output * self.shape.inp + column) * taps;
            (0..taps).filter(move |tap| kept(start + tap)).map(move |tap| (output, tap))
        })
    }

    /// The edges of the mask by the units they join, in edge order. O(weights / 64 + edges).
    pub(super) fn pairs(&self, mask: &Mask) -> Vec<Pair> {
        let (shape, per_group) = (self.shape, self.shape.out / self.groups);
        let mut pairs: Vec<Pair> = Vec::new();
        for p in mask.iter() {
            let (output, column) = (p / shape.fan_in(), p % shape.fan_in());
            let input = (output / per_group * shape.inp + column / shape.taps()) / self.spread;
            let (input, output) = (input as u32, output as u32);
            match pairs.last_mut() {
                Some(last) if (last.input, last.output) == (input, output) => last.kept += 1,
                _ => pairs.push(Pair { input, output, kept: 1 }),
            }
        }
        pairs
    }

    /// Step in the input for a step in the output.
    pub(super) fn stride(&self) -> usize {
        self.geometry.as_ref().map_or(1, |g| g.stride)
    }
}

/// Where the kernel of a convolution or the window of a pooling meets an image; heights come before widths.
pub(super) struct Geometry {
    pub(super) from: [usize; 2],
    pub(super) to: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Geometry {
    /// Outputs along an axis for which this kernel position is inside the image.
    pub(super) fn inside(&self, position: usize, axis: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(position).div_ceil(self.stride);
        let end = (self.from[axis] + self.padding).saturating_sub(position).div_ceil(self.stride).min(self.to[axis]);
        first..end.max(first)
    }
}
