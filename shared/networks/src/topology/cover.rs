//! As few edges as leave no unit of a layer cut off.

use super::flow::Ends;
use er_graphs::graph::{Biadjacency, Mask};
use er_graphs::statistics::bipartite::partners;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use std::ops::Range;

/// A smallest set of edges that gives every unit one, drawn at random: edges of the mask, and others at units that have none.
///
/// Edges of which no two share a unit cover two units each, and every unit that they leave out takes one more (Gallai 1959). So
/// as many as possible are taken from the mask, a maximum matching; a unit without edges is joined to one that these leave out, and
/// then needs none of its own. That is the least that the mask's own edges and any others at units without edges allow. If it is more
/// than `affordable`, units that have edges are joined anew as well, until nothing larger than one side of each group is left.
///
/// O(edges · √units) time.
pub(super) fn smallest_cover(mask: &Mask, ends: &Ends, affordable: usize, rng: &mut impl Rng) -> Mask {
    let mut edges: Vec<usize> = mask.iter().collect();
    edges.shuffle(rng);
    let mut cover = Cover::matching(mask, ends, &edges, rng);
    let (into, out_of) = (mask.in_degrees(), ends.out_degrees(mask));
    let mut strangers = Vec::new();
    for group in 0..ends.groups() {
        let (outputs, inputs) = ends.of_group(group);
        let (mut lone_outputs, mut cut_outputs) = free(outputs.clone(), &cover.outputs, &into, rng);
        let (mut lone_inputs, mut cut_inputs) = free(inputs.clone(), &cover.inputs, &out_of, rng);
        cover.join(&mut cut_outputs, &mut lone_inputs, rng);
        cover.join(&mut lone_outputs, &mut cut_inputs, rng);
        cover.join(&mut cut_outputs, &mut cut_inputs, rng);
        for output in cut_outputs {
            cover.add(output, rng.random_range(inputs.clone()), rng);
        }
        for input in cut_inputs {
            cover.add(rng.random_range(outputs.clone()), input, rng);
        }
        strangers.extend(lone_outputs.into_iter().zip(lone_inputs));
    }
    strangers.truncate((cover.mask.edges() + cover.uncovered()).saturating_sub(affordable));
    for (output, input) in strangers {
        cover.add(output, input, rng);
    }
    for position in edges {
        let (output, input) = ends.of_position(position);
        if !cover.outputs[output] || !cover.inputs[input] {
            cover.take(position);
        }
    }
    cover.mask
}

/// Edges that have been taken, and whether each unit has one of them.
struct Cover<'e> {
    mask: Mask,
    ends: &'e Ends,
    outputs: Vec<bool>,
    inputs: Vec<bool>,
}

impl<'e> Cover<'e> {
    /// As many edges as possible of which no two share a unit. `edges` are those of the mask in random order.
    fn matching(mask: &Mask, ends: &'e Ends, edges: &[usize], rng: &mut impl Rng) -> Self {
        let (outputs, inputs) = (vec![false; mask.shape().out], vec![false; ends.inputs()]);
        let mut cover = Self { mask: Mask::empty(mask.shape()), ends, outputs, inputs };
        // What is found depends on the order of the units, so they get new numbers.
        let [outputs, inputs] = [cover.outputs.len(), cover.inputs.len()].map(|units| {
            let mut numbers: Vec<usize> = (0..units).collect();
            numbers.shuffle(rng);
            numbers
        });
        let renamed = |position: usize| {
            let (output, input) = ends.of_position(position);
            (inputs[input], outputs[output])
        };
        let graph = Biadjacency::from_edges(inputs.len(), outputs.len(), edges.iter().map(|p| renamed(*p)));
        let partners = partners(&graph);
        for position in edges {
            let (input, output) = renamed(*position);
            // Of several kernel positions between the two the first counts.
            if partners[input] == Some(output) && !cover.outputs[ends.of_position(*position).0] {
                cover.take(*position);
            }
        }
        cover
    }

    fn take(&mut self, position: usize) {
        let (output, input) = self.ends.of_position(position);
        self.mask.insert(position);
        self.outputs[output] = true;
        self.inputs[input] = true;
    }

    /// An edge between two units, at a random kernel position.
    fn add(&mut self, output: usize, input: usize, rng: &mut impl Rng) {
        self.take(self.ends.position(output, input, rng));
    }

    /// Joins units of two lists in pairs, as many as the shorter list has.
    fn join(&mut self, outputs: &mut Vec<usize>, inputs: &mut Vec<usize>, rng: &mut impl Rng) {
        let pairs = outputs.len().min(inputs.len());
        for (output, input) in outputs.drain(..pairs).zip(inputs.drain(..pairs)) {
            self.add(output, input, rng);
        }
    }

    fn uncovered(&self) -> usize {
        self.outputs.iter().chain(&self.inputs).filter(|covered| !**covered).count()
    }
}

/// The units that no edge covers, in random order: those that have edges in the mask, and those that have none.
fn free(units: Range<usize>, covered: &[bool], degrees: &[usize], rng: &mut impl Rng) -> (Vec<usize>, Vec<usize>) {
    let mut free: Vec<usize> = units.filter(|unit| !covered[*unit]).collect();
    free.shuffle(rng);
    free.into_iter().partition(|unit| degrees[*unit] > 0)
}
