//! The options that several programs share, in groups that a program puts together. Each field is one option: its name, what it
//! accepts, its help text and its default; a program may give it another default.
//!
//! Every group but [`RunOptions`] and [`PublishedOptions`] decides the result of a run.

// The comments of fields are help texts, where backticks would show.
#![allow(clippy::doc_markdown)]

mod mask;
mod moving;
mod network;
mod published;
mod run;
mod train;

use clap::Args;

pub use mask::{DrawingOptions, FileMasks, MaskOptions, MaskSettings, SparseOptions};
pub use moving::MovingOptions;
pub use network::{DataOptions, Images, InitOptions, NetworkOptions, SelectOn};
pub use published::PublishedOptions;
pub use run::{EngineName, RunOptions};
pub use train::{OptimizerName, TrainingOptions, TrainingRecipe};

/// The options that every program has.
#[derive(Debug)]
pub struct SharedOptions<'a> {
    /// What to train on.
    pub data: &'a DataOptions,
    /// How to train.
    pub train: &'a TrainingOptions,
    /// What means nothing here.
    pub published: &'a PublishedOptions,
}

/// The groups that every program which trains inside a mask has. Its own options come beside them.
#[derive(Debug, Clone, Args)]
pub struct ExperimentOptions {
    /// What to train on.
    #[command(flatten)]
    pub data: DataOptions,
    /// Which weights exist.
    #[command(flatten)]
    pub sparse: SparseOptions,
    /// What they begin with.
    #[command(flatten)]
    pub init: InitOptions,
    /// How they are trained.
    #[command(flatten)]
    pub train: TrainingOptions,
    /// What means nothing here.
    #[command(flatten)]
    pub published: PublishedOptions,
}

impl ExperimentOptions {
    /// Those of them that every program has.
    pub fn shared(&self) -> SharedOptions<'_> {
        SharedOptions { data: &self.data, train: &self.train, published: &self.published }
    }
}
