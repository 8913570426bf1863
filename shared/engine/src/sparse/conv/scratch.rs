//! What threads compute in.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::pass::Input;
use super::region::Region;
use super::shape::FrameShape;
use crate::simd::Isa;
use crate::sparse::blend::{Operands, read};
use crate::sparse::tensor::Pixel;

/// Memory of one thread.
#[derive(Clone, Default)]
pub(in crate::sparse) struct Scratch {
    pub(super) value: Vec<Pixel>,
    pub(super) gradient: Vec<Pixel>,
    /// Sums per unit, lane by lane.
    pub(super) sums: Vec<Pixel>,
    pub(super) moments: Vec<[Pixel; 3]>,
    /// Tiles of units between chunks.
    pub(super) partial: Vec<Pixel>,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} + {} pixels)", self.value.len(), self.gradient.len())
    }
}

/// What computing needs besides tensors.
#[derive(Debug, Clone, Copy)]
pub(in crate::sparse) struct Machine<'a> {
    pub(in crate::sparse) isa: Isa,
    pub(in crate::sparse) samples: usize,
    /// One per thread.
    pub(in crate::sparse) scratch: &'a [Mutex<Scratch>],
}

impl Machine<'_> {
    /// The memory of the thread that asks.
    pub(super) fn scratch(&self) -> MutexGuard<'_, Scratch> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        self.scratch[thread].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies a region's rows of all channels to memory with zeros around.
///
/// # Safety
/// As [`read`]; the operands must have the region's blocks and the shape's channels and width, and `to` room for a frame of
/// `rows` rows for each block.
pub(super) unsafe fn copy(
    machine: Machine,
    to: &mut [Pixel],
    region: &Region,
    operands: &Operands,
    shape: FrameShape,
    first: isize,
    rows: usize,
) -> Input {
    for b in 0..region.blocks {
        let frame = shape.at(to[b * shape.block()..].as_mut_ptr(), first, rows);
        // SAFETY: by contract.
        unsafe { read(machine.isa, machine.samples, operands, region.block + b, 0..shape.channels, frame, false) };
    }
    Input { pixels: to.as_ptr(), pitch: shape.pitch, block: shape.block() }
}
