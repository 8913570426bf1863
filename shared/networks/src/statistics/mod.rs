//! What can be measured of networks: of one as a whole, and how far two are apart.

pub mod network;
mod nnstd;

pub use nnstd::{Distance, LARGEST, LayerDistance, Matched, network_distance};
