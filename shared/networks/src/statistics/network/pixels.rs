//! Effective edges pixel by pixel: which kernel positions ever carry something from the image to the logits.

use super::bits::{Map, add_shifted, bits_from};
use super::net::{Net, PathView, Stage, Step};
use crate::model::{Image, ModelSpec};
use er_graphs::graph::Mask;
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// The edges on a path of the unrolled computation graph from a pixel of the image to a logit (the effective connections of Vysogorets
/// and Kempe 2023, who find them by random weights): the edge carries a pixel that depends on the image to one that some logit
/// depends on. An edge whose kernel position meets nothing but padding is not effective, nor is one that meets only pixels that
/// other kernels never reach. Maxima pass on every pixel of their windows, as means do.
///
/// Always a subset of [`crate::topology::effective`], where channels live or die as a whole. The two are the same where images are
/// large and layers not nearly empty, and far apart where images have a pixel or four.
///
/// Forward and backward reachability as maps of bits, a row in a machine word or several; a channel is done when no edge can add a pixel
/// to its map, which most are after a few edges. At worst O(weights + edges · output rows · ⌈width / 64⌉).
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn effective_pixels(spec: &ModelSpec, masks: &[Mask]) -> Vec<Mask> {
    super::check(spec, masks);
    let net = Net::new(spec, PathView::Pixels);
    let reached = forward(spec, &net, masks);
    let reaching = backward(spec, &net, masks);
    let layers: Vec<_> = net.layers().zip(masks).collect();
    layers.into_par_iter().map(|((node, stage), mask)| on_paths(stage, mask, &reached[stage.input], &reaching[node])).collect()
}

/// Which pixels of each node are reached from the image. Nodes at which nothing happens have empty maps.
fn forward(spec: &ModelSpec, net: &Net, masks: &[Mask]) -> Vec<Map> {
    let mut reached: Vec<Map> = Vec::with_capacity(net.steps.len());
    for (step, node) in net.steps.iter().zip(spec.nodes()) {
        reached.push(match step {
            Step::Image => Map::full(node.output),
            Step::Stage(stage) => taps_of(stage).forward(stage.mask(masks), &reached[stage.input], node.output),
            Step::Sum([a, b]) => {
                let mut sum = reached[*a].clone();
                sum.add(&reached[*b]);
                sum
            }
            Step::Same(_) => Map::empty(Image::new(0, 0, 0)),
        });
    }
    reached
}

/// From which pixels of each node a logit is reached. Nobody asks for those of the image.
fn backward(spec: &ModelSpec, net: &Net, masks: &[Mask]) -> Vec<Map> {
    let mut reaching: Vec<Map> = spec.nodes().iter().map(|n| Map::empty(n.output)).collect();
    reaching[net.logits()] = Map::full(spec.nodes()[net.logits()].output);
    for (id, step) in net.steps.iter().enumerate().rev() {
        let (earlier, rest) = reaching.split_at_mut(id);
        match step {
            Step::Stage(stage) if stage.input > 0 => {
                let input = &mut earlier[stage.input];
                input.add(&taps_of(stage).backward(stage.mask(masks), &rest[0], input.image));
            }
            Step::Sum(summands) => summands.iter().for_each(|s| earlier[*s].add(&rest[0])),
            Step::Image | Step::Stage(_) | Step::Same(_) => {}
        }
    }
    reaching
}

/// The edges that carry a reached pixel to one from which a logit is reached.
fn on_paths(stage: &Stage, mask: &Mask, reached: &Map, reaching: &Map) -> Mask {
    let taps = taps_of(stage);
    let from = taps.read(reached);
    let (inputs, outputs) = (from.occupied(), reaching.occupied());
    let (shape, per_group) = (stage.shape, stage.shape.out / stage.groups);
    let carries = |p: &usize| {
        let (output, column) = (p / shape.fan_in(), p % shape.fan_in());
        let input = output / per_group * shape.inp + column / shape.taps();
        inputs[input] && outputs[output] && taps.taps[column % shape.taps()].meets(&from, input, reaching, output)
    };
    Mask::from_positions(shape, mask.iter().filter(carries))
}

/// What a kernel position connects: output rows with the rows of the input split by the stride, and by how much columns are shifted.
struct Tap {
    outputs: Range<usize>,
    /// Row of the split input for the first of these outputs; each further one is `step` on.
    first: usize,
    step: usize,
    /// Output column `x` reads bit `x + shift` of that row.
    shift: isize,
}

