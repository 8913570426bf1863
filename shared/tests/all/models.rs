//! Networks against published layer tables and counts.

use serde::Deserialize;
use shared::model::{Image, ModelSpec, Op, ParamKind, build};

#[derive(Deserialize)]
struct Case {
    source: String,
    model: String,
    input: [usize; 3],
    classes: usize,
    weights: usize,
    biases: usize,
    scales_and_shifts: usize,
    total: usize,
    multiply_adds: Option<usize>,
    layers: Option<Vec<Expected>>,
}

/// One layer of a table; what a source does not tell is absent.
#[derive(Deserialize)]
struct Expected {
    shape: Vec<usize>,
    name: Option<String>,
    bias: Option<bool>,
    stride: Option<usize>,
    padding: Option<usize>,
    /// Rows of the output.
    side: Option<usize>,
}

fn count(net: &ModelSpec, wanted: impl Fn(ParamKind) -> bool) -> usize {
    net.parameters().iter().filter(|p| wanted(p.kind)).map(shared::model::Parameter::len).sum()
}

fn check_layers(net: &ModelSpec, expected: &[Expected], place: &str) {
    assert_eq!(net.layers().len(), expected.len(), "{place}");
    for (layer, e) in net.layers().iter().zip(expected) {
        let place = format!("{place}: {}", layer.name);
        assert_eq!(layer.shape.dims(), e.shape, "{place}");
        assert!(e.name.as_ref().is_none_or(|n| *n == layer.name), "{place}: expected {:?}", e.name);
        assert!(e.side.is_none_or(|s| s == layer.output.height && s == layer.output.width), "{place}: {}", layer.output);
        match net.nodes()[layer.node].op {
            Op::Conv { stride, padding, bias, .. } => {
                assert!(e.stride.is_none_or(|s| s == stride), "{place}: stride {stride}");
                assert!(e.padding.is_none_or(|p| p == padding), "{place}: padding {padding}");
                assert!(e.bias.is_none_or(|b| b == bias), "{place}: bias {bias}");
            }
            Op::Linear { bias, .. } => assert!(e.bias.is_none_or(|b| b == bias), "{place}: bias {bias}"),
            op => panic!("{place}: {op:?} has no weights"),
        }
    }
}

#[test]
fn layer_tables_and_counts_are_the_published_ones() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../golden/models.json")).unwrap();
    assert_eq!(cases.len(), 80);
    for case in &cases {
        let [c, h, w] = case.input;
        let net = build(&case.model, Image::new(c, h, w), case.classes).unwrap();
        let place = &case.source;
        assert_eq!(net.classes(), case.classes, "{place}");
        assert_eq!(net.name(), case.model, "{place}");
        assert_eq!(net.weight_count(), case.weights, "{place}");
        assert_eq!(count(&net, |k| matches!(k, ParamKind::Weight(_))), case.weights, "{place}");
        assert_eq!(count(&net, |k| k == ParamKind::Bias), case.biases, "{place}");
        assert_eq!(count(&net, |k| matches!(k, ParamKind::Scale | ParamKind::Shift)), case.scales_and_shifts, "{place}");
        assert_eq!(net.parameter_count(), case.total, "{place}");
        if let Some(expected) = case.multiply_adds {
            assert_eq!(net.layers().iter().map(shared::model::Layer::multiply_adds).sum::<usize>(), expected, "{place}");
        }
        if let Some(layers) = &case.layers {
            check_layers(&net, layers, place);
        }
    }
}

#[derive(Deserialize)]
struct Narrowed {
    model: String,
    width: f64,
    weights: usize,
}

