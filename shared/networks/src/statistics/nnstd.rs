//! Neural network sparse topology distance.

use crate::model::{Layer, ModelSpec, Op};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Biadjacency, Mask, View};
use er_graphs::statistics::compare::{assignment, same_layers};
use petgraph::unionfind::UnionFind;
use rayon::prelude::*;
use serde::Serialize;

/// Layers with more units are not matched: memory grows with the square of their number, and time with the cube.
pub const LARGEST: usize = 4096;

/// How the units of a layer in two networks were matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matched {
    /// As cheaply as possible for this layer.
    Best,
    /// As an earlier layer's, whose units are the same ones (or the input's channels, which stay in place).
    Before,
    /// Not at all: these units, or those it reads, are more than [`LARGEST`].
    TooLarge,
}

/// Distance between a layer of one network and the same layer of another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerDistance {
    /// Mean over units of the Jaccard distance between input sets of matched units, from 0 to 1; none if they were not matched.
    pub distance: Option<f64>,
    /// How units were matched.
    pub matched: Matched,
    /// The unit of the second network that belongs to each of the first; empty if there is no matching. Too long for reports.
    #[serde(skip)]
    pub matching: Vec<usize>,
}

/// Distance between two networks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distance {
    /// Mean over the layers where there is one.
    pub mean: Option<f64>,
    /// Each layer.
    pub layers: Vec<LayerDistance>,
}

/// NNSTD, the distance between sparse topologies of Liu et al. ("Topological Insights into Sparse Neural Networks", 2020): units of a
/// layer are matched so that the sum of the Jaccard distances between their sets of inputs is least; the next layer of the second
/// network is then read with its inputs in that order. It is 0 for a network whose hidden units have only changed places, if no
/// two of them have the same inputs.
///
/// - Inputs of a convolution's unit are channels with kernel positions, and channels change places as a whole; so do the pixels of
///   a channel in front of a linear layer. The network's inputs stay in place, the logits are matched.
/// - Normalisation, ReLU and pooling keep channels. A sum and its summands have the same channels, and so have both sides of
///   a depthwise convolution: the first layer in the order of the network that gives them is matched, and the others are measured with
///   this matching. (Liu et al. know linear layers only.)
/// - Where several matchings are cheapest, later layers depend on which is taken: always the same one, but exchanging the networks
///   may then change the distance.
///
/// O(Σ over inputs of the products of their degrees + units³) time a layer.
///
/// # Errors
/// If the masks are not both of this model, or it has grouped convolutions that are not depthwise: their groups would have to be
/// matched too.
pub fn network_distance(spec: &ModelSpec, first: &[Mask], second: &[Mask]) -> Result<Distance> {
    same_layers(first, second)?;
    if !first.iter().map(Mask::shape).eq(spec.layers().iter().map(|l| l.shape)) {
        return Err(Error::usage(format!("the masks are not those of model {}", spec.name())));
    }
    let channels = channels(spec)?;
    let mut orders = vec![Order::Open; spec.nodes().len()];
    orders[channels[0]] = Order::Known((0..spec.input().channels).collect());
    let mut layers = Vec::with_capacity(first.len());
    for ((layer, first), second) in spec.layers().iter().zip(first).zip(second) {
        let input = spec.nodes()[layer.node].inputs[0];
        let found = if let Order::Known(matching) = &orders[channels[input]] {
            let graph = |mask| Biadjacency::of_mask(mask, layer.groups, View::Weights);
            let pair = Pair { first: graph(first), second: graph(second), columns: columns(spec, layer, matching) };
            pair.measure(&orders[channels[layer.node]])
        } else {
            TOO_LARGE
        };
        let order = &mut orders[channels[layer.node]];
        match found.matched {
            Matched::Best => *order = Order::Known(found.matching.clone()),
            Matched::TooLarge if matches!(order, Order::Open) => *order = Order::TooMany,
            _ => {}
        }
        layers.push(found);
    }
    let known: Vec<f64> = layers.iter().filter_map(|l| l.distance).collect();
    let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
    Ok(Distance { mean, layers })
}

/// How channels of the second network are ordered like those of the first.
#[derive(Clone)]
enum Order {
    /// No layer has been matched yet.
    Open,
    /// They are too many.
    TooMany,
    /// The channel of the second network for each of the first.
    Known(Vec<usize>),
}

const TOO_LARGE: LayerDistance = LayerDistance { distance: None, matched: Matched::TooLarge, matching: Vec::new() };

/// A number for each node, equal where nodes have the same channels: through operations without weights, sums and depthwise
/// convolutions.
fn channels(spec: &ModelSpec) -> Result<Vec<usize>> {
    let mut sets = UnionFind::new(spec.nodes().len());
    for (id, node) in spec.nodes().iter().enumerate() {
        let same = match node.op {
            Op::Input | Op::Linear { .. } | Op::Conv { groups: 1, .. } => false,
            Op::Conv { shape, groups, .. } if shape.out != groups || shape.inp != 1 => {
                let what = format!("layer {} of model {}: units of {groups} groups cannot be matched", node.name, spec.name());
                return Err(Error::usage(what).help("compare their overlap instead"));
            }
            _ => true,
        };
        if same {
            node.inputs.iter().for_each(|input| {
                sets.union(id, *input);
            });
        }
    }
    Ok(sets.into_labeling())
}

