//! SynFlow (Tanaka et al. 2020): what passes through an edge when the network forgets signs and data.

use super::scaled::Scaled;
use crate::model::{Image, ModelSpec, ModelState, NORM_EPSILON, NodeId, Op, ParamKind};
use er_graphs::graph::{Csr, Link};
use rayon::prelude::*;
use std::ops::Range;

/// SynFlow scores |∂R/∂θ · θ| of all edges, one vector a layer in edge order, up to a common factor. R is the sum of the logits
/// that the network gives for one image of ones when every entry of its state (weights, biases, scales, shifts, running means and
/// variances) is replaced by its magnitude and normalisations use their running statistics (Tanaka et al. 2020, algorithm 1).
/// Weights that are no edges have score 0.
///
/// Without biases, shifts and means, all layers of a chain have the same sum of scores. The common factor is the power of two that
/// brings the largest score into [1, 2): no depth and no size of the weights leaves the range of float64, and no ranking depends on
/// it. Without a path from the image to the logits all scores are 0. Weights that are not finite give scores that are not.
///
/// Works along edges on one sample: O(edges · output pixels) time, and 8 bytes an activation. Independent of the number of
/// threads, bit for bit.
///
/// # Panics
/// If the state is not one of this model.
#[must_use]
pub fn synflow(spec: &ModelSpec, state: &ModelState) -> Vec<Vec<f64>> {
    assert_eq!(spec.layers().len(), state.layers.len(), "model {}: a state of another model", spec.name());
    let net = Net { spec, state, maps: channel_maps(spec, state) };
    let mut scores = net.backward(&net.forward());
    let exponent = scores.iter().map(|s| s.exponent).max().unwrap_or(0);
    for layer in &mut scores {
        layer.set_exponent(exponent);
    }
    scores.into_iter().map(|s| s.values).collect()
}

/// A normalisation in evaluation mode, or a bias: `factor · (x − mean) + shift` of one channel.
#[derive(Clone, Copy)]
struct ChannelMap {
    factor: f64,
    mean: f64,
    shift: f64,
}

/// Maps of each node's channels from the magnitudes of the state; none where the node has no such parameters.
fn channel_maps(spec: &ModelSpec, state: &ModelState) -> Vec<Vec<ChannelMap>> {
    let mut maps = vec![Vec::new(); spec.nodes().len()];
    let parameters = spec.dense_parameters();
    for (parameter, dense) in parameters.zip(&state.dense) {
        let channels: &mut Vec<ChannelMap> = &mut maps[parameter.node];
        channels.resize(dense.values.len(), ChannelMap { factor: 1.0, mean: 0.0, shift: 0.0 });
        for (map, &value) in channels.iter_mut().zip(&dense.values) {
            let value = f64::from(value).abs();
            match parameter.kind {
                ParamKind::Scale => map.factor *= value,
                ParamKind::Variance => map.factor /= (value + NORM_EPSILON).sqrt(),
                ParamKind::Mean => map.mean = value,
                ParamKind::Bias | ParamKind::Shift => map.shift = value,
                ParamKind::Weight(_) => {}
            }
        }
    }
    maps
}

/// One layer as a convolution: its edges, what it reads, what it gives.
struct Layer<'a> {
    csr: Csr,
    weights: &'a [f32],
    from: Image,
    to: Image,
    stride: usize,
    padding: usize,
}

/// Pixels of a row that an edge connects: `length` neighbours in the output, every `stride`-th in the input.
struct Row {
    output: usize,
    input: usize,
    length: usize,
}

