//! How far masks move from update to update, and from where they began.

use super::{network_overlap, overlap};
use crate::error::Result;
use crate::graph::Mask;
use serde::Serialize;

/// A network's first and latest masks.
#[derive(Debug, Clone)]
pub struct Drift {
    first: Vec<Mask>,
    latest: Vec<Mask>,
}

/// How far one update moved a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// All layers as one.
    pub total: Change,
    /// Each layer.
    pub layers: Vec<Change>,
}

/// How far one update moved a set of edges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Jaccard index with the edges before this update.
    pub from_latest: f64,
    /// Jaccard index with the first edges.
    pub from_first: f64,
    /// Share of the first edges that exist now; none if there were none.
    pub survival: Option<f64>,
}

impl Drift {
    /// Begins with the first masks.
    #[must_use]
    pub fn new(masks: &[Mask]) -> Self {
        Self { first: masks.to_vec(), latest: masks.to_vec() }
    }

    /// Measures how far these masks are from the latest and the first ones, and takes them as the latest. O(weights / 64).
    ///
    /// # Errors
    /// If they are masks of another network.
    pub fn add(&mut self, masks: &[Mask]) -> Result<Moved> {
        let total = change(&network_overlap(&self.latest, masks)?, &network_overlap(&self.first, masks)?);
        let mut layers = Vec::with_capacity(masks.len());
        for ((first, latest), mask) in self.first.iter().zip(&self.latest).zip(masks) {
            layers.push(change(&overlap(latest, mask)?, &overlap(first, mask)?));
        }
        self.latest = masks.to_vec();
        Ok(Moved { total, layers })
    }
}

fn change(latest: &super::Overlap, first: &super::Overlap) -> Change {
    Change {
        from_latest: latest.jaccard,
        from_first: first.jaccard,
        survival: (first.first > 0).then(|| first.intersection as f64 / first.first as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::LayerShape;

    #[test]
    fn edges_come_and_go() {
        let shape = LayerShape::linear(2, 4);
        let masks = |edges: &[usize]| [Mask::from_positions(shape, edges.iter().copied()), Mask::empty(shape)];
        let mut drift = Drift::new(&masks(&[0, 1, 2, 3]));
        let still = drift.add(&masks(&[0, 1, 2, 3])).unwrap();
        assert_eq!(still.total, Change { from_latest: 1.0, from_first: 1.0, survival: Some(1.0) });
        assert_eq!(still.layers[1], Change { from_latest: 1.0, from_first: 1.0, survival: None });
        drift.add(&masks(&[0, 1, 2, 4])).unwrap();
        let moved = drift.add(&masks(&[0, 2, 4, 5, 6])).unwrap();
        // From 0124: 3 shared of 6. From 0123: 2 of 7.
        let expected = Change { from_latest: 0.5, from_first: 2.0 / 7.0, survival: Some(0.5) };
        assert_eq!((moved.total, moved.layers[0]), (expected, expected));
        // An edge may come back.
        assert_eq!(drift.add(&masks(&[0, 1, 2, 3])).unwrap().total.survival, Some(1.0));
        assert!(drift.add(&masks(&[0])[..1]).is_err());
    }
}
