//! `graph`: masks drawn now, of a file, along a run, and graphs alone.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Place, Run};
use serde_json::{Value, json};

fn graph(place: &Place, words: &str) -> Value {
    serde_json::from_str(&place.done(&format!("graph {words} --format json"))).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn masks_drawn_now_are_those_of_a_run() {
    let place = Place::new();
    let words = "--model resnet8 --data cifar10 --sparse-init ERK --density 0.1 --seed 4";
    let (answer, shown) = (graph(&place, words), place.shown(&format!("--method static {words}")));
    assert_eq!(answer["model"], json!({"name": "resnet8", "input": "3x32x32", "classes": 10}));
    assert_eq!((&answer["density_requested"], &answer["density"]), (&shown["density_requested"], &shown["density"]));
    let layers = answer["layers"].as_array().unwrap();
    for (layer, other) in layers.iter().zip(shown["layers"].as_array().unwrap()) {
        for key in ["name", "shape", "weights", "edges", "density_requested", "dense"] {
            assert_eq!(layer[key], other[key], "{key}");
        }
        // Nothing of the weight graph gets lost, from either side.
        let graph = &layer["graph"];
        assert_eq!(graph["edges"], layer["edges"]);
        for side in ["inputs", "outputs"] {
            let degrees = &graph[side]["degrees"];
            let histogram = degrees["histogram"].as_array().unwrap();
            let edges: u64 = histogram.iter().map(|bin| bin[0].as_u64().unwrap() * bin[1].as_u64().unwrap()).sum();
            assert_eq!(edges, layer["edges"].as_u64().unwrap(), "{side}");
        }
        assert!(number(&layer["effective_density"]) <= number(&layer["density"]));
        assert!(layer["spectrum"].is_null() && layer["ramanujan"].is_null());
        assert_eq!(graph["skipped"], json!([]));
    }
    let network = &answer["network"];
    assert_eq!(network["total"]["direct"]["edges"], answer["edges"]);
    assert_eq!(network["paths"].as_array().unwrap().len(), 2);
    assert!(answer["against"].is_null() && answer["training"].is_null());
    // Nothing is left to chance, nor to the number of threads.
    assert_eq!(answer, graph(&place, &format!("{words} --threads 1")));
    let other = graph(&place, &format!("{words} --view channels"));
    assert_eq!(other["layers"][1]["graph"]["inputs"]["degrees"]["units"], 16);
}

#[test]
fn tables_and_files_say_the_same() {
    let place = Place::new();
    let words = "--model lenet-300-100 --data mnist --density 0.05 --sampling exact --spectra";
    let answer = graph(&place, words);
    let csv = place.done(&format!("graph {words} --format csv --layer fc2 --edges edges.csv --svg fc2.svg --dot fc2.dot"));
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(lines[0][..6], ["name", "shape", "weights", "edges", "density_requested", "density"]);
    let column = |name: &str| lines[0].iter().position(|n| *n == name).unwrap_or_else(|| panic!("{name}: {:?}", lines[0]));
    for (layer, line) in answer["layers"].as_array().unwrap().iter().zip(&lines[1..]) {
        assert!(line.len() == lines[0].len() && line[0] == layer["name"], "{line:?}");
        assert_eq!(line[column("edges")], layer["edges"].to_string());
        assert_eq!(line[column("graph.outputs.degrees.isolated")], layer["graph"]["outputs"]["degrees"]["isolated"].to_string());
        assert_eq!(line[column("spectrum.sigma2")], layer["spectrum"]["sigma2"].to_string());
    }
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    let edges = answer["layers"][1]["edges"].as_u64().unwrap() as usize;
    assert_eq!(read("edges.csv").lines().count(), 1 + edges);
    assert_eq!(read("fc2.dot").matches(" -- ").count(), edges);
    let picture = read("fc2.svg");
    assert!(picture.starts_with("<svg") && picture.contains("layer fc2.weight") && picture.trim_end().ends_with("</svg>"));
    let table = place.done(&format!("graph {words} --dot network.dot"));
    for text in ["fc3.weight", "effective density", "paths of pixels", "σ₂", "narrowest layer"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    assert_eq!(read("network.dot").matches("->").count(), answer["edges"].as_u64().unwrap() as usize);
}

#[test]
fn a_graph_alone_is_drawn_as_asked_for() {
    let place = Place::new();
    let answer = graph(&place, "--shape 40x30 --density 0.2 --sampling exact --seed 3 --edges edges.csv");
    assert_eq!((&answer["edges"], &answer["weights"], &answer["model"]), (&json!(240), &json!(1200), &Value::Null));
    let edges = std::fs::read_to_string(place.path("edges.csv")).unwrap();
    let ends =
        |line: &str| line.split_once(',').map(|(l, r)| (l.parse::<usize>().unwrap(), r.parse::<usize>().unwrap())).unwrap();
    let edges: Vec<(usize, usize)> = edges.lines().skip(1).map(ends).collect();
    assert!(edges.len() == 240 && edges.iter().all(|(l, r)| *l < 30 && *r < 40));
    let isolated = |side: &str, units: usize, of: &dyn Fn(&(usize, usize)) -> usize| {
        let alone = (0..units).filter(|unit| edges.iter().all(|e| of(e) != *unit)).count();
        assert_eq!(answer["layers"][0]["graph"][side]["degrees"]["isolated"], alone);
    };
    isolated("inputs", 30, &|e| e.0);
    isolated("outputs", 40, &|e| e.1);
    let complete = graph(&place, "--shape 3x5 --density 1 --spectra");
    assert!((number(&complete["layers"][0]["spectrum"]["sigma1"]) - 15_f64.sqrt()).abs() < 1e-9);
    for density in ["0.000001", "1"] {
        let one = graph(&place, &format!("--shape 1x1 --density {density} --spectra"));
        assert_eq!(one["edges"].as_u64().unwrap(), u64::from(density == "1"));
        place.done(&format!("graph --shape 1x1 --density {density} --spectra --svg one.svg"));
    }
}

/// The masks along a run, as the run itself tells of them.
#[test]
fn a_run_is_followed() {
    let place = Place::new();
    let run = Run::of(
        &place,
        "--method RigL --model mlp-64-32 --density 0.1 --epochs 6 --update-frequency 5 --t-end-fraction 1 --save-masks 2 --quiet --batch-size 128",
    );
    let folder = run.folder.display().to_string();
    let answer = graph(&place, &format!("{folder} --svg run.svg"));
    assert_eq!(answer["source"]["kind"], "run");
    assert_eq!(answer["edges"], run.summary["edges"]);
    let moments = answer["training"].as_array().unwrap();
    let files: Vec<&str> = moments.iter().map(|m| m["file"].as_str().unwrap()).filter(|f| f.starts_with("masks")).collect();
    assert_eq!(files, [0, 2, 4, 6].map(|n| format!("masks/epoch-{n}.safetensors")));
    assert_eq!(
        (&moments[0]["step"], &moments[0]["survived"], &moments[0]["jaccard_before"]),
        (&json!(0), &json!(1.0), &Value::Null)
    );
    let updates = run.lines("update");
    for moment in moments.iter().skip(1) {
        let latest = updates.iter().rfind(|line| line["step"].as_u64() <= moment["step"].as_u64()).unwrap();
        assert_eq!((&moment["itop"], &moment["edges"]), (&latest["itop"], &run.summary["edges"]));
        assert!(number(&moment["seen"]) <= number(&moment["itop"]) + 1e-12);
    }
    assert!(number(&moments.last().unwrap()["jaccard_first"]) < 1.0);
    assert!(std::fs::read_to_string(place.path("run.svg")).unwrap().contains("ITOP"));
    // The first masks are those that are drawn from the same options.
    let first = format!("{folder}/masks/epoch-0.safetensors");
    let drawn = graph(&place, &format!("--model mlp-64-32 --density 0.1 --against {first}"));
    assert_eq!((&drawn["against"]["total"]["jaccard"], &drawn["against"]["total"]["hamming"]), (&json!(1.0), &json!(0.0)));
    // Masks of a file against others.
    let last = format!("{folder}/checkpoints/last.safetensors");
    let compared = graph(&place, &format!("{last} --against {first} --svg both.svg"));
    let total = &compared["against"]["total"];
    assert_eq!(total["jaccard"], moments.last().unwrap()["jaccard_first"]);
    assert!(std::fs::read_to_string(place.path("both.svg")).unwrap().contains(">epoch-0.safetensors<"));
    assert_eq!(compared["layers"], answer["layers"]);
    // It trains inside them, too.
    place.done(&format!("--method static --sparse-init {first} --model mlp-64-32 --epochs 1 --quiet --batch-size 128"));
}

fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|value| keys(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// `docs/formats.md` names every key of the answers, in the section about them.
#[test]
fn every_key_is_documented() {
    let place = Place::new();
    let run = Run::of(
        &place,
        "--method RigL --model mlp-16-16 --density 0.3 --epochs 2 --update-frequency 5 --save-masks 1 --quiet --batch-size 128",
    );
    let folder = run.folder.display();
    let formats = include_str!("../../../docs/formats.md");
    let section = |name: &str| formats.split("\n## ").find(|section| section.starts_with(name)).unwrap();
    let drawn = "--model resnet8 --data cifar10 --density 0.3";
    for (name, words) in [
        ("`graph --format", format!("graph {folder} --against {folder}/masks/epoch-0.safetensors --spectra")),
        ("`graph --format", format!("graph {drawn} --spectra")),
        ("`graph --format", "graph --shape 90x60 --density 0.2 --spectra".to_owned()),
        ("`flops --format", "flops --measure --batch-size 2".to_owned()),
    ] {
        let mut found = BTreeSet::new();
        keys(&serde_json::from_str(&place.done(&format!("{words} --format json"))).unwrap(), &mut found);
        // Methods and layers have names of their own.
        found.retain(|key| !section(name).contains(&format!("`{key}`")) && !METHODS.contains(&key.as_str()));
        assert!(found.is_empty(), "{words}: {found:?}");
    }
}

/// The methods whose cost `flops` tells.
const METHODS: [&str; 12] =
    ["dense", "small_dense", "static", "SNIP", "SET", "RigL", "SNFS", "pruning", "GraNet", "lottery", "Top-KAST", "DNW"];

fn mask_file(place: &Place, name: &str, layers: &[(&str, usize)]) -> String {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (layer, bytes) in layers {
        header.insert((*layer).to_owned(), json!({"dtype": "U8", "shape": [bytes], "data_offsets": [at, at + bytes]}));
        at += bytes;
    }
    let header = Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; at]].concat();
    place.write(name, bytes).display().to_string()
}

#[test]
fn layers_with_all_edges_and_single_units_have_defined_statistics() {
    let place = Place::new();
    for (model, units) in [("mlp-8", 8), ("mlp-1", 1)] {
        let answer = graph(&place, &format!("--model {model} --data digits --density 1 --spectra"));
        assert_eq!((&answer["density"], &answer["weights"]), (&json!(1.0), &answer["edges"]));
        assert_eq!(answer["network"]["paths"][0]["exact"], (64 * units * 10).to_string());
        let layer = &answer["layers"][0];
        assert_eq!((&layer["effective_density"], &layer["graph"]["matching"]), (&json!(1.0), &json!(units)));
        // Only a graph with two units on either side has four-cycles to close.
        assert_eq!(layer["graph"]["clustering"]["coefficient"], if units > 1 { json!(1.0) } else { Value::Null });
        assert!((number(&layer["spectrum"]["sigma1"]) - f64::from(64 * units).sqrt()).abs() < 1e-6);
        assert!(number(&layer["spectrum"]["sigma2"]) < 1e-6);
        assert_eq!(layer["graph"]["outputs"]["degrees"]["histogram"], json!([[64, units]]));
    }
}

#[test]
fn layers_without_an_edge_have_defined_statistics() {
    let place = Place::new();
    let empty = mask_file(&place, "empty.safetensors", &[("mask.fc1.weight", 64), ("mask.fc2.weight", 10)]);
    let answer = graph(&place, &format!("{empty} --model mlp-8 --data digits --spectra --svg empty.svg"));
    assert_eq!((&answer["edges"], &answer["network"]["layer_collapse"]), (&json!(0), &json!(true)));
    let layer = &answer["layers"][0];
    assert!(layer["spectrum"].is_null() && layer["graph"]["clustering"]["coefficient"].is_null());
    assert_eq!(layer["graph"]["outputs"]["degrees"]["isolated"], 8);
    assert!(!std::fs::read_to_string(place.path("empty.svg")).unwrap().contains("NaN"));
    place.done(&format!("graph {empty} --model mlp-8 --data digits --spectra"));
}

#[test]
fn mistakes_are_told() {
    let place = Place::new();
    let nothing = mask_file(&place, "nothing.safetensors", &[("weights", 8)]);
    let nameless = mask_file(&place, "nameless.safetensors", &[("mask.fc1.weight", 64), ("mask.fc2.weight", 10)]);
    place.write("text.safetensors", "these are no masks at all");
    for (words, code, texts) in [
        ("missing.safetensors", 1, vec!["cannot read mask file missing.safetensors"]),
        ("text.safetensors", 1, vec!["text.safetensors is damaged or no safetensors file", "help: give a checkpoint"]),
        (nothing.as_str(), 1, vec!["nothing.safetensors has no mask"]),
        (nameless.as_str(), 2, vec!["does not say of which network", "--model and --data"]),
        (&format!("{nameless} --model mlp-9"), 1, vec!["wrong mask.fc1.weight"]),
        (".", 1, vec!["no run's folder", "manifest.json"]),
        ("--shape 3", 2, vec!["'3' is not like 300x784"]),
        ("--shape 0x4", 2, vec!["'0x4' is not like 300x784"]),
        ("--shape 1000000x1000000", 2, vec!["5.000e10 edges", "lower the density"]),
        ("--shape 3x4 --model vgg16", 2, vec!["--model has no effect with --shape"]),
        ("a.safetensors --shape 3x4", 2, vec!["there can be one"]),
        (&format!("{nameless} --model mlp-8 --density 0.1"), 2, vec!["--density has no effect with masks from a file"]),
        ("a b", 2, vec!["unexpected argument 'b'"]),
        ("--layer fc9 --edges x", 2, vec!["--layer fc9: digits has no such layer", "did you mean 'fc'?"]),
        ("--layer fc", 2, vec!["--layer has no effect without --svg, --dot or --edges"]),
        ("--against missing.safetensors", 1, vec!["missing.safetensors"]),
        ("--view edges", 2, vec!["--view", "edges"]),
        ("--model mlp-3000-3000 --density 1 --dot x", 2, vec!["--dot: a drawing of", "choose one layer"]),
        ("--density 2", 2, vec!["--density"]),
    ] {
        place.fails(&format!("graph {words}"), code, &texts);
    }
    assert!(!Path::new(&place.path("x")).exists());
}
