//! Values that are never trained: weights and biases among which edge-popup chooses.

use super::draw::Law;
use super::mirror::LooksLinear;
use super::{BIASES, state_with};
use crate::model::{ModelSpec, ModelState};
use er_graphs::graph::Mask;
use er_graphs::names::{self, Choice};
use er_graphs::rng::{Purpose, stream};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Laws of frozen values. Of layer l, s = √(2/`fan_in`) over the root of the density if one is given, and γ = b·(product of the s of
/// this layer and all before it) with a factor b; see [`frozen_scales`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FrozenInit {
    /// Weights N(0, s²), biases 0.
    #[default]
    KnZeroBias,
    /// Weights N(0, s²), biases N(0, γ²).
    KnNonzeroBias,
    /// Weights ±s with equal probability, biases 0.
    SignedConstZeroBias,
    /// Weights and biases ±s with equal probability.
    SignedConstWithBias,
    /// Weights [U, −U; −U, U] with U semi-orthogonal of half size, over the root of the density if one is given, the first layer
    /// mirrored along outputs only; biases 0.
    OrthoZeroBias,
    /// Weights as for [`Self::OrthoZeroBias`], biases [β; −β] with β ~ N(0, γ²); of an odd number the last is left out.
    OrthoNonzeroBias,
    /// As [`Self::OrthoNonzeroBias`] in the first, third, … layer; in the one after it the biases [−β'; β'] with
    /// β' = (Σ over taps of U)·β / √taps, which take back what the β of the layer before adds, so that two layers with ReLU between
    /// them start as a linear map. This is exact for linear layers and 1×1 convolutions. Where β, that of the layer before in
    /// definition order, is not as long as the half-size input of the layer (its input comes from elsewhere, or is flattened), β is
    /// cropped or extended with zeros.
    OrthoBiasSpecial,
}

/// A choice without aliases.
const fn choice(value: FrozenInit, name: &'static str, about: &'static str) -> Choice<FrozenInit> {
    Choice { value, name, aliases: &[], about }
}

impl FrozenInit {
    /// All laws with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        choice(Self::KnZeroBias, "kn-zero-bias", "normal weights with variance 2/fan_in, no biases"),
        choice(Self::KnNonzeroBias, "kn-nonzero-bias", "the same weights, normal biases that shrink with depth"),
        choice(Self::SignedConstZeroBias, "signed-const-zero-bias", "weights +-sqrt(2/fan_in), no biases"),
        choice(Self::SignedConstWithBias, "signed-const-with-bias", "weights and biases +-sqrt(2/fan_in)"),
        choice(Self::OrthoZeroBias, "ortho-zero-bias", "mirrored orthogonal blocks, no biases"),
        choice(Self::OrthoNonzeroBias, "ortho-nonzero-bias", "mirrored orthogonal blocks, mirrored biases"),
        choice(Self::OrthoBiasSpecial, "ortho-bias-special", "mirrored orthogonal blocks, biases that cancel in pairs of layers"),
    ];

    /// Whether there are biases with [`FrozenOptions::bias_factor`].
    #[must_use]
    pub fn reads_bias_factor(self) -> bool {
        matches!(self, Self::KnNonzeroBias | Self::OrthoNonzeroBias | Self::OrthoBiasSpecial)
    }

    fn orthogonal(self) -> bool {
        matches!(self, Self::OrthoZeroBias | Self::OrthoNonzeroBias | Self::OrthoBiasSpecial)
    }
}

names::named!(FrozenInit, "initialisation of frozen values");

/// How frozen values are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrozenOptions {
    /// Their laws.
    pub init: FrozenInit,
    /// b, the factor of γ.
    pub bias_factor: f64,
    /// A density in (0, 1] by whose root every s and all orthogonal weights are divided, so that a subnetwork of that density has
    /// the scale that the whole network would have.
    pub scale_density: Option<f64>,
}

impl Default for FrozenOptions {
    fn default() -> Self {
        Self { init: FrozenInit::default(), bias_factor: 0.05, scale_density: None }
    }
}

