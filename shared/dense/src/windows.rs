//! Which pixels a window sees, as index tensors. Layers with windows of the same geometry share one.

use std::collections::HashMap;

use dfdx::prelude::*;

use super::{Images, Try};
use er_networks::model::Image;

/// A window that moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Window {
    /// Rows and columns of the image.
    from: [usize; 2],
    /// Positions of the window, by row and column.
    to: [usize; 2],
    /// Rows and columns of the window.
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Window {
    pub(super) fn new(from: Image, to: Image, kernel: [usize; 2], stride: usize, padding: usize) -> Self {
        Self { from: [from.height, from.width], to: [to.height, to.width], kernel, stride, padding }
    }

    /// Whether each position sees one pixel, its own.
    pub(super) fn is_identity(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1 && self.padding == 0
    }

    /// Pixels seen by all positions, one list for each place in the window, row by row. The number of pixels stands for the border.
    fn pixels(&self) -> Vec<Vec<usize>> {
        let [height, width] = self.from;
        let places = (0..self.kernel[0]).flat_map(|y| (0..self.kernel[1]).map(move |x| (y, x)));
        let seen = |(ky, kx): (usize, usize), (y, x): (usize, usize)| {
            let inside = |at: usize, side: usize| at.checked_sub(self.padding).filter(|&at| at < side);
            let (row, column) = (inside(y * self.stride + ky, height), inside(x * self.stride + kx, width));
            row.zip(column).map_or(height * width, |(row, column)| row * width + column)
        };
        let positions = || (0..self.to[0]).flat_map(|y| (0..self.to[1]).map(move |x| (y, x)));
        places.map(|place| positions().map(|position| seen(place, position)).collect()).collect()
    }
}

/// The index tensor of a window, or of one place in it.
#[derive(Debug, Clone)]
pub(super) struct Index<D: Storage<usize>>(Tensor<(usize,), usize, D>);

impl<D: Storage<usize>> Index<D> {
    /// Pixels that are read of each channel.
    pub(super) fn len(&self) -> usize {
        self.0.shape().0
    }

    /// Reads pixels of every channel: `(C, pixels, N)` to `(C, len, N)`.
    pub(super) fn read<E: Dtype, T: Tape<E, D>>(&self, x: Images<E, D, T>) -> Try<Images<E, D, T>, D>
    where
        D: Device<E>,
    {
        let channels = x.shape().0;
        // Stride 0: the indices are not repeated in memory.
        let index = self.0.clone().try_broadcast_like::<_, Axis<0>>(&(channels, self.len()))?;
        x.try_gather(index)
    }
}

/// Index tensors by window.
#[derive(Debug)]
pub(super) struct Indices<D: Storage<usize>> {
    whole: HashMap<Window, Index<D>>,
    places: HashMap<Window, Vec<Index<D>>>,
}

impl<D: TensorFromVec<usize>> Indices<D> {
    pub(super) fn new() -> Self {
        Self { whole: HashMap::new(), places: HashMap::new() }
    }

    /// All places of a window in one index, place by place.
    pub(super) fn whole(&mut self, window: Window, device: &D) -> Try<Index<D>, D> {
        if let Some(index) = self.whole.get(&window) {
            return Ok(index.clone());
        }
        let index = upload(window.pixels().concat(), device)?;
        self.whole.insert(window, index.clone());
        Ok(index)
    }

    /// One index for each place of a window.
    pub(super) fn places(&mut self, window: Window, device: &D) -> Try<Vec<Index<D>>, D> {
        if let Some(indices) = self.places.get(&window) {
            return Ok(indices.clone());
        }
        let indices = window.pixels().into_iter().map(|pixels| upload(pixels, device)).collect::<Try<Vec<_>, D>>()?;
        self.places.insert(window, indices.clone());
        Ok(indices)
    }
}

fn upload<D: TensorFromVec<usize>>(pixels: Vec<usize>, device: &D) -> Try<Index<D>, D> {
    let len = pixels.len();
    device.try_tensor_from_vec(pixels, (len,)).map(Index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_see_their_pixels_and_the_border() {
        // 2x3 pixels, a 2x2 window, stride 2, a border of 1: positions (-1,-1) (-1,1) (1,-1) (1,1).
        let (from, to) = (Image::new(1, 2, 3), Image::new(1, 2, 2));
        let pixels = Window::new(from, to, [2, 2], 2, 1).pixels();
        assert_eq!(pixels, [vec![6, 6, 6, 4], vec![6, 6, 3, 5], vec![6, 1, 6, 6], vec![0, 2, 6, 6]]);
        assert!(Window::new(from, from, [1, 1], 1, 0).is_identity());
        assert!(!Window::new(from, to, [1, 1], 2, 0).is_identity());
    }

    #[test]
    fn indices_are_shared() {
        let (from, to) = (Image::new(1, 4, 4), Image::new(1, 4, 4));
        let window = Window::new(from, to, [3, 3], 1, 1);
        let mut indices = Indices::<Cpu>::new();
        let device = Cpu::default();
        for _ in 0..2 {
            assert_eq!(indices.whole(window, &device).unwrap().len(), 144);
            assert_eq!(indices.places(window, &device).unwrap().len(), 9);
        }
        assert_eq!((indices.whole.len(), indices.places.len()), (1, 1));
    }
}
