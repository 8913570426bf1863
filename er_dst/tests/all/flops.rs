//! `flops`: the rows of published tables by the commands that the documentation names, and the numbers that belong together.

use crate::common::Place;
use serde_json::Value;

fn counted(words: &str) -> Value {
    serde_json::from_str(&Place::new().done(&format!("flops {words} --format json"))).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// google-research/rigl's README: inference and training (5 times as long) relative to the dense network, and megabytes. Sizes with ERK
/// are printed as 0.001 less there, since that solver rounds every layer's edges down.
#[test]
fn the_table_of_rigl() {
    for (words, inference, training, megabytes) in [
        ("--density 1", "1.00", "5.00", "102.122"),
        ("--density 0.2", "0.42", "2.09", "23.684"),
        ("--density 0.2 --sparse-init uniform --dense-layers first", "0.23", "1.14", "23.729"),
        ("--density 0.1", "0.24", "1.23", "13.499"),
        ("--density 0.1 --sparse-init uniform --dense-layers first", "0.13", "0.66", "13.532"),
        ("--density 0.05", "0.12", "0.63", "8.399"),
        ("--density 0.05 --sparse-init uniform --dense-layers first", "0.08", "0.42", "8.433"),
        ("--density 0.035", "0.09", "0.45", "6.869"),
        ("--density 0.035 --sparse-init uniform --dense-layers first", "0.07", "0.34", "6.904"),
        ("--density 0.01 --dense-layers first", "0.05", "0.29", "4.354"),
    ] {
        let report = counted(&format!("--data imagenet --model resnet50 --convention rigl --expected --multiplier 5 {words}"));
        let found = [&report["inference_ratio"], &report["training_ratio"]].map(|v| format!("{:.2}", number(v)));
        assert_eq!(found, [inference, training], "{words}");
        assert_eq!(format!("{:.3}", number(&report["size_bytes"]["rigl"]) / 1e6), megabytes, "{words}");
    }
}

/// The published sparsities of ResNet-50's 54 layers, which depend on nothing but their shapes.
#[test]
fn the_table_of_layers() {
    let golden: Value = serde_json::from_str(include_str!("../../../shared/tests/golden/erk_resnet50_imagenet.json")).unwrap();
    let report = counted("--data imagenet --model resnet50 --sparse-init ERK --density 0.1 --expected");
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 54);
    let shapes = golden["shapes"].as_array().unwrap();
    for layer in layers {
        let published = shapes.iter().position(|shape| *shape == layer["shape"]).unwrap_or_else(|| panic!("{layer}"));
        let sparsity = 100.0 * (1.0 - number(&layer["density_requested"]));
        assert!((sparsity - number(&golden["sparsity_percent_published"][published])).abs() <= 0.5, "{layer}");
        assert!((sparsity - number(&golden["sparsity_percent_computed"][published])).abs() < 1e-9, "{layer}");
    }
}

#[test]
fn mobilenet_and_the_reproduction() {
    let mobilenet = "--data imagenet --model mobilenet-v1 --convention rigl --expected";
    for (words, megaflops, megabytes) in [
        ("--density 1", "1141.544", "16.864"),
        ("--density 0.25 --sparse-init uniform --dense-layers first", "330.769", "4.894"),
        ("--density 0.1 --sparse-init uniform --dense-layers first", "168.614", "2.396"),
    ] {
        let report = counted(&format!("{mobilenet} {words}"));
        assert_eq!(format!("{:.3}", number(&report["inference_flops"]) / 1e6), megaflops, "{words}");
        assert_eq!(format!("{:.3}", number(&report["size_bytes"]["rigl"]) / 1e6), megabytes, "{words}");
    }
    let wrn = "--data cifar10 --model wrn-22-2 --convention rigl-reproducibility --expected --density 0.2";
    for (words, inference, training) in [
        ("--sparse-init uniform --dense-layers first", "0.20", "0.20"),
        ("--sparse-init uniform --dense-layers first --multiplier 2", "0.20", "0.41"),
        ("--sparse-init ERK", "0.35", "0.35"),
    ] {
        let report = counted(&format!("{wrn} {words}"));
        let found = [&report["inference_ratio"], &report["training_ratio"]].map(|v| format!("{:.2}", number(v)));
        assert_eq!(found, [inference, training], "{words}");
    }
    // RigL's figure 2: the density is looked at every 1000 of 32,000 steps.
    let pruning = "--data imagenet --model resnet50 --sparse-init uniform --dense-layers first --convention rigl --expected \
                   --method pruning --update-frequency 1000 --prune-begin 10000 --prune-end 25000";
    for (density, training) in [("0.2", "0.56"), ("0.1", "0.51")] {
        let report = counted(&format!("{pruning} --density {density}"));
        assert_eq!(format!("{:.2}", number(&report["training_ratio"])), training);
    }
}

