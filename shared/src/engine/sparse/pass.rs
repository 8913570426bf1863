//! One direction of a convolution: for every unit of the receiving side, the edges it gathers along.

use rayon::prelude::*;

use super::kernels::{Edge, TileJob, convolve_tile};
use super::tensor::View;
use crate::engine::simd::Isa;

/// Receiving units whose pixels lie at a constant distance from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// First unit.
    pub(super) first: usize,
    /// Units.
    pub(super) count: usize,
    /// Pixel of the first unit relative to the pass's output origin.
    pub(super) at: usize,
    /// Pixels from one unit to the next.
    pub(super) stride: usize,
}

/// Some pixels of one or several blocks, computed together in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    block: usize,
    y: usize,
    x: usize,
    rows: usize,
    columns: usize,
    /// Whether `rows` counts blocks at one place instead of rows of one block.
    across_blocks: bool,
}

/// A gather along edges: the forward pass of a layer, or one phase of its input gradient.
///
/// With stride s, the input gradient falls into s² phases: input pixels with the same remainder of (row, column) modulo s see
/// the same taps, at constant offsets into the output gradient, and each phase is a convolution with stride 1 whose results
/// are written s pixels apart.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    /// `edges[starts[u]..starts[u + 1]]` belong to receiving unit `u`.
    pub(super) starts: Vec<u32>,
    pub(super) edges: Vec<Edge>,
    /// Index of each edge in the layer's edge order.
    pub(super) order: Vec<u32>,
    pub(super) segments: Vec<Segment>,
    /// Rows and columns computed per unit.
    pub(super) grid: [usize; 2],
    /// Distance between the input pixels of neighbouring grid points.
    pub(super) input_step: usize,
    /// Distance between the output pixels of neighbouring grid points.
    pub(super) output_step: usize,
    /// Row and column of the first output pixel.
    pub(super) output_first: [usize; 2],
    tiles: Vec<Tile>,
    tiled_blocks: usize,
}

impl Pass {
    /// Sorts a layer's edges by receiving unit. `edges` has `(unit, offset)` in the layer's edge order; `None` leaves an edge
    /// out (it belongs to another phase). O(edges + units).
    pub(super) fn new(
        units: usize,
        edges: &[Option<(usize, i32)>],
        segments: Vec<Segment>,
        grid: [usize; 2],
        [input_step, output_step]: [usize; 2],
        output_first: [usize; 2],
    ) -> Self {
        let mut starts = vec![0_u32; units + 1];
        for (unit, _) in edges.iter().flatten() {
            starts[unit + 1] += 1;
        }
        for u in 0..units {
            starts[u + 1] += starts[u];
        }
        let total = starts[units] as usize;
        let mut next = starts.clone();
        let mut sorted = vec![Edge { offset: 0, weight: 0.0 }; total];
        let mut order = vec![0; total];
        for (e, edge) in edges.iter().enumerate() {
            if let &Some((unit, offset)) = edge {
                let at = next[unit] as usize;
                next[unit] += 1;
                sorted[at].offset = offset;
                order[at] = e as u32;
            }
        }
        Self {
            starts,
            edges: sorted,
            order,
            segments,
            grid,
            input_step,
            output_step,
            output_first,
            tiles: Vec::new(),
            tiled_blocks: 0,
        }
    }

    /// Copies the layer's weights to where the kernels stream them.
    pub(super) fn set_weights(&mut self, weights: &[f32]) {
        for (edge, &e) in self.edges.iter_mut().zip(&self.order) {
            edge.weight = weights[e as usize];
        }
    }

    /// `output = bias + gathered`, or `output += gathered` where `accumulate` says so. Every output pixel is computed by one
    /// thread in the order of its edges, so the result does not depend on the number of threads.
    pub(super) fn run(&mut self, isa: Isa, blocks: usize, input: View, output: View, bias: Option<&[f32]>, accumulate: bool) {
        if self.tiled_blocks != blocks {
            self.tile(isa.tile(), blocks);
        }
        let pass = &*self;
        let from = input.geometry;
        let to = output.geometry;
        let first = to.origin() + pass.output_first[0] * to.pitch() + pass.output_first[1];
        (0..pass.tiles.len() * pass.segments.len()).into_par_iter().for_each(|item| {
            let tile = pass.tiles[item / pass.segments.len()];
            let segment = pass.segments[item % pass.segments.len()];
            let input_at = from.row(tile.block, 0, 0) + pass.input_step * (tile.y * from.pitch() + tile.x);
            let output_at = tile.block * to.block() + first + segment.at + pass.output_step * (tile.y * to.pitch() + tile.x);
            let bias = bias.map_or(std::ptr::null(), |b| b[segment.first..segment.first + segment.count].as_ptr());
            // SAFETY: tiles cover the grid and segments the units exactly once, so no two items write the same pixel; the grid's
            // pixels lie within the output and every tap within the input or its halo, which `Conv::new` has checked to be wide
            // enough.
            unsafe {
                let job = TileJob {
                    rows: tile.rows,
                    columns: tile.columns,
                    input: input.at(input_at),
                    input_pitch: if tile.across_blocks { from.block() } else { pass.input_step * from.pitch() },
                    input_step: pass.input_step,
                    output: output.at(output_at),
                    output_pitch: if tile.across_blocks { to.block() } else { pass.output_step * to.pitch() },
                    output_step: pass.output_step,
                    output_channel: segment.stride,
                    starts: pass.starts[segment.first..].as_ptr(),
                    edges: pass.edges.as_ptr(),
                    channels: segment.count,
                    bias,
                    accumulate,
                };
                convolve_tile(isa, &job);
            }
        });
    }

    /// Covers `blocks` × grid with tiles of at most `largest` pixels.
    fn tile(&mut self, largest: usize, blocks: usize) {
        self.tiles.clear();
        self.tiled_blocks = blocks;
        let widest = if self.input_step <= 2 { largest } else { 1 };
        for (x, columns) in powers(self.grid[1], widest) {
            let rows = largest / columns;
            // A small image fills the registers with its rows or with the same row of several blocks, whichever are more.
            let across_blocks = floor_power(blocks).min(rows) > floor_power(self.grid[0]).min(rows);
            let (outer, inner) = if across_blocks { (self.grid[0], blocks) } else { (blocks, self.grid[0]) };
            for o in 0..outer {
                for (i, rows) in powers(inner, rows) {
                    let (block, y) = if across_blocks { (i, o) } else { (o, i) };
                    self.tiles.push(Tile { block, y, x, rows, columns, across_blocks });
                }
            }
        }
        // Neighbouring tiles read the same rows: keep them together.
        self.tiles.sort_by_key(|t| (t.block, t.y, t.x));
    }
}

/// Largest power of two that is at most `n`; 0 for 0.
fn floor_power(n: usize) -> usize {
    n.checked_ilog2().map_or(0, |log| 1 << log)
}

/// Splits `0..n` into `(start, length)` pieces whose lengths are powers of two, at most `largest` (a power of two).
fn powers(n: usize, largest: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let length = floor_power(n - start).min(largest);
        (length > 0).then(|| {
            start += length;
            (start - length, length)
        })
    })
}
