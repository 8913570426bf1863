//! The backward pass.

use super::SparseEngine;
use super::blend::{Frame, MOST, Operand, Operands, read};
use super::conv::{InputGradient, WeightGradient};
use super::norm::Norm;
use super::plan::{Finish, Mode, Source, Step, Write};
use super::plane::{Completion, Watch, add_channel_sums, complete, planes};
use super::pool;
use super::tensor::{Shared, View};
use crate::Gradients;
use crate::simd::LANES;

/// Tables for the sums that a step's gradients owe to normalisations, by input and watch.
type Tables = [[Option<Shared<[f64; 2]>>; MOST]; 2];

impl SparseEngine {
    /// The backward pass of the samples that are loaded, after the forward pass and the loss; hands over the gradients of all
    /// weights that are wanted.
    pub(super) fn backward(&mut self, wanted: &mut Gradients) {
        self.norms.iter_mut().for_each(Norm::begin_sums);
        for s in (0..self.plan.steps.len()).rev() {
            self.backward_step(s, wanted);
        }
    }

    /// One step. Unsafe calls below rely on this: instructions, views, scratch memory and plan are the engine's own, the views
    /// have room for the samples, and nothing else computes on them. In the plan, a step writes no buffer that it reads, except
    /// where it settles its own gradient in the place of one of the terms.
    fn backward_step(&mut self, s: usize, wanted: &mut Gradients) {
        let tables = self.begin_sums(s);
        match self.plan.steps[s] {
            Step::Conv { layer, bias, .. } => {
                // SAFETY: the tables are the step's.
                unsafe { self.backward_conv(s, layer, &tables, wanted) };
                if let Some(bias) = bias {
                    self.backward_bias(s, bias);
                }
            }
            // SAFETY: the tables are the step's.
            Step::Sum { .. } => unsafe { self.backward_sum(s, &tables) },
            // SAFETY: the tables are the step's.
            Step::MaxPool { .. } | Step::AvgPool { .. } => unsafe { self.backward_pool(s, &tables) },
        }
        self.end_sums(s);
    }

    /// Makes the tables that completing the gradients of a step's inputs fills.
    fn begin_sums(&mut self, s: usize) -> Tables {
        let samples = self.samples;
        let parts = match self.plan.steps[s] {
            Step::Conv { layer, .. } => self.layers[layer].conv.parts(self.isa, samples),
            _ => samples.div_ceil(LANES),
        };
        let mut tables = Tables::default();
        for (tables, write) in tables.iter_mut().zip(&self.plan.back[s].writes) {
            let watch = write.iter().flat_map(|w| &w.finish.watch);
            for (table, &source) in tables.iter_mut().zip(watch) {
                let Source { norm, relu, .. } = self.plan.sources[source];
                *table = norm.map(|n| {
                    let sums = &mut self.norms[n].sums[usize::from(relu)];
                    sums.reset(parts);
                    sums.shared()
                });
            }
        }
        tables
    }

    /// Normalisations take the sums.
    fn end_sums(&mut self, s: usize) {
        for &source in self.plan.back[s].writes.iter().flatten().flat_map(|w| &w.finish.watch) {
            let Source { norm: Some(n), relu, .. } = self.plan.sources[source] else { continue };
            let affine = self.plan.norms[n].affine.map(|pair| {
                self.dense.get_disjoint_mut(pair).unwrap_or_else(|_| unreachable!("scale and shift are two parameters"))
            });
            self.norms[n].add_sums(relu, affine.map(|pair| pair.map(|d| d.gradient.as_mut_slice())));
        }
    }

