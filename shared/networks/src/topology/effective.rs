//! Effective edges: those that carry something from the image to the logits.

use super::flow::Ends;
use crate::model::{ModelSpec, Op};
use er_graphs::graph::Mask;

/// The edges on a path from the image to a logit; what the others carry is a constant, or nobody reads it. Their share of the weights
/// is the effective density (Vysogorets and Kempe 2023 speak of effective sparsity).
///
/// A channel is alive forward if an edge from such a channel leads to it, or, for a sum, if it is so in a summand; alive backward if
/// an edge leads from it to such a channel, or if any reader of its tensor is so. An edge is effective if it leads from a channel that
/// is alive forward to one that is alive backward. Biases, shifts and means bring no channel to life: a unit without inputs carries a
/// constant only. Channels live or die as a whole: whether a kernel position ever meets a pixel, or only the zeros of the padding, is
/// not asked.
///
/// The pruning of dead neurons in the program of "Why Random Pruning Is All We Need to Start Sparse" (`prune_dead`, never called there)
/// takes the numbers of a layer's dead outputs for those of its own inputs, and knows no shortcuts.
///
/// O(edges + channels) time.
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn effective(spec: &ModelSpec, masks: &[Mask]) -> Vec<Mask> {
    assert_eq!(masks.len(), spec.layers().len(), "one mask a layer");
    let links: Vec<Links> = (0..masks.len()).map(|l| Links::new(spec, l, &masks[l])).collect();
    let mut layers = vec![None; spec.nodes().len()];
    for (links, layer) in links.iter().zip(spec.layers()) {
        layers[layer.node] = Some(links);
    }
    let (reached, reaching) = (forward(spec, &layers), backward(spec, &layers));
    let alive = |links: &Links| {
        let edges = links.iter().filter(|e| reached[links.from][e.input] && reaching[links.to][e.output]);
        Mask::from_positions(links.mask.shape(), edges.map(|e| e.position))
    };
    links.iter().map(alive).collect()
}

/// The edges of a layer as edges between channels of two nodes.
struct Links<'a> {
    mask: &'a Mask,
    ends: Ends,
    from: usize,
    to: usize,
    /// Input units a channel: pixels, where a linear layer reads an image.
    units: usize,
}

struct Edge {
    position: usize,
    input: usize,
    output: usize,
}

impl<'a> Links<'a> {
    fn new(spec: &ModelSpec, layer: usize, mask: &'a Mask) -> Self {
        let layer = &spec.layers()[layer];
        assert_eq!(mask.shape(), layer.shape, "{}", layer.name);
        let node = &spec.nodes()[layer.node];
        let image = spec.nodes()[node.inputs[0]].output;
        let units = if let Op::Linear { .. } = node.op { image.height * image.width } else { 1 };
        Self { mask, ends: Ends::of(mask, layer.groups), from: node.inputs[0], to: layer.node, units }
    }

    fn iter(&self) -> impl Iterator<Item = Edge> {
        self.mask.iter().map(|position| {
            let (output, unit) = self.ends.of_position(position);
            Edge { position, input: unit / self.units, output }
        })
    }
}

/// Which channels of each node are reached from the image.
fn forward(spec: &ModelSpec, layers: &[Option<&Links>]) -> Vec<Vec<bool>> {
    let mut reached: Vec<Vec<bool>> = Vec::with_capacity(layers.len());
    for (node, layer) in spec.nodes().iter().zip(layers) {
        let mut channels = vec![node.op == Op::Input; node.output.channels];
        if let Some(links) = layer {
            links.iter().for_each(|e| channels[e.output] |= reached[links.from][e.input]);
        } else {
            node.inputs.iter().for_each(|input| merge(&mut channels, &reached[*input]));
        }
        reached.push(channels);
    }
    reached
}

/// From which channels of each node a logit is reached.
fn backward(spec: &ModelSpec, layers: &[Option<&Links>]) -> Vec<Vec<bool>> {
    let mut reaching: Vec<Vec<bool>> = spec.nodes().iter().map(|n| vec![false; n.output.channels]).collect();
    if let Some(logits) = reaching.last_mut() {
        logits.fill(true);
    }
    for (id, node) in spec.nodes().iter().enumerate().rev() {
        // Nodes read earlier ones only.
        let (earlier, rest) = reaching.split_at_mut(id);
        if let Some(links) = layers[id] {
            links.iter().for_each(|e| earlier[links.from][e.input] |= rest[0][e.output]);
        } else {
            node.inputs.iter().for_each(|input| merge(&mut earlier[*input], &rest[0]));
        }
    }
    reaching
}

