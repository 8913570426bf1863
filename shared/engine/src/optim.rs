//! The optimisers' arithmetic, on slices: the same for edges and for dense parameters.

use rayon::prelude::*;

use super::{Optimizer, StepOptions};
use er_networks::topology::rule::Real;

/// Values a thread updates at once.
const CHUNK: usize = 1 << 14;

impl Optimizer {
    /// Numbers of state per value.
    pub fn slots(self) -> usize {
        match self {
            Self::Sgd { momentum, .. } => usize::from(momentum != 0.0),
            Self::Adam => 2,
        }
    }
}

impl StepOptions {
    /// Moves `values` by one step (`step` counts from 1). Each value depends on its own gradient and slots only. Large slices are
    /// shared among the threads of the rayon pool that calls. Engines descend in `f32`, few and delicate values in `f64`.
    ///
    /// # Panics
    /// If Adam is given another number of `slots` than its two.
    pub fn descend<T: Real>(&self, lr: f64, step: u64, values: &mut [T], gradients: &[T], slots: &mut [Vec<T>]) {
        let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK));
        match slots {
            [] => chunks.for_each(|(values, gradients)| self.descend_part(lr, step, values, gradients, &mut [])),
            [slot] => chunks.zip(slot.par_chunks_mut(CHUNK)).for_each(|((values, gradients), slot)| {
                self.descend_part(lr, step, values, gradients, &mut [slot]);
            }),
            [first, second, ..] => {
                let slots = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
                chunks.zip(slots).for_each(|((values, gradients), (first, second))| {
                    self.descend_part(lr, step, values, gradients, &mut [first, second]);
                });
            }
        }
    }

    /// As [`StepOptions::descend`], on the thread that calls.
    pub fn descend_part<T: Real>(&self, lr: f64, step: u64, values: &mut [T], gradients: &[T], slots: &mut [&mut [T]]) {
        let decay = T::nearest(self.weight_decay);
        match (self.optimizer, slots) {
            (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
                let (lr, mu) = (T::nearest(lr), T::nearest(momentum));
                for ((w, g), v) in values.iter_mut().zip(gradients).zip(velocity.iter_mut()) {
                    let g = *g + decay * *w;
                    *v = mu * *v + g;
                    *w = *w - lr * if nesterov { g + mu * *v } else { *v };
                }
            }
            (Optimizer::Sgd { .. }, _) => {
                let lr = T::nearest(lr);
                for (w, g) in values.iter_mut().zip(gradients) {
                    *w = *w - lr * (*g + decay * *w);
                }
            }
            (Optimizer::Adam, [first, second]) => {
                let corrections = [0.9_f64, 0.999].map(|beta| 1.0 - beta.powf(step as f64));
                let rate = T::nearest(lr / corrections[0]);
                let root = T::nearest(corrections[1].sqrt());
                let ([keep1, new1], [keep2, new2]) = ([0.9, 0.1].map(T::nearest), [0.999, 0.001].map(T::nearest));
                let epsilon = T::nearest(1e-8);
                for (((w, g), m), v) in values.iter_mut().zip(gradients).zip(first.iter_mut()).zip(second.iter_mut()) {
                    let g = *g + decay * *w;
                    *m = keep1 * *m + new1 * g;
                    *v = keep2 * *v + new2 * g * g;
                    *w = *w - rate * *m / (v.sqrt() / root + epsilon);
                }
            }
            (Optimizer::Adam, _) => unreachable!("Adam has two slots"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves one value twice, in both precisions.
    fn twice(optimizer: Optimizer) -> (f32, f64) {
        let options = StepOptions { optimizer, weight_decay: 0.01, label_smoothing: 0.0 };
        let (mut single, mut double) = ([0.5_f32], [0.5_f64]);
        let (mut of_single, mut of_double) = (vec![vec![0.0_f32]; optimizer.slots()], vec![vec![0.0_f64]; optimizer.slots()]);
        for (step, gradient) in [(1, 0.25_f32), (2, -0.75)] {
            options.descend(0.1, step, &mut single, &[gradient], &mut of_single);
            options.descend(0.1, step, &mut double, &[f64::from(gradient)], &mut of_double);
        }
        (single[0], double[0])
    }

    #[test]
    fn both_precisions_follow_the_formulas() {
        let decayed = |w: f64, g: f64| g + 0.01 * w;
        let first = decayed(0.5, 0.25);
        for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
            let ahead = |g: f64, v: f64| if nesterov { g + momentum * v } else { v };
            let w = 0.5 - 0.1 * ahead(first, first);
            let second = decayed(w, -0.75);
            let w = w - 0.1 * ahead(second, momentum * first + second);
            let (single, double) = twice(Optimizer::Sgd { momentum, nesterov });
            assert!((double - w).abs() < 1e-15 && (f64::from(single) - w).abs() < 1e-7, "{momentum} {nesterov}");
        }
        // The first step of Adam is as long as its rate.
        let w = 0.5 - 0.1 * first / (first + 1e-8);
        let second = decayed(w, -0.75);
        let m = (0.09 * first + 0.1 * second) / (1.0 - 0.81);
        let v = (0.000_999 * first * first + 0.001 * second * second) / (1.0 - 0.999 * 0.999);
        let w = w - 0.1 * m / (v.sqrt() + 1e-8);
        let (single, double) = twice(Optimizer::Adam);
        assert!((double - w).abs() < 1e-12 && (f64::from(single) - w).abs() < 1e-6, "{double}, expected {w}");
    }

    /// What single precision computed with before it was one of two.
    #[test]
    fn constants_in_single_precision_are_the_literals() {
        let literals = [0.9_f32, 0.1, 0.999, 0.001, 1e-8];
        assert_eq!([0.9, 0.1, 0.999, 0.001, 1e-8].map(f32::nearest).map(f32::to_bits), literals.map(f32::to_bits));
    }
}
