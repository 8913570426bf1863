//! Images laid out so that every edge of a convolution is one run of neighbours.

use super::net::Geometry;
use super::number::Number;
use rayon::prelude::*;

/// The padded input of a convolution, split by the stride: pixels that one kernel position joins to the outputs of a row stand side by
/// side, and rows of the input, and of the output with them, are `pitch` values apart. Then a kernel position joins output `k` to input
/// `offset + k` for all `k` of one run. The outputs of the last columns of a row, beyond its width, are nobody's.
pub(super) struct Layout<'a> {
    geometry: &'a Geometry,
    pitch: usize,
    /// Rows of each of the parts into which strides split a channel.
    rows: usize,
    /// Such parts below and beside each other.
    parts: [usize; 2],
    /// Values of an output channel, from its first to its last.
    pub(super) run: usize,
}

impl<'a> Layout<'a> {
    pub(super) fn new(geometry: &'a Geometry) -> Self {
        let (kernel, stride, [height, width]) = (geometry.kernel, geometry.stride, geometry.to);
        let pitch = width + (kernel[1] - 1) / stride;
        Self {
            geometry,
            pitch,
            rows: height + (kernel[0] - 1) / stride,
            parts: kernel.map(|k| k.min(stride)),
            run: (height - 1) * pitch + width,
        }
    }

    /// Values of an input channel.
    pub(super) fn plane(&self) -> usize {
        self.parts[0] * self.parts[1] * self.rows * self.pitch
    }

    /// Where the run of each kernel position begins.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let Geometry { kernel, stride, .. } = *self.geometry;
        let offset = |tap: usize| {
            let (ky, kx) = (tap / kernel[1], tap % kernel[1]);
            let part = ky % stride * self.parts[1] + kx % stride;
            (part * self.rows + ky / stride) * self.pitch + kx / stride
        };
        (0..kernel[0] * kernel[1]).map(offset).collect()
    }

    /// Calls `f` with every place of the layout of a channel that holds a pixel, and the pixel.
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let Geometry { from: [height, width], stride, padding, .. } = *self.geometry;
        for (part, row) in (0..self.parts[0] * self.parts[1]).flat_map(|part| (0..self.rows).map(move |row| (part, row))) {
            let (py, px) = (part / self.parts[1], part % self.parts[1]);
            let Some(y) = (row * stride + py).checked_sub(padding).filter(|y| *y < height) else { continue };
            let start = (part * self.rows + row) * self.pitch;
            for column in 0..self.pitch {
                if let Some(x) = (column * stride + px).checked_sub(padding).filter(|x| *x < width) {
                    f(start + column, y * width + x);
                }
            }
        }
    }

    /// Lays out the channels of an input.
    pub(super) fn spread<T: Number>(&self, x: &[T]) -> Vec<T> {
        let (plane, pixels) = (self.plane(), self.geometry.from[0] * self.geometry.from[1]);
        let mut laid = vec![T::ZERO; x.len() / pixels * plane];
        laid.par_chunks_mut(plane)
            .zip(x.par_chunks(pixels))
            .for_each(|(laid, x)| self.each(|place, pixel| laid[place] = x[pixel]));
        laid
    }

    /// The pixels of a channel that is laid out.
    pub(super) fn collect(&self, laid: &[f64], x: &mut [f64]) {
        self.each(|place, pixel| x[pixel] = laid[place]);
    }

    /// The channels of an output as runs, with zeros between rows.
    pub(super) fn runs(&self, y: &[f64]) -> Vec<f64> {
        let [height, width] = self.geometry.to;
        let mut runs = vec![0.0; y.len() / (height * width) * self.run];
        runs.par_chunks_mut(self.run).zip(y.par_chunks(height * width)).for_each(|(run, y)| {
            run.chunks_mut(self.pitch).zip(y.chunks(width)).for_each(|(to, from)| to[..width].copy_from_slice(from));
        });
        runs
    }

    /// The pixels of an output channel that is a run.
    pub(super) fn rows_of<T: Number>(&self, run: &[T], y: &mut [T]) {
        let width = self.geometry.to[1];
        y.chunks_mut(width).zip(run.chunks(self.pitch)).for_each(|(to, from)| to.copy_from_slice(&from[..width]));
    }
}

/// Adds one number to another, along a run.
pub(super) fn add<T: Number>(to: &mut [T], from: &[T]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = to.plus(*from));
}
