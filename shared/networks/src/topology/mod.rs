//! Which edges exist: initial masks, flow preservation, and rules by which edges move.

mod cover;
mod dense_layers;
mod effective;
mod flow;
pub mod iterative;
mod masks;
mod plan;
mod report;
pub mod rule;
mod sparse_init;

pub use dense_layers::resolve_dense_layers;
pub use effective::effective;
#[cfg(test)]
pub(crate) use effective::tests::with_flow;
pub use flow::{Repair, preserve};
pub use masks::{
    ErFlow, ErOrtho, GlobalMagnitude, LayerMasks, MaskGenerator, MaskRequest, MaskWeights, OwnWeights, half_shape, mirror,
};
pub use plan::{Drawn, FlowPreservation, MaskPlan};
pub use report::{DensityReport, LayerReport};
pub use sparse_init::SparseInit;
