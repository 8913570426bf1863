//! What rules remember from one step to the next.

use super::{Real, Velocities};
use er_graphs::graph::{LayerState, Mask};

/// Velocities of all weights of a layer, edges or not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Momentum<T> {
    /// SGD: `u ← μu + g`; Adam: the first moment. Empty if nobody needs it.
    pub first: Vec<T>,
    /// Adam: the second moment.
    pub second: Vec<T>,
}

/// μ of the velocities of all weights, or Adam's moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MomentumKind {
    /// `u ← μu + g`.
    Sgd(f64),
    /// `m ← 0.9m + 0.1g`, `v ← 0.999v + 0.001g²`.
    Adam,
}

impl<T: Real> Momentum<T> {
    /// Takes a step's gradient of all weights.
    pub fn add(&mut self, kind: MomentumKind, gradient: &[T]) {
        let blend = |values: &mut Vec<T>, old: f64, new: &dyn Fn(f64) -> f64| {
            values.resize(gradient.len(), T::default());
            for (v, g) in values.iter_mut().zip(gradient) {
                *v = T::nearest(old * (*v).into() + new((*g).into()));
            }
        };
        match kind {
            MomentumKind::Sgd(mu) => blend(&mut self.first, mu, &|g| g),
            MomentumKind::Adam => {
                blend(&mut self.first, 0.9, &|g| 0.1 * g);
                blend(&mut self.second, 0.999, &|g| 0.001 * g * g);
            }
        }
    }

    /// For scores and ways to grow.
    pub(super) fn view(&self) -> Velocities<'_> {
        Velocities { first: T::numbers(&self.first), second: T::numbers(&self.second) }
    }
}

/// |m| / (√v + 1e-8): the length of Adam's step, but for the rate.
pub(super) fn adam<T: Real>(m: T, v: T) -> f64 {
    m.into().abs() / (v.into().sqrt() + 1e-8)
}

/// What rules remember.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory<T> {
    /// Updates so far.
    pub updates: u64,
    /// By layer.
    pub layers: Vec<LayerMemory<T>>,
}

/// What rules remember of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMemory<T> {
    /// Positions that have had an edge after some update, or at the beginning (in-time over-parameterisation, Liu et al. 2021).
    pub ever: Mask,
    /// Velocities of all weights, if growth reads them.
    pub momentum: Momentum<T>,
    /// Updates that changed the layer.
    pub changes: u64,
    /// Step of the last of them; 0 if there is none.
    pub last_change: u64,
}

impl<T> Memory<T> {
    /// Notes an update at this step that changed the layers' edges from `before` to `after`.
    pub fn follow<'a>(&mut self, step: u64, before: &[Mask], after: impl IntoIterator<Item = &'a Mask>) {
        self.updates += 1;
        for ((memory, before), after) in self.layers.iter_mut().zip(before).zip(after) {
            if before != after {
                memory.ever.extend(after);
                memory.changes += 1;
                memory.last_change = step;
            }
        }
    }
}

impl<T: Real> Memory<T> {
    /// Of layers that have not changed yet.
    #[must_use]
    pub fn new(layers: &[LayerState<T>]) -> Self {
        let layer =
            |l: &LayerState<T>| LayerMemory { ever: l.mask.clone(), momentum: Momentum::default(), changes: 0, last_change: 0 };
        Self { updates: 0, layers: layers.iter().map(layer).collect() }
    }
}