#[test]
fn masks_are_those_that_a_run_draws_and_layers_add_up() {
    let words = "--density 0.1 --flow-preservation --seed 3 --data mnist --model lenet5";
    let (report, shown) = (counted(words), Place::new());
    let shown = shown.shown(&format!("--method static {words}"));
    assert_eq!(report["edges"], shown["edges"]);
    assert_eq!(report["density"], shown["density"]);
    let layers = report["layers"].as_array().unwrap();
    let sum = |of: &dyn Fn(&Value) -> f64| layers.iter().map(of).sum::<f64>();
    for (layer, drawn) in layers.iter().zip(shown["layers"].as_array().unwrap()) {
        for key in ["name", "shape", "weights", "edges", "density_requested"] {
            assert_eq!(layer[key], drawn[key], "{key}");
        }
    }
    assert_eq!(sum(&|l| number(&l["edges"])), number(&report["edges"]));
    let flops = number(&report["inference_flops"]);
    assert!((sum(&|l| number(&l["inference_flops"])) / flops - 1.0).abs() < 1e-12);
    // What all layers together do not take are biases; in RigL's size they are in the layers.
    let others = 4.0 * (number(&report["parameters"]) - number(&report["weights"]));
    for (form, others) in [("dense", others), ("bit_mask", others), ("csr", others), ("rigl", 0.0)] {
        assert_eq!(sum(&|l| number(&l["size_bytes"][form])) + others, number(&report["size_bytes"][form]), "{form}");
    }
    assert!(report["measured"].is_null());
    assert_eq!(report["training_ratio"], report["training"]["RigL"]);
    let expected = counted("--density 0.1 --data mnist --model lenet5 --expected --method SNFS");
    assert!((number(&expected["density"]) - 0.1).abs() < 1e-12 && expected["edges"] != report["edges"]);
    assert_eq!(expected["training_ratio"], expected["training"]["SNFS"]);
}

#[test]
fn tables_of_both_kinds_have_a_line_a_layer() {
    let place = Place::new();
    let csv = place.done("flops --format csv");
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(lines[0][..4], ["name", "shape", "weights", "edges"]);
    assert!(lines.len() == 5 && lines.iter().all(|l| l.len() == lines[0].len()), "{csv}");
    assert_eq!(lines[1][..3], ["conv1.weight", "32x1x3x3", "288"]);
    let table = place.done("flops --method GraNet");
    for text in ["conv1.weight", "ratio 0.0519", "bit mask", "\n* GraNet", "digits-x0.218"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    assert!(!table.contains("measured"), "{table}");
}

#[test]
fn times_are_measured_if_asked() {
    let words = "--measure --batch-size 20 --threads 1 --density 0.05";
    let measured = &counted(words)["measured"];
    assert_eq!((number(&measured["batch_size"]), number(&measured["threads"])), (20.0, 1.0));
    for (ratio, seconds) in [("training_ratio", "training_step_seconds"), ("inference_ratio", "inference_seconds")] {
        let [masks, all] = ["masks", "all_weights"].map(|of| number(&measured[of][seconds]));
        assert!(masks > 0.0 && all > 0.0 && number(&measured[ratio]) == masks / all, "{measured}");
    }
    let table = Place::new().done(&format!("flops {words}"));
    assert!(table.contains("medians of 5 batches of 20 images, 1 thread\n"), "{table}");
}

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, texts) in [
        ("--model resnt50", &["unknown model \"resnt50\""][..]),
        ("--density 2", &["--density", "got 2"]),
        ("--convention rigel", &["unknown convention \"rigel\"", "rigl"]),
        ("--method DNQ", &["unknown method \"DNQ\"", "DNW"]),
        ("--multiplier 0", &["--multiplier", "'0' is not above 0"]),
        ("--batch-size 10", &["--batch-size has no effect without --measure"]),
        ("--expected --sampling exact", &["--sampling has no effect with --expected"]),
        ("--prune-begin 10 --prune-end 10", &["from step 10 to step 10 of 32000"]),
        ("--steps 50", &["no update of every 100 steps comes in 50 steps"]),
        ("--backward-density 0.01", &["--backward-density: 0.01 is below the density 0.05 "]),
        ("--format yaml", &["--format", "yaml"]),
        ("--optimizer adam", &["'--optimizer' is an option of runs, and flops trains nothing", "help: leave it out"]),
    ] {
        place.fails(&format!("flops {words}"), 2, texts);
    }
    let large = "--measure --data imagenet --model resnet50 --batch-size 1000000";
    place.fails(&format!("flops {large}"), 1, &["resnet50 on 1000000 images of 3x224x224 takes about", "lower --batch-size"]);
}
