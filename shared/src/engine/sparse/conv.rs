//! Convolutions and linear layers on the edges of their graph.

use rayon::prelude::*;

use super::kernels::{EdgeJob, edge_gradient};
use super::pass::{Pass, Segment};
use super::tensor::{Geometry, View};
use crate::engine::simd::Isa;
use crate::graph::{LayerShape, Mask};
use crate::model::Image;

/// Below this many tiles of a pass, units are split into segments as well, so that every thread has work.
const ENOUGH_ITEMS: usize = 64;

/// Where a layer sits in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConvShape {
    pub(super) shape: LayerShape,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) groups: usize,
    /// A linear layer: its inputs are all pixels of all channels, and its output is one pixel.
    pub(super) linear: bool,
}

impl ConvShape {
    /// Halo that the forward pass reads around its input.
    pub(super) fn input_halo(&self) -> usize {
        self.padding
    }

    /// Halo that the input gradient reads around the output gradient.
    pub(super) fn output_halo(&self, input: Image, output: Image) -> usize {
        if self.linear {
            return 0;
        }
        let [kh, kw] = self.shape.kernel;
        let before = |k: usize| (k - 1).saturating_sub(self.padding).div_ceil(self.stride);
        let after = |n: usize, out: usize| ((n - 1 + self.padding) / self.stride + 1).saturating_sub(out);
        before(kh).max(before(kw)).max(after(input.height, output.height)).max(after(input.width, output.width))
    }
}

/// The tensors a layer works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) input: Geometry,
    pub(super) output: Geometry,
    pub(super) input_gradient: Geometry,
    pub(super) output_gradient: Geometry,
}

/// The edges of one layer, laid out for its three computations.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    forward: Pass,
    /// One phase per remainder of (row, column) modulo the stride; empty for the first layer, whose input needs no gradient.
    backward: Vec<Pass>,
    ends: Ends,
}

impl Conv {
    /// Lays out the edges of `mask`; `blocks` is the largest number of blocks it will see, `input_gradient` whether anyone
    /// needs the gradient of the input. O(edges · s²).
    ///
    /// # Panics
    /// If a halo is too small for the taps, or a block of samples too large for the offsets of edges.
    pub(super) fn new(conv: ConvShape, mask: &Mask, ends: Ends, blocks: usize, input_gradient: bool) -> Self {
        assert!(ends.input.halo >= conv.input_halo(), "halo of the input");
        assert!(ends.output_gradient.halo >= conv.output_halo(ends.input.image, ends.output.image), "halo of the gradient");
        for block in [ends.input.block(), ends.output_gradient.block()] {
            assert!(i32::try_from(block).is_ok(), "{block} pixels in a block of 16 samples, more than offsets can tell apart");
        }
        let image = ends.output.image;
        let forward = Pass::new(
            conv.shape.out,
            &mask.iter().map(|e| Some(forward_edge(conv, ends.input, e))).collect::<Vec<_>>(),
            segments(conv.shape.out, ends.output.channel(), blocks * image.height * image.width),
            [image.height, image.width],
            [conv.stride, 1],
            [0, 0],
        );
        let backward = if !input_gradient {
            Vec::new()
        } else if conv.linear {
            vec![linear_backward(conv, mask, ends, blocks)]
        } else {
            let phases = (0..conv.stride).flat_map(|y| (0..conv.stride).map(move |x| [y, x]));
            phases.map(|phase| backward_phase(conv, mask, ends, blocks, phase)).collect()
        };
        Self { forward, backward, ends }
    }

    /// Takes over the layer's weights, in edge order.
    pub(super) fn set_weights(&mut self, weights: &[f32]) {
        self.forward.set_weights(weights);
        for pass in &mut self.backward {
            pass.set_weights(weights);
        }
    }

    /// `output = bias + W·input`.
    pub(super) fn forward(&mut self, isa: Isa, blocks: usize, input: View, output: View, bias: Option<&[f32]>) {
        self.forward.run(isa, blocks, input, output, bias, false);
    }

    /// Gradient of the input: `to = Wᵀ·from`, or added to it.
    pub(super) fn backward(&mut self, isa: Isa, blocks: usize, from: View, to: View, accumulate: bool) {
        for pass in &mut self.backward {
            pass.run(isa, blocks, from, to, None, accumulate);
        }
    }

    /// Gradient of every edge, in edge order. Every edge is summed by one thread, in one order.
    pub(super) fn edge_gradients(&self, isa: Isa, blocks: usize, input: View, gradient: View, result: &mut [f32]) {
        let pass = &self.forward;
        let (from, to) = (self.ends.input, self.ends.output_gradient);
        assert_eq!(result.len(), pass.edges.len(), "one gradient per edge");
        let result = Results(result.as_mut_ptr());
        (0..pass.starts.len() - 1).into_par_iter().for_each(|o| {
            let (first, last) = (pass.starts[o] as usize, pass.starts[o + 1] as usize);
            // SAFETY: each item writes its own part of `result`; pixels are only read, within the tensors and their halos.
            unsafe {
                let job = EdgeJob {
                    input: input.at(from.origin()),
                    input_block: from.block(),
                    input_pitch: pass.input_step * from.pitch(),
                    input_step: pass.input_step,
                    gradient: gradient.at(to.row(0, o, 0)),
                    gradient_block: to.block(),
                    gradient_pitch: to.pitch(),
                    blocks,
                    height: to.image.height,
                    width: to.image.width,
                    edges: pass.edges[first..].as_ptr(),
                    count: last - first,
                    result: result.from(first),
                };
                edge_gradient(isa, &job);
            }
        });
    }
}

