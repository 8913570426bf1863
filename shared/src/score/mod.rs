//! How much an edge matters: scores that rank the edges of a network against each other.

mod scaled;
mod synflow;

pub use synflow::synflow;

#[cfg(test)]
mod tests;
