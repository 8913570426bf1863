//! `global_magnitude`: the weights that are largest at initialisation.

use super::{LayerMasks, MaskGenerator, MaskRequest, MaskWeights};
use crate::score;
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::registry::Named;

/// The weights that are largest at initialisation, over all layers that are not dense: ⌊dN⌋ of them.
#[derive(Debug, Clone, Copy)]
pub struct GlobalMagnitude;

impl Named for GlobalMagnitude {
    fn name(&self) -> &'static str {
        "global_magnitude"
    }

    fn about(&self) -> &'static str {
        "the largest initial weights over all layers"
    }
}

impl MaskGenerator for GlobalMagnitude {
    fn weights(&self) -> MaskWeights {
        MaskWeights::Read
    }

    fn draw(&self, request: &MaskRequest<'_>, _: &[f64]) -> Result<LayerMasks> {
        let layers = request.shapes().zip(request.weights).zip(request.dense).filter(|(_, dense)| !**dense);
        let candidates: Vec<(LayerShape, &[f32])> = layers.map(|((shape, weights), _)| (shape, &weights[..])).collect();
        let total: usize = candidates.iter().map(|(shape, _)| shape.weights()).sum();
        let mut kept = largest(&candidates, (request.density.get() * total as f64) as usize).into_iter();
        let masks = request.masks(|_, shape| kept.next().unwrap_or_else(|| Mask::empty(shape)));
        Ok(LayerMasks { densities: masks.iter().map(Mask::density).collect(), masks })
    }
}

/// Keeps the `keep` weights of largest magnitude over all layers; among equal ones the first (by layer, then position) stay, so
/// that the count is exact. O(weights) time.
///
/// # Panics
/// If there are fewer weights, or a layer's values do not fit its shape.
fn largest(layers: &[(LayerShape, &[f32])], keep: usize) -> Vec<Mask> {
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
