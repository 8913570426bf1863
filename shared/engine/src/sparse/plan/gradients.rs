//! Which buffer holds which gradient when, who writes it first, and who finishes it.
//!
//! The gradient of a [`Source`] is kept with respect to what lies before its ReLU, once all readers of the source have added
//! their part: the last one also applies the ReLU's mask and sums what normalisations need. The gradient of a tensor is the sum
//! over its sources, through their normalisations; it is formed where it is read and not stored, except before poolings and
//! additions. The summands of an addition share its gradient's buffer as long as nobody's writing disturbs anybody's reading.

use super::{NormPlan, Source, SourceId, Step, TensorId};
use crate::sparse::blend::MOST;
use crate::sparse::conv::ConvShape;
use er_networks::model::Image;

/// A part of a tensor's gradient: that of a source, to go back through its normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sparse) struct Term {
    pub(in crate::sparse) buffer: usize,
    pub(in crate::sparse) source: SourceId,
}

/// What remains to be done with a gradient when its last part has been added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sparse) struct Finish {
    /// Zero the gradient where this source's ReLU cut.
    pub(in crate::sparse) relu: Option<SourceId>,
    /// Normalised sources whose gradient this is, and whose normalisations need sums over it.
    pub(in crate::sparse) watch: Vec<SourceId>,
}

/// How a gradient gets to its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sparse) enum Mode {
    Replace,
    Add,
    /// It is there: the buffer is that of the addition's own gradient.
    Share,
}

/// The gradient of one input of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sparse) struct Write {
    pub(in crate::sparse) buffer: usize,
    pub(in crate::sparse) mode: Mode,
    pub(in crate::sparse) finish: Finish,
}

/// The backward pass of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::sparse) struct Back {
    /// Gradient of the output.
    pub(in crate::sparse) terms: Vec<Term>,
    /// Form the sum of the terms in this buffer first; the terms' buffers are read and it is one of them, or new.
    pub(in crate::sparse) settle: Option<usize>,
    /// Per input; none where nobody needs a gradient.
    pub(in crate::sparse) writes: Vec<Option<Write>>,
}

/// Sizes of the gradient buffers, in pixels per block, and the logits' buffer.
#[derive(Debug, Clone, Default)]
pub(in crate::sparse) struct Buffers {
    pub(in crate::sparse) sizes: Vec<usize>,
    pub(in crate::sparse) logits: usize,
}

/// Walks the steps backwards.
pub(super) fn schedule(
    steps: &[Step],
    sources: &[Source],
    norms: &[NormPlan],
    tensors: &[Image],
    convs: &[ConvShape],
    logits: SourceId,
) -> (Vec<Back>, Buffers) {
    let mut walk = Walk {
        steps,
        sources,
        norms,
        tensors,
        convs,
        holder: vec![None; sources.len()],
        completed: vec![None; sources.len()],
        back: vec![Back::default(); steps.len()],
        sizes: Vec::new(),
        free: Vec::new(),
    };
    let buffer = walk.take(tensors[sources[logits].tensor].len());
    walk.holder[logits] = Some(buffer);
    for s in (0..steps.len()).rev() {
        walk.step(s);
    }
    (walk.back, Buffers { sizes: walk.sizes, logits: buffer })
}

struct Walk<'a> {
    steps: &'a [Step],
    sources: &'a [Source],
    norms: &'a [NormPlan],
    tensors: &'a [Image],
    convs: &'a [ConvShape],
    /// Buffer of each source's gradient while it lives.
    holder: Vec<Option<usize>>,
    /// Step and input whose backward pass completes each source's gradient.
    completed: Vec<Option<(usize, usize)>>,
    back: Vec<Back>,
    sizes: Vec<usize>,
    free: Vec<usize>,
}

