//! A cube.

use super::Decay;
use er_graphs::registry::Named;

/// `(1 − x)³`, by which densities fall in gradual pruning (Zhu and Gupta 2017).
#[derive(Debug, Clone, Copy)]
pub struct Cubic;

impl Named for Cubic {
    fn name(&self) -> &'static str {
        "cubic"
    }

    fn about(&self) -> &'static str {
        "a cube, fast at first"
    }
}

impl Decay for Cubic {
    fn left(&self, x: f64, _: &[f64]) -> f64 {
        (1.0 - x).powi(3)
    }
}
