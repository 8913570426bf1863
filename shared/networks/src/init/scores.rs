//! First scores of edge-popup.

use super::BIASES;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::names::{self, Choice};
use er_graphs::rng::{Purpose, stream};
use rand::RngExt;

/// How scores get their first values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScoreInit {
    /// U(±1/√`fan_in`) for weights and biases of every layer (Ramanujan et al. 2020).
    #[default]
    KaimingUniform,
    /// 0.5 everywhere: the first subnetwork is that of the first positions.
    Constant,
    /// As the published program of ER_SLT does it: 0.5 in convolutions; in linear layers U(±1/√`fan_in`) for weights and
    /// U(±√(6/`fan_in`)) for biases.
    Published,
}

impl ScoreInit {
    /// All ways with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::KaimingUniform,
            name: "kaiming-uniform",
            aliases: &[],
            about: "uniform in +-1/sqrt(fan_in), as in the original edge-popup",
        },
        Choice { value: Self::Constant, name: "constant", aliases: &[], about: "0.5 everywhere" },
        Choice {
            value: Self::Published,
            name: "published",
            aliases: &[],
            about: "0.5 in convolutions, uniform in linear layers, as the published program does it",
        },
    ];
}

names::named!(ScoreInit, "initialisation of scores");

/// First scores of the allowed positions of the layer with this index: of `mask`'s edges, then of the set positions of `biases`, in
/// their orders. Weights and biases have a stream each. O(scores) besides going through the packed bits.
///
/// # Panics
/// If `biases` has not the shape `LayerShape::linear(out, 1)`.
#[must_use]
pub fn scores(layer: usize, mask: &Mask, biases: &Mask, init: ScoreInit, seed: u64) -> Vec<f32> {
    let shape = mask.shape();
    assert_eq!(biases.shape(), LayerShape::linear(shape.out, 1), "allowed biases of a layer of shape {shape}");
    let fan_in = shape.fan_in() as f64;
    let usual = 1.0 / fan_in.sqrt();
    let bounds = match init {
        ScoreInit::KaimingUniform => Some([usual, usual]),
        ScoreInit::Published if shape.linear => Some([usual, (6.0 / fan_in).sqrt()]),
        ScoreInit::Constant | ScoreInit::Published => None,
    };
    let Some([weights_bound, biases_bound]) = bounds else { return vec![0.5; mask.edges() + biases.edges()] };
    let uniform = |count: usize, bound: f64, index: u64| {
        let mut rng = stream(seed, Purpose::Score, index);
        (0..count).map(move |_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32)
    };
    let of_weights = uniform(mask.edges(), weights_bound, layer as u64);
    of_weights.chain(uniform(biases.edges(), biases_bound, BIASES + layer as u64)).collect()
}
