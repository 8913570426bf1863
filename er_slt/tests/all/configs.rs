//! The configurations of the project.

use std::path::Path;

use serde_json::json;

/// Allowed and kept fraction of the published runs, and what is kept at each level.
const PUBLISHED: [(f64, f64, &str); 6] = [
    (0.5, 0.2, "0.481645, 0.386636, 0.310369, 0.249146, 0.2"),
    (0.5, 0.1, "0.419296, 0.293016, 0.204767, 0.143097, 0.1"),
    (0.5, 0.05, "0.365019, 0.222064, 0.135096, 0.0821876, 0.05"),
    (0.5, 0.01, "0.264558, 0.116652, 0.0514352, 0.0226793, 0.01"),
    (0.2, 0.05, "0.2, 0.121673, 0.0740214, 0.05, 0.05"),
    (0.3, 0.1, "0.3, 0.209648, 0.146508, 0.102384, 0.1"),
];

#[test]
fn every_file_resolves_and_the_published_ones_have_their_levels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/er_slt");
    let mut published = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let shown = crate::common::shown(&format!("--config {}", file.display()));
        let name = file.file_stem().unwrap().to_str().unwrap();
        let of = |(allowed, kept, _): &&(f64, f64, &str)| name == format!("paper-resnet18-cifar10-{allowed}-{kept}");
        let Some((allowed, kept, levels)) = PUBLISHED.iter().find(of) else {
            assert!(shown["model"]["weights"].as_u64() > Some(0), "{name}");
            continue;
        };
        published += 1;
        let options = &shown["options"];
        assert_eq!([&options["er-init-density"], &options["sparsity"]], [&json!(allowed), &json!(kept)], "{name}");
        assert_eq!([&options["lr"], &options["seed"], &options["init-bias"]], [&json!(0.1), &json!(2), &json!("kn-zero-bias")]);
        let message = format!(
            "kept (--sparsity): {levels} of all weights and biases of each layer, if so many are allowed; 5 levels of 100 epochs"
        );
        assert_eq!(shown["method"][2], message, "{name}");
        // The network, and the draw from which it chooses.
        let model = &shown["model"];
        assert_eq!((&model["name"], &model["parameters"]), (&json!("resnet18-slt"), &json!(11_169_162)), "{name}");
        assert!((shown["density"].as_f64().unwrap() - allowed).abs() < 0.001, "{name}: {}", shown["density"]);
    }
    assert_eq!(published, PUBLISHED.len());
}
