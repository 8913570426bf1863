//! Tiles of a convolution: a few output pixels gathered along edges, or along all weights of a dense layer, and what is done with
//! them while they are in registers.

use crate::simd::{Vector, versions};
use crate::sparse::tensor::Pixel;

/// An edge as the kernels stream it: where its input pixel lies, relative to the first pixel of a tile, and its weight.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C)]
pub(crate) struct Edge {
    pub(crate) offset: i32,
    pub(crate) weight: f32,
}

/// One tile for a range of units (the channels of the receiving side).
///
/// `rows × columns` pixels: pixel `(r, x)` reads at `input + r·input_pitch + x·input_step + offset` and is written at
/// `output + at + unit·output_unit + r·output_pitch + x·output_step` (all in pixels).
#[derive(Clone, Copy)]
pub(crate) struct TileJob {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) input: *const Pixel,
    pub(crate) input_pitch: usize,
    pub(crate) input_step: usize,
    pub(crate) at: usize,
    pub(crate) output_pitch: usize,
    pub(crate) output_step: usize,
    /// Units.
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// What is gathered along: the edges of unit u in chunk k are `edges[starts[k·units + u]..starts[k·units + u + 1]]`.
#[derive(Clone, Copy)]
pub(crate) struct SparseWeights {
    pub(crate) starts: *const u32,
    pub(crate) edges: *const Edge,
    pub(crate) units: usize,
    pub(crate) chunks: usize,
    /// Memory for one tile of each unit between chunks.
    pub(crate) partial: *mut Pixel,
}

/// All weights: in groups of units, then `[channel][tap][unit of the group]`.
#[derive(Clone, Copy)]
pub(crate) struct DenseWeights {
    pub(crate) weights: *const f32,
    pub(crate) channels: usize,
    /// Pixels from an input channel to the next.
    pub(crate) channel: usize,
    /// Offset of each tap.
    pub(crate) taps: *const i32,
    pub(crate) tap_count: usize,
}

/// Where finished pixels go, and what is taken from them on the way.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) pixels: *mut Pixel,
    /// Pixels from a unit to the next.
    pub(crate) unit: usize,
    /// One value per unit, or null for zeros.
    pub(crate) bias: *const f32,
    /// Add to what is there.
    pub(crate) accumulate: bool,
    /// Per unit a pivot, and sums of deviations from it and of their squares; or null.
    pub(crate) moments: *mut [Pixel; 3],
    /// Zero what is not behind a positive `scale·x + shift`; x at the place of writing, or null. Scale and shift are 1 and 0 if
    /// null.
    pub(crate) mask: *const Pixel,
    pub(crate) mask_scale: *const f32,
    pub(crate) mask_shift: *const f32,
    /// Sums over what is written.
    pub(crate) watches: [WatchJob; crate::sparse::blend::MOST],
    pub(crate) watch_count: usize,
    /// Per unit the sum of what is written, if anybody watches.
    pub(crate) total: *mut Pixel,
}

/// Per unit the sum of what is written times `inverse·x + offset`, x at the place of writing.
#[derive(Clone, Copy)]
pub(crate) struct WatchJob {
    pub(crate) x: *const Pixel,
    pub(crate) inverse: *const f32,
    pub(crate) offset: *const f32,
    pub(crate) sums: *mut Pixel,
}

versions! {
    /// Gathers one tile along edges: `output[u] = bias[u] + Σ_edges weight · input[edge]`. `first` says that sums begin here.
    ///
    /// # Safety
    /// `isa` is one of this machine's. Every pixel and value that the arguments name must be valid, those written be used by no
    /// one else.
    /// `rows` and `columns` must be powers of two with a product of at most [`Vector::TILE`], `input_step` 1 or 2 unless
    /// `columns` is 1.
    unsafe fn gather_sparse(job: &TileJob, weights: &SparseWeights, output: &Output, first: bool) = any_sparse;
}

versions! {
    /// Gathers one tile along all weights; the units are one group.
    ///
    /// # Safety
    /// As [`gather_sparse`], with at most [`Vector::DENSE`] units and pixels.
    unsafe fn gather_dense(job: &TileJob, weights: &DenseWeights, output: &Output, first: bool) = any_dense;
}

