//! A layer's weights as the kernels read them: edges sorted by receiving unit, or all of them in groups of units.

use super::gather::Edge;

/// A weight as seen from the receiving side of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) unit: usize,
    /// Sending channel, and index of the tap among the pass's taps.
    pub(super) channel: usize,
    pub(super) tap: usize,
}

/// An edge as seen from the receiving side of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) unit: usize,
    /// Sending channel.
    pub(super) channel: usize,
    /// Where the edge reads, relative to the first pixel of a tile.
    pub(super) offset: i32,
}

/// Edges, chunk by chunk of sending channels, and unit by unit within a chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparse {
    pub(super) units: usize,
    pub(super) chunks: usize,
    /// Edges of unit u in chunk k are `starts[k·units + u]..starts[k·units + u + 1]`.
    pub(super) starts: Vec<u32>,
    pub(super) edges: Vec<Edge>,
    /// Where each edge of the layer lies, in edge order; `u32::MAX` if it belongs to another pass.
    pub(super) places: Vec<u32>,
}

impl Sparse {
    /// Sorts the arcs of a layer's `count` edges by chunk of `chunk` channels and unit; the order within is kept.
    /// O(edges + units · chunks).
    pub(super) fn new([units, channels, chunk]: [usize; 3], count: usize, arcs: impl Iterator<Item = Option<Arc>>) -> Self {
        let chunks = channels.div_ceil(chunk).max(1);
        let mut starts = vec![0_u32; chunks * units + 1];
        let mut offsets = Vec::with_capacity(count);
        // First the unit and chunk that each edge belongs to.
        let mut places = Vec::with_capacity(count);
        for arc in arcs {
            let place = arc.map_or(u32::MAX, |arc| (arc.channel / chunk * units + arc.unit) as u32);
            if place != u32::MAX {
                starts[place as usize + 1] += 1;
            }
            places.push(place);
            offsets.push(arc.map_or(0, |arc| arc.offset));
        }
        for u in 0..chunks * units {
            starts[u + 1] += starts[u];
        }
        let mut next = starts.clone();
        let mut edges = vec![Edge { offset: 0, weight: 0.0 }; starts[chunks * units] as usize];
        for (place, offset) in places.iter_mut().zip(offsets) {
            if *place != u32::MAX {
                let next = &mut next[*place as usize];
                *place = *next;
                *next += 1;
                edges[*place as usize].offset = offset;
            }
        }
        Self { units, chunks, starts, edges, places }
    }

    /// Takes over the layer's weights, in edge order.
    pub(super) fn set(&mut self, weights: &[f32]) {
        placed(&self.places, weights, |place, weight| self.edges[place].weight = weight);
    }
}

/// Every weight of a pass, zeros included: groups of units, each `[channel][tap][unit of the group]`.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub(super) weights: Vec<f32>,
    /// Input offset of each tap.
    pub(super) taps: Vec<i32>,
    pub(super) channels: usize,
    /// Pixels from an input channel to the next.
    pub(super) channel: usize,
    units: usize,
    largest: usize,
    /// Where each edge of the layer lies; `u32::MAX` if it belongs to another pass.
    places: Vec<u32>,
}

impl Dense {
    pub(super) fn new(
        [units, channels, channel]: [usize; 3],
        taps: Vec<i32>,
        largest: usize,
        links: impl Iterator<Item = Option<Link>>,
    ) -> Self {
        let per_unit = channels * taps.len();
        let mut dense =
            Self { weights: vec![0.0; units * per_unit], taps, channels, channel, units, largest, places: Vec::new() };
        dense.places = links
            .map(|link| {
                let Some(Link { unit, channel, tap }) = link else { return u32::MAX };
                let (first, last) = dense.group(unit / largest);
                (first * per_unit + (channel * dense.taps.len() + tap) * (last - first) + unit - first) as u32
            })
            .collect();
        dense
    }

    /// Units of a group.
    pub(super) fn group(&self, group: usize) -> (usize, usize) {
        (group * self.largest, ((group + 1) * self.largest).min(self.units))
    }

    /// Weights of a group.
    pub(super) fn of_group(&self, group: usize) -> &[f32] {
        &self.weights[group * self.largest * self.channels * self.taps.len()..]
    }

    /// Groups that make up a range of units, which begins and ends with one.
    pub(super) fn groups_of(&self, units: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        units.start / self.largest..units.end.div_ceil(self.largest)
    }

    /// Units up to the first whole group of a part in `parts`.
    pub(super) fn split(&self, part: usize, parts: usize) -> usize {
        (part * self.units.div_ceil(self.largest) / parts * self.largest).min(self.units)
    }

    /// Takes over the layer's weights, in edge order.
    pub(super) fn set(&mut self, weights: &[f32]) {
        placed(&self.places, weights, |place, weight| self.weights[place] = weight);
    }
}

/// Calls `put(place, weight)` for every weight that has a place.
#[inline]
fn placed(places: &[u32], weights: &[f32], mut put: impl FnMut(usize, f32)) {
    for (&place, &weight) in places.iter().zip(weights) {
        if place != u32::MAX {
            put(place as usize, weight);
        }
    }
}
