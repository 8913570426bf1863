//! Maximum, average and global average pooling.
//!
//! Lane by lane on arrays, which compilers turn into vector code.
// Lanes are indexed: several arrays advance together. A window's largest value is compared with the values it was chosen from.
#![allow(clippy::needless_range_loop, clippy::float_cmp)]

use super::plane::{Completion, complete, planes};
use super::tensor::{Pixel, View};
use crate::simd::{Isa, LANES, Vector, versions};
use er_networks::model::Image;

/// A window that slides over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Window {
    /// Rows and columns of the image that the window at output pixel `(y, x)` covers; clipped to the image.
    #[inline(always)]
    fn clip(self, y: usize, x: usize, height: usize, width: usize) -> [std::ops::Range<usize>; 2] {
        let range = |at: usize, side: usize, n: usize| {
            let first = at * self.stride;
            first.saturating_sub(self.padding)..(first + side).saturating_sub(self.padding).min(n)
        };
        [range(y, self.height, height), range(x, self.width, width)]
    }
}

/// What a pooling reads: `max(scale·x + shift, floor)`, scale and shift per channel.
#[derive(Clone, Copy)]
pub(super) struct Pooled<'a> {
    pub(super) x: View,
    pub(super) map: Option<[&'a [f32]; 2]>,
    pub(super) relu: bool,
}

impl Pooled<'_> {
    /// One plane, where it is.
    ///
    /// # Safety
    /// As [`View::pixels`].
    unsafe fn plane<'a>(&self, b: usize, c: usize, samples: usize) -> Plane<'a> {
        let [scale, shift] = self.map.map_or([1.0, 0.0], |[scale, shift]| [scale[c], shift[c]]);
        // Lanes without a sample read as 0, as everywhere.
        let valid = if self.map.is_some() { Pixel::valid(samples, b) } else { Pixel([1.0; LANES]) };
        let [scale, shift] = [scale, shift].map(|v| Pixel(valid.0.map(|lane| lane * v)));
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        // SAFETY: by contract.
        Plane { pixels: unsafe { self.x.pixels(b, c) }, scale, shift, floor, image: self.x.image }
    }
}

/// One plane of a [`Pooled`].
#[derive(Clone, Copy)]
pub(crate) struct Plane<'a> {
    pixels: &'a [Pixel],
    scale: Pixel,
    shift: Pixel,
    floor: f32,
    image: Image,
}

impl Plane<'_> {
    #[inline(always)]
    unsafe fn read<V: Vector>(&self, y: usize, x: usize) -> [f32; LANES] {
        // SAFETY: instructions by the caller's contract.
        unsafe {
            let pixel = self.pixels[y * self.image.width + x].get::<V>();
            pixel.mul_add(self.scale.get(), self.shift.get()).at_least(V::splat(self.floor)).lanes()
        }
    }
}

/// Largest value of each window; `then` runs for every plane when it is written.
///
/// # Safety
/// `isa` is one of this machine's. The tensors must have these samples' blocks and the same channels, the window fit their
/// images, and maps have one value a channel. `y` must be the caller's own, what is read not be written meanwhile.
pub(super) unsafe fn max_forward(
    isa: Isa,
    samples: usize,
    window: Window,
    x: Pooled,
    y: View,
    then: impl Fn(usize, usize) + Sync,
) {
    planes(samples.div_ceil(LANES), y.image.channels, |b, c| {
        // SAFETY: by contract; each item writes its own plane.
        unsafe { max_plane(isa, window, &x.plane(b, c, samples), y.image, y.pixels_mut(b, c)) };
        then(b, c);
    });
}

/// Sends each window's gradient to its first largest value, as PyTorch does; then completes it.
///
/// # Safety
/// As [`max_forward`] and [`complete`]; `dx` must be the caller's own, what is read not be written meanwhile.
pub(super) unsafe fn max_backward(
    isa: Isa,
    samples: usize,
    window: Window,
    x: Pooled,
    [y, dy]: [View; 2],
    (dx, accumulate, completion): (View, bool, &Completion),
) {
    planes(samples.div_ceil(LANES), y.image.channels, |b, c| {
        // SAFETY: by contract; each item writes its own plane.
        unsafe {
            let ends = [y.pixels(b, c), dy.pixels(b, c)];
            max_gradient_plane(isa, window, &x.plane(b, c, samples), y.image, ends, dx.pixels_mut(b, c), accumulate);
            complete(isa, dx, completion, b, c);
        }
    });
}

/// Mean of each window (which has no padding); `then` runs for every plane when it is written.
///
/// # Safety
/// As [`max_forward`].
pub(super) unsafe fn average_forward(
    isa: Isa,
    samples: usize,
    window: Window,
    x: Pooled,
    y: View,
    then: impl Fn(usize, usize) + Sync,
) {
    planes(samples.div_ceil(LANES), y.image.channels, |b, c| {
        // SAFETY: by contract; each item writes its own plane.
        unsafe { average_plane(isa, window, &x.plane(b, c, samples), y.image, y.pixels_mut(b, c)) };
        then(b, c);
    });
}

