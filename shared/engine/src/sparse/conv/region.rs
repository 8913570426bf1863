//! How a convolution's work is cut: into regions whose inputs fit into cache, shared out among threads; and regions into tiles.

use std::ops::Range;

use crate::sparse::tensor::Pixel;
use er_networks::model::Image;

/// Memory that a region's input may take, in pixels of 64 bytes.
const REGION: usize = (3 << 20) / size_of::<Pixel>();
/// A region has at least so many rows if the image has: those around it are read twice.
const FEWEST_ROWS: usize = 4;
/// Pixels that a region has at least if the batch has: a tile's worth.
const FEWEST_PIXELS: usize = 16;
/// Parts that threads can work on independently, if the layer is large enough: a constant, so that results do not depend on the
/// number of threads.
const PARTS: usize = 16;
/// Regions below which units are split as well.
const FEWEST_REGIONS: usize = 8;

/// Some output rows of some blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) block: usize,
    pub(super) blocks: usize,
    pub(super) rows: Range<usize>,
    /// Whether these are the last rows.
    pub(super) last: bool,
}

/// All regions of a batch.
#[derive(Debug, Clone, Default)]
pub(super) struct Regions {
    pub(super) list: Vec<Region>,
    /// Parts into which units are split.
    pub(super) segments: usize,
    blocks: usize,
}

impl Regions {
    /// Cuts `blocks` blocks, unless they are cut already; returns whether it did.
    pub(super) fn cut(&mut self, blocks: usize, height: usize, cutting: Cutting) -> bool {
        if self.blocks == blocks {
            return false;
        }
        self.blocks = blocks;
        self.list.clear();
        for block in (0..blocks).step_by(cutting.blocks) {
            for first in (0..height).step_by(cutting.rows) {
                let rows = first..(first + cutting.rows).min(height);
                let blocks = cutting.blocks.min(blocks - block);
                self.list.push(Region { block, blocks, last: rows.end == height, rows });
            }
        }
        self.segments = FEWEST_REGIONS.div_ceil(self.list.len().max(1));
        true
    }

    /// Groups of regions that each have sums of their own.
    pub(super) fn slots(&self) -> usize {
        self.list.len().min(PARTS)
    }

    /// The regions of a slot.
    pub(super) fn of_slot(&self, slot: usize) -> Range<usize> {
        let (n, slots) = (self.list.len(), self.slots());
        slot * n / slots..(slot + 1) * n / slots
    }
}

/// Size of regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cutting {
    pub(super) blocks: usize,
    pub(super) rows: usize,
}

impl Cutting {
    /// For an output image, where `pixels(rows)` is what a region of one block and some rows reads.
    pub(super) fn new(output: Image, pixels: impl Fn(usize) -> usize) -> Self {
        let plane = output.height * output.width;
        if plane < FEWEST_PIXELS {
            return Self { blocks: FEWEST_PIXELS / plane.max(1), rows: output.height };
        }
        let fits = (1..=output.height).rev().find(|&rows| pixels(rows) <= REGION);
        let rows = fits.unwrap_or(1).max(FEWEST_ROWS.min(output.height));
        // Bands of nearly equal height.
        Self { blocks: 1, rows: output.height.div_ceil(output.height.div_ceil(rows)) }
    }
}

/// Some pixels of a region, computed together in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) block: usize,
    pub(super) y: usize,
    pub(super) x: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Whether `rows` counts blocks at one place instead of rows of one block.
    pub(super) across_blocks: bool,
}

/// Covers `blocks` × grid with tiles of at most `largest` pixels and `widest` columns: as few as possible, and of those the ones
/// that gather from the fewest pixels if each of theirs sees `taps` rows and columns.
pub(super) fn tiles(blocks: usize, grid: [usize; 2], largest: usize, widest: usize, taps: [usize; 2]) -> Vec<Tile> {
    let widths = (0..=widest.ilog2()).map(|log| 1 << log);
    let seen = |tile: &Tile| (tile.rows + taps[0] - 1) * (tile.columns + taps[1] - 1);
    let cost = |tiles: &Vec<Tile>| (tiles.len(), tiles.iter().map(seen).sum::<usize>());
    // Of equals the widest: its pixels lie side by side.
    let all = widths.rev().map(|widest| tiles_up_to(blocks, grid, largest, widest));
    all.min_by_key(cost).unwrap_or_default()
}

fn tiles_up_to(blocks: usize, [height, width]: [usize; 2], largest: usize, widest: usize) -> Vec<Tile> {
    let mut tiles = Vec::new();
    for (x, columns) in powers(width, widest) {
        let rows = largest / columns;
        // A small image fills the registers with its rows or with the same row of several blocks, whichever are more.
        let across_blocks = floor_power(blocks).min(rows) > floor_power(height).min(rows);
        let (outer, inner) = if across_blocks { (height, blocks) } else { (blocks, height) };
        for o in 0..outer {
            for (i, rows) in powers(inner, rows) {
                let (block, y) = if across_blocks { (i, o) } else { (o, i) };
                tiles.push(Tile { block, y, x, rows, columns, across_blocks });
            }
        }
    }
    // Neighbouring tiles read the same rows: keep them together.
    tiles.sort_by_key(|t| (t.block, t.y, t.x));
    tiles
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
