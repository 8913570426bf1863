//! A second implementation, naive and in float64, that every kernel is tested against: dense tensors in `(sample, channel, row,
//! column)` order, one loop per index, node by node as the model says.

use crate::{Batch, ModelState};
use er_graphs::graph::LayerShape;
use er_networks::model::{Image, ModelSpec, Op, ParamKind};

/// What one pass gives.
pub(super) struct Pass {
    pub(super) loss: f64,
    pub(super) logits: Vec<f64>,
    /// Per layer, in edge order.
    pub(super) edges: Vec<Vec<f64>>,
    /// Per layer, of all weights, edges or not.
    pub(super) weights: Vec<Vec<f64>>,
    /// Per dense parameter; empty for buffers.
    pub(super) dense: Vec<Vec<f64>>,
    /// Per normalisation in node order: (mean, unbiased variance) of each channel.
    pub(super) moments: Vec<Vec<(f64, f64)>>,
}

/// Values of all parameters in float64: dense weight tensors with zeros where no edge is.
#[derive(Clone)]
pub(super) struct Values {
    pub(super) weights: Vec<Vec<f64>>,
    pub(super) dense: Vec<Vec<f64>>,
}

impl Values {
    pub(super) fn new(state: &ModelState) -> Self {
        let weights = state.layers.iter().map(|l| {
            let mut dense = vec![0.0; l.mask.shape().weights()];
            for (p, w) in l.mask.iter().zip(&l.weights) {
                dense[p] = f64::from(*w);
            }
            dense
        });
        let dense = state.dense.iter().map(|d| d.values.iter().map(|&v| f64::from(v)).collect());
        Self { weights: weights.collect(), dense: dense.collect() }
    }
}

struct Cache {
    values: Vec<Vec<f64>>,
    /// (mean, 1/σ) per channel of a normalisation.
    norms: Vec<Vec<(f64, f64)>>,
}

/// Forward and backward; with running statistics if not `train`.
pub(super) fn run(spec: &ModelSpec, values: &Values, state: &ModelState, batch: &Batch, smoothing: f64, train: bool) -> Pass {
    let n = batch.labels.len();
    let net = Net { spec, values, n };
    let mut moments = Vec::new();
    let cache = net.forward(batch, train, &mut moments);
    let classes = spec.classes();
    let logits = cache.values.last().unwrap().clone();
    let mut loss = 0.0;
    let mut gradient = vec![0.0; logits.len()];
    for (s, &label) in batch.labels.iter().enumerate() {
        let row = &logits[s * classes..(s + 1) * classes];
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        for c in 0..classes {
            let target = smoothing / classes as f64 + if c == label as usize { 1.0 - smoothing } else { 0.0 };
            loss -= target * (row[c] - sum.ln()) / n as f64;
            gradient[s * classes + c] = (row[c].exp() / sum - target) / n as f64;
        }
    }
    let (weights, dense) = net.backward(&cache, gradient);
    let edges = state.layers.iter().zip(&weights);
    let edges = edges.map(|(l, g)| l.mask.iter().map(|p| g[p]).collect()).collect();
    Pass { loss, logits, edges, weights, dense, moments }
}

struct Net<'a> {
    spec: &'a ModelSpec,
    values: &'a Values,
    n: usize,
}