/// Spreads each window's gradient evenly; then completes it.
///
/// # Safety
/// As [`max_backward`].
pub(super) unsafe fn average_backward(
    isa: Isa,
    samples: usize,
    window: Window,
    dy: View,
    (dx, accumulate, completion): (View, bool, &Completion),
) {
    planes(samples.div_ceil(LANES), dy.image.channels, |b, c| {
        // SAFETY: by contract; each item writes its own plane.
        unsafe {
            let images = [dx.image, dy.image];
            average_gradient_plane(isa, window, images, dy.pixels(b, c), dx.pixels_mut(b, c), accumulate);
            complete(isa, dx, completion, b, c);
        }
    });
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn max_plane(window: Window, x: &Plane, to: Image, y: &mut [Pixel]) = max_rows;
}

#[inline(always)]
unsafe fn max_rows<V: Vector>(window: Window, x: &Plane, to: Image, y: &mut [Pixel]) {
    for (at, out) in y.iter_mut().enumerate() {
        let [rows, columns] = window.clip(at / to.width, at % to.width, x.image.height, x.image.width);
        let mut best = [f32::NEG_INFINITY; LANES];
        for iy in rows {
            for ix in columns.clone() {
                // SAFETY: instructions by the caller's contract.
                let value = unsafe { x.read::<V>(iy, ix) };
                for lane in 0..LANES {
                    // NaN wins and stays: a diverged run must be seen.
                    let v = value[lane];
                    best[lane] = if v > best[lane] || v.is_nan() { v } else { best[lane] };
                }
            }
        }
        out.0 = best;
    }
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn max_gradient_plane(
        window: Window,
        x: &Plane,
        to: Image,
        ends: [&[Pixel]; 2],
        dx: &mut [Pixel],
        accumulate: bool,
    ) = max_gradient_rows;
}

#[inline(always)]
unsafe fn max_gradient_rows<V: Vector>(
    window: Window,
    x: &Plane,
    to: Image,
    [y, dy]: [&[Pixel]; 2],
    dx: &mut [Pixel],
    accumulate: bool,
) {
    if !accumulate {
        dx.fill(Pixel::ZERO);
    }
    for (at, (best, gradient)) in y.iter().zip(dy).enumerate() {
        let [rows, columns] = window.clip(at / to.width, at % to.width, x.image.height, x.image.width);
        let mut left = gradient.0;
        for iy in rows {
            for ix in columns.clone() {
                // SAFETY: instructions by the caller's contract.
                let value = unsafe { x.read::<V>(iy, ix) };
                let to = &mut dx[iy * x.image.width + ix];
                for lane in 0..LANES {
                    let here = if value[lane] == best.0[lane] { left[lane] } else { 0.0 };
                    to.0[lane] += here;
                    left[lane] -= here;
                }
            }
        }
    }
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn average_plane(window: Window, x: &Plane, to: Image, y: &mut [Pixel]) = average_rows;
}

#[inline(always)]
unsafe fn average_rows<V: Vector>(window: Window, x: &Plane, to: Image, y: &mut [Pixel]) {
    let share = 1.0 / (window.height * window.width) as f32;
    for (at, out) in y.iter_mut().enumerate() {
        let [rows, columns] = window.clip(at / to.width, at % to.width, x.image.height, x.image.width);
        let mut sum = [0.0; LANES];
        for iy in rows {
            for ix in columns.clone() {
                // SAFETY: instructions by the caller's contract.
                let value = unsafe { x.read::<V>(iy, ix) };
                for lane in 0..LANES {
                    sum[lane] += value[lane];
                }
            }
        }
        out.0 = sum.map(|s| s * share);
    }
}

versions! {
    /// # Safety
    /// `isa` is one of this machine's.
    unsafe fn average_gradient_plane(
        window: Window,
        images: [Image; 2],
        dy: &[Pixel],
        dx: &mut [Pixel],
        accumulate: bool,
    ) = average_gradient_rows;
}

#[inline(always)]
unsafe fn average_gradient_rows<V: Vector>(
    window: Window,
    [from, to]: [Image; 2],
    dy: &[Pixel],
    dx: &mut [Pixel],
    accumulate: bool,
) {
    let share = 1.0 / (window.height * window.width) as f32;
    if !accumulate {
        dx.fill(Pixel::ZERO);
    }
    for (at, gradient) in dy.iter().enumerate() {
        let [rows, columns] = window.clip(at / to.width, at % to.width, from.height, from.width);
        for iy in rows {
            for to in &mut dx[iy * from.width..][columns.clone()] {
                for lane in 0..LANES {
                    to.0[lane] += gradient.0[lane] * share;
                }
            }
        }
    }
}
