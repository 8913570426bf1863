//! What edges are worth when a level ends; SynFlow's scores are [`crate::score::synflow`].

use er_graphs::graph::LayerState;
use er_graphs::rng::{Purpose, stream};
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// |w| of each edge.
#[must_use]
pub fn magnitudes(layers: &[LayerState]) -> Vec<Vec<f64>> {
    layers.iter().map(|l| l.weights.iter().map(|w| f64::from(w.abs())).collect()).collect()
}

/// |w · ∂L/∂w| of each edge, from gradients on the edges (Lee et al. 2019).
///
/// # Panics
/// If there is not one gradient for each edge.
#[must_use]
pub fn snip_scores(layers: &[LayerState], gradients: &[Vec<f32>]) -> Vec<Vec<f64>> {
    assert_eq!(layers.len(), gradients.len(), "gradients of each layer");
    let of_layer = |(layer, gradients): (&LayerState, &Vec<f32>)| {
        assert_eq!(layer.weights.len(), gradients.len(), "one gradient an edge");
        // In double precision the product of two numbers of single precision is exact, and does not vanish.
        layer.weights.iter().zip(gradients).map(|(w, g)| (f64::from(*w) * f64::from(*g)).abs()).collect()
    };
    layers.iter().zip(gradients).map(of_layer).collect()
}

/// |N(0, 1)| for each edge, one stream a level and layer. O(edges).
#[must_use]
pub fn random_scores(layers: &[LayerState], seed: u64, level: u32) -> Vec<Vec<f64>> {
    let of_layer = |(index, layer): (usize, &LayerState)| {
        let mut rng = stream(seed, Purpose::Prune, u64::from(level) << 32 | index as u64);
        (0..layer.mask.edges()).map(|_| rng.sample::<f64, _>(StandardNormal).abs()).collect()
    };
    layers.par_iter().enumerate().map(of_layer).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::layer;
    use super::*;

    #[test]
    fn weights_and_gradients_count_by_magnitude() {
        let layers = [layer(1, 3, &[(0, -2.0), (2, 0.5)]), layer(1, 1, &[])];
        assert_eq!(magnitudes(&layers), [vec![2.0, 0.5], vec![]]);
        assert_eq!(snip_scores(&layers, &[vec![0.25, -4.0], vec![]]), [vec![0.5, 2.0], vec![]]);
        let tiny = [layer(1, 1, &[(0, 1e-30)])];
        assert!(snip_scores(&tiny, &[vec![1e-30]])[0][0] > 0.0);
    }

    #[test]
    fn random_scores_differ_by_seed_level_and_layer_only() {
        let edges: Vec<(usize, f32)> = (0..2000).map(|p| (p, 1.0)).collect();
        let layers = [layer(10, 200, &edges), layer(20, 100, &edges)];
        let scores = random_scores(&layers, 1, 2);
        assert_eq!(scores, random_scores(&layers, 1, 2));
        assert_ne!(scores[0], scores[1]);
        for other in [random_scores(&layers, 2, 2), random_scores(&layers, 1, 3)] {
            assert!(scores.iter().zip(&other).all(|(a, b)| a != b));
        }
        // E|N(0, 1)| = √(2/π), with variance 1 − 2/π.
        let mean = scores.iter().flatten().sum::<f64>() / 4000.0;
        let expected = std::f64::consts::FRAC_2_PI.sqrt();
        assert!((mean - expected).abs() < 5.0 * ((1.0 - std::f64::consts::FRAC_2_PI) / 4000.0).sqrt(), "{mean}");
    }
}
