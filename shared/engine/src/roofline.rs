//! What a machine can do at best: the ceilings that the engine's speed is held against.
//!
//! A sparse convolution multiplies and adds once for each cache line it loads, so its ceiling is seldom the rate of arithmetic in
//! registers ([`multiply_adds`]) but that of multiply-adds whose operand comes from some level of memory ([`bandwidth`]).

use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

use rand::seq::SliceRandom;

use super::simd::{Isa, LANES, Vector, versions};
use er_graphs::rng::{Purpose, stream};

/// Bytes that are visited in one piece.
pub const CHUNK: usize = size_of::<Chunk>();

/// Measurements are the best of this many.
const TRIES: usize = 10;
/// Bytes a thread visits in one measurement, or its whole working set if that is larger.
const VISITED: usize = 256 << 20;
/// Multiply-adds of one measurement in registers, for each register.
const REPEATS: usize = 5_000_000;

/// What threads do with their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Loads each cache line into a multiply-add of 16 floats, from the first to the last.
    Read,
    /// As [`Access::Read`], in chunks of [`CHUNK`] bytes in random order.
    ReadChunks,
    /// Overwrites each cache line.
    Write,
    /// Copies the first half to the second.
    Copy,
}

/// Multiply-adds a second of `threads` threads together, on independent values that stay in registers.
///
/// # Panics
/// If this machine does not have `isa`.
pub fn multiply_adds(isa: Isa, threads: usize) -> f64 {
    check(isa);
    // SAFETY: the instructions exist.
    let seconds = best_of(threads, || (), |()| unsafe { black_box(chains(isa, REPEATS, black_box(0.5), black_box(1.0))) });
    (threads * REPEATS * independent(isa) * LANES) as f64 / seconds
}

/// Bytes a second of `threads` threads together, each with its own `working_set` (in bytes, rounded down to two chunks or more).
/// Reading is one multiply-add for every 4 bytes; a copied byte counts twice, as read and as written.
///
/// # Panics
/// If this machine does not have `isa`.
pub fn bandwidth(isa: Isa, threads: usize, access: Access, working_set: usize) -> f64 {
    check(isa);
    let half = (working_set / CHUNK / 2).max(1);
    let repeats = VISITED.div_ceil(2 * half * CHUNK);
    let prepare = || {
        let mut order: Vec<u32> = (0..2 * half as u32).collect();
        if access == Access::ReadChunks {
            order.shuffle(&mut stream(1, Purpose::Shuffle, 0));
        }
        (vec![Chunk([[1.0; LANES]; LINES]); 2 * half], order)
    };
    let seconds = best_of(threads, prepare, |(chunks, order)| {
        for _ in 0..repeats {
            // SAFETY: the instructions exist.
            unsafe {
                match access {
                    Access::Read | Access::ReadChunks => {
                        black_box(read(isa, chunks, order, black_box(0.5)));
                    }
                    Access::Write => write(isa, chunks, black_box(2.0)),
                    Access::Copy => {
                        let (from, to) = chunks.split_at_mut(half);
                        copy(isa, from, to);
                    }
                }
            }
            black_box(chunks.as_mut_ptr());
        }
    });
    (threads * repeats * 2 * half * CHUNK) as f64 / seconds
}

fn check(isa: Isa) {
    assert!(Isa::available().contains(&isa), "this machine has no {} instructions", isa.name());
}

/// Seconds of the best of some tries in which `threads` threads start `work` together, each on what it prepared itself.
fn best_of<T, R>(threads: usize, prepare: impl Fn() -> T + Sync, work: impl Fn(&mut T) -> R + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let thread = || {
        let mut own = prepare();
        work(&mut own);
        let time = |_| {
            barrier.wait();
            let start = Instant::now();
            work(&mut own);
            barrier.wait();
            start.elapsed().as_secs_f64()
        };
        (0..TRIES).map(time).fold(f64::INFINITY, f64::min)
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(thread)).collect();
        let first = thread();
        others.into_iter().filter_map(|t| t.join().ok()).fold(first, f64::max)
    })
}

/// Cache lines of a chunk.
const LINES: usize = 16;

/// As much as a sparse convolution reads in one piece: an edge's input pixels of one tile.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Chunk([[f32; LANES]; LINES]);

/// Vectors that [`chains`] computes side by side: more than the latency of a multiply-add hides, no more than fit in registers.
const fn independent_vectors(tile: usize) -> usize {
    if tile >= 16 { 16 } else { 6 }
}

fn independent(isa: Isa) -> usize {
    independent_vectors(isa.tile())
}

versions! {
    /// Sum of all lanes of independent chains of `repeats` times `x = x·a + b` that begin with x = 0.
    ///
    /// # Safety
    /// None beyond the instructions.
    unsafe fn chains(repeats: usize, a: f32, b: f32) -> f32 = any_chains;
}

#[inline(always)]
unsafe fn any_chains<V: Vector>(repeats: usize, a: f32, b: f32) -> f32 {
    // SAFETY: passed on from the caller.
    unsafe {
        if V::TILE >= 16 {
            some_chains::<V, { independent_vectors(16) }>(repeats, a, b)
        } else {
            some_chains::<V, { independent_vectors(0) }>(repeats, a, b)
        }
    }
}

