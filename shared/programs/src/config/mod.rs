//! Options in two steps. What was typed, on the command line or in a YAML file, is a struct of fields that `clap` fills, and one field is
//! one option: names, help, default. What it means, a [`TypedOptions`] resolves for a seed to an [`Experiment`]: the training with every
//! default filled in, and the options as they are stored, shown and hashed.

mod experiment;
pub mod listing;
mod masked;
mod of_programs;
mod options;
mod problems;
mod resolved;
mod resolver;
mod source;
mod table;
mod typed;
pub mod values;
mod words;
mod yaml;

pub(crate) use experiment::values_of;
pub use experiment::{Experiment, ProgramOptions, Settled, Setup, TypedOptions};
pub use masked::{MaskedRun, RESUMED};
pub use of_programs::only_in;
pub use options::{
    DataOptions, DrawingOptions, EngineName, ExperimentOptions, FileMasks, Images, InitOptions, MaskOptions, MaskSettings,
    MovingOptions, NetworkOptions, OptimizerName, PublishedOptions, RunOptions, SelectOn, SharedOptions, SparseOptions,
    TrainingOptions, TrainingRecipe,
};
pub use problems::Problems;
pub use resolved::Resolved;
pub use resolver::Resolver;
pub use source::{Provenance, Request, read};
pub use table::on_unless_switched_off;
pub(crate) use table::{is_switch, with_word_booleans};
pub use typed::{OptionId, Typed};
