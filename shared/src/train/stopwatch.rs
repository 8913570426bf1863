//! How long steps take.

use super::{Hook, Step};
use crate::engine::Engine;
use crate::error::Result;

/// Steps left out of the median: caches, pages and clock frequencies settle in the first ones.
const WARM_UP: usize = 5;

/// Collects the duration of every step of this session.
#[derive(Debug, Default)]
pub struct Stopwatch {
    seconds: Vec<f64>,
    largest_batch: usize,
}

impl Stopwatch {
    /// Median duration of a step, waiting for its batch included; none unless the session had more than five steps, which do not
    /// count.
    pub fn median_step_seconds(&self) -> Option<f64> {
        let mut steps = self.seconds.get(WARM_UP..)?.to_vec();
        let middle = steps.len() / 2;
        if steps.is_empty() {
            return None;
        }
        let (below, upper, _) = steps.select_nth_unstable_by(middle, f64::total_cmp);
        let upper = *upper;
        Some(if self.seconds.len().abs_diff(WARM_UP) % 2 == 1 {
            upper
        } else {
            f64::midpoint(upper, below.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        })
    }

    /// Images of a full batch over the median duration of a step.
    pub fn images_per_second(&self) -> Option<f64> {
        self.median_step_seconds().map(|seconds| self.largest_batch as f64 / seconds)
    }
}

impl Hook for Stopwatch {
    fn after_step(&mut self, step: &Step, _: &mut dyn Engine) -> Result<()> {
        self.seconds.push(step.seconds);
        self.largest_batch = self.largest_batch.max(step.outcome.samples);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_leaves_the_first_steps_out() {
        let median = |after: &[f64]| {
            let seconds = [9.0; WARM_UP].iter().chain(after).copied().collect();
            Stopwatch { seconds, largest_batch: 100 }.median_step_seconds()
        };
        assert_eq!(median(&[]), None);
        assert_eq!(Stopwatch { seconds: vec![1.0; 3], largest_batch: 1 }.median_step_seconds(), None);
        assert_eq!(median(&[2.0]), Some(2.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let watch = Stopwatch { seconds: vec![0.5; 8], largest_batch: 100 };
        assert_eq!(watch.images_per_second(), Some(200.0));
    }
}
