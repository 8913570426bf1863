//! How wide a network still is where paths go through it.

use super::net::{Net, PathView};
use super::number::Number;
use super::{paths, sweep};
use crate::model::{Layer, ModelSpec};
use crate::topology::effective;
use er_graphs::graph::Mask;
use serde::Serialize;

/// How much of a layer lies on paths from the image to the logits, in the channel view. The units on paths are the effective nodes of Pham
/// et al. 2023.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Width {
    /// Parameter name of the layer.
    pub layer: String,
    /// Input units: channels of a convolution (of all groups), values that a linear layer reads.
    pub inputs: usize,
    /// Input units from which a path crosses this layer.
    pub inputs_on_paths: usize,
    /// Output units.
    pub outputs: usize,
    /// Output units through which a path goes.
    pub outputs_on_paths: usize,
    /// Share of all paths of the network that go through the busiest output unit; none without a path.
    pub busiest_share: Option<f64>,
}

impl Width {
    /// Share of the output units on paths.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.outputs_on_paths as f64 / self.outputs.max(1) as f64
    }
}

/// The outputs of a layer whose width is the smallest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Narrowest {
    /// Parameter name of the layer; the first of several.
    pub layer: String,
    /// Output units.
    pub outputs: usize,
    /// Output units through which a path goes.
    pub outputs_on_paths: usize,
    /// Their share.
    pub share: f64,
}

/// Where a network is narrow. The classifier, whose width is the number of classes, is left out of the narrowest layers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bottleneck {
    /// All layers in definition order.
    pub widths: Vec<Width>,
    /// The layer with the smallest share of its output units on paths; none if all layers give logits.
    pub by_share: Option<Narrowest>,
    /// The layer with the fewest output units on paths; none if all layers give logits.
    pub by_number: Option<Narrowest>,
}

/// Measures the width of every layer. O(weights + edges).
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn bottleneck(spec: &ModelSpec, masks: &[Mask]) -> Bottleneck {
    super::check(spec, masks);
    of_effective(spec, masks, &effective(spec, masks))
}

/// The same if the effective edges are known.
pub(super) fn of_effective(spec: &ModelSpec, masks: &[Mask], effective: &[Mask]) -> Bottleneck {
    let busiest = busiest_shares(spec, masks);
    let widths: Vec<Width> =
        spec.layers().iter().zip(effective).zip(busiest).map(|((layer, mask), busiest)| width(layer, mask, busiest)).collect();
    let net = Net::new(spec, PathView::Channels);
    let hidden: Vec<&Width> =
        net.layers().zip(&widths).filter(|((node, _), _)| *node != net.logits()).map(|(_, width)| width).collect();
    let narrowest = |w: &&Width| Narrowest {
        layer: w.layer.clone(),
        outputs: w.outputs,
        outputs_on_paths: w.outputs_on_paths,
        share: w.share(),
    };
    Bottleneck {
        by_share: hidden.iter().min_by(|a, b| a.share().total_cmp(&b.share())).map(narrowest),
        by_number: hidden.iter().min_by_key(|w| w.outputs_on_paths).map(narrowest),
        widths,
    }
}

fn width(layer: &Layer, effective: &Mask, busiest_share: Option<f64>) -> Width {
    let (shape, per_group) = (layer.shape, layer.shape.out / layer.groups);
    let mut inputs = vec![false; layer.groups * shape.inp];
    for p in effective.iter() {
        inputs[p / shape.fan_in() / per_group * shape.inp + p % shape.fan_in() / shape.taps()] = true;
    }
    Width {
        layer: layer.name.clone(),
        inputs: inputs.len(),
        inputs_on_paths: inputs.iter().filter(|i| **i).count(),
        outputs: shape.out,
        outputs_on_paths: effective.in_degrees().iter().filter(|d| **d > 0).count(),
        busiest_share,
    }
}