/// Runs a kernel that is generic over rows, columns and input step of a sparse tile for those of a job.
macro_rules! for_tile {
    ($kernel:ident::<$vector:ident>($job:ident, $($arg:ident),*)) => {
        match ($job.rows, $job.columns, $job.input_step) {
            (1, 16, 1) if $vector::TILE >= 16 => $kernel::<$vector, 1, 16, 1>($job, $($arg),*),
            (2, 8, 1) if $vector::TILE >= 16 => $kernel::<$vector, 2, 8, 1>($job, $($arg),*),
            (4, 4, 1) if $vector::TILE >= 16 => $kernel::<$vector, 4, 4, 1>($job, $($arg),*),
            (8, 2, 1) if $vector::TILE >= 16 => $kernel::<$vector, 8, 2, 1>($job, $($arg),*),
            (16, 1, _) if $vector::TILE >= 16 => $kernel::<$vector, 16, 1, 1>($job, $($arg),*),
            (1, 8, 1) if $vector::TILE >= 8 => $kernel::<$vector, 1, 8, 1>($job, $($arg),*),
            (2, 4, 1) if $vector::TILE >= 8 => $kernel::<$vector, 2, 4, 1>($job, $($arg),*),
            (4, 2, 1) if $vector::TILE >= 8 => $kernel::<$vector, 4, 2, 1>($job, $($arg),*),
            (8, 1, _) if $vector::TILE >= 8 => $kernel::<$vector, 8, 1, 1>($job, $($arg),*),
            (1, 4, 1) => $kernel::<$vector, 1, 4, 1>($job, $($arg),*),
            (2, 2, 1) => $kernel::<$vector, 2, 2, 1>($job, $($arg),*),
            (4, 1, _) => $kernel::<$vector, 4, 1, 1>($job, $($arg),*),
            (1, 2, 1) => $kernel::<$vector, 1, 2, 1>($job, $($arg),*),
            (2, 1, _) => $kernel::<$vector, 2, 1, 1>($job, $($arg),*),
            (1, 1, _) => $kernel::<$vector, 1, 1, 1>($job, $($arg),*),
            (1, 16, 2) if $vector::TILE >= 16 => $kernel::<$vector, 1, 16, 2>($job, $($arg),*),
            (2, 8, 2) if $vector::TILE >= 16 => $kernel::<$vector, 2, 8, 2>($job, $($arg),*),
            (4, 4, 2) if $vector::TILE >= 16 => $kernel::<$vector, 4, 4, 2>($job, $($arg),*),
            (8, 2, 2) if $vector::TILE >= 16 => $kernel::<$vector, 8, 2, 2>($job, $($arg),*),
            (1, 8, 2) if $vector::TILE >= 8 => $kernel::<$vector, 1, 8, 2>($job, $($arg),*),
            (2, 4, 2) if $vector::TILE >= 8 => $kernel::<$vector, 2, 4, 2>($job, $($arg),*),
            (4, 2, 2) if $vector::TILE >= 8 => $kernel::<$vector, 4, 2, 2>($job, $($arg),*),
            (1, 4, 2) => $kernel::<$vector, 1, 4, 2>($job, $($arg),*),
            (2, 2, 2) => $kernel::<$vector, 2, 2, 2>($job, $($arg),*),
            (1, 2, 2) => $kernel::<$vector, 1, 2, 2>($job, $($arg),*),
            (r, c, s) => unreachable!("no kernel for a tile of {r}x{c} with step {s}"),
        }
    };
}
pub(super) use for_tile;

#[inline(always)]
unsafe fn any_sparse<V: Vector>(job: &TileJob, weights: &SparseWeights, output: &Output, first: bool) {
    // SAFETY: passed on from the caller.
    unsafe { for_tile!(sparse::<V>(job, weights, output, first)) }
}

