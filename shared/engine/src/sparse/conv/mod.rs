//! Convolutions and linear layers: on the edges of their graph, or on all weights where that is faster.
//!
//! The work is cut into regions. For each, what is read is first copied, through normalisation and ReLU, to a piece of memory
//! with zeros around it that fits into cache; tiles of output pixels are then gathered from there. The backward pass has a copy of
//! the gradient as well: it correlates the two for the gradients of weights, and gathers from the latter for that of the input.

mod correlate;
mod gather;
mod gradient;
mod layout;
mod pass;
mod region;
mod scratch;
mod shape;
mod weights;

use rayon::prelude::*;

use self::gather::{Output, WatchJob};
use self::layout::{backward, backward_grid, backward_weights, forward, forward_grid, forward_weights};
use self::pass::{Input, Pass, Weights, Work};
use self::region::{Cutting, Region, Regions};
use self::scratch::copy;
pub(super) use self::scratch::{Machine, Scratch};
pub(super) use self::shape::ConvShape;
use self::shape::FrameShape;
use super::Kernels;
use super::blend::{MOST, Operand, Operands};
use super::norm::Moments;
use super::plane::Completion;
use super::tensor::{Pixel, Shared, View};
use crate::simd::{Isa, LANES};
use er_graphs::graph::Mask;
use er_networks::model::Image;

/// Density from which computing with all weights of a layer is faster than with its edges; see `docs/performance.md`.
const DENSE: f64 = 0.6;

/// Where the gradient of a layer's input goes.
#[derive(Clone, Copy)]
pub(super) struct InputGradient<'a> {
    pub(super) to: View,
    pub(super) accumulate: bool,
    pub(super) completion: Completion<'a>,
}

/// Which gradients of weights are wanted, and where they go.
pub(super) enum WeightGradient<'a> {
    Edges(&'a mut [f32]),
    All(&'a mut [f32]),
}

/// One layer, laid out for its three computations.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    place: ConvShape,
    input: Image,
    output: Image,
    value: FrameShape,
    gradient: FrameShape,
    forward: Pass,
    /// One phase per remainder of (row, column) modulo the stride; empty for the first layer, whose input needs no gradient.
    backward: Vec<Pass>,
    cutting: Cutting,
    regions: Regions,
    /// Input offset of each weight of a unit.
    offsets: Vec<i32>,
    /// Positions of the edges, if gradients of edges are computed with those of all weights.
    positions: Option<Vec<u32>>,
    edges: usize,
}

impl Conv {
    /// A layer without edges; `input_gradient` says whether anyone needs the gradient of the input.
    ///
    /// # Panics
    /// If a region is too large for the offsets of edges.
    pub(super) fn new(conv: ConvShape, [input, output]: [Image; 2], input_gradient: bool) -> Self {
        let input = conv.seen(input);
        let reach = conv.reach(input, output);
        let value = |rows: usize| FrameShape::new(input, conv.rows_seen(rows), conv.padding);
        let gradient = |rows: usize| FrameShape::new(output, rows + 2 * reach, reach);
        let cutting = Cutting::new(output, |rows| value(rows).block().max(gradient(rows).block()));
        let (value, gradient) = (value(cutting.rows), gradient(cutting.rows));
        for block in [value.block(), gradient.block()] {
            assert!(i32::try_from(block).is_ok(), "{block} pixels in a region of 16 samples, more than offsets can tell apart");
        }
        let taps = conv.shape.taps();
        let tap_offset = |t: usize| conv.tap(t, value.pitch) as i32;
        let phases = (0..conv.stride).flat_map(|y| (0..conv.stride).map(move |x| [y, x]));
        Self {
            forward: forward(conv, output),
            backward: if input_gradient { phases.map(|phase| backward(conv, input, phase)).collect() } else { Vec::new() },
            place: conv,
            input,
            output,
            value,
            gradient,
            cutting,
            regions: Regions::default(),
            offsets: (0..conv.shape.fan_in()).map(|k| (k / taps * value.channel) as i32 + tap_offset(k % taps)).collect(),
            positions: None,
            edges: 0,
        }
    }

