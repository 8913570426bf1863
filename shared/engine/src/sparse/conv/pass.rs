//! One direction of a convolution: the forward pass, or one phase of its input gradient.

use super::correlate::{TileGradient, correlate_tile};
use super::gather::{DenseWeights, Output, SparseWeights, TileJob, gather_dense, gather_sparse};
use super::region::{Tile, tiles};
use super::weights::{Dense, List, Sparse};
use crate::simd::Isa;
use crate::sparse::tensor::Pixel;
use er_networks::model::Image;
use std::ops::Range;

/// What a pass gathers along.
#[derive(Debug, Clone)]
pub(super) enum Weights {
    Sparse(Sparse),
    Dense(Dense),
}

/// A gather for every unit of the receiving side.
///
/// With stride s, the input gradient falls into s² phases: input pixels with the same remainder of (row, column) modulo s see
/// the same taps, at constant offsets into the output gradient, and each phase is a convolution with stride 1 whose results
/// are written s pixels apart.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) weights: Weights,
    /// Image that is written.
    pub(super) image: Image,
    /// Columns computed per unit.
    pub(super) columns: usize,
    /// Distance between the input pixels of neighbouring grid points.
    pub(super) input_step: usize,
    /// Distance between the output pixels of neighbouring grid points.
    pub(super) output_step: usize,
    /// Row and column of the output pixel of grid point (0, 0).
    pub(super) output_first: [usize; 2],
    /// Rows and columns of input that a pixel gathers from.
    pub(super) taps: [usize; 2],
    pub(super) tilings: Vec<Tiling>,
}

/// Tiles of regions with some blocks and grid rows.
#[derive(Debug, Clone)]
pub(super) struct Tiling {
    blocks: usize,
    rows: usize,
    tiles: Vec<Tile>,
}

/// Where a pass reads: a copy of a region with zeros around.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input {
    pub(super) pixels: *const Pixel,
    pub(super) pitch: usize,
    pub(super) block: usize,
}

/// Grid points of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) block: usize,
    pub(super) blocks: usize,
    /// First grid row, and number of rows.
    pub(super) first: usize,
    pub(super) rows: usize,
}

/// What to compute with which instructions: some units' pixels of a grid, from a copy of what it sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) isa: Isa,
    pub(super) grid: Grid,
    pub(super) input: Input,
    pub(super) units: &'a Range<usize>,
}

impl Pass {
    /// Makes the tiles of a grid, if there are none yet.
    pub(super) fn tile(&mut self, isa: Isa, grid: Grid) {
        if self.tilings.iter().any(|t| t.blocks == grid.blocks && t.rows == grid.rows) {
            return;
        }
        let largest = match self.weights {
            Weights::Sparse(_) => isa.tile(),
            Weights::Dense(_) => isa.dense_tile()[1],
        };
        let widest = if self.input_step <= 2 { largest } else { 1 };
        let tiles = tiles(grid.blocks, [grid.rows, self.columns], largest, widest, self.taps);
        self.tilings.push(Tiling { blocks: grid.blocks, rows: grid.rows, tiles });
    }

    /// A part's share of the receiving units.
    pub(super) fn share(&self, part: usize, parts: usize) -> Range<usize> {
        let split = |part: usize| match &self.weights {
            Weights::Sparse(sparse) => part * sparse.units / parts,
            Weights::Dense(dense) => dense.split(part, parts),
        };
        split(part)..split(part + 1)
    }

