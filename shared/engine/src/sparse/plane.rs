//! Passes over whole planes: statistics of a tensor that no convolution wrote, and what completes a gradient.

use rayon::prelude::*;

use super::norm::{Moments, lane_sum};
use super::tensor::{Pixel, Shared, View};
use crate::simd::{Isa, LANES, Vector, versions};

/// What completes a gradient: see [`super::plan::Finish`].
#[derive(Clone, Copy, Default)]
pub(super) struct Completion<'a> {
    /// Zero the gradient where `scale·x + shift` is not positive; scale and shift are 1 and 0 if there are none.
    pub(super) relu: Option<(View, Option<[&'a [f32]; 2]>)>,
    /// Sums over the gradient.
    pub(super) watches: [Option<Watch<'a>>; super::blend::MOST],
}

/// Sums (Σ dz, Σ dz·x̂) that a normalisation's backward pass needs, with x̂ = inverse·x + offset.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) x: View,
    pub(super) inverse: &'a [f32],
    pub(super) offset: &'a [f32],
    /// By part of the batch and channel.
    pub(super) sums: Shared<[f64; 2]>,
}

impl Completion<'_> {
    pub(super) fn is_nothing(&self) -> bool {
        self.relu.is_none() && self.watches[0].is_none()
    }
}

/// Runs `f(block, channel)` for every plane, in parallel.
pub(super) fn planes(blocks: usize, channels: usize, f: impl Fn(usize, usize) + Sync) {
    (0..blocks * channels).into_par_iter().for_each(|item| f(item / channels, item % channels));
}

/// Completes one plane of a gradient; part of the batch is the block.
///
/// # Safety
/// `isa` is one of this machine's. The planes and tables must exist, with one value a channel in maps; the gradient's plane and
/// its sums must be the caller's own, the others not be written meanwhile.
pub(super) unsafe fn complete(isa: Isa, gradient: View, completion: &Completion, block: usize, channel: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        let pixels = gradient.pixels_mut(block, channel);
        if let Some((x, map)) = completion.relu {
            let map = map.map_or([1.0, 0.0], |[scale, shift]| [scale[channel], shift[channel]]);
            mask(isa, pixels, x.pixels(block, channel), map);
        }
        let channels = gradient.image.channels;
        for watch in completion.watches.iter().flatten() {
            let x = watch.x.pixels(block, channel);
            watch.sums.range(block * channels + channel, 1)[0] =
                gradient_sums(isa, pixels, x, watch.inverse[channel], watch.offset[channel]);
        }
    }
}

/// Adds the sum of every channel to `sums`: the gradient of a bias. Lanes without a sample hold zeros.
///
/// # Safety
/// `isa` is one of this machine's. `x` must have these blocks and a channel for every sum, and not be written meanwhile.
pub(super) unsafe fn add_channel_sums(isa: Isa, blocks: usize, x: View, sums: &mut [f32]) {
    sums.par_iter_mut().enumerate().for_each(|(c, sum)| {
        let mut all = 0.0;
        for b in 0..blocks {
            // SAFETY: by contract; the plane is only read.
            all += unsafe { pixel_sum(isa, x.pixels(b, c)) };
        }
        *sum += all as f32;
    });
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn mask(dz: &mut [Pixel], x: &[Pixel], map: [f32; 2]) = mask_pixels;
}

#[inline(always)]
unsafe fn mask_pixels<V: Vector>(dz: &mut [Pixel], x: &[Pixel], [scale, shift]: [f32; 2]) {
    // SAFETY: instructions by the caller's contract.
    unsafe {
        let (scale, shift) = (V::splat(scale), V::splat(shift));
        for (dz, x) in dz.iter_mut().zip(x) {
            dz.set(dz.get::<V>().where_positive(x.get::<V>().mul_add(scale, shift)));
        }
    }
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn gradient_sums(dz: &[Pixel], x: &[Pixel], inverse: f32, offset: f32) -> [f64; 2] = sums_pixels;
}

#[inline(always)]
unsafe fn sums_pixels<V: Vector>(dz: &[Pixel], x: &[Pixel], inverse: f32, offset: f32) -> [f64; 2] {
    // SAFETY: instructions by the caller's contract.
    unsafe {
        let (inverse, offset) = (V::splat(inverse), V::splat(offset));
        pixel_sums::<V, 2>(dz.len(), |i| {
            let dz = dz[i].get::<V>();
            [dz, dz.mul(x[i].get::<V>().mul_add(inverse, offset))]
        })
    }
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn pixel_sum(x: &[Pixel]) -> f64 = one_sum;
}

#[inline(always)]
unsafe fn one_sum<V: Vector>(x: &[Pixel]) -> f64 {
    // SAFETY: instructions by the caller's contract.
    unsafe { pixel_sums::<V, 1>(x.len(), |i| [x[i].get::<V>()])[0] }
}

versions! {
    /// Moments of one plane over the lanes that hold samples.
    ///
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn plane_moments(x: &[Pixel], valid: &Pixel) -> Moments = moments;
}

/// In two passes, the second while the plane is still in cache: no cancellation.
#[inline(always)]
unsafe fn moments<V: Vector>(x: &[Pixel], valid: &Pixel) -> Moments {
    let count = lane_sum(valid) * x.len() as f64;
    // SAFETY: instructions by the caller's contract.
    unsafe {
        let lanes = valid.get::<V>();
        let [sum] = pixel_sums::<V, 1>(x.len(), |i| [x[i].get::<V>().mul(lanes)]);
        // The mean rounded to float32; `rest` corrects for that.
        let centre = (sum / count) as f32;
        let shift = V::splat(-centre);
        let [squares, rest] = pixel_sums::<V, 2>(x.len(), |i| {
            let from = x[i].get::<V>().add(shift).mul(lanes);
            [from.mul(from), from]
        });
        let squares = squares - rest * rest / count;
        Moments { count, mean: f64::from(centre) + rest / count, squares: if squares < 0.0 { 0.0 } else { squares } }
    }
}

/// Moments of one plane of `x`.
///
/// # Safety
/// `isa` is one of this machine's. The plane must exist and not be written meanwhile.
pub(super) unsafe fn measure(isa: Isa, samples: usize, x: View, block: usize, channel: usize) -> Moments {
    // SAFETY: passed on from the caller.
    unsafe { plane_moments(isa, x.pixels(block, channel), &Pixel::valid(samples, block)) }
}

/// Sums of `f`'s values: lane by lane in float32 over four interleaved sums, then over lanes in float64.
///
/// # Safety
/// [`Vector`]'s contract on instructions.
#[inline(always)]
unsafe fn pixel_sums<V: Vector, const N: usize>(count: usize, f: impl Fn(usize) -> [V; N]) -> [f64; N] {
    // SAFETY: passed on from the caller.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; 4];
        let whole = count / 4 * 4;
        for first in (0..whole).step_by(4) {
            for (i, sums) in sums.iter_mut().enumerate() {
                add_all(sums, f(first + i));
            }
        }
        for (i, sums) in (whole..count).zip(&mut sums) {
            add_all(sums, f(i));
        }
        std::array::from_fn(|n| {
            let lanes: [f32; LANES] = sums[0][n].add(sums[1][n]).add(sums[2][n].add(sums[3][n])).lanes();
            lanes.iter().map(|&v| f64::from(v)).sum()
        })
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
