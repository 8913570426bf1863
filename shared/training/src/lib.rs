//! Training, from a data set to a run folder.
//!
//! | name | holds |
//! |---|---|
//! | [`data`] | data sets, augmentation and the loader |
//! | [`run`] | run folders with their metrics and checkpoints, and signals |
//! | [`train`] | the training loop, what makes its steps, and what happens along the way |
//! | [`Backend`] | which engine computes, and on what device |
//!
//! Nothing here knows options or a command line.

mod backend;
pub mod data;
pub mod run;
pub mod train;

pub use backend::Backend;