    /// Lays out the edges of a mask, whose weights come next. O(edges · s² + weights/64), or O(weights) if all weights are computed
    /// with.
    ///
    /// # Panics
    /// If the mask is of another shape than the layer.
    pub(super) fn lay_out(&mut self, isa: Isa, kernels: Kernels, mask: &Mask) {
        self.edges = mask.edges();
        self.positions = self.all_pay(kernels, self.edges).then(|| mask.iter().map(|p| p as u32).collect());
        self.lay_out_gathers(isa, mask, self.positions.is_some());
    }

    fn lay_out_gathers(&mut self, isa: Isa, mask: &Mask, all: bool) {
        // Kernels trust the offsets that positions become.
        assert_eq!(mask.shape(), self.place.shape, "shape of a mask");
        if all != self.gathers_all() {
            // The other kernel has tiles of its own.
            self.regions = Regions::default();
            for pass in self.backward.iter_mut().chain([&mut self.forward]) {
                pass.tilings.clear();
            }
        }
        let (place, value, gradient) = (self.place, self.value, self.gradient);
        self.forward.weights = forward_weights(isa, place, value, mask, all);
        self.backward.par_iter_mut().for_each(|pass| {
            pass.weights = backward_weights(isa, place, gradient, pass.output_first, mask, all);
        });
    }

    /// Whether to compute with all weights where only `needed` of them count.
    fn all_pay(&self, kernels: Kernels, needed: usize) -> bool {
        // A grouped convolution has no weights between groups to compute with.
        self.place.groups == 1
            && match kernels {
                Kernels::Faster => needed as f64 / self.place.shape.weights() as f64 >= DENSE,
                Kernels::Edges => false,
                Kernels::Weights => true,
            }
    }

    fn gathers_all(&self) -> bool {
        matches!(self.forward.weights, Weights::Dense(_))
    }

    /// Takes over the weights on the edges of the mask that is laid out, in edge order. The gradients of edges are those of the
    /// mask, but the other two computations go along the weights that are not 0, so the better way may be another than before: then
    /// they are laid out anew.
    pub(super) fn set_weights(&mut self, isa: Isa, kernels: Kernels, mask: &Mask, weights: &[f32]) {
        let nonzero = self.put(weights);
        let all = self.positions.is_some() && self.all_pay(kernels, nonzero);
        if all != self.gathers_all() {
            self.lay_out_gathers(isa, mask, all);
            self.put(weights);
        }
    }

    /// Puts the weights where the passes read them; returns how many are not 0.
    fn put(&mut self, weights: &[f32]) -> usize {
        for pass in &mut self.backward {
            pass.set_weights(weights);
        }
        self.forward.set_weights(weights)
    }

    /// Parts of the batch in sums over tensors: regions.
    pub(super) fn parts(&mut self, isa: Isa, samples: usize) -> usize {
        let blocks = samples.div_ceil(LANES);
        if self.regions.cut(blocks, self.output.height, self.cutting) {
            for region in &self.regions.list {
                self.forward.tile(isa, forward_grid(region));
                for pass in &mut self.backward {
                    pass.tile(isa, backward_grid(region, pass, self.place.stride, self.input));
                }
            }
        }
        self.regions.list.len()
    }

    /// Whether the forward pass can measure the moments of what it writes.
    pub(super) fn measures(&self) -> bool {
        self.cutting.blocks == 1
    }

    /// Makes a thread's memory large enough for the layer.
    pub(super) fn reserve(&self, isa: Isa, scratch: &mut Scratch) {
        let grow = |memory: &mut Vec<Pixel>, size: usize| {
            if memory.len() < size {
                memory.resize(size, Pixel::ZERO);
            }
        };
        grow(&mut scratch.value, self.value.block() * self.cutting.blocks);
        grow(&mut scratch.gradient, self.gradient.block() * self.cutting.blocks);
        grow(&mut scratch.sums, self.input.channels * (MOST + 1));
        grow(&mut scratch.partial, self.input.channels.max(self.output.channels) * isa.tile());
        if scratch.moments.len() < self.output.channels {
            scratch.moments.resize(self.output.channels, [Pixel::ZERO; 3]);
        }
    }

