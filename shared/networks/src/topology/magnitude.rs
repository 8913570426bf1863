//! `global_magnitude`: the weights that are largest at initialisation.

use crate::score;
use er_graphs::graph::{LayerShape, Mask};

/// Keeps the `keep` weights of largest magnitude over all layers; among equal ones the first (by layer, then position) stay, so
/// that the count is exact. O(weights) time.
///
/// # Panics
/// If there are fewer weights, or a layer's values do not fit its shape.
pub(super) fn largest(layers: &[(LayerShape, &[f32])], keep: usize) -> Vec<Mask> {
    let mut stay = score::largest(layers.iter().flat_map(|(_, w)| w.iter()).map(|w| f64::from(w.abs())), keep).into_iter();
    layers
        .iter()
        .map(|(shape, w)| {
            assert_eq!(w.len(), shape.weights(), "values of a layer of shape {shape}");
            let of_layer = stay.by_ref().take(w.len());
            Mask::from_positions(*shape, of_layer.enumerate().filter(|(_, stays)| *stays).map(|(p, _)| p))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_a_stable_sort(
            // Few distinct values: ties are the rule.
            first in prop::collection::vec(-4..5_i8, 1..40), second in prop::collection::vec(-4..5_i8, 1..40), part in 0.0..=1.0_f64,
        ) {
            let (first, second): (Vec<f32>, Vec<f32>) = (first.iter().map(|x| f32::from(*x)).collect(), second.iter().map(|x| f32::from(*x)).collect());
            let all = [&first[..], &second[..]].concat();
            let keep = (part * all.len() as f64) as usize;
            let layers = [(LayerShape::linear(1, first.len()), &first[..]), (LayerShape::linear(second.len(), 1), &second[..])];
            let masks = largest(&layers, keep);
            let found: Vec<usize> = masks[0].iter().chain(masks[1].iter().map(|p| first.len() + p)).collect();
            let mut order: Vec<usize> = (0..all.len()).collect();
            order.sort_by(|a, b| all[*b].abs().total_cmp(&all[*a].abs()));
            order.truncate(keep);
            order.sort_unstable();
            prop_assert_eq!(found, order);
        }
    }
}
