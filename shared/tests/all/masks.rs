//! Initial masks of whole networks.

use shared::density::Density;
use shared::graph::{Csr, Sampling};
use shared::model::{Image, ModelSpec, build};
use shared::topology::{Drawn, FlowPreservation, MaskPlan};

fn model(name: &str) -> ModelSpec {
    build(name, Image::new(3, 32, 32), 10).unwrap()
}

fn draw(model: &ModelSpec, init: &str, density: f64, flow: FlowPreservation) -> shared::Result<Drawn> {
    let density = Density::new(density).unwrap();
    MaskPlan { init: init.parse().unwrap(), law: Sampling::Bernoulli, density, dense_layers: Vec::new(), flow, seed: 17 }
        .draw(model, None)
}

#[test]
fn realised_densities_are_within_five_deviations() {
    for (name, init) in [("vgg16", "ERK"), ("resnet18", "balanced-exact"), ("resnet20", "pyramid"), ("resnet18", "uniform")] {
        let model = model(name);
        let drawn = draw(&model, init, 0.01, FlowPreservation::Off).unwrap();
        let mut variance = 0.0;
        for (mask, p) in drawn.masks.iter().zip(&drawn.densities_requested) {
            let n = mask.shape().weights() as f64;
            variance += n * p * (1.0 - p);
            assert!((mask.edges() as f64 - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt() + 1.0, "{name} {init}");
        }
        let off = (drawn.achieved() - 0.01) * model.weight_count() as f64;
        assert!(off.abs() <= 5.0 * variance.sqrt(), "{name} {init}: {off} edges off");
    }
}

#[test]
fn flow_preservation_feeds_every_unit_of_a_starved_network() {
    let model = model("vgg16");
    let drawn = draw(&model, "pyramid", 0.001, FlowPreservation::On).unwrap();
    for (mask, layer) in drawn.masks.iter().zip(model.layers()) {
        let csr = Csr::new(mask, layer.groups);
        assert!((0..csr.outputs()).all(|o| !csr.output(o).is_empty()), "{}", layer.name);
        assert!((0..csr.inputs()).all(|i| !csr.input(i).is_empty()), "{}", layer.name);
    }
    // An independent computation expects 2633 isolated outputs and 2928 isolated inputs; a repair of an output reaches some inputs.
    let added: usize = drawn.repairs.iter().map(|r| r.added).sum();
    assert!((2928 - 300..=2633 + 2928 + 300).contains(&added), "{added} edges added");
}

#[test]
fn er_flow_knows_chains() {
    for (name, is_chain) in [
        ("vgg16", true),
        ("lenet5", true),
        ("lenet-300-100", true),
        ("conv-6", true),
        ("resnet20", false),
        ("mobilenet_v1", false),
    ] {
        let drawn = draw(&model(name), "ER_flow", 0.05, FlowPreservation::Off);
        assert_eq!(drawn.is_ok(), is_chain, "{name}");
    }
}
