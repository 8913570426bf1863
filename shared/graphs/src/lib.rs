//! Masks as bipartite graphs, one edge for every weight that is kept.
//!
//! | module | holds |
//! |---|---|
//! | [`graph`] | masks, other forms of the same graph, and random graphs |
//! | [`density`] | how an overall density is divided among the layers of a network |
//! | [`statistics`] | what can be measured of a graph, of its spectrum, and of two graphs |
//! | [`rng`], [`names`], [`error`], [`printable`] | what all crates share: named streams of random numbers, tables of choices, one error type, texts that hide nothing |
//!
//! Nothing here knows what a network computes, and nothing reads or writes files.

pub mod density;
pub mod error;
pub mod graph;
pub mod names;
pub mod printable;
pub mod registry;
pub mod rng;
pub mod statistics;

pub use error::{Error, Result};