    /// Whether nothing is gathered.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.weights, Weights::Sparse(sparse) if sparse.gathered().is_empty())
    }

    /// Takes over the layer's weights, in edge order; returns how many of the pass's are not 0.
    pub(super) fn set_weights(&mut self, weights: &[f32]) -> usize {
        match &mut self.weights {
            Weights::Sparse(sparse) => sparse.set(weights),
            Weights::Dense(dense) => dense.set(weights),
        }
    }

    /// The tiles of a grid.
    fn tiles(&self, grid: Grid) -> &[Tile] {
        let Some(tiling) = self.tilings.iter().find(|t| t.blocks == grid.blocks && t.rows == grid.rows) else {
            unreachable!("regions are tiled when they are cut")
        };
        &tiling.tiles
    }

    /// A tile for some units.
    ///
    /// # Safety
    /// The input must hold the tile's region.
    unsafe fn job(&self, work: Work, tile: &Tile) -> TileJob {
        let Work { grid, input, units, .. } = work;
        let row = self.output_first[0] + self.output_step * (grid.first + tile.y);
        let column = self.output_first[1] + self.output_step * tile.x;
        let from = tile.block * input.block + self.input_step * (tile.y * input.pitch + tile.x);
        TileJob {
            rows: tile.rows,
            columns: tile.columns,
            // SAFETY: within the region by contract.
            input: unsafe { input.pixels.add(from) },
            input_pitch: if tile.across_blocks { input.block } else { self.input_step * input.pitch },
            input_step: self.input_step,
            at: (grid.block + tile.block) * self.image.len() + row * self.image.width + column,
            output_pitch: if tile.across_blocks { self.image.len() } else { self.output_step * self.image.width },
            output_step: self.output_step,
            first: units.start,
            last: units.end,
        }
    }

    /// Gathers the grid for some units. `partial` is memory for a tile of each unit. `first` says that the output's sums begin here;
    /// returns whether they still do.
    ///
    /// # Safety
    /// The instructions must be this machine's, and those the grid was tiled and the weights laid out for. The input must hold
    /// the region with every pixel the taps reach; the output's pixels of the grid and units, its sums and
    /// `partial` must be the caller's own.
    pub(super) unsafe fn run(&self, work: Work, output: &Output, partial: *mut Pixel, mut first: bool) -> bool {
        let isa = work.isa;
        for tile in self.tiles(work.grid) {
            // SAFETY: tiles lie within the grid; the rest by contract.
            unsafe {
                let mut job = self.job(work, tile);
                match &self.weights {
                    Weights::Sparse(sparse) => {
                        gather_sparse(isa, &job, &sparse_weights(sparse, sparse.gathered(), partial), output, first);
                    }
                    Weights::Dense(dense) => {
                        for group in dense.groups_of(work.units) {
                            (job.first, job.last) = dense.group(group);
                            let weights = DenseWeights {
                                weights: dense.of_group(group).as_ptr(),
                                channels: dense.channels,
                                channel: dense.channel,
                                taps: dense.taps.as_ptr(),
                                tap_count: dense.taps.len(),
                            };
                            gather_dense(isa, &job, &weights, output, first);
                        }
                    }
                }
            }
            first = false;
        }
        first
    }

    /// Correlates input and gradient of the grid for all edges of some units; `gradient` is the grid's first pixel of unit 0.
    /// Results are in the order of the weights.
    ///
    /// # Safety
    /// As [`Pass::run`] for instructions. The input must hold the region with every pixel the taps reach, and the gradient the
    /// grid; the results of the units' edges must be the caller's own.
    pub(super) unsafe fn correlate(&self, work: Work, sparse: &Sparse, gradient: GradientInput, mut accumulate: bool) {
        for tile in self.tiles(work.grid) {
            // SAFETY: tiles lie within the grid; the rest by contract.
            unsafe {
                let job = self.job(work, tile);
                let from = gradient.input;
                let tile_gradient = TileGradient {
                    pixels: from.pixels.add(tile.block * from.block + tile.y * from.pitch + tile.x),
                    unit: gradient.unit,
                    pitch: if tile.across_blocks { from.block } else { from.pitch },
                    result: gradient.result,
                    accumulate,
                };
                correlate_tile(work.isa, &job, &sparse_weights(sparse, &sparse.all, std::ptr::null_mut()), &tile_gradient);
            }
            accumulate = true;
        }
    }
}

/// The gradient that a layer's input is correlated with, and where the results go.
#[derive(Debug, Clone, Copy)]
pub(super) struct GradientInput {
    pub(super) input: Input,
    /// Pixels from a unit to the next.
    pub(super) unit: usize,
    pub(super) result: *mut f32,
}

fn sparse_weights(sparse: &Sparse, list: &List, partial: *mut Pixel) -> SparseWeights {
    SparseWeights {
        starts: list.starts.as_ptr(),
        edges: list.edges.as_ptr(),
        units: sparse.units,
        chunks: sparse.chunks,
        partial,
    }
}
