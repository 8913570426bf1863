//! Statistics of whole networks: numbers computed elsewhere, what must hold for any masks, and corner cases.

use crate::golden::{counts, flat, golden, number};
use proptest::prelude::*;
use rand::RngExt;
use shared::graph::{LayerShape, Mask};
use shared::model::{DefaultInit, Image, Layer, ModelSpec, Op, build};
use shared::rng::{Purpose, stream};
use shared::statistics::network::{
    Counts, NetworkStatistics, PathView, components, count_paths, effective_pixels, paths_into, paths_out_of, paths_through_edges,
};
use shared::topology::effective;

const VIEWS: [PathView; 2] = [PathView::Channels, PathView::Pixels];

fn draw(spec: &ModelSpec, density: f64, seed: u64) -> Vec<Mask> {
    let of_layer = |(index, layer): (usize, &Layer)| {
        let mut rng = stream(seed, Purpose::Mask, index as u64);
        Mask::from_positions(layer.shape, (0..layer.shape.weights()).filter(|_| rng.random_bool(density)))
    };
    spec.layers().iter().enumerate().map(of_layer).collect()
}

fn full(spec: &ModelSpec) -> Vec<Mask> {
    spec.layers().iter().map(|l| Mask::full(l.shape)).collect()
}

fn linear(spec: &mut ModelSpec, name: &str, out: usize, inp: usize, input: usize) -> usize {
    spec.push(name, Op::Linear { shape: LayerShape::linear(out, inp), bias: true }, &[input]).unwrap()
}

fn values(counts: &Counts) -> Vec<f64> {
    (0..counts.values.len()).map(|k| counts.value(k)).collect()
}

#[test]
fn a_network_of_linear_layers_has_the_published_statistics() {
    let golden = &golden("graph_stats_network.json")["mlp_8_10_6_4"];
    let mut spec = ModelSpec::new("mlp", Image::new(8, 1, 1), DefaultInit::FanInUniform);
    for (layer, (out, inp)) in [(10, 8), (6, 10), (4, 6)].into_iter().enumerate() {
        linear(&mut spec, &format!("fc{layer}"), out, inp, layer);
    }
    let edges =
        |key: &str, layer: usize| -> Vec<Vec<usize>> { golden[key][layer].as_array().unwrap().iter().map(counts).collect() };
    let position = |layer: usize, edge: &[usize]| edge[1] * spec.layers()[layer].shape.inp + edge[0];
    let mask = |key: &str, layer: usize| {
        Mask::from_positions(spec.layers()[layer].shape, edges(key, layer).iter().map(|e| position(layer, e)))
    };
    let masks: Vec<Mask> = (0..3).map(|l| mask("edges_per_layer", l)).collect();

    let (into, out_of) = (paths_into(&spec, &masks), paths_out_of(&spec, &masks));
    for node in 0..4 {
        assert_eq!(values(&into[node]), flat(&golden["paths_into_unit"][node]));
        assert_eq!(values(&out_of[node]), flat(&golden["paths_out_of_unit"][node]));
    }
    for view in VIEWS {
        assert_eq!(count_paths(&spec, &masks, view).exact, golden["total_paths"].as_u64().map(u128::from));
        for (layer, through) in paths_through_edges(&spec, &masks, view).iter().enumerate() {
            let edges = edges("edges_per_layer", layer);
            let mut expected: Vec<(usize, f64)> =
                edges.iter().map(|e| position(layer, e)).zip(flat(&golden["edge_path_counts"][layer])).collect();
            expected.sort_unstable_by_key(|(position, _)| *position);
            assert_eq!(values(through), expected.into_iter().map(|(_, paths)| paths).collect::<Vec<_>>());
        }
    }
    let effective_edges: Vec<Mask> = (0..3).map(|l| mask("effective_edges", l)).collect();
    assert_eq!(effective_pixels(&spec, &masks), effective_edges);

    let found = NetworkStatistics::measure(&spec, &masks);
    let total = &found.total;
    let count = |key: &str| golden[key].as_u64().unwrap() as usize;
    assert_eq!((total.weights, total.direct.edges), (count("n_weights"), count("kept")));
    let near = |a: f64, key: &str| assert!((a - number(&golden[key])).abs() < 1e-14, "{key}: {a}");
    for kept in [total.effective_channels, total.effective_pixels] {
        assert_eq!(kept.edges, count("effective_kept"));
        near(1.0 - kept.density, "effective_sparsity");
        near(kept.compression.unwrap(), "effective_compression");
    }
    near(1.0 - total.direct.density, "direct_sparsity");
    near(total.direct.compression.unwrap(), "direct_compression");
    assert_eq!(found.components.count, count("weak_components_all_nodes"));
    let sizes = counts(&golden["component_sizes"]);
    assert_eq!((found.components.units, found.components.largest), (sizes.iter().sum(), sizes[0]));
    assert_eq!(found.components.isolated, sizes.iter().filter(|s| **s == 1).count());
    for (layer, width) in found.bottleneck.widths.iter().enumerate() {
        let active = |node: usize| counts(&golden["active_units"][node]).iter().sum::<usize>();
        assert_eq!((width.inputs_on_paths, width.outputs_on_paths), (active(layer), active(layer + 1)));
    }
}

