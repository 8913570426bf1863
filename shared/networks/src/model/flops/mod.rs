//! What a sparse network costs: floating-point operations of a pass and of a training, bytes of storage.

mod convention;
mod spent;
mod storage;
mod training;

pub use convention::Convention;
pub use spent::{SpentFlops, WeightGradients};
pub use storage::Storage;
pub use training::{CostMethod, TrainingCost};
