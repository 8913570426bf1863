//! How much an edge matters: scores that rank the edges of a network against each other, and choosing by them.

mod popup;
mod scaled;
mod select;
mod synflow;

pub use popup::{Selector, kept, straight_through};
pub use select::{above_next, largest};
pub use synflow::{sum_of_logits, synflow};