#[test]
fn narrowed_networks_have_their_golden_numbers_of_weights() {
    let cases: Vec<Narrowed> = serde_json::from_str(include_str!("../golden/small_dense_widths.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for case in &cases {
        let net = build(&format!("{}-x{}", case.model, case.width), Image::new(3, 224, 224), 1000).unwrap();
        assert_eq!(net.weight_count(), case.weights, "{}", net.name());
    }
}

/// Totals that torchvision and the papers report for 224×224 images and 1000 classes.
#[test]
fn imagenet_totals_are_the_published_ones() {
    for (name, total) in [
        ("resnet18-bias", 11_689_512),
        ("resnet34-bias", 21_797_672),
        ("resnet50-bias", 25_557_032),
        ("resnet101-bias", 44_549_160),
        ("resnet152-bias", 60_192_808),
        ("resnet50", 25_556_032),
        ("mobilenet-v1", 4_231_976),
        ("mobilenet-v2", 3_504_872),
    ] {
        let net = build(name, Image::new(3, 224, 224), 1000).unwrap();
        assert_eq!(net.parameter_count(), total, "{name}");
    }
    let vgg = build("vgg16", Image::new(3, 224, 224), 1000).unwrap();
    assert_eq!(vgg.parameter_count(), 14_724_042 + 990 * 513);
}

/// 4.21M parameters, as published, without those of normalisations.
#[test]
fn mobilenet_v1_of_soft_thresholds() {
    let net = build("mobilenet-v1-str", Image::new(3, 224, 224), 1000).unwrap();
    let names: Vec<&str> = net.layers().iter().map(|l| l.name.as_str()).collect();
    let pairs = (1..=13).flat_map(|pair| [0, 3].map(|part| format!("model.{pair}.{part}.weight")));
    let expected: Vec<String> = ["model.0.0.weight".into()].into_iter().chain(pairs).chain(["fc.weight".into()]).collect();
    assert_eq!(names, expected);
    assert!(net.parameters().iter().any(|p| p.name == "model.13.4.running_var"));
    assert_eq!((net.weight_count(), net.parameter_count()), (4_209_088, 4_209_088 + 21_888));
    assert_eq!(net.layers().last().unwrap().shape.dims(), [1000, 1024, 1, 1]);
    let plain = build("mobilenet-v1", Image::new(3, 224, 224), 1000).unwrap();
    let shapes = |net: &ModelSpec| net.layers().iter().map(|l| (l.shape, l.output, l.depthwise)).collect::<Vec<_>>();
    assert_eq!(shapes(&net), shapes(&plain));
}

#[test]
fn mobilenet_v2_has_its_published_size() {
    let net = build("mobilenet-v2", Image::new(3, 224, 224), 1000).unwrap();
    assert_eq!((net.layers().len(), net.weight_count()), (53, 3_469_760));
    assert_eq!(net.layers().iter().filter(|l| l.depthwise).count(), 17);
    // 17 blocks, of which the first of each of the 7 stages has no identity.
    assert_eq!(net.nodes().iter().filter(|n| n.op == Op::Add).count(), 10);
    let operations = 2.0 * net.layers().iter().map(shared::model::Layer::multiply_adds).sum::<usize>() as f64;
    assert!((operations / 6.0155e8 - 1.0).abs() < 1e-5, "{operations}");
}

#[test]
fn cifar_100_resnet_50_has_its_published_operations() {
    let net = build("resnet50-bias", Image::new(3, 32, 32), 100).unwrap();
    assert_eq!((net.parameter_count(), net.layers().len()), (23_705_252, 54));
    let operations = 2 * net.layers().iter().map(shared::model::Layer::multiply_adds).sum::<usize>();
    assert!((operations as f64 / 2.596_028e9 - 1.0).abs() < 1e-6, "{operations}");
}

#[test]
fn state_dictionary_names_are_those_of_the_reference() {
    let names = |model: &str| -> Vec<String> {
        build(model, Image::new(3, 32, 32), 10).unwrap().parameters().into_iter().map(|p| p.name).collect()
    };
    let resnet = names("resnet18");
    assert_eq!(
        resnet[..6],
        ["conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "layer1.0.conv1.weight"]
    );
    for name in ["layer2.0.shortcut.1.running_var", "layer4.1.bn2.bias", "classifier.weight"] {
        assert!(resnet.iter().any(|n| n == name), "{name}");
    }
    assert!(
        names("vgg16").iter().any(|n| n == "feature.41.running_mean") && names("vgg16").iter().any(|n| n == "classifier.bias")
    );
    assert!(
        names("resnet20").iter().any(|n| n == "blocks.3.shortcut.1.weight") && names("resnet20").iter().any(|n| n == "bn.weight")
    );
    assert!(names("wrn-22-2").iter().any(|n| n == "block1.layer.0.convShortcut.weight"));
}

/// The image sizes of the data sets: where the map ends before the classifier, and what small images do to a deep network.
#[test]
fn pooling_follows_the_image_size() {
    let last_map = |model: &str, side: usize| {
        let net = build(model, Image::new(1, side, side), 10).unwrap();
        let pool = net.nodes().iter().find(|n| n.op == Op::GlobalAvgPool).map(|n| net.nodes()[n.inputs[0]].output.height);
        (pool, net.layers().last().unwrap().shape.inp)
    };
    assert_eq!(last_map("vgg16", 28), (None, 512));
    assert_eq!(last_map("vgg16", 32), (Some(2), 512));
    assert_eq!(last_map("vgg16", 64), (Some(4), 512));
    assert_eq!(last_map("resnet18", 64), (Some(8), 512));
    assert_eq!(last_map("resnet18", 127), (Some(16), 512));
    assert_eq!(last_map("resnet18", 128), (Some(4), 512));
    assert_eq!(last_map("resnet18", 224), (Some(7), 512));
    assert_eq!(last_map("mobilenet-v1", 32), (None, 1024));
}