#[inline(always)]
unsafe fn some_chains<V: Vector, const N: usize>(repeats: usize, a: f32, b: f32) -> f32 {
    // SAFETY: passed on from the caller.
    unsafe {
        let (a, b) = (V::splat(a), V::splat(b));
        let mut values = [V::splat(0.0); N];
        for _ in 0..repeats {
            for value in &mut values {
                *value = value.mul_add(a, b);
            }
        }
        total(values)
    }
}

versions! {
    /// Sum of the floats of the chunks that `order` names, times `weight`.
    ///
    /// # Safety
    /// None beyond the instructions.
    unsafe fn read(chunks: &[Chunk], order: &[u32], weight: f32) -> f32 = any_read;
}

#[inline(always)]
unsafe fn any_read<V: Vector>(chunks: &[Chunk], order: &[u32], weight: f32) -> f32 {
    // SAFETY: passed on from the caller.
    unsafe { if V::TILE >= 16 { some_read::<V, 16>(chunks, order, weight) } else { some_read::<V, 4>(chunks, order, weight) } }
}

#[inline(always)]
unsafe fn some_read<V: Vector, const N: usize>(chunks: &[Chunk], order: &[u32], weight: f32) -> f32 {
    // SAFETY: passed on from the caller; a line of a chunk is 16 aligned floats.
    unsafe {
        let weight = V::splat(weight);
        let mut sums = [V::splat(0.0); N];
        for &c in order {
            for (i, line) in chunks[c as usize].0.iter().enumerate() {
                sums[i % N] = V::load(line.as_ptr()).mul_add(weight, sums[i % N]);
            }
        }
        total(sums)
    }
}

/// Sum of all lanes.
#[inline(always)]
unsafe fn total<V: Vector, const N: usize>(values: [V; N]) -> f32 {
    // SAFETY: passed on from the caller.
    unsafe { values.into_iter().fold(V::splat(0.0), |sum, v| sum.add(v)).sum() }
}

versions! {
    /// Writes `value` to every float.
    ///
    /// # Safety
    /// None beyond the instructions.
    unsafe fn write(chunks: &mut [Chunk], value: f32) = any_write;
}

#[inline(always)]
unsafe fn any_write<V: Vector>(chunks: &mut [Chunk], value: f32) {
    for chunk in chunks {
        for line in &mut chunk.0 {
            // SAFETY: passed on from the caller; a line of a chunk is 16 aligned floats.
            unsafe { V::splat(value).store(line.as_mut_ptr()) };
        }
    }
}

versions! {
    /// Copies as many chunks as both have.
    ///
    /// # Safety
    /// None beyond the instructions.
    unsafe fn copy(from: &[Chunk], to: &mut [Chunk]) = any_copy;
}

#[inline(always)]
unsafe fn any_copy<V: Vector>(from: &[Chunk], to: &mut [Chunk]) {
    for (from, to) in from.iter().zip(to) {
        for (from, to) in from.0.iter().zip(&mut to.0) {
            // SAFETY: passed on from the caller; a line of a chunk is 16 aligned floats.
            unsafe { V::load(from.as_ptr()).store(to.as_mut_ptr()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, so that sums are exact in any order.
    fn numbers(chunks: usize) -> Vec<Chunk> {
        let value = |c: usize, line: usize, lane: usize| ((c * 7 + line * 3 + lane) % 5) as f32;
        (0..chunks).map(|c| Chunk(std::array::from_fn(|line| std::array::from_fn(|lane| value(c, line, lane))))).collect()
    }

    fn sum(chunks: &[Chunk]) -> f32 {
        chunks.iter().flat_map(|c| c.0.as_flattened()).sum()
    }

    #[test]
    fn kernels_compute_what_they_say() {
        for isa in Isa::available() {
            let chunks = numbers(5);
            // SAFETY: the instructions exist.
            let sums = unsafe {
                vec![chains(isa, 3, 0.5, 1.0), read(isa, &chunks, &[0, 1, 2, 3, 4], 0.5), read(isa, &chunks, &[3, 1, 3], 0.5)]
            };
            // 0 → 1 → 1.5 → 1.75
            let of_chains = (independent(isa) * LANES) as f32 * 1.75;
            let of_some = 2.0 * sum(&chunks[3..4]) + sum(&chunks[1..2]);
            assert_eq!(sums, vec![of_chains, 0.5 * sum(&chunks), 0.5 * of_some], "{isa:?}");

            let mut copied = numbers(5);
            // SAFETY: the instructions exist.
            unsafe { write(isa, &mut copied, 2.0) };
            assert!(copied.iter().all(|c| c.0 == [[2.0; LANES]; LINES]), "{isa:?}");
            // SAFETY: the instructions exist.
            unsafe { copy(isa, &chunks, &mut copied) };
            assert!(copied.iter().zip(&chunks).all(|(a, b)| a.0 == b.0), "{isa:?}");
        }
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn chunks_that_do_not_exist_are_not_read() {
        // SAFETY: the instructions exist everywhere.
        unsafe { read(Isa::Portable, &numbers(2), &[2], 1.0) };
    }
}
