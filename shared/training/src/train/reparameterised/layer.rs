//! One layer whose weights in use are a function of those that are trained.

use rayon::prelude::*;

use super::places::{CHUNK, Places};
use super::{Decays, Reparameterisation, Threshold};
use crate::run::{Saved, SavedTensor};
use crate::train::stored::{Stored, wrong};
use er_engine::{Movable, StepOptions};
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, LayerState, Mask};
use er_networks::score::Selector;
use er_networks::threshold::{gradients_of, is_below, soft_threshold};

/// Weights of at least this part of the magnitude that puts weights into use keep a place in the engine: thresholds also fall, and
/// momentum carries weights on.
const NEAR: f32 = 0.8;

/// A layer is laid out anew when fewer than this part of the places in the engine are needed.
const WORTH: f64 = 0.9;

/// Weights of a layer, in the edge order of its mask. Those in use are edges of the engine; weights that may soon be in use have
/// places there too, with value 0; for all others the engine has no edge, so that they cost it nothing.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    law: Reparameterisation,
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
    /// Which weights are in use, unless `level` says so.
    in_use: Vec<bool>,
    places: Places,
    /// Number of weights in use.
    pub(super) used: usize,
    /// Whether the engine must lay the layer out anew.
    pub(super) stale: bool,
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
    pub(super) fn descend(&self, options: &StepOptions, of: &mut Movable) {
        options.descend(self.rate, self.step, of.values, of.gradient, of.slots);
    }
}

impl Layer {
    /// A layer with these weights, which have not moved yet.
    pub(super) fn new(law: Reparameterisation, mask: Mask, weights: Vec<f32>, slots: usize) -> Self {
        let n = weights.len();
        let mut layer = Self {
            law,
            mask,
            slots: vec![vec![0.0; n]; slots],
            s: if let Reparameterisation::SoftThreshold { first, .. } = law { first } else { 0.0 },
            threshold_slots: vec![vec![0.0]; slots],
            rate: 0.0,
            level: 0.0,
            in_use: Vec::new(),
            places: Places::new((0..n).map(|_| true)),
            used: 0,
            stale: false,
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
    pub(super) fn stored(
        saved: &Saved,
        law: Reparameterisation,
        (name, shape): (&str, LayerShape),
        slots: usize,
    ) -> Result<Self> {
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
            layer.places = Places::new(layer.mask.iter().map(|p| placed.contains(p)));
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
            Reparameterisation::SoftThreshold { function, .. } => Some(function.at(self.s)),
            _ => None,
        }
    }

    /// Begins an epoch, counted from 0. What is in use may change.
    pub(super) fn enter(&mut self, epoch: u64) {
        self.rate = match self.law {
            Reparameterisation::SoftThreshold { .. } => 0.0,
            Reparameterisation::Largest { rate } => rate,
            Reparameterisation::Rising(rate) => rate.at(epoch),
        };
        let mut others: Vec<u32> = self.weights.iter().map(|w| w.abs().to_bits()).collect();
        self.places.iter().for_each(|i| others[i] = 0);
        let largest = others.into_iter().max().unwrap_or_default();
        let mut values: Vec<f32> = self.places.iter().map(|i| self.weights[i]).collect();
        self.choose(&mut values, f32::from_bits(largest));
    }

    /// Decides what is in use. `values` are the weights of the places, and afterwards what is in use of them; `largest` is the largest
    /// magnitude of the weights without one. What is in use of these counts when it has a place.
    fn choose(&mut self, values: &mut [f32], largest: f32) {
        let (near, outside);
        if let Some(g) = self.magnitude() {
            let level = g as f32;
            let of_chunk = |values: &mut [f32]| {
                let (mut used, mut near) = (0, 0);
                for value in values {
                    let is_used = !is_below(*value, level);
                    used += usize::from(is_used);
                    near += usize::from(is_used || value.abs() >= NEAR * level);
                    *value = soft_threshold(*value, level);
                }
                (used, near)
            };
            self.level = level;
            let add = |a: (usize, usize), b: (usize, usize)| (a.0 + b.0, a.1 + b.1);
            (self.used, near) = values.par_chunks_mut(CHUNK).map(of_chunk).reduce(|| (0, 0), add);
            outside = !is_below(largest, level);
        } else {
            let left_out = (self.rate * self.mask.shape().weights() as f64) as usize;
            self.used = self.weights.len().saturating_sub(left_out);
            self.selector.select(&self.weights, self.used, &mut self.in_use);
            let least = |least: f32, (w, used): (&f32, &bool)| if *used { least.min(w.abs()) } else { least };
            let level = self.weights.iter().zip(&self.in_use).fold(f32::INFINITY, least);
            // The straight-through gradient needs all weights.
            self.level = if matches!(self.law, Reparameterisation::Largest { .. }) { 0.0 } else { level };
            let (mut with_place, mut are_near) = (0, 0);
            for (value, i) in values.iter_mut().zip(self.places.iter()) {
                with_place += usize::from(self.in_use[i]);
                are_near += usize::from(self.in_use[i] || value.abs() >= NEAR * self.level);
                *value = if self.in_use[i] { *value } else { 0.0 };
            }
            (near, outside) = (are_near, with_place < self.used);
        }
        self.stale = outside || (near as f64) < WORTH * self.places.len() as f64;
    }

    /// Moves weights and threshold by the gradients of the weights in use, and puts what is in use then into the engine. Sums are
    /// those of chunks, added in their order, so that they do not depend on threads.
    pub(super) fn step(&mut self, places: &mut Movable, how: Move, freeze: bool) {
        let (law, level, moving) = (self.law, self.level, (!freeze).then_some(self.slots.len()));
        let mut slots = self.slots.iter_mut().map(|slot| slot.chunks_mut(CHUNK));
        let (mut first, mut second) = (slots.next(), slots.next());
        let mut in_use = self.in_use.chunks(CHUNK);
        let chunks = self.weights.chunks_mut(CHUNK).zip(self.places.chunks(places.gradient, places.values));
        let chunks = chunks.map(|(weights, (at, upstream, values))| {
            let slots = [&mut first, &mut second].map(|slot| slot.as_mut().and_then(Iterator::next).unwrap_or_default());
            Chunk { weights, slots, in_use: in_use.next().unwrap_or_default(), at, upstream, values }
        });
        let sums = chunks.collect::<Vec<_>>().into_par_iter().map(|mut chunk| chunk.step(law, level, how, moving));
        let add = |(sum, most): (f64, u32), (of_g, largest)| (sum + of_g, most.max(largest));
        let (of_g, largest) = sums.collect::<Vec<_>>().into_iter().fold((0.0, 0), add);
        if let Reparameterisation::SoftThreshold { function, .. } = law {
            let gradient = function.slope(self.s) * of_g;
            let (values, slots) = (std::slice::from_mut(&mut self.s), &mut self.threshold_slots);
            how.decays.thresholds.descend(how.rate, how.step, values, &[gradient], slots);
        }
        self.choose(places.values, f32::from_bits(largest));
    }

    /// Whether the network uses each weight.
    fn used(&self) -> impl Iterator<Item = bool> + '_ {
        let soft = self.magnitude().is_some();
        self.weights.iter().enumerate().map(move |(i, w)| if soft { !is_below(*w, self.level) } else { self.in_use[i] })
    }