fn merge(channels: &mut [bool], others: &[bool]) {
    channels.iter_mut().zip(others).for_each(|(channel, other)| *channel |= other);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::init::state_from;
    use crate::model::{DefaultInit, Image, ParamKind, build};
    use crate::score::synflow;
    use er_graphs::graph::LayerShape;
    use er_graphs::rng::{Purpose, stream};
    use proptest::prelude::*;
    use rand::RngExt;

    /// The edges with a positive SynFlow score when all weights are 1 and there are no constants: an independent way to follow paths,
    /// pixel by pixel.
    pub(crate) fn with_flow(spec: &ModelSpec, masks: &[Mask]) -> Vec<Mask> {
        let weights = masks.iter().map(|m| vec![1.0; m.edges()]).collect();
        let mut state = state_from(spec, masks.to_vec(), weights, 1);
        let parameters = spec.dense_parameters();
        for (dense, _) in state.dense.iter_mut().zip(parameters).filter(|(_, p)| p.kind == ParamKind::Bias) {
            dense.values.fill(0.0);
        }
        let flows = |(mask, scores): (&Mask, Vec<f64>)| {
            let edges = mask.iter().zip(scores).filter(|(_, s)| *s > 0.0);
            Mask::from_positions(mask.shape(), edges.map(|(p, _)| p))
        };
        masks.iter().zip(synflow(spec, &state)).map(flows).collect()
    }

    /// Every kind of node, and no padding, so that every pixel of a living channel is alive.
    fn network() -> ModelSpec {
        let mut net = ModelSpec::new("net", Image::new(2, 12, 11), DefaultInit::FanInUniform);
        let mut push = |name: &str, op, inputs: &[usize]| net.push(name, op, inputs).unwrap();
        let conv = |out, inp, kernel, stride, groups| {
            let shape = LayerShape::conv(out, inp, kernel);
            Op::Conv { shape, stride, padding: 0, groups, bias: true }
        };
        let stem = push("stem", conv(4, 2, [3, 2], 1, 1), &[0]);
        let norm = push("bn", Op::BatchNorm { affine: true }, &[stem]);
        let relu = push("relu", Op::Relu, &[norm]);
        let depthwise = push("depthwise", conv(4, 1, [1, 1], 1, 4), &[relu]);
        let add = push("identity", Op::Add, &[depthwise, relu]);
        let grouped = push("grouped", conv(6, 2, [3, 3], 2, 2), &[add]);
        let side = push("side", conv(6, 4, [3, 3], 2, 1), &[relu]);
        let add = push("projection", Op::Add, &[grouped, side]);
        let max = push("max", Op::MaxPool { kernel: 2, stride: 1, padding: 0 }, &[add]);
        let avg = push("avg", Op::AvgPool { kernel: 2, stride: 1 }, &[max]);
        let hidden = push("fc1", Op::Linear { shape: LayerShape::linear(5, 6 * 2 * 2), bias: true }, &[avg]);
        let mean = push("mean", Op::GlobalAvgPool, &[side]);
        let beside = push("beside", Op::Linear { shape: LayerShape::linear(5, 6), bias: false }, &[mean]);
        let add = push("add", Op::Add, &[hidden, beside]);
        push("fc2", Op::Linear { shape: LayerShape::linear(3, 5), bias: true }, &[add]);
        net
    }

    /// Masks of edges that exist with this probability; of all edges between two channels or none, if `whole`.
    fn draw(spec: &ModelSpec, density: f64, whole: bool, seed: u64) -> Vec<Mask> {
        let of_layer = |(index, layer): (usize, &crate::model::Layer)| {
            let mut rng = stream(seed, Purpose::Mask, index as u64);
            let run = if whole { layer.shape.taps() } else { 1 };
            let starts = (0..layer.shape.weights()).step_by(run).filter(|_| rng.random_bool(density));
            Mask::from_positions(layer.shape, starts.flat_map(|p| p..p + run).collect::<Vec<_>>())
        };
        spec.layers().iter().enumerate().map(of_layer).collect()
    }

    fn full(spec: &ModelSpec) -> Vec<Mask> {
        spec.layers().iter().map(|l| Mask::full(l.shape)).collect()
    }

    proptest! {
        #[test]
        fn edges_are_effective_where_synflow_is_positive(density in 0.02..0.6_f64, seed: u64) {
            let spec = network();
            let masks = draw(&spec, density, false, seed);
            let alive = effective(&spec, &masks);
            prop_assert_eq!(&alive, &with_flow(&spec, &masks));
            prop_assert_eq!(&effective(&spec, &alive), &alive);
            // The other edges carry nothing.
            prop_assert_eq!(&with_flow(&spec, &alive), &alive);
        }
    }

    /// Padding hides nothing when edges between channels come with all kernel positions.
    #[test]
    fn networks_of_the_catalogue_agree_with_synflow() {
        for (name, side) in [("resnet8", 8), ("resnet20-w4", 8), ("vgg11", 32), ("mobilenet-v1", 64), ("mobilenet-v2", 64)] {
            let spec = build(name, Image::new(3, side, side), 4).unwrap();
            let mut partly = 0;
            for (seed, density) in [0.01, 0.05, 0.2].into_iter().enumerate() {
                let masks = draw(&spec, density, true, seed as u64);
                let alive = effective(&spec, &masks);
                assert!(alive == with_flow(&spec, &masks), "{name} {density}");
                let count = |masks: &[Mask]| masks.iter().map(Mask::edges).sum::<usize>();
                partly += usize::from(alive != masks && count(&alive) > 0);
            }
            assert!(partly > 0, "{name}");
        }
    }

    /// Without whole kernels, padding may cut a path that channels have: nothing else differs.
    #[test]
    fn channels_follow_at_least_the_paths_of_pixels() {
        let spec = build("resnet8", Image::new(3, 8, 8), 4).unwrap();
        for seed in 0..20 {
            let masks = draw(&spec, 0.02, false, seed);
            let alive = effective(&spec, &masks);
            for (flow, alive) in with_flow(&spec, &masks).iter().zip(&alive) {
                assert!(flow.iter().all(|p| alive.contains(p)));
            }
        }
    }

    #[test]
    fn units_of_a_chain_need_both_sides() {
        let mut spec = ModelSpec::new("chain", Image::new(1, 1, 2), DefaultInit::FanInUniform);
        let mut last = 0;
        for (name, out, inp) in [("a", 3, 2), ("b", 3, 3), ("c", 2, 3)] {
            last = spec.push(name, Op::Linear { shape: LayerShape::linear(out, inp), bias: true }, &[last]).unwrap();
        }
        let of = |layer: usize, positions: &[usize]| Mask::from_positions(spec.layers()[layer].shape, positions.iter().copied());
        // a: unit 0 and 1 have inputs, 2 has none. b: 0 → 0, 1 → 1, 2 → 2, 2 → 0. c: only units 0 and 2 are read.
        let masks = [of(0, &[0, 1, 3]), of(1, &[0, 2, 4, 8]), of(2, &[0, 5])];
        assert_eq!(effective(&spec, &masks), [of(0, &[0, 1]), of(1, &[0]), of(2, &[0])]);
        let cut = [of(0, &[0, 1, 3]), of(1, &[8]), of(2, &[0, 5])];
        assert_eq!(effective(&spec, &cut), [of(0, &[]), of(1, &[]), of(2, &[])]);
    }

    #[test]
    fn full_masks_stay_full_and_empty_ones_empty() {
        for name in ["resnet20", "resnet18", "vgg11", "mobilenet-v2", "lenet-300-100"] {
            let spec = build(name, Image::new(3, 32, 32), 10).unwrap();
            let masks = full(&spec);
            assert!(effective(&spec, &masks) == masks, "{name}");
            let empty: Vec<Mask> = spec.layers().iter().map(|l| Mask::empty(l.shape)).collect();
            assert!(effective(&spec, &empty) == empty, "{name}");
            // A dead classifier or stem leaves nothing.
            for layer in [0, masks.len() - 1] {
                let mut masks = masks.clone();
                masks[layer] = empty[layer].clone();
                assert!(effective(&spec, &masks) == empty, "{name} without layer {layer}");
            }
        }
    }

    #[test]
    fn shortcuts_keep_units_alive() {
        let spec = build("resnet20", Image::new(3, 32, 32), 10).unwrap();
        let layer = |name: &str| spec.layers().iter().position(|l| l.name == format!("{name}.weight")).unwrap();
        let without = |names: &[&str]| {
            let mut masks = full(&spec);
            for l in names.iter().map(|n| layer(n)) {
                masks[l] = Mask::empty(masks[l].shape());
            }
            masks
        };
        // Half of a block with an identity shortcut takes the other half with it, and no more.
        for dead in ["blocks.1.conv1", "blocks.1.conv2"] {
            assert!(effective(&spec, &without(&[dead])) == without(&["blocks.1.conv1", "blocks.1.conv2"]));
        }
        // So does half of a block whose shortcut is a projection; and the projection can die alone.
        let residual = ["blocks.3.conv1", "blocks.3.conv2"];
        assert!(effective(&spec, &without(&[residual[0]])) == without(&residual));
        let projection = without(&["blocks.3.shortcut.0"]);
        assert!(effective(&spec, &projection) == projection);
        // Without both nothing gets through.
        let both = effective(&spec, &without(&["blocks.3.conv2", "blocks.3.shortcut.0"]));
        assert!(both.iter().all(|m| m.edges() == 0));
    }

    #[test]
    fn pixels_of_a_flattened_image_belong_to_its_channels() {
        let mut spec = ModelSpec::new("flat", Image::new(1, 2, 2), DefaultInit::FanInUniform);
        let shape = LayerShape::conv(2, 1, [1, 1]);
        let conv = spec.push("conv", Op::Conv { shape, stride: 1, padding: 0, groups: 1, bias: false }, &[0]).unwrap();
        spec.push("fc", Op::Linear { shape: LayerShape::linear(1, 8), bias: false }, &[conv]).unwrap();
        let masks = |conv: &[usize], fc: &[usize]| {
            let of = |layer: usize, p: &[usize]| Mask::from_positions(spec.layers()[layer].shape, p.iter().copied());
            vec![of(0, conv), of(1, fc)]
        };
        assert_eq!(effective(&spec, &masks(&[0, 1], &[2, 3])), masks(&[0], &[2, 3]));
        assert_eq!(effective(&spec, &masks(&[1], &[2, 3, 7])), masks(&[1], &[7]));
    }
}
