//! Pure functions of the epoch or step.

pub mod decay;
mod density;
mod drop_fraction;
mod gmp_rate;
mod kept_fraction;
mod learning_rate;
mod learning_rates;

pub use decay::Decay;
pub use density::CubicDensity;
pub use drop_fraction::DropFraction;
pub use gmp_rate::GmpRate;
pub use kept_fraction::kept_fractions;
pub use learning_rate::{LearningRate, LrPolicy};
pub use learning_rates::LearningRates;
