//! What a run shows while it trains, on standard error: a bar on a terminal, else plain lines, or nothing.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{FinishedEpoch, FinishedStep, Hook};
use er_engine::Engine;
use er_graphs::error::Result;
use er_graphs::printable::{line, lines};

/// Prints a remark, on one line. A closed standard error is no reason to stop.
pub fn remark(text: &str) {
    let _ = writeln!(stderr(), "note: {}", line(text));
}

/// Shows progress. No colours anywhere, so `NO_COLOR` asks for nothing more.
#[derive(Debug)]
pub struct Display {
    quiet: bool,
    epochs: u64,
    bar: Option<ProgressBar>,
}

impl Display {
    /// A display for a run of this many epochs; a quiet one shows nothing.
    pub fn new(quiet: bool, epochs: u64) -> Self {
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}  {eta}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { quiet, epochs, bar }
    }

    /// A line that stays. A closed standard error stops no run.
    pub fn line(&self, text: &str) {
        self.write(&line(text));
    }

    /// [`Display::line()`] of each line of a table.
    pub fn table(&self, text: &str) {
        self.write(&lines(text));
    }

    fn write(&self, text: &str) {
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => bar.suspend(|| drop(writeln!(stderr(), "{text}"))),
            None => drop(writeln!(stderr(), "{text}")),
        }
    }
}

impl Hook for Display {
    fn after_step(&mut self, step: &FinishedStep, _: &mut dyn Engine) -> Result<()> {
        let clock = step.progress.clock;
        // Batches of the epoch so far, this one included.
        let batch = clock.step - (clock.epochs_begun() - 1) * clock.batches_per_epoch;
        if let Some(event) = step.event {
            self.line(&format!("step {}: {}", clock.step, event.line()));
        }
        if let Some(bar) = &self.bar {
            if bar.length() != Some(clock.batches_per_epoch) || batch <= 1 {
                bar.set_prefix(format!("epoch {}/{}", clock.epochs_begun(), self.epochs));
                bar.set_length(clock.batches_per_epoch);
                bar.reset();
            }
            bar.set_position(batch);
            bar.set_message(format!("loss {:.4}", step.outcome.loss()));
        } else if let Some(sums) = step.interval.filter(|_| !step.ends_epoch) {
            let (loss, accuracy) = (sums.mean_loss().unwrap_or_default(), sums.accuracy().unwrap_or_default());
            let at = format!("epoch {} step {}", clock.epochs_begun(), clock.step);
            self.line(&format!("{at}: loss {loss:.4}, accuracy {:.2} %", 100.0 * accuracy));
        }
        Ok(())
    }

    fn after_epoch(&mut self, epoch: &FinishedEpoch, _: &mut dyn Engine) -> Result<()> {
        let progress = epoch.progress;
        let percent = |accuracy: Option<f64>| 100.0 * accuracy.unwrap_or_default();
        self.line(&format!(
            "epoch {}/{}: lr {}, train loss {:.4}, train accuracy {:.2} %, validation accuracy {:.2} %{}, {:.1} s",
            progress.clock.epochs_begun(),
            self.epochs,
            // Shorter than the exact value, which is seldom round in binary: 0.010000000000000002.
            epoch.rate as f32,
            progress.train.mean_loss().unwrap_or_default(),
            percent(progress.train.accuracy()),
            percent(progress.validation.accuracy()),
            if epoch.is_best && epoch.competes { " (best)" } else { "" },
            epoch.seconds,
        ));
        Ok(())
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