/// All taps of a convolution: (weight, input pixel, output pixel) where the input pixel is inside the image, for every sample.
fn taps(
    n: usize,
    from: Image,
    to: Image,
    shape: LayerShape,
    [stride, padding, groups]: [usize; 3],
    mut f: impl FnMut(usize, usize, usize),
) {
    for s in 0..n {
        for o in 0..to.channels {
            for i in 0..shape.inp {
                let from_plane = (s * from.channels + o / (shape.out / groups) * shape.inp + i) * from.height;
                let to_plane = (s * to.channels + o) * to.height;
                for ky in 0..shape.kernel[0] {
                    for kx in 0..shape.kernel[1] {
                        let k = ((o * shape.inp + i) * shape.kernel[0] + ky) * shape.kernel[1] + kx;
                        for y in 0..to.height {
                            let Some(iy) = (y * stride + ky).checked_sub(padding).filter(|&iy| iy < from.height) else {
                                continue;
                            };
                            let (input, output) = ((from_plane + iy) * from.width, (to_plane + y) * to.width);
                            for x in 0..to.width {
                                let Some(ix) = (x * stride + kx).checked_sub(padding).filter(|&ix| ix < from.width) else {
                                    continue;
                                };
                                f(k, input + ix, output + x);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Windows of a pooling: output pixel and its input pixels.
fn windows(n: usize, from: Image, to: Image, [k, stride, padding]: [usize; 3], mut f: impl FnMut(usize, &[usize])) {
    for plane in 0..n * from.channels {
        for y in 0..to.height {
            for x in 0..to.width {
                let mut inside = Vec::new();
                for ky in 0..k {
                    for kx in 0..k {
                        let (iy, ix) = ((y * stride + ky).wrapping_sub(padding), (x * stride + kx).wrapping_sub(padding));
                        if iy < from.height && ix < from.width {
                            inside.push((plane * from.height + iy) * from.width + ix);
                        }
                    }
                }
                f((plane * to.height + y) * to.width + x, &inside);
            }
        }
    }
}

impl Net<'_> {
    fn parameter(&self, node: usize, kind: ParamKind) -> Option<usize> {
        self.spec.dense_parameters().position(|p| p.node == node && p.kind == kind)
    }

    fn layer(&self, node: usize) -> usize {
        self.spec.layers().iter().position(|l| l.node == node).unwrap()
    }

    /// A linear layer as a convolution whose kernel covers the whole image.
    fn geometry(op: Op, from: Image) -> (LayerShape, [usize; 3], bool) {
        match op {
            Op::Conv { shape, stride, padding, groups, bias } => (shape, [stride, padding, groups], bias),
            Op::Linear { shape, bias } => {
                (LayerShape::conv(shape.out, from.channels, [from.height, from.width]), [1, 0, 1], bias)
            }
            _ => unreachable!(),
        }
    }

    fn forward(&self, batch: &Batch, train: bool, moments: &mut Vec<Vec<(f64, f64)>>) -> Cache {
        let n = self.n;
        let mut cache = Cache { values: Vec::new(), norms: Vec::new() };
        for (id, node) in self.spec.nodes().iter().enumerate() {
            let to = node.output;
            let from = node.inputs.first().map_or(to, |&i| self.spec.nodes()[i].output);
            let mut out = vec![0.0; n * to.len()];
            let mut stats = Vec::new();
            let input = node.inputs.first().map(|&i| &cache.values[i]);
            match node.op {
                Op::Input => out = batch.images.iter().map(|&v| f64::from(v)).collect(),
                Op::Conv { .. } | Op::Linear { .. } => {
                    let (shape, steps, bias) = Self::geometry(node.op, from);
                    let (w, x) = (&self.values.weights[self.layer(id)], input.unwrap());
                    taps(n, from, to, shape, steps, |k, i, o| out[o] += w[k] * x[i]);
                    if bias {
                        let b = &self.values.dense[self.parameter(id, ParamKind::Bias).unwrap()];
                        let plane = to.height * to.width;
                        out.iter_mut().enumerate().for_each(|(o, v)| *v += b[o / plane % to.channels]);
                    }
                }
                Op::BatchNorm { affine } => {
                    let (x, plane) = (input.unwrap(), to.height * to.width);
                    let mut batch_moments = Vec::new();
                    for c in 0..to.channels {
                        let at = |i: &usize| i / plane % to.channels == c;
                        let of: Vec<f64> = (0..x.len()).filter(at).map(|i| x[i]).collect();
                        let count = of.len() as f64;
                        let mean = of.iter().sum::<f64>() / count;
                        let var = of.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
                        batch_moments.push((mean, var * count / (count - 1.0).max(1.0)));
                        let running = |kind| self.values.dense[self.parameter(id, kind).unwrap()][c];
                        let (mean, var) =
                            if train { (mean, var) } else { (running(ParamKind::Mean), running(ParamKind::Variance)) };
                        let inverse = 1.0 / (var + 1e-5).sqrt();
                        let of = |kind| self.values.dense[self.parameter(id, kind).unwrap()][c];
                        let (g, b) = if affine { (of(ParamKind::Scale), of(ParamKind::Shift)) } else { (1.0, 0.0) };
                        (0..x.len()).filter(at).for_each(|i| out[i] = g * (x[i] - mean) * inverse + b);
                        stats.push((mean, inverse));
                    }
                    moments.push(batch_moments);
                }
                Op::Relu => out = input.unwrap().iter().map(|v| v.max(0.0)).collect(),
                Op::MaxPool { kernel, stride, padding } => {
                    let x = input.unwrap();
                    windows(n, from, to, [kernel, stride, padding], |o, i| {
                        out[o] = i.iter().map(|&i| x[i]).fold(f64::NEG_INFINITY, f64::max);
                    });
                }
                Op::AvgPool { kernel, stride } => {
                    let x = input.unwrap();
                    windows(n, from, to, [kernel, stride, 0], |o, i| {
                        out[o] = i.iter().map(|&i| x[i]).sum::<f64>() / i.len() as f64;
                    });
                }
                Op::GlobalAvgPool => {
                    let plane = from.height * from.width;
                    out = input.unwrap().chunks(plane).map(|p| p.iter().sum::<f64>() / plane as f64).collect();
                }
                Op::Add => {
                    let other = &cache.values[node.inputs[1]];
                    out = input.unwrap().iter().zip(other).map(|(a, b)| a + b).collect();
                }
            }
            cache.values.push(out);
            cache.norms.push(stats);
        }
        cache
    }

    fn backward(&self, cache: &Cache, last: Vec<f64>) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let n = self.n;
        let nodes = self.spec.nodes();
        let mut gradients: Vec<Vec<f64>> = cache.values.iter().map(|v| vec![0.0; v.len()]).collect();
        *gradients.last_mut().unwrap() = last;
        let mut weights: Vec<Vec<f64>> = self.values.weights.iter().map(|w| vec![0.0; w.len()]).collect();
        let mut dense: Vec<Vec<f64>> = self.values.dense.iter().map(|_| Vec::new()).collect();
        for (id, node) in nodes.iter().enumerate().skip(1).rev() {
            let dy = std::mem::take(&mut gradients[id]);
            let (to, input) = (node.output, node.inputs[0]);
            let from = nodes[input].output;
            let x = &cache.values[input];
            let y = &cache.values[id];
            let channel = |i: usize| i / (to.height * to.width) % to.channels;
            match node.op {
                Op::Input => unreachable!(),
                Op::Conv { .. } | Op::Linear { .. } => {
                    let (shape, steps, bias) = Self::geometry(node.op, from);
                    let layer = self.layer(id);
                    let w = &self.values.weights[layer];
                    taps(n, from, to, shape, steps, |k, i, o| {
                        weights[layer][k] += x[i] * dy[o];
                        gradients[input][i] += w[k] * dy[o];
                    });
                    if bias {
                        let mut g = vec![0.0; to.channels];
                        dy.iter().enumerate().for_each(|(o, v)| g[channel(o)] += v);
                        dense[self.parameter(id, ParamKind::Bias).unwrap()] = g;
                    }
                }
                Op::BatchNorm { affine } => {
                    let stats = &cache.norms[id];
                    let hat: Vec<f64> = (0..x.len()).map(|i| (x[i] - stats[channel(i)].0) * stats[channel(i)].1).collect();
                    let (mut sum, mut sum_hat) = (vec![0.0; to.channels], vec![0.0; to.channels]);
                    for i in 0..x.len() {
                        sum[channel(i)] += dy[i];
                        sum_hat[channel(i)] += dy[i] * hat[i];
                    }
                    let count = (n * to.height * to.width) as f64;
                    let scale = self.parameter(id, ParamKind::Scale);
                    for i in 0..x.len() {
                        let c = channel(i);
                        let g = scale.map_or(1.0, |s| self.values.dense[s][c]);
                        gradients[input][i] += g * stats[c].1 * (dy[i] - sum[c] / count - hat[i] * sum_hat[c] / count);
                    }
                    if affine {
                        dense[scale.unwrap()] = sum_hat;
                        dense[self.parameter(id, ParamKind::Shift).unwrap()] = sum;
                    }
                }
                Op::Relu => (0..x.len()).for_each(|i| gradients[input][i] += if x[i] > 0.0 { dy[i] } else { 0.0 }),
                Op::MaxPool { kernel, stride, padding } => {
                    windows(n, from, to, [kernel, stride, padding], |o, i| {
                        let first = i.iter().find(|&&i| x[i] >= y[o]).unwrap();
                        gradients[input][*first] += dy[o];
                    });
                }
                Op::AvgPool { kernel, stride } => windows(n, from, to, [kernel, stride, 0], |o, i| {
                    for &k in i {
                        gradients[input][k] += dy[o] / i.len() as f64;
                    }
                }),
                Op::GlobalAvgPool => {
                    let plane = from.height * from.width;
                    (0..x.len()).for_each(|i| gradients[input][i] += dy[i / plane] / plane as f64);
                }
                Op::Add => {
                    for &input in &node.inputs {
                        gradients[input].iter_mut().zip(&dy).for_each(|(g, d)| *g += d);
                    }
                }
            }
        }
        (weights, dense)
    }
}
