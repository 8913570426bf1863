//! Everything two of the `er_*` programs need: masks as graphs, layer densities, models as data, a sparse and a dense engine,
//! data sets, run folders and the training loop.
//!
//! Four floors; imports point only downwards:
//!
//! - floor 0, pure: [`graph`], [`density`], [`schedule`], [`score`], [`threshold`], [`topology`], [`model`],
//!   [`statistics`], [`rng`], [`names`]
//! - floor 1, compute and files: [`engine`], [`init`], [`data`], [`run`]
//! - floor 2: [`train`], [`config`]
//! - floor 3: [`cli`], [`report`]

pub mod cli;
pub mod config;
pub mod data;
pub mod density;
pub mod engine;
pub mod error;
pub mod graph;
pub mod init;
pub mod model;
pub mod names;
pub mod report;
pub mod rng;
pub mod run;
pub mod schedule;
pub mod score;
pub mod statistics;
pub mod threshold;
pub mod topology;
pub mod train;

pub use error::{Error, Result};
