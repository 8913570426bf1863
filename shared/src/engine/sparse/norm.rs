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

    /// `y = relu(scale·x + shift + residual)`, as far as the epilogue asks for it.
    pub(super) fn forward(&self, isa: Isa, blocks: usize, x: View, y: View, epilogue: Epilogue) {
        let channels = x.geometry.image.channels;
        (0..blocks * channels).into_par_iter().for_each(|item| {
            let (b, c) = (item / channels, item % channels);
            // SAFETY: each item writes its own plane of `y`.
            unsafe { normalise_plane(isa, x, y, epilogue, b, c, self.scale[c], self.shift[c]) }
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
        let valid = valid_lanes(samples, b);
        let here = ((samples - b * LANES).min(LANES) * image.height * image.width) as f64;
        let mut sum = 0.0;
        for y in 0..image.height {
            // SAFETY: the row exists and is only read.
            let row = unsafe { x.row(b, c, y) };
            sum += total(row, |v, lane| v * valid[lane]);
        }
        let plane_mean = sum / here;
        let centre = plane_mean as f32;
        let (mut squares, mut rest) = (0.0, 0.0);
        for y in 0..image.height {
            // SAFETY: the row exists and is only read.
            let row = unsafe { x.row(b, c, y) };
            squares += total(row, |v, lane| (v - centre) * (v - centre) * valid[lane]);
            rest += total(row, |v, lane| (v - centre) * valid[lane]);
        }
        // `centre` is the mean rounded to float32; `rest` corrects for that.
        let plane_m2 = squares - rest * rest / here;
        let plane_mean = f64::from(centre) + rest / here;
        let delta = plane_mean - mean;
        let all = count + here;
        mean += delta * here / all;
        m2 += plane_m2 + delta * delta * count * here / all;
        count = all;
    }
    (mean, (m2 / count).max(if m2.is_nan() { f64::NAN } else { 0.0 }))
}

/// Sum of `f(value, lane)` over a row: lane by lane in float32 over four interleaved sums, then over lanes in float64.
#[inline(always)]
pub(super) fn total(row: &[Pixel], f: impl Fn(f32, usize) -> f32) -> f64 {
    let mut sums = [[0.0_f32; LANES]; 4];
    let mut chunks = row.chunks_exact(4);
    for chunk in &mut chunks {
        for (sum, pixel) in sums.iter_mut().zip(chunk) {
            for lane in 0..LANES {
                sum[lane] += f(pixel.0[lane], lane);
            }
        }
    }
    for (sum, pixel) in sums.iter_mut().zip(chunks.remainder()) {
        for lane in 0..LANES {
            sum[lane] += f(pixel.0[lane], lane);
        }
    }
    let mut all = 0.0;
    for lane in 0..LANES {
        all += f64::from((sums[0][lane] + sums[1][lane]) + (sums[2][lane] + sums[3][lane]));
    }
    all
}

versions! {
    /// One plane of the forward pass.
    ///
    /// # Safety
    /// No one else may touch the plane of `y` meanwhile or write those of `x` and the residual.
    unsafe fn normalise_plane(x: View, y: View, epilogue: Epilogue, b: usize, c: usize, scale: f32, shift: f32) = normalise;
}

#[inline(always)]
unsafe fn normalise<V: Vector>(x: View, y: View, epilogue: Epilogue, b: usize, c: usize, scale: f32, shift: f32) {
    for row in 0..x.geometry.image.height {
        // SAFETY: rows exist; `y`'s is written by this call alone.
        let (from, to) = unsafe { (x.row(b, c, row), y.row_mut(b, c, row)) };
        // SAFETY: the residual has the shape of `y`.
        let residual = epilogue.residual.map(|r| unsafe { r.row(b, c, row) });
        match (residual, epilogue.relu) {
            (None, false) => map(from, to, |v| v * scale + shift),
            (None, true) => map(from, to, |v| relu(v * scale + shift)),
            (Some(r), false) => map2(from, r, to, |v, r| v * scale + shift + r),
            (Some(r), true) => map2(from, r, to, |v, r| relu(v * scale + shift + r)),
        }
    }
}

/// max(x, 0), but NaN stays NaN: a diverged run must be seen.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

/// `to = f(from)`, value by value.
#[inline(always)]
pub(super) fn map(from: &[Pixel], to: &mut [Pixel], f: impl Fn(f32) -> f32) {
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to.0[lane] = f(from.0[lane]);
        }
    }
}

/// `to = f(a, b)`, value by value.
#[inline(always)]
pub(super) fn map2(a: &[Pixel], b: &[Pixel], to: &mut [Pixel], f: impl Fn(f32, f32) -> f32) {
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        for lane in 0..LANES {
            to.0[lane] = f(a.0[lane], b.0[lane]);
        }
    }
}

/// `to = value`, or `to += value`.
#[inline(always)]
pub(super) fn put(to: &mut f32, value: f32, accumulate: bool) {
    *to = if accumulate { *to + value } else { value };
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
        for y in 0..job.x.geometry.image.height {
            // SAFETY: rows exist and belong to this channel.
            let (x, out, dy) = unsafe { (job.x.row(b, job.c, y), job.y.row(b, job.c, y), job.dy.row_mut(b, job.c, y)) };
            if job.epilogue.relu {
                for (dy, out) in dy.iter_mut().zip(out) {
                    for lane in 0..LANES {
                        dy.0[lane] = if out.0[lane] > 0.0 { dy.0[lane] } else { 0.0 };
                    }
                }
            }
            if let Some(residual) = job.epilogue.residual {
                // SAFETY: the row exists and belongs to this channel.
                let to = unsafe { residual.row_mut(b, job.c, y) };
                let accumulate = job.accumulate[1];
                for (to, dz) in to.iter_mut().zip(dy.iter()) {
                    for lane in 0..LANES {
                        put(&mut to.0[lane], dz.0[lane], accumulate);
                    }
                }
            }
            let (mut s, mut sx) = ([0.0_f32; LANES], [0.0_f32; LANES]);
            for (dz, x) in dy.iter().zip(x) {
                for lane in 0..LANES {
                    s[lane] += dz.0[lane];
                    sx[lane] += dz.0[lane] * ((x.0[lane] - job.mean) * job.inverse);
                }
            }
            for lane in 0..LANES {
                all += f64::from(s[lane]);
                all_x += f64::from(sx[lane]);
            }
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
    let accumulate = job.accumulate[0];
    for b in 0..job.samples.div_ceil(LANES) {
        let valid = valid_lanes(job.samples, b);
        for y in 0..job.x.geometry.image.height {
            // SAFETY: rows exist and belong to this channel.
            let (x, dz, dx) = unsafe { (job.x.row(b, job.c, y), job.dy.row(b, job.c, y), dx.row_mut(b, job.c, y)) };
            for ((dx, dz), x) in dx.iter_mut().zip(dz).zip(x) {
                for lane in 0..LANES {
                    let hat = (x.0[lane] - job.mean) * job.inverse;
                    let g = scale * (dz.0[lane] - mean - hat * mean_x) * valid[lane];
                    put(&mut dx.0[lane], g, accumulate);
                }
            }
        }
    }
}
