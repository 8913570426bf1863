//! Removing edges down to a density.

use crate::score;
use crate::topology::rule::{keep, places};
use er_graphs::density::{Density, Distribution};
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, LayerState, Mask};
use er_graphs::registry::Selected;

/// Prunes the layers that take part to an overall density, as the published programs do it: of N weights, those that are no edges
/// having score 0, only those strictly above the k-th smallest score stay, k = ⌊(1 − d)·N⌋. So at most N − k stay, fewer where scores
/// are equal; no edge comes back; and if k is 0, nothing goes. Scores are not negative, one an edge of each layer that takes part.
///
/// Compares the layers that take part with each other, or prunes each by itself to the density that a distribution solves for them.
/// Edges that stay keep weight and optimiser state. Returns how many went. O(weights / 64 + edges) expected time.
///
/// # Errors
/// If the distribution has no densities for these layers.
///
/// # Panics
/// If layers, marks and scores do not fit each other.
pub fn prune(
    layers: &mut [LayerState],
    takes_part: &[bool],
    scores: &[Vec<f64>],
    within: Option<Selected<dyn Distribution>>,
    density: Density,
) -> Result<usize> {
    assert_eq!([takes_part.len(), scores.len()], [layers.len(); 2], "one mark and scores a layer");
    let chosen: Vec<usize> = (0..layers.len()).filter(|l| takes_part[*l]).collect();
    for &l in &chosen {
        assert_eq!(scores[l].len(), layers[l].mask.edges(), "scores of layer {l}");
    }
    let shapes: Vec<LayerShape> = chosen.iter().map(|l| layers[*l].mask.shape()).collect();
    let stay: Vec<Option<Vec<bool>>> = if let Some(distribution) = within {
        let densities = distribution.solve(&shapes, density)?.densities;
        let of_layer = |((l, shape), d): ((&usize, &LayerShape), f64)| above(scores[*l].iter().copied(), shape.weights(), d);
        chosen.iter().zip(&shapes).zip(densities).map(of_layer).collect()
    } else {
        let weights = shapes.iter().map(LayerShape::weights).sum();
        let mut stay = above(chosen.iter().flat_map(|l| scores[*l].iter().copied()), weights, density.get()).map(Vec::into_iter);
        chosen.iter().map(|l| stay.as_mut().map(|s| s.take(scores[*l].len()).collect())).collect()
    };
    let before = edges(layers);
    for (l, stay) in chosen.into_iter().zip(stay) {
        if let Some(stay) = stay {
            keep(&mut layers[l], &stay);
        }
    }
    Ok(before - edges(layers))
}

/// Keeps the edges that the given masks have, too, and returns how many edges of theirs the layers lack. The published program takes
/// the masks as they are, and weights outside the present ones come back with the value they had; here what is no edge has none.
///
/// # Panics
/// If the masks are not those of such layers.
pub fn take_masks(layers: &mut [LayerState], masks: &[Mask]) -> usize {
    assert_eq!(layers.len(), masks.len(), "one mask a layer");
    let mut missing = 0;
    for (layer, mask) in layers.iter_mut().zip(masks) {
        assert_eq!(layer.mask.shape(), mask.shape(), "shapes of two masks");
        let stay: Vec<bool> = places(&layer.mask, mask).map(|e| e.is_some()).collect();
        keep(layer, &stay);
        missing += mask.edges() - layer.mask.edges();
    }
    missing
}

/// Marks the scores above the k-th smallest of `weights` scores, those that are not given being 0; none if all stay.
fn above(scores: impl Iterator<Item = f64> + Clone, weights: usize, density: f64) -> Option<Vec<bool>> {
    let k = ((1.0 - density) * weights as f64) as usize;
    // The k-th smallest is the next after the `weights` − k largest.
    (k > 0).then(|| score::above_next(scores, weights - k))
}

