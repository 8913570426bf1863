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

impl<T: Copy + Default> LayerState<T> {
    /// The weights at the edges of another mask; 0 where this one has no edge. O(weights).
    ///
    /// # Panics
    /// If the other mask is larger.
    pub fn weights_at(&self, mask: &Mask) -> Vec<T> {
        let mut dense = vec![T::default(); self.mask.shape().weights()];
        self.mask.iter().zip(&self.weights).for_each(|(p, w)| dense[p] = *w);
        mask.iter().map(|p| dense[p]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::LayerShape;

    #[test]
    fn weights_at_the_edges_of_another_mask() {
        let mask = |positions: &[usize]| Mask::from_positions(LayerShape::linear(2, 3), positions.iter().copied());
        let layer = LayerState { mask: mask(&[0, 2, 5]), weights: vec![1.0, 2.0, 3.0], slots: Vec::new() };
        assert_eq!(layer.weights_at(&mask(&[1, 2, 3, 5])), [0.0, 2.0, 0.0, 3.0_f32]);
    }
}
