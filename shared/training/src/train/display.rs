//! What a run shows while it trains, on standard error: a bar on a terminal, else plain lines, or nothing.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr};

use console::{Style, StyledObject};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{FinishedEpoch, FinishedStep, Hook};
use er_engine::Engine;
use er_graphs::error::{Error, Result};
use er_graphs::printable::{line, lines};

/// Prints a remark, on one line. A closed standard error is no reason to stop.
pub fn remark(text: &str) {
    let _ = writeln!(stderr(), "{} {}", coloured("note:", Style::new().yellow()), line(text));
}

/// Prints an error, a line for each problem, and what to do.
pub fn tell(error: &Error) {
    let mut text = String::new();
    for line in error.what().lines() {
        let _ = writeln!(text, "{} {line}", coloured("error:", Style::new().red()));
    }
    if let Some(help) = error.help_text() {
        let _ = writeln!(text, "  {} {help}", coloured("help:", Style::new().cyan()));
    }
    let _ = stderr().write_all(text.as_bytes());
}

/// A word in a colour, on a terminal that has some, unless `NO_COLOR` is set.
fn coloured(word: &str, style: Style) -> StyledObject<&str> {
    style.for_stderr().apply_to(word)
}

/// Shows progress.
#[derive(Debug)]
pub struct Display {
    quiet: bool,
    epochs: u64,
    steps: u64,
    bar: Option<ProgressBar>,
}

impl Display {
    /// A display for a training of this many epochs and steps that stands after `begun` of them; a quiet one shows nothing.
    pub fn new(quiet: bool, epochs: u64, steps: u64, begun: u64) -> Self {
        let bar = (!quiet && stderr().is_terminal()).then(|| {
            // The bar takes what room the terminal has; the time is that until the end of training.
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent}% {msg} {eta} left");
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
            bar.set_position(begun);
            bar.reset_eta();
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { quiet, epochs, steps, bar }
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
        if let Some(event) = step.event {
            self.line(&format!("step {}: {}", clock.step, event.line()));
        }
        if let Some(bar) = &self.bar {
            bar.set_prefix(format!("epoch {}/{}", clock.epochs_begun(), self.epochs));
            bar.set_position(clock.step.min(self.steps));
            bar.set_message(format!("loss {:.3}", step.outcome.loss()));
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
        let best = if epoch.is_best && epoch.competes { ", best" } else { "" };
        let seconds = if epoch.seconds < 10.0 { format!("{:.1}", epoch.seconds) } else { format!("{:.0}", epoch.seconds) };
        self.write(&format!(
            "epoch {}/{}: lr {}, loss {:.3}, train {:.1} %, valid {:.2} %, {seconds} s{}",
            progress.clock.epochs_begun(),
            self.epochs,
            short(epoch.rate),
            progress.train.mean_loss().unwrap_or_default(),
            percent(progress.train.accuracy()),
            percent(progress.validation.accuracy()),
            coloured(best, Style::new().green()),
        ));
        Ok(())
    }
}

/// A learning rate with three digits.
fn short(rate: f64) -> String {
    let rounded: f64 = format!("{rate:.2e}").parse().unwrap_or(rate);
    if rounded < 1e-3 { format!("{rounded:e}") } else { rounded.to_string() }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_three_digits() {
        for (rate, text) in [
            (0.1, "0.1"),
            (0.1 * 0.1, "0.01"),
            (0.049_384_4, "0.0494"),
            (1.234_5e-4, "1.23e-4"),
            (0.1 * 0.1 * 0.1, "0.001"),
            (2.0, "2"),
        ] {
            assert_eq!(short(rate), text);
        }
    }
}
