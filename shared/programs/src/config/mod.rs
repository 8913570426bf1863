//! Options: one table that command lines, YAML files, help texts and run folders all read.

mod checks;
mod experiment;
pub mod listing;
mod masked;
mod options;
mod problems;
mod resolved;
mod source;
mod table;
pub mod values;
mod words;
mod yaml;

pub use checks::Checks;
pub use experiment::{Experiment, ProgramOptions, Setup};
pub use masked::RESUMED;
pub use options::{
    DataOptions, DrawingOptions, EngineName, ExperimentOptions, InitOptions, MaskOptions, MovingOptions, NetworkOptions,
    OptimizerName, PublishedOptions, RunOptions, SelectOn, Shared, SparseOptions, TrainingOptions,
};
pub use problems::Problems;
pub use resolved::Resolved;
pub use source::{Provenance, Request, read};
pub use table::on_unless_switched_off;
pub(crate) use table::{is_switch, with_word_booleans};
