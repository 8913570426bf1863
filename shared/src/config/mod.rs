//! Options: one table that command lines, YAML files, help texts and run folders all read.

mod checks;
mod options;
mod problems;
mod resolved;
mod source;
mod table;
pub mod values;
mod words;
mod yaml;

pub use checks::Checks;
pub use options::{
    DataOptions, DrawingOptions, ExperimentOptions, InitOptions, MaskOptions, MovingOptions, NetworkOptions, OptimizerName,
    PublishedOptions, RunOptions, SelectOn, Shared, SparseOptions, TrainOptions,
};
pub use problems::Problems;
pub use resolved::Resolved;
pub use source::{Asked, Given, read};
pub use table::on_unless_switched_off;
