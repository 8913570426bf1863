//! Training, from a data set to a run folder.
//!
//! | name | holds |
//! |---|---|
//! | [`data`] | data sets, augmentation and the loader |
//! | [`run`] | run folders with their metrics and checkpoints, and signals |
//! | [`train`] | the training loop, what makes its steps, and what happens along the way |
//! | [`memory`] | whether networks, batches and engines fit into memory |
//! | [`Backend`] | which engine computes, and on what device |
//!
//! Nothing here knows options or a command line.

mod backend;
pub mod data;
pub mod memory;
pub mod run;
pub mod train;

pub use backend::Backend;
