//! The forward pass.

use super::blend::{Frame, Operand, Operands, read};
use super::norm::Moments;
use super::plan::{Source, SourceId, Step, TensorId};
use super::plane::{measure, planes};
use super::pool::{self, Pooled};
use super::tensor::{Pixel, Shared, View};
use super::{Mode, SparseEngine, norm_values};
use crate::simd::{Isa, LANES};

impl SparseEngine {
    /// Lays out images in blocks of 16 samples; missing samples are zeros.
    ///
    /// # Panics
    /// If there are more samples than the engine was made for.
    pub(super) fn load(&mut self, images: &[f32]) {
        let samples = images.len() / self.spec.input().len();
        assert!(samples <= self.max_batch, "batch of {samples} samples, room for {}", self.max_batch);
        self.samples = samples;
        let to = self.tensors.views[0];
        let pixels = to.image.height * to.image.width;
        planes(samples.div_ceil(LANES), to.image.channels, |b, c| {
            // SAFETY: each item writes its own plane, of a tensor with room for the samples.
            let plane = unsafe { to.pixels_mut(b, c) };
            plane.fill(Pixel::ZERO);
            for lane in 0..LANES.min(samples - b * LANES) {
                let at = ((b * LANES + lane) * to.image.channels + c) * pixels;
                for (pixel, &value) in plane.iter_mut().zip(&images[at..at + pixels]) {
                    pixel.0[lane] = value;
                }
            }
        });
    }

    /// The forward pass of the samples that are loaded.
    pub(super) fn forward(&mut self, mode: Mode) {
        let samples = self.samples;
        if mode == Mode::Evaluate {
            for (norm, plan) in self.norms.iter_mut().zip(&self.plan.norms) {
                norm.use_running(&norm_values(&self.dense, *plan));
            }
        }
        if let Some(moments) = self.begin_moments(0, mode, samples.div_ceil(LANES)) {
            let (isa, input) = (self.isa, self.tensors.views[0]);
            // SAFETY: the engine's own instructions and tensors, which have room for the samples; nobody writes the input, and
            // each plane has its own place in the table.
            planes(samples.div_ceil(LANES), input.image.channels, |b, c| unsafe {
                measure_plane(isa, samples, input, moments, b, c);
            });
            self.end_moments(0);
        }
        for s in 0..self.plan.steps.len() {
            self.forward_step(s, mode);
        }
    }

    /// A table for the moments of a tensor that is about to be written, if a normalisation needs them.
    fn begin_moments(&mut self, tensor: TensorId, mode: Mode, parts: usize) -> Option<Shared<Moments>> {
        let norm = &mut self.norms[self.plan.norm_of(tensor).filter(|_| mode == Mode::Train)?];
        norm.parts.reset(parts);
        Some(norm.parts.shared())
    }

    /// The normalisation takes the moments.
    fn end_moments(&mut self, tensor: TensorId) {
        if let Some(n) = self.plan.norm_of(tensor) {
            self.norms[n].use_batch(&norm_values(&self.dense, self.plan.norms[n]));
        }
    }

    /// One step, whose unsafe calls rely on this: instructions, views, scratch memory and plan are the engine's own, the views
    /// have room for `samples` samples, and nothing else computes on them. In the plan, what a step writes is nothing that it
    /// reads.
    fn forward_step(&mut self, s: usize, mode: Mode) {
        let (isa, samples) = (self.isa, self.samples);
        let blocks = samples.div_ceil(LANES);
        let output = self.plan.steps[s].output();
        let mut parts = blocks;
        if let Step::Conv { layer, .. } = self.plan.steps[s] {
            let regions = self.layers[layer].conv.parts(isa, samples);
            if self.layers[layer].conv.measures() {
                parts = regions;
            }
        }
        let moments = self.begin_moments(output, mode, parts);
        let y = self.tensors.views[output];
        let channels = y.image.channels;
        // Whoever writes planes measures each when it is written.
        let measure = |b: usize, c: usize| {
            if let Some(moments) = moments {
                // SAFETY: as above; the plane has been written, and each has its own place in the table.
                unsafe { measure_plane(isa, samples, y, moments, b, c) };
            }
        };
        match &self.plan.steps[s] {
            Step::Conv { layer, input, bias, .. } => {
                let conv = &self.layers[*layer].conv;
                let bias = bias.map(|b| self.dense[b].state.values.as_slice());
                let fused = moments.filter(|_| conv.measures());
                // SAFETY: as above; the layer was cut for the samples at the beginning, and `with` has reserved what it needs.
                unsafe { conv.forward(self.machine(), self.operand(*input), y, bias, fused) };
                if moments.is_some() && fused.is_none() {
                    planes(blocks, channels, measure);
                }
            }
            Step::Sum { inputs, .. } => {
                let mut operands: Operands = Default::default();
                for (to, &input) in operands.iter_mut().zip(inputs) {
                    *to = Some(self.operand(input));
                }
                planes(blocks, channels, |b, c| {
                    // SAFETY: as above; each item writes its own plane.
                    unsafe { read(isa, samples, &operands, b, c..c + 1, Frame::plane(y, b, c), false) };
                    measure(b, c);
                });
            }
            // SAFETY: as above.
            Step::MaxPool { window, input, .. } => unsafe {
                pool::max_forward(isa, samples, *window, self.pooled(*input), y, measure);
            },
            // SAFETY: as above.
            Step::AvgPool { window, input, .. } => unsafe {
                pool::average_forward(isa, samples, *window, self.pooled(*input), y, measure);
            },
        }
        if moments.is_some() {
            self.end_moments(output);
        }
    }

    /// A source as convolutions and additions read it.
    pub(super) fn operand(&self, source: SourceId) -> Operand<'_> {
        let Source { tensor, norm, relu } = self.plan.sources[source];
        let maps = norm.map(|n| &self.norms[n]).map(|n| [&*n.scale, &*n.scale, &*n.shift]);
        Operand { p: self.tensors.views[tensor], q: None, maps, relu }
    }

    /// A source as poolings read it.
    pub(super) fn pooled(&self, source: SourceId) -> Pooled<'_> {
        let Source { tensor, norm, relu } = self.plan.sources[source];
        let map = norm.map(|n| &self.norms[n]).map(|n| [&*n.scale, &*n.shift]);
        Pooled { x: self.tensors.views[tensor], map, relu }
    }
}

/// Puts the moments of one plane into a table by block and channel.
///
/// # Safety
/// As [`measure`]; the plane's place in the table must be the caller's own.
unsafe fn measure_plane(isa: Isa, samples: usize, x: View, moments: Shared<Moments>, b: usize, c: usize) {
    // SAFETY: passed on from the caller.
    unsafe { moments.range(b * x.image.channels + c, 1)[0] = measure(isa, samples, x, b, c) }
}
