//! The density of a network that is pruned while it trains.

use er_graphs::registry::Selected;

use super::Decay;
use super::decay::Cubic;

/// A density that falls: `d(t) = d_f + (d_i − d_f)·left((x − begin)/(end − begin))` where `x = ⌊t / unit⌋`, from `begin` on. The usual way is
/// [`Cubic`](super::decay::Cubic) (Zhu and Gupta 2017).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FallingDensity {
    /// d_i.
    pub initial: f64,
    /// d_f.
    pub last: f64,
    /// First x with a target.
    pub begin: f64,
    /// The x at which the density has arrived at d_f.
    pub end: f64,
    /// Last x with a target; beyond, the density is left alone.
    pub until: f64,
    /// Steps that make up one x.
    pub unit: u64,
    /// How it falls.
    pub decay: Selected<dyn Decay>,
    /// Whether the last target is d_f whatever that says.
    pub reaches: bool,
}

/// As a cube.
const CUBIC: Selected<dyn Decay> = Selected::new(&Cubic);

impl FallingDensity {
    /// GraNet's and GMP's: counts updates of `interval` steps, from the one that begins at step `ends[0]` to the last before the one
    /// that begins at step `ends[1]`, so that the last target lies `(d_i − d_f)/(updates)³` above d_f.
    #[must_use]
    pub fn by_updates(densities: [f64; 2], ends: [u64; 2], interval: u64) -> Self {
        let [begin, end] = ends.map(|step| (step / interval) as f64);
        Self {
            initial: densities[0],
            last: densities[1],
            begin,
            end,
            until: end - 1.0,
            unit: interval,
            decay: CUBIC,
            reaches: false,
        }
    }

    /// As [`FallingDensity::by_updates`] with fractions of updates, as the `_uniform` methods count: the last target is the one at
    /// or before the end.
    #[must_use]
    pub fn by_fractions(densities: [f64; 2], ends: [u64; 2], interval: u64) -> Self {
        let [begin, end] = ends.map(|step| step as f64 / interval as f64);
        Self { initial: densities[0], last: densities[1], begin, end, until: end, unit: interval, decay: CUBIC, reaches: false }
    }

    /// Zhu and Gupta's: from step `begin` to step `end`, and d_f from there on.
    #[must_use]
    pub fn by_steps(densities: [f64; 2], begin: u64, end: u64) -> Self {
        let [begin, end] = [begin, end].map(|t| t as f64);
        Self {
            initial: densities[0],
            last: densities[1],
            begin,
            end,
            until: f64::INFINITY,
            unit: 1,
            decay: CUBIC,
            reaches: false,
        }
    }

    /// The step of the last of the updates every `interval` steps that have a target of their own: none after it asks for less.
    #[must_use]
    pub fn last_update(&self, interval: u64) -> u64 {
        if self.until.is_finite() { self.until as u64 * self.unit } else { (self.end as u64).next_multiple_of(interval) }
    }

    /// The target at step t, if there is one.
    pub fn at(&self, step: u64) -> Option<f64> {
        let x = (step / self.unit) as f64;
        let inside = self.end > self.begin && self.begin <= x && x <= self.until;
        let left = if self.reaches && x + 1.0 > self.until {
            0.0
        } else {
            self.decay.left(((x - self.begin) / (self.end - self.begin)).min(1.0), &self.decay.values())
        };
        inside.then_some(self.last + (self.initial - self.last) * left)
    }
}
