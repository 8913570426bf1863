//! What a search leaves behind, read for tests.

use std::path::{Path, PathBuf};

use shared::graph::{LayerShape, Mask};
use shared::model::{Image, ModelSpec, build};
use shared::run::{Checkpoint, Saved, SavedTensor};

pub(crate) use crate::common::Run as Search;

/// The network of these tests: 32·64, 16·32 and 10·16 weights, and biases.
pub(crate) const MODEL: &str = "mlp-32-16";

/// Two levels of two epochs of 11 steps on the built-in digits.
pub(crate) const SHORT: &str = "--data digits --model mlp-32-16 --levels 2 --epochs 2 --lr 0.1 --threads 1 --quiet";
pub(crate) const STEPS_PER_EPOCH: u64 = 11;

/// The network of these tests, or another one for the built-in digits.
pub(crate) fn network(name: &str) -> ModelSpec {
    build(name, Image::new(1, 8, 8), 10).unwrap()
}

/// A layer of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Layer {
    pub(crate) name: String,
    /// Weights and biases that may be chosen.
    pub(crate) allowed: [Mask; 2],
    /// Those that are.
    pub(crate) kept: [Mask; 2],
    /// Values of those that may be chosen, weights first.
    pub(crate) frozen: Vec<f32>,
    pub(crate) scores: Vec<f32>,
    /// Weights and biases that the network uses: of its edges, and of all outputs.
    pub(crate) used: [Vec<f32>; 2],
}

impl Layer {
    /// Weights and biases.
    pub(crate) fn positions(&self) -> usize {
        let shape = self.allowed[0].shape();
        shape.weights() + shape.out
    }

    pub(crate) fn count(masks: &[Mask; 2]) -> usize {
        masks[0].edges() + masks[1].edges()
    }

    /// Of the positions that may be chosen, whether they are.
    pub(crate) fn chosen(&self) -> Vec<bool> {
        let of = |i: usize| self.allowed[i].iter().map(move |p| self.kept[i].contains(p));
        of(0).chain(of(1)).collect()
    }

    /// Frozen values are used where they are chosen and nowhere else, bit for bit, and those with the largest |score| are chosen.
    pub(crate) fn is_consistent(&self) {
        let of = |i: usize| self.kept[i].iter().filter(move |p| !self.allowed[i].contains(*p)).count();
        assert_eq!([of(0), of(1)], [0, 0], "{}: what is kept is allowed", self.name);
        let chosen = self.chosen();
        let weights = self.allowed[0].edges();
        let values: Vec<f32> = self.frozen[..weights].iter().zip(&chosen).filter(|(_, c)| **c).map(|(v, _)| *v).collect();
        assert_eq!(bits(&self.used[0]), bits(&values), "{}: weights", self.name);
        let mut biases = vec![0.0; self.used[1].len()];
        for ((o, v), _) in self.allowed[1].iter().zip(&self.frozen[weights..]).zip(&chosen[weights..]).filter(|(_, c)| **c) {
            biases[o] = *v;
        }
        assert_eq!(bits(&self.used[1]), bits(&biases), "{}: biases", self.name);
        let size = |of: bool| self.scores.iter().zip(&chosen).filter(move |(_, c)| **c == of).map(|(s, _)| s.abs());
        assert!(size(true).fold(f32::INFINITY, f32::min) >= size(false).fold(0.0, f32::max), "{}: scores", self.name);
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

pub(crate) fn read(path: &Path, model: &str) -> Checkpoint {
    Checkpoint::read(path, &network(&format!("{model}-slt"))).unwrap()
}

/// The layers of a checkpoint or ticket, and the progress it is of.
pub(crate) fn layers(path: &Path, model: &str) -> Vec<Layer> {
    let spec = network(&format!("{model}-slt"));
    let Checkpoint { state, saved, .. } = read(path, model);
    let layers = spec.layers().iter().zip(&state.layers).map(|(layer, of)| {
        let name = layer.name.clone();
        let biases = LayerShape::linear(layer.shape.out, 1);
        let mask = |what: &str, shape| Mask::from_bytes(shape, packed(&saved, what, &name)).unwrap();
        let bias = name.replace(".weight", ".bias");
        Layer {
            allowed: [mask("allowed", layer.shape), mask("allowed_bias", biases)],
            kept: [of.mask.clone(), mask("kept_bias", biases)],
            frozen: numbers(&saved, "frozen", &name).to_vec(),
            scores: numbers(&saved, "scores", &name).to_vec(),
            used: [of.weights.clone(), state.dense.iter().find(|d| d.name == bias).unwrap().values.clone()],
            name,
        }
    });
    layers.collect()
}

fn packed<'a>(saved: &'a Saved, what: &str, layer: &str) -> &'a [u8] {
    let SavedTensor::Bits(bytes) = &saved.tensors[&format!("{what}.{layer}")] else { panic!("{what} is no mask") };
    bytes
}

fn numbers<'a>(saved: &'a Saved, what: &str, layer: &str) -> &'a [f32] {
    let SavedTensor::Floats(values) = &saved.tensors[&format!("{what}.{layer}")] else { panic!("{what} is a mask") };
    values
}

impl Search {
    /// A number of each line of this kind.
    pub(crate) fn numbers(&self, kind: &str, key: &str) -> Vec<f64> {
        self.lines(kind).iter().map(|l| l[key].as_f64().unwrap()).collect()
    }

    pub(crate) fn ticket(&self, level: usize) -> PathBuf {
        self.folder.join(format!("tickets/level-{level}.safetensors"))
    }
}
