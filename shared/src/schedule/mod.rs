//! Pure functions of the epoch or step.

mod density;
mod drop_fraction;
mod learning_rate;

pub use density::CubicDensity;
pub use drop_fraction::{Decay, DropFraction};
pub use learning_rate::{LearningRate, LrPolicy};
