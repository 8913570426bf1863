//! Masks as bipartite graphs: inputs on one side, outputs on the other, one edge per kept weight.

mod biadjacency;
mod bipartite;
mod csr;
mod mask;
mod real;
mod sampling;
mod shape;
mod state;

pub use biadjacency::{Biadjacency, View};
pub use bipartite::{Bipartite, Edge, EdgeReferences, Edges};
pub use csr::{Csr, Link};
pub use mask::Mask;
pub use mask::ones;
pub use real::{Numbers, Real};
pub use sampling::{Sampling, sample, sample_count};
pub use shape::LayerShape;
pub use state::LayerState;
