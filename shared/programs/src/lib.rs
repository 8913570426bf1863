//! What the programs share.
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | options, from the command line and from YAML files, and what they mean |
//! | [`cli`] | the command line: training with each seed, the commands beside it, printing and exit codes |
//! | [`report`] | pictures |

pub mod cli;
pub mod config;
pub mod report;