    /// The gradient of a step's output as a sum of what readers of the output left.
    fn output_gradient(&self, s: usize) -> Operands<'_> {
        let blocks = self.samples.div_ceil(LANES);
        let output = self.plan.steps[s].output();
        let x = self.tensors.views[output];
        let mut operands: Operands = Default::default();
        for (to, term) in operands.iter_mut().zip(&self.plan.back[s].terms) {
            let Source { norm, relu, .. } = self.plan.sources[term.source];
            let (norm, way) = (norm.map(|n| &self.norms[n]), usize::from(relu));
            *to = Some(Operand {
                p: self.buffers.views[term.buffer].with_image(x.image, blocks),
                q: norm.map(|_| x),
                maps: norm.map(|n| [&*n.scale, &*n.slope[way], &*n.constant[way]]),
                relu: false,
            });
        }
        operands
    }

    fn completion<'a>(&'a self, finish: &Finish, tables: &[Option<Shared<[f64; 2]>>; MOST]) -> Completion<'a> {
        let relu = finish.relu.map(|source| {
            let operand = self.operand(source);
            (operand.p, operand.maps.map(|[scale, _, shift]| [scale, shift]))
        });
        let mut watches = [None; MOST];
        for ((to, &source), table) in watches.iter_mut().zip(&finish.watch).zip(tables) {
            let Source { tensor, norm, .. } = self.plan.sources[source];
            *to = norm.map(|n| &self.norms[n]).zip(*table).map(|(norm, sums)| {
                let x = self.tensors.views[tensor];
                Watch { x, inverse: &norm.inverse, offset: &norm.offset, sums }
            });
        }
        Completion { relu, watches }
    }

    /// Where the gradient of an input goes.
    fn target(&self, s: usize, input: usize) -> Option<(View, &Write)> {
        let blocks = self.samples.div_ceil(LANES);
        let write = self.plan.back[s].writes[input].as_ref()?;
        let tensor = self.plan.sources[self.plan.steps[s].inputs()[input]].tensor;
        let image = self.plan.tensors[tensor];
        Some((self.buffers.views[write.buffer].with_image(image, blocks), write))
    }

    /// The gradients of a layer and of its input.
    ///
    /// # Safety
    /// `tables` are those that [`Self::begin_sums`] made for this step.
    unsafe fn backward_conv(&mut self, s: usize, layer: usize, tables: &Tables, wanted: &mut Gradients) {
        let (mut edges, mut partial) = (std::mem::take(&mut self.layers[layer].gradient), std::mem::take(&mut self.partial));
        let input = self.plan.steps[s].inputs()[0];
        let target = self.target(s, 0).map(|(to, write)| InputGradient {
            to,
            accumulate: write.mode == Mode::Add,
            completion: self.completion(&write.finish, &tables[0]),
        });
        let (gradient, value, machine) = (self.output_gradient(s), self.operand(input), self.machine());
        let conv = &self.layers[layer].conv;
        if let Gradients::Weights { layers, visit } = wanted
            && layers[layer]
        {
            let mask = &self.states[layer].mask;
            let mut all = vec![0.0; mask.shape().weights()];
            let mut partial = vec![0.0; conv.partial_sums(true)];
            let to = WeightGradient::All(&mut all);
            // SAFETY: as said at `backward_step`; `begin_sums` has cut the layer for the samples, and `with` has reserved what it
            // needs.
            unsafe { conv.backward(machine, &gradient, value, target.as_ref(), to, &mut partial) };
            // Not computed a second time along the edges.
            for (edge, position) in edges.iter_mut().zip(mask.iter()) {
                *edge = all[position];
            }
            visit(layer, all);
        } else {
            // The last batch of an epoch may be cut differently from the largest.
            let needed = conv.partial_sums(false);
            if partial.len() < needed {
                partial.resize(needed, 0.0);
            }
            let to = WeightGradient::Edges(&mut edges);
            // SAFETY: as above.
            unsafe { conv.backward(machine, &gradient, value, target.as_ref(), to, &mut partial) };
        }
        (self.layers[layer].gradient, self.partial) = (edges, partial);
    }

    /// The gradient of a bias is the sum of the output's; what comes through a normalisation sums to zero.
    fn backward_bias(&mut self, s: usize, bias: usize) {
        let blocks = self.samples.div_ceil(LANES);
        let image = self.plan.tensors[self.plan.steps[s].output()];
        self.dense[bias].gradient.fill(0.0);
        for term in self.plan.back[s].terms.iter().filter(|t| self.plan.sources[t.source].norm.is_none()) {
            let gradient = self.buffers.views[term.buffer].with_image(image, blocks);
            // SAFETY: as said at `backward_step`; a bias has one value a channel.
            unsafe { add_channel_sums(self.isa, blocks, gradient, &mut self.dense[bias].gradient) };
        }
    }

    /// The stored gradient of a step's output, formed first if need be.
    fn settled(&mut self, s: usize) -> View {
        let (isa, samples) = (self.isa, self.samples);
        let blocks = samples.div_ceil(LANES);
        let back = &self.plan.back[s];
        let image = self.plan.tensors[self.plan.steps[s].output()];
        let to = self.buffers.views[back.settle.unwrap_or(back.terms[0].buffer)].with_image(image, blocks);
        if back.settle.is_some() {
            let terms = self.output_gradient(s);
            planes(blocks, image.channels, |b, c| {
                // SAFETY: as said at `backward_step`; each item writes its own plane, which may be that of the first term.
                unsafe { read(isa, samples, &terms, b, c..c + 1, Frame::plane(to, b, c), false) };
            });
        }
        to
    }

    /// The gradients of the summands.
    ///
    /// # Safety
    /// As [`Self::backward_conv`].
    unsafe fn backward_sum(&mut self, s: usize, tables: &Tables) {
        let (isa, samples) = (self.isa, self.samples);
        let from = self.settled(s);
        let operands = [Some(Operand::plain(from)), None, None, None];
        for (j, tables) in tables.iter().enumerate().take(self.plan.steps[s].inputs().len()) {
            let Some((to, write)) = self.target(s, j) else { continue };
            let completion = self.completion(&write.finish, tables);
            let moves = write.mode != Mode::Share;
            if !moves && completion.is_nothing() {
                continue;
            }
            planes(samples.div_ceil(LANES), to.image.channels, |b, c| {
                // SAFETY: as said at `backward_step`; each item writes its own plane.
                unsafe {
                    if moves {
                        read(isa, samples, &operands, b, c..c + 1, Frame::plane(to, b, c), write.mode == Mode::Add);
                    }
                    complete(isa, to, &completion, b, c);
                }
            });
        }
    }

    /// The gradient of a pooling's input.
    ///
    /// # Safety
    /// As [`Self::backward_conv`].
    unsafe fn backward_pool(&mut self, s: usize, tables: &Tables) {
        let samples = self.samples;
        let dy = self.settled(s);
        let Some((dx, write)) = self.target(s, 0) else { return };
        let completion = self.completion(&write.finish, &tables[0]);
        let to = (dx, write.mode == Mode::Add, &completion);
        match &self.plan.steps[s] {
            Step::MaxPool { window, input, output } => {
                let ends = [self.tensors.views[*output], dy];
                // SAFETY: as said at `backward_step`.
                unsafe { pool::max_backward(self.isa, samples, *window, self.pooled(*input), ends, to) };
            }
            // SAFETY: as said at `backward_step`.
            Step::AvgPool { window, .. } => unsafe { pool::average_backward(self.isa, samples, *window, dy, to) },
            Step::Conv { .. } | Step::Sum { .. } => unreachable!("a pooling"),
        }
    }
}
