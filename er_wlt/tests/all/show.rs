//! `show`, and the published command.

use crate::common::{Place, configurations_resolve, shown};
use serde_json::Value;

const PAPER: &str = "--sparse --seed 1 --sparse_init ER_same_params_per_layer --fix --lr 0.1 --density 0.01 --model resnet50 \
                     --data cifar100 --epoch 160";

#[test]
fn the_published_command() {
    let shown = shown(PAPER);
    // He et al.'s ResNet-50 for 32×32 images: 23,652,032 weights in 54 layers.
    assert_eq!((shown["model"]["name"].as_str(), shown["model"]["weights"].as_u64()), (Some("resnet50"), Some(23_652_032)));
    assert_eq!(shown["model"]["parameters"], 23_705_152);
    let layers = shown["layers"].as_array().unwrap();
    assert_eq!((layers.len(), layers[0]["name"].as_str()), (54, Some("conv1.weight")));
    // The balanced rule: 4380.01 edges a layer, less where a layer has fewer weights.
    for layer in layers {
        let (weights, edges) = (layer["weights"].as_f64().unwrap(), layer["edges"].as_f64().unwrap());
        let density = (4380.006 / weights).min(1.0);
        assert!((layer["density_requested"].as_f64().unwrap() - density).abs() < 1e-6, "{layer}");
        assert!((edges - density * weights).abs() <= 5.0 * (weights * density * (1.0 - density)).sqrt() + 1e-9, "{layer}");
    }
    assert!((shown["density"].as_f64().unwrap() - 0.009_876).abs() < 1e-4, "{}", shown["density"]);
    assert_eq!(shown["density_requested"], 0.01);
    let options = &shown["options"];
    for (name, value) in [("sparse-init", "balanced"), ("data", "cifar100"), ("optimizer", "sgd"), ("lr-policy", "multistep")] {
        assert_eq!(options[name], value);
    }
    for (name, value) in [("epochs", 160.0), ("batch-size", 128.0), ("l2", 5e-4), ("momentum", 0.9), ("valid-split", 0.0)] {
        assert_eq!(options[name].as_f64(), Some(value), "{name}");
    }
}

#[test]
fn the_same_seed_draws_the_same_mask_and_only_results_count_for_the_hash() {
    let base = shown("--sparse --fix --density 0.1");
    let same = shown("--sparse --fix --density=1e-1 --threads 1 --engine dense --out elsewhere --quiet --log_interval 7");
    assert_eq!((&base["layers"], &base["config_hash"]), (&same["layers"], &same["config_hash"]));
    let other = shown("--sparse --fix --density 0.1 --seed 18");
    assert_ne!(base["layers"], other["layers"]);
    assert_ne!(base["config_hash"], other["config_hash"]);
    assert_ne!(base["config_hash"], shown("--sparse --fix --density 0.1 --lr 0.2")["config_hash"]);
    // Two names of one thing.
    let scaled = shown("--sparse --fix --density 0.1 --scaled");
    assert_eq!(scaled["config_hash"], shown("--sparse --fix --density 0.1 --init-method scaled")["config_hash"]);
}

#[test]
fn hashes_do_not_change_by_accident() {
    // A default that changes this number orphans every run folder made before: it should be deliberate. A new option changes none.
    let hash = shown(PAPER)["config_hash"].as_str().unwrap()[..8].to_owned();
    assert_eq!(hash, "3daa0cb4");
}

#[test]
fn yaml_is_a_configuration_and_text_a_table() {
    let place = Place::new();
    let yaml = place.done(&format!("show {PAPER} --format yaml"));
    place.write("paper.yaml", &yaml);
    assert_eq!(place.done("show --config paper.yaml --format yaml"), yaml);
    let text = place.done("show --sparse --fix --flow-preservation --dense-layers first,last --density 0.01 --format TEXT");
    assert!(text.starts_with("model digits: images 1x8x8, 10 classes"), "{text}");
    assert!(text.contains("flow-preservation: true") && text.contains("conv"), "{text}");
}