#[test]
fn a_residual_network_has_the_published_effective_edges_and_paths() {
    let golden = golden("effective_conv.json");
    let mut spec = ModelSpec::new("conv", Image::new(2, 4, 4), DefaultInit::FanInUniform);
    let mut conv = |name: &str, out, inp, side, stride, padding, input: usize| {
        let shape = LayerShape::conv(out, inp, [side, side]);
        spec.push(name, Op::Conv { shape, stride, padding, groups: 1, bias: false }, &[input]).unwrap()
    };
    let first = conv("conv1", 3, 2, 3, 2, 1, 0);
    let second = conv("conv2", 4, 3, 3, 2, 1, first);
    let shortcut = conv("shortcut", 4, 3, 1, 2, 0, first);
    let sum = spec.push("sum", Op::Add, &[second, shortcut]).unwrap();
    let op = Op::Conv { shape: LayerShape::conv(4, 4, [3, 3]), stride: 1, padding: 1, groups: 1, bias: false };
    let third = spec.push("conv3", op, &[sum]).unwrap();
    linear(&mut spec, "fc", 3, 4, third);
    let names = ["conv1", "conv2", "shortcut", "conv3", "fc"];
    let masks_of = |key: &str| -> Vec<Mask> {
        let of = |(name, layer): (&&str, &Layer)| {
            let bits = flat(&golden[key][name]);
            Mask::from_positions(layer.shape, (0..bits.len()).filter(|p| bits[*p] > 0.0))
        };
        names.iter().zip(spec.layers()).map(of).collect()
    };
    let masks = masks_of("masks");
    assert_eq!(effective_pixels(&spec, &masks), masks_of("effective_mask_exact"));
    assert_eq!(count_paths(&spec, &masks, PathView::Pixels).exact, golden["path_count_total"].as_u64().map(u128::from));
    for ((through, mask), name) in paths_through_edges(&spec, &masks, PathView::Pixels).iter().zip(&masks).zip(names) {
        let expected = flat(&golden["path_counts"][name]);
        let expected: Vec<f64> = mask.iter().map(|p| expected[p]).collect();
        assert_eq!(values(through), expected, "{name}");
    }
    let found = NetworkStatistics::measure(&spec, &masks);
    for (layer, name) in found.layers.iter().zip(names) {
        let counts =
            [layer.counts.direct, layer.counts.effective_channels, layer.counts.effective_pixels].map(|k| k.edges as u64);
        let expected = ["kept", "effective_channel_level", "effective_exact"].map(|key| golden[key][name].as_u64().unwrap());
        assert_eq!(counts, expected, "{name}");
    }
    let total = &found.total;
    assert_eq!(total.weights as u64, golden["n"].as_u64().unwrap());
    for (kept, key) in [
        (total.direct, "direct_sparsity"),
        (total.effective_channels, "effective_sparsity_channel_level"),
        (total.effective_pixels, "effective_sparsity_exact"),
    ] {
        assert!((1.0 - kept.density - number(&golden[key])).abs() < 1e-14, "{key}");
    }
}

/// The masks after channels of the outputs of one layer, and so of the inputs of another, have changed places.
fn permuted(masks: &[Mask], [from, to]: [usize; 2], order: &[usize]) -> Vec<Mask> {
    let mut masks = masks.to_vec();
    let shape = masks[from].shape();
    let moved = |p: usize| order[p / shape.fan_in()] * shape.fan_in() + p % shape.fan_in();
    masks[from] = Mask::from_positions(shape, masks[from].iter().map(moved).collect::<Vec<_>>());
    let shape = masks[to].shape();
    let moved = |p: usize| {
        let (output, input, tap) = (p / shape.fan_in(), p % shape.fan_in() / shape.taps(), p % shape.taps());
        (output * shape.inp + order[input]) * shape.taps() + tap
    };
    masks[to] = Mask::from_positions(shape, masks[to].iter().map(moved).collect::<Vec<_>>());
    masks
}