/// The share of all paths that go through the busiest output unit of each layer.
fn busiest_shares(spec: &ModelSpec, masks: &[Mask]) -> Vec<Option<f64>> {
    let net = Net::new(spec, PathView::Channels);
    let (into, out_of) = (paths::into_all(&net, masks), sweep::backward(&net, masks));
    let logits = &into[net.logits()];
    let total: f64 = logits.values.iter().sum();
    let share = |node: usize| {
        let (f, b) = (&into[node], &out_of[node]);
        let most = f.values.iter().zip(&b.values).map(|(f, b)| f * b).fold(0.0, f64::max);
        (total > 0.0).then(|| (most / total).scale(f.exponent + b.exponent - logits.exponent))
    };
    net.layers().map(|(node, _)| share(node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DefaultInit, Image, Op, build};
    use er_graphs::graph::LayerShape;

    #[test]
    fn widths_of_a_chain_are_counted_by_hand() {
        let mut spec = ModelSpec::new("chain", Image::new(1, 1, 2), DefaultInit::FanInUniform);
        let mut last = 0;
        for (name, out, inp) in [("a", 3, 2), ("b", 4, 3), ("c", 2, 4)] {
            last = spec.push(name, Op::Linear { shape: LayerShape::linear(out, inp), bias: true }, &[last]).unwrap();
        }
        let of = |layer: usize, positions: &[usize]| Mask::from_positions(spec.layers()[layer].shape, positions.iter().copied());
        // a: 0 → 0, 1 → 0, 1 → 1. b: 0 → 0, 0 → 1, 1 → 1, 2 → 2. c: 0 → 0, 1 → 1, 2 → 1. Paths: 2 by b0, 3 by b1.
        let masks = [of(0, &[0, 1, 3]), of(1, &[0, 3, 4, 8]), of(2, &[0, 5, 6])];
        let found = bottleneck(&spec, &masks);
        let numbers: Vec<_> =
            found.widths.iter().map(|w| (w.inputs, w.inputs_on_paths, w.outputs, w.outputs_on_paths, w.busiest_share)).collect();
        assert_eq!(numbers, [(2, 2, 3, 2, Some(0.8)), (3, 2, 4, 2, Some(0.6)), (4, 2, 2, 2, Some(0.6))]);
        let narrowest =
            |layer: &str, outputs, share| Some(Narrowest { layer: layer.into(), outputs, outputs_on_paths: 2, share });
        assert_eq!((found.by_share, found.by_number), (narrowest("b.weight", 4, 0.5), narrowest("a.weight", 3, 2.0 / 3.0)));
        let cut = bottleneck(&spec, &[of(0, &[]), masks[1].clone(), masks[2].clone()]);
        assert!(cut.widths.iter().all(|w| w.inputs_on_paths + w.outputs_on_paths == 0 && w.busiest_share.is_none()));
    }

    #[test]
    fn one_layer_has_no_hidden_width_and_all_units_of_dense_networks_are_on_paths() {
        let mut spec = ModelSpec::new("one", Image::new(1, 2, 2), DefaultInit::FanInUniform);
        spec.push("fc", Op::Linear { shape: LayerShape::linear(3, 4), bias: true }, &[0]).unwrap();
        let found = bottleneck(&spec, &[Mask::from_positions(spec.layers()[0].shape, [0, 1, 7])]);
        assert_eq!((found.by_share, found.by_number), (None, None));
        assert_eq!((found.widths[0].inputs_on_paths, found.widths[0].outputs_on_paths), (3, 2));
        for name in ["resnet50", "mobilenet-v2"] {
            let spec = build(name, Image::new(3, 64, 64), 10).unwrap();
            let full: Vec<Mask> = spec.layers().iter().map(|l| Mask::full(l.shape)).collect();
            let found = bottleneck(&spec, &full);
            assert!(found.widths.iter().all(|w| w.inputs == w.inputs_on_paths && w.outputs == w.outputs_on_paths));
            // All paths of a dense network cross the stem, and each of its channels has as many.
            let stem = &found.widths[0];
            assert!((stem.busiest_share.unwrap() * stem.outputs as f64 - 1.0).abs() < 1e-12, "{name}");
            assert!(found.widths.iter().all(|w| w.busiest_share.unwrap() * w.outputs as f64 <= 1.0 + 1e-12), "{name}");
        }
    }
}
