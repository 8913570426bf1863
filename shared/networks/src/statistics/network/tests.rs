//! Path counts and effective edges against a search of the unrolled graph, arc by arc.

use super::*;
use crate::model::{DefaultInit, Image, Op, build};
use crate::topology::{effective, with_flow};
use er_graphs::graph::LayerShape;
use er_graphs::rng::{Purpose, stream};
use proptest::prelude::*;
use rand::RngExt;

/// An arc between two units of a network, and which layer and position it is, if any.
struct Arc {
    from: usize,
    to: usize,
    edge: Option<(usize, usize)>,
}

/// Output pixel, input pixel and kernel position wherever a window meets its image; without pixels, each kernel position once.
fn meetings([image, out]: [Image; 2], kernel: [usize; 2], stride: usize, padding: usize, view: PathView) -> Vec<[usize; 3]> {
    if view == PathView::Channels {
        return (0..kernel[0] * kernel[1]).map(|tap| [0, 0, tap]).collect();
    }
    let mut all = Vec::new();
    for (y, x) in (0..out.height).flat_map(|y| (0..out.width).map(move |x| (y, x))) {
        for (ky, kx) in (0..kernel[0]).flat_map(|ky| (0..kernel[1]).map(move |kx| (ky, kx))) {
            let (row, column) = ((y * stride + ky).wrapping_sub(padding), (x * stride + kx).wrapping_sub(padding));
            if row < image.height && column < image.width {
                all.push([y * out.width + x, row * image.width + column, ky * kernel[1] + kx]);
            }
        }
    }
    all
}

/// All arcs of a network, those into a node after those into earlier ones, and where the units of each node begin.
struct Unrolled {
    arcs: Vec<Arc>,
    starts: Vec<usize>,
}

impl Unrolled {
    fn new(spec: &ModelSpec, view: PathView) -> Self {
        let pixels = view == PathView::Pixels;
        let mut unrolled = Self { arcs: Vec::new(), starts: vec![0] };
        let mut layer = 0;
        for (id, node) in spec.nodes().iter().enumerate() {
            let to = unrolled.starts[id];
            unrolled.starts.push(to + if pixels { node.output.len() } else { node.output.channels });
            let Some(&input) = node.inputs.first() else { continue };
            let (image, out) = (spec.nodes()[input].output, node.output);
            let start = unrolled.starts[input];
            let mut arc = |from: usize, to: usize, edge| unrolled.arcs.push(Arc { from, to, edge });
            let meetings = |kernel, stride, padding| meetings([image, out], kernel, stride, padding, view);
            let (plane, out_plane) = if pixels { (image.height * image.width, out.height * out.width) } else { (1, 1) };
            let mut pool = |kernel: [usize; 2], stride, padding| {
                let mut meetings = meetings(kernel, stride, padding);
                meetings.truncate(if pixels { meetings.len() } else { 1 });
                for channel in 0..out.channels {
                    for [o, i, _] in &meetings {
                        arc(start + channel * plane + i, to + channel * out_plane + o, None);
                    }
                }
            };
            match node.op {
                Op::Conv { shape, stride, padding, groups, .. } => {
                    let meetings = meetings(shape.kernel, stride, padding);
                    for o in 0..shape.out {
                        for i in 0..shape.inp {
                            let channel = o / (shape.out / groups) * shape.inp + i;
                            for [q, p, tap] in &meetings {
                                let position = (o * shape.inp + i) * shape.taps() + tap;
                                arc(start + channel * plane + p, to + o * out_plane + q, Some((layer, position)));
                            }
                        }
                    }
                    layer += 1;
                }
                Op::Linear { shape, .. } => {
                    let read = if pixels { 1 } else { image.height * image.width };
                    (0..shape.weights()).for_each(|p| arc(start + p % shape.inp / read, to + p / shape.inp, Some((layer, p))));
                    layer += 1;
                }
                Op::MaxPool { kernel, stride, padding } => pool([kernel; 2], stride, padding),
                Op::AvgPool { kernel, stride } => pool([kernel; 2], stride, 0),
                Op::GlobalAvgPool => pool([image.height, image.width], 1, 0),
                Op::Input | Op::BatchNorm { .. } | Op::Relu | Op::Add => {
                    for input in &node.inputs {
                        (0..out.channels * out_plane).for_each(|u| arc(unrolled.starts[*input] + u, to + u, None));
                    }
                }
            }
        }
        unrolled
    }

