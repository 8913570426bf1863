//! Layer densities against independently computed and published numbers.

use crate::golden::{counts, flat, golden};
use serde_json::Value;
use shared::density::{
    Balanced, BalancedExact, BalancedGreedy, Density, Distribution, Er, Erk, ErkClipped, ErkPlus, LayerDensities, Pyramid,
    Solution, Uniform, UniformPlus,
};
use shared::graph::LayerShape;
use shared::model::{Image, build};
use shared::registry::Selected;

/// Shapes in (out, inp, kh, kw) or (out, inp) order.
fn shapes(v: &Value) -> Vec<LayerShape> {
    let shape = |v: &Value| match counts(v)[..] {
        [out, inp] => LayerShape::linear(out, inp),
        [out, inp, kh, kw] => LayerShape::conv(out, inp, [kh, kw]),
        _ => panic!("shape {v}"),
    };
    v.as_array().unwrap().iter().map(shape).collect()
}

/// The golden name of each rule. One rule comes a second time with the classifier as a 1×1 convolution.
fn rules() -> [(&'static str, LayerDensities); 9] {
    let rules: [(&str, &'static dyn Distribution); 9] = [
        ("erk", &Erk),
        ("er", &Er),
        ("erk_clipped", &ErkClipped),
        ("erk_clipped_head_as_1x1conv", &ErkClipped),
        ("balanced", &Balanced),
        ("balanced_redistributed", &BalancedExact),
        ("balanced_greedy", &BalancedGreedy),
        ("pyramid", &Pyramid),
        ("uniform", &Uniform),
    ];
    rules.map(|(name, rule)| (name, LayerDensities::of(rule)))
}

fn with(rule: &'static dyn Distribution, parameter: &str, value: f64) -> LayerDensities {
    LayerDensities::Rule(Selected::new(rule).with(parameter, value).unwrap())
}

#[track_caller]
fn assert_close(got: f64, expected: f64, what: &str) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs(), "{what}: {got}, expected {expected}");
}

fn assert_solution(solved: &Solution, expected: &Value, what: &str) {
    let p = flat(&expected["p"]);
    for (l, got) in solved.densities.iter().enumerate() {
        assert_close(*got, p[if p.len() == 1 { 0 } else { l }], &format!("{what}, layer {l}"));
    }
    assert!(p.len() == 1 || p.len() == solved.densities.len(), "{what}");
    assert_close(solved.achieved, expected["achieved"].as_f64().unwrap(), &format!("{what}, achieved"));
    assert_eq!(solved.note.is_some(), expected["constant"].is_f64(), "{what}");
    if let Some(note) = &solved.note {
        assert_close(note.value, expected["constant"].as_f64().unwrap(), &format!("{what}, {}", note.name));
    }
}

