//! Comparisons of masks against golden numbers.

use crate::golden::{counts, flat, golden, number};
use serde_json::Value;
use shared::graph::{LayerShape, Mask};
use shared::model::{DefaultInit, Image, ModelSpec, Op};
use shared::statistics::compare::{Itop, Quartiles, overlap};
use shared::statistics::network_distance;

/// A mask that is written as rows of inputs, columns of outputs.
fn mask(rows: &Value) -> Mask {
    let rows: Vec<Vec<usize>> = rows.as_array().unwrap().iter().map(counts).collect();
    let shape = LayerShape::linear(rows[0].len(), rows.len());
    let edges = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| row.iter().enumerate().filter(|(_, there)| **there == 1).map(move |(o, _)| o * shape.inp + i));
    Mask::from_positions(shape, edges)
}

fn masks(list: &Value) -> Vec<Mask> {
    list.as_array().unwrap().iter().map(mask).collect()
}

fn chain(masks: &[Mask]) -> ModelSpec {
    let mut spec = ModelSpec::new("chain", Image::new(masks[0].shape().inp, 1, 1), DefaultInit::FanInUniform);
    for (last, mask) in masks.iter().enumerate() {
        spec.push(format!("fc{last}"), Op::Linear { shape: mask.shape(), bias: false }, &[last]).unwrap();
    }
    spec
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{got} instead of {want}");
}

#[test]
fn network_distances_are_those_of_the_reference() {
    let case = &golden("graph_stats_network.json")["nnstd"];
    let (first, second) = (masks(&case["masks_1"]), masks(&case["masks_2"]));
    let spec = chain(&first);
    let found = network_distance(&spec, &first, &second).unwrap();
    close(found.mean.unwrap(), number(&case["mean"]));
    for (l, layer) in found.layers.iter().enumerate() {
        close(layer.distance.unwrap(), number(&case["layer_distances"][l]));
        assert_eq!(layer.matching, counts(&case["matching_net1_to_net2"][l]));
    }
    assert_eq!(network_distance(&spec, &first, &first).unwrap().mean, Some(0.0));
    // Hidden unit i of the copy is unit order[i].
    let order = counts(&case["hidden_permutation"]);
    let (hidden, out) = (first[0].shape(), first[1].shape());
    let copy = [
        Mask::from_positions(
            hidden,
            (0..hidden.weights()).filter(|p| first[0].contains(order[p / hidden.inp] * hidden.inp + p % hidden.inp)),
        ),
        Mask::from_positions(out, (0..out.weights()).filter(|p| first[1].contains(p / out.inp * out.inp + order[p % out.inp]))),
    ];
    assert_ne!(copy[0], first[0]);
    assert_eq!(network_distance(&spec, &first, &copy).unwrap().mean, Some(0.0));
}

#[test]
fn overlaps_are_those_of_the_reference() {
    let case = &golden("graph_stats_network.json")["overlap"];
    let count = |name: &str| case[name].as_u64().unwrap() as usize;
    let (n, k1, k2, both) = (count("n"), count("k1"), count("k2"), count("intersection"));
    let shape = LayerShape::linear(1, n);
    let found = overlap(&Mask::from_positions(shape, 0..k1), &Mask::from_positions(shape, k1 - both..k1 - both + k2)).unwrap();
    assert_eq!((found.first, found.second, found.intersection, found.union), (k1, k2, both, count("union")));
    close(found.jaccard, number(&case["jaccard"]));
    close(found.hamming, number(&case["hamming_normalised"]));
    close(found.overlap.unwrap(), number(&case["overlap_coefficient"]));
    close(found.dice, number(&case["dice"]));
    close(found.expected_intersection, number(&case["hypergeom_mean"]));
    close(found.expected_jaccard, number(&case["jaccard_expected_plugin"]));
    close(found.z.unwrap(), number(&case["z"]));
}

#[test]
fn exploration_is_that_of_the_reference() {
    let case = &golden("graph_stats_network.json")["itop"];
    let masks = masks(&case["masks"]);
    let mut itop = Itop::new(&masks[..1]);
    for (t, mask) in masks.iter().enumerate() {
        itop.add(std::slice::from_ref(mask)).unwrap();
        let (found, units) = (itop.explored(), flat(&case["nodewise_rate_per_output_unit"][t]));
        close(found.total, number(&case["rate_over_time"][t]));
        assert_eq!(itop.units(0), units);
        assert_eq!(found.layers[0].units, Quartiles::of(units));
    }
}
