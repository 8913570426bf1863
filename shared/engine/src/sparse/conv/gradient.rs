//! The backward pass of one layer.

use std::ops::Range;

use rayon::prelude::*;

use super::correlate::{CorrelateJob, EDGES, UNITS, correlate};
use super::gather::{Output, WatchJob};
use super::layout::{backward_grid, forward_grid};
use super::pass::{GradientInput, Input, Weights, Work};
use super::region::Region;
use super::scratch::{Machine, Scratch, copy};
use super::{Conv, InputGradient, WeightGradient, plain_output};
use crate::simd::{Isa, LANES};
use crate::sparse::blend::{Operand, Operands};
use crate::sparse::norm::lane_sum;
use crate::sparse::tensor::{Pixel, Shared};

/// Gradient pixels that are correlated at once: enough to make up for adding up lanes, few enough to stay in cache.
const STRIP: usize = 64;
/// Pixels of input that stay in the L1 cache while a strip's gradients of all units pass by.
const KEPT: usize = (24 << 10) / size_of::<Pixel>();
/// Weights whose sums a thread adds up at once.
const CHUNK: usize = 1 << 12;

/// Where gradients of weights go: one slot's sums.
#[derive(Clone, Copy)]
struct Results {
    sums: Shared<f32>,
    /// First value of the slot.
    first: usize,
    accumulate: bool,
    /// Of all weights, not only edges.
    all: bool,
}

impl Conv {
    /// Values that sums by slot take in [`Conv::backward`].
    pub(in crate::sparse) fn partial_sums(&self, all: bool) -> usize {
        let length = if all || self.positions.is_some() { self.place.shape.weights() } else { self.edges };
        self.regions.slots() * length
    }

