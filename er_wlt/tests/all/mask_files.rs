//! Masks from a file: a checkpoint of any run, or masks alone.

use std::path::Path;

use crate::common::{Place, json};
use serde_json::{Map, Value, json as value};

/// A run of three steps; layers of 32·64, 16·32 and 10·16 weights, and biases.
const SMALL: &str = "--sparse --fix --model mlp-32-16 --epochs 1 --max-steps 3 --quiet";

const LAYERS: [(&str, usize); 3] = [("fc1.weight", 32 * 64), ("fc2.weight", 16 * 32), ("fc3.weight", 10 * 16)];

/// The tensors of a safetensors file, by name.
fn tensors(path: &Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&bytes[8..start]).unwrap();
    let of = |entry: &Value| {
        let [from, to] = [0, 1].map(|i| entry["data_offsets"][i].as_u64().unwrap() as usize);
        bytes[start + from..start + to].to_vec()
    };
    header.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, entry)| (name.clone(), of(entry))).collect()
}

/// The masks of a file, in the order of their names.
fn masks(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut masks: Vec<_> = tensors(path).into_iter().filter(|(name, _)| name.starts_with("mask.")).collect();
    masks.sort();
    masks
}

/// A safetensors file of nothing but bytes.
fn file(tensors: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (name, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), value!({ "dtype": "U8", "shape": [bytes.len()], "data_offsets": offsets }));
        data.extend(bytes);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat()
}

/// Masks in which every n-th weight is an edge.
fn every(n: usize) -> Vec<(String, Vec<u8>)> {
    let bits = |weights: usize| {
        let mut bytes = vec![0; weights.div_ceil(8)];
        (0..weights).step_by(n).for_each(|p| bytes[p / 8] |= 1 << (p % 8));
        bytes
    };
    LAYERS.map(|(name, weights)| (format!("mask.{name}"), bits(weights))).to_vec()
}

#[test]
fn a_run_takes_the_masks_of_another() {
    let place = Place::new();
    place.done(&format!("{SMALL} --density 0.2 --out first"));
    let best = place.only_run("first").join("checkpoints/best.safetensors");
    let words = format!("{SMALL} --sparse-init {} --seed 3 --lr 0.05 --init-method scaled --out second", best.display());
    let message = place.done(&words);
    let (first, second) = (place.only_run("first"), place.only_run("second"));
    for checkpoint in ["checkpoints/best.safetensors", "checkpoints/last.safetensors"] {
        assert_eq!(masks(&second.join(checkpoint)), masks(&best));
    }
    let [before, after] = [&first, &second].map(|run| json(&run.join("summary.json")));
    assert_eq!(after["density"], before["density"]);
    assert_eq!((&after["density_requested"], &after["edges"]), (&before["density"], &before["edges"]));
    assert_eq!(after["sparse_init"], best.to_str().unwrap());
    assert_eq!(after["sparse_init_sha256"].as_str().unwrap().len(), 64);
    let density = after["density"].as_f64().unwrap();
    let name = second.file_name().unwrap().to_str().unwrap();
    let short: f64 = name.strip_prefix("er_wlt-mlp-32-16-digits-mask-").unwrap().split('-').next().unwrap().parse().unwrap();
    assert!((short - density).abs() < 1e-6 && name.len() < 120, "{name}");

    // The same command and its own configuration find the finished run, and so do the same masks elsewhere.
    assert_eq!(place.done(&words), format!("already finished: {message}"));
    let config = second.join("config.yaml");
    assert!(place.done(&format!("--config {}", config.display())).starts_with("already finished"));
    place.write("copy.safetensors", file(&masks(&best)));
    let copy = words.replace(best.to_str().unwrap(), "copy.safetensors");
    assert!(place.done(&copy).starts_with("already finished"));
    // So does a run that gives the density as the first one printed it.
    assert!(place.done(&format!("{copy} --density {density:.6}")).starts_with("already finished"));
}