#[inline(always)]
unsafe fn any_dense<V: Vector>(job: &TileJob, weights: &DenseWeights, output: &Output, first: bool) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (job.rows, job.columns, job.input_step) {
            (1, 4, 1) if V::DENSE[1] >= 4 => units::<V, 1, 4, 1>(job, weights, output, first),
            (2, 2, 1) if V::DENSE[1] >= 4 => units::<V, 2, 2, 1>(job, weights, output, first),
            (4, 1, _) if V::DENSE[1] >= 4 => units::<V, 4, 1, 1>(job, weights, output, first),
            (1, 4, 2) if V::DENSE[1] >= 4 => units::<V, 1, 4, 2>(job, weights, output, first),
            (2, 2, 2) if V::DENSE[1] >= 4 => units::<V, 2, 2, 2>(job, weights, output, first),
            (1, 2, 1) => units::<V, 1, 2, 1>(job, weights, output, first),
            (2, 1, _) => units::<V, 2, 1, 1>(job, weights, output, first),
            (1, 1, _) => units::<V, 1, 1, 1>(job, weights, output, first),
            (1, 2, 2) => units::<V, 1, 2, 2>(job, weights, output, first),
            (r, c, s) => unreachable!("no dense kernel for a tile of {r}x{c} with step {s}"),
        }
    }
}

#[inline(always)]
unsafe fn units<V: Vector, const R: usize, const X: usize, const S: usize>(
    job: &TileJob,
    weights: &DenseWeights,
    output: &Output,
    first: bool,
) {
    // SAFETY: passed on from the caller.
    unsafe {
        match job.last - job.first {
            1 => dense::<V, R, X, S, 1>(job, weights, output, first),
            2 => dense::<V, R, X, S, 2>(job, weights, output, first),
            3 if V::DENSE[0] >= 3 => dense::<V, R, X, S, 3>(job, weights, output, first),
            4 if V::DENSE[0] >= 4 => dense::<V, R, X, S, 4>(job, weights, output, first),
            5 if V::DENSE[0] >= 5 => dense::<V, R, X, S, 5>(job, weights, output, first),
            6 if V::DENSE[0] >= 6 => dense::<V, R, X, S, 6>(job, weights, output, first),
            n => unreachable!("no dense kernel for {n} units"),
        }
    }
}

