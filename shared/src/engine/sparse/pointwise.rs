//! ReLU and addition on their own, where no normalisation precedes them.

use rayon::prelude::*;

use super::norm::{map, map2, plane_sums};
use super::tensor::View;
use crate::engine::simd::{Isa, Vector, versions};

/// `y = max(x, 0)`.
pub(super) fn relu_forward(isa: Isa, blocks: usize, x: View, y: View) {
    planes(blocks, x, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { relu_plane(isa, x, y, b, c) }
    });
}

/// `dx = dy` where `y > 0`, else 0.
pub(super) fn relu_backward(isa: Isa, blocks: usize, y: View, dy: View, dx: View, accumulate: bool) {
    planes(blocks, y, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { relu_gradient_plane(isa, y, dy, dx, b, c, accumulate) }
    });
}

/// `y = a + b`.
pub(super) fn add_forward(isa: Isa, blocks: usize, a: View, b: View, y: View) {
    planes(blocks, y, |block, c| {
        // SAFETY: each item writes its own plane.
        unsafe { add_plane(isa, a, b, y, block, c) }
    });
}

/// `dx = dy`: the gradient of one summand.
pub(super) fn add_backward(isa: Isa, blocks: usize, dy: View, dx: View, accumulate: bool) {
    planes(blocks, dy, |b, c| {
        // SAFETY: each item writes its own plane.
        unsafe { copy_plane(isa, dy, dx, b, c, accumulate) }
    });
}

/// Sum of every channel: the gradient of a bias. Lanes without a sample hold zeros.
pub(super) fn channel_sums(isa: Isa, blocks: usize, x: View, sums: &mut [f32]) {
    sums.par_iter_mut().enumerate().for_each(|(c, sum)| {
        // SAFETY: `x` is only read.
        *sum = unsafe { channel_sum(isa, x, blocks, c) } as f32;
    });
}

/// Runs `f(block, channel)` for every plane, in parallel.
pub(super) fn planes(blocks: usize, x: View, f: impl Fn(usize, usize) + Sync) {
    let channels = x.geometry.image.channels;
    (0..blocks * channels).into_par_iter().for_each(|item| f(item / channels, item % channels));
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `y`.
    unsafe fn relu_plane(x: View, y: View, b: usize, c: usize) = relu_rows;
}

#[inline(always)]
unsafe fn relu_rows<V: Vector>(x: View, y: View, b: usize, c: usize) {
    for row in 0..x.geometry.image.height {
        // SAFETY: rows exist; `y`'s is this call's own; instructions by the caller's contract.
        unsafe { map::<V>(x.row(b, c, row), y.row_mut(b, c, row), |v| v.relu()) }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `dx`.
    unsafe fn relu_gradient_plane(y: View, dy: View, dx: View, b: usize, c: usize, accumulate: bool) = relu_gradient_rows;
}

#[inline(always)]
unsafe fn relu_gradient_rows<V: Vector>(y: View, dy: View, dx: View, b: usize, c: usize, accumulate: bool) {
    for row in 0..y.geometry.image.height {
        // SAFETY: rows exist; `dx`'s is this call's own; instructions by the caller's contract.
        unsafe {
            let (y, dy, dx) = (y.row(b, c, row), dy.row(b, c, row), dx.row_mut(b, c, row));
            for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
                dx.put(dy.get::<V>().where_positive(y.get()), accumulate);
            }
        }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `y`.
    unsafe fn add_plane(a: View, b: View, y: View, block: usize, c: usize) = add_rows;
}

#[inline(always)]
unsafe fn add_rows<V: Vector>(a: View, b: View, y: View, block: usize, c: usize) {
    for row in 0..y.geometry.image.height {
        // SAFETY: rows exist; `y`'s is this call's own; instructions by the caller's contract.
        unsafe { map2::<V>(a.row(block, c, row), b.row(block, c, row), y.row_mut(block, c, row), |a, b| a.add(b)) }
    }
}

versions! {
    /// # Safety
    /// No one else may touch the plane of `dx`.
    unsafe fn copy_plane(dy: View, dx: View, b: usize, c: usize, accumulate: bool) = copy_rows;
}

#[inline(always)]
unsafe fn copy_rows<V: Vector>(dy: View, dx: View, b: usize, c: usize, accumulate: bool) {
    for row in 0..dy.geometry.image.height {
        // SAFETY: rows exist; `dx`'s is this call's own; instructions by the caller's contract.
        unsafe {
            for (dx, dy) in dx.row_mut(b, c, row).iter_mut().zip(dy.row(b, c, row)) {
                dx.put(dy.get::<V>(), accumulate);
            }
        }
    }
}

versions! {
    /// # Safety
    /// No one may write the channel meanwhile.
    unsafe fn channel_sum(x: View, blocks: usize, c: usize) -> f64 = sum_rows;
}

#[inline(always)]
unsafe fn sum_rows<V: Vector>(x: View, blocks: usize, c: usize) -> f64 {
    let mut all = 0.0;
    for b in 0..blocks {
        // SAFETY: the plane exists and is only read.
        let [sum] = unsafe { plane_sums::<V, 1>(x, b, c, |v| [v]) };
        all += sum;
    }
    all
}