/// The input of the second network for each of the first, where the channels that a layer reads are matched like this.
fn columns(spec: &ModelSpec, layer: &Layer, matching: &[usize]) -> Vec<usize> {
    let node = &spec.nodes()[layer.node];
    let image = spec.nodes()[node.inputs[0]].output;
    let block = if let Op::Linear { .. } = node.op { image.height * image.width } else { layer.shape.taps() };
    matching.iter().flat_map(|channel| channel * block..(channel + 1) * block).collect()
}

/// A layer in both networks.
struct Pair {
    first: Biadjacency,
    second: Biadjacency,
    columns: Vec<usize>,
}

impl Pair {
    fn measure(&self, order: &Order) -> LayerDistance {
        let units = self.first.right();
        let (matching, matched) = match order {
            Order::Known(matching) => (matching.clone(), Matched::Before),
            Order::Open if units <= LARGEST => (assignment(&self.costs(), units), Matched::Best),
            _ => return TOO_LARGE,
        };
        let cost = |(unit, other): (usize, &usize)| self.row(unit)[*other];
        let total: f64 = matching.par_iter().enumerate().map(cost).collect::<Vec<f64>>().iter().sum();
        LayerDistance { distance: Some(total / units.max(1) as f64), matched, matching }
    }

    /// The distance of each unit of the first network, row by row, to each of the second.
    fn costs(&self) -> Vec<f64> {
        (0..self.first.right()).into_par_iter().flat_map_iter(|unit| self.row(unit)).collect()
    }

    /// Jaccard distances between the inputs of a unit of the first network and those of each of the second; 0 if both have none.
    fn row(&self, unit: usize) -> Vec<f64> {
        let inputs = self.first.of_right(unit);
        let mut shared = vec![0_u32; self.second.right()];
        for input in inputs {
            for other in self.second.of_left(self.columns[*input as usize]) {
                shared[*other as usize] += 1;
            }
        }
        let distance = |(other, shared): (usize, u32)| {
            let shared = shared as usize;
            let union = inputs.len() + self.second.of_right(other).len() - shared;
            (union - shared) as f64 / union.max(1) as f64
        };
        shared.into_iter().enumerate().map(distance).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DefaultInit, Image, build};
    use er_graphs::graph::{LayerShape, Sampling, sample};
    use er_graphs::rng::{Purpose, stream};
    use rand::seq::SliceRandom;

    fn draw(spec: &ModelSpec, density: f64, seed: u64) -> Vec<Mask> {
        let of = |(l, layer): (usize, &Layer)| {
            sample(layer.shape, density, Sampling::Exact, &mut stream(seed, Purpose::Mask, l as u64))
        };
        spec.layers().iter().enumerate().map(of).collect()
    }

    /// The same network with its hidden channels, and its logits, in another order: channel c goes to `places[number][c]`.
    fn renamed(spec: &ModelSpec, masks: &[Mask], seed: u64) -> (Vec<Mask>, Vec<Vec<usize>>) {
        let numbers = channels(spec).unwrap();
        let place = |(number, node): (usize, &crate::model::Node)| {
            let mut order: Vec<usize> = (0..node.output.channels).collect();
            if numbers[0] != numbers[number] {
                order.shuffle(&mut stream(seed, Purpose::Permute, numbers[number] as u64));
            }
            order
        };
        let places: Vec<Vec<usize>> = spec.nodes().iter().enumerate().map(place).collect();
        let rename = |(layer, mask): (&Layer, &Mask)| {
            let input = spec.nodes()[layer.node].inputs[0];
            let (columns, fan_in) = (columns(spec, layer, &places[input]), layer.shape.fan_in());
            let position = |p: usize| {
                let to = places[layer.node][p / fan_in];
                // A unit of a depthwise convolution has its own column only, wherever it is.
                to * fan_in + if layer.depthwise { p % fan_in } else { columns[p % fan_in] }
            };
            Mask::from_positions(layer.shape, mask.iter().map(position))
        };
        (spec.layers().iter().zip(masks).map(rename).collect(), spec.layers().iter().map(|l| places[l.node].clone()).collect())
    }

