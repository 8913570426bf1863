//! What can be measured of masks as graphs: of one bipartite graph, of its spectrum, and of two masks.

pub mod bipartite;
pub mod compare;
pub mod spectrum;
