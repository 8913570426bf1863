//! Activations in blocks of 16 samples.

use crate::engine::simd::{LANES, Vector};
use crate::model::Image;

/// One pixel of one channel: 16 samples side by side, one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Pixel(pub(super) [f32; LANES]);

impl Pixel {
    pub(super) const ZERO: Self = Self([0.0; LANES]);

    /// The pixel in a register.
    ///
    /// # Safety
    /// [`Vector`]'s contract on instructions.
    #[inline(always)]
    pub(super) unsafe fn get<V: Vector>(&self) -> V {
        // SAFETY: 16 aligned floats.
        unsafe { V::load(self.0.as_ptr()) }
    }

    /// Writes a register.
    ///
    /// # Safety
    /// [`Vector`]'s contract on instructions.
    #[inline(always)]
    pub(super) unsafe fn set<V: Vector>(&mut self, value: V) {
        // SAFETY: 16 aligned floats.
        unsafe { value.store(self.0.as_mut_ptr()) }
    }

    /// Writes a register, or adds it to what is there.
    ///
    /// # Safety
    /// [`Vector`]'s contract on instructions.
    #[inline(always)]
    pub(super) unsafe fn put<V: Vector>(&mut self, value: V, accumulate: bool) {
        // SAFETY: passed on from the caller.
        unsafe { if accumulate { self.set(self.get::<V>().add(value)) } else { self.set(value) } }
    }
}

/// Shape and strides of a tensor `[block][channel][row + 2·halo][column + 2·halo]` of [`Pixel`]s.
///
/// The halo around every plane is zero and is never written: a kernel's tap that leaves the image reads a zero there, so
/// convolutions need no bounds checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Geometry {
    pub(super) image: Image,
    pub(super) halo: usize,
}

impl Geometry {
    /// Pixels from a row to the next.
    pub(super) const fn pitch(&self) -> usize {
        self.image.width + 2 * self.halo
    }

    /// Pixels from a channel to the next.
    pub(super) const fn channel(&self) -> usize {
        (self.image.height + 2 * self.halo) * self.pitch()
    }

    /// Pixels from a block of samples to the next.
    pub(super) const fn block(&self) -> usize {
        self.image.channels * self.channel()
    }

    /// Where the first pixel inside the halo lies.
    pub(super) const fn origin(&self) -> usize {
        self.halo * self.pitch() + self.halo
    }

    /// Where a row's first pixel inside the halo lies.
    pub(super) const fn row(&self, block: usize, channel: usize, y: usize) -> usize {
        block * self.block() + channel * self.channel() + self.origin() + y * self.pitch()
    }
}

/// A tensor for some number of blocks.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) geometry: Geometry,
    pub(super) data: Vec<Pixel>,
}

impl Tensor {
    pub(super) fn new(geometry: Geometry, blocks: usize) -> Self {
        Self { geometry, data: vec![Pixel::ZERO; blocks * geometry.block()] }
    }

    pub(super) fn view(&mut self) -> View {
        View { geometry: self.geometry, data: self.data.as_mut_ptr(), len: self.data.len() }
    }
}

/// A tensor shared by the threads of one operation, each of which writes rows that no other thread touches.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) geometry: Geometry,
    data: *mut Pixel,
    len: usize,
}

// SAFETY: a View is a pointer; every access is an `unsafe` call whose caller promises that no other thread writes the pixels.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// Pointer to a pixel.
    ///
    /// # Safety
    /// `at` must be within the tensor, which must be alive.
    pub(super) unsafe fn at(&self, at: usize) -> *mut Pixel {
        debug_assert!(at < self.len, "pixel {at} outside a tensor of {}", self.len);
        // SAFETY: within the tensor by contract.
        unsafe { self.data.add(at) }
    }

    /// A row without its halo.
    ///
    /// # Safety
    /// The row must exist, the tensor be alive, and no thread write the row while the slice lives.
    pub(super) unsafe fn row<'a>(&self, block: usize, channel: usize, y: usize) -> &'a [Pixel] {
        // SAFETY: the row lies within the tensor; the rest by contract.
        unsafe { std::slice::from_raw_parts(self.at(self.geometry.row(block, channel, y)), self.geometry.image.width) }
    }

    /// A row without its halo, to write.
    ///
    /// # Safety
    /// The row must exist, the tensor be alive, and no one else read or write the row while the slice lives.
    pub(super) unsafe fn row_mut<'a>(&self, block: usize, channel: usize, y: usize) -> &'a mut [Pixel] {
        // SAFETY: the row lies within the tensor; the rest by contract.
        unsafe { std::slice::from_raw_parts_mut(self.at(self.geometry.row(block, channel, y)), self.geometry.image.width) }
    }
}
