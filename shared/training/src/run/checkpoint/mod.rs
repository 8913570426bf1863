//! Checkpoints: everything a run needs to go on, in one `SafeTensors` file.
//!
//! Tensors, where `<p>` is a parameter's name as in a state dictionary and `<i>` counts the optimiser's slots from 0:
//!
//! | name | type | shape | what |
//! |---|---|---|---|
//! | `mask.<p>` | U8 | ⌈weights / 8⌉ | one bit a weight, row-major, lowest bit first |
//! | `edges.<p>` | F32 | edges | the weights that exist, ascending by position |
//! | `optim.<p>.<i>` | F32 | edges | optimiser state of these weights |
//! | `model.<p>` | F32 | as in the state dictionary | biases, scales, shifts, running statistics |
//! | `optim.<p>.<i>` | F32 | same | optimiser state of these parameters |
//! | `method.<name>` | U8 or F32 | length | what the method of training remembers ([`Saved`]) |
//!
//! `__metadata__` says what the file belongs to ([`Origin`]) and how far the run has come ([`Progress`]), and has a digest of all that
//! and of the tensors, which readers verify. Equal states give equal bytes.

mod digest;
mod finite;
mod forms;
mod reader;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

pub use self::digest::sha256;
pub use self::reader::{MaskFile, checkpoint_content, read_masks};

use self::digest::{DIGEST, Digester};
use self::reader::Reader;
use super::files;
use super::folder::RunFolder;
use super::progress::Progress;
use super::saved::{Saved, SavedTensor};
use er_engine::ModelState;
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_networks::model::ModelSpec;

/// Version of the layout above; other versions are refused.
const FORMAT: &str = "1";

/// What the names of masks begin with.
const MASK: &str = "mask.";

/// What the names of a [`Saved`]'s tensors begin with.
const METHOD: &str = "method.";

/// What a checkpoint belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Program that wrote it.
    pub program: String,
    /// Model name.
    pub model: String,
    /// Input shape, `CxHxW`.
    pub input: String,
    /// Number of classes.
    pub classes: usize,
    /// Hash of the options that decide the result.
    pub config_hash: String,
}

impl Origin {
    /// A checkpoint of this model in a run with this configuration hash.
    pub fn new(program: &str, spec: &ModelSpec, config_hash: &str) -> Self {
        Self {
            program: program.to_owned(),
            model: spec.name().to_owned(),
            input: spec.input().to_string(),
            classes: spec.classes(),
            config_hash: config_hash.to_owned(),
        }
    }
}

/// What a checkpoint file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// What it belongs to.
    pub origin: Origin,
    /// How far the run had come.
    pub progress: Progress,
    /// Masks, parameters, optimiser state.
    pub state: ModelState,
    /// What the method of training remembers.
    pub saved: Saved,
}

/// Names a parameter with a value that is not a finite number, if there is one. O(values).
pub fn not_finite(spec: &ModelSpec, state: &ModelState) -> Option<String> {
    let bad = |values: &[f32], slots: &[Vec<f32>]| !values.iter().chain(slots.iter().flatten()).all(|v| v.is_finite());
    let layer = spec.layers().iter().zip(&state.layers).find(|(_, s)| bad(&s.weights, &s.slots)).map(|(l, _)| l.name.clone());
    layer.or_else(|| state.dense.iter().find(|d| bad(&d.values, &d.slots)).map(|d| d.name.clone()))
}

/// The values of one tensor.
enum Data<'a> {
    Bits(Cow<'a, [u8]>),
    Floats(&'a [f32]),
}

impl Data<'_> {
    /// What `SafeTensors` call their type, and how many bytes they take.
    fn kind(&self) -> (&'static str, usize) {
        match self {
            Data::Bits(b) => ("U8", b.len()),
            Data::Floats(f) => ("F32", 4 * f.len()),
        }
    }
}

struct Tensor<'a> {
    name: String,
    shape: Vec<usize>,
    data: Data<'a>,
}

impl Checkpoint {
    /// Writes the file as a whole: it is either the old or the new one.
    ///
    /// # Errors
    /// Full or read-only disk.
    pub fn write(
        path: &Path,
        spec: &ModelSpec,
        origin: &Origin,
        progress: &Progress,
        state: &ModelState,
        saved: &Saved,
    ) -> Result<()> {
        let mut metadata = texts(progress)?;
        metadata.insert("optimizer_steps".into(), state.steps.to_string());
        if !saved.note.is_null() {
            metadata.insert("method".into(), saved.note.to_string());
        }
        write_file(path, origin, metadata, &tensors(spec, state, saved))
    }

    /// Reads a checkpoint of this model ([`RunFolder::checkpoint_of`] tells what may be named) and checks all of it: its digest, model,
    /// names, shapes, lengths, that every mask has as many bits as there are edge values, and that all values are finite.
    ///
    /// # Errors
    /// Names the file and the first thing that does not fit.
    pub fn read(path: &Path, spec: &ModelSpec) -> Result<Self> {
        let path = &RunFolder::checkpoint_of(path)?;
        let bytes = reader::bytes_of("checkpoint", path)?;
        let checkpoint = Reader::open("checkpoint", path, &bytes)?.verified()?.checkpoint(spec)?;
        finite::check(path, spec, &checkpoint)?;
        Ok(checkpoint)
    }
}