fn edges(masks: &[Mask]) -> Vec<usize> {
    masks.iter().map(Mask::edges).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn hidden_channels_may_change_places(density in 0.02..0.3_f64, seed: u64) {
        let spec = build("resnet8-w4", Image::new(3, 8, 8), 4).unwrap();
        let masks = draw(&spec, density, seed);
        let layer = |name: &str| spec.layers().iter().position(|l| l.name == name).unwrap();
        let block = ["blocks.1.conv1.weight", "blocks.1.conv2.weight"].map(layer);
        let channels = masks[block[0]].shape().out;
        let mut order: Vec<usize> = (0..channels).collect();
        let mut rng = stream(seed, Purpose::Permute, 0);
        (1..channels).rev().for_each(|k| order.swap(k, rng.random_range(0..=k)));
        let (before, after) =
            (NetworkStatistics::measure(&spec, &masks), NetworkStatistics::measure(&spec, &permuted(&masks, block, &order)));
        prop_assert_eq!(&before.layers, &after.layers);
        prop_assert_eq!(&before.components, &after.components);
        for (a, b) in before.paths.iter().zip(&after.paths) {
            prop_assert_eq!(a.count.exact, b.count.exact);
            prop_assert_eq!(a.expected_log2, b.expected_log2);
        }
        for (a, b) in before.bottleneck.widths.iter().zip(&after.bottleneck.widths) {
            prop_assert_eq!((a.inputs_on_paths, a.outputs_on_paths), (b.inputs_on_paths, b.outputs_on_paths));
        }
    }

    #[test]
    fn less_is_left_of_less(density in 0.02..0.4_f64, seed: u64) {
        let spec = build("resnet8-w4", Image::new(3, 8, 8), 4).unwrap();
        let masks = draw(&spec, density, seed);
        let (exact, channels) = (effective_pixels(&spec, &masks), effective(&spec, &masks));
        for ((exact, channels), direct) in exact.iter().zip(&channels).zip(&masks) {
            prop_assert!(exact.iter().all(|p| channels.contains(p)) && channels.iter().all(|p| direct.contains(p)));
        }
        let mut rng = stream(seed, Purpose::Prune, 0);
        let layer = rng.random_range(0..masks.len());
        prop_assume!(masks[layer].edges() > 0);
        let gone = masks[layer].iter().nth(rng.random_range(0..masks[layer].edges())).unwrap();
        let mut fewer = masks.clone();
        fewer[layer].remove(gone);
        for view in VIEWS {
            let [before, after] = [&masks, &fewer].map(|m| count_paths(&spec, m, view).exact.unwrap());
            let through = &paths_through_edges(&spec, &masks, view)[layer];
            let lost = through.value(masks[layer].iter().position(|p| p == gone).unwrap());
            // Exactly the paths through the edge are gone.
            let difference = (before - after) as f64;
            prop_assert!(after <= before && (difference - lost).abs() <= 1e-12 * difference, "{} {}", difference, lost);
        }
        for (fewer, all) in effective_pixels(&spec, &fewer).iter().zip(&exact) {
            prop_assert!(fewer.iter().all(|p| all.contains(p)));
        }
        prop_assert!(components(&spec, &fewer).count >= components(&spec, &masks).count);
    }

    /// Every path crosses each layer of a chain once, and the stem and the classifier of a residual network.
    #[test]
    fn paths_are_conserved(density in 0.05..0.9_f64, seed: u64) {
        for name in ["vgg11-x0.1", "resnet8-w4", "lenet-20-10"] {
            let spec = build(name, Image::new(3, 32, 32), 4).unwrap();
            let masks = draw(&spec, density, seed);
            for view in VIEWS {
                let total = count_paths(&spec, &masks, view).log2;
                let through = paths_through_edges(&spec, &masks, view);
                let crossed = if name.starts_with("resnet") { vec![0, masks.len() - 1] } else { (0..masks.len()).collect() };
                for layer in crossed {
                    let sum = through[layer].values.iter().sum::<f64>();
                    let log2 = (sum > 0.0).then(|| sum.log2() + f64::from(through[layer].exponent));
                    prop_assert_eq!(log2.is_some(), total.is_some());
                    prop_assert!(log2.zip(total).is_none_or(|(a, b)| (a - b).abs() < 1e-10), "{} {:?} {:?}", name, log2, total);
                }
            }
        }
    }
}

