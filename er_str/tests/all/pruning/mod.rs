//! Iterative pruning on the built-in digits: levels, resets, files of other runs, interruptions, mistakes.

mod files;
mod interrupted;
mod levels;
mod published;
mod refused;
mod resets;

use std::path::{Path, PathBuf};

use crate::common::{Place, json};
use serde_json::Value;
use shared::graph::Mask;
use shared::model::{Image, ModelSpec, ModelState, build};
use shared::run::{Checkpoint, RunFolder};
use shared::train::after_levels;

/// All weights of a network of 32·64, 16·32 and 10·16, without normalisations; epochs of 11 steps.
const PLAIN: &str =
    "--set digits --arch mlp-32-16 --conv-type ConvMask --er-sparse-method none --batch-size 128 --quiet --threads 1";
const STEPS_PER_EPOCH: u64 = 11;

/// What comes after the levels hardly moves a weight: its rate would rise for a billion epochs.
const STILL: &str = "--epochs 1000000000 --warmup-length 1000000000";

/// How far it moves one at most.
const NEARLY: f32 = 1e-6;

fn network(name: &str) -> ModelSpec {
    build(name, Image::new(1, 8, 8), 10).unwrap()
}

fn plain() -> ModelSpec {
    network("mlp-32-16")
}

fn state(path: &Path, spec: &ModelSpec) -> ModelState {
    Checkpoint::read(path, spec).unwrap().state
}

fn last(run: &Path) -> PathBuf {
    run.join("checkpoints/last.safetensors")
}

/// The network at the end of a level, counted from 1, before it is pruned.
fn trained(run: &Path, level: usize, spec: &ModelSpec) -> ModelState {
    state(&RunFolder::ticket_in(run, level as u64), spec)
}

/// The masks after each level.
fn masks_after(run: &Path, levels: usize, spec: &ModelSpec) -> Vec<Vec<Mask>> {
    after_levels(run, levels).unwrap().iter().map(|path| masks(&state(path, spec))).collect()
}

fn masks(state: &ModelState) -> Vec<Mask> {
    state.layers.iter().map(|l| l.mask.clone()).collect()
}

fn edges(masks: &[Mask]) -> usize {
    masks.iter().map(Mask::edges).sum()
}

/// The lines of this kind in a run's metrics.
fn lines(run: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["kind"] == kind).collect()
}

fn summary(run: &Path) -> Value {
    json(&run.join("summary.json"))
}

/// Weights of edges of each layer at the edges of other masks.
fn at(state: &ModelState, masks: &[Mask]) -> Vec<Vec<f32>> {
    state.layers.iter().zip(masks).map(|(layer, mask)| layer.weights_at(mask)).collect()
}

/// The weights of edges are these, but for the steps of [`STILL`].
fn has_weights(found: &ModelState, expected: &[Vec<f32>], what: &str) {
    for (layer, (found, expected)) in found.layers.iter().zip(expected).enumerate() {
        assert_eq!(found.weights.len(), expected.len(), "{what}: edges of layer {layer}");
        let off = found.weights.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < NEARLY, "{what}: layer {layer} is {off} off");
    }
}

/// A folder with a run of three levels, pruned by magnitude.
fn place_with_a_run(seed: u64) -> (Place, PathBuf) {
    let place = Place::new();
    let run = place.trained(&format!("{PLAIN} {LEVELS} --pruner mag --seed {seed}"));
    (place, run)
}

/// Three levels.
const LEVELS: &str = "--warmup-epochs 1 --final-prune-epoch 2 --epochs 2 --threshold-list 0.5 0.2 0.1";