#[test]
fn every_rule_agrees_with_the_reference_for_every_network() {
    let golden = golden("layer_densities.json");
    let mut cases = 0;
    for (model, entry) in golden.as_object().unwrap() {
        let shapes = shapes(&entry["shapes"]);
        for (density, by_rule) in entry["by_density"].as_object().unwrap() {
            for (name, rule) in rules() {
                let mut shapes = shapes.clone();
                if name.ends_with("1x1conv") {
                    let head = shapes.last_mut().unwrap();
                    *head = LayerShape::conv(head.out, head.inp, [1, 1]);
                }
                let solved = rule.solve(&shapes, density.parse().unwrap()).unwrap();
                assert_solution(&solved, &by_rule[name], &format!("{model} {density} {name}"));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 11 * 5 * 9);
}

/// Of the networks and distributions of the published configurations of soft thresholds inside random graphs.
#[test]
fn achieved_densities_of_soft_threshold_networks() {
    let mut cases = 0;
    for (model, entry) in golden("str_densities.json").as_object().unwrap() {
        let classes = entry["classes"].as_u64().unwrap() as usize;
        let shapes: Vec<LayerShape> =
            build(model, Image::new(3, 32, 32), classes).unwrap().layers().iter().map(|l| l.shape).collect();
        for (density, by_rule) in entry["achieved"].as_object().unwrap() {
            for (name, expected) in by_rule.as_object().unwrap() {
                let solved = name.parse::<LayerDensities>().unwrap().solve(&shapes, density.parse().unwrap()).unwrap();
                assert_close(solved.achieved, expected.as_f64().unwrap(), &format!("{model} {density} {name}"));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 2 * 2 * 5);
}

#[test]
fn erk_agrees_with_the_published_imagenet_table() {
    let golden = golden("erk_resnet50_imagenet.json");
    let density = Density::new(golden["density"].as_f64().unwrap()).unwrap();
    let solved = LayerDensities::of(&Erk).solve(&shapes(&golden["shapes"]), density).unwrap();
    assert_close(solved.note.unwrap().value, golden["epsilon"].as_f64().unwrap(), "epsilon");
    let computed = flat(&golden["sparsity_percent_computed"]);
    let published = flat(&golden["sparsity_percent_published"]);
    assert_eq!(solved.densities.len(), published.len());
    for (l, p) in solved.densities.iter().enumerate() {
        let sparsity = 100.0 * (1.0 - p);
        assert!((sparsity - computed[l]).abs() < 1e-9, "layer {l}");
        assert!((sparsity - published[l]).abs() <= 0.5, "layer {l}: {sparsity} %, published {} %", published[l]);
    }
}

#[test]
fn erk_agrees_with_the_rounding_reference_on_small_networks() {
    for case in golden("erk_small.json").as_array().unwrap() {
        let name = format!("{} at sparsity {}", case["name"], case["sparsity"]);
        // Layers with a density of their own take no part; the others meet the target among themselves.
        let layers: Vec<&Value> = case["layers"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|l| case["custom"].get(l["name"].as_str().unwrap()).is_none())
            .collect();
        let shapes: Vec<LayerShape> = layers
            .iter()
            .map(|l| match counts(&l["shape_hwio"])[..] {
                [inp, out] => LayerShape::linear(out, inp),
                [kh, kw, inp, out] => LayerShape::conv(out, inp, [kh, kw]),
                _ => panic!("{name}"),
            })
            .collect();
        let power = case["power"].as_f64().unwrap();
        let rule = if case["kernel"] == true { with(&Erk, "power", power) } else { LayerDensities::of(&Er) };
        let target = Density::new(1.0 - case["sparsity"].as_f64().unwrap()).unwrap();
        let solved = rule.solve(&shapes, target).unwrap();
        // The reference solves for a total that is up to one weight per layer higher, all of which goes to layers that are not full.
        let open: f64 =
            shapes.iter().zip(&solved.densities).filter(|(_, p)| **p < 1.0).map(|(s, p)| s.weights() as f64 * p).sum();
        let tolerance = if case["rounding"] == "none" { 1e-12 } else { shapes.len() as f64 / open };
        let ratio = case["epsilon"].as_f64().unwrap() / solved.note.unwrap().value;
        assert!(ratio > 1.0 - 1e-12 && ratio < 1.0 + tolerance, "{name}: epsilon ratio {ratio}, tolerance {tolerance}");
        for (layer, p) in layers.iter().zip(&solved.densities) {
            let layer = layer["name"].as_str().unwrap();
            let expected = 1.0 - case["layer_sparsity"][layer].as_f64().unwrap();
            assert!((p / expected - 1.0).abs() <= tolerance, "{name}, layer {layer}: {p}, expected {expected}");
            let full = case["dense_layers"].as_array().unwrap().iter().any(|l| l == layer);
            assert_eq!(*p >= 1.0, full, "{name}, layer {layer}");
        }
    }
}

/// ResNet-20's layers with all weights, as in [`every_rule_agrees_with_the_reference_for_every_network`].
fn resnet20() -> Vec<LayerShape> {
    shapes(&golden("layer_densities.json")["resnet20/cifar10"]["shapes"])
}

#[test]
fn uniform_plus_meets_its_target_exactly() {
    let shapes = resnet20();
    let solved = LayerDensities::of(&UniformPlus).solve(&shapes, Density::new(0.1).unwrap()).unwrap();
    // (0.1·270896 − 432 − 0.2·640) / (270896 − 432 − 640); the published code divides by 270896 and gets 0.0979328.
    assert_close(solved.note.unwrap().value, 26529.6 / 269_824.0, "q");
    assert_eq!((solved.densities[0], solved.densities[21]), (1.0, 0.2));
    assert_close(solved.achieved, 0.1, "total");
    let dense = LayerDensities::of(&UniformPlus).solve(&shapes, Density::new(0.3).unwrap()).unwrap();
    assert_eq!((dense.densities[0], dense.densities[1], dense.densities[21]), (1.0, 0.3, 0.3));
    let error = LayerDensities::of(&UniformPlus).solve(&shapes, Density::new(0.001).unwrap()).unwrap_err();
    assert!(error.what().starts_with("uniform_plus cannot reach density 0.001"), "{error}");
}

#[test]
fn erk_plus_is_erk_before_a_fixed_classifier() {
    let shapes = resnet20();
    let n = 270_896.0;
    let solved = with(&ErkPlus, "fc_density", 0.5).solve(&shapes, Density::new(0.1).unwrap()).unwrap();
    let inner = Density::new((0.1 * n - 0.5 * 640.0) / (n - 640.0)).unwrap();
    let before = LayerDensities::of(&Erk).solve(&shapes[..21], inner).unwrap();
    assert_eq!(solved.densities[..21], before.densities);
    assert_close(solved.densities[21], 0.5, "classifier");
    assert_close(solved.achieved, 0.1, "total");
    assert!(LayerDensities::of(&ErkPlus).solve(&shapes, Density::new(0.001).unwrap()).is_err());
}