/// Writes masks alone: a file for `--sparse-init`, and how far the run had come. As a whole, as checkpoints.
///
/// # Errors
/// Full or read-only disk.
pub fn write_masks(path: &Path, spec: &ModelSpec, origin: &Origin, progress: &Progress, masks: &[&Mask]) -> Result<()> {
    let tensors: Vec<Tensor> = spec.layers().iter().zip(masks).map(|(layer, mask)| packed(&layer.name, mask)).collect();
    write_file(path, origin, texts(&progress.clock)?, &tensors)
}

fn write_file(path: &Path, origin: &Origin, mut metadata: BTreeMap<String, String>, tensors: &[Tensor]) -> Result<()> {
    metadata.insert("format".to_owned(), FORMAT.to_owned());
    metadata.extend(texts(origin)?);
    metadata.insert(DIGEST.to_owned(), digest(&metadata, tensors));
    let header = header(tensors, &metadata)?;
    files::replace(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors.iter().try_for_each(|tensor| write_data(file, &tensor.data))
    })
}

fn digest(metadata: &BTreeMap<String, String>, tensors: &[Tensor]) -> String {
    let mut digester = Digester::new(metadata);
    let by_name: BTreeMap<&str, &Tensor> = tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    for (name, tensor) in by_name {
        let (kind, bytes) = tensor.data.kind();
        digester.tensor(name, kind, &tensor.shape, bytes, |sink| write_data(sink, &tensor.data));
    }
    digester.finish()
}

/// A layer's mask as packed bits.
fn packed(layer: &str, mask: &Mask) -> Tensor<'static> {
    let bits = mask.to_bytes();
    Tensor { name: format!("{MASK}{layer}"), shape: vec![bits.len()], data: Data::Bits(bits.into()) }
}

fn tensors<'a>(spec: &ModelSpec, state: &'a ModelState, saved: &'a Saved) -> Vec<Tensor<'a>> {
    let mut all = Vec::new();
    let mut floats = |name: String, shape: &[usize], values: &'a [f32], slots: &'a [Vec<f32>], of: &str| {
        all.push(Tensor { name, shape: shape.to_vec(), data: Data::Floats(values) });
        all.extend(slots.iter().enumerate().map(|(i, slot)| Tensor {
            name: format!("optim.{of}.{i}"),
            shape: shape.to_vec(),
            data: Data::Floats(slot),
        }));
    };
    for (layer, s) in spec.layers().iter().zip(&state.layers) {
        floats(format!("edges.{}", layer.name), &[s.mask.edges()], &s.weights, &s.slots, &layer.name);
    }
    for (parameter, s) in spec.dense_parameters().zip(&state.dense) {
        floats(format!("model.{}", s.name), &parameter.shape, &s.values, &s.slots, &s.name);
    }
    for (name, tensor) in &saved.tensors {
        if let SavedTensor::Floats(values) = tensor {
            floats(format!("{METHOD}{name}"), &[values.len()], values, &[], "");
        }
    }
    // Bytes come last so that every float tensor begins at a multiple of four bytes.
    for (layer, s) in spec.layers().iter().zip(&state.layers) {
        all.push(packed(&layer.name, &s.mask));
    }
    for (name, tensor) in &saved.tensors {
        if let SavedTensor::Bits(bits) = tensor {
            all.push(Tensor { name: format!("{METHOD}{name}"), shape: vec![bits.len()], data: Data::Bits(bits.into()) });
        }
    }
    all
}

/// The JSON header, padded so that the data begins at a multiple of eight bytes. Written here because the library's own writer
/// puts the metadata in random order.
fn header(tensors: &[Tensor], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), to_json(metadata)?);
    let mut offset = 0;
    for tensor in tensors {
        let (kind, bytes) = tensor.data.kind();
        let entry = serde_json::json!({ "dtype": kind, "shape": tensor.shape, "data_offsets": [offset, offset + bytes] });
        header.insert(tensor.name.clone(), entry);
        offset += bytes;
    }
    let mut text = Value::Object(header).to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    Ok(text)
}

fn write_data(file: &mut dyn Write, data: &Data) -> std::io::Result<()> {
    match data {
        Data::Bits(bits) => file.write_all(bits),
        Data::Floats(values) => values
            .chunks(16 * 1024)
            .try_for_each(|part| file.write_all(&part.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())),
    }
}

fn to_json(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(|e| Error::failure(format!("cannot write checkpoint metadata: {e}")))
}

/// A struct as texts, one a field: what `__metadata__` can hold.
fn texts(value: &impl Serialize) -> Result<BTreeMap<String, String>> {
    let Value::Object(fields) = to_json(value)? else { return Ok(BTreeMap::new()) };
    Ok(fields.into_iter().map(|(k, v)| (k, v.as_str().map_or_else(|| v.to_string(), str::to_owned))).collect())
}

#[cfg(test)]
mod tests;
