//! Activations as the kernels see them.

use crate::simd::{LANES, Vector};
use er_networks::model::Image;

/// One pixel of one channel: 16 samples side by side, one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Pixel(pub(super) [f32; LANES]);

impl Pixel {
    pub(super) const ZERO: Self = Self([0.0; LANES]);

    /// 1 for the lanes of a block that hold samples, 0 for the rest.
    pub(super) fn valid(samples: usize, block: usize) -> Self {
        Self(std::array::from_fn(|lane| if block * LANES + lane < samples { 1.0 } else { 0.0 }))
    }

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

/// A tensor `[block][channel][row][column]` of [`Pixel`]s for some number of blocks.
#[derive(Clone)]
pub(super) struct Tensor {
    pub(super) image: Image,
    pub(super) data: Vec<Pixel>,
}

impl Tensor {
    pub(super) fn new(image: Image, blocks: usize) -> Self {
        Self { image, data: vec![Pixel::ZERO; blocks * image.len()] }
    }

    pub(super) fn view(&mut self) -> View {
        View { image: self.image, data: self.data.as_mut_ptr(), len: self.data.len() }
    }
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} blocks of {})", self.data.len() / self.image.len().max(1), self.image)
    }
}

/// A tensor shared by the threads of one operation, each of which writes planes or rows that no other thread touches.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub(super) image: Image,
    data: *mut Pixel,
    len: usize,
}

// SAFETY: a View is a pointer; every access is an `unsafe` call whose caller promises that no other thread writes the pixels.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    /// The same memory as a tensor of another image, which must not be larger than this one's memory holds for `blocks` blocks.
    pub(super) fn with_image(self, image: Image, blocks: usize) -> Self {
        assert!(blocks * image.len() <= self.len, "{blocks} blocks of {image} in memory for {} pixels", self.len);
        Self { image, ..self }
    }

    /// Pointer to the first pixel of a plane.
    ///
    /// # Safety
    /// The plane must be within the tensor, which must be alive.
    pub(super) unsafe fn plane(&self, block: usize, channel: usize) -> *mut Pixel {
        let at = block * self.image.len() + channel * self.image.height * self.image.width;
        debug_assert!(at < self.len.max(1), "pixel {at} outside a tensor of {}", self.len);
        // SAFETY: within the tensor by contract.
        unsafe { self.data.add(at) }
    }

    /// The pixels of a plane.
    ///
    /// # Safety
    /// The plane must exist, the tensor be alive, and no thread write the plane while the slice lives.
    pub(super) unsafe fn pixels<'a>(&self, block: usize, channel: usize) -> &'a [Pixel] {
        // SAFETY: the plane lies within the tensor; the rest by contract.
        unsafe { std::slice::from_raw_parts(self.plane(block, channel), self.image.height * self.image.width) }
    }

    /// The pixels of a plane, to write.
    ///
    /// # Safety
    /// The plane must exist, the tensor be alive, and no one else read or write the plane while the slice lives.
    pub(super) unsafe fn pixels_mut<'a>(&self, block: usize, channel: usize) -> &'a mut [Pixel] {
        // SAFETY: the plane lies within the tensor; the rest by contract.
        unsafe { std::slice::from_raw_parts_mut(self.plane(block, channel), self.image.height * self.image.width) }
    }
}

/// Values of which each thread of one operation writes its own.
#[derive(Clone, Copy)]
pub(super) struct Shared<T> {
    data: *mut T,
    len: usize,
}

// SAFETY: a pointer; every access is an `unsafe` call whose caller promises that no other thread uses the range.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(values: &mut [T]) -> Self {
        Self { data: values.as_mut_ptr(), len: values.len() }
    }

    /// Pointer to the first of some values, of which others may use some.
    ///
    /// # Safety
    /// The values must be alive.
    ///
    /// # Panics
    /// If they are not within the values.
    pub(super) unsafe fn pointer(&self, first: usize, count: usize) -> *mut T {
        assert!(first + count <= self.len, "values {first}..{} of {}", first + count, self.len);
        // SAFETY: within the values, which are alive by contract.
        unsafe { self.data.add(first) }
    }

    /// Some of the values, to write.
    ///
    /// # Safety
    /// The values must be alive, and no one else use the range while the slice lives.
    ///
    /// # Panics
    /// If the range is not within the values.
    #[allow(clippy::mut_from_ref)]
    pub(super) unsafe fn range<'a>(&self, first: usize, count: usize) -> &'a mut [T] {
        // SAFETY: within the values; the rest by contract.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(first, count), count) }
    }
}
