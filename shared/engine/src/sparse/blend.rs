//! Reading a tensor: through its normalisation and ReLU on the way forward, or its gradient through them on the way back.

use super::tensor::{Pixel, View};
use crate::simd::{Isa, LANES, Vector, versions};

/// Ways to read one tensor at once: plain, behind a ReLU, normalised, normalised behind a ReLU.
pub(super) const MOST: usize = 4;

/// `max(a·p + b·q + c, floor)`, with a, b and c per channel; `p` itself where there are none.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) p: View,
    /// Second tensor; without one, b is not used.
    pub(super) q: Option<View>,
    pub(super) maps: Option<[&'a [f32]; 3]>,
    pub(super) relu: bool,
}

impl<'a> Operand<'a> {
    pub(super) fn plain(p: View) -> Self {
        Self { p, q: None, maps: None, relu: false }
    }

    /// The same with tensors seen as ones of another image.
    pub(super) fn with_image(self, image: er_networks::model::Image, blocks: usize) -> Self {
        Self { p: self.p.with_image(image, blocks), q: self.q.map(|q| q.with_image(image, blocks)), ..self }
    }

    /// What kernels need to read channels of one block from `channel` on, from row `row` on.
    ///
    /// # Safety
    /// The plane, the row and the channel's place in the maps must exist.
    unsafe fn part(&self, block: usize, channel: usize, row: usize) -> Part {
        let at = row * self.p.image.width;
        let start = |view: View| {
            // SAFETY: within the plane by contract.
            unsafe { view.plane(block, channel).add(at).cast_const() }
        };
        let map = |i: usize| self.maps.map_or(std::ptr::null(), |m: [&'a [f32]; 3]| m[i][channel..].as_ptr());
        Part {
            p: start(self.p),
            q: self.q.map_or(std::ptr::null(), start),
            maps: [0, 1, 2].map(map),
            floor: if self.relu { 0.0 } else { f32::NEG_INFINITY },
        }
    }
}

/// Operands without allocation.
pub(super) type Operands<'a> = [Option<Operand<'a>>; MOST];

/// One operand of a [`Job`], at its first pixel and channel.
#[derive(Clone, Copy)]
struct Part {
    p: *const Pixel,
    q: *const Pixel,
    maps: [*const f32; 3],
    floor: f32,
}

/// Some rows of some channels of one block, read as a sum of operands.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    parts: [Part; 2],
    to: *mut Pixel,
    to_channel: usize,
    to_pitch: usize,
    from_channel: usize,
    rows: usize,
    columns: usize,
    channels: usize,
    /// Zeros written around: rows above, rows below, columns on either side.
    above: usize,
    below: usize,
    beside: usize,
    valid: Pixel,
    accumulate: bool,
}

versions! {
    /// `to = Σ parts`, or added to it, with zeros around.
    ///
    /// # Safety
    /// `isa` is one of this machine's. Every pixel the job names must be valid, those written be used by no one else, those read
    /// not be written meanwhile except at the place of writing.
    unsafe fn blend(job: &Job, parts: usize) = any;
}

#[inline(always)]
unsafe fn any<V: Vector>(job: &Job, parts: usize) {
    // SAFETY: passed on from the caller.
    unsafe {
        match (parts, job.parts[0].q.is_null()) {
            (1, true) => run::<V, 1, false>(job),
            (1, false) => run::<V, 1, true>(job),
            _ => run::<V, 2, true>(job),
        }
    }
}

