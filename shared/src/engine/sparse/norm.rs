//! Batch normalisation, with the residual addition and the ReLU that follow it, in one pass over the pixels.

use rayon::prelude::*;

use super::tensor::{Pixel, View};
use crate::engine::simd::{Isa, LANES, Vector, versions};

/// ε of the variance.
const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in running statistics.
const MOMENTUM: f64 = 0.1;

/// What follows the normalisation, and where its gradient goes.
#[derive(Clone, Copy)]
pub(super) struct Epilogue {
    /// Added after scale and shift.
    pub(super) residual: Option<View>,
    pub(super) relu: bool,
}

/// Statistics of one batch, and the affine map they give: per channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Norm {
    mean: Vec<f32>,
    inverse: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Trained and running values of a normalisation; the trained ones are absent without affine map.
pub(super) struct NormValues<'a> {
    pub(super) gamma: Option<&'a [f32]>,
    pub(super) beta: Option<&'a [f32]>,
    pub(super) running_mean: &'a [f32],
    pub(super) running_variance: &'a [f32],
}

impl Norm {
    pub(super) fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self { mean: zeros.clone(), inverse: zeros.clone(), scale: zeros.clone(), shift: zeros }
    }

    /// Statistics of the batch: the affine map uses them, and they are returned as (mean, unbiased variance) per channel into
    /// `batch`, for the running ones.
    pub(super) fn measure(&mut self, isa: Isa, samples: usize, x: View, values: &NormValues, batch: &mut [(f64, f64)]) {
        batch.par_iter_mut().enumerate().for_each(|(c, out)| {
            // SAFETY: `x` is only read.
            *out = unsafe { channel_moments(isa, x, c, samples) };
        });
        let n = (samples * x.geometry.image.height * x.geometry.image.width) as f64;
        for (c, out) in batch.iter_mut().enumerate() {
            self.set(c, out.0, out.1, values);
            out.1 *= n / (n - 1.0).max(1.0);
        }
    }

    /// The affine map of the running statistics.
    pub(super) fn use_running(&mut self, values: &NormValues) {
        for c in 0..self.mean.len() {
            self.set(c, f64::from(values.running_mean[c]), f64::from(values.running_variance[c]), values);
        }
    }

    fn set(&mut self, c: usize, mean: f64, variance: f64, values: &NormValues) {
        let inverse = 1.0 / (variance + EPSILON).sqrt();
        let scale = values.gamma.map_or(1.0, |g| f64::from(g[c])) * inverse;
        self.mean[c] = mean as f32;
        self.inverse[c] = inverse as f32;
        self.scale[c] = scale as f32;
        self.shift[c] = (values.beta.map_or(0.0, |b| f64::from(b[c])) - mean * scale) as f32;
    }

    /// `y = relu(scale·x + shift + residual)`, as far as the epilogue asks for it; in lanes without a sample, scale and shift are 0.
    ///
    /// Statistics do not know these lanes: normalised by those of few samples, their values could grow from layer to layer until
    /// they are infinite, and infinity times a gradient of 0 is not 0.
    pub(super) fn forward(&self, isa: Isa, samples: usize, x: View, y: View, epilogue: Epilogue) {
        let channels = x.geometry.image.channels;
        (0..samples.div_ceil(LANES) * channels).into_par_iter().for_each(|item| {
            let (b, c) = (item / channels, item % channels);
            // SAFETY: each item writes its own plane of `y`.
            unsafe { normalise_plane(isa, x, y, epilogue, [b, c], [self.scale[c], self.shift[c]], samples) }
        });
    }

    /// Gradients of the input, the residual, the scale and the shift. `dy` is overwritten by the gradient behind the ReLU.
    /// `accumulate` says of (input, residual) whether to add to what is there.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn backward(
        &self,
        isa: Isa,
        samples: usize,
        [x, y, dy]: [View; 3],
        dx: Option<View>,
        epilogue: Epilogue,
        accumulate: [bool; 2],
        sums: &mut [(f64, f64)],
    ) {
        let n = (samples * x.geometry.image.height * x.geometry.image.width) as f64;
        sums.par_iter_mut().enumerate().for_each(|(c, out)| {
            let job = Backward { x, y, dy, epilogue, accumulate, c, samples, mean: self.mean[c], inverse: self.inverse[c] };
            // SAFETY: each item reads and writes planes of its own channel only.
            unsafe {
                *out = backward_sums(isa, &job);
                if let Some(dx) = dx {
                    backward_input(isa, &job, dx, self.scale[c], [(out.0 / n) as f32, (out.1 / n) as f32]);
                }
            }
        });
    }
}

/// Moves running statistics towards those of a batch.
pub(super) fn update_running(mean: &mut [f32], variance: &mut [f32], batch: &[(f64, f64)]) {
    for ((m, v), b) in mean.iter_mut().zip(variance).zip(batch) {
        *m = ((1.0 - MOMENTUM) * f64::from(*m) + MOMENTUM * b.0) as f32;
        *v = ((1.0 - MOMENTUM) * f64::from(*v) + MOMENTUM * b.1) as f32;
    }
}

