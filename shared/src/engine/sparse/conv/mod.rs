//! Convolutions and linear layers: on the edges of their graph, or on all weights where that is faster.
//!
//! The work is cut into regions. For each, what is read is first copied, through normalisation and ReLU, to a piece of memory
//! with zeros around it that fits into cache; tiles of output pixels are then gathered from there. The backward pass has a copy of
//! the gradient as well: it correlates the two for the gradients of weights, and gathers from the latter for that of the input.

mod correlate;
mod gather;
mod pass;
mod region;
mod weights;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use self::correlate::{CorrelateJob, UNITS, correlate};
use self::gather::{Output, WatchJob};
use self::pass::{GradientInput, Grid, Input, Pass, Weights};
use self::region::{Cutting, Region, Regions};
use self::weights::{Arc, Dense, Link, Sparse};
use super::blend::{Frame, MOST, Operand, Operands, read};
use super::norm::{Moments, lane_sum};
use super::plane::Completion;
use super::tensor::{Pixel, Shared, View};
use crate::engine::simd::{Isa, LANES};
use crate::graph::{LayerShape, Mask};
use crate::model::Image;

/// Gradient pixels that are correlated at once: enough to make up for adding up lanes, few enough to stay in cache.
const STRIP: usize = 64;
/// Pixels that the L1 cache holds besides what else is in use.
const L1: usize = (36 << 10) / size_of::<Pixel>();
/// Edges of a unit in a chunk that make up for reading and writing its sums.
const ENOUGH_EDGES: f64 = 4.0;
/// Weights whose sums a thread adds up at once.
const CHUNK: usize = 1 << 12;

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
    /// The input as the layer sees it.
    pub(super) fn seen(&self, input: Image) -> Image {
        if self.linear { Image::new(input.len(), 1, 1) } else { input }
    }

    /// Pixels around a region's output gradient that the input gradient reads.
    fn reach(&self, input: Image, output: Image) -> usize {
        let before = |k: usize| (k - 1).saturating_sub(self.padding).div_ceil(self.stride);
        let after = |n: usize, out: usize| ((n - 1 + self.padding) / self.stride + 1).saturating_sub(out);
        let [kh, kw] = self.shape.kernel;
        let ends = after(input.height, output.height).max(after(input.width, output.width));
        before(kh).max(before(kw)).max(ends).max(self.padding.div_ceil(self.stride))
    }

    /// Offset of a tap in a frame.
    fn tap(&self, tap: usize, pitch: usize) -> usize {
        tap / self.shape.kernel[1] * pitch + tap % self.shape.kernel[1]
    }

    /// Output unit, input channel and tap of a weight.
    fn position(&self, position: usize) -> [usize; 3] {
        let shape = self.shape;
        let (o, rest) = (position / shape.fan_in(), position % shape.fan_in());
        let (i, tap) = (rest / shape.taps(), rest % shape.taps());
        [o, o / (shape.out / self.groups) * shape.inp + i, tap]
    }
}

/// Shape of the memory that holds a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FrameShape {
    pitch: usize,
    rows: usize,
    /// Pixels from a channel to the next.
    channel: usize,
    channels: usize,
    beside: usize,
}

impl FrameShape {
    fn new(image: Image, rows: usize, beside: usize) -> Self {
        let pitch = image.width + 2 * beside;
        // An odd distance: planes at a multiple of 64 lines would compete for the same places in the L1 cache.
        Self { pitch, rows, channel: rows * pitch | 1, channels: image.channels, beside }
    }

    /// Pixels of one block.
    fn block(&self) -> usize {
        self.channels * self.channel
    }

    /// The frame in memory, for some rows of the image.
    fn at(&self, to: *mut Pixel, first: isize, rows: usize) -> Frame {
        Frame { to, channel: self.channel, beside: self.beside, first, rows }
    }
}

/// Density from which computing with all weights of a layer is faster than with its edges; see `docs/performance.md`.
pub(super) const DENSE: f64 = 0.3;

