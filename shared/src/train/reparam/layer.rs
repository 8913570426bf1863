//! One layer whose weights in use are a function of those that are trained.

use super::{Decays, Law, Threshold};
use crate::engine::{Movable, TrainOptions};
use crate::error::Result;
use crate::graph::{LayerShape, LayerState, Mask};
use crate::run::{Saved, SavedTensor};
use crate::score::Selector;
use crate::threshold::{soft_threshold, threshold_gradient, weight_gradients};
use crate::train::stored::{Stored, wrong};

/// Weights of at least this part of the magnitude that puts weights into use keep a place in the engine: thresholds also fall, and
/// momentum carries weights on.
const NEAR: f32 = 0.8;

/// A layer is laid out anew when fewer than this part of the places in the engine are needed.
const WORTH: f64 = 0.9;

/// Weights of a layer, in the edge order of its mask. Those in use are edges of the engine; weights that may soon be in use have
/// places there too, with value 0; for all others the engine has no edge, so that they cost it nothing.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    law: Law,
    /// Weights that may be in use.
    mask: Mask,
    /// What is trained.
    weights: Vec<f32>,
    /// Optimiser state of the weights.
    slots: Vec<Vec<f32>>,
    /// The trained parameter s of a soft threshold g(s), and its optimiser state.
    s: f64,
    threshold_slots: Vec<Vec<f64>>,
    /// Part of all weights that is left out, where the law is about parts.
    rate: f64,
    /// Magnitude that puts weights into use.
    level: f32,
    in_use: Vec<bool>,
    placed: Vec<bool>,
    /// Number of weights in use.
    pub(super) used: usize,
    /// Number of places.
    places: usize,
    /// Whether the engine must lay the layer out anew.
    pub(super) stale: bool,
    gradients: Vec<f32>,
    selector: Selector<f32>,
}

/// The step that parameters make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Move<'a> {
    /// How each group of parameters moves.
    pub(super) decays: &'a Decays,
    pub(super) rate: f64,
    /// Counted from 1.
    pub(super) step: u64,
}

impl Move<'_> {
    /// Moves parameters by the optimiser.
    pub(super) fn descend(&self, options: &TrainOptions, of: &mut Movable) {
        options.descend(self.rate, self.step, of.values, of.gradient, of.slots);
    }
}

impl Layer {
    /// A layer with these weights, which have not moved yet.
    pub(super) fn new(law: Law, mask: Mask, weights: Vec<f32>, slots: usize) -> Self {
        let n = weights.len();
        let mut layer = Self {
            law,
            mask,
            slots: vec![vec![0.0; n]; slots],
            s: if let Law::SoftThreshold { first, .. } = law { first } else { 0.0 },
            threshold_slots: vec![vec![0.0]; slots],
            rate: 0.0,
            level: 0.0,
            in_use: vec![false; n],
            placed: vec![true; n],
            used: 0,
            places: n,
            stale: false,
            gradients: vec![0.0; n],
            selector: Selector::default(),
            weights,
        };
        layer.enter(0);
        layer
    }

    /// What a checkpoint holds of a layer of this name and shape, but for what [`Layer::restore`] takes over.
    ///
    /// # Errors
    /// If something is missing or does not fit.
    pub(super) fn stored(saved: &Saved, law: Law, (name, shape): (&str, LayerShape), slots: usize) -> Result<Self> {
        let stored = Stored { saved, layer: name, shape };
        let LayerState { mask, weights, .. } = Self::trained(saved, name, shape)?;
        let placed = stored.bits("placed")?;
        let mut layer = Self::new(law, mask, weights, slots);
        for (i, slot) in layer.slots.iter_mut().enumerate() {
            let values = stored.numbers(&format!("velocity.{i}"), slot.len())?;
            if !values.is_empty() {
                *slot = values;
            }
        }
        if let Some(placed) = placed {
            layer.placed = layer.mask.iter().map(|p| placed.contains(p)).collect();
            layer.places = placed.edges();
        }
        Ok(layer)
    }

    /// The mask and the trained weights that a checkpoint holds of a layer of this name and shape.
    ///
    /// # Errors
    /// As [`Layer::stored`].
    pub(super) fn trained(saved: &Saved, name: &str, shape: LayerShape) -> Result<LayerState> {
        let stored = Stored { saved, layer: name, shape };
        let missing = |what: &str| wrong(format_args!("{what}.{name} is missing"));
        let mask = stored.bits("allowed")?.ok_or_else(|| missing("allowed"))?;
        let weights = stored.numbers("trained", mask.edges())?;
        if weights.len() < mask.edges() {
            return Err(missing("trained"));
        }
        Ok(LayerState { mask, weights, slots: Vec::new() })
    }

    /// Takes over a saved threshold, and what `epoch` decides.
    pub(super) fn restore(&mut self, saved: &Threshold, epoch: u64) {
        self.s = saved.s;
        self.threshold_slots.iter_mut().zip(&saved.slots).for_each(|(slot, value)| slot[0] = *value);
        self.enter(epoch);
    }

    /// What a checkpoint should hold.
    pub(super) fn save(&self, mut put: impl FnMut(&str, SavedTensor)) {
        put("allowed", SavedTensor::Bits(self.mask.to_bytes()));
        put("placed", SavedTensor::Bits(self.placed().to_bytes()));
        put("trained", SavedTensor::Floats(self.weights.clone()));
        for (i, slot) in self.slots.iter().enumerate() {
            put(&format!("velocity.{i}"), SavedTensor::Floats(slot.clone()));
        }
    }

