//! Growth by velocity, unit by unit.

use super::GrowRule;
use crate::topology::rule::LayerView;
use crate::topology::rule::view::best;
use er_graphs::registry::Named;
use er_graphs::rng::Stream;

/// Units whose share is smaller grow nothing on their own.
const LEAST_SHARE: usize = 10;

/// As [`Momentum`](super::Momentum), after the edges are divided among the output units by their mean |velocity| (Dettmers and
/// Zettlemoyer's code); units with a share below ten get none of their own.
#[derive(Debug, Clone, Copy)]
pub struct MomentumNeuron;

impl Named for MomentumNeuron {
    fn name(&self) -> &'static str {
        "momentum_neuron"
    }

    fn about(&self) -> &'static str {
        "the largest velocities, divided among the units; costs as momentum"
    }
}

impl GrowRule for MomentumNeuron {
    fn reads_velocity(&self) -> bool {
        true
    }

    fn positions(&self, layer: &LayerView<'_>, count: usize, _: &mut Stream, _: &[f64]) -> Vec<usize> {
        let (kept, size) = (layer.kept, |p: usize| layer.velocity.size(p));
        let shape = kept.shape();
        let fan_in = shape.fan_in();
        let of_unit = |unit: usize| unit * fan_in..(unit + 1) * fan_in;
        let means: Vec<f64> = (0..shape.out).map(|u| of_unit(u).map(size).sum::<f64>()).collect();
        let total: f64 = means.iter().sum();
        let mut mask = kept.clone();
        for (unit, mean) in means.iter().enumerate().filter(|_| total > 0.0) {
            let free: Vec<usize> = of_unit(unit).filter(|p| !kept.contains(*p)).collect();
            let share = ((mean / total * count as f64) as usize).min(free.len());
            if share >= LEAST_SHARE {
                for p in best(free.iter().copied(), share, &size) {
                    mask.insert(p);
                }
            }
        }
        // What the units did not take goes to the largest anywhere, so that the number is exact.
        let left = count - (mask.edges() - kept.edges());
        for p in (LayerView { kept: &mask, ..*layer }).largest(left, size) {
            mask.insert(p);
        }
        mask.iter().filter(|p| !kept.contains(*p)).collect()
    }
}
