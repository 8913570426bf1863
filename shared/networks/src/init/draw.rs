//! Weights of one layer.

use super::method::InitMethod;
use super::mirror::LooksLinear;
use super::orthogonal::semi_orthogonal;
use crate::model::DefaultInit;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::rng::{Purpose, stream};
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Law of a single value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Law {
    /// N(0, sd²).
    Normal { sd: f64 },
    /// U(low, high).
    Uniform { low: f64, high: f64 },
    /// z·N(0.05, sd²) + (1−z)·N(−0.05, sd²) with z ~ U(0, 1).
    Bimodal { sd: f64 },
    /// ±size with equal probability.
    Signed { size: f64 },
    /// Always the same.
    Constant { value: f64 },
}

impl Law {
    /// U(±bound).
    pub(super) fn symmetric(bound: f64) -> Self {
        Self::Uniform { low: -bound, high: bound }
    }

    /// One value.
    pub(super) fn draw(self, rng: &mut impl Rng) -> f64 {
        match self {
            Self::Normal { sd } => sd * rng.sample::<f64, _>(StandardNormal),
            Self::Uniform { low, high } => low + (high - low) * rng.random::<f64>(),
            Self::Bimodal { sd } => {
                let z: f64 = rng.random();
                let a = 0.05 + sd * rng.sample::<f64, _>(StandardNormal);
                let b = -0.05 + sd * rng.sample::<f64, _>(StandardNormal);
                z * a + (1.0 - z) * b
            }
            Self::Signed { size } => {
                if rng.random::<bool>() {
                    size
                } else {
                    -size
                }
            }
            Self::Constant { value } => value,
        }
    }

    /// First weights of so many edges of the layer with this index.
    pub(super) fn edges(self, layer: usize, count: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Init, layer as u64);
        (0..count).map(|_| self.draw(&mut rng) as f32).collect()
    }
}

/// First weights of the edges of the layer with this index; `densities` are the layer's own and the overall one.
pub(super) fn weights(
    method: InitMethod,
    default: DefaultInit,
    layer: usize,
    mask: &Mask,
    [density, overall]: [f64; 2],
    seed: u64,
) -> Vec<f32> {
    use InitMethod as M;
    if matches!(method, M::Normal | M::Uniform | M::Bimodal) && density <= 0.0 {
        // A layer that asks for no edges keeps the few that a repair of the mask gives it at zero.
        return vec![0.0; mask.edges()];
    }
    let (fan_in, fan_out) = (mask.shape().fan_in() as f64, mask.shape().fan_out() as f64);
    let sigma = (2.0 / (fan_in * density)).sqrt();
    let law = match method {
        M::Orthogonal => return orthogonal(layer, mask, seed),
        M::LooksLinear => return LooksLinear::draw(layer, mask.shape(), overall, seed).weights(mask),
        M::Default => family(default, mask.shape()),
        M::Normal => Law::Normal { sd: sigma },
        M::Uniform => Law::Uniform { low: 0.0, high: sigma },
        M::Bimodal => Law::Bimodal { sd: sigma },
        M::KaimingNormal => Law::Normal { sd: (2.0 / fan_in).sqrt() },
        M::KaimingUniform => Law::symmetric((6.0 / fan_in).sqrt()),
        M::XavierNormal => Law::Normal { sd: (2.0 / (fan_in + fan_out)).sqrt() },
        M::XavierUniform => Law::symmetric((6.0 / (fan_in + fan_out)).sqrt()),
        M::Scaled => Law::Normal { sd: (2.0 / (1.0 + 0.01 * 0.01) / (fan_in * overall)).sqrt() },
    };
    law.edges(layer, mask.edges(), seed)
}

fn family(default: DefaultInit, shape: LayerShape) -> Law {
    match default {
        DefaultInit::FanOutNormal if shape.linear => Law::Normal { sd: 0.01 },
        DefaultInit::FanOutNormal => Law::Normal { sd: (2.0 / shape.fan_out() as f64).sqrt() },
        DefaultInit::FanInUniform => Law::symmetric(1.0 / (shape.fan_in() as f64).sqrt()),
        DefaultInit::KaimingNormal => Law::Normal { sd: (2.0 / shape.fan_in() as f64).sqrt() },
    }
}

/// The entries of a random semi-orthogonal out × `fan_in` matrix at the edges.
fn orthogonal(layer: usize, mask: &Mask, seed: u64) -> Vec<f32> {
    let mut rng = stream(seed, Purpose::Init, layer as u64);
    let dense = semi_orthogonal(mask.shape().out, mask.shape().fan_in(), &mut rng);
    mask.iter().map(|position| dense[position] as f32).collect()
}