    /// What the network uses of a weight.
    fn value(&self, i: usize) -> f32 {
        match self.law {
            Reparameterisation::SoftThreshold { .. } => soft_threshold(self.weights[i], self.level),
            _ if self.in_use[i] => self.weights[i],
            _ => 0.0,
        }
    }

    /// The places that the engine has.
    fn placed(&self) -> Mask {
        let mut placed = self.places.iter().peekable();
        let edges = self.mask.iter().enumerate().filter(|(i, _)| placed.next_if_eq(i).is_some());
        Mask::from_positions(self.mask.shape(), edges.map(|(_, p)| p))
    }

    /// Gives a place to what may soon be in use.
    pub(super) fn place(&mut self) {
        let near = |(w, used): (&f32, bool)| used || w.abs() >= NEAR * self.level;
        self.places = Places::new(self.weights.iter().zip(self.used()).map(near));
        self.used = self.used().filter(|used| *used).count();
        self.stale = false;
    }

    /// The layer as the engine is to have it.
    pub(super) fn lay_out(&self, state: &mut LayerState) {
        state.mask = self.placed();
        state.weights = self.places.iter().map(|i| self.value(i)).collect();
        state.slots = Vec::new();
    }

    /// The layer as it is to be saved and measured: the weights in use alone.
    pub(super) fn network(&self) -> LayerState {
        let used = || self.mask.iter().enumerate().zip(self.used()).filter(|(_, used)| *used);
        let mask = Mask::from_positions(self.mask.shape(), used().map(|((_, p), _)| p));
        LayerState { mask, weights: used().map(|((i, _), _)| self.value(i)).collect(), slots: Vec::new() }
    }
}

/// Some weights of a layer, and the places that they have.
struct Chunk<'a> {
    weights: &'a mut [f32],
    /// Optimiser state; empty where there is none.
    slots: [&'a mut [f32]; 2],
    in_use: &'a [bool],
    at: &'a [u16],
    upstream: &'a [f32],
    values: &'a mut [f32],
}

impl Chunk<'_> {
    /// Moves the weights, if they have a number of `slots`, and puts those with places there. Returns what the gradient of the
    /// threshold is here, and the largest magnitude of the other weights, as its bits: they are ordered as magnitudes are.
    fn step(&mut self, law: Reparameterisation, level: f32, how: Move, slots: Option<usize>) -> (f64, u32) {
        let (n, mut of_g, mut all) = (self.weights.len(), 0.0, [0.0; CHUNK]);
        for (at, u) in self.at.iter().map(|at| usize::from(*at)).zip(self.upstream) {
            let (gradient, part) = match law {
                Reparameterisation::SoftThreshold { .. } => gradients_of(self.weights[at], *u, level),
                Reparameterisation::Rising(_) if !self.in_use[at] => (0.0, 0.0),
                Reparameterisation::Largest { .. } | Reparameterisation::Rising(_) => (*u, 0.0),
            };
            all[at] = gradient;
            of_g += part;
        }
        if let Some(slots) = slots {
            let slots = &mut self.slots[..slots];
            how.decays.weights.descend_part(how.rate, how.step, self.weights, &all[..n], slots);
        }
        all.iter_mut().zip(&*self.weights).for_each(|(magnitude, w)| *magnitude = w.abs());
        for (at, value) in self.at.iter().map(|at| usize::from(*at)).zip(&mut *self.values) {
            *value = self.weights[at];
            all[at] = 0.0;
        }
        (of_g, all[..n].iter().fold(0, |most, magnitude| most.max(magnitude.to_bits())))
    }
}
