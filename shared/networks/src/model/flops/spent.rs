//! What a training really costs.

use serde::{Deserialize, Serialize};

use super::Convention;
use crate::model::ModelSpec;

/// Weights of each layer whose gradients a step computes.
#[derive(Debug, Clone, Copy)]
pub enum WeightGradients<'a> {
    /// Those of this many edges of each layer.
    Edges(&'a [usize]),
    /// Those of all weights.
    All,
}

/// What a training has cost so far, and what a dense network would have cost on the same samples.
///
/// Costs are floating-point operations: a multiply-accumulate is two, and a backward pass costs two forward passes, one of them with all
/// weights whose gradients are computed (Evci et al. 2020, appendix H).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct SpentFlops {
    training_flops: f64,
    training_flops_dense: f64,
}

impl SpentFlops {
    /// Enters a step on this many samples. The forward pass, and the gradients of activations, go along this many `edges` of each layer.
    pub fn enter_step(&mut self, spec: &ModelSpec, edges: &[usize], gradients: WeightGradients, samples: usize) {
        let dense = || Convention::Macs.network(spec, &vec![1.0; edges.len()]);
        let forward = on_edges(spec, edges);
        let weight_gradients = match gradients {
            WeightGradients::Edges(of) => on_edges(spec, of),
            WeightGradients::All => dense(),
        };
        self.training_flops += (2.0 * forward + weight_gradients) * samples as f64;
        self.training_flops_dense += 3.0 * dense() * samples as f64;
    }

    /// Floating-point operations of the training.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.training_flops
    }

    /// The same as a part of those of a dense network; not a number before the first step.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.training_flops / self.training_flops_dense
    }
}

/// Floating-point operations of one sample's forward pass along this many edges a layer.
fn on_edges(spec: &ModelSpec, edges: &[usize]) -> f64 {
    let densities: Vec<f64> = spec.layers().iter().zip(edges).map(|(l, e)| *e as f64 / l.shape.weights() as f64).collect();
    Convention::Macs.network(spec, &densities)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "whole numbers")]

    use super::*;
    use crate::model::{Image, build};

    /// 8·64 and 10·8 weights.
    #[test]
    fn a_step_costs_two_passes_along_edges_and_one_with_gradients() {
        let spec = build("mlp-8", Image::new(1, 8, 8), 10).unwrap();
        let (all, edges) = ([512, 80], [51, 8]);
        let macs = |[a, b]: [usize; 2]| 2.0 * (a + b) as f64;
        let mut spent = SpentFlops::default();
        spent.enter_step(&spec, &edges, WeightGradients::Edges(&edges), 2);
        assert_eq!(spent.total(), 2.0 * 3.0 * macs(edges));
        assert!((spent.ratio() - macs(edges) / macs(all)).abs() < 1e-15);
        spent.enter_step(&spec, &edges, WeightGradients::All, 1);
        assert_eq!(spent.total(), 8.0 * macs(edges) + macs(all));
    }
}
