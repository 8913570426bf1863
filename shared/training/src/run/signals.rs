//! Being asked to stop: the first signal lets the current step finish and saves, a second interrupt ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use er_graphs::error::{Error, Result};

/// Number of SIGINT, the same on every system.
const INTERRUPT: usize = 2;

/// Who asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The user, with Ctrl-C (SIGINT): exit code 130.
    Interrupt,
    /// A scheduler, with SIGTERM or SIGUSR1: exit code 75, "save and try again later".
    Terminate,
}

/// The signals of this process.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    received: Arc<AtomicUsize>,
}

impl Signals {
    /// Nothing is ever received: for tests and for programs inside others.
    pub fn none() -> Self {
        Self::default()
    }

    /// Listens from now on. SIGINT after any other signal, itself included, ends the process at once with code 130; otherwise the
    /// latest signal counts.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub fn listen() -> Result<Self> {
        use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
        let signals = Self::default();
        let failed = |e: std::io::Error| Error::failure(format!("cannot listen to signals: {e}"));
        let asked = Arc::new(AtomicBool::new(false));
        // Registered before the flag is set, so that only the second one finds it set.
        signal_hook::flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&asked)).map_err(failed)?;
        for signal in [SIGINT, SIGTERM, SIGUSR1] {
            let number = usize::try_from(signal).unwrap_or_default();
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.received), number).map_err(failed)?;
            signal_hook::flag::register(signal, Arc::clone(&asked)).map_err(failed)?;
        }
        Ok(signals)
    }

    /// Systems without these signals end a process at once; the last checkpoint remains.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Self> {
        Ok(Self::default())
    }

    /// Who asked to stop, if anyone did.
    pub fn stop(&self) -> Option<Stop> {
        match self.received.load(Ordering::Relaxed) {
            0 => None,
            INTERRUPT => Some(Stop::Interrupt),
            _ => Some(Stop::Terminate),
        }
    }
}