#[test]
fn the_configurations_of_the_project_resolve() {
    configurations_resolve();
}

#[test]
fn configurations_hold_documented_options_only_and_all_of_them() {
    let everything = "--sparse --t-end 9 --dense-layers last --max-steps 5 --resume x --start-epoch 2 --save x --data-dir x --save-masks 3 --threads 1 \
                      --lr-milestones 1 --flow-preservation";
    // What asks something, what stands for several runs or for other options, what belongs to another policy or way to grow.
    let others = "help version config unset iters scaled lr-step-epochs decay-frequency flow-keep-density t-end-fraction \
                  grad-accumulation-n";
    Place::new().holds_documented_options(&[everything], others);
}

#[test]
fn every_kind_of_mask_can_be_shown() {
    for init in ["ERK", "ER", "uniform", "balanced", "balanced-exact", "balanced-greedy", "pyramid", "ERK-clipped", "ER_ortho"]
        .into_iter()
        .chain(["ER_flow", "global_magnitude", "ERK_plus"])
    {
        let model = "--model mlp-64-32 --density 0.3 --sampling exact";
        let shown = shown(&format!("--sparse --fix {model} --sparse-init {init}"));
        assert_eq!(shown["options"]["sparse-init"], init);
        let density = shown["density"].as_f64().unwrap();
        assert!((0.2..=0.35).contains(&density), "{init}: {density}");
    }
}

#[test]
fn help_names_every_option_that_works_here() {
    let help = Place::new().done("--help");
    for option in ["--sparse-init", "--valid-split", "--iters", "--config", "--resume", "--growth", "--death", "show", "data"] {
        assert!(help.contains(option), "{option}: {help}");
    }
    for hidden in ["--fp16", "--l1 ", "`"] {
        assert!(!help.contains(hidden), "{hidden}: {help}");
    }
    assert_eq!(Place::new().done("show -h"), Place::new().done("show --help"));
    assert!(Place::new().done("--version").starts_with("er_wlt "));
}

#[test]
fn densities_can_be_given_layer_by_layer() {
    let place = Place::new();
    place.write("given.json", "[1.0, 0.5, 0.5, 1.0]");
    let show = |init: &str| -> Value {
        let words = format!("show --sparse --fix --density 0.2 --sparse-init {init} --format json");
        serde_json::from_str(&place.done(&words)).unwrap()
    };
    let (file, list) = (show("given.json"), show("[1,0.5,0.5,1]"));
    assert_eq!((&file["layers"], &file["config_hash"]), (&list["layers"], &list["config_hash"]));
    assert_eq!(file["options"]["sparse-init"], "[1.0, 0.5, 0.5, 1.0]");
    // Rescaled to the target: the first layer and the last keep twice the density of the others.
    let densities: Vec<f64> =
        file["layers"].as_array().unwrap().iter().map(|l| l["density_requested"].as_f64().unwrap()).collect();
    assert!((densities[0] - 2.0 * densities[1]).abs() < 1e-12 && (densities[1] - densities[2]).abs() < 1e-12, "{densities:?}");
    let dry = "show --sparse --fix --sparse-init";
    place.fails(&format!("{dry} [0.5,1]"), 2, &["2 densities for 4 layers"]);
    place.fails(&format!("{dry} missing.json"), 2, &["cannot read missing.json"]);
    place.write("wrong.json", "{\"a\": 1}");
    place.fails(&format!("{dry} wrong.json"), 2, &["the file of densities has no layer \"conv1.weight\""]);
}

#[test]
fn examples_of_help_texts_run() {
    crate::common::examples_run("--max-steps 1 --quiet");
}

#[test]
fn other_programs_know_its_options() {
    crate::common::other_programs_know_its_options();
}

#[test]
fn a_configuration_serves_other_methods() {
    let words = ["--sparse false", "--fix false", "--lr-policy cosine", "--optimizer adam"];
    crate::common::serves_other_methods("digits.yaml", &words);
}
