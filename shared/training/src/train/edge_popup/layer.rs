//! The scores of one layer.

use rayon::prelude::*;

use crate::run::{Saved, SavedTensor};
use crate::train::stored::{Stored, wrong};
use er_engine::{Movable, StepOptions};
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, LayerState, Mask};
use er_networks::score::{Selector, kept, straight_through};

/// A layer of edge-popup. All vectors have the allowed weights in the mask's edge order, then the allowed biases by output.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Weights that may be chosen.
    pub(super) weights: Mask,
    /// Outputs whose bias may be chosen.
    pub(super) biases: Mask,
    /// Values that never change.
    pub(super) frozen: Vec<f32>,
    pub(super) scores: Vec<f32>,
    /// Optimiser state of the scores.
    pub(super) slots: Vec<Vec<f32>>,
    /// What is chosen.
    pub(super) chosen: Vec<bool>,
    /// Place of the layer's biases among the dense parameters.
    pub(super) bias: usize,
    gradients: Vec<f32>,
    selector: Selector<f32>,
}

/// Shape of the biases of a layer, as a mask has it.
pub(super) fn bias_shape(shape: LayerShape) -> LayerShape {
    LayerShape::linear(shape.out, 1)
}

impl Layer {
    /// A layer in which nothing is chosen yet. `bias` is the place of its biases among the dense parameters.
    pub(super) fn new([weights, biases]: [Mask; 2], frozen: Vec<f32>, scores: Vec<f32>, slots: usize, bias: usize) -> Self {
        let n = scores.len();
        Self {
            weights,
            biases,
            frozen,
            slots: vec![vec![0.0; n]; slots],
            chosen: vec![false; n],
            gradients: vec![0.0; n],
            scores,
            bias,
            selector: Selector::default(),
        }
    }

    /// What a checkpoint holds of a layer of this name and shape.
    ///
    /// # Errors
    /// If something is missing or does not fit.
    pub(super) fn stored(saved: &Saved, name: &str, shape: LayerShape, slots: usize, bias: usize) -> Result<Self> {
        let stored = Stored { saved, layer: name, shape };
        let missing = |what: &str| wrong(format_args!("{what}.{name} is missing, so it is of no search for tickets"));
        let weights = stored.bits("allowed")?.ok_or_else(|| missing("allowed"))?;
        let biases = stored.mask("allowed_bias", bias_shape(shape))?.ok_or_else(|| missing("allowed_bias"))?;
        let n = weights.edges() + biases.edges();
        let [frozen, scores] = ["frozen", "scores"].map(|what| stored.numbers(what, n));
        let (frozen, scores) = (frozen?, scores?);
        if n > 0 && (frozen.is_empty() || scores.is_empty()) {
            return Err(missing("scores"));
        }
        let mut layer = Self::new([weights, biases], frozen, scores, slots, bias);
        for (i, slot) in layer.slots.iter_mut().enumerate() {
            let values = stored.numbers(&format!("velocity.{i}"), n)?;
            if !values.is_empty() {
                *slot = values;
            }
        }
        Ok(layer)
    }

    /// What a checkpoint should hold.
    pub(super) fn save(&self, mut put: impl FnMut(&str, SavedTensor)) {
        put("allowed", SavedTensor::Bits(self.weights.to_bytes()));
        put("allowed_bias", SavedTensor::Bits(self.biases.to_bytes()));
        let kept = self.biases.iter().zip(&self.chosen[self.weights.edges()..]).filter(|(_, c)| **c).map(|(o, _)| o);
        put("kept_bias", SavedTensor::Bits(Mask::from_positions(self.biases.shape(), kept).to_bytes()));
        put("frozen", SavedTensor::Floats(self.frozen.clone()));
        put("scores", SavedTensor::Floats(self.scores.clone()));
        for (i, slot) in self.slots.iter().enumerate() {
            put(&format!("velocity.{i}"), SavedTensor::Floats(slot.clone()));
        }
    }

    /// Weights and biases, allowed or not.
    pub(super) fn positions(&self) -> usize {
        self.weights.shape().weights() + self.weights.shape().out
    }

    /// Weights and biases that are chosen.
    pub(super) fn count(&self) -> [usize; 2] {
        let (weights, biases) = self.chosen.split_at(self.weights.edges());
        [weights, biases].map(|part| part.iter().filter(|c| **c).count())
    }

    /// Chooses the largest |score|, the first of equals, up to this fraction of all positions. O(scores).
    pub(super) fn choose(&mut self, density: f64) {
        let keep = kept(density, self.positions(), self.scores.len());
        self.selector.select(&self.scores, keep, &mut self.chosen);
    }

    /// Moves the scores by the gradients of the values in use (straight through the choice), chooses, and puts the chosen values
    /// into use.
    pub(super) fn step(
        &mut self,
        weights: &mut Movable,
        biases: &mut Movable,
        density: f64,
        (options, rate, step): (&StepOptions, f64, u64),
    ) {
        let (of_weights, of_biases) = self.gradients.split_at_mut(self.weights.edges());
        of_weights.copy_from_slice(weights.gradient);
        self.biases.iter().zip(of_biases).for_each(|(o, g)| *g = biases.gradient[o]);
        straight_through(&self.scores, &self.frozen, &mut self.gradients);
        options.descend(rate, step, &mut self.scores, &self.gradients, &mut self.slots);
        self.choose(density);
        self.show(weights.values, biases.values);
    }

    /// Puts the chosen values into use.
    pub(super) fn show(&self, weights: &mut [f32], biases: &mut [f32]) {
        let (chosen, of_biases) = self.chosen.split_at(weights.len());
        let value = |(chosen, frozen): (&bool, &f32)| if *chosen { *frozen } else { 0.0 };
        weights.iter_mut().zip(chosen.iter().zip(&self.frozen)).for_each(|(w, of)| *w = value(of));
        let frozen = &self.frozen[weights.len()..];
        self.biases.iter().zip(of_biases.iter().zip(frozen)).for_each(|(o, of)| biases[o] = value(of));
    }

    /// Whether the layer of a checkpoint's network has the chosen values, and no others, bit for bit.
    pub(super) fn agrees(&self, state: &LayerState, biases: &[f32]) -> bool {
        let (chosen, of_biases) = self.chosen.split_at(self.weights.edges());
        let (frozen, frozen_biases) = self.frozen.split_at(self.weights.edges());
        let bits = |w: &f32| w.to_bits();
        let edges = self.weights.iter().zip(chosen.iter().zip(frozen)).filter(|(_, (c, _))| **c).map(|(p, (_, w))| (p, bits(w)));
        let mut all = vec![0.0; biases.len()];
        self.biases.iter().zip(of_biases.iter().zip(frozen_biases)).filter(|(_, (c, _))| **c).for_each(|(o, (_, w))| all[o] = *w);
        edges.eq(state.mask.iter().zip(state.weights.iter().map(bits))) && all.iter().map(bits).eq(biases.iter().map(bits))
    }

    /// Multiplies the values by these factors for weights and biases.
    pub(super) fn scale(&mut self, [weights, biases]: [f64; 2]) {
        let (of_weights, of_biases) = self.frozen.split_at_mut(self.weights.edges());
        for (values, factor) in [(of_weights, weights), (of_biases, biases)] {
            values.par_iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
        }
    }
}
