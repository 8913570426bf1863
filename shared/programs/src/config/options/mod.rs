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
use serde::Serialize;

pub use mask::{DrawingOptions, MaskOptions, SparseOptions};
pub use moving::MovingOptions;
pub use network::{DataOptions, InitOptions, NetworkOptions, SelectOn};
pub use published::PublishedOptions;
pub use run::{EngineName, RunOptions};
pub use train::{OptimizerName, TrainingOptions};

/// The options that every program has.
#[derive(Debug)]
pub struct Shared<'a> {
    /// What to train on.
    pub data: &'a mut DataOptions,
    /// How to train.
    pub train: &'a mut TrainingOptions,
    /// What means nothing here.
    pub published: &'a PublishedOptions,
}

/// The groups that every program which trains inside a mask has. Its own options come beside them.
#[derive(Debug, Clone, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExperimentOptions {
    /// What to train on.
    #[command(flatten)]
    #[serde(flatten)]
    pub data: DataOptions,
    /// Which weights exist.
    #[command(flatten)]
    #[serde(flatten)]
    pub sparse: SparseOptions,
    /// What they begin with.
    #[command(flatten)]
    #[serde(flatten)]
    pub init: InitOptions,
    /// How they are trained.
    #[command(flatten)]
    #[serde(flatten)]
    pub train: TrainingOptions,
    /// What means nothing here.
    #[command(flatten)]
    #[serde(skip)]
    pub published: PublishedOptions,
}

impl ExperimentOptions {
    /// Those of them that every program has.
    pub fn shared(&mut self) -> Shared<'_> {
        Shared { data: &mut self.data, train: &mut self.train, published: &self.published }
    }
}
