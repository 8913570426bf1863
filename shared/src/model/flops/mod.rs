//! What a sparse network costs: floating-point operations of a pass and of a training, bytes of storage.

mod convention;
mod storage;
mod training;

pub use convention::Convention;
pub use storage::Storage;
pub use training::{CostMethod, TrainingCost};

use super::ModelSpec;

/// Floating-point operations of one sample's forward pass, Σ 2·`multiply_adds`·density over the layers, where layer l keeps the
/// fraction `densities[l]` of its weights. With all densities 1 it is the cost of the dense network. The same as
/// [`Convention::Macs`], which is what trainings account with.
///
/// # Panics
/// If there is not one density for each layer.
#[must_use]
pub fn forward_flops(spec: &ModelSpec, densities: &[f64]) -> f64 {
    Convention::Macs.network(spec, densities)
}