    /// Copies the input of a region.
    ///
    /// # Safety
    /// As [`copy`], for a region of this layer.
    unsafe fn read_value(&self, machine: Machine, scratch: &mut Scratch, region: &Region, input: &Operands) -> Input {
        let first = (region.rows.start * self.place.stride) as isize - self.place.padding as isize;
        let rows = self.place.rows_seen(region.rows.len());
        // SAFETY: passed on from the caller.
        unsafe { copy(machine, &mut scratch.value, region, input, self.value, first, rows) }
    }

    /// `output = bias + W·input`; if asked to, with the moments of the output by region and channel.
    ///
    /// # Safety
    /// Instructions must be this machine's, and as when the layer was laid out and cut; the layer must be cut for the samples
    /// ([`Conv::parts`]) and every thread have memory for it ([`Conv::reserve`]). Tensors must be of the layer's images and have
    /// the samples' blocks, bias and maps one value a channel. Output and moments must be the caller's own, what is read not be
    /// written meanwhile.
    pub(super) unsafe fn forward(
        &self,
        machine: Machine,
        input: Operand,
        output: View,
        bias: Option<&[f32]>,
        moments: Option<Shared<Moments>>,
    ) {
        let blocks = machine.samples.div_ceil(LANES);
        let operands = [Some(input.with_image(self.input, blocks)), None, None, None];
        let segments = self.regions.segments;
        (0..self.regions.list.len() * segments).into_par_iter().for_each(|item| {
            let (index, units) = (item / segments, self.forward.share(item % segments, segments));
            let region = &self.regions.list[index];
            let scratch = &mut *machine.scratch();
            // SAFETY: by contract; regions cover the grid and segments the units exactly once, so no two items write the same
            // pixel; the copy has zeros where taps reach over the image.
            unsafe {
                let input = self.read_value(machine, scratch, region, &operands);
                let target = Output {
                    bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
                    moments: moments.map_or(std::ptr::null_mut(), |_| scratch.moments.as_mut_ptr()),
                    ..plain_output(output)
                };
                let partial = scratch.partial.as_mut_ptr();
                let work = Work { isa: machine.isa, grid: forward_grid(region), input, units: &units };
                self.forward.run(work, &target, partial, true);
            }
            if let Some(moments) = moments {
                let valid = Pixel::valid(machine.samples, region.block);
                let pixels = region.rows.len() * self.output.width;
                // SAFETY: by contract; each item has its own region and units.
                let to = unsafe { moments.range(index * self.output.channels + units.start, units.len()) };
                for (to, [minus_pivot, sum, squares]) in to.iter_mut().zip(&scratch.moments[units]) {
                    *to = Moments::of_lanes(pixels, [minus_pivot, sum, squares], &valid);
                }
            }
        });
    }
}

/// Pixels that are written as they are.
///
/// # Safety
/// The tensor must be alive.
unsafe fn plain_output(to: View) -> Output {
    let none = WatchJob { x: std::ptr::null(), inverse: std::ptr::null(), offset: std::ptr::null(), sums: std::ptr::null_mut() };
    Output {
        // SAFETY: the first pixel of a tensor that is alive by contract.
        pixels: unsafe { to.plane(0, 0) },
        unit: to.image.height * to.image.width,
        bias: std::ptr::null(),
        accumulate: false,
        moments: std::ptr::null_mut(),
        mask: std::ptr::null(),
        mask_scale: std::ptr::null(),
        mask_shift: std::ptr::null(),
        watches: [none; MOST],
        watch_count: 0,
        total: std::ptr::null_mut(),
    }
}
