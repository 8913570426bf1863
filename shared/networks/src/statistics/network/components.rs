//! Weak components of a whole network.

use super::net::{Net, PathView, Step};
use crate::model::ModelSpec;
use er_graphs::graph::Mask;
use petgraph::unionfind::UnionFind;
use serde::Serialize;

/// Into what a network falls apart when the direction of edges does not matter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Components {
    /// Units of the network: those of the image, the outputs of each layer, the channels of each sum.
    pub units: usize,
    /// Number of components, units without edges included.
    pub count: usize,
    /// Units in the largest component.
    pub largest: usize,
    /// Share of all units in the largest component.
    pub largest_fraction: f64,
    /// Units without an edge or shortcut.
    pub isolated: usize,
}

/// Weak components of the network's graph in the channel view (see [`PathView::Channels`]). A sum's channel is joined to that channel of
/// both summands; activations, normalisations and poolings have no units of their own.
///
/// O((edges + units) · α) by union-find.
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn components(spec: &ModelSpec, masks: &[Mask]) -> Components {
    super::check(spec, masks);
    let net = Net::new(spec, PathView::Channels);
    let starts = net.starts();
    let units = starts[starts.len() - 1];
    let mut sets = UnionFind::<u32>::new(units);
    let mut joined = vec![false; units];
    let mut join = |a: usize, b: usize| {
        (joined[a], joined[b]) = (true, true);
        sets.union(a as u32, b as u32);
    };
    for (node, step) in net.steps.iter().enumerate() {
        match step {
            Step::Stage(stage) => stage
                .mask(masks)
                .iter()
                .flat_map(|mask| stage.pairs(mask))
                .for_each(|p| join(starts[stage.input] + p.input as usize, starts[node] + p.output as usize)),
            Step::Sum(summands) => summands
                .iter()
                .for_each(|summand| (0..net.units[node]).for_each(|unit| join(starts[*summand] + unit, starts[node] + unit))),
            Step::Image | Step::Same(_) => {}
        }
    }
    let mut sizes = vec![0; units];
    sets.into_labeling().into_iter().for_each(|set| sizes[set as usize] += 1);
    let largest = sizes.iter().copied().max().unwrap_or(0);
    Components {
        units,
        count: sizes.iter().filter(|s| **s > 0).count(),
        largest,
        largest_fraction: largest as f64 / units.max(1) as f64,
        isolated: joined.iter().filter(|j| !**j).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DefaultInit, Image, Op};
    use er_graphs::graph::LayerShape;

    fn conv(out: usize, inp: usize, groups: usize) -> Op {
        Op::Conv { shape: LayerShape::conv(out, inp, [1, 1]), stride: 1, padding: 0, groups, bias: false }
    }

    #[test]
    fn shortcuts_join_what_no_edge_does() {
        let mut spec = ModelSpec::new("residual", Image::new(2, 2, 2), DefaultInit::FanInUniform);
        let first = spec.push("a", conv(2, 1, 2), &[0]).unwrap();
        let relu = spec.push("relu", Op::Relu, &[first]).unwrap();
        let second = spec.push("b", conv(2, 2, 1), &[relu]).unwrap();
        let sum = spec.push("sum", Op::Add, &[second, relu]).unwrap();
        let mean = spec.push("mean", Op::GlobalAvgPool, &[sum]).unwrap();
        spec.push("fc", Op::Linear { shape: LayerShape::linear(3, 2), bias: false }, &[mean]).unwrap();
        let of = |positions: [&[usize]; 3]| {
            let masks: Vec<Mask> =
                spec.layers().iter().zip(positions).map(|(l, p)| Mask::from_positions(l.shape, p.iter().copied())).collect();
            let c = components(&spec, &masks);
            assert_eq!((c.units, c.largest_fraction), (11, c.largest as f64 / 11.0));
            (c.count, c.largest, c.isolated)
        };
        // No edges: {a0, b0, sum0}, {a1, b1, sum1} and five isolated units.
        assert_eq!(of([&[], &[], &[]]), (7, 3, 5));
        // a is depthwise: image i → a i. fc: 0 → 0, 1 → 2; logit 1 is isolated.
        assert_eq!(of([&[0, 1], &[], &[0, 5]]), (3, 5, 1));
        // b: 0 → 1 joins both halves.
        assert_eq!(of([&[0, 1], &[2], &[0, 5]]), (2, 10, 1));
    }

    /// The image of a network of linear layers is no channel, but pixels.
    #[test]
    fn pixels_of_an_image_are_units_where_only_linear_layers_read_them() {
        let mut spec = ModelSpec::new("mlp", Image::new(1, 2, 3), DefaultInit::FanInUniform);
        spec.push("fc", Op::Linear { shape: LayerShape::linear(2, 6), bias: false }, &[0]).unwrap();
        let shape = spec.layers()[0].shape;
        let found = components(&spec, &[Mask::from_positions(shape, [0, 1, 8])]);
        // {0, 1, logit 0}, {2, logit 1}, and pixels 3, 4, 5.
        assert_eq!((found.units, found.count, found.largest, found.isolated), (8, 5, 3, 3));
        assert_eq!(components(&spec, &[Mask::full(shape)]).count, 1);
    }
}
