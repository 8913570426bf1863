//! How long steps take.

use super::{FinishedStep, Hook};
use er_engine::Engine;
use er_graphs::error::Result;

/// Steps left out of the median, or half of them in a session of few: caches, pages and clock frequencies settle first.
const WARM_UP: usize = 5;

/// Collects the duration of every step of this session.
#[derive(Debug, Default)]
pub struct Stopwatch {
    seconds: Vec<f64>,
    waited: Vec<f64>,
    largest_batch: usize,
}

impl Stopwatch {
    /// First step that counts.
    fn first(&self) -> usize {
        WARM_UP.min(self.seconds.len() / 2)
    }

    /// Median duration of a step, waiting for its batch included; none before the first step.
    pub fn median_step_seconds(&self) -> Option<f64> {
        median(&self.seconds[self.first()..])
    }

    /// Share of the time of steps that went into waiting for batches; none before the first step.
    pub fn waiting_share(&self) -> Option<f64> {
        let sum = |seconds: &[f64]| seconds[self.first()..].iter().sum::<f64>();
        (!self.seconds.is_empty()).then(|| sum(&self.waited) / sum(&self.seconds))
    }

    /// Images of a full batch over the median duration of a step.
    pub fn images_per_second(&self) -> Option<f64> {
        self.median_step_seconds().map(|seconds| self.largest_batch as f64 / seconds)
    }
}

/// The middle of these durations, or the mean of the two middle ones; none of none.
pub fn median(seconds: &[f64]) -> Option<f64> {
    let mut sorted = seconds.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (lower, upper) = (sorted.get(sorted.len().saturating_sub(1) / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*lower, *upper))
}

impl Hook for Stopwatch {
    fn after_step(&mut self, step: &FinishedStep, _: &mut dyn Engine) -> Result<()> {
        self.seconds.push(step.seconds);
        self.waited.push(step.waited);
        self.largest_batch = self.largest_batch.max(step.outcome.samples);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_leaves_the_first_steps_out() {
        let median =
            |seconds: &[f64]| Stopwatch { seconds: seconds.to_vec(), waited: Vec::new(), largest_batch: 1 }.median_step_seconds();
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0]), Some(9.0));
        assert_eq!(median(&[9.0, 1.0]), Some(1.0));
        assert_eq!(median(&[9.0, 4.0, 1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[9.0, 9.0, 9.0, 9.0, 9.0, 4.0, 1.0, 2.0, 3.0, 5.0, 6.0]), Some(3.5));
        let watch =
            Stopwatch { seconds: vec![0.5; 8], waited: vec![1.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0, 0.25], largest_batch: 100 };
        assert_eq!(watch.images_per_second(), Some(200.0));
        assert_eq!(watch.waiting_share(), Some(0.125 / 0.5));
        assert_eq!(Stopwatch::default().waiting_share(), None);
    }
}