    /// Paths through each weight of each layer, and through the network.
    fn count(&self, spec: &ModelSpec, masks: &[Mask]) -> (Vec<Vec<u128>>, u128) {
        let units = self.starts[self.starts.len() - 1];
        let (mut into, mut out_of) = (vec![0; units], vec![0; units]);
        into[..self.starts[1]].fill(1);
        let logits = self.starts[self.starts.len() - 2];
        out_of[logits..].fill(1);
        let there = |arc: &&Arc| arc.edge.is_none_or(|(layer, position)| masks[layer].contains(position));
        self.arcs.iter().filter(there).for_each(|arc| into[arc.to] += into[arc.from]);
        self.arcs.iter().rev().filter(there).for_each(|arc| out_of[arc.from] += out_of[arc.to]);
        let mut through: Vec<Vec<u128>> = spec.layers().iter().map(|l| vec![0; l.shape.weights()]).collect();
        for arc in self.arcs.iter().filter(there) {
            if let Some((layer, position)) = arc.edge {
                through[layer][position] += into[arc.from] * out_of[arc.to];
            }
        }
        (through, into[logits..].iter().sum())
    }
}

/// Every kind of node, with padding, groups and strides.
fn every_kind_of_node() -> ModelSpec {
    let mut net = ModelSpec::new("net", Image::new(2, 7, 9), DefaultInit::FanInUniform);
    let mut push = |name: &str, op, inputs: &[usize]| net.push(name, op, inputs).unwrap();
    let conv = |out, inp, kernel, stride, padding, groups| {
        let shape = LayerShape::conv(out, inp, kernel);
        Op::Conv { shape, stride, padding, groups, bias: true }
    };
    let stem = push("stem", conv(4, 2, [3, 3], 1, 1, 1), &[0]);
    let norm = push("bn", Op::BatchNorm { affine: true }, &[stem]);
    let relu = push("relu", Op::Relu, &[norm]);
    let depthwise = push("depthwise", conv(4, 1, [3, 3], 1, 1, 4), &[relu]);
    let add = push("identity", Op::Add, &[depthwise, relu]);
    let grouped = push("grouped", conv(6, 2, [3, 3], 2, 1, 2), &[add]);
    let side = push("side", conv(6, 4, [1, 1], 2, 0, 1), &[relu]);
    let add = push("projection", Op::Add, &[grouped, side]);
    let max = push("max", Op::MaxPool { kernel: 3, stride: 2, padding: 1 }, &[add]);
    let avg = push("avg", Op::AvgPool { kernel: 2, stride: 1 }, &[max]);
    let hidden = push("fc1", Op::Linear { shape: LayerShape::linear(5, 6 * 2), bias: true }, &[avg]);
    let mean = push("mean", Op::GlobalAvgPool, &[side]);
    let beside = push("beside", Op::Linear { shape: LayerShape::linear(5, 6), bias: false }, &[mean]);
    let add = push("add", Op::Add, &[hidden, beside]);
    push("fc2", Op::Linear { shape: LayerShape::linear(3, 5), bias: true }, &[add]);
    net
}

fn draw(spec: &ModelSpec, density: f64, seed: u64) -> Vec<Mask> {
    let of_layer = |(index, layer): (usize, &crate::model::Layer)| {
        let mut rng = stream(seed, Purpose::Mask, index as u64);
        Mask::from_positions(layer.shape, (0..layer.shape.weights()).filter(|_| rng.random_bool(density)))
    };
    spec.layers().iter().enumerate().map(of_layer).collect()
}

