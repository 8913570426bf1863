//! Layers built from a half-size one: [U, −U; −U, U].

use super::orthogonal::semi_orthogonal;
use super::repair::{OrthoRepair, ortho_repair_edges};
use crate::model::{Layer, ModelSpec};
use crate::topology::half_shape;
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::rng::{Purpose, stream};
use rayon::prelude::*;

/// How often and how far [`er_ortho_weights`] repairs the half-size matrix.
const ER_ORTHO_REPAIR: OrthoRepair = OrthoRepair { learning_rate: 0.001, iterations: 3000 };

/// How a layer comes from its half: mirrored with the opposite sign along outputs and, but for the first layer, along inputs;
/// what an odd size leaves over is cropped.
struct Mirror {
    full: LayerShape,
    half: LayerShape,
}

impl Mirror {
    fn new(full: LayerShape, first: bool) -> Self {
        Self { full, half: half_shape(full, first) }
    }

    /// The position of the half-size tensor that a position of the full one repeats, and the sign.
    fn source(&self, position: usize) -> (usize, f64) {
        let (o, rest) = (position / self.full.fan_in(), position % self.full.fan_in());
        let (i, tap) = (rest / self.full.taps(), rest % self.full.taps());
        let (half_o, half_i) = (o % self.half.out, i % self.half.inp);
        let sign = if (half_o == o) == (half_i == i) { 1.0 } else { -1.0 };
        ((half_o * self.half.inp + half_i) * self.half.taps() + tap, sign)
    }

    /// The edges of the part of a mirrored mask that the rest repeats.
    fn half_of(&self, mask: &Mask) -> Mask {
        let in_half =
            |p: &usize| p / self.full.fan_in() < self.half.out && p % self.full.fan_in() / self.full.taps() < self.half.inp;
        Mask::from_positions(self.half, mask.iter().filter(in_half).map(|p| self.source(p).0))
    }

    /// The edges' weights from the half-size tensor.
    fn weights(&self, mask: &Mask, half: &[f64], scale: f64) -> Vec<f32> {
        let weight = |p| {
            let (source, sign) = self.source(p);
            (sign * scale * half[source]) as f32
        };
        mask.iter().map(weight).collect()
    }
}

/// A layer with looks-linear weights; see [`super::InitMethod::LooksLinear`].
pub(super) struct LooksLinear {
    mirror: Mirror,
    /// U, without the scale.
    half: Vec<f64>,
    scale: f64,
}

impl LooksLinear {
    /// Draws the layer with this index; its weights are divided by √`density`.
    pub(super) fn draw(layer: usize, shape: LayerShape, density: f64, seed: u64) -> Self {
        let mirror = Mirror::new(shape, layer == 0);
        let mut rng = stream(seed, Purpose::Init, layer as u64);
        let half = semi_orthogonal(mirror.half.out, mirror.half.fan_in(), &mut rng);
        Self { mirror, half, scale: 1.0 / density.sqrt() }
    }

    /// The weights of the edges.
    pub(super) fn weights(&self, mask: &Mask) -> Vec<f32> {
        self.mirror.weights(mask, &self.half, self.scale)
    }

    /// (Σ over taps of U)·`values` / √taps: what the half-size layer makes of the same value at every position of a channel, but
    /// for the root. Values that are missing count as 0, those beyond the half-size input are left out.
    pub(super) fn carry(&self, values: &[f64]) -> Vec<f64> {
        let (half, taps) = (self.mirror.half, self.mirror.half.taps());
        let row = |u: &[f64]| u.chunks(taps).zip(values).map(|(taps, v)| taps.iter().sum::<f64>() * v).sum::<f64>();
        self.half.chunks(half.fan_in()).map(|u| self.scale * row(u) / (taps as f64).sqrt()).collect()
    }
}

/// Weights for mirrored random masks (sparse initialisation `ER_ortho`), one vector a layer in edge order.
///
/// For each layer a half-size semi-orthogonal matrix is drawn and repaired on the edges of the mask's upper left part (see
/// [`ortho_repair_edges`]; learning rate 0.001, 3000 iterations). It is mirrored like the mask, with signs [U, −U; −U, U] (the first
/// layer along outputs only), cropped and divided by √p, p being the layer's requested density; p = 0 gives zeros. An edge that
/// was added after mirroring, and whose counterpart in the upper left part does not exist, gets the unrepaired entry.
///
/// # Panics
/// If there is not one mask of the right shape and one density for each layer.
#[must_use]
pub fn er_ortho_weights(spec: &ModelSpec, masks: &[Mask], densities: &[f64], seed: u64) -> Vec<Vec<f32>> {
    super::check(spec, masks, densities);
    let layers = spec.layers().par_iter().zip(masks).zip(densities).enumerate();
    layers.map(|(index, ((layer, mask), &density))| er_ortho(index, layer, mask, density, seed)).collect()
}

fn er_ortho(index: usize, layer: &Layer, mask: &Mask, density: f64, seed: u64) -> Vec<f32> {
    if density <= 0.0 {
        return vec![0.0; mask.edges()];
    }
    let mirror = Mirror::new(layer.shape, index == 0);
    let half_mask = mirror.half_of(mask);
    let mut dense = semi_orthogonal(mirror.half.out, mirror.half.fan_in(), &mut stream(seed, Purpose::Init, index as u64));
    let mut edges: Vec<f64> = half_mask.iter().map(|p| dense[p]).collect();
    let groups = if layer.depthwise { mirror.half.out } else { 1 };
    ortho_repair_edges(&half_mask, groups, &mut edges, ER_ORTHO_REPAIR);
    for (position, weight) in half_mask.iter().zip(edges) {
        dense[position] = weight;
    }
    mirror.weights(mask, &dense, 1.0 / density.sqrt())
}
