//! Maximum, average and global average pooling.
//!
//! Lane by lane on arrays, which compilers turn into vector code.
// Lanes are indexed: several arrays advance together. A window's largest value is compared with the values it was chosen from.
#![allow(clippy::needless_range_loop, clippy::float_cmp)]

use super::pointwise::planes;
use super::tensor::{Pixel, View};
use crate::engine::simd::{Isa, LANES, Vector, versions};

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

/// Largest value of each window.
pub(super) fn max_forward(isa: Isa, blocks: usize, window: Window, x: View, y: View) {
    planes(blocks, x, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { max_plane(isa, window, x, y, b, c) }
    });
}

/// Sends each window's gradient to its first largest value, as PyTorch does.
pub(super) fn max_backward(isa: Isa, blocks: usize, window: Window, [x, y, dy, dx]: [View; 4], accumulate: bool) {
    planes(blocks, x, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { max_gradient_plane(isa, window, [x, y, dy, dx], b, c, accumulate) }
    });
}

/// Mean of each window (which has no padding).
pub(super) fn average_forward(isa: Isa, blocks: usize, window: Window, x: View, y: View) {
    planes(blocks, x, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { average_plane(isa, window, x, y, b, c) }
    });
}

/// Spreads each window's gradient evenly.
pub(super) fn average_backward(isa: Isa, blocks: usize, window: Window, dy: View, dx: View, accumulate: bool) {
    planes(blocks, dx, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { average_gradient_plane(isa, window, dy, dx, b, c, accumulate) }
    });
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `y`.
    unsafe fn max_plane(window: Window, x: View, y: View, b: usize, c: usize) = max_rows;
}

#[inline(always)]
unsafe fn max_rows<V: Vector>(window: Window, x: View, y: View, b: usize, c: usize) {
    let (from, to) = (x.geometry.image, y.geometry.image);
    for oy in 0..to.height {
        // SAFETY: the row is this call's own.
        let out = unsafe { y.row_mut(b, c, oy) };
        for (ox, out) in out.iter_mut().enumerate() {
            let [rows, columns] = window.clip(oy, ox, from.height, from.width);
            let mut best = [f32::NEG_INFINITY; LANES];
            for iy in rows {
                // SAFETY: the row exists and is only read.
                for value in unsafe { &x.row(b, c, iy)[columns.clone()] } {
                    for lane in 0..LANES {
                        // NaN wins and stays: a diverged run must be seen.
                        let v = value.0[lane];
                        best[lane] = if v > best[lane] || v.is_nan() { v } else { best[lane] };
                    }
                }
            }
            out.0 = best;
        }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `dx`.
    unsafe fn max_gradient_plane(window: Window, views: [View; 4], b: usize, c: usize, accumulate: bool) = max_gradient_rows;
}

#[inline(always)]
unsafe fn max_gradient_rows<V: Vector>(window: Window, views: [View; 4], b: usize, c: usize, accumulate: bool) {
    let [x, y, dy, dx] = views;
    let (from, to) = (x.geometry.image, y.geometry.image);
    if !accumulate {
        // SAFETY: the plane is this call's own.
        unsafe { clear(dx, b, c) };
    }
    for oy in 0..to.height {
        for ox in 0..to.width {
            // SAFETY: rows exist and are only read.
            let (best, gradient) = unsafe { (&y.row(b, c, oy)[ox], &dy.row(b, c, oy)[ox]) };
            let [rows, columns] = window.clip(oy, ox, from.height, from.width);
            let mut left = gradient.0;
            for iy in rows {
                for ix in columns.clone() {
                    // SAFETY: rows exist; `dx`'s is this call's own.
                    let (value, to) = unsafe { (&x.row(b, c, iy)[ix], &mut dx.row_mut(b, c, iy)[ix]) };
                    for lane in 0..LANES {
                        let here = if value.0[lane] == best.0[lane] { left[lane] } else { 0.0 };
                        to.0[lane] += here;
                        left[lane] -= here;
                    }
                }
            }
        }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `y`.
    unsafe fn average_plane(window: Window, x: View, y: View, b: usize, c: usize) = average_rows;
}

#[inline(always)]
unsafe fn average_rows<V: Vector>(window: Window, x: View, y: View, b: usize, c: usize) {
    let (from, to) = (x.geometry.image, y.geometry.image);
    let share = 1.0 / (window.height * window.width) as f32;
    for oy in 0..to.height {
        // SAFETY: the row is this call's own.
        let out = unsafe { y.row_mut(b, c, oy) };
        for (ox, out) in out.iter_mut().enumerate() {
            let [rows, columns] = window.clip(oy, ox, from.height, from.width);
            let mut sum = [0.0; LANES];
            for iy in rows {
                // SAFETY: the row exists and is only read.
                for value in unsafe { &x.row(b, c, iy)[columns.clone()] } {
                    for lane in 0..LANES {
                        sum[lane] += value.0[lane];
                    }
                }
            }
            out.0 = sum.map(|s| s * share);
        }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `dx`.
    unsafe fn average_gradient_plane(window: Window, dy: View, dx: View, b: usize, c: usize, accumulate: bool) = average_gradient_rows;
}

#[inline(always)]
unsafe fn average_gradient_rows<V: Vector>(window: Window, dy: View, dx: View, b: usize, c: usize, accumulate: bool) {
    let (from, to) = (dx.geometry.image, dy.geometry.image);
    let share = 1.0 / (window.height * window.width) as f32;
    if !accumulate {
        // SAFETY: the plane is this call's own.
        unsafe { clear(dx, b, c) };
    }
    for oy in 0..to.height {
        for ox in 0..to.width {
            // SAFETY: the row exists and is only read.
            let gradient = unsafe { &dy.row(b, c, oy)[ox] };
            let [rows, columns] = window.clip(oy, ox, from.height, from.width);
            for iy in rows {
                // SAFETY: the row is this call's own.
                for to in unsafe { &mut dx.row_mut(b, c, iy)[columns.clone()] } {
                    for lane in 0..LANES {
                        to.0[lane] += gradient.0[lane] * share;
                    }
                }
            }
        }
    }
}

/// # Safety
/// No one else may touch the plane.
#[inline(always)]
unsafe fn clear(x: View, b: usize, c: usize) {
    for y in 0..x.geometry.image.height {
        // SAFETY: the row is the caller's own.
        unsafe { x.row_mut(b, c, y) }.fill(Pixel::ZERO);
    }
}
