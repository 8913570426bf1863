//! The optimisers' arithmetic, on slices: the same for edges and for dense parameters.

use rayon::prelude::*;

use super::{Optimizer, TrainOptions};

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

impl TrainOptions {
    /// Moves `values` by one step (`step` counts from 1). Each value depends on its own gradient and slots only. Large slices are
    /// shared among the threads of the rayon pool that calls.
    ///
    /// # Panics
    /// If Adam is given another number of `slots` than its two.
    pub fn descend(&self, lr: f64, step: u64, values: &mut [f32], gradients: &[f32], slots: &mut [Vec<f32>]) {
        let decay = self.weight_decay as f32;
        match (self.optimizer, slots) {
            (Optimizer::Sgd { momentum, nesterov }, [velocity]) => {
                let (lr, mu) = (lr as f32, momentum as f32);
                let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK)).zip(velocity.par_chunks_mut(CHUNK));
                chunks.for_each(|((values, gradients), velocity)| {
                    for ((w, g), v) in values.iter_mut().zip(gradients).zip(velocity) {
                        let g = g + decay * *w;
                        *v = mu * *v + g;
                        *w -= lr * if nesterov { g + mu * *v } else { *v };
                    }
                });
            }
            (Optimizer::Sgd { .. }, _) => {
                let lr = lr as f32;
                for (w, g) in values.iter_mut().zip(gradients) {
                    *w -= lr * (g + decay * *w);
                }
            }
            (Optimizer::Adam, [first, second]) => {
                let corrections = [0.9_f64, 0.999].map(|beta| 1.0 - beta.powf(step as f64));
                let rate = (lr / corrections[0]) as f32;
                let root = corrections[1].sqrt() as f32;
                let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
                let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK)).zip(moments);
                chunks.for_each(|((values, gradients), (first, second))| {
                    for (((w, g), m), v) in values.iter_mut().zip(gradients).zip(first).zip(second) {
                        let g = g + decay * *w;
                        *m = 0.9 * *m + 0.1 * g;
                        *v = 0.999 * *v + 0.001 * g * g;
                        *w -= rate * *m / (v.sqrt() / root + 1e-8);
                    }
                });
            }
            (Optimizer::Adam, _) => unreachable!("Adam has two slots"),
        }
    }
}
