//! Sets of pixels as machine words.

use crate::model::Image;
use er_graphs::graph::ones;
use rayon::prelude::*;
use std::borrow::Cow;

/// A bit for each pixel of an image: rows of whole words, one after another, channel by channel. Spare bits are 0.
#[derive(Clone)]
pub(super) struct Map {
    pub(super) image: Image,
    /// Words a row.
    words: usize,
    pub(super) bits: Vec<u64>,
}

impl Map {
    pub(super) fn empty(image: Image) -> Self {
        let words = image.width.div_ceil(64);
        Self { image, words, bits: vec![0; image.channels * image.height * words] }
    }

    pub(super) fn full(image: Image) -> Self {
        let mut map = Self::empty(image);
        for row in map.bits.chunks_mut(map.words.max(1)) {
            row.fill(u64::MAX);
            trim(row, image.width);
        }
        map
    }

    /// Words of a row of some channel.
    pub(super) fn row(&self, channel: usize, y: usize) -> &[u64] {
        &self.bits[(channel * self.image.height + y) * self.words..][..self.words]
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.bits.iter_mut().zip(&other.bits).for_each(|(a, b)| *a |= b);
    }

    /// Words a channel.
    pub(super) fn plane(&self) -> usize {
        (self.image.height * self.words).max(1)
    }

    /// Which channels have any bit.
    pub(super) fn occupied(&self) -> Vec<bool> {
        self.bits.chunks(self.plane()).map(|c| c.iter().any(|w| *w != 0)).collect()
    }

    /// The pixels in order of a map whose rows are those of another: bit `x` of row `y` goes to bit `x / by` of row `y · by + x % by`.
    pub(super) fn split(&self, by: usize) -> Cow<'_, Self> {
        if by == 1 {
            return Cow::Borrowed(self);
        }
        let image = Image::new(self.image.channels, self.image.height * by, self.image.width.div_ceil(by));
        let mut split = Self::empty(image);
        let (words, rows) = (split.words, self.bits.par_chunks(self.words.max(1)));
        split.bits.par_chunks_mut((words * by).max(1)).zip(rows).for_each(|(to, row)| {
            for x in ones(row) {
                to[x % by * words + x / by / 64] |= 1 << (x / by % 64);
            }
        });
        Cow::Owned(split)
    }

    /// The inverse of [`Map::split`], for an image of this shape. The last bits of some rows may lie outside it.
    pub(super) fn join(self, by: usize, image: Image) -> Self {
        if by == 1 {
            return self;
        }
        let mut joined = Self::empty(image);
        let (words, rows) = (joined.words.max(1), self.bits.par_chunks((self.words * by).max(1)));
        joined.bits.par_chunks_mut(words).zip(rows).for_each(|(to, rows)| {
            for (phase, row) in rows.chunks(self.words.max(1)).enumerate() {
                for x in ones(row).map(|x| x * by + phase).filter(|x| *x < image.width) {
                    to[x / 64] |= 1 << (x % 64);
                }
            }
        });
        joined
    }

    /// The same pixels in the same order as an image of another shape.
    pub(super) fn reshaped(&self, image: Image) -> Self {
        let mut map = Self::empty(image);
        for (row, words) in self.bits.chunks(self.words.max(1)).enumerate() {
            for p in ones(words).map(|x| row * self.image.width + x) {
                map.bits[p / image.width * map.words + p % image.width / 64] |= 1 << (p % image.width % 64);
            }
        }
        map
    }
}

/// Clears the bits of a row beyond its width.
fn trim(row: &mut [u64], width: usize) {
    if let Some(last) = row.last_mut()
        && !width.is_multiple_of(64)
    {
        *last &= (1 << (width % 64)) - 1;
    }
}

/// The 64 bits of a row from this one on; there are none outside it.
pub(super) fn bits_from(row: &[u64], start: isize) -> u64 {
    let (word, shift) = (start.div_euclid(64), start.rem_euclid(64));
    let at = |w: isize| usize::try_from(w).ok().and_then(|w| row.get(w)).copied().unwrap_or(0);
    if shift == 0 { at(word) } else { at(word) >> shift | at(word + 1) << (64 - shift) }
}

/// Adds the bits `x + by` of a row to the bits `x` of another of this width.
pub(super) fn add_shifted(to: &mut [u64], width: usize, from: &[u64], by: isize) {
    for (word, start) in to.iter_mut().zip((by..).step_by(64)) {
        *word |= bits_from(from, start);
    }
    trim(to, width);
}