/// 1 for the lanes of a block that hold samples, 0 for the rest.
pub(super) fn valid_lanes(samples: usize, block: usize) -> [f32; LANES] {
    std::array::from_fn(|lane| if block * LANES + lane < samples { 1.0 } else { 0.0 })
}

versions! {
    /// Mean and biased variance of one channel over samples, rows and columns.
    ///
    /// # Safety
    /// No one may write the channel meanwhile.
    unsafe fn channel_moments(x: View, c: usize, samples: usize) -> (f64, f64) = moments;
}

/// Plane by plane in two passes, the second while the plane is still in cache, combined by Chan's formula: no cancellation.
#[inline(always)]
unsafe fn moments<V: Vector>(x: View, c: usize, samples: usize) -> (f64, f64) {
    let image = x.geometry.image;
    let (mut count, mut mean, mut m2) = (0.0, 0.0, 0.0);
    for b in 0..samples.div_ceil(LANES) {
        let here = ((samples - b * LANES).min(LANES) * image.height * image.width) as f64;
        // SAFETY: rows exist and are only read; instructions by the caller's contract.
        let [sum, squares, rest, centre] = unsafe {
            let valid = Pixel(valid_lanes(samples, b)).get::<V>();
            let [sum] = plane_sums::<V, 1>(x, b, c, |v| [v.mul(valid)]);
            let centre = (sum / here) as f32;
            let shift = V::splat(-centre);
            let [squares, rest] = plane_sums::<V, 2>(x, b, c, |v| {
                let from = v.add(shift).mul(valid);
                [from.mul(from), from]
            });
            [sum, squares, rest, f64::from(centre)]
        };
        // `centre` is the mean rounded to float32; `rest` corrects for that.
        let plane_m2 = squares - rest * rest / here;
        let plane_mean = if sum.is_nan() { sum } else { centre + rest / here };
        let delta = plane_mean - mean;
        let all = count + here;
        mean += delta * here / all;
        m2 += plane_m2 + delta * delta * count * here / all;
        count = all;
    }
    (mean, if m2 < 0.0 { 0.0 } else { m2 / count })
}

/// Sums of `f`'s values over a plane: lane by lane in float32 over four interleaved sums, then over lanes in float64.
///
/// # Safety
/// The plane must exist and not be written meanwhile; [`Vector`]'s contract on instructions.
#[inline(always)]
pub(super) unsafe fn plane_sums<V: Vector, const N: usize>(x: View, b: usize, c: usize, f: impl Fn(V) -> [V; N]) -> [f64; N] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; 4];
        for y in 0..x.geometry.image.height {
            let row = x.row(b, c, y);
            let (fours, rest) = row.as_chunks::<4>();
            for four in fours {
                for (sums, pixel) in sums.iter_mut().zip(four) {
                    add_all(sums, f(pixel.get()));
                }
            }
            for (sums, pixel) in sums.iter_mut().zip(rest) {
                add_all(sums, f(pixel.get()));
            }
        }
        reduce(sums)
    }
}

/// `sums += values`.
#[inline(always)]
unsafe fn add_all<V: Vector, const N: usize>(sums: &mut [V; N], values: [V; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        // SAFETY: instructions by the caller's contract.
        *sum = unsafe { sum.add(value) };
    }
}

/// Four interleaved sums, over lanes in float64.
#[inline(always)]
unsafe fn reduce<V: Vector, const N: usize>(sums: [[V; N]; 4]) -> [f64; N] {
    std::array::from_fn(|n| {
        // SAFETY: instructions by the caller's contract.
        let lanes = unsafe { sums[0][n].add(sums[1][n]).add(sums[2][n].add(sums[3][n])).lanes() };
        lanes.iter().map(|&v| f64::from(v)).sum()
    })
}

versions! {
    /// One plane of the forward pass.
    ///
    /// # Safety
    /// No one else may touch the plane of `y` meanwhile or write those of `x` and the residual.
    unsafe fn normalise_plane(x: View, y: View, epilogue: Epilogue, plane: [usize; 2], map: [f32; 2], samples: usize) = normalise;
}

#[inline(always)]
unsafe fn normalise<V: Vector>(
    x: View,
    y: View,
    epilogue: Epilogue,
    [b, c]: [usize; 2],
    [scale, shift]: [f32; 2],
    samples: usize,
) {
    let valid = Pixel(valid_lanes(samples, b));
    for row in 0..x.geometry.image.height {
        // SAFETY: rows exist, `y`'s is written by this call alone, the residual has the shape of `y`; instructions by the
        // caller's contract.
        unsafe {
            let (from, to) = (x.row(b, c, row), y.row_mut(b, c, row));
            let valid = valid.get::<V>();
            let (scale, shift) = (V::splat(scale).mul(valid), V::splat(shift).mul(valid));
            match (epilogue.residual.map(|r| r.row(b, c, row)), epilogue.relu) {
                (None, false) => map::<V>(from, to, |v| v.mul_add(scale, shift)),
                (None, true) => map::<V>(from, to, |v| v.mul_add(scale, shift).relu()),
                (Some(r), false) => map2::<V>(from, r, to, |v, r| v.mul_add(scale, shift).add(r)),
                (Some(r), true) => map2::<V>(from, r, to, |v, r| v.mul_add(scale, shift).add(r).relu()),
            }
        }
    }
}

