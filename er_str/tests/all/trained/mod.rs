//! What a run leaves behind, read for tests.

use std::path::PathBuf;

use serde_json::Value;
use shared::graph::Mask;
use shared::model::{Image, ModelSpec, build};
use shared::run::{Checkpoint, SavedTensor};

use crate::common::json;

pub(crate) use crate::common::Run;

/// The network of these tests: 32·64, 16·32 and 10·16 weights, and biases.
pub(crate) const MODEL: &str = "mlp-32-16";
pub(crate) const LAYERS: [&str; 3] = ["fc1", "fc2", "fc3"];
pub(crate) const WEIGHTS: [usize; 3] = [2048, 512, 160];

/// Three epochs of 21 steps on the built-in digits.
pub(crate) const SHORT: &str = "--set digits --arch mlp-32-16 --epochs 3 -b 64 --lr 0.1 --threads 1 --quiet";

/// A network for the built-in digits.
pub(crate) fn network(name: &str) -> ModelSpec {
    build(name, Image::new(1, 8, 8), 10).unwrap()
}

impl Run {
    /// The path of this checkpoint: `best`, `last` or `epoch-N`.
    pub(crate) fn path(&self, which: &str) -> PathBuf {
        self.folder.join(format!("checkpoints/{which}.safetensors"))
    }

    /// A checkpoint of a run of [`MODEL`].
    pub(crate) fn checkpoint(&self, which: &str) -> Checkpoint {
        Checkpoint::read(&self.path(which), &network(MODEL)).unwrap()
    }

    /// A published file of layers.
    pub(crate) fn layerwise(&self, what: &str, name: &str) -> Value {
        json(&self.folder.join(format!("layerwise_{what}/{name}.json")))
    }
}

/// Edges of each layer.
pub(crate) fn edges(of: &Checkpoint) -> Vec<usize> {
    of.state.layers.iter().map(|l| l.mask.edges()).collect()
}

/// Of a layer whose weights in use are a function of others: those, and where they are.
pub(crate) fn trained(of: &Checkpoint, layer: usize) -> (Mask, &[f32]) {
    let name = LAYERS[layer];
    let SavedTensor::Bits(allowed) = &of.saved.tensors[&format!("allowed.{name}.weight")] else { panic!("{name} has no mask") };
    let SavedTensor::Floats(weights) = &of.saved.tensors[&format!("trained.{name}.weight")] else { panic!("{name} has bits") };
    (Mask::from_bytes(of.state.layers[layer].mask.shape(), allowed).unwrap(), weights)
}

/// s and g(s) of a layer.
pub(crate) fn threshold(of: &Checkpoint, layer: usize) -> [f64; 2] {
    let note = &of.saved.note["thresholds"][format!("{}.weight", LAYERS[layer])];
    ["s", "magnitude"].map(|key| note[key].as_f64().unwrap())
}
