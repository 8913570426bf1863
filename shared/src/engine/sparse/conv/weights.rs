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

/// Edges, unit by unit.
#[derive(Debug, Clone)]
pub(super) struct Sparse {
    /// Edges of unit u are `starts[u]..starts[u + 1]`.
    pub(super) starts: Vec<u32>,
    pub(super) edges: Vec<Edge>,
    /// Index of each edge in the layer's edge order.
    order: Vec<u32>,
}

impl Sparse {
    /// Sorts links by unit; the order within a unit is kept. O(links + units).
    pub(super) fn new(units: usize, links: impl Iterator<Item = Option<(usize, i32)>>) -> Self {
        let links: Vec<_> = links.collect();
        let mut starts = vec![0_u32; units + 1];
        for (unit, _) in links.iter().flatten() {
            starts[unit + 1] += 1;
        }
        for u in 0..units {
            starts[u + 1] += starts[u];
        }
        let total = starts[units] as usize;
        let mut next = starts.clone();
        let mut edges = vec![Edge { offset: 0, weight: 0.0 }; total];
        let mut order = vec![0; total];
        for (e, link) in links.into_iter().enumerate() {
            if let Some((unit, offset)) = link {
                let at = next[unit] as usize;
                next[unit] += 1;
                edges[at].offset = offset;
                order[at] = e as u32;
            }
        }
        Self { starts, edges, order }
    }

    /// Takes over the layer's weights, in edge order.
    pub(super) fn set(&mut self, weights: &[f32]) {
        for (edge, &e) in self.edges.iter_mut().zip(&self.order) {
            edge.weight = weights[e as usize];
        }
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
        for (&place, &weight) in self.places.iter().zip(weights) {
            if place != u32::MAX {
                self.weights[place as usize] = weight;
            }
        }
    }
}
