//! Pure functions of the epoch or step.

mod learning_rate;

pub use learning_rate::{LearningRate, LrPolicy};
