//! Tests of `er_wlt` by its real binary.

// A test may panic, and numbers of files are copied.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod clock;
#[path = "../../../shared/tests/common/mod.rs"]
mod common;
mod engines;
#[cfg(unix)]
mod faults;
mod hostile;
mod mask_files;
mod mistakes;
mod pictures;
mod readme;
mod reference;
mod runs;
mod show;
#[cfg(target_os = "linux")]
mod signals;
mod user;