impl Layer<'_> {
    fn weight(&self, link: &Link) -> f64 {
        f64::from(self.weights[link.edge as usize]).abs()
    }

    /// Outputs along one axis whose pixel under this kernel position is inside the image.
    fn inside(&self, position: usize, from: usize, to: usize) -> Range<usize> {
        let first = self.padding.saturating_sub(position).div_ceil(self.stride);
        let end = (from + self.padding).saturating_sub(position).div_ceil(self.stride).min(to);
        first..end.max(first)
    }

    /// All pixels that the edges at a kernel position connect, by rows of one channel.
    fn rows(&self, tap: u32) -> impl Iterator<Item = Row> {
        let width = self.csr.shape().kernel[1];
        let (ky, kx) = (tap as usize / width, tap as usize % width);
        let columns = self.inside(kx, self.from.width, self.to.width);
        let rows = if columns.is_empty() { 0..0 } else { self.inside(ky, self.from.height, self.to.height) };
        rows.map(move |y| Row {
            output: y * self.to.width + columns.start,
            input: (y * self.stride + ky - self.padding) * self.from.width + columns.start * self.stride + kx - self.padding,
            length: columns.len(),
        })
    }

    /// Sums over the edges into each output channel.
    fn forward(&self, x: &[f64]) -> Vec<f64> {
        let (plane, out_plane) = (self.from.height * self.from.width, self.to.height * self.to.width);
        let mut y = vec![0.0; self.to.len()];
        y.par_chunks_mut(out_plane).enumerate().for_each(|(unit, y)| {
            for link in self.csr.output(unit) {
                let (x, w) = (&x[link.unit as usize * plane..][..plane], self.weight(link));
                for row in self.rows(link.tap) {
                    let to = &mut y[row.output..row.output + row.length];
                    if self.stride == 1 {
                        to.iter_mut().zip(&x[row.input..]).for_each(|(y, x)| *y += w * x);
                    } else {
                        to.iter_mut().zip(x[row.input..].iter().step_by(self.stride)).for_each(|(y, x)| *y += w * x);
                    }
                }
            }
        });
        y
    }

    /// Sums over the edges out of each input channel.
    fn input_gradient(&self, dy: &[f64]) -> Vec<f64> {
        let (plane, out_plane) = (self.from.height * self.from.width, self.to.height * self.to.width);
        let mut dx = vec![0.0; self.from.len()];
        dx.par_chunks_mut(plane).enumerate().for_each(|(unit, dx)| {
            for link in self.csr.input(unit) {
                let (dy, w) = (&dy[link.unit as usize * out_plane..][..out_plane], self.weight(link));
                for row in self.rows(link.tap) {
                    let from = &dy[row.output..row.output + row.length];
                    if self.stride == 1 {
                        from.iter().zip(&mut dx[row.input..]).for_each(|(dy, dx)| *dx += w * dy);
                    } else {
                        let to = dx[row.input..].iter_mut().step_by(self.stride);
                        from.iter().zip(to).for_each(|(dy, dx)| *dx += w * dy);
                    }
                }
            }
        });
        dx
    }

    /// |θ · ∂R/∂θ| of each edge.
    fn scores(&self, x: &[f64], dy: &[f64]) -> Vec<f64> {
        let (plane, out_plane) = (self.from.height * self.from.width, self.to.height * self.to.width);
        let score = |unit: usize, link: &Link| {
            let (x, dy) = (&x[link.unit as usize * plane..][..plane], &dy[unit * out_plane..][..out_plane]);
            let sums = self.rows(link.tap).map(|row| {
                let dy = &dy[row.output..row.output + row.length];
                dy.iter().zip(x[row.input..].iter().step_by(self.stride)).map(|(dy, x)| dy * x).sum::<f64>()
            });
            (sums.sum::<f64>() * self.weight(link)).abs()
        };
        let units = (0..self.csr.outputs()).into_par_iter();
        units.flat_map_iter(|unit| self.csr.output(unit).iter().map(move |link| score(unit, link))).collect()
    }
}

