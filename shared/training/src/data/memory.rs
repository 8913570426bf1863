//! A budget of memory that threads share.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that may be in use at any time by all threads together.
#[derive(Debug)]
pub(super) struct Memory {
    most: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that are in use until this is dropped.
#[derive(Debug)]
#[must_use]
pub(super) struct Held<'a> {
    memory: &'a Memory,
    bytes: u64,
}

impl Memory {
    pub(super) const fn new(bytes: u64) -> Self {
        Self { most: bytes, free: Mutex::new(bytes), freed: Condvar::new() }
    }

    /// Waits until this many bytes are free, and takes them; nothing if there never are that many. Who holds some must not ask for
    /// more: two threads that do may wait for each other.
    pub(super) fn take(&self, bytes: u64) -> Option<Held<'_>> {
        if bytes > self.most {
            return None;
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Some(Held { memory: self, bytes })
    }
}

impl Held<'_> {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.memory.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.memory.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn threads_together_stay_within_the_budget() {
        let memory = Memory::new(10);
        let (used, most, takes) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (memory, used, most, takes) = (&memory, &used, &most, &takes);
                scope.spawn(move || {
                    for i in 0..50 {
                        let held = memory.take((thread + i) % 10 + 1).unwrap();
                        most.fetch_max(used.fetch_add(held.bytes(), Ordering::SeqCst) + held.bytes(), Ordering::SeqCst);
                        std::thread::yield_now();
                        used.fetch_sub(held.bytes(), Ordering::SeqCst);
                        takes.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 10);
        assert_eq!((takes.into_inner(), *memory.free.lock().unwrap()), (400, 10));
    }

    #[test]
    fn more_than_there_is_is_refused_without_waiting() {
        let memory = Memory::new(10);
        let held = memory.take(10).unwrap();
        assert!(memory.take(11).is_none());
        drop(held);
        assert_eq!(memory.take(10).map(|held| held.bytes()), Some(10));
    }
}