fn edges(layers: &[LayerState]) -> usize {
    layers.iter().map(|l| l.mask.edges()).sum()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{layer, positions};
    use super::super::{Pruner, magnitudes, random_scores};
    use super::*;
    use er_graphs::density::Balanced;
    use er_graphs::graph::{Sampling, sample};
    use er_graphs::rng::{Purpose, stream};
    use proptest::prelude::*;

    fn d(density: f64) -> Density {
        Density::new(density).unwrap()
    }

    fn by_magnitude(layers: &mut [LayerState], density: f64) -> usize {
        let scores = magnitudes(layers);
        prune(layers, &vec![true; layers.len()], &scores, None, d(density)).unwrap()
    }

    /// Ten weights, six edges.
    fn two() -> Vec<LayerState> {
        vec![layer(2, 3, &[(0, 0.1), (2, -0.6), (4, 0.3), (5, 0.2)]), layer(2, 2, &[(1, 0.5), (2, -0.4)])]
    }

    fn full(out: usize, inp: usize) -> LayerState {
        layer(out, inp, &(0..out * inp).map(|p| (p, 1.0)).collect::<Vec<_>>())
    }

    /// By definition: all scores, sorted.
    fn expected(scores: &[f64], weights: usize, density: f64) -> Vec<bool> {
        let mut all = vec![0.0; weights];
        all[..scores.len()].copy_from_slice(scores);
        all.sort_by(f64::total_cmp);
        let k = ((1.0 - density) * weights as f64) as usize;
        scores.iter().map(|s| k == 0 || *s > all[k - 1]).collect()
    }

    proptest! {
        // Few distinct values: ties are the rule, also with the weights that are no edges.
        #[test]
        fn equals_the_sorted_scores(scores in prop::collection::vec(0..5_u8, 0..40), more in 0..40_usize, density in 1e-3..=1.0_f64) {
            let scores: Vec<f64> = scores.into_iter().map(f64::from).collect();
            let weights = scores.len() + more;
            let stay = above(scores.iter().copied(), weights, density).unwrap_or(vec![true; scores.len()]);
            prop_assert_eq!(stay, expected(&scores, weights, density));
        }

        #[test]
        fn masks_of_levels_are_nested_and_no_denser_than_wanted(seed: u64, choice in 0..3_usize, global: bool) {
            let shapes = [LayerShape::conv(8, 3, [3, 3]), LayerShape::conv(16, 8, [3, 3]), LayerShape::linear(10, 16)];
            let mut layers: Vec<LayerState> = shapes.iter().enumerate().map(|(l, shape)| {
                let mask = sample(*shape, 0.7, Sampling::Bernoulli, &mut stream(seed, Purpose::Mask, l as u64));
                LayerState { weights: vec![1.0; mask.edges()], slots: Vec::new(), mask }
            }).collect();
            let pruner = [Pruner::RandomUniform, Pruner::RandomBalanced, Pruner::RandomErk][choice];
            let within = pruner.distribution().filter(|_| !global);
            for (level, density) in [0.6, 0.5, 0.3, 0.1, 0.02].into_iter().enumerate() {
                let before = layers.clone();
                let scores = random_scores(&layers, seed, level as u32);
                let gone = prune(&mut layers, &[true; 3], &scores, within, d(density)).unwrap();
                prop_assert_eq!(gone, edges(&before) - edges(&layers));
                for (new, old) in layers.iter().zip(&before) {
                    prop_assert!(new.mask.iter().all(|p| old.mask.contains(p)));
                    prop_assert_eq!(new.weights.len(), new.mask.edges());
                }
                let total: usize = shapes.iter().map(LayerShape::weights).sum();
                let Some(rule) = &within else {
                    // Random scores have no ties, and the mask was denser.
                    prop_assert_eq!(edges(&layers), total - ((1.0 - density) * total as f64) as usize);
                    continue;
                };
                let densities = rule.solve(&shapes, d(density)).unwrap().densities;
                for ((layer, old), p) in layers.iter().zip(&before).zip(densities) {
                    let weights = layer.mask.shape().weights();
                    let most = weights - ((1.0 - p) * weights as f64) as usize;
                    prop_assert_eq!(layer.mask.edges(), most.min(old.mask.edges()));
                }
            }
        }
    }

    #[test]
    fn all_layers_are_compared_and_values_stay() {
        let mut layers = two();
        // k = 7 of 10: three stay.
        assert_eq!(by_magnitude(&mut layers, 0.3), 3);
        assert_eq!(layers, [layer(2, 3, &[(2, -0.6)]), layer(2, 2, &[(1, 0.5), (2, -0.4)])]);
        // 1 − 0.9 is a little less than a tenth, so k = 0 of 10: nothing goes, though not even 0.9 were there.
        let mut layers = two();
        assert_eq!(by_magnitude(&mut layers, 0.9), 0);
        assert_eq!(layers, two());
        // k = 3 of 10, but the four that are no edges are the smallest.
        assert_eq!(by_magnitude(&mut layers, 0.7), 0);
        assert_eq!(layers, two());
        assert_eq!(by_magnitude(&mut layers, 0.01), 5);
        assert_eq!(positions(&layers), [vec![2], vec![]]);
    }

    #[test]
    fn equals_at_the_threshold_all_go() {
        let tied = || vec![layer(1, 5, &[(0, 1.0), (1, -1.0), (2, 2.0), (3, 1.0), (4, 3.0)])];
        for (density, stay) in
            [(1.0, vec![0, 1, 2, 3, 4]), (0.8, vec![0, 1, 2, 3, 4]), (0.79, vec![2, 4]), (0.4, vec![2, 4]), (0.2, vec![4])]
        {
            let mut layers = tied();
            by_magnitude(&mut layers, density);
            assert_eq!(positions(&layers), [stay], "{density}");
        }
        let mut layers = vec![full(4, 4)];
        assert_eq!(by_magnitude(&mut layers, 0.5), 16);
        assert_eq!(layers[0].mask.edges(), 0);
    }

    #[test]
    fn edges_of_score_zero_go_with_the_first_that_does() {
        let zero = || vec![layer(1, 4, &[(0, 0.0), (1, 1.0), (2, 0.0), (3, 2.0)]), layer(1, 4, &[(1, 0.0), (3, -0.0)])];
        let mut layers = zero();
        assert_eq!(by_magnitude(&mut layers, 0.9), 0);
        assert_eq!(by_magnitude(&mut layers, 0.8), 4);
        assert_eq!(positions(&layers), [vec![1, 3], vec![]]);
        // Empty layers stay empty.
        assert_eq!(by_magnitude(&mut layers, 0.1), 1);
        assert_eq!(positions(&layers), [vec![3], vec![]]);
    }

    #[test]
    fn layers_that_take_no_part_stay_and_do_not_count() {
        let mut layers = two();
        layers.insert(1, full(3, 3));
        let mut scores = magnitudes(&layers);
        scores[1].clear();
        assert_eq!(prune(&mut layers, &[true, false, true], &scores, None, d(0.3)).unwrap(), 3);
        assert_eq!(positions(&layers), [vec![2], (0..9).collect(), vec![1, 2]]);
        assert_eq!(prune(&mut layers, &[false; 3], &vec![Vec::new(); 3], None, d(0.3)).unwrap(), 0);
    }

    #[test]
    fn layers_are_pruned_to_densities_of_their_own() {
        // 100, 20 and 400 weights at 0.1: balanced gives 52/3 edges to each, the second layer has 20.
        let start = || vec![full(10, 10), full(4, 5), full(20, 20)];
        for (pruner, expected) in
            [(Pruner::RandomUniform, [10, 2, 40]), (Pruner::RandomBalanced, [18, 18, 18]), (Pruner::RandomErk, [16, 7, 31])]
        {
            let mut layers = start();
            let scores = random_scores(&layers, 3, 0);
            let rule = pruner.distribution();
            let gone = prune(&mut layers, &[true; 3], &scores, rule, d(0.1)).unwrap();
            let found: Vec<usize> = layers.iter().map(|l| l.mask.edges()).collect();
            assert_eq!((gone, &found[..]), (520 - expected.iter().sum::<usize>(), &expected[..]), "{pruner}");
        }
        // A saturated layer loses nothing.
        let mut layers = start();
        let scores = random_scores(&layers, 3, 0);
        prune(&mut layers, &[true; 3], &scores, Some(Selected::new(&Balanced)), d(0.2)).unwrap();
        assert_eq!(layers[1], full(4, 5));
    }

    #[test]
    fn masks_of_another_network_are_intersected() {
        let mut layers = two();
        let masks = [[0, 1, 2, 3].as_slice(), &[0, 2]];
        let masks: Vec<Mask> =
            layers.iter().zip(masks).map(|(l, p)| Mask::from_positions(l.mask.shape(), p.iter().copied())).collect();
        assert_eq!(take_masks(&mut layers, &masks), 3);
        assert_eq!(layers, [layer(2, 3, &[(0, 0.1), (2, -0.6)]), layer(2, 2, &[(2, -0.4)])]);
        let same: Vec<Mask> = layers.iter().map(|l| l.mask.clone()).collect();
        let before = layers.clone();
        assert_eq!((take_masks(&mut layers, &same), layers), (0, before));
    }
}
