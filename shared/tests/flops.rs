//! Floating-point operations against independently computed numbers.

use serde::Deserialize;
use shared::model::{Image, build, forward_flops};

#[derive(Deserialize)]
struct Case {
    source: String,
    model: String,
    input: [usize; 3],
    classes: usize,
    macs: Vec<usize>,
    two_macs: f64,
    runs: Vec<Run>,
}

/// A distribution of densities and what the network costs with it.
#[derive(Deserialize)]
struct Run {
    distribution: String,
    sparsities: Vec<f64>,
    two_macs: f64,
}

#[test]
fn operations_are_the_golden_ones_per_layer_and_in_total() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("golden/flops.json")).unwrap();
    assert_eq!(cases.len(), 5);
    for case in &cases {
        let [c, h, w] = case.input;
        let net = build(&case.model, Image::new(c, h, w), case.classes).unwrap();
        let macs: Vec<usize> = net.layers().iter().map(shared::model::Layer::multiply_adds).collect();
        assert_eq!(macs, case.macs, "{}", case.source);
        let dense = forward_flops(&net, &vec![1.0; macs.len()]);
        // Whole numbers far below 2⁵³: no rounding.
        assert_eq!(dense.to_bits(), case.two_macs.to_bits(), "{}: {dense}", case.source);
        for run in &case.runs {
            let densities: Vec<f64> = run.sparsities.iter().map(|s| 1.0 - s).collect();
            let flops = forward_flops(&net, &densities);
            assert!((flops / run.two_macs - 1.0).abs() < 1e-12, "{} {}: {flops}", case.source, run.distribution);
        }
    }
}
