//! Gradients of weights: for some edges of one or a few units, the sum over pixels of input times gradient.

use crate::engine::simd::{Vector, versions};
use crate::engine::sparse::tensor::Pixel;

/// Edges and units that a kernel accumulates at once.
pub(super) const EDGES: usize = 9;
pub(super) const UNITS: usize = 3;

/// Correlates `rows × columns` pixels of some blocks for a list of edges that all `units` share.
#[derive(Clone, Copy)]
pub(in crate::engine) struct CorrelateJob {
    /// Pixel that an edge of offset 0 reads for the first gradient pixel.
    pub(in crate::engine) input: *const Pixel,
    pub(in crate::engine) input_block: usize,
    pub(in crate::engine) input_pitch: usize,
    pub(in crate::engine) input_step: usize,
    /// First gradient pixel of the first unit.
    pub(in crate::engine) gradient: *const Pixel,
    pub(in crate::engine) gradient_unit: usize,
    pub(in crate::engine) gradient_block: usize,
    pub(in crate::engine) gradient_pitch: usize,
    pub(in crate::engine) blocks: usize,
    pub(in crate::engine) rows: usize,
    pub(in crate::engine) columns: usize,
    /// Offset of the first edge, and the distance to the next in units of `i32`.
    pub(in crate::engine) offsets: *const i32,
    pub(in crate::engine) offset_step: usize,
    pub(in crate::engine) edges: usize,
    pub(in crate::engine) units: usize,
    /// One value per edge, unit after unit at a distance of `result_unit`.
    pub(in crate::engine) result: *mut f32,
    pub(in crate::engine) result_unit: usize,
    /// Add to the result instead of replacing it.
    pub(in crate::engine) accumulate: bool,
}

versions! {
    /// `result[unit][edge] = Σ input[edge + …] · gradient[unit][…]`, or added to it.
    ///
    /// # Safety
    /// Every pixel the job names must be valid and unwritten meanwhile, the results be the caller's own. At most [`UNITS`] units,
    /// and [`Vector::DENSE`]'s.
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
        let inputs: [*const Pixel; E] =
            std::array::from_fn(|e| job.input.offset(*job.offsets.add((first + e) * job.offset_step) as isize));
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
