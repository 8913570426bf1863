//! A mask as adjacency lists, both ways round.

use super::{LayerShape, Mask};

/// One edge seen from one of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The unit at the other end: an input channel (counted over all groups) or an output channel.
    pub unit: u32,
    /// Kernel position `ky·kw + kx`; 0 for a linear layer.
    pub tap: u32,
    /// The edge: index into per-edge arrays of the mask.
    pub edge: u32,
}

/// Compressed adjacency lists of a layer's bipartite graph: the edges of every output unit and, transposed, those of every input
/// unit. A kernel with several positions gives parallel edges between two channels.
///
/// Building takes O(edges + units) time and 24 bytes an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csr {
    shape: LayerShape,
    outputs: Lists,
    inputs: Lists,
}

/// Lists of links behind each other; list `u` is `links[starts[u]..starts[u + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lists {
    starts: Vec<u32>,
    links: Vec<Link>,
}

impl Lists {
    fn of(&self, unit: usize) -> &[Link] {
        &self.links[self.starts[unit] as usize..self.starts[unit + 1] as usize]
    }

    fn units(&self) -> usize {
        self.starts.len() - 1
    }

    /// Lists of given lengths, to be filled.
    fn with_lengths(lengths: &[usize]) -> Self {
        let mut starts = vec![0; lengths.len() + 1];
        for (u, length) in lengths.iter().enumerate() {
            starts[u + 1] = starts[u] + *length as u32;
        }
        let links = vec![Link { unit: 0, tap: 0, edge: 0 }; starts[lengths.len()] as usize];
        Self { starts, links }
    }
}

impl Csr {
    /// The adjacency lists of a mask whose layer has this many groups (1 unless it is a grouped convolution).
    ///
    /// # Panics
    /// If the groups do not divide the outputs, or the layer has more than 2³² weights.
    #[must_use]
    pub fn new(mask: &Mask, groups: usize) -> Self {
        let shape = mask.shape();
        assert!(groups > 0 && shape.out.is_multiple_of(groups), "{groups} groups in a layer of shape {shape}");
        assert!(u32::try_from(shape.weights()).is_ok(), "layer of shape {shape} has more than 2^32 weights");
        let per_group = shape.out / groups;
        let mut outputs = Lists::with_lengths(&mask.in_degrees());
        let mut out_degrees = vec![0; groups * shape.inp];
        for (edge, p) in mask.iter().enumerate() {
            let (output, column) = (p / shape.fan_in(), p % shape.fan_in());
            let unit = output / per_group * shape.inp + column / shape.taps();
            out_degrees[unit] += 1;
            // Edges come ordered by output unit, so that each belongs at the place of its own number.
            outputs.links[edge] = Link { unit: unit as u32, tap: (column % shape.taps()) as u32, edge: edge as u32 };
        }
        let mut inputs = Lists::with_lengths(&out_degrees);
        let mut next = inputs.starts.clone();
        for output in 0..shape.out {
            for link in outputs.of(output) {
                let place = &mut next[link.unit as usize];
                inputs.links[*place as usize] = Link { unit: output as u32, ..*link };
                *place += 1;
            }
        }
        Self { shape, outputs, inputs }
    }

    /// Shape of the weight tensor.
    pub fn shape(&self) -> LayerShape {
        self.shape
    }

    /// Number of output units.
    pub fn outputs(&self) -> usize {
        self.outputs.units()
    }

    /// Number of input units, over all groups.
    pub fn inputs(&self) -> usize {
        self.inputs.units()
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.outputs.links.len()
    }

    /// The edges into an output unit, in edge order: their numbers are consecutive, and [`Link::unit`] is an input unit.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn output(&self, unit: usize) -> &[Link] {
        self.outputs.of(unit)
    }

    /// The edges out of an input unit, in edge order; [`Link::unit`] is an output unit.
    ///
    /// # Panics
    /// If there is no such unit.
    pub fn input(&self, unit: usize) -> &[Link] {
        self.inputs.of(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Sampling, sample};
    use crate::rng::{Purpose, stream};

    fn check(shape: LayerShape, groups: usize, density: f64) {
        let mask = sample(shape, density, Sampling::Bernoulli, &mut stream(7, Purpose::Mask, 0));
        let csr = Csr::new(&mask, groups);
        assert_eq!((csr.outputs(), csr.inputs(), csr.edges()), (shape.out, groups * shape.inp, mask.edges()));
        let position = |o: usize, i: usize, tap: u32| (o * shape.inp + i % shape.inp) * shape.taps() + tap as usize;
        let edges: Vec<usize> = mask.iter().collect();
        let mut seen = vec![0; edges.len()];
        for o in 0..csr.outputs() {
            assert!(csr.output(o).windows(2).all(|w| w[0].edge + 1 == w[1].edge));
            for l in csr.output(o) {
                assert_eq!(edges[l.edge as usize], position(o, l.unit as usize, l.tap));
                assert_eq!(l.unit as usize / shape.inp, o / (shape.out / groups), "input of another group");
                seen[l.edge as usize] += 1;
            }
        }
        for i in 0..csr.inputs() {
            assert!(csr.input(i).windows(2).all(|w| w[0].edge < w[1].edge));
            for l in csr.input(i) {
                assert_eq!(edges[l.edge as usize], position(l.unit as usize, i, l.tap));
                seen[l.edge as usize] += 1;
            }
        }
        assert!(seen.iter().all(|s| *s == 2), "every edge is in one list of each side");
    }

    #[test]
    fn lists_hold_every_edge_once_on_each_side() {
        check(LayerShape::conv(12, 5, [3, 3]), 1, 0.2);
        check(LayerShape::conv(12, 5, [3, 2]), 4, 0.3);
        check(LayerShape::linear(7, 30), 1, 0.1);
        check(LayerShape::conv(6, 1, [3, 3]), 6, 1.0);
        check(LayerShape::linear(4, 4), 1, 0.0);
    }
}