/// Memory of one thread.
#[derive(Default)]
pub(super) struct Scratch {
    value: Vec<Pixel>,
    gradient: Vec<Pixel>,
    /// Sums per unit, lane by lane.
    sums: Vec<Pixel>,
    moments: Vec<[Pixel; 3]>,
    /// Tiles of units between chunks.
    partial: Vec<Pixel>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} + {} pixels)", self.value.len(), self.gradient.len())
    }
}

/// What computing needs besides tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine<'a> {
    pub(super) isa: Isa,
    pub(super) samples: usize,
    /// One per thread.
    pub(super) scratch: &'a [Mutex<Scratch>],
}

impl Machine<'_> {
    /// The memory of the thread that asks.
    fn scratch(&self) -> MutexGuard<'_, Scratch> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        self.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    conv: ConvShape,
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
    /// Positions of the edges, if the layer is computed with all weights.
    positions: Option<Vec<u32>>,
    edges: usize,
}

impl Conv {
    /// Lays out a layer; `input_gradient` says whether anyone needs the gradient of the input, `dense` whether to compute with
    /// all weights. O(edges · s²), or O(weights) if dense.
    ///
    /// # Panics
    /// If a region is too large for the offsets of edges.
    pub(super) fn new(
        isa: Isa,
        conv: ConvShape,
        mask: &Mask,
        [input, output]: [Image; 2],
        input_gradient: bool,
        dense: bool,
    ) -> Self {
        assert!(!dense || conv.groups == 1, "a dense layer has one group");
        let input = conv.seen(input);
        let reach = conv.reach(input, output);
        let rows_in = |rows: usize| (rows - 1) * conv.stride + conv.shape.kernel[0];
        let value = |rows: usize| FrameShape::new(input, rows_in(rows), conv.padding);
        let gradient = |rows: usize| FrameShape::new(output, rows + 2 * reach, reach);
        let cutting = Cutting::new(output, |rows| value(rows).block().max(gradient(rows).block()));
        let (value, gradient) = (value(cutting.rows), gradient(cutting.rows));
        for block in [value.block(), gradient.block()] {
            assert!(i32::try_from(block).is_ok(), "{block} pixels in a region of 16 samples, more than offsets can tell apart");
        }
        let taps = conv.shape.taps();
        let tap_offset = |t: usize| conv.tap(t, value.pitch) as i32;
        let mut layer = Self {
            forward: forward(isa, conv, mask, value, output, dense),
            backward: Vec::new(),
            conv,
            input,
            output,
            value,
            gradient,
            cutting,
            regions: Regions::default(),
            offsets: (0..conv.shape.fan_in()).map(|k| (k / taps * value.channel) as i32 + tap_offset(k % taps)).collect(),
            positions: dense.then(|| mask.iter().map(|p| p as u32).collect()),
            edges: mask.edges(),
        };
        if input_gradient {
            let phases = (0..conv.stride).flat_map(|y| (0..conv.stride).map(move |x| [y, x]));
            layer.backward = phases.map(|phase| backward(isa, &layer, mask, reach, phase, dense)).collect();
        }
        layer
    }

    /// Takes over the layer's weights, in edge order.
    pub(super) fn set_weights(&mut self, weights: &[f32]) {
        self.forward.set_weights(weights);
        for pass in &mut self.backward {
            pass.set_weights(weights);
        }
    }

