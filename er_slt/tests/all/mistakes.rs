//! What cannot be is refused with one line that says why, and one that says what to do.

use std::path::PathBuf;

use crate::common::Place;
use crate::search::{SHORT, Search, network, read};
use serde_json::{Map, Value, json};
use shared::run::{Checkpoint, Saved};

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, line) in [
        ("--sparsity 0.6", "--sparsity 0.6: more than the 0.5 that --er-init-density allows"),
        ("--er-init-density 0.1 --density 0.2", "--sparsity 0.2: more than the 0.1 that --er-init-density allows"),
        ("--anneal --sparsity 0.6 --sparsity-start 0.9", "--sparsity 0.6: more than the 0.5 that --er-init-density allows"),
        ("--levels 0", "--levels: '0' is not at least 1"),
        ("--levels 1000000000", "--levels: '1000000000' is not at most 1000000"),
        ("--levels -1", "--levels: '-1' is not a whole number from 0 to 1000000000"),
        ("--anneal --sparsity 0.3 --sparsity_start 0.2", "--sparsity-start 0.2: below the 0.3 of --sparsity"),
        ("--anneal --sparsity-start 1.5", "--sparsity-start: '1.5' is not in [0, 1]"),
        ("--sparsity-start 0.5", "--sparsity-start has no effect without --anneal"),
        ("--sparsity 0", "--sparsity: density must be above 0 and at most 1, got 0; 0.05 keeps one weight in twenty"),
        ("--sparsity 1.01", "--sparsity: density must be above 0 and at most 1, got 1.01; 0.05 keeps one weight in twenty"),
        ("--sparsity nan", "--sparsity: density must be above 0 and at most 1, got NaN; 0.05 keeps one weight in twenty"),
        (
            "--er-init-density 0",
            "--er-init-density: density must be above 0 and at most 1, got 0; 0.05 keeps one weight in twenty",
        ),
        ("--load-model", "--load-model needs --model-to-load"),
        ("--model-to-load x", "--model-to-load has no effect without --load-model"),
        ("--load-model --model-to-load x --bfac 0.1", "cannot read checkpoint x: No such file or directory (os error 2)"),
        ("--plant-model", "--plant-model: the program that plants a network among frozen weights was never published"),
        ("--plant-path x", "--plant-path: the program that plants a network among frozen weights was never published"),
        ("--save-model false", "--save-model false: the best network of each level is always saved"),
        ("--save_model=False", "--save-model false: the best network of each level is always saved"),
        ("--model tabular", "unknown model \"tabular\""),
        ("--bfac -1", "--bfac: '-1' is negative"),
        ("--er-method ER_ortho", "--er-method: ER_ortho is about weights, and these are --init-bias here"),
        ("--er-method global_magnitude", "--er-method: global_magnitude is about weights, and these are --init-bias here"),
        ("--er-method x.safetensors", "cannot read mask file x.safetensors: No such file or directory (os error 2)"),
        ("--levls 2", "unknown option '--levls'"),
    ] {
        let code = if line.starts_with("cannot read") { 1 } else { 2 };
        let message = place.refused(&format!("{SHORT} {words}"), code, line);
        // Words that mean nothing and files that are not there speak for themselves.
        let plain = ["is not", "is negative", "density must be", "cannot read"].iter().any(|text| line.contains(text));
        assert!(plain || message.contains("  help: "), "{message}");
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[test]
fn names_that_are_none() {
    let place = Place::new();
    for (words, texts) in [
        ("--initBias ones", &["--init-bias: unknown initialisation of frozen values \"ones\"", "ortho-bias-special"][..]),
        ("--score-init x", &["--score-init: unknown initialisation of scores \"x\"", "kaiming-uniform, constant, published"]),
        ("--er-method RigL", &["--er-method: unknown initial mask \"RigL\"", "uniform"]),
    ] {
        place.fails(&format!("{SHORT} {words}"), 2, texts);
    }
}

/// A switch that is off counts as not given, and still has a place.
#[test]
fn switches_that_are_off_are_told_with_their_place() {
    let place = Place::new();
    let file = place.write("run.yaml", "levels: 1\nsave-model: no\n");
    let line = format!("{}:2:1: save-model false: the best network of each level is always saved", file.display());
    place.refused(&format!("{SHORT} --config {}", file.display()), 2, &line);
}

#[test]
fn several_problems_are_told_at_once() {
    let ran =
        Place::new().run(&format!("{SHORT} --plant-model --save-model false --sparsity 0.9 --sparsity-start 0.5 --load-model"));
    assert_eq!(ran.code, Some(2));
    let message: Vec<&str> = ran.err.lines().filter_map(|l| l.strip_prefix("error: --")?.split([':', ' ']).next()).collect();
    assert_eq!(message, ["save-model", "plant-model", "load-model", "sparsity", "sparsity-start"], "{}", ran.err);
}

/// A ticket with the file's name and its parts: header and data.
struct Parts {
    ticket: PathBuf,
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl Parts {
    fn of(place: &Place) -> Self {
        let ticket = Search::of(place, &format!("{SHORT} --sparsity 0.2")).ticket(2);
        let bytes = std::fs::read(&ticket).unwrap();
        let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let mut header: Map<String, Value> = serde_json::from_slice(&bytes[8..start]).unwrap();
        // So that what is changed is not damage.
        header["__metadata__"].as_object_mut().unwrap().remove("digest").unwrap();
        Self { ticket, header, data: bytes[start..].to_vec() }
    }

    /// A file in which this number of a tensor is another one.
    fn with_number(&self, tensor: &str, i: usize, value: f32) -> Vec<u8> {
        let mut data = self.data.clone();
        let from = self.header[tensor]["data_offsets"][0].as_u64().unwrap() as usize + 4 * i;
        data[from..from + 4].copy_from_slice(&value.to_le_bytes());
        file(&self.header, &data)
    }

    /// A file with another header.
    fn with_header(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
        let mut header = self.header.clone();
        change(&mut header);
        file(&header, &self.data)
    }
}

fn file(header: &Map<String, Value>, data: &[u8]) -> Vec<u8> {
    let header = Value::Object(header.clone()).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn damaged_tickets() {
    let place = Place::new();
    let parts = Parts::of(&place);
    let more_correct = |header: &mut Map<String, Value>| {
        let text = header["__metadata__"]["validation"].as_str().unwrap();
        let mut sums: Value = serde_json::from_str(text).unwrap();
        sums["correct"] = json!(144);
        header["__metadata__"]["validation"] = json!(sums.to_string());
    };
    let cut = std::fs::read(&parts.ticket).unwrap();
    let changed = "the network of x is not what its scores choose, first in";
    for (bytes, line) in [
        (parts.with_number("method.scores.fc2.weight", 0, 50.0), &*format!("{changed} fc2.weight")),
        (parts.with_number("edges.fc1.weight", 3, 9.0), &format!("{changed} fc1.weight")),
        (parts.with_number("model.fc3.bias", 0, 1.0), &format!("{changed} fc3.weight")),
        (
            parts.with_number("method.scores.fc1.weight", 7, f32::NAN),
            "checkpoint x has a value in scores.fc1.weight that is not a finite number",
        ),
        (
            parts.with_number("method.frozen.fc3.weight", 1, f32::INFINITY),
            "checkpoint x has a value in frozen.fc3.weight that is not a finite number",
        ),
        (
            parts.with_header(|h| {
                let scores = h.remove("method.scores.fc1.weight").unwrap();
                h.insert("method.other".to_owned(), scores);
            }),
            "x: what the checkpoint holds of its method does not fit this run: scores.fc1.weight is missing, so it is of no search for \
             tickets",
        ),
        (
            cut[..cut.len() - 9].to_vec(),
            "checkpoint x is damaged or no safetensors file: incomplete metadata, file not fully covered",
        ),
        (b"text".to_vec(), "checkpoint x is damaged or no safetensors file: header too small"),
    ] {
        place.write("x", bytes);
        place.refused(&format!("{SHORT} --sparsity 0.2 --load-model --model-to-load x"), 1, line);
    }
    // The network is what the scores choose, but not as good as reported.
    place.write("x", parts.with_header(more_correct));
    let message = place.fails(&format!("{SHORT} --sparsity 0.2 --load-model --model-to-load x"), 1, &[]);
    assert!(message.contains("\nerror: x: frozen weights and scores classify "), "{message}");
    assert!(message.contains(" of 144 validation images, 144 of 144 were reported\n"), "{message}");
}

#[test]
fn files_of_others() {
    let place = Place::new();
    let ticket = Search::of(&place, &format!("{SHORT} --er-init-density 0.3 --sparsity 0.2")).ticket(2);
    let load = format!("{SHORT} --load-model --model-to-load {}", ticket.display());
    let allowed =
        crate::search::layers(&ticket, crate::search::MODEL).iter().map(|l| l.allowed[0].edges()).sum::<usize>() as f64 / 2720.0;
    let line = format!("--sparsity 0.5: more than the {} that {} allows", shared::density::rounded(allowed), ticket.display());
    place.refused(&format!("{load} --sparsity 0.5"), 2, &line);
    let line = format!("checkpoint {} is of model mlp-32-16, this run is mlp-8", ticket.display());
    place.refused(&format!("{load} --sparsity 0.1 --model mlp-8"), 1, &line);
    for option in [
        "er-init-density 0.3",
        "er-method ERK",
        "er-mask-bias true",
        "init-bias kn-zero-bias",
        "bfac 0.1",
        "scale-fan",
        "score-init constant",
        "sampling exact",
        "dense-layers last",
        "flow-preservation",
    ] {
        let name = option.split(' ').next().unwrap();
        let line = format!("--{name} has no effect with --load-model: the file has masks, frozen values and scores");
        place.refused(&format!("{load} --sparsity 0.1 --{option}"), 2, &line);
    }

    let line = "--er-mask-bias false has no effect with --load-model: the file has masks, frozen values and scores";
    place.refused(&format!("{load} --sparsity 0.1 --er-mask-bias false"), 2, line);

    // A checkpoint of a training that has no scores.
    let Checkpoint { origin, progress, state, .. } = read(&ticket, crate::search::MODEL);
    let spec = network("mlp-32-16-slt");
    Checkpoint::write(&place.path("plain"), &spec, &origin, &progress, &state, &Saved::default()).unwrap();
    place.refused(&format!("{SHORT} --sparsity 0.1 --load-model --model-to-load plain"), 1, "plain has no scores");

    // Masks that allow less than is to be kept.
    let kept = shared::density::rounded(state.layers.iter().map(|l| l.mask.edges()).sum::<usize>() as f64 / 2720.0);
    let line = format!("--sparsity 0.25: more than the {kept} that {} allows", ticket.display());
    place.refused(&format!("{SHORT} --er-method {} --sparsity 0.25", ticket.display()), 2, &line);
}
