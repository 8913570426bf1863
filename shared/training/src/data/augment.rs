//! Shifted crops and mirror images of training images, drawn per image and applied while a batch is filled.

use rand::RngExt;

use er_graphs::error::{Error, Result};
use er_graphs::rng::{Purpose, stream};
use er_networks::model::Image;

/// What lies outside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Border {
    /// Black: bytes of 0 before the normalisation.
    Zero,
    /// The image mirrored at its edge pixels, which are not repeated: `c b | a b c | b a`.
    Reflect,
}

/// What is done to every training image: add a border of `pad` pixels, cut a window of the original size out at a random place,
/// mirror it left to right with probability ½.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augment {
    /// Width of the border; 0 crops nothing.
    pub pad: usize,
    /// What the border is made of.
    pub border: Border,
    /// Whether images are mirrored.
    pub flip: bool,
}

/// What was drawn for one image: its pixel (row, column) comes from (row + `down`, column + `right`) of the original, with the
/// columns counted from the right where `flip` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// Rows, from −`pad` to `pad`.
    pub down: isize,
    /// Columns, from −`pad` to `pad`.
    pub right: isize,
    /// Whether the image is mirrored.
    pub flip: bool,
}

impl Shift {
    /// The image as it is.
    pub const NONE: Self = Self { down: 0, right: 0, flip: false };
}

impl Augment {
    /// Nothing.
    pub const NONE: Self = Self { pad: 0, border: Border::Zero, flip: false };

    /// Whether it can be applied to images of this shape.
    ///
    /// # Errors
    /// Failure: a reflected border as wide as the image, which has too few pixels to mirror.
    pub fn check(&self, image: Image) -> Result<()> {
        if self.border == Border::Reflect && self.pad >= image.height.min(image.width) {
            return Err(Error::failure(format!("images of {image} are too small to be mirrored over a border of {}", self.pad)));
        }
        Ok(())
    }

    /// Draws the shift of training image `index` in `epoch` (both below 2³²): the same for the same seed, epoch and image.
    pub fn draw(&self, seed: u64, epoch: u64, index: u32) -> Shift {
        if *self == Self::NONE {
            return Shift::NONE;
        }
        let mut rng = stream(seed, Purpose::Augment, epoch << 32 | u64::from(index));
        let span = 2 * self.pad as u32;
        let mut place = || rng.random_range(0..=span) as isize - self.pad as isize;
        let (down, right) = (place(), place());
        Shift { down, right, flip: self.flip && rng.random_bool(0.5) }
    }