    /// Parts of the batch in sums over tensors: regions.
    pub(super) fn parts(&mut self, isa: Isa, samples: usize) -> usize {
        let blocks = samples.div_ceil(LANES);
        self.regions.cut(blocks, self.output.height, self.cutting);
        for region in &self.regions.list {
            self.forward.tile(isa, forward_grid(region));
            for pass in &mut self.backward {
                pass.tile(isa, backward_grid(region, pass, self.conv.stride, self.input));
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
    fn read_value(&self, machine: Machine, scratch: &mut Scratch, region: &Region, input: &Operands) -> Input {
        let first = (region.rows.start * self.conv.stride) as isize - self.conv.padding as isize;
        let rows = (region.rows.len() - 1) * self.conv.stride + self.conv.shape.kernel[0];
        copy(machine, &mut scratch.value, region, input, self.value, first, rows)
    }

    /// `output = bias + W·input`; if asked to, with the moments of the output by region and channel.
    pub(super) fn forward(
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
            let input = self.read_value(machine, scratch, region, &operands);
            // SAFETY: regions cover the grid and segments the units exactly once, so no two items write the same pixel; the copy
            // has zeros where taps reach over the image.
            unsafe {
                let target = Output {
                    bias: bias.map_or(std::ptr::null(), <[f32]>::as_ptr),
                    moments: moments.map_or(std::ptr::null_mut(), |_| scratch.moments.as_mut_ptr()),
                    ..plain_output(output)
                };
                let partial = scratch.partial.as_mut_ptr();
                self.forward.run(machine.isa, forward_grid(region), input, &target, partial, units.clone(), true);
            }
            if let Some(moments) = moments {
                let valid = Pixel::valid(machine.samples, region.block);
                let pixels = region.rows.len() * self.output.width;
                // SAFETY: each item has its own region and units.
                let to = unsafe { moments.range(index * self.output.channels + units.start, units.len()) };
                for (to, [pivot, sum, squares]) in to.iter_mut().zip(&scratch.moments[units]) {
                    *to = Moments::of_lanes(pixels, [pivot, sum, squares], &valid);
                }
            }
        });
    }

    /// Values that sums by slot take in [`Conv::backward`].
    pub(super) fn partial_sums(&self, all: bool) -> usize {
        let length = if all || self.positions.is_some() { self.conv.shape.weights() } else { self.edges };
        self.regions.slots() * length
    }

    /// Gradients of the edges, in edge order, or of all weights, edges or not, in position order; and of the input. `partial` is
    /// memory for [`Conv::partial_sums`].
    pub(super) fn backward(
        &self,
        machine: Machine,
        gradient: &Operands,
        value: Operand,
        input_gradient: Option<InputGradient>,
        weights: WeightGradient,
        partial: &mut [f32],
    ) {
        let blocks = machine.samples.div_ceil(LANES);
        let value = [Some(value.with_image(self.input, blocks)), None, None, None];
        let (segments, slots) = (self.regions.segments, self.regions.slots());
        let all = matches!(weights, WeightGradient::All(_));
        let length = self.partial_sums(all) / slots;
        let partial = &mut partial[..slots * length];
        let sums = Shared::new(partial);
        let input_gradient = input_gradient.map(|g| InputGradient { to: g.to.with_image(self.input, blocks), ..g });
        (0..slots * segments).into_par_iter().for_each(|item| {
            let (slot, segment) = (item / segments, item % segments);
            let scratch = &mut *machine.scratch();
            let regions = self.regions.of_slot(slot);
            for index in regions.clone() {
                let region = &self.regions.list[index];
                let reach = self.gradient.beside;
                let first = region.rows.start as isize - reach as isize;
                let rows = region.rows.len() + 2 * reach;
                let from = copy(machine, &mut scratch.gradient, region, gradient, self.gradient, first, rows);
                let input = self.read_value(machine, scratch, region, &value);
                let units = segment * self.conv.shape.out / segments..(segment + 1) * self.conv.shape.out / segments;
                // SAFETY: each item has its own slot and units.
                unsafe { self.correlate(machine.isa, region, input, from, units, sums, slot * length, index > regions.start, all) };
                if let Some(to) = &input_gradient {
                    self.input_gradient(machine, scratch, index, from, to, segment);
                }
            }
        });
        let (all, rest) = partial.split_at_mut(length);
        all.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, all)| {
            for slot in rest.chunks(length.max(1)) {
                for (sum, value) in all.iter_mut().zip(&slot[chunk * CHUNK..]) {
                    *sum += value;
                }
            }
        });
        match weights {
            WeightGradient::All(to) => to.copy_from_slice(all),
            WeightGradient::Edges(to) => {
                let places = match (&self.positions, &self.forward.weights) {
                    (Some(positions), _) => positions,
                    (None, Weights::Sparse(sparse)) => &sparse.places,
                    (None, Weights::Dense(_)) => unreachable!("a dense layer knows its edges' positions"),
                };
                to.par_chunks_mut(CHUNK).zip(places.par_chunks(CHUNK)).for_each(|(to, places)| {
                    for (to, &place) in to.iter_mut().zip(places) {
                        *to = all[place as usize];
                    }
                });
            }
        }
    }

    /// Gathers the gradient of one region's input.
    fn input_gradient(
        &self,
        machine: Machine,
        scratch: &mut Scratch,
        index: usize,
        from: Input,
        to: &InputGradient,
        segment: usize,
    ) {
        let region = &self.regions.list[index];
        let completion = &to.completion;
        let channels = self.input.channels;
        let mut target = Output { accumulate: to.accumulate, ..plain_output(to.to) };
        // SAFETY: pointers to the first pixel of tensors that have the shape of the one written.
        unsafe {
            if let Some((x, map)) = completion.relu {
                target.mask = x.plane(0, 0);
                if let Some([scale, shift]) = map {
                    (target.mask_scale, target.mask_shift) = (scale.as_ptr(), shift.as_ptr());
                }
            }
            target.total = scratch.sums.as_mut_ptr();
            for (w, watch) in completion.watches.iter().flatten().enumerate() {
                target.watches[w] = WatchJob {
                    x: watch.x.plane(0, 0),
                    inverse: watch.inverse.as_ptr(),
                    offset: watch.offset.as_ptr(),
                    sums: scratch.sums[(w + 1) * channels..].as_mut_ptr(),
                };
                target.watch_count = w + 1;
            }
        }
        let segments = self.regions.segments;
        let mut first = true;
        let mut units = 0..0;
        for pass in &self.backward {
            units = pass.share(segment, segments);
            if pass.is_empty() && to.accumulate && completion.is_nothing() {
                continue;
            }
            let grid = backward_grid(region, pass, self.conv.stride, self.input);
            // SAFETY: regions, phases and segments have disjoint pixels; the copy has zeros where taps reach over the image.
            let partial = scratch.partial.as_mut_ptr();
            first = unsafe { pass.run(machine.isa, grid, from, &target, partial, units.clone(), first) };
        }
        if first {
            // No pixel of the input belongs to the region.
            scratch.sums.fill(Pixel::ZERO);
        }
        for (w, watch) in completion.watches.iter().flatten().enumerate() {
            // SAFETY: each item has its own region and units.
            let sums = unsafe { watch.sums.range(index * channels + units.start, units.len()) };
            for (u, sums) in units.clone().zip(sums) {
                *sums = [lane_sum(&scratch.sums[u]), lane_sum(&scratch.sums[(w + 1) * channels + u])];
            }
        }
    }

    /// Correlates one region for some units.
    ///
    /// # Safety
    /// The slot's sums of these units must be the caller's own.
    #[allow(clippy::too_many_arguments)]
    unsafe fn correlate(
        &self,
        isa: Isa,
        region: &Region,
        input: Input,
        gradient: Input,
        units: std::ops::Range<usize>,
        sums: Shared<f32>,
        slot: usize,
        accumulate: bool,
        all: bool,
    ) {
        let width = self.output.width;
        let reach = self.gradient.beside;
        if let (Weights::Sparse(sparse), false) = (&self.forward.weights, all) {
            // SAFETY: the copies hold the region and what its taps reach; results by contract.
            unsafe {
                let from = Input { pixels: gradient.pixels.add(reach * gradient.pitch + reach), ..gradient };
                let result = sums.range(slot, sparse.edges.len()).as_mut_ptr();
                let from = GradientInput { input: from, unit: self.gradient.channel, result };
                self.forward.correlate(isa, sparse, forward_grid(region), input, from, units, accumulate);
            }
            return;
        }
        let strip = (STRIP / (width * region.blocks)).max(1);
        let fan_in = self.conv.shape.fan_in();
        let per_group = self.conv.shape.out / self.conv.groups;
        let together = if isa.tile() >= 16 && self.conv.groups == 1 { UNITS } else { 1 };
        for y in (0..region.rows.len()).step_by(strip) {
            let row = y * self.conv.stride * input.pitch;
            let gradient_at = (y + reach) * gradient.pitch + reach;
            for o in units.clone().step_by(together) {
                let of_group = o / per_group * self.conv.shape.inp * self.value.channel;
                let count = together.min(units.end - o);
                // SAFETY: as above.
                unsafe {
                    let job = CorrelateJob {
                        input: input.pixels.add(row + of_group),
                        input_block: input.block,
                        input_pitch: self.conv.stride * input.pitch,
                        input_step: self.conv.stride,
                        gradient: gradient.pixels.add(gradient_at + o * self.gradient.channel),
                        gradient_unit: self.gradient.channel,
                        gradient_block: gradient.block,
                        gradient_pitch: gradient.pitch,
                        blocks: region.blocks,
                        rows: strip.min(region.rows.len() - y),
                        columns: width,
                        offsets: self.offsets.as_ptr(),
                        edges: fan_in,
                        units: count,
                        result: sums.range(slot + o * fan_in, count * fan_in).as_mut_ptr(),
                        result_unit: fan_in,
                        accumulate: accumulate || y > 0,
                    };
                    correlate(isa, &job);
                }
            }
        }
    }
}

