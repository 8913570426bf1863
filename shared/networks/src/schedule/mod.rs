//! Where a training stands, and pure functions of that: learning rate, density, drop fraction.

mod clock;
pub mod decay;
mod density;
mod drop_fraction;
mod gmp_rate;
mod kept_fraction;
mod learning_rate;
mod learning_rates;
mod span;

pub use clock::{Clock, Length};
pub use decay::Decay;
pub use density::FallingDensity;
pub use drop_fraction::DropFraction;
pub use gmp_rate::GmpRate;
pub use kept_fraction::kept_fractions;
pub use learning_rate::{LearningRate, LrPolicy};
pub use learning_rates::LearningRates;
pub use span::{EpochSpan, Span, StepSpan};
