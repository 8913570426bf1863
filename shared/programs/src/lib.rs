//! What the programs share: options and what they mean, the command line, pictures.

pub mod cli;
pub mod config;
pub mod report;
