//! Masks as bipartite graphs: sampling, layer densities, statistics of one graph and between graphs. Knows no networks, no files and
//! no printing.

pub mod density;
pub mod error;
pub mod graph;
pub mod names;
pub mod registry;
pub mod rng;
pub mod statistics;

pub use error::{Error, Result};
