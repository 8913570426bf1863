//! Masks as bipartite graphs: inputs on one side, outputs on the other, one edge per kept weight.

mod mask;
mod shape;

pub use mask::Mask;
pub use shape::LayerShape;
