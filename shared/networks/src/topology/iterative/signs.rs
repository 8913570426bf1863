//! Signs and magnitudes apart: which of the two makes a sparse network trainable (Gadhikar and Burkholz 2024).

use crate::topology::rule::places;
use er_graphs::graph::LayerState;
use er_graphs::rng::{Purpose, stream};
use rand::RngExt;

/// Gives every weight the sign that it has in `other`, and returns how many edges `other` lacks; these keep their own. The sign of 0
/// is 0, as in the published program: such a weight becomes 0.
///
/// # Panics
/// If the layers are not those of the same model.
pub fn with_signs(layers: &mut [LayerState], other: &[LayerState]) -> usize {
    assert_eq!(layers.len(), other.len(), "as many layers");
    let mut lacking = 0;
    for (layer, other) in layers.iter_mut().zip(other) {
        assert_eq!(layer.mask.shape(), other.mask.shape(), "shapes of two layers");
        for (weight, place) in layer.weights.iter_mut().zip(places(&layer.mask, &other.mask)) {
            match place.map(|e| other.weights[e]) {
                Some(0.0) => *weight = 0.0,
                Some(sign) => *weight = weight.abs().copysign(sign),
                None => lacking += 1,
            }
        }
    }
    lacking
}

/// Permutes the magnitudes of each layer's edges, one stream a layer; signs and optimiser state stay where they are.
pub fn shuffle(layers: &mut [LayerState], seed: u64) {
    for (index, layer) in layers.iter_mut().enumerate() {
        let mut rng = stream(seed, Purpose::Permute, index as u64);
        let weights = &mut layer.weights;
        for last in (1..weights.len()).rev() {
            let (other, one) = (rng.random_range(0..=last as u64) as usize, weights[last]);
            weights[last] = weights[other].abs().copysign(one);
            weights[other] = one.abs().copysign(weights[other]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::layer;
    use super::*;

    #[test]
    fn signs_come_from_the_other_network_where_it_has_the_edge() {
        let mut layers = vec![layer(1, 6, &[(0, 1.0), (1, -2.0), (2, 3.0), (4, -4.0), (5, 0.0)])];
        let other = [layer(1, 6, &[(0, -0.1), (1, 0.1), (2, 0.0), (3, -1.0), (5, -1.0)])];
        assert_eq!(with_signs(&mut layers, &other), 1);
        assert_eq!(layers[0].weights, [-1.0, 2.0, 0.0, -4.0, 0.0]);
        assert_eq!(layers[0].slots, [[10.0, -20.0, 30.0, -40.0, 0.0]]);
        let own = layers.clone();
        assert_eq!(with_signs(&mut layers, &own), 0);
        assert_eq!(layers, own);
    }

    #[test]
    fn shuffled_magnitudes_are_the_same_ones_elsewhere() {
        let edges: Vec<(usize, f32)> = (0..50).map(|p| (2 * p, if p % 3 == 0 { -1.0 } else { 1.0 } * (p + 1) as f32)).collect();
        let before = [layer(10, 10, &edges), layer(10, 10, &edges), layer(1, 1, &[(0, 2.0)]), layer(1, 1, &[])];
        let shuffled = |seed| {
            let mut layers = before.to_vec();
            shuffle(&mut layers, seed);
            layers
        };
        let after = shuffled(1);
        assert_eq!(after, shuffled(1));
        assert!(after[0] != shuffled(2)[0] && after[0] != after[1] && after[0] != before[0]);
        for (new, old) in after.iter().zip(&before) {
            assert_eq!((&new.mask, &new.slots), (&old.mask, &old.slots));
            assert!(new.weights.iter().zip(&old.weights).all(|(a, b)| a.signum() == b.signum()));
            let sorted = |l: &LayerState| {
                let mut all: Vec<f32> = l.weights.iter().map(|w| w.abs()).collect();
                all.sort_by(f32::total_cmp);
                all
            };
            assert_eq!(sorted(new), sorted(old));
        }
    }

    #[test]
    fn every_permutation_is_equally_likely() {
        let (draws, mut hits) = (6000, std::collections::BTreeMap::new());
        for seed in 0..draws {
            let mut layers = [layer(1, 3, &[(0, 1.0), (1, 2.0), (2, 3.0)])];
            shuffle(&mut layers, seed);
            *hits.entry(layers[0].weights.iter().map(|w| *w as u8).collect::<Vec<_>>()).or_insert(0.0) += 1.0;
        }
        let expected = draws as f64 / 6.0;
        assert!(hits.len() == 6 && hits.values().all(|h: &f64| (h - expected).abs() < 5.0 * expected.sqrt()), "{hits:?}");
    }
}