/// All results in both views against those of the unrolled graph.
fn check_against_search(spec: &ModelSpec, masks: &[Mask]) {
    for view in [PathView::Channels, PathView::Pixels] {
        let (through, total) = Unrolled::new(spec, view).count(spec, masks);
        let on_paths: Vec<Mask> = masks
            .iter()
            .zip(&through)
            .map(|(m, t)| Mask::from_positions(m.shape(), (0..t.len()).filter(|p| t[*p] > 0)))
            .collect();
        let found = if view == PathView::Pixels { effective_pixels(spec, masks) } else { effective(spec, masks) };
        assert_eq!(found, on_paths, "{view:?}");
        let count = count_paths(spec, masks, view);
        assert_eq!(count.exact, Some(total), "{view:?}");
        assert_eq!(count.log2.is_some(), total > 0);
        assert!(count.log2.is_none_or(|log2| (log2 - (total as f64).log2()).abs() < 1e-12));
        for ((counts, mask), through) in paths_through_edges(spec, masks, view).iter().zip(masks).zip(through) {
            assert_eq!(counts.values.len(), mask.edges());
            for (edge, position) in mask.iter().enumerate() {
                let (found, expected) = (counts.value(edge), through[position] as f64);
                assert!((found - expected).abs() <= 1e-13 * expected, "{view:?}: {found} instead of {expected}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn networks_with_every_kind_of_node_agree_with_a_search(density in 0.02..0.9_f64, seed: u64) {
        let spec = every_kind_of_node();
        check_against_search(&spec, &draw(&spec, density, seed));
    }

    /// Strides beyond kernels, kernels wider than images, rows of several words.
    #[test]
    fn odd_geometries_agree_with_a_search(
        (height, width) in (1..5_usize, prop_oneof![1..6_usize, 60..70_usize, 125..135_usize]),
        (kernel, stride, padding) in ([1..4_usize, 1..6_usize], 1..5_usize, 0..3_usize),
        (second, pool) in (1..4_usize, 1..4_usize),
        density in 0.1..0.6_f64,
        seed: u64,
    ) {
        let mut spec = ModelSpec::new("odd", Image::new(2, height, width), DefaultInit::FanInUniform);
        let mut last = Ok(0);
        for (name, kernel, inp, stride) in [("a", kernel, 2, stride), ("b", [1, second], 3, 1), ("c", [second, 1], 3, 2)] {
            let conv = Op::Conv { shape: LayerShape::conv(3, inp, kernel), stride, padding, groups: 1, bias: false };
            last = last.and_then(|last| spec.push(name, conv, &[last]));
        }
        last = last.and_then(|last| spec.push("pool", Op::MaxPool { kernel: pool, stride: 2, padding: pool / 2 }, &[last]));
        prop_assume!(last.is_ok());
        let last = last.unwrap();
        let classifier = Op::Linear { shape: LayerShape::linear(2, spec.nodes()[last].output.len()), bias: false };
        spec.push("fc", classifier, &[last]).unwrap();
        check_against_search(&spec, &draw(&spec, density, seed));
    }
}

/// SynFlow with weights of 1 and no constants follows paths pixel by pixel too. Not through maxima, of which it takes one pixel.
#[test]
fn edges_are_effective_where_synflow_is_positive() {
    let mut cut = 0;
    for (name, side) in [("resnet8", 8), ("resnet20", 12), ("mobilenet-v2", 32)] {
        let spec = build(name, Image::new(3, side, side), 4).unwrap();
        for (seed, density) in [0.01, 0.03, 0.1, 0.3].into_iter().enumerate() {
            let masks = draw(&spec, density, seed as u64);
            let found = effective_pixels(&spec, &masks);
            assert!(found == with_flow(&spec, &masks), "{name} {density}");
            assert!(effective_pixels(&spec, &found) == found, "{name} {density}");
            cut += usize::from(found != effective(&spec, &masks) && found.iter().any(|m| m.edges() > 0));
        }
    }
    assert!(cut > 2, "the channel-level answer is another one in {cut} cases only");
}

#[test]
fn dense_networks_have_the_paths_that_are_expected_of_them() {
    for view in [PathView::Channels, PathView::Pixels] {
        let mut specs = vec![every_kind_of_node()];
        for (name, side) in [("resnet20", 32), ("lenet-300-100", 8), ("vgg11", 32), ("mobilenet-v2", 64)] {
            specs.push(build(name, Image::new(3, side, side), 10).unwrap());
        }
        for spec in specs {
            let full: Vec<Mask> = spec.layers().iter().map(|l| Mask::full(l.shape)).collect();
            let paths = Paths::of(&spec, &full, view);
            let log2 = paths.count.log2.unwrap();
            assert!((paths.dense_log2.unwrap() - log2).abs() < 1e-9, "{} {view:?}", spec.name());
            assert_eq!(paths.expected_log2, paths.dense_log2);
        }
    }
}

/// Mean of 2000 draws, against its own standard error.
#[test]
fn masks_have_the_expected_number_of_paths_on_average() {
    let spec = every_kind_of_node();
    let densities: Vec<f64> = (0..spec.layers().len()).map(|l| 0.3 + 0.05 * l as f64).collect();
    for view in [PathView::Channels, PathView::Pixels] {
        let counts: Vec<f64> = (0..2000)
            .map(|seed| {
                let draw = |(index, layer): (usize, &crate::model::Layer)| {
                    let mut rng = stream(seed, Purpose::Mask, index as u64);
                    let edges = (0..layer.shape.weights()).filter(|_| rng.random_bool(densities[index]));
                    Mask::from_positions(layer.shape, edges.collect::<Vec<_>>())
                };
                let masks: Vec<Mask> = spec.layers().iter().enumerate().map(draw).collect();
                count_paths(&spec, &masks, view).exact.unwrap() as f64
            })
            .collect();
        let n = counts.len() as f64;
        let mean = counts.iter().sum::<f64>() / n;
        let error = (counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / n / n).sqrt();
        let expected = expected_paths(&spec, &densities, view).unwrap().exp2();
        assert!((mean - expected).abs() < 4.0 * error && error < 0.05 * mean, "{view:?}: {mean} ± {error}, expected {expected}");
    }
}

#[test]
fn counts_beyond_float64_have_logarithms() {
    let mut spec = ModelSpec::new("deep", Image::new(64, 1, 1), DefaultInit::FanInUniform);
    for layer in 0..300 {
        let op = Op::Linear { shape: LayerShape::linear(64, 64), bias: false };
        spec.push(format!("fc{layer}"), op, &[layer]).unwrap();
    }
    let full: Vec<Mask> = spec.layers().iter().map(|l| Mask::full(l.shape)).collect();
    let paths = Paths::of(&spec, &full, PathView::Channels);
    // 64 units, and 64 edges out of each in every layer.
    assert_eq!((paths.count.log2, paths.count.exact), (Some(6.0 * 301.0), None));
    assert_eq!(paths.dense_log2, Some(6.0 * 301.0));
    assert_eq!(expected_paths(&spec, &[0.0; 300], PathView::Pixels), None);
    let through = paths_through_edges(&spec, &full, PathView::Pixels);
    assert!(through.iter().all(|c| c.log2(17) == Some(6.0 * 299.0)));
    // 2¹²⁸ − 1 stands for more, 2¹²⁶ does not.
    let mut short = ModelSpec::new("short", Image::new(64, 1, 1), DefaultInit::FanInUniform);
    for layer in 0..20 {
        short.push(format!("fc{layer}"), Op::Linear { shape: LayerShape::linear(64, 64), bias: false }, &[layer]).unwrap();
    }
    let count = count_paths(&short, &full[..20], PathView::Channels);
    assert_eq!(count, PathCount { log2: Some(126.0), exact: Some(1 << 126) });
    assert_eq!(serde_json::to_value(&count).unwrap()["exact"], (1_u128 << 126).to_string());
}