#[inline(always)]
unsafe fn sparse<V: Vector, const R: usize, const X: usize, const S: usize>(
    job: &TileJob,
    weights: &SparseWeights,
    output: &Output,
    first: bool,
) {
    // SAFETY: every pointer is one the contract makes valid.
    unsafe {
        for k in 0..weights.chunks {
            let last = k + 1 == weights.chunks;
            let starts = weights.starts.add(k * weights.units);
            for u in job.first..job.last {
                let (begin, end) = (*starts.add(u) as usize, *starts.add(u + 1) as usize);
                if begin == end && k > 0 && !last {
                    continue;
                }
                let partial = weights.partial.add((u - job.first) * R * X);
                let mut sums = [[V::splat(0.0); X]; R];
                if k == 0 {
                    sums = [[start::<V>(output, u); X]; R];
                } else {
                    for (p, sum) in sums.as_flattened_mut().iter_mut().enumerate() {
                        *sum = (*partial.add(p)).get();
                    }
                }
                for e in begin..end {
                    let edge = *weights.edges.add(e);
                    let weight = V::splat(edge.weight);
                    let from = job.input.offset(edge.offset as isize);
                    for (r, row) in sums.iter_mut().enumerate() {
                        let from = from.add(r * job.input_pitch);
                        for (x, sum) in row.iter_mut().enumerate() {
                            *sum = V::load(from.add(x * S).cast()).mul_add(weight, *sum);
                        }
                    }
                }
                if last {
                    finish::<V, R, X>(job, output, u, sums, first);
                } else {
                    for (p, sum) in sums.as_flattened().iter().enumerate() {
                        (*partial.add(p)).set(*sum);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn dense<V: Vector, const R: usize, const X: usize, const S: usize, const U: usize>(
    job: &TileJob,
    weights: &DenseWeights,
    output: &Output,
    first: bool,
) {
    // SAFETY: every pointer is one the contract makes valid.
    unsafe {
        let mut sums = [[[V::splat(0.0); X]; R]; U];
        for (u, sums) in sums.iter_mut().enumerate() {
            *sums = [[start::<V>(output, job.first + u); X]; R];
        }
        let mut weight = weights.weights;
        let mut input = job.input;
        for _ in 0..weights.channels {
            for t in 0..weights.tap_count {
                let from = input.offset(*weights.taps.add(t) as isize);
                let mut pixels = [[V::splat(0.0); X]; R];
                for (r, row) in pixels.iter_mut().enumerate() {
                    for (x, pixel) in row.iter_mut().enumerate() {
                        *pixel = V::load(from.add(r * job.input_pitch + x * S).cast());
                    }
                }
                for (u, sums) in sums.iter_mut().enumerate() {
                    let weight = V::splat(*weight.add(u));
                    for (sums, pixels) in sums.iter_mut().zip(&pixels) {
                        for (sum, pixel) in sums.iter_mut().zip(pixels) {
                            *sum = pixel.mul_add(weight, *sum);
                        }
                    }
                }
                weight = weight.add(U);
            }
            input = input.add(weights.channel);
        }
        for (u, sums) in sums.into_iter().enumerate() {
            finish::<V, R, X>(job, output, job.first + u, sums, first);
        }
    }
}

#[inline(always)]
unsafe fn start<V: Vector>(output: &Output, u: usize) -> V {
    // SAFETY: one bias per unit, if any.
    unsafe { V::splat(if output.bias.is_null() { 0.0 } else { *output.bias.add(u) }) }
}

/// Writes a unit's pixels.
#[inline(always)]
unsafe fn finish<V: Vector, const R: usize, const X: usize>(
    job: &TileJob,
    output: &Output,
    u: usize,
    mut sums: [[V; X]; R],
    first: bool,
) {
    // SAFETY: every pointer is one the contract makes valid.
    unsafe {
        let at = job.at + u * output.unit;
        let place = |r: usize, x: usize| at + r * job.output_pitch + x * job.output_step;
        if output.accumulate {
            for (r, row) in sums.iter_mut().enumerate() {
                for (x, sum) in row.iter_mut().enumerate() {
                    *sum = sum.add((*output.pixels.add(place(r, x))).get());
                }
            }
        }
        if !output.mask.is_null() {
            let plain = output.mask_scale.is_null();
            let scale = V::splat(if plain { 1.0 } else { *output.mask_scale.add(u) });
            let shift = V::splat(if plain { 0.0 } else { *output.mask_shift.add(u) });
            for (r, row) in sums.iter_mut().enumerate() {
                for (x, sum) in row.iter_mut().enumerate() {
                    *sum = sum.where_positive((*output.mask.add(place(r, x))).get::<V>().mul_add(scale, shift));
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (x, sum) in row.iter().enumerate() {
                (*output.pixels.add(place(r, x))).set(*sum);
            }
        }
        if !output.moments.is_null() {
            add_moments(&mut *output.moments.add(u), &sums, first);
        }
        if output.watch_count > 0 {
            add(&mut *output.total.add(u), total(&sums), first);
            for watch in &output.watches[..output.watch_count] {
                let inverse = V::splat(*watch.inverse.add(u));
                let offset = V::splat(*watch.offset.add(u));
                let mut all = V::splat(0.0);
                for (r, row) in sums.iter().enumerate() {
                    for (x, sum) in row.iter().enumerate() {
                        let hat = (*watch.x.add(place(r, x))).get::<V>().mul_add(inverse, offset);
                        all = hat.mul_add(*sum, all);
                    }
                }
                add(&mut *watch.sums.add(u), all, first);
            }
        }
    }
}

#[inline(always)]
unsafe fn total<V: Vector, const R: usize, const X: usize>(values: &[[V; X]; R]) -> V {
    // SAFETY: instructions by the caller's contract.
    unsafe {
        let mut all = V::splat(0.0);
        for value in values.as_flattened() {
            all = all.add(*value);
        }
        all
    }
}

#[inline(always)]
unsafe fn add<V: Vector>(to: &mut Pixel, value: V, first: bool) {
    // SAFETY: instructions by the caller's contract.
    unsafe { to.put(value, !first) }
}

/// Lane by lane, relative to the mean of the first tile: close enough to all values that nothing cancels.
#[inline(always)]
unsafe fn add_moments<V: Vector, const R: usize, const X: usize>(moments: &mut [Pixel; 3], values: &[[V; X]; R], first: bool) {
    // SAFETY: instructions by the caller's contract.
    unsafe {
        let [pivot, sum, squares] = moments;
        if first {
            pivot.set(total(values).mul(V::splat(-1.0 / (R * X) as f32)));
        }
        let from = pivot.get::<V>();
        let (mut all, mut all_squares) = (V::splat(0.0), V::splat(0.0));
        for value in values.as_flattened() {
            let deviation = value.add(from);
            all = all.add(deviation);
            all_squares = deviation.mul_add(deviation, all_squares);
        }
        add(sum, all, first);
        add(squares, all_squares, first);
    }
}
