//! Where a layer sits, and the shape of the memory its regions are copied to.

use crate::sparse::blend::Frame;
use crate::sparse::tensor::Pixel;
use er_graphs::graph::LayerShape;
use er_networks::model::Image;

/// Pixels that the L1 cache holds besides what else is in use.
const L1: usize = (36 << 10) / size_of::<Pixel>();
/// Edges of a unit in a chunk that make up for reading and writing its sums.
const ENOUGH_EDGES: f64 = 10.0;

/// Where a layer sits in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sparse) struct ConvShape {
    pub(in crate::sparse) shape: LayerShape,
    pub(in crate::sparse) stride: usize,
    pub(in crate::sparse) padding: usize,
    pub(in crate::sparse) groups: usize,
    /// A linear layer: its inputs are all pixels of all channels, and its output is one pixel.
    pub(in crate::sparse) linear: bool,
}

impl ConvShape {
    /// The input as the layer sees it.
    pub(in crate::sparse) fn seen(&self, input: Image) -> Image {
        if self.linear { Image::new(input.len(), 1, 1) } else { input }
    }

    /// Pixels around a region's output gradient that the input gradient reads.
    pub(super) fn reach(&self, input: Image, output: Image) -> usize {
        let before = |k: usize| (k - 1).saturating_sub(self.padding).div_ceil(self.stride);
        let after = |n: usize, out: usize| ((n - 1 + self.padding) / self.stride + 1).saturating_sub(out);
        let [kh, kw] = self.shape.kernel;
        let ends = after(input.height, output.height).max(after(input.width, output.width));
        before(kh).max(before(kw)).max(ends).max(self.padding.div_ceil(self.stride))
    }

    /// Input rows that some output rows see.
    pub(super) fn rows_seen(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.shape.kernel[0]
    }

    /// Offset of a tap in a frame.
    pub(super) fn tap(&self, tap: usize, pitch: usize) -> usize {
        tap / self.shape.kernel[1] * pitch + tap % self.shape.kernel[1]
    }

    /// Output unit, input channel and tap of a weight.
    pub(super) fn position(&self, position: usize) -> [usize; 3] {
        let shape = self.shape;
        let (o, rest) = (position / shape.fan_in(), position % shape.fan_in());
        let (i, tap) = (rest / shape.taps(), rest % shape.taps());
        [o, o / (shape.out / self.groups) * shape.inp + i, tap]
    }
}

/// Shape of the memory that holds a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameShape {
    pub(super) pitch: usize,
    /// Pixels from a channel to the next.
    pub(super) channel: usize,
    pub(super) channels: usize,
    pub(super) beside: usize,
}

impl FrameShape {
    pub(super) fn new(image: Image, rows: usize, beside: usize) -> Self {
        let pitch = image.width + 2 * beside;
        // An odd distance: planes at a multiple of 64 lines would compete for the same places in the L1 cache.
        Self { pitch, channel: (rows * pitch) | 1, channels: image.channels, beside }
    }

    /// Pixels of one block.
    pub(super) fn block(&self) -> usize {
        self.channels * self.channel
    }

    /// The frame in memory, for some rows of the image.
    pub(super) fn at(&self, to: *mut Pixel, first: isize, rows: usize) -> Frame {
        Frame { to, channel: self.channel, beside: self.beside, first, rows }
    }
}

/// Channels whose pixels that a tile gathers from fit into the L1 cache, or so many that a unit has enough edges among them to make
/// up for putting its sums aside.
pub(super) fn chunk(channels: usize, groups: usize, seen: usize, taps: usize, density: f64) -> usize {
    if groups > 1 {
        return channels;
    }
    let fit = L1 / seen.max(1);
    let enough = (ENOUGH_EDGES / (taps as f64 * density)).ceil() as usize;
    let chunk = fit.max(enough).max(1);
    // Chunks of equal size; a second one that is hardly worth it would not be.
    channels.div_ceil(channels.div_ceil(chunk).max(1)).max(1)
}
