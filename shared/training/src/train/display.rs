//! What a run shows while it trains, on standard error: a bar on a terminal, else plain lines, or nothing.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Epoch, Event, Hook, Level, Pruned, Step, Update};
use er_engine::Engine;
use er_graphs::error::Result;

/// Prints a remark. A closed standard error is no reason to stop.
pub fn remark(text: &str) {
    let _ = writeln!(stderr(), "note: {text}");
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
    fn after_step(&mut self, step: &Step, _: &mut dyn Engine) -> Result<()> {
        let clock = step.progress.clock;
        // Batches of the epoch so far, this one included.
        let batch = clock.step - (clock.epochs_begun() - 1) * clock.batches_per_epoch;
        if let Some(event) = step.event {
            let text = match event {
                Event::Update(update) => updated(update),
                Event::Level(level) => levelled(level),
                Event::Pruned(pruned) => pruned_to(pruned),
                Event::Sparsity(sparsity) => format!("density {:.6} ({} edges)", sparsity.density, sparsity.edges),
            };
            self.line(&format!("step {}: {text}", clock.step));
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

    fn after_epoch(&mut self, epoch: &Epoch, _: &mut dyn Engine) -> Result<()> {
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
            if epoch.is_best { " (best)" } else { "" },
            epoch.seconds,
        ));
        Ok(())
    }
}

/// One line on an update.
fn updated(update: &Update) -> String {
    let target = update.density_target.map(|d| format!(" (target {d:.6})")).unwrap_or_default();
    let mut parts = vec![format!("density {:.6}{target}", update.density)];
    if update.pruned > 0 {
        parts.push(format!("{} edges pruned", update.pruned));
    }
    if let Some(fraction) = update.drop_fraction {
        let returned = update.returned.map(|r| format!(", {:.1} % of them the same", 100.0 * r)).unwrap_or_default();
        let (dropped, grown) = (update.dropped, update.grown);
        parts.push(format!("{dropped} dropped and {grown} grown (drop fraction {fraction:.4}{returned})"));
    }
    if update.repaired > 0 {
        parts.push(format!("{} moved to keep units alive", update.repaired));
    }
    parts.push(format!("{:.4} of the weights active so far", update.itop));
    parts.join(", ")
}

/// One line on the beginning of a level.
fn levelled(level: &Level) -> String {
    let Level { level, levels, density_target, density, edges, biases, stayed, .. } = level;
    let stayed = stayed.map(|s| format!(", {:.1} % of those before", 100.0 * s)).unwrap_or_default();
    format!(
        "level {level} of {levels}: density {density_target:.6} asked for, {density:.6} kept ({edges} weights and {biases} \
         biases{stayed})"
    )
}

/// One line on the end of a level.
fn pruned_to(pruned: &Pruned) -> String {
    let Pruned { level, levels, density_target, density, density_effective, edges, pruned, missing, .. } = pruned;
    let missing = if *missing == 0 { String::new() } else { format!("; {missing} edges of the other run are not there") };
    format!(
        "level {level} of {levels}: {pruned} edges pruned, density {density_target:.6} asked for, {density:.6} kept ({edges} edges, \
         {density_effective:.6} on a path from image to logits){missing}"
    )
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