impl Tap {
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        self.outputs.clone().zip((self.first..).step_by(self.step))
    }

    /// Whether there is a pixel in the output map whose input under this kernel position is in the input map.
    fn meets(&self, from: &Map, input: usize, to: &Map, output: usize) -> bool {
        self.rows().any(|(y, row)| {
            let from = from.row(input, row);
            let starts = (self.shift..).step_by(64);
            to.row(output, y).iter().zip(starts).any(|(word, start)| *word != 0 && word & bits_from(from, start) != 0)
        })
    }
}

/// From the image to the logits, or back.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

/// A stage with what each of its kernel positions connects.
struct Taps<'a> {
    stage: &'a Stage,
    taps: Vec<Tap>,
}

fn taps_of(stage: &Stage) -> Taps<'_> {
    let tap = |tap: usize| {
        let Some(geometry) = &stage.geometry else { unreachable!("pixels have positions") };
        let (ky, kx) = (tap / geometry.kernel[1], tap % geometry.kernel[1]);
        let (stride, offset) = (geometry.stride, kx as isize - geometry.padding as isize);
        let outputs = geometry.inside(ky, 0);
        Tap {
            first: (outputs.start * stride + ky).saturating_sub(geometry.padding) * stride
                + offset.rem_euclid(stride as isize) as usize,
            step: stride * stride,
            shift: offset.div_euclid(stride as isize),
            outputs,
        }
    };
    Taps { stage, taps: (0..stage.shape.taps()).map(tap).collect() }
}

impl Taps<'_> {
    /// A map as this stage reads it: a linear layer reads pixels as channels.
    fn read<'a>(&self, map: &'a Map) -> Cow<'a, Map> {
        let flat = Image::new(self.stage.inputs(), 1, 1);
        if self.stage.shape.linear { Cow::Owned(map.reshaped(flat)) } else { map.split(self.stage.stride()) }
    }

    /// The pixels of one channel that these edges, each with the channel at its other end and its kernel position, join to some pixel
    /// of a map. Stops when they are all that can be: `limit`.
    fn carry(
        &self,
        direction: Direction,
        edges: impl Iterator<Item = (usize, usize)>,
        from: &Map,
        (to, width): (&mut [u64], usize),
        limit: &[u64],
    ) {
        let words = width.div_ceil(64);
        for (other, tap) in edges {
            let tap = &self.taps[tap];
            for (y, row) in tap.rows() {
                let (target, source, shift) = match direction {
                    Direction::Forward => (y, row, tap.shift),
                    Direction::Backward => (row, y, -tap.shift),
                };
                add_shifted(&mut to[target * words..][..words], width, from.row(other, source), shift);
            }
            if to == limit {
                break;
            }
        }
    }

    /// The pixels of one channel that all kernel positions together join to pixels of an image.
    fn limit(&self, direction: Direction, from: Image, to: &Map) -> Vec<u64> {
        let mut limit = vec![0; to.plane()];
        let all = (0..self.taps.len()).map(|tap| (0, tap));
        self.carry(direction, all, &Map::full(Image { channels: 1, ..from }), (&mut limit, to.image.width), &[]);
        limit
    }

    fn forward(&self, mask: Option<&Mask>, reached: &Map, image: Image) -> Map {
        let from = self.read(reached);
        let occupied = from.occupied();
        let mut to = Map::empty(image);
        let limit = self.limit(Direction::Forward, from.image, &to);
        to.bits.par_chunks_mut(limit.len()).enumerate().for_each(|(output, to)| {
            let edges = self.stage.edges_into(mask, output).filter(|(input, _)| occupied[*input]);
            self.carry(Direction::Forward, edges, &from, (to, image.width), &limit);
        });
        to
    }

    fn backward(&self, mask: Option<&Mask>, reaching: &Map, image: Image) -> Map {
        let occupied = reaching.occupied();
        let stride = self.stage.stride();
        let read = if self.stage.shape.linear {
            Image::new(self.stage.inputs(), 1, 1)
        } else {
            Image::new(image.channels, image.height * stride, image.width.div_ceil(stride))
        };
        let mut to = Map::empty(read);
        let limit = self.limit(Direction::Backward, reaching.image, &to);
        to.bits.par_chunks_mut(limit.len()).enumerate().for_each(|(input, to)| {
            let edges = self.stage.edges_out_of(mask, input).filter(|(output, _)| occupied[*output]);
            self.carry(Direction::Backward, edges, reaching, (to, read.width), &limit);
        });
        if self.stage.shape.linear { to.reshaped(image) } else { to.join(stride, image) }
    }
}
