//! Exit codes.

use std::process::ExitCode;

use er_graphs::error::{Error, Kind};
use er_training::run::Stop;

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Could not be done.
    Failure = 1,
    /// Wrong command line or configuration.
    Usage = 2,
    /// Request to stop by a scheduler; saved, and the same command goes on (`EX_TEMPFAIL` of sysexits).
    Saved = 75,
    /// Stopped by the user; saved, and the same command goes on.
    Interrupted = 130,
}

impl Exit {
    /// The code of an error.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            Kind::Usage => Self::Usage,
            Kind::Failure => Self::Failure,
        }
    }
}

impl From<Stop> for Exit {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Interrupt => Self::Interrupted,
            Stop::Terminate => Self::Saved,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