/// `to = f(from)`, pixel by pixel.
///
/// # Safety
/// [`Vector`]'s contract on instructions.
#[inline(always)]
pub(super) unsafe fn map<V: Vector>(from: &[Pixel], to: &mut [Pixel], f: impl Fn(V) -> V) {
    for (to, from) in to.iter_mut().zip(from) {
        // SAFETY: passed on from the caller.
        unsafe { to.set(f(from.get())) };
    }
}

/// `to = f(a, b)`, pixel by pixel.
///
/// # Safety
/// [`Vector`]'s contract on instructions.
#[inline(always)]
pub(super) unsafe fn map2<V: Vector>(a: &[Pixel], b: &[Pixel], to: &mut [Pixel], f: impl Fn(V, V) -> V) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        // SAFETY: passed on from the caller.
        unsafe { to.set(f(a.get(), b.get())) };
    }
}

/// One channel of the backward pass.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Backward {
    x: View,
    y: View,
    dy: View,
    epilogue: Epilogue,
    accumulate: [bool; 2],
    c: usize,
    samples: usize,
    mean: f32,
    inverse: f32,
}

versions! {
    /// Sends the gradient through ReLU and addition, and returns (Σ dz, Σ dz·x̂) = gradients of shift and scale.
    ///
    /// # Safety
    /// No one else may touch the channel meanwhile.
    unsafe fn backward_sums(job: &Backward) -> (f64, f64) = sums;
}

#[inline(always)]
unsafe fn sums<V: Vector>(job: &Backward) -> (f64, f64) {
    let (mut all, mut all_x) = (0.0, 0.0);
    for b in 0..job.samples.div_ceil(LANES) {
        // SAFETY: rows exist and belong to this channel; instructions by the caller's contract.
        unsafe {
            let (inverse, shift) = (V::splat(job.inverse), V::splat(-job.mean * job.inverse));
            let mut sums = [[V::splat(0.0); 2]; 4];
            for y in 0..job.x.geometry.image.height {
                let (x, out, dy) = (job.x.row(b, job.c, y), job.y.row(b, job.c, y), job.dy.row_mut(b, job.c, y));
                let residual = job.epilogue.residual.map(|r| r.row_mut(b, job.c, y));
                if job.epilogue.relu {
                    for (dy, out) in dy.iter_mut().zip(out) {
                        dy.set(dy.get::<V>().where_positive(out.get()));
                    }
                }
                if let Some(residual) = residual {
                    for (to, dz) in residual.iter_mut().zip(dy.iter()) {
                        to.put(dz.get::<V>(), job.accumulate[1]);
                    }
                }
                let term = |dz: &Pixel, x: &Pixel| {
                    let dz = dz.get::<V>();
                    [dz, dz.mul(x.get::<V>().mul_add(inverse, shift))]
                };
                let ((dz, dz_rest), (x, x_rest)) = (dy.as_chunks::<4>(), x.as_chunks::<4>());
                for (dz, x) in dz.iter().zip(x) {
                    for i in 0..4 {
                        add_all(&mut sums[i], term(&dz[i], &x[i]));
                    }
                }
                for (i, (dz, x)) in dz_rest.iter().zip(x_rest).enumerate() {
                    add_all(&mut sums[i], term(dz, x));
                }
            }
            let [dz, dz_hat] = reduce(sums);
            all += dz;
            all_x += dz_hat;
        }
    }
    (all, all_x)
}

versions! {
    /// `dx = scale·(dz − mean(dz) − x̂·mean(dz·x̂))` for the lanes that hold samples, 0 for the rest.
    ///
    /// # Safety
    /// No one else may touch the channel meanwhile.
    unsafe fn backward_input(job: &Backward, dx: View, scale: f32, means: [f32; 2]) = input;
}

#[inline(always)]
unsafe fn input<V: Vector>(job: &Backward, dx: View, scale: f32, [mean, mean_x]: [f32; 2]) {
    // dx = scale·dz + slope·x + constant, in the lanes that hold samples.
    let slope = -scale * mean_x * job.inverse;
    let constant = -scale * mean - slope * job.mean;
    for b in 0..job.samples.div_ceil(LANES) {
        // SAFETY: rows exist and belong to this channel; instructions by the caller's contract.
        unsafe {
            let valid = Pixel(valid_lanes(job.samples, b)).get::<V>();
            let (scale, slope) = (V::splat(scale).mul(valid), V::splat(slope).mul(valid));
            let constant = V::splat(constant).mul(valid);
            for y in 0..job.x.geometry.image.height {
                let (x, dz, dx) = (job.x.row(b, job.c, y), job.dy.row(b, job.c, y), dx.row_mut(b, job.c, y));
                for ((dx, dz), x) in dx.iter_mut().zip(dz).zip(x) {
                    let g = dz.get::<V>().mul_add(scale, x.get::<V>().mul_add(slope, constant));
                    dx.put(g, job.accumulate[0]);
                }
            }
        }
    }
}
