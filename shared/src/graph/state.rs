//! A layer as a graph with numbers on its edges.

use super::Mask;

/// Pattern and per-edge state of one layer. All vectors are in the mask's edge order. Engines hold `f32`; rules that change masks
/// are checked with `f64` as well.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerState<T = f32> {
    /// Which weights exist.
    pub mask: Mask,
    /// Their values.
    pub weights: Vec<T>,
    /// Optimiser state per edge: empty before the first step, `[v]` for SGD with momentum, `[m, v]` for Adam.
    pub slots: Vec<Vec<T>>,
}
