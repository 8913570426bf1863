//! The two inner loops of a convolution on a graph: gathering along edges, and correlating per edge.

use super::tensor::Pixel;
use crate::engine::simd::{Vector, versions};

/// An edge as the kernels stream it: where its input pixel lies, relative to the first pixel of a tile, and its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(in crate::engine) struct Edge {
    pub(in crate::engine) offset: i32,
    pub(in crate::engine) weight: f32,
}

/// One tile of output pixels for a range of output channels.
///
/// `rows × columns` pixels: pixel `(r, x)` reads at `input + r·input_pitch + x·input_step + edge.offset` and is written at
/// `output + channel·output_channel + r·output_pitch + x·output_step` (all in pixels). `edges[starts[c]..starts[c + 1]]` are the
/// edges of channel `c`.
#[derive(Clone, Copy)]
pub(in crate::engine) struct TileJob {
    pub(in crate::engine) rows: usize,
    pub(in crate::engine) columns: usize,
    pub(in crate::engine) input: *const Pixel,
    pub(in crate::engine) input_pitch: usize,
    pub(in crate::engine) input_step: usize,
    pub(in crate::engine) output: *mut Pixel,
    pub(in crate::engine) output_pitch: usize,
    pub(in crate::engine) output_step: usize,
    pub(in crate::engine) output_channel: usize,
    pub(in crate::engine) starts: *const u32,
    pub(in crate::engine) edges: *const Edge,
    pub(in crate::engine) channels: usize,
    /// One value per channel, or null for zeros.
    pub(in crate::engine) bias: *const f32,
    /// Add to what is there instead of replacing it.
    pub(in crate::engine) accumulate: bool,
}

versions! {
    /// `output[c] = bias[c] + Σ_edges weight · input[edge]` for one tile.
    ///
    /// # Safety
    /// Every pixel the job names must be valid, the outputs written by no one else meanwhile. `rows`, `columns` must be powers
    /// of two with a product of at most [`crate::engine::simd::Isa`]'s tile, `input_step` 1 or 2 unless `columns` is 1.
    unsafe fn convolve_tile(job: &TileJob) = any_tile;
}

#[inline(always)]
unsafe fn any_tile<V: Vector>(job: &TileJob) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (job.rows, job.columns, job.input_step) {
            (1, 16, 1) if V::TILE >= 16 => tile::<V, 1, 16, 1>(job),
            (2, 8, 1) if V::TILE >= 16 => tile::<V, 2, 8, 1>(job),
            (4, 4, 1) if V::TILE >= 16 => tile::<V, 4, 4, 1>(job),
            (8, 2, 1) if V::TILE >= 16 => tile::<V, 8, 2, 1>(job),
            (16, 1, _) if V::TILE >= 16 => tile::<V, 16, 1, 1>(job),
            (1, 8, 1) if V::TILE >= 8 => tile::<V, 1, 8, 1>(job),
            (2, 4, 1) if V::TILE >= 8 => tile::<V, 2, 4, 1>(job),
            (4, 2, 1) if V::TILE >= 8 => tile::<V, 4, 2, 1>(job),
            (8, 1, _) if V::TILE >= 8 => tile::<V, 8, 1, 1>(job),
            (1, 4, 1) => tile::<V, 1, 4, 1>(job),
            (2, 2, 1) => tile::<V, 2, 2, 1>(job),
            (4, 1, _) => tile::<V, 4, 1, 1>(job),
            (1, 2, 1) => tile::<V, 1, 2, 1>(job),
            (2, 1, _) => tile::<V, 2, 1, 1>(job),
            (1, 1, _) => tile::<V, 1, 1, 1>(job),
            (1, 16, 2) if V::TILE >= 16 => tile::<V, 1, 16, 2>(job),
            (2, 8, 2) if V::TILE >= 16 => tile::<V, 2, 8, 2>(job),
            (4, 4, 2) if V::TILE >= 16 => tile::<V, 4, 4, 2>(job),
            (8, 2, 2) if V::TILE >= 16 => tile::<V, 8, 2, 2>(job),
            (1, 8, 2) if V::TILE >= 8 => tile::<V, 1, 8, 2>(job),
            (2, 4, 2) if V::TILE >= 8 => tile::<V, 2, 4, 2>(job),
            (4, 2, 2) if V::TILE >= 8 => tile::<V, 4, 2, 2>(job),
            (1, 4, 2) => tile::<V, 1, 4, 2>(job),
            (2, 2, 2) => tile::<V, 2, 2, 2>(job),
            (1, 2, 2) => tile::<V, 1, 2, 2>(job),
            (r, c, s) => unreachable!("no kernel for a tile of {r}x{c} with step {s}"),
        }
    }
}

