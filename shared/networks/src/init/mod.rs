//! First values of the parameters: edge weights drawn directly on the graph, orthogonal matrices and their repair, biases and
//! normalisations.

mod draw;
mod fan;
mod frozen;
mod method;
mod mirror;
mod orthogonal;
mod repair;
mod scores;

pub use fan::{FanInit, FanLaw, FanMode, Nonlinearity, fan_state};
pub use frozen::{FrozenInit, FrozenOptions, frozen_scales, frozen_state};
pub use method::InitMethod;
pub use mirror::er_ortho_weights;
pub use repair::ORTHOGONAL;
pub use repair::{OrthoRepair, OrthoRepaired, ortho_repair, ortho_repair_edges};
pub use scores::{ScoreInit, scores};

use crate::model::{DefaultInit, ModelSpec, NodeId, Op, ParamKind};
use crate::model::{DenseState, ModelState};
use er_graphs::graph::LayerState;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::rng::{Purpose, stream};
use rand::RngExt;
use rayon::prelude::*;

/// Streams of biases are numbered from here by node, those of weights from 0 by layer.
const BIASES: u64 = 1 << 32;

/// Draws the weights of every edge and the first value of every other parameter.
///
/// `masks` and `densities` have one entry a layer; a density is the one *requested* for the layer, which sparse-aware methods
/// scale by (the number of edges of a random mask only fluctuates around it); `overall` is the requested density of the whole
/// network, which [`InitMethod::LooksLinear`] and [`InitMethod::Scaled`] scale by, as the published programs do. Only values of edges are drawn, from one stream a
/// layer and in edge order: time and memory are O(edges) for methods with independent weights, and the value of an edge depends on
/// how many edges precede it. [`InitMethod::Orthogonal`] and [`InitMethod::LooksLinear`] orthonormalise the dense matrix and keep
/// its entries at the edges: O(rows · columns · min(rows, columns)) a layer.
///
/// # Panics
/// If there is not one mask of the right shape and one density for each layer.
#[must_use]
pub fn initialise(
    spec: &ModelSpec,
    masks: &[Mask],
    densities: &[f64],
    overall: f64,
    method: InitMethod,
    seed: u64,
) -> ModelState {
    check(spec, masks, densities);
    let default = spec.default_init();
    let weights = (masks.par_iter().zip(densities).enumerate())
        .map(|(layer, (mask, &density))| draw::weights(method, default, layer, mask, [density, overall], seed))
        .collect();
    state_from(spec, masks.to_vec(), weights, seed)
}

/// A state that has taken no steps: these edges and weights, and the first values of everything else. Biases are drawn as the
/// model family does it; normalisations start with scale 1, shift 0, mean 0 and variance 1.
///
/// # Panics
/// If there is not one mask of the right shape and one weight an edge for each layer.
#[must_use]
pub fn state_from(spec: &ModelSpec, masks: Vec<Mask>, weights: Vec<Vec<f32>>, seed: u64) -> ModelState {
    let drawn = |node, shape: LayerShape| biases(spec.default_init(), shape, node, seed);
    state_with(spec, masks, weights, drawn)
}

/// As [`state_from`], with biases from the node of a layer and the layer's shape.
fn state_with(
    spec: &ModelSpec,
    masks: Vec<Mask>,
    weights: Vec<Vec<f32>>,
    biases: impl FnMut(NodeId, LayerShape) -> Vec<f32>,
) -> ModelState {
    assert_eq!((masks.len(), weights.len()), (spec.layers().len(), spec.layers().len()), "one mask and weights a layer");
    let layers = (masks.into_iter().zip(weights).zip(spec.layers()))
        .map(|((mask, weights), layer)| {
            assert_eq!((mask.shape(), mask.edges()), (layer.shape, weights.len()), "{}", layer.name);
            LayerState { mask, weights, slots: Vec::new() }
        })
        .collect();
    ModelState { layers, dense: dense_parameters(spec, biases), steps: 0 }
}

/// First values of everything that is not an edge.
fn dense_parameters(spec: &ModelSpec, mut biases: impl FnMut(NodeId, LayerShape) -> Vec<f32>) -> Vec<DenseState> {
    let parameters = spec.dense_parameters();
    parameters
        .map(|p| {
            let values = match (p.kind, spec.nodes()[p.node].op) {
                (ParamKind::Bias, Op::Conv { shape, .. } | Op::Linear { shape, .. }) => biases(p.node, shape),
                (ParamKind::Scale | ParamKind::Variance, _) => vec![1.0; p.len()],
                _ => vec![0.0; p.len()],
            };
            DenseState { name: p.name, values, slots: Vec::new() }
        })
        .collect()
}

fn biases(init: DefaultInit, shape: LayerShape, node: NodeId, seed: u64) -> Vec<f32> {
    match init {
        DefaultInit::FanOutNormal => vec![0.0; shape.out],
        DefaultInit::FanInUniform | DefaultInit::KaimingNormal => {
            let bound = 1.0 / (shape.fan_in() as f64).sqrt();
            let mut rng = stream(seed, Purpose::Init, BIASES + node as u64);
            (0..shape.out).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect()
        }
    }
}

/// One mask of the right shape and one density for each layer.
fn check(spec: &ModelSpec, masks: &[Mask], densities: &[f64]) {
    let layers = spec.layers();
    assert_eq!((masks.len(), densities.len()), (layers.len(), layers.len()), "one mask and one density a layer");
    for (mask, layer) in masks.iter().zip(layers) {
        assert_eq!(mask.shape(), layer.shape, "{}", layer.name);
    }
}

#[cfg(test)]
mod tests;
