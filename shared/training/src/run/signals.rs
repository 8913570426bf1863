//! Being asked to stop: the first signal lets the current step finish and saves, a second one of the same kind ends at once.

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
    /// A scheduler, with SIGTERM or SIGUSR1, or a terminal that was closed, with SIGHUP: exit code 75, "save and try again later".
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

    /// Listens from now on to SIGINT, SIGTERM, SIGUSR1 and SIGHUP, the last unless whoever started the process had it ignored, as
    /// `nohup` does. The latest signal counts, until there is a reason to end at once: SIGINT after any other signal, itself
    /// included (exit code 130), or another signal for the second time (exit code 75). A scheduler that sends SIGUSR1 and, later,
    /// SIGTERM does not keep the run from saving.
    ///
    /// # Errors
    /// If the system refuses.
    #[cfg(unix)]
    pub fn listen() -> Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
        use signal_hook::flag;
        let signals = Self::default();
        let failed = |e: std::io::Error| Error::failure(format!("cannot listen to signals: {e}"));
        let any = Arc::new(AtomicBool::new(false));
        let listened = [SIGINT, SIGTERM, SIGUSR1, SIGHUP].into_iter().filter(|&signal| signal != SIGHUP || !is_ignored(signal));
        for signal in listened {
            let (before, code) = if signal == SIGINT { (Arc::clone(&any), 130) } else { (Arc::default(), 75) };
            // Registered before the flags are set, so that only the second signal finds its flag set.
            flag::register_conditional_shutdown(signal, code, Arc::clone(&before)).map_err(failed)?;
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&signals.received), number).map_err(failed)?;
            flag::register(signal, before).map_err(failed)?;
            flag::register(signal, Arc::clone(&any)).map_err(failed)?;
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

/// Whether this process has been started so that it ignores a signal; false where the system does not tell.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim);
    mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