impl Walk<'_> {
    /// A buffer for `size` pixels a block: the smallest free one that is large enough, else the largest one, made larger.
    fn take(&mut self, size: usize) -> usize {
        let sizes = &mut self.sizes;
        let fits = self.free.iter().enumerate().filter(|&(_, &b)| sizes[b] >= size).min_by_key(|&(_, &b)| sizes[b]);
        let best = fits.or_else(|| self.free.iter().enumerate().max_by_key(|&(_, &b)| sizes[b])).map(|(at, _)| at);
        let buffer = if let Some(at) = best {
            self.free.swap_remove(at)
        } else {
            sizes.push(0);
            sizes.len() - 1
        };
        sizes[buffer] = sizes[buffer].max(size);
        buffer
    }

    fn sources_of(&self, tensor: TensorId) -> Vec<SourceId> {
        (0..self.sources.len()).filter(|&i| self.sources[i].tensor == tensor).collect()
    }

    /// Whether anybody needs the gradient of a source: all but those of the network's input, unless it trains a normalisation.
    fn needed(&self, source: SourceId) -> bool {
        let Source { tensor, norm, .. } = self.sources[source];
        tensor != 0 || norm.is_some_and(|n| self.norms[n].affine.is_some())
    }

    /// The step whose backward pass reads a source's gradient.
    fn reader(&self, source: SourceId) -> Option<usize> {
        self.steps.iter().position(|s| s.output() == self.sources[source].tensor)
    }

    /// The next step whose backward pass writes a source's gradient, when input `j` of step `s` has done so.
    fn next_writer(&self, source: SourceId, s: usize, j: usize) -> Option<usize> {
        let again = self.steps[s].inputs()[j + 1..].contains(&source).then_some(s);
        again.or_else(|| (0..s).rev().find(|&i| self.steps[i].inputs().contains(&source)))
    }

    fn step(&mut self, s: usize) {
        let output = self.steps[s].output();
        let sources = self.sources_of(output);
        let held = sources.iter().filter_map(|&i| Some((i, self.holder[i]?)));
        let terms: Vec<Term> = held.map(|(source, buffer)| Term { buffer, source }).collect();
        let plain = |t: &&Term| self.sources[t.source].norm.is_none();
        let single = terms.first().filter(plain).filter(|_| terms.len() == 1).map(|t| t.source);
        assert!(!terms.is_empty(), "every tensor but the input is read by somebody");
        let is_conv = matches!(self.steps[s], Step::Conv { .. });
        let mut settle = None;
        if !is_conv && single.is_none() {
            let shared = |b: usize| self.holder.iter().enumerate().any(|(i, h)| *h == Some(b) && !sources.contains(&i));
            let own = terms.iter().find(|t| plain(t) && !shared(t.buffer)).map(|t| t.buffer);
            settle = Some(own.unwrap_or_else(|| self.take(self.tensors[output].len())));
        }
        // A buffer that is written over is read first.
        let mut terms = terms;
        terms.sort_by_key(|t| Some(t.buffer) != settle);
        let own: Vec<usize> = terms.iter().map(|t| t.buffer).chain(settle).collect();
        let gradient = settle.unwrap_or(terms[0].buffer);
        self.back[s] = Back { terms, settle, writes: Vec::new() };
        for &i in &sources {
            self.holder[i] = None;
        }
        for (j, &input) in self.steps[s].inputs().iter().enumerate() {
            let write = self.needed(input).then(|| self.write(s, j, input, (!is_conv).then_some(gradient), single));
            self.back[s].writes.push(write);
        }
        for b in own {
            if !self.holder.contains(&Some(b)) && !self.free.contains(&b) {
                self.free.push(b);
            }
        }
    }

    /// Plans the gradient of input `j` of step `s`; `shareable` is the step's own stored gradient, which for an addition is that
    /// of its inputs too, and `single` the source it belongs to if it is the only one.
    fn write(&mut self, s: usize, j: usize, input: SourceId, shareable: Option<usize>, single: Option<SourceId>) -> Write {
        let next = self.next_writer(input, s, j);
        let source = self.sources[input];
        let mut finish = Finish::default();
        if next.is_none() {
            finish.relu = source.relu.then_some(input);
            finish.watch = source.norm.map(|_| input).into_iter().collect();
            self.completed[input] = Some((s, j));
        }
        let share = shareable.filter(|_| matches!(self.steps[s], Step::Sum { .. }) && self.may_share(s, j, next, shareable));
        let (buffer, mode) = match (self.holder[input], share) {
            (Some(buffer), _) => (buffer, Mode::Add),
            (None, Some(buffer)) => (buffer, Mode::Share),
            (None, None) => (self.take(self.tensors[source.tensor].len()), Mode::Replace),
        };
        self.holder[input] = Some(buffer);
        // Sums over a shared gradient are taken where it was finished, if that is a step that can: one pass less.
        if mode == Mode::Share
            && !finish.watch.is_empty()
            && let Some((k, i)) = single.and_then(|source| self.completed[source]).filter(|&(k, _)| !self.flattens(k))
            && let Some(Some(upstream)) = self.back[k].writes.get_mut(i)
            && upstream.finish.watch.len() < MOST
        {
            upstream.finish.watch.append(&mut finish.watch);
        }
        Write { buffer, mode, finish }
    }

    /// Whether a summand may keep its gradient in the addition's buffer: writing it must not come before another sharer's
    /// reading, nor the other way round.
    fn may_share(&self, s: usize, j: usize, next: Option<usize>, buffer: Option<usize>) -> bool {
        let inputs = self.steps[s].inputs();
        // Masking is writing, at once.
        let next = next.or_else(|| self.sources[inputs[j]].relu.then_some(s));
        let before = |writer: Option<usize>, reader: Option<usize>| writer.is_none_or(|w| reader.is_some_and(|r| w < r));
        let reader = self.reader(inputs[j]);
        let mut sharers = (0..self.sources.len()).filter(|&i| self.holder[i].is_some() && self.holder[i] == buffer);
        let fits = sharers.all(|i| before(next, self.reader(i)) && before(self.next_writer(i, s, j), reader));
        // What is written now would spoil what another summand has still to copy.
        fits && (next != Some(s) || inputs[j + 1..].iter().all(|i| *i == inputs[j]))
    }

    /// Whether a step sees its input flattened, so that channels are not those of normalisations.
    fn flattens(&self, s: usize) -> bool {
        let Step::Conv { layer, input, .. } = self.steps[s] else { return false };
        let image = self.tensors[self.sources[input].tensor];
        self.convs[layer].linear && image.height * image.width > 1
    }
}