#[test]
fn masks_alone_are_a_file_and_others_under_its_path_are_another_run() {
    let place = Place::new();
    let words = format!("{SMALL} --sparse-init my.safetensors");
    place.write("my.safetensors", file(&every(4)));
    place.done(&words);
    let run = place.only_run("runs");
    assert_eq!(masks(&run.join("checkpoints/last.safetensors")), every(4));
    assert_eq!(json(&run.join("summary.json"))["density_requested"], 0.25);

    // As many edges at other places.
    let mut moved = every(4);
    moved[0].1[0] = 0b10_0010;
    place.write("my.safetensors", file(&moved));
    assert!(place.done(&words).starts_with("test accuracy"));
    assert_eq!(std::fs::read_dir(place.path("runs")).unwrap().count(), 2);

    let shown = place.shown(&words);
    assert_eq!((&shown["density_requested"], &shown["density"]), (&value!(0.25), &value!(0.25)));
    assert_eq!(shown["layers"][2]["density_requested"], 0.25);
    let text = place.done(&format!("show {words}"));
    assert!(text.contains("density 0.25 requested, 0.250000 achieved\n"), "{text}");
    assert!(text.contains("sparse-init: \"my.safetensors\"") && !text.contains("sampling"), "{text}");

    // Without --fix its edges are the first ones.
    place.done(&format!("{words} --fix false --update-frequency 1 --out moving"));
    let run = place.only_run("moving");
    assert!(run.file_name().unwrap().to_str().unwrap().starts_with("er_wlt-mlp-32-16-digits-mask-0.25-moving-"), "{run:?}");
    assert_ne!(masks(&run.join("checkpoints/last.safetensors")), moved);
    assert_eq!(json(&run.join("summary.json"))["density"], 0.25);
}

#[test]
fn files_that_do_not_fit_are_told_and_leave_no_folder() {
    let place = Place::new();
    let good = file(&every(4));
    let mut shallow = every(4);
    shallow.pop();
    let mut deep = every(4);
    deep.push(("mask.fc4.weight".into(), vec![1]));
    let mut wrong = every(4);
    wrong[1].1.pop();
    let empty = every(4).into_iter().map(|(name, bytes)| (name, vec![0; bytes.len()])).collect::<Vec<_>>();
    for (name, bytes, texts) in [
        ("text", b"not a mask".to_vec(), &["mask file text.safetensors is damaged or no safetensors file"][..]),
        ("cut", good[..good.len() - 1].to_vec(), &["mask file cut.safetensors is damaged or no safetensors file"]),
        ("shallow", file(&shallow), &["mask file shallow.safetensors has no tensor 'mask.fc3.weight'", "of mlp-32-16"]),
        ("deep", file(&deep), &["has a tensor 'mask.fc4.weight' that model mlp-32-16 has not"]),
        ("wrong", file(&wrong), &["has a wrong mask.fc2.weight: mask of shape 16×32 has 63 bytes, expected 64"]),
        ("empty", file(&empty), &["the masks of empty.safetensors have no edge"]),
    ] {
        place.write(&format!("{name}.safetensors"), bytes);
        let message = place.fails(&format!("{SMALL} --sparse-init {name}.safetensors"), 1, texts);
        assert!(message.contains("help: "), "{message}");
    }
    place.fails(&format!("{SMALL} --sparse-init none.safetensors"), 1, &["cannot read mask file none.safetensors", "help: "]);

    // The first layer that does not fit is named.
    place.write("good.safetensors", good);
    let other = SMALL.replace("mlp-32-16", "mlp-24-16");
    place.fails(&format!("{other} --sparse-init good.safetensors"), 1, &["mask.fc1.weight: mask of shape 24×64 has 256 bytes"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn options_that_contradict_a_file() {
    let place = Place::new();
    place.write("m.safetensors", file(&every(4)));
    let words = format!("{SMALL} --sparse-init m.safetensors");
    let message =
        place.fails(&format!("{words} --density 0.2"), 2, &["--density 0.2: the masks of m.safetensors have density 0.25"]);
    assert!(message.contains("leave it out: the file decides"), "{message}");
    // 0.2501 of 2720 weights are the edges that there are, rounded.
    place.done(&format!("show {words} --density 0.2501"));
    for option in ["sampling exact", "dense-layers first", "flow-preservation", "flow-preservation --flow-keep-density"] {
        let name = option.split(' ').next().unwrap();
        let ran = place.run(&format!("{words} --{option}"));
        assert_eq!(ran.code, Some(2), "{option}: {}", ran.err);
        assert!(ran.err.contains(&format!("--{name} has no effect with masks from a file")), "{}", ran.err);
    }
    // What a file of options asks for can be taken back.
    place.done(&format!("show {words} --flow-preservation false --dense-layers="));
    place.fails(&format!("{words} --sparse false --fix false"), 2, &["has no effect without a mask"]);
}