#[test]
fn empty_layers_are_named_and_leave_no_numbers_undefined() {
    let spec = build("resnet8-w4", Image::new(3, 8, 8), 4).unwrap();
    let mut masks = full(&spec);
    let layer = |name: &str| spec.layers().iter().position(|l| l.name == name).unwrap();
    // Half of a block: the other half is idle, the shortcut carries everything.
    masks[layer("blocks.1.conv1.weight")] = Mask::empty(masks[layer("blocks.1.conv1.weight")].shape());
    let found = NetworkStatistics::measure(&spec, &masks);
    assert_eq!(found.empty_layers, ["blocks.1.conv1.weight"]);
    assert_eq!(found.idle_layers, ["blocks.1.conv1.weight", "blocks.1.conv2.weight"]);
    assert!(found.layer_collapse && found.paths.iter().all(|p| p.count.log2 < p.dense_log2 && p.count.log2.is_some()));
    assert_eq!(found.bottleneck.by_number.as_ref().unwrap().outputs_on_paths, 0);
    // The stem: nothing is left, and everything is still a number or null.
    masks[0] = Mask::empty(masks[0].shape());
    let found = NetworkStatistics::measure(&spec, &masks);
    assert_eq!((found.total.effective_pixels.edges, found.total.effective_pixels.compression), (0, None));
    assert!(found.paths.iter().all(|p| p.count.log2.is_none() && p.count.exact == Some(0) && p.expected_log2.is_none()));
    assert!(found.bottleneck.widths.iter().all(|w| w.busiest_share.is_none()));
    let json = serde_json::to_value(&found).unwrap();
    assert!(json["total"]["effective_pixels"]["compression"].is_null() && json["paths"][0]["log2"].is_null());
    assert_eq!((&json["paths"][1]["view"], &json["paths"][1]["exact"]), (&"pixels".into(), &"0".into()));
    assert_eq!(json["layers"][0]["layer"], "conv.weight");
    assert_eq!(json["layers"][0]["direct"]["edges"], 0);
}

#[test]
fn dense_networks_keep_everything() {
    // Where images have one pixel, kernel positions meet nothing but padding.
    for (name, side, all) in [("resnet20", 32, true), ("vgg11", 32, true), ("mobilenet-v2", 32, false)] {
        let spec = build(name, Image::new(3, side, side), 10).unwrap();
        let masks = full(&spec);
        let found = NetworkStatistics::measure(&spec, &masks);
        let total = &found.total;
        assert_eq!(edges(&effective(&spec, &masks)).iter().sum::<usize>(), total.weights);
        assert_eq!(total.effective_pixels.edges == total.weights, all, "{name}");
        assert!((found.components.count, found.components.isolated) == (1, 0) && !found.layer_collapse);
        for paths in &found.paths {
            assert!((paths.count.log2.unwrap() - paths.dense_log2.unwrap()).abs() < 1e-9);
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let spec = build("resnet20", Image::new(3, 32, 32), 10).unwrap();
    let masks = draw(&spec, 0.1, 3);
    let measured = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| NetworkStatistics::measure(&spec, &masks))
    };
    assert_eq!(measured(1), measured(5));
}

#[test]
fn the_smallest_networks_are_defined() {
    // One unit, then one layer.
    let mut spec = ModelSpec::new("unit", Image::new(1, 1, 1), DefaultInit::FanInUniform);
    linear(&mut spec, "fc", 1, 1, 0);
    let one = NetworkStatistics::measure(&spec, &full(&spec));
    assert!(one.paths.iter().all(|p| p.count.exact == Some(1) && p.count.log2 == Some(0.0) && p.dense_log2 == Some(0.0)));
    assert_eq!((one.components.units, one.components.count, one.components.largest_fraction), (2, 1, 1.0));
    assert_eq!((one.bottleneck.widths[0].busiest_share, one.bottleneck.by_share), (Some(1.0), None));
    let none = NetworkStatistics::measure(&spec, &[Mask::empty(LayerShape::linear(1, 1))]);
    assert!(none.paths.iter().all(|p| p.count.exact == Some(0) && p.count.log2.is_none() && p.dense_log2 == Some(0.0)));
    assert_eq!((none.components.count, none.components.isolated, none.total.direct.compression), (2, 2, None));

    let mut spec = ModelSpec::new("layer", Image::new(2, 3, 3), DefaultInit::FanInUniform);
    linear(&mut spec, "fc", 5, 18, 0);
    let masks = draw(&spec, 0.3, 1);
    let layer = NetworkStatistics::measure(&spec, &masks);
    for paths in &layer.paths {
        assert_eq!(paths.count.exact, Some(masks[0].edges() as u128));
        assert!((paths.expected_log2.unwrap() - (masks[0].edges() as f64).log2()).abs() < 1e-12);
    }
    assert_eq!(layer.total.direct, layer.total.effective_pixels);
    assert_eq!(layer.components.units, 23);
}
