//! Training: data, run folders, checkpoints, the loop with what makes its steps and what happens along the way. Knows no options and
//! no command line.

mod backend;
pub mod data;
pub mod run;
pub mod train;

pub use backend::Backend;
