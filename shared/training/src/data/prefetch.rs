//! Filling the next batch while the current one is in use.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::loader::Loader;
use er_engine::Batch;
use er_graphs::error::{Error, Result};

/// A [`Loader`] with a thread of its own that is always one batch ahead: while the caller works on a batch, the thread fills the one
/// after it. Two batches exist, the caller's and the thread's; they are exchanged, never copied.
///
/// Batches are those of [`Loader::fill`], whatever the order in which they are asked for; asking for another one than the next only
/// costs the wait for it. The thread ends with this value.
#[derive(Debug)]
pub struct Prefetch {
    loader: Arc<Loader>,
    /// Closed to end the thread.
    ask: Option<SyncSender<Job>>,
    done: Receiver<Batch>,
    thread: Option<JoinHandle<()>>,
    /// Epoch and step of the batch that the thread has been asked for.
    ahead: Option<(u64, usize)>,
}

struct Job {
    epoch: u64,
    step: usize,
    batch: Batch,
}

impl Prefetch {
    /// Starts the thread.
    ///
    /// # Errors
    /// Failure: the system refuses another thread.
    pub fn new(loader: Loader) -> Result<Self> {
        let loader = Arc::new(loader);
        let (ask, asked) = sync_channel::<Job>(1);
        let (give, done) = sync_channel(1);
        let fill = {
            let loader = Arc::clone(&loader);
            move || {
                while let Ok(Job { epoch, step, mut batch }) = asked.recv() {
                    loader.fill(epoch, step, &mut batch);
                    if give.send(batch).is_err() {
                        break;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("loader".into())
            .spawn(fill)
            .map_err(|error| Error::failure(format!("cannot start a thread for loading: {error}")))?;
        Ok(Self { loader, ask: Some(ask), done, thread: Some(thread), ahead: None })
    }

    /// The loader.
    pub fn loader(&self) -> &Loader {
        &self.loader
    }

    /// As [`Loader::fill`]; the thread then starts on the batch that follows, in the next epoch after the last one.
    ///
    /// # Panics
    /// As [`Loader::fill`].
    pub fn fill(&mut self, epoch: u64, step: usize, batch: &mut Batch) {
        // None before the first call; or if the thread died, and then filling here shows why.
        let ready = self.ahead.take().and_then(|which| self.done.recv().ok().map(|filled| (which, filled)));
        let spare = match ready {
            Some((which, filled)) if which == (epoch, step) => std::mem::replace(batch, filled),
            other => {
                self.loader.fill(epoch, step, batch);
                other.map(|(_, unwanted)| unwanted).unwrap_or_default()
            }
        };
        let next = if step + 1 < self.loader.batches_per_epoch() { (epoch, step + 1) } else { (epoch + 1, 0) };
        let job = Job { epoch: next.0, step: next.1, batch: spare };
        if self.ask.as_ref().is_some_and(|ask| ask.send(job).is_ok()) {
            self.ahead = Some(next);
        }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.ask = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed, and a caller that needed its batch has met it too.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::loader::tests::toy;
    use super::*;
    use crate::data::{Augment, Border, Part};

    fn loader(part: Part) -> Loader {
        Loader::new(toy(20, 3, Augment { pad: 1, border: Border::Zero, flip: true }), part, 6, 4).unwrap()
    }

    #[test]
    fn batches_are_those_of_the_loader() {
        for part in [Part::Train, Part::Validation, Part::Test] {
            let (plain, mut ahead) = (loader(part), Prefetch::new(loader(part)).unwrap());
            let n = plain.batches_per_epoch();
            assert_eq!(ahead.loader().batches_per_epoch(), n);
            let in_order = (0..3).flat_map(|epoch| (0..n).map(move |step| (epoch, step)));
            // Resumed in the middle, repeated, backwards.
            let jumps = [(7, n - 1), (8, 0), (8, 0), (2, n - 1), (2, 0)];
            let (mut expected, mut batch) = (Batch::default(), Batch::default());
            for (epoch, step) in in_order.chain(jumps) {
                plain.fill(epoch, step, &mut expected);
                ahead.fill(epoch, step, &mut batch);
                assert_eq!(batch, expected, "{part:?} epoch {epoch} step {step}");
            }
        }
    }

    #[test]
    fn two_batches_are_exchanged() {
        let mut ahead = Prefetch::new(loader(Part::Train)).unwrap();
        let mut batch = Batch::default();
        let mut buffers = std::collections::HashSet::new();
        for step in [0, 1, 2, 0, 1, 2] {
            ahead.fill(1, step, &mut batch);
            buffers.insert(batch.images.as_ptr());
        }
        assert_eq!(buffers.len(), 2);
    }

    #[test]
    fn the_thread_ends_with_the_value() {
        for used in [false, true] {
            let mut ahead = Prefetch::new(loader(Part::Train)).unwrap();
            if used {
                ahead.fill(0, 0, &mut Batch::default());
            }
            let held = Arc::downgrade(&ahead.loader);
            drop(ahead);
            assert!(held.upgrade().is_none());
        }
    }

    #[test]
    #[should_panic(expected = "batch 3 of 3")]
    fn a_step_that_is_not_there_panics_in_the_caller() {
        let mut ahead = Prefetch::new(loader(Part::Train)).unwrap();
        ahead.fill(0, 0, &mut Batch::default());
        ahead.fill(0, 3, &mut Batch::default());
    }
}