    /// What a checkpoint should hold of the threshold.
    pub(super) fn threshold(&self) -> Threshold {
        let slots = self.threshold_slots.iter().flatten().copied().collect();
        Threshold { s: self.s, magnitude: self.magnitude(), slots }
    }

    /// Number of weights that may be in use.
    pub(super) fn allowed(&self) -> usize {
        self.weights.len()
    }

    /// The threshold g(s) itself, where there is one.
    pub(super) fn magnitude(&self) -> Option<f64> {
        match self.law {
            Law::SoftThreshold { function, .. } => Some(function.at(self.s)),
            _ => None,
        }
    }

    /// Begins an epoch, counted from 0. What is in use may change.
    pub(super) fn enter(&mut self, epoch: u64) {
        self.rate = match self.law {
            Law::SoftThreshold { .. } => 0.0,
            Law::Largest { rate } => rate,
            Law::Rising(rate) => rate.at(epoch),
        };
        self.choose();
    }

    /// Decides what is in use.
    fn choose(&mut self) {
        if let Some(g) = self.magnitude() {
            let g = g as f32;
            self.level = g;
            self.in_use.iter_mut().zip(&self.weights).for_each(|(used, w)| *used = w.abs() > g);
            self.used = self.in_use.iter().filter(|u| **u).count();
        } else {
            let left_out = (self.rate * self.mask.shape().weights() as f64) as usize;
            let keep = self.weights.len().saturating_sub(left_out);
            self.selector.select(&self.weights, keep, &mut self.in_use);
            self.used = keep;
            let least = |least: f32, (w, used): (&f32, &bool)| if *used { least.min(w.abs()) } else { least };
            let level = self.weights.iter().zip(&self.in_use).fold(f32::INFINITY, least);
            // The straight-through gradient needs all weights.
            self.level = if matches!(self.law, Law::Largest { .. }) { 0.0 } else { level };
        }
        let needed = |((w, used), placed): ((&f32, &bool), &bool)| (*used || w.abs() >= NEAR * self.level, *used && !*placed);
        let (mut near, mut outside) = (0, false);
        self.weights.iter().zip(&self.in_use).zip(&self.placed).map(needed).for_each(|(is_near, is_outside)| {
            near += usize::from(is_near);
            outside |= is_outside;
        });
        self.stale = outside || (near as f64) < WORTH * self.places as f64;
    }

    /// Moves weights and threshold by the gradients of the weights in use, and puts what is in use then into the engine.
    pub(super) fn step(&mut self, weights: &mut Movable, how: Move, freeze: bool) {
        let mut gradients = weights.gradient.iter().copied();
        let of_places = self.gradients.iter_mut().zip(&self.placed);
        of_places.for_each(|(gradient, placed)| *gradient = if *placed { gradients.next() } else { None }.unwrap_or_default());
        match self.law {
            Law::SoftThreshold { function, .. } => {
                weight_gradients(&self.weights, &mut self.gradients, self.level);
                let slope = function.slope(self.s);
                let gradient = slope * threshold_gradient(&self.weights, &self.gradients, self.level);
                let (values, slots) = (std::slice::from_mut(&mut self.s), &mut self.threshold_slots);
                how.decays.thresholds.descend(how.rate, how.step, values, &[gradient], slots);
            }
            Law::Largest { .. } => {}
            Law::Rising(_) => {
                let unused = self.gradients.iter_mut().zip(&self.in_use).filter(|(_, in_use)| !**in_use);
                unused.for_each(|(gradient, _)| *gradient = 0.0);
            }
        }
        if !freeze {
            how.decays.weights.descend(how.rate, how.step, &mut self.weights, &self.gradients, &mut self.slots);
        }
        self.choose();
        self.show(weights.values);
    }

    /// The value in use of each weight.
    fn values(&self) -> impl Iterator<Item = f32> + '_ {
        let soft = matches!(self.law, Law::SoftThreshold { .. });
        self.weights.iter().zip(&self.in_use).map(move |(w, used)| match (*used, soft) {
            (false, _) => 0.0,
            (true, true) => soft_threshold(*w, self.level),
            (true, false) => *w,
        })
    }

    /// Puts the values in use into their places.
    fn show(&self, places: &mut [f32]) {
        let values = self.values().zip(&self.placed).filter(|(_, placed)| **placed);
        places.iter_mut().zip(values).for_each(|(place, (value, _))| *place = value);
    }

    /// The places that the engine has.
    fn placed(&self) -> Mask {
        let placed = self.mask.iter().zip(&self.placed).filter(|(_, placed)| **placed);
        Mask::from_positions(self.mask.shape(), placed.map(|(p, _)| p))
    }

    /// Gives a place to what may soon be in use.
    pub(super) fn place(&mut self) {
        let near = |(w, used): (&f32, &bool)| *used || w.abs() >= NEAR * self.level;
        self.placed = self.weights.iter().zip(&self.in_use).map(near).collect();
        self.places = self.placed.iter().filter(|p| **p).count();
        self.stale = false;
    }

    /// The layer as the engine is to have it.
    pub(super) fn lay_out(&self, state: &mut LayerState) {
        state.mask = self.placed();
        state.weights = vec![0.0; self.places];
        state.slots = Vec::new();
        self.show(&mut state.weights);
    }

    /// The layer as it is to be saved and measured: the weights in use alone.
    pub(super) fn network(&self) -> LayerState {
        let used = || self.mask.iter().zip(self.values()).zip(&self.in_use).filter(|(_, used)| **used);
        let mask = Mask::from_positions(self.mask.shape(), used().map(|((p, _), _)| p));
        LayerState { mask, weights: used().map(|((_, w), _)| w).collect(), slots: Vec::new() }
    }
}
