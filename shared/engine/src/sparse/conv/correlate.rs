//! Gradients of weights: the sum over pixels of input times gradient, for the edges of a tile's units or for all weights of a strip.

use super::gather::{SparseWeights, TileJob, for_tile};
use crate::simd::{Vector, versions};
use crate::sparse::tensor::Pixel;

/// Edges that a kernel accumulates at once for several units.
pub(super) const EDGES: usize = 9;
/// Units that a kernel accumulates at once.
pub(super) const UNITS: usize = 3;

/// Correlates `rows × columns` pixels of some blocks for a list of edges that all `units` share.
#[derive(Clone, Copy)]
pub(crate) struct CorrelateJob {
    /// Pixel that an edge of offset 0 reads for the first gradient pixel.
    pub(crate) input: *const Pixel,
    pub(crate) input_block: usize,
    pub(crate) input_pitch: usize,
    pub(crate) input_step: usize,
    /// First gradient pixel of the first unit.
    pub(crate) gradient: *const Pixel,
    pub(crate) gradient_unit: usize,
    pub(crate) gradient_block: usize,
    pub(crate) gradient_pitch: usize,
    pub(crate) blocks: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Offsets of the edges.
    pub(crate) offsets: *const i32,
    pub(crate) edges: usize,
    pub(crate) units: usize,
    /// One value per edge, unit after unit at a distance of `result_unit`.
    pub(crate) result: *mut f32,
    pub(crate) result_unit: usize,
    /// Add to the result instead of replacing it.
    pub(crate) accumulate: bool,
}

versions! {
    /// `result[unit][edge] = Σ input[edge + …] · gradient[unit][…]`, or added to it.
    ///
    /// # Safety
    /// `isa` is one of this machine's. Every pixel the job names must be valid and unwritten meanwhile, the results be the
    /// caller's own. At most [`UNITS`] units, and [`Vector::DENSE`]'s.
    unsafe fn correlate(job: &CorrelateJob) = any;
}

#[inline(always)]
unsafe fn any<V: Vector>(job: &CorrelateJob) {
    // SAFETY: passed on from the caller.
    unsafe {
        match job.units {
            1 => groups::<V, 1>(job),
            2 if V::TILE >= 16 => groups::<V, 2>(job),
            3 if V::TILE >= 16 => groups::<V, 3>(job),
            n => unreachable!("no kernel for {n} units"),
        }
    }
}

#[inline(always)]
unsafe fn groups<V: Vector, const U: usize>(job: &CorrelateJob) {
    // One unit leaves registers for 8 edges; groups of nearly equal size, as a small last group would wait for latency.
    let largest = match (V::TILE >= 16, U) {
        (true, 1) => 8,
        (true, _) => EDGES,
        _ => 4,
    };
    let groups = job.edges.div_ceil(largest);
    for g in 0..groups {
        let (first, last) = (job.edges * g / groups, job.edges * (g + 1) / groups);
        // SAFETY: passed on from the caller; the group lies within the job's edges.
        unsafe {
            match last - first {
                1 => group::<V, U, 1>(job, first),
                2 => group::<V, U, 2>(job, first),
                3 => group::<V, U, 3>(job, first),
                4 => group::<V, U, 4>(job, first),
                5 if V::TILE >= 16 => group::<V, U, 5>(job, first),
                6 if V::TILE >= 16 => group::<V, U, 6>(job, first),
                7 if V::TILE >= 16 => group::<V, U, 7>(job, first),
                8 if V::TILE >= 16 => group::<V, U, 8>(job, first),
                9 if V::TILE >= 16 && U > 1 => group::<V, U, 9>(job, first),
                n => unreachable!("no kernel for {n} edges"),
            }
        }
    }
}

#[inline(always)]
unsafe fn group<V: Vector, const U: usize, const E: usize>(job: &CorrelateJob, first: usize) {
    // SAFETY: every pointer is one the job's contract makes valid.
    unsafe {
        let inputs: [*const Pixel; E] = std::array::from_fn(|e| job.input.offset(*job.offsets.add(first + e) as isize));
        let mut sums = [[V::splat(0.0); E]; U];
        for b in 0..job.blocks {
            for y in 0..job.rows {
                let mut gradient = job.gradient.add(b * job.gradient_block + y * job.gradient_pitch);
                let mut at = b * job.input_block + y * job.input_pitch;
                for _ in 0..job.columns {
                    let mut g = [V::splat(0.0); U];
                    for (u, g) in g.iter_mut().enumerate() {
                        *g = V::load(gradient.add(u * job.gradient_unit).cast());
                    }
                    for e in 0..E {
                        let input = V::load(inputs[e].add(at).cast());
                        for u in 0..U {
                            sums[u][e] = input.mul_add(g[u], sums[u][e]);
                        }
                    }
                    gradient = gradient.add(1);
                    at += job.input_step;
                }
            }
        }
        for (u, sums) in sums.into_iter().enumerate() {
            let result = job.result.add(u * job.result_unit + first);
            let eight = V::sums(std::array::from_fn(|e| if e < E { sums[e] } else { V::splat(0.0) }));
            for (e, sum) in eight.into_iter().enumerate().take(E) {
                put(result.add(e), sum, job.accumulate);
            }
            if E > 8 {
                put(result.add(8), sums[E - 1].sum(), job.accumulate);
            }
        }
    }
}