    fn chain() -> ModelSpec {
        let mut spec = ModelSpec::new("chain", Image::new(2, 6, 6), DefaultInit::FanInUniform);
        let conv =
            |out, inp| Op::Conv { shape: LayerShape::conv(out, inp, [3, 3]), stride: 1, padding: 1, groups: 1, bias: true };
        let linear = |out, inp| Op::Linear { shape: LayerShape::linear(out, inp), bias: true };
        let mut last = 0;
        for (name, op) in [
            ("c1", conv(8, 2)),
            ("relu", Op::Relu),
            ("c2", conv(10, 8)),
            ("pool", Op::MaxPool { kernel: 2, stride: 2, padding: 0 }),
            ("f1", linear(12, 10 * 9)),
            ("f2", linear(5, 12)),
        ] {
            last = spec.push(name, op, &[last]).unwrap();
        }
        spec
    }

    #[test]
    fn changing_places_is_no_distance() {
        let image = Image::new(3, 32, 32);
        for spec in [chain(), build("resnet8", image, 10).unwrap(), build("mobilenet-v2", Image::new(3, 64, 64), 10).unwrap()] {
            let masks = draw(&spec, 0.5, 1);
            for seed in 0..2 {
                let (others, places) = renamed(&spec, &masks, seed);
                assert_ne!(masks, others);
                let distance = network_distance(&spec, &masks, &others).unwrap();
                assert_eq!(distance.mean, Some(0.0), "{}", spec.name());
                for (layer, place) in distance.layers.iter().zip(places) {
                    assert_eq!(layer.matching, place);
                }
                let itself = network_distance(&spec, &masks, &masks).unwrap();
                assert_eq!(itself.mean, Some(0.0));
            }
        }
    }

    /// Channels of summands must change places together.
    #[test]
    fn sums_share_their_matching() {
        let spec = build("resnet8", Image::new(3, 32, 32), 10).unwrap();
        let masks = draw(&spec, 0.5, 2);
        let index = |name: &str| spec.layers().iter().position(|l| l.name == format!("{name}.weight")).unwrap();
        let (inner, outer) = (index("blocks.0.conv1"), index("blocks.0.conv2"));
        let mut others = masks.clone();
        let fan_in = masks[outer].shape().fan_in();
        others[outer] = Mask::from_positions(
            masks[outer].shape(),
            masks[outer].iter().map(|p| (p / fan_in + 1) % masks[outer].shape().out * fan_in + p % fan_in),
        );
        let distance = network_distance(&spec, &masks, &others).unwrap();
        assert_eq!(distance.layers[inner].matched, Matched::Best);
        assert_eq!(distance.layers[outer].matched, Matched::Before);
        assert!(distance.layers[outer].distance.unwrap() > 0.5);
        let elsewhere = distance.layers.iter().enumerate().filter(|(l, _)| *l != outer);
        assert!(elsewhere.into_iter().all(|(_, l)| l.distance == Some(0.0)));
    }

    #[test]
    fn independent_masks_are_nearly_as_far_as_their_jaccard_index() {
        let spec = chain();
        let distance = network_distance(&spec, &draw(&spec, 0.3, 1), &draw(&spec, 0.3, 2)).unwrap();
        // Unmatched it would be about 1 − d/(2 − d) = 0.82.
        for layer in &distance.layers {
            assert!((0.4..0.82).contains(&layer.distance.unwrap()), "{layer:?}");
        }
    }

    #[test]
    fn large_layers_are_left_out() {
        let mut spec = ModelSpec::new("wide", Image::new(3, 1, 1), DefaultInit::FanInUniform);
        let shapes = [
            LayerShape::linear(4, 3),
            LayerShape::linear(LARGEST + 1, 4),
            LayerShape::linear(2, LARGEST + 1),
            LayerShape::linear(2, 2),
        ];
        for (last, shape) in shapes.into_iter().enumerate() {
            spec.push(format!("fc{last}"), Op::Linear { shape, bias: false }, &[last]).unwrap();
        }
        let masks = draw(&spec, 0.5, 1);
        let distance = network_distance(&spec, &masks, &masks).unwrap();
        let found: Vec<Option<f64>> = distance.layers.iter().map(|l| l.distance).collect();
        assert_eq!(found, [Some(0.0), None, None, None]);
        assert_eq!(distance.layers[2].matched, Matched::TooLarge);
        assert_eq!(distance.mean, Some(0.0));
    }

    #[test]
    fn other_networks_are_refused() {
        let spec = chain();
        let masks = draw(&spec, 0.5, 1);
        assert!(network_distance(&spec, &masks, &masks[1..]).is_err());
        let other = build("lenet-300-100", Image::new(1, 28, 28), 10).unwrap();
        assert!(network_distance(&other, &masks, &masks).unwrap_err().what().contains("not those of model"));
        let mut grouped = ModelSpec::new("grouped", Image::new(4, 4, 4), DefaultInit::FanInUniform);
        let shape = LayerShape::conv(4, 2, [1, 1]);
        grouped.push("conv", Op::Conv { shape, stride: 1, padding: 0, groups: 2, bias: false }, &[0]).unwrap();
        let masks = draw(&grouped, 0.5, 1);
        let error = network_distance(&grouped, &masks, &masks).unwrap_err();
        assert!(error.what().contains("layer conv of model grouped: units of 2 groups"), "{error}");
    }
}
