//! Tests of `er_dst` by its real binary.

// A test may panic, and numbers of files are copied.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod clock;
#[path = "../../../shared/tests/common/mod.rs"]
mod common;
mod configs;
mod engines;
#[cfg(unix)]
mod faults;
mod flops;
mod graph;
mod mistakes;
mod options;
mod readme;
mod reference;
#[cfg(unix)]
mod resume;
mod runs;
mod runs_listing;
mod says;
mod show;
mod trace;