#[inline(always)]
unsafe fn put(to: *mut f32, value: f32, accumulate: bool) {
    // SAFETY: a result of the caller's own.
    unsafe { *to = if accumulate { *to + value } else { value } }
}

/// Where a tile's gradients are, and where those of its edges go.
#[derive(Clone, Copy)]
pub(crate) struct TileGradient {
    /// First pixel of the tile of unit 0.
    pub(crate) pixels: *const Pixel,
    pub(crate) unit: usize,
    pub(crate) pitch: usize,
    /// One value per edge, in the order of the weights.
    pub(crate) result: *mut f32,
    /// Add to the result instead of replacing it.
    pub(crate) accumulate: bool,
}

versions! {
    /// `result[edge] = Σ input · gradient` over one tile, or added to it, for the edges of some units.
    ///
    /// # Safety
    /// As [`super::gather::gather_sparse`]; every pixel and value that the arguments name must be valid, the results be the caller's own.
    unsafe fn correlate_tile(job: &TileJob, weights: &SparseWeights, gradient: &TileGradient) = any_tile;
}

#[inline(always)]
unsafe fn any_tile<V: Vector>(job: &TileJob, weights: &SparseWeights, gradient: &TileGradient) {
    // SAFETY: passed on from the caller.
    unsafe { for_tile!(tile::<V>(job, weights, gradient)) }
}

#[inline(always)]
unsafe fn tile<V: Vector, const R: usize, const X: usize, const S: usize>(
    job: &TileJob,
    weights: &SparseWeights,
    gradient: &TileGradient,
) {
    // SAFETY: every pointer is one the contract makes valid.
    unsafe {
        for k in 0..weights.chunks {
            let starts = weights.starts.add(k * weights.units);
            for u in job.first..job.last {
                let (begin, end) = (*starts.add(u) as usize, *starts.add(u + 1) as usize);
                if begin == end {
                    continue;
                }
                let from = gradient.pixels.add(u * gradient.unit);
                let mut tile = [[V::splat(0.0); X]; R];
                for (r, row) in tile.iter_mut().enumerate() {
                    for (x, pixel) in row.iter_mut().enumerate() {
                        *pixel = (*from.add(r * gradient.pitch + x)).get();
                    }
                }
                let mut e = begin;
                while e + 8 <= end {
                    edges::<V, R, X, S, 8>(job, weights, gradient, &tile, e);
                    e += 8;
                }
                // Eight edges hide each other's latency; what is left is hidden by the next unit's.
                if end - e >= 4 {
                    edges::<V, R, X, S, 4>(job, weights, gradient, &tile, e);
                    e += 4;
                }
                if end - e >= 2 {
                    edges::<V, R, X, S, 2>(job, weights, gradient, &tile, e);
                    e += 2;
                }
                if end > e {
                    edges::<V, R, X, S, 1>(job, weights, gradient, &tile, e);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn edges<V: Vector, const R: usize, const X: usize, const S: usize, const E: usize>(
    job: &TileJob,
    weights: &SparseWeights,
    gradient: &TileGradient,
    tile: &[[V; X]; R],
    first: usize,
) {
    // SAFETY: every pointer is one the contract makes valid.
    unsafe {
        let inputs: [*const Pixel; E] =
            std::array::from_fn(|e| job.input.offset((*weights.edges.add(first + e)).offset as isize));
        let mut sums = [V::splat(0.0); E];
        for (r, row) in tile.iter().enumerate() {
            for (x, pixel) in row.iter().enumerate() {
                for (sum, input) in sums.iter_mut().zip(inputs) {
                    *sum = V::load(input.add(r * job.input_pitch + x * S).cast()).mul_add(*pixel, *sum);
                }
            }
        }
        let result = gradient.result.add(first);
        if E == 1 {
            put(result, sums[0].sum(), gradient.accumulate);
        } else {
            let sums = V::sums(std::array::from_fn(|e| sums[e % E]));
            for (e, sum) in sums.into_iter().enumerate().take(E) {
                put(result.add(e), sum, gradient.accumulate);
            }
        }
    }
}
