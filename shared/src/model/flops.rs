//! Floating-point operations of a network.

use super::ModelSpec;

/// Floating-point operations of one sample's forward pass, Σ 2·`multiply_adds`·density over the layers, where layer l keeps the
/// fraction `densities[l]` of its weights (Evci et al. 2020 count nearly the
/// same). With all densities 1 it is the cost of the dense network.
///
/// A multiplication and an addition count one each, and every weight is used once per output pixel, so a convolution's taps on
/// its padding count too. Biases, normalisations, activations, poolings and additions are not counted.
///
/// # Panics
/// If there is not one density for each layer.
#[must_use]
pub fn forward_flops(spec: &ModelSpec, densities: &[f64]) -> f64 {
    assert_eq!(spec.layers().len(), densities.len(), "model {}: one density a layer", spec.name());
    spec.layers().iter().zip(densities).map(|(layer, density)| 2.0 * layer.multiply_adds() as f64 * density).sum()
}
