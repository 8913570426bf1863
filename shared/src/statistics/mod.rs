//! What can be measured of masks as graphs: of one bipartite graph, of its spectrum, of two masks, and of a whole network.

pub mod bipartite;
pub mod compare;
pub mod network;
pub mod spectrum;