/// Windows of a pooling in the order of its output pixels: the input pixels of each that are inside the image.
fn windows(from: Image, to: Image, kernel: [usize; 2], [stride, padding]: [usize; 2], mut f: impl FnMut(&[usize])) {
    let side = |at: usize, kernel: usize, size: usize| {
        (at * stride).saturating_sub(padding)..(at * stride + kernel).saturating_sub(padding).min(size)
    };
    let mut inside = Vec::new();
    for plane in 0..from.channels {
        for y in 0..to.height {
            for x in 0..to.width {
                inside.clear();
                for row in side(y, kernel[0], from.height) {
                    let start = (plane * from.height + row) * from.width;
                    inside.extend(side(x, kernel[1], from.width).map(|column| start + column));
                }
                f(&inside);
            }
        }
    }
}

/// Kernel and stride of a mean over windows; a mean over all pixels has one window.
fn mean_window(op: Op, from: Image) -> ([usize; 2], usize) {
    match op {
        Op::AvgPool { kernel, stride } => ([kernel; 2], stride),
        _ => ([from.height, from.width], 1),
    }
}

struct Net<'a> {
    spec: &'a ModelSpec,
    state: &'a ModelState,
    maps: Vec<Vec<ChannelMap>>,
}

impl Net<'_> {
    /// The layer at a node that computes one. A linear layer is a 1×1 convolution of one pixel. O(edges).
    fn layer(&self, index: usize) -> Layer<'_> {
        let layer = &self.spec.layers()[index];
        let node = &self.spec.nodes()[layer.node];
        let state = &self.state.layers[index];
        let from = self.spec.nodes()[node.inputs[0]].output;
        let (from, stride, padding) = match node.op {
            Op::Conv { stride, padding, .. } => (from, stride, padding),
            _ => (Image::new(from.len(), 1, 1), 1, 0),
        };
        Layer { csr: Csr::new(&state.mask, layer.groups), weights: &state.weights, from, to: node.output, stride, padding }
    }

    /// Applies the node's channel maps, if it has any.
    fn map(&self, node: NodeId, y: &mut Scaled) {
        let maps = &self.maps[node];
        let mut one = 0.0;
        if maps.iter().any(|m| m.shift != 0.0 || m.mean != 0.0) {
            // Constants count from 1 up; what they are added to has to have room for them.
            y.set_exponent(y.exponent.max(0));
            one = f64::powi(2.0, -y.exponent);
        }
        let plane = self.spec.nodes()[node].output.height * self.spec.nodes()[node].output.width;
        for (map, values) in maps.iter().zip(y.values.chunks_mut(plane)) {
            for v in values {
                *v = map.factor * (*v - map.mean * one) + map.shift * one;
            }
        }
    }

    /// What each node gives for an image of ones.
    fn forward(&self) -> Vec<Scaled> {
        let nodes = self.spec.nodes();
        let mut all = vec![Scaled::new(vec![1.0; nodes[0].output.len()], 0)];
        let mut layer = 0;
        for (id, node) in nodes.iter().enumerate().skip(1) {
            let input = node.inputs[0];
            let (x, from, to) = (&all[input], nodes[input].output, node.output);
            let mut y = Scaled { values: Vec::new(), exponent: x.exponent };
            match node.op {
                Op::Conv { .. } | Op::Linear { .. } => {
                    y = Scaled::new(self.layer(layer).forward(&x.values), x.exponent);
                    layer += 1;
                }
                Op::Relu => y.values = x.values.iter().map(|v| v.max(0.0)).collect(),
                Op::MaxPool { kernel, stride, padding } => windows(from, to, [kernel; 2], [stride, padding], |pixels| {
                    y.values.push(pixels.iter().map(|&i| x.values[i]).fold(f64::NEG_INFINITY, f64::max));
                }),
                Op::AvgPool { .. } | Op::GlobalAvgPool => {
                    let (kernel, stride) = mean_window(node.op, from);
                    windows(from, to, kernel, [stride, 0], |pixels| {
                        y.values.push(pixels.iter().map(|&i| x.values[i]).sum::<f64>() / pixels.len() as f64);
                    });
                }
                Op::Add => {
                    y = x.clone();
                    y.add(all[node.inputs[1]].clone());
                }
                Op::Input | Op::BatchNorm { .. } => y = x.clone(),
            }
            self.map(id, &mut y);
            all.push(Scaled::new(y.values, y.exponent));
        }
        all
    }

    /// Scores of each layer from what each node gave.
    fn backward(&self, all: &[Scaled]) -> Vec<Scaled> {
        let nodes = self.spec.nodes();
        let zero = |node: usize| Scaled::new(vec![0.0; all[node].values.len()], 0);
        let mut gradients: Vec<Option<Scaled>> = vec![None; nodes.len()];
        let mut scores = Vec::new();
        if let (Some(last), Some(logits)) = (gradients.last_mut(), all.last()) {
            *last = Some(Scaled::new(vec![1.0; logits.values.len()], 0));
        }
        let mut layer = self.spec.layers().len();
        for (id, node) in nodes.iter().enumerate().skip(1).rev() {
            let mut dy = gradients[id].take().unwrap_or_else(|| zero(id));
            let input = node.inputs[0];
            let (x, from, to) = (&all[input], nodes[input].output, node.output);
            let plane = to.height * to.width;
            if let Op::BatchNorm { .. } = node.op {
                for (map, values) in self.maps[id].iter().zip(dy.values.chunks_mut(plane)) {
                    for v in values {
                        *v *= map.factor;
                    }
                }
            }
            let mut dx = vec![0.0; x.values.len()];
            let mut outputs = dy.values.iter();
            match node.op {
                Op::Conv { .. } | Op::Linear { .. } => {
                    layer -= 1;
                    let edges = self.layer(layer);
                    scores.push(Scaled::new(edges.scores(&x.values, &dy.values), x.exponent + dy.exponent));
                    // Nobody reads the gradient of the image.
                    if input > 0 {
                        dx = edges.input_gradient(&dy.values);
                    }
                }
                Op::Relu => {
                    let kept = all[id].values.iter().zip(&dy.values).map(|(y, d)| if *y > 0.0 { *d } else { 0.0 });
                    dx = kept.collect();
                }
                Op::MaxPool { kernel, stride, padding } => {
                    windows(from, to, [kernel; 2], [stride, padding], |pixels| {
                        // The first of equals, as the engine chooses.
                        let first = pixels.iter().copied().reduce(|a, b| if x.values[b] > x.values[a] { b } else { a });
                        first.into_iter().zip(&mut outputs).for_each(|(i, d)| dx[i] += d);
                    });
                }
                Op::AvgPool { .. } | Op::GlobalAvgPool => {
                    let (kernel, stride) = mean_window(node.op, from);
                    windows(from, to, kernel, [stride, 0], |pixels| {
                        let share = outputs.next().map_or(0.0, |d| d / pixels.len() as f64);
                        for &i in pixels {
                            dx[i] += share;
                        }
                    });
                }
                Op::Input | Op::BatchNorm { .. } | Op::Add => dx.clone_from(&dy.values),
            }
            let dx = Scaled::new(dx, dy.exponent);
            for &reader in &node.inputs {
                match &mut gradients[reader] {
                    Some(sum) => sum.add(dx.clone()),
                    none => *none = Some(dx.clone()),
                }
            }
        }
        scores.reverse();
        scores
    }
}

/// R: the sum of the logits that a network of absolute weights gives to an image of ones (Tanaka et al. 2020, equation 6); infinite
/// where it exceeds the range of double precision.
#[must_use]
pub fn sum_of_logits(spec: &ModelSpec, state: &ModelState) -> f64 {
    let all = Net { spec, state, maps: channel_maps(spec, state) }.forward();
    all.last().map_or(0.0, |logits| logits.values.iter().sum::<f64>() * f64::powi(2.0, logits.exponent))
}