    /// Writes the shifted image, normalised by a table of 256 values per channel, to `out`.
    pub(super) fn apply(&self, shift: Shift, image: Image, bytes: &[u8], tables: &[[f32; 256]], out: &mut [f32]) {
        let Image { height, width, .. } = image;
        let plane = height * width;
        for ((table, bytes), out) in tables.iter().zip(bytes.chunks_exact(plane)).zip(out.chunks_exact_mut(plane)) {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                match self.source(y as isize + shift.down, height) {
                    Some(from) => self.apply_row(shift, &bytes[from * width..][..width], table, out),
                    None => out.fill(table[0]),
                }
            }
        }
    }

    /// One row: columns that stay inside the image are copied as a run, the others one by one.
    fn apply_row(&self, shift: Shift, row: &[u8], table: &[f32; 256], out: &mut [f32]) {
        let width = row.len();
        let start = (-shift.right).clamp(0, width as isize) as usize;
        let end = (width as isize - shift.right).clamp(start as isize, width as isize) as usize;
        let from = (start as isize + shift.right).clamp(0, width as isize) as usize;
        let inside = &row[from..from + end - start];
        if shift.flip {
            for (value, &byte) in out[width - end..width - start].iter_mut().rev().zip(inside) {
                *value = table[usize::from(byte)];
            }
        } else {
            for (value, &byte) in out[start..end].iter_mut().zip(inside) {
                *value = table[usize::from(byte)];
            }
        }
        for x in (0..start).chain(end..width) {
            let byte = self.source(x as isize + shift.right, width).map_or(0, |from| row[from]);
            out[if shift.flip { width - 1 - x } else { x }] = table[usize::from(byte)];
        }
    }

    /// The pixel that stands at this place of a line of `n`; none in a black border.
    fn source(&self, at: isize, n: usize) -> Option<usize> {
        let last = n as isize - 1;
        match self.border {
            _ if (0..=last).contains(&at) => Some(at as usize),
            Border::Zero => None,
            Border::Reflect => Some((if at < 0 { -at } else { 2 * last - at }) as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, step by step: pad into a larger image, crop, mirror, normalise.
    fn naive(augment: Augment, shift: Shift, image: Image, bytes: &[u8], tables: &[[f32; 256]]) -> Vec<f32> {
        let Image { channels, height, width } = image;
        let (pad, wide) = (augment.pad, width + 2 * augment.pad);
        let mut out = Vec::new();
        for c in 0..channels {
            let mut padded = vec![0_u8; (height + 2 * pad) * wide];
            for y in 0..height + 2 * pad {
                for x in 0..wide {
                    let mirror = |at: usize, n: usize| {
                        let at = (at as isize - pad as isize).unsigned_abs();
                        if at < n { at } else { 2 * (n - 1) - at }
                    };
                    let inside = (pad..pad + height).contains(&y) && (pad..pad + width).contains(&x);
                    if inside || augment.border == Border::Reflect {
                        padded[y * wide + x] = bytes[(c * height + mirror(y, height)) * width + mirror(x, width)];
                    }
                }
            }
            let (top, left) = ((pad as isize + shift.down) as usize, (pad as isize + shift.right) as usize);
            for y in 0..height {
                let mut row = padded[(top + y) * wide + left..][..width].to_vec();
                if shift.flip {
                    row.reverse();
                }
                out.extend(row.iter().map(|&b| tables[c][usize::from(b)]));
            }
        }
        out
    }

    #[test]
    fn every_shift_equals_pad_crop_flip() {
        let image = Image::new(2, 5, 7);
        let bytes: Vec<u8> = (0..image.len()).map(|i| (i * 37 % 251 + 1) as u8).collect();
        let table = |scale: f32| std::array::from_fn(|i| i as f32 * scale - 1.0);
        let tables = [table(0.5), table(0.25)];
        // A border wider than the image is possible in black only.
        for (pad, border) in [(0, Border::Zero), (3, Border::Zero), (8, Border::Zero), (3, Border::Reflect), (4, Border::Reflect)]
        {
            let augment = Augment { pad, border, flip: true };
            augment.check(image).unwrap();
            let reach = pad as isize;
            for down in -reach..=reach {
                for right in -reach..=reach {
                    for flip in [false, true] {
                        let shift = Shift { down, right, flip };
                        let mut out = vec![f32::NAN; image.len()];
                        augment.apply(shift, image, &bytes, &tables, &mut out);
                        assert_eq!(out, naive(augment, shift, image, &bytes, &tables), "{augment:?} {shift:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn shifts_are_uniform_and_keyed() {
        let augment = Augment { pad: 2, border: Border::Zero, flip: true };
        let mut count = std::collections::HashMap::new();
        let n = 20_000_u32;
        for i in 0..n {
            let shift = augment.draw(17, 3, i);
            assert_eq!(shift, augment.draw(17, 3, i));
            *count.entry((shift.down, shift.right, shift.flip)).or_insert(0_u32) += 1;
        }
        assert_eq!(count.len(), 50);
        // Each of 50 outcomes: 400 expected, standard deviation √(n·p·(1−p)) < 20; five of them.
        assert!(count.values().all(|&c| c.abs_diff(n / 50) < 100), "{count:?}");
        let differ =
            |a: (u64, u64), b: (u64, u64)| (0..100).filter(|&i| augment.draw(a.0, a.1, i) != augment.draw(b.0, b.1, i)).count();
        assert!(differ((17, 3), (17, 4)) > 80 && differ((17, 3), (18, 3)) > 80);
    }

    #[test]
    fn nothing_is_drawn_where_nothing_is_asked() {
        assert_eq!(Augment::NONE.draw(1, 2, 3), Shift::NONE);
        let crop = Augment { pad: 1, border: Border::Zero, flip: false };
        assert!((0..100).all(|i| !crop.draw(1, 2, i).flip));
    }

    #[test]
    fn reflection_needs_enough_pixels() {
        let error = Augment { pad: 4, border: Border::Reflect, flip: false }.check(Image::new(3, 9, 4)).unwrap_err();
        assert_eq!(error.what(), "images of 3x9x4 are too small to be mirrored over a border of 4");
    }
}