/// Values of all edges, of which each thread writes its own.
#[derive(Clone, Copy)]
struct Results(*mut f32);

// SAFETY: a pointer whose users promise to write disjoint parts.
unsafe impl Send for Results {}
// SAFETY: as above.
unsafe impl Sync for Results {}

impl Results {
    /// Pointer to the value of an edge.
    ///
    /// # Safety
    /// `edge` must be at most the number of values.
    unsafe fn from(self, edge: usize) -> *mut f32 {
        // SAFETY: within the values by contract.
        unsafe { self.0.add(edge) }
    }
}

/// Output unit and input offset of a weight.
fn forward_edge(conv: ConvShape, input: Geometry, position: usize) -> (usize, i32) {
    let shape = conv.shape;
    let (o, rest) = (position / shape.fan_in(), position % shape.fan_in());
    let offset = if conv.linear {
        linear_input(input, rest) as i32
    } else {
        let (i, tap) = (rest / shape.taps(), rest % shape.taps());
        let channel = o / (shape.out / conv.groups) * shape.inp + i;
        let (ky, kx) = ((tap / shape.kernel[1]) as i32, (tap % shape.kernel[1]) as i32);
        let p = conv.padding as i32;
        (channel * input.channel()) as i32 + (ky - p) * input.pitch() as i32 + (kx - p)
    };
    (o, offset)
}

/// Pixel of feature `f` of a linear layer's input, relative to the block's origin.
fn linear_input(input: Geometry, f: usize) -> usize {
    let image = input.image;
    let (c, y, x) = (f / (image.height * image.width), f / image.width % image.height, f % image.width);
    c * input.channel() + y * input.pitch() + x
}

fn linear_backward(conv: ConvShape, mask: &Mask, ends: Ends, blocks: usize) -> Pass {
    let (input, output) = (ends.input_gradient, ends.output_gradient);
    let shape = conv.shape;
    let image = input.image;
    let edges = mask.iter().map(|e| Some((e % shape.inp, (e / shape.inp * output.channel()) as i32))).collect::<Vec<_>>();
    let segments = if image.height * image.width == 1 {
        segments(shape.inp, input.channel(), blocks)
    } else {
        (0..shape.inp)
            .step_by(image.width)
            .map(|first| Segment { first, count: image.width, at: linear_input(input, first), stride: 1 })
            .collect()
    };
    Pass::new(shape.inp, &edges, segments, [1, 1], [1, 1], [0, 0])
}

fn backward_phase(conv: ConvShape, mask: &Mask, ends: Ends, blocks: usize, phase: [usize; 2]) -> Pass {
    let (input, output) = (ends.input_gradient, ends.output_gradient);
    let ConvShape { shape, stride, padding, groups, .. } = conv;
    // Output row (or column) that input row `phase + stride·q` reaches through tap `k`, relative to q; none if it falls between.
    let reach = move |phase: usize, k: usize| {
        let distance = (phase + padding) as i32 - k as i32;
        (distance.rem_euclid(stride as i32) == 0).then(|| distance.div_euclid(stride as i32))
    };
    let edges = mask.iter().map(move |position| {
        let (o, rest) = (position / shape.fan_in(), position % shape.fan_in());
        let (i, tap) = (rest / shape.taps(), rest % shape.taps());
        let y = reach(phase[0], tap / shape.kernel[1])?;
        let x = reach(phase[1], tap % shape.kernel[1])?;
        let channel = o / (shape.out / groups) * shape.inp + i;
        Some((channel, (o * output.channel()) as i32 + y * output.pitch() as i32 + x))
    });
    let edges: Vec<_> = edges.collect();
    let points = |n: usize, phase: usize| n.saturating_sub(phase).div_ceil(stride);
    let grid = [points(input.image.height, phase[0]), points(input.image.width, phase[1])];
    let units = shape.inp * groups;
    Pass::new(units, &edges, segments(units, input.channel(), blocks * grid[0] * grid[1]), grid, [1, stride], phase)
}

/// Units at a constant distance, split so that tiles × segments is a fair number of items.
fn segments(units: usize, stride: usize, pixels: usize) -> Vec<Segment> {
    let tiles = pixels.div_ceil(16).max(1);
    let parts = ENOUGH_ITEMS.div_ceil(tiles).min(units).max(1);
    (0..parts)
        .map(|p| {
            let (first, last) = (units * p / parts, units * (p + 1) / parts);
            Segment { first, count: last - first, at: first * stride, stride }
        })
        .collect()
}