/// [s, γ] of every layer, in definition order: s = √(2/(`fan_in`·d)) with d = `scale_density` or 1, and γ = `bias_factor`·(product of
/// the s of this layer and all before it).
///
/// ```
/// use er_networks::model::{Image, build};
/// let scales = er_networks::init::frozen_scales(&build("mlp-8", Image::new(1, 1, 2), 3)?, 0.05, None);
/// assert_eq!(scales, [[1.0, 0.05], [0.5, 0.025]]);
/// # Ok::<(), er_graphs::Error>(())
/// ```
#[must_use]
pub fn frozen_scales(spec: &ModelSpec, bias_factor: f64, scale_density: Option<f64>) -> Vec<[f64; 2]> {
    let mut gamma = bias_factor;
    let scales = spec.layers().iter().map(|layer| {
        let sd = (2.0 / (layer.shape.fan_in() as f64 * scale_density.unwrap_or(1.0))).sqrt();
        gamma *= sd;
        [sd, gamma]
    });
    scales.collect()
}

/// A state that has taken no steps: frozen weights on the edges of these masks, and all biases; normalisations have mean 0 and
/// variance 1. A layer's weights and biases have a stream each, so that they depend on the seed and the layer's edges alone. Time
/// and memory are O(edges + outputs), but for orthogonal weights O(rows · columns · min(rows, columns)) of each half-size layer.
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn frozen_state(spec: &ModelSpec, masks: &[Mask], options: &FrozenOptions, seed: u64) -> ModelState {
    let scales = frozen_scales(spec, options.bias_factor, options.scale_density);
    let frozen = Frozen { spec, options, scales, seed };
    let drawn = masks.par_iter().enumerate().map(|(layer, mask)| frozen.layer(layer, mask));
    let (weights, mut biases): (Vec<_>, Vec<_>) = drawn.unzip();
    let layer_of = |node| spec.layers().iter().position(|l| l.node == node);
    let mut of_node = |node| layer_of(node).map_or_else(Vec::new, |layer| std::mem::take(&mut biases[layer]));
    state_with(spec, masks.to_vec(), weights, |node, _| of_node(node))
}

/// What a layer's values depend on.
struct Frozen<'a> {
    spec: &'a ModelSpec,
    options: &'a FrozenOptions,
    scales: Vec<[f64; 2]>,
    seed: u64,
}

impl Frozen<'_> {
    /// Weights of the edges and all biases.
    fn layer(&self, layer: usize, mask: &Mask) -> (Vec<f32>, Vec<f32>) {
        use FrozenInit as I;
        let (init, [sd, gamma]) = (self.options.init, self.scales[layer]);
        let out = mask.shape().out;
        if init.orthogonal() {
            let drawn = LooksLinear::draw(layer, mask.shape(), self.options.scale_density.unwrap_or(1.0), self.seed);
            let biases = match init {
                I::OrthoBiasSpecial if layer % 2 == 1 => mirrored(&drawn.carry(&self.beta(layer - 1)), -1.0, out),
                I::OrthoNonzeroBias | I::OrthoBiasSpecial => mirrored(&self.beta(layer), 1.0, out),
                _ => vec![0.0; out],
            };
            return (drawn.weights(mask), biases);
        }
        let of_weights = match init {
            I::SignedConstZeroBias | I::SignedConstWithBias => Law::Signed { size: sd },
            _ => Law::Normal { sd },
        };
        let of_biases = match init {
            I::KnNonzeroBias => Law::Normal { sd: gamma },
            I::SignedConstWithBias => of_weights,
            _ => Law::Constant { value: 0.0 },
        };
        let mut rng = self.bias_stream(layer);
        let biases = (0..out).map(|_| of_biases.draw(&mut rng) as f32).collect();
        (of_weights.edges(layer, mask.edges(), self.seed), biases)
    }

    /// β of a layer, one value for each two outputs.
    fn beta(&self, layer: usize) -> Vec<f64> {
        let mut rng = self.bias_stream(layer);
        let half = self.spec.layers()[layer].shape.out.div_ceil(2);
        (0..half).map(|_| self.scales[layer][1] * rng.sample::<f64, _>(StandardNormal)).collect()
    }

    fn bias_stream(&self, layer: usize) -> impl Rng {
        stream(self.seed, Purpose::Init, BIASES + self.spec.layers()[layer].node as u64)
    }
}

/// The first `out` of [sign·v; −sign·v].
fn mirrored(values: &[f64], sign: f64, out: usize) -> Vec<f32> {
    let both = values.iter().map(|v| sign * v).chain(values.iter().map(|v| -sign * v));
    both.take(out).map(|v| v as f32).collect()
}
