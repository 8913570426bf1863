//! Scores of weights, and choosing by them.

mod select;

pub use select::{Cut, key};
