//! In-time over-parameterisation: which weights have existed at any time.

use super::same_layers;
use crate::error::Result;
use crate::graph::Mask;
use serde::Serialize;

/// The union of a network's masks over time (Liu et al., "Do We Actually Need Dense Over-Parameterization?", 2021).
#[derive(Debug, Clone)]
pub struct Itop {
    union: Vec<Mask>,
}

/// How much of a network has been explored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exploration {
    /// Share of all weights that have existed, R_s.
    pub total: f64,
    /// The same of each layer, with its units.
    pub layers: Vec<UnitRates>,
}

/// How much of a layer has been explored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitRates {
    /// Share of the layer's weights that have existed.
    pub rate: f64,
    /// Distribution of the shares of the output units; none in a layer without units or inputs.
    pub units: Option<Quartiles>,
}

/// Five numbers of a distribution; quartiles between two values are interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quartiles {
    /// Smallest value.
    pub min: f64,
    /// A quarter is below.
    pub q1: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub q3: f64,
    /// Largest value.
    pub max: f64,
}

impl Quartiles {
    /// Of these values; none of none. The quantile q of n sorted values is at place q·(n − 1), counted from 0.
    ///
    /// ```
    /// use er_graphs::statistics::compare::Quartiles;
    ///
    /// let q = Quartiles::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
    /// assert_eq!((q.min, q.q1, q.median, q.q3, q.max), (1.0, 1.75, 2.5, 3.25, 4.0));
    /// ```
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let at = |quarters: usize| {
            let (place, rest) = (quarters * last / 4, quarters * last % 4);
            let low = values[place];
            if rest == 0 { low } else { low + (values[place + 1] - low) * rest as f64 / 4.0 }
        };
        Some(Self { min: at(0), q1: at(1), median: at(2), q3: at(3), max: at(4) })
    }
}

impl Itop {
    /// Begins with the first masks.
    #[must_use]
    pub fn new(masks: &[Mask]) -> Self {
        Self { union: masks.to_vec() }
    }

    /// Adds the masks after an update. O(weights / 64).
    ///
    /// # Errors
    /// If they are masks of another network.
    pub fn add(&mut self, masks: &[Mask]) -> Result<()> {
        same_layers(&self.union, masks)?;
        self.union.iter_mut().zip(masks).for_each(|(union, mask)| union.extend(mask));
        Ok(())
    }

    /// Share of each output unit's weights that have existed, in the layer with this index. O(edges).
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn units(&self, layer: usize) -> Vec<f64> {
        let inputs = self.union[layer].shape().fan_in();
        if inputs == 0 {
            return Vec::new();
        }
        self.union[layer].in_degrees().into_iter().map(|d| d as f64 / inputs as f64).collect()
    }

    /// What has been explored so far. O(edges).
    #[must_use]
    pub fn explored(&self) -> Exploration {
        let layer = |index: usize| UnitRates { rate: self.union[index].density(), units: Quartiles::of(self.units(index)) };
        let edges: usize = self.union.iter().map(Mask::edges).sum();
        let weights: usize = self.union.iter().map(|m| m.shape().weights()).sum();
        Exploration { total: edges as f64 / weights.max(1) as f64, layers: (0..self.union.len()).map(layer).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::LayerShape;

    #[test]
    fn unions_grow_to_everything() {
        let (a, b) = (LayerShape::linear(2, 4), LayerShape::conv(1, 2, [1, 2]));
        let mut itop = Itop::new(&[Mask::from_positions(a, [0, 1, 2]), Mask::empty(b)]);
        let first = itop.explored();
        assert_eq!(first.layers[0].rate.to_bits(), 0.375_f64.to_bits());
        assert_eq!(itop.units(0), [0.75, 0.0]);
        assert_eq!(first.layers[1].units.unwrap().max.to_bits(), 0);
        assert_eq!(first.total.to_bits(), 0.25_f64.to_bits());
        itop.add(&[Mask::from_positions(a, [2, 7]), Mask::full(b)]).unwrap();
        assert_eq!(itop.units(0), [0.75, 0.25]);
        assert_eq!(itop.explored().total.to_bits(), (8.0_f64 / 12.0).to_bits());
        itop.add(&[Mask::full(a), Mask::empty(b)]).unwrap();
        let all = itop.explored();
        assert_eq!((all.total, all.layers[0].units.unwrap().min), (1.0, 1.0));
        assert!(itop.add(&[Mask::full(a)]).is_err());
    }

    #[test]
    fn quartiles_lie_between_values() {
        assert_eq!(Quartiles::of(Vec::new()), None);
        let one = Quartiles::of(vec![3.0]).unwrap();
        assert_eq!((one.min, one.q1, one.median, one.q3, one.max), (3.0, 3.0, 3.0, 3.0, 3.0));
        let five = Quartiles::of(vec![5.0, 3.0, 1.0, 2.0, 4.0]).unwrap();
        assert_eq!((five.min, five.q1, five.median, five.q3, five.max), (1.0, 2.0, 3.0, 4.0, 5.0));
        let two = Quartiles::of(vec![0.0, 1.0]).unwrap();
        assert_eq!((two.q1, two.median, two.q3), (0.25, 0.5, 0.75));
    }
}