/// Channels whose pixels that a tile gathers from fit into the L1 cache, or so many that a unit has enough edges among them to make
/// up for putting its sums aside.
fn chunk(channels: usize, groups: usize, seen: usize, taps: usize, density: f64) -> usize {
    if groups > 1 {
        return channels;
    }
    let fit = std::env::var("L1").map_or(L1, |l| l.parse::<usize>().unwrap()) / seen.max(1);
    let enough_edges = std::env::var("EE").map_or(ENOUGH_EDGES, |l| l.parse::<f64>().unwrap());
    let enough = (enough_edges / (taps as f64 * density)).ceil() as usize;
    let chunk = fit.max(enough).max(1);
    // Chunks of equal size; a second one that is hardly worth it would not be.
    channels.div_ceil(channels.div_ceil(chunk).max(1)).max(1)
}

/// Copies a region's rows of all channels to memory with zeros around.
fn copy(
    machine: Machine,
    to: &mut [Pixel],
    region: &Region,
    operands: &Operands,
    shape: FrameShape,
    first: isize,
    rows: usize,
) -> Input {
    for b in 0..region.blocks {
        let frame = shape.at(to[b * shape.block()..].as_mut_ptr(), first, rows);
        // SAFETY: `reserve` has made room for the region's blocks; nobody writes what is read.
        unsafe { read(machine.isa, machine.samples, operands, region.block + b, 0..shape.channels, frame, false) };
    }
    Input { pixels: to.as_ptr(), pitch: shape.pitch, block: shape.block() }
}