#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const X: usize, const S: usize>(job: &TileJob) {
    // SAFETY: every pointer is one the job's contract makes valid.
    unsafe {
        for c in 0..job.channels {
            let (first, last) = (*job.starts.add(c) as usize, *job.starts.add(c + 1) as usize);
            let start = V::splat(if job.bias.is_null() { 0.0 } else { *job.bias.add(c) });
            let mut sums = [[start; X]; R];
            for e in first..last {
                let edge = *job.edges.add(e);
                let weight = V::splat(edge.weight);
                let from = job.input.offset(edge.offset as isize);
                for (r, row) in sums.iter_mut().enumerate() {
                    let from = from.add(r * job.input_pitch);
                    for (x, sum) in row.iter_mut().enumerate() {
                        *sum = V::load(from.add(x * S).cast()).mul_add(weight, *sum);
                    }
                }
            }
            let to = job.output.add(c * job.output_channel);
            for (r, row) in sums.iter().enumerate() {
                for (x, sum) in row.iter().enumerate() {
                    let to: *mut f32 = to.add(r * job.output_pitch + x * job.output_step).cast();
                    if job.accumulate { sum.add(V::load(to)).store(to) } else { sum.store(to) }
                }
            }
        }
    }
}

/// Gradient of the edges of one output channel: for each edge, the sum over blocks and pixels of
/// `input[edge.offset + …] · gradient[…]`.
#[derive(Clone, Copy)]
pub(in crate::engine) struct EdgeJob {
    /// First pixel of the first block that an edge of offset 0 reads.
    pub(in crate::engine) input: *const Pixel,
    pub(in crate::engine) input_block: usize,
    pub(in crate::engine) input_pitch: usize,
    pub(in crate::engine) input_step: usize,
    /// First pixel of the output channel's gradient.
    pub(in crate::engine) gradient: *const Pixel,
    pub(in crate::engine) gradient_block: usize,
    pub(in crate::engine) gradient_pitch: usize,
    pub(in crate::engine) blocks: usize,
    pub(in crate::engine) height: usize,
    pub(in crate::engine) width: usize,
    pub(in crate::engine) edges: *const Edge,
    pub(in crate::engine) count: usize,
    /// One value per edge, written.
    pub(in crate::engine) result: *mut f32,
}

versions! {
    /// Gradients of one output channel's edges.
    ///
    /// # Safety
    /// Every pixel the job names must be valid and unwritten meanwhile, `result` have room for `count` values of its own.
    unsafe fn edge_gradient(job: &EdgeJob) = any_edges;
}

#[inline(always)]
unsafe fn any_edges<V: Vector>(job: &EdgeJob) {
    // Groups of nearly equal size: a small last group would wait for the latency of its few sums.
    let largest = if V::TILE >= 8 { 8 } else { 4 };
    let groups = job.count.div_ceil(largest);
    for g in 0..groups {
        let (first, last) = (job.count * g / groups, job.count * (g + 1) / groups);
        // SAFETY: passed on from the caller; the group lies within the job's edges.
        unsafe {
            match last - first {
                1 => edge_group::<V, 1>(job, first),
                2 => edge_group::<V, 2>(job, first),
                3 => edge_group::<V, 3>(job, first),
                4 => edge_group::<V, 4>(job, first),
                5 => edge_group::<V, 5>(job, first),
                6 => edge_group::<V, 6>(job, first),
                7 => edge_group::<V, 7>(job, first),
                _ => edge_group::<V, 8>(job, first),
            }
        }
    }
}

#[inline(always)]
unsafe fn edge_group<V: Vector, const E: usize>(job: &EdgeJob, first: usize) {
    // SAFETY: every pointer is one the job's contract makes valid.
    unsafe {
        let inputs: [*const Pixel; E] = std::array::from_fn(|e| job.input.offset((*job.edges.add(first + e)).offset as isize));
        let mut sums = [V::splat(0.0); E];
        for b in 0..job.blocks {
            for y in 0..job.height {
                let mut gradient = job.gradient.add(b * job.gradient_block + y * job.gradient_pitch);
                let mut at = b * job.input_block + y * job.input_pitch;
                for _ in 0..job.width {
                    let g = V::load(gradient.cast());
                    for e in 0..E {
                        sums[e] = V::load(inputs[e].add(at).cast()).mul_add(g, sums[e]);
                    }
                    gradient = gradient.add(1);
                    at += job.input_step;
                }
            }
        }
        for (e, sum) in sums.into_iter().enumerate() {
            *job.result.add(first + e) = sum.sum();
        }
    }
}
