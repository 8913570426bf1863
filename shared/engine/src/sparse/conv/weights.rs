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

/// One edge in so many must have a weight of 0 for the others to get a list of their own: copying an edge takes as long as gathering
/// some five pixels of 16 samples along it.
const WORTH: usize = 16;

/// Edges, chunk by chunk of sending channels, and unit by unit within a chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    /// Edges of unit u in chunk k are `starts[k·units + u]..starts[k·units + u + 1]`.
    pub(super) starts: Vec<u32>,
    /// May go on after those of the last unit.
    pub(super) edges: Vec<Edge>,
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.last().is_none_or(|&edges| edges == 0)
    }

    /// Becomes the edges of another list whose weight is not 0, in its order. O(edges + units · chunks); allocates when called for
    /// the first time.
    fn take_nonzero(&mut self, all: &Self) {
        self.starts.resize(all.starts.len(), 0);
        self.edges.resize(all.edges.len(), Edge::default());
        let mut next = 0;
        for (start, ends) in self.starts[1..].iter_mut().zip(all.starts.windows(2)) {
            for edge in &all.edges[ends[0] as usize..ends[1] as usize] {
                // What has weight 0 is written over: no branch to predict.
                self.edges[next] = *edge;
                next += usize::from(edge.weight != 0.0);
            }
            *start = next as u32;
        }
    }
}

/// The edges of a layer that belong to a pass.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparse {
    pub(super) units: usize,
    pub(super) chunks: usize,
    pub(super) all: List,
    /// Those whose weight is not 0, if `compact`.
    nonzero: List,
    compact: bool,
    /// Where each edge of the layer lies in `all`, in edge order; `u32::MAX` if it belongs to another pass.
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
        let mut edges = vec![Edge::default(); starts[chunks * units] as usize];
        for (place, offset) in places.iter_mut().zip(offsets) {
            if *place != u32::MAX {
                let next = &mut next[*place as usize];
                *place = *next;
                *next += 1;
                edges[*place as usize].offset = offset;
            }
        }
        Self { units, chunks, all: List { starts, edges }, nonzero: List::default(), compact: false, places }
    }

    /// Takes over the layer's weights, in edge order; returns how many of the pass's are not 0. O(edges), and O(units · chunks) if
    /// some are 0.
    pub(super) fn set(&mut self, weights: &[f32]) -> usize {
        let mut zeros = 0;
        placed(&self.places, weights, |place, weight| {
            self.all.edges[place].weight = weight;
            zeros += usize::from(weight == 0.0);
        });
        self.compact = zeros > 0 && zeros * WORTH >= self.all.edges.len();
        if self.compact {
            self.nonzero.take_nonzero(&self.all);
        }
        self.all.edges.len() - zeros
    }

    /// What is gathered along: a product with 0 changes no sum of finite numbers.
    pub(super) fn gathered(&self) -> &List {
        if self.compact { &self.nonzero } else { &self.all }
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

    /// Takes over the layer's weights, in edge order; returns how many of the pass's are not 0. O(edges).
    pub(super) fn set(&mut self, weights: &[f32]) -> usize {
        let mut nonzero = 0;
        placed(&self.places, weights, |place, weight| {
            self.weights[place] = weight;
            nonzero += usize::from(weight != 0.0);
        });
        nonzero
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