fn plain_output(to: View) -> Output {
    let none = WatchJob {
        x: std::ptr::null(),
        inverse: std::ptr::null(),
        offset: std::ptr::null(),
        sums: std::ptr::null_mut(),
    };
    Output {
        // SAFETY: the first pixel of the tensor.
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

fn forward_grid(region: &Region) -> Grid {
    Grid { block: region.block, blocks: region.blocks, first: region.rows.start, rows: region.rows.len() }
}

/// The input pixels of one phase that belong to a region.
fn backward_grid(region: &Region, pass: &Pass, stride: usize, input: Image) -> Grid {
    let all = input.height.saturating_sub(pass.output_first[0]).div_ceil(stride);
    let last = if region.last { all } else { region.rows.end.min(all) };
    Grid { block: region.block, blocks: region.blocks, first: region.rows.start, rows: last.saturating_sub(region.rows.start) }
}

fn forward(isa: Isa, conv: ConvShape, mask: &Mask, frame: FrameShape, output: Image, dense: bool) -> Pass {
    let shape = conv.shape;
    let weights = if dense {
        let links = mask.iter().map(|p| {
            let [unit, channel, tap] = conv.position(p);
            Some(Link { unit, channel, tap })
        });
        let taps = (0..shape.taps()).map(|t| conv.tap(t, frame.pitch) as i32).collect();
        Weights::Dense(Dense::new([shape.out, shape.inp, frame.channel], taps, isa.dense_tile()[0], links))
    } else {
        let arcs = mask.iter().map(|p| {
            let [unit, channel, tap] = conv.position(p);
            Some(Arc { unit, channel, offset: (channel * frame.channel + conv.tap(tap, frame.pitch)) as i32 })
        });
        let seen = (3 * conv.stride + shape.kernel[0]) * (3 * conv.stride + shape.kernel[1]);
        let chunk = chunk(frame.channels, conv.groups, seen, shape.taps(), mask.density());
        Weights::Sparse(Sparse::new(shape.out, frame.channels, chunk, arcs))
    };
    Pass {
        weights,
        taps: shape.kernel,
        image: output,
        columns: output.width,
        input_step: conv.stride,
        output_step: 1,
        output_first: [0, 0],
        tilings: Vec::new(),
    }
}

fn backward(isa: Isa, layer: &Conv, mask: &Mask, reach: usize, phase: [usize; 2], dense: bool) -> Pass {
    let (conv, frame) = (layer.conv, layer.gradient);
    let ConvShape { shape, stride, padding, groups, .. } = conv;
    // Offset of the output gradient that input pixel `phase + stride·q` reaches through a tap, relative to q; none if it falls
    // between.
    let distance = move |phase: usize, k: usize| {
        let distance = (phase + padding) as i32 - k as i32;
        (distance.rem_euclid(stride as i32) == 0).then(|| distance.div_euclid(stride as i32) + reach as i32)
    };
    let offset = move |tap: usize| {
        let y = distance(phase[0], tap / shape.kernel[1])?;
        let x = distance(phase[1], tap % shape.kernel[1])?;
        Some(y * frame.pitch as i32 + x)
    };
    let reached = shape.kernel.map(|k| k.div_ceil(stride));
    let weights = if dense {
        let taps: Vec<usize> = (0..shape.taps()).filter(|&t| offset(t).is_some()).collect();
        let links = mask.iter().map(|p| {
            let [o, unit, tap] = conv.position(p);
            taps.iter().position(|&t| t == tap).map(|tap| Link { unit, channel: o, tap })
        });
        let offsets = taps.iter().filter_map(|&t| offset(t)).collect();
        Weights::Dense(Dense::new([shape.inp, shape.out, frame.channel], offsets, isa.dense_tile()[0], links))
    } else {
        let arcs = mask.iter().map(|p| {
            let [channel, unit, tap] = conv.position(p);
            Some(Arc { unit, channel, offset: (channel * frame.channel) as i32 + offset(tap)? })
        });
        let seen = (3 + reached[0]) * (3 + reached[1]);
        let chunk = chunk(frame.channels, groups, seen, reached[0] * reached[1], mask.density());
        Weights::Sparse(Sparse::new(shape.inp * groups, frame.channels, chunk, arcs))
    };
    Pass {
        weights,
        taps: reached,
        image: layer.input,
        columns: layer.input.width.saturating_sub(phase[1]).div_ceil(stride),
        input_step: 1,
        output_step: stride,
        output_first: phase,
        tilings: Vec::new(),
    }
}