    /// Gradients of the edges, in edge order, or of all weights, edges or not, in position order; and of the input. `partial` is
    /// memory for [`Conv::partial_sums`].
    ///
    /// # Safety
    /// As [`Conv::forward`], for the input gradient and its sums instead of output and moments; everything that completes the
    /// input gradient must be as [`crate::sparse::plane::complete`] demands.
    ///
    /// # Panics
    /// If `partial` or the weights' gradients are too short.
    pub(in crate::sparse) unsafe fn backward(
        &self,
        machine: Machine,
        gradient: &Operands,
        value: Operand,
        input_gradient: Option<&InputGradient>,
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
        let input_gradient = input_gradient.map(|g| InputGradient { to: g.to.with_image(self.input, blocks), ..*g });
        (0..slots * segments).into_par_iter().for_each(|item| {
            let (slot, segment) = (item / segments, item % segments);
            let scratch = &mut *machine.scratch();
            let regions = self.regions.of_slot(slot);
            for index in regions.clone() {
                let region = &self.regions.list[index];
                let reach = self.gradient.beside;
                let first = region.rows.start as isize - reach as isize;
                let rows = region.rows.len() + 2 * reach;
                // SAFETY: by contract; `reserve` has made room for a region.
                let [from, input] = unsafe {
                    let from = copy(machine, &mut scratch.gradient, region, gradient, self.gradient, first, rows);
                    [from, self.read_value(machine, scratch, region, &value)]
                };
                let units = segment * self.place.shape.out / segments..(segment + 1) * self.place.shape.out / segments;
                let mine = Results { sums, first: slot * length, accumulate: index > regions.start, all };
                // SAFETY: both copies are of this region; each item has its own slot and units.
                unsafe { self.correlate(machine.isa, region, [input, from], units, mine) };
                if let Some(to) = &input_gradient {
                    // SAFETY: by contract; the copy is of this region, and each item has its own regions and segment.
                    unsafe { self.input_gradient(machine, scratch, index, from, to, segment) };
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
            WeightGradient::All(to) => {
                to.par_chunks_mut(CHUNK).zip(all.par_chunks(CHUNK)).for_each(|(to, all)| to.copy_from_slice(all));
            }
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

    /// Gathers the gradient of one region's input, and completes it.
    ///
    /// # Safety
    /// As [`Conv::backward`]; `from` must be the copy of the region, and the segment's units of the region the caller's own.
    unsafe fn input_gradient(
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
        // SAFETY: a tensor that is alive.
        let mut target = Output { accumulate: to.accumulate, ..unsafe { plain_output(to.to) } };
        if let Some((x, map)) = completion.relu {
            // SAFETY: the first pixel of a tensor that is alive.
            target.mask = unsafe { x.plane(0, 0) };
            if let Some([scale, shift]) = map {
                (target.mask_scale, target.mask_shift) = (scale.as_ptr(), shift.as_ptr());
            }
        }
        // The kernel uses all of these pointers in turn, so each is to a slice of its own: to borrow the whole for one of them
        // would end the others.
        let mut sums = scratch.sums.chunks_exact_mut(channels).map(<[Pixel]>::as_mut_ptr);
        let mut next = || sums.next().unwrap_or_else(|| unreachable!("`reserve` has made room for all sums"));
        target.total = next();
        for (w, watch) in completion.watches.iter().flatten().enumerate() {
            target.watches[w] = WatchJob {
                // SAFETY: the first pixel of a tensor that is alive.
                x: unsafe { watch.x.plane(0, 0) },
                inverse: watch.inverse.as_ptr(),
                offset: watch.offset.as_ptr(),
                sums: next(),
            };
            target.watch_count = w + 1;
        }
        let segments = self.regions.segments;
        let mut first = true;
        let mut units = 0..0;
        for pass in &self.backward {
            units = pass.share(segment, segments);
            if pass.is_empty() && to.accumulate && completion.is_nothing() {
                continue;
            }
            let grid = backward_grid(region, pass, self.place.stride, self.input);
            let partial = scratch.partial.as_mut_ptr();
            let work = Work { isa: machine.isa, grid, input: from, units: &units };
            // SAFETY: by contract; regions, phases and segments have disjoint pixels, the copy has zeros where taps reach over
            // the image, and `scratch`, where sums and `partial` lie, is this thread's.
            first = unsafe { pass.run(work, &target, partial, first) };
        }
        if first {
            // No pixel of the input belongs to the region.
            scratch.sums.fill(Pixel::ZERO);
        }
        for (w, watch) in completion.watches.iter().flatten().enumerate() {
            // SAFETY: by contract; each item has its own region and units.
            let sums = unsafe { watch.sums.range(index * channels + units.start, units.len()) };
            for (u, sums) in units.clone().zip(sums) {
                *sums = [lane_sum(&scratch.sums[u]), lane_sum(&scratch.sums[(w + 1) * channels + u])];
            }
        }
    }

    /// Correlates one region for some units.
    ///
    /// # Safety
    /// `isa` is one of this machine's. The inputs must be copies of the region; the slot's sums must be alive, and those of these
    /// units the caller's own.
    unsafe fn correlate(&self, isa: Isa, region: &Region, [input, gradient]: [Input; 2], units: Range<usize>, results: Results) {
        let Results { sums, first: slot, accumulate, all } = results;
        let width = self.output.width;
        let reach = self.gradient.beside;
        if let (Weights::Sparse(sparse), None, false) = (&self.forward.weights, &self.positions, all) {
            // SAFETY: the copies hold the region and what its taps reach; results by contract.
            unsafe {
                let from = Input { pixels: gradient.pixels.add(reach * gradient.pitch + reach), ..gradient };
                let result = sums.pointer(slot, sparse.all.edges.len());
                let from = GradientInput { input: from, unit: self.gradient.channel, result };
                let work = Work { isa, grid: forward_grid(region), input, units: &units };
                self.forward.correlate(work, sparse, from, accumulate);
            }
            return;
        }
        let strip = (STRIP / (width * region.blocks)).max(1);
        let fan_in = self.place.shape.fan_in();
        let per_group = self.place.shape.out / self.place.groups;
        let together = if isa.tile() >= 16 && self.place.groups == 1 { UNITS } else { 1 };
        let taps = self.place.shape.taps();
        // Pixels that the strip sees of a channel.
        let seen = region.blocks * self.place.rows_seen(strip.min(region.rows.len())) * input.pitch;
        let edges = (KEPT / seen * taps / EDGES).max(1) * EDGES;
        let pieces = (0..region.rows.len()).step_by(strip).flat_map(|y| (0..fan_in).step_by(edges).map(move |e| (y, e)));
        for (y, edge) in pieces {
            let row = y * self.place.stride * input.pitch;
            let gradient_at = (y + reach) * gradient.pitch + reach;
            for o in units.clone().step_by(together) {
                let of_group = o / per_group * self.place.shape.inp * self.value.channel;
                let count = together.min(units.end - o);
                // SAFETY: as above; results are those of `count` units of the slot.
                unsafe {
                    let edges = edges.min(fan_in - edge);
                    let job = CorrelateJob {
                        input: input.pixels.add(row + of_group),
                        input_block: input.block,
                        input_pitch: self.place.stride * input.pitch,
                        input_step: self.place.stride,
                        gradient: gradient.pixels.add(gradient_at + o * self.gradient.channel),
                        gradient_unit: self.gradient.channel,
                        gradient_block: gradient.block,
                        gradient_pitch: gradient.pitch,
                        blocks: region.blocks,
                        rows: strip.min(region.rows.len() - y),
                        columns: width,
                        offsets: self.offsets[edge..].as_ptr(),
                        edges,
                        units: count,
                        result: sums.pointer(slot + o * fan_in + edge, (count - 1) * fan_in + edges),
                        result_unit: fan_in,
                        accumulate: accumulate || y > 0,
                    };
                    correlate(isa, &job);
                }
            }
        }
    }
}