#[inline(always)]
unsafe fn run<V: Vector, const N: usize, const TWO: bool>(job: &Job) {
    // SAFETY: the job's contract.
    unsafe {
        let valid = job.valid.get::<V>();
        for c in 0..job.channels {
            let plane = job.to.add(c * job.to_channel);
            let parts: [ChannelPart<V>; N] = std::array::from_fn(|i| ChannelPart::new(&job.parts[i], c, job.from_channel, valid));
            let (side, pitch) = (job.beside, job.to_pitch);
            clear::<V>(plane, job.above * pitch);
            clear::<V>(plane.add((job.above + job.rows) * pitch), job.below * pitch);
            for y in 0..job.rows {
                let row = plane.add((job.above + y) * pitch);
                clear::<V>(row, side);
                clear::<V>(row.add(side + job.columns), side);
                let (to, from) = (row.add(side), y * job.columns);
                for x in 0..job.columns {
                    let mut value = parts[0].read::<TWO>(from + x);
                    for part in &parts[1..] {
                        value = value.add(part.read::<TWO>(from + x));
                    }
                    (*to.add(x)).put(value, job.accumulate);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn clear<V: Vector>(from: *mut Pixel, count: usize) {
    for i in 0..count {
        // SAFETY: part of the job's target.
        unsafe { (*from.add(i)).set(V::splat(0.0)) }
    }
}

/// One channel of an operand in registers.
#[derive(Clone, Copy)]
struct ChannelPart<V> {
    p: *const Pixel,
    q: *const Pixel,
    maps: [V; 3],
    floor: V,
}

impl<V: Vector> ChannelPart<V> {
    #[inline(always)]
    unsafe fn new(part: &Part, c: usize, stride: usize, valid: V) -> Self {
        // SAFETY: the job's contract.
        unsafe {
            let p = part.p.add(c * stride);
            // Without a second tensor b is 0, and the first one is at hand to be multiplied by it.
            let q = if part.q.is_null() { p } else { part.q.add(c * stride) };
            // Lanes without a sample read as 0: what normalisations make of them could grow without bound.
            let map = |i: usize| V::splat(*part.maps[i].add(c)).mul(valid);
            let maps = if part.maps[0].is_null() {
                [V::splat(1.0), V::splat(0.0), V::splat(0.0)]
            } else {
                [map(0), if part.q.is_null() { V::splat(0.0) } else { map(1) }, map(2)]
            };
            Self { p, q, maps, floor: V::splat(part.floor) }
        }
    }

    #[inline(always)]
    unsafe fn read<const TWO: bool>(&self, at: usize) -> V {
        // SAFETY: the job's contract.
        unsafe {
            let p = (*self.p.add(at)).get::<V>();
            let rest = if TWO { (*self.q.add(at)).get::<V>().mul_add(self.maps[1], self.maps[2]) } else { self.maps[2] };
            p.mul_add(self.maps[0], rest).at_least(self.floor)
        }
    }
}

/// Where [`read`] writes: channels of rows with room around.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) to: *mut Pixel,
    /// Pixels from a channel to the next.
    pub(super) channel: usize,
    /// Columns of zeros on either side.
    pub(super) beside: usize,
    /// Image row of the first row, and number of rows; rows outside the image are zeros.
    pub(super) first: isize,
    pub(super) rows: usize,
}

impl Frame {
    /// A whole plane of a tensor.
    ///
    /// # Safety
    /// The plane must exist.
    pub(super) unsafe fn plane(view: View, block: usize, channel: usize) -> Self {
        let image = view.image;
        // SAFETY: by contract.
        Self { to: unsafe { view.plane(block, channel) }, channel: 0, beside: 0, first: 0, rows: image.height }
    }
}

/// Writes the sum of operands (or adds it), for `channels` of `block`.
///
/// # Safety
/// `isa` is one of this machine's. The frame must be memory of the caller's own that is large enough; the operands' planes must
/// exist, all of one image and with one value a channel in their maps, and not be written meanwhile, except that the frame may be
/// one of them.
pub(super) unsafe fn read(
    isa: Isa,
    samples: usize,
    operands: &Operands,
    block: usize,
    channels: std::ops::Range<usize>,
    frame: Frame,
    mut accumulate: bool,
) {
    let Some(first) = operands[0] else { return };
    let image = first.p.image;
    let above = (-frame.first).clamp(0, frame.rows as isize) as usize;
    let from = frame.first.clamp(0, image.height as isize) as usize;
    let rows = (image.height - from).min(frame.rows - above);
    let valid = Pixel::valid(samples.max(block * LANES), block);
    let mut rest = operands.iter().flatten();
    while let Some(one) = rest.next() {
        let two = rest.next();
        // SAFETY: rows of existing planes; the rest by contract.
        unsafe {
            let part = one.part(block, channels.start, from.min(image.height - 1));
            let second = two.map_or(part, |two| two.part(block, channels.start, from.min(image.height - 1)));
            let job = Job {
                parts: [part, second],
                to: frame.to,
                to_channel: frame.channel,
                to_pitch: image.width + 2 * frame.beside,
                from_channel: image.height * image.width,
                rows,
                columns: image.width,
                channels: channels.len(),
                above,
                below: frame.rows - above - rows,
                beside: frame.beside,
                valid,
                accumulate,
            };
            blend(isa, &job, 1 + usize::from(two.is_some()));
        }
        accumulate = true;
    }
}
