//! Reading checkpoints and masks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::str::FromStr;
use std::sync::Once;

use safetensors::tensor::TensorView;
use serde_json::Value;

use super::digest::{DIGEST, Digester};
use super::forms::{self, POSITIONS};
use super::{Checkpoint, FORMAT, MASK, METHOD, Origin};
use crate::run::files::must_be_regular;
use crate::run::folder::RunFolder;
use crate::run::progress::Progress;
use crate::run::saved::{Saved, SavedTensor};
use crate::train::remark;
use er_engine::{DenseState, LayerState, ModelState};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerShape, Mask};
use er_networks::model::{ModelSpec, Parameter};
use er_networks::schedule::Clock;

/// Reads the masks of this model's layers from a file that has them under their names: a checkpoint of any model and program, or
/// a file of masks alone. Layers that the model has not are refused, since the file is then of another network.
///
/// # Errors
/// Names the file and the first tensor that does not fit.
pub fn read_masks(path: &Path, spec: &ModelSpec) -> Result<Vec<Mask>> {
    let read = || {
        let path = &RunFolder::checkpoint_of(path)?;
        let bytes = bytes_of("mask file", path)?;
        Reader::open("mask file", path, &bytes)?.verified()?.masks(spec)
    };
    let help = format!("give a checkpoint of {}, or a file with a tensor of packed bits for every layer's mask", spec.name());
    read().map_err(|e| e.or_help(&help))
}

/// The bytes of a regular file, or of the one that stands for a folder.
///
/// # Errors
/// If it cannot be read; a pipe or a device, which might never end.
pub(super) fn bytes_of(kind: &str, path: &Path) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| {
        let error = Error::io(format!("read {kind}").trim_end(), path, &e);
        // Whatever is in it, it is there.
        if e.kind() == std::io::ErrorKind::NotFound { error } else { error.help("make it readable; nothing was changed") }
    };
    let named = format!("{kind} {}", path.display());
    must_be_regular(named.trim_start(), &std::fs::metadata(path).map_err(failed)?)?;
    std::fs::read(path).map_err(failed)
}

/// The bytes of a checkpoint or another file that an option names, for its hash.
///
/// # Errors
/// If it cannot be read.
pub fn checkpoint_content(path: &Path) -> Result<Vec<u8>> {
    bytes_of("", &RunFolder::checkpoint_of(path)?)
}

/// What a file with masks says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskFile {
    /// What it belongs to; none if no program here wrote it.
    pub origin: Option<Origin>,
    /// Where the training stood, if the file says so.
    pub clock: Option<Clock>,
}

impl MaskFile {
    /// Reads what a checkpoint or file of masks says of itself.
    ///
    /// # Errors
    /// If it cannot be read, is no safetensors file, or has no masks.
    pub fn read(path: &Path) -> Result<Self> {
        let read = || {
            let path = &RunFolder::checkpoint_of(path)?;
            let bytes = bytes_of("mask file", path)?;
            let reader = Reader::open("mask file", path, &bytes)?.verified()?;
            if !reader.left.iter().any(|name| name.starts_with(MASK)) {
                let other = reader.left.iter().find(|name| name.ends_with(".weight_mask") || name.ends_with(".weight"));
                return Err(match other {
                    Some(other) => reader.wrong(format!("has no mask.NAME, but '{other}'")).help(forms::READ),
                    None => reader.wrong("has no mask"),
                });
            }
            Ok(Self { origin: reader.origin().ok(), clock: reader.clock().ok() })
        };
        read().map_err(|e| e.or_help("give a checkpoint, or a file with a tensor of packed bits for every layer's mask"))
    }
}

/// Says that damage to a file would not show: of the first one.
fn remark_no_digest(kind: &str, path: &Path) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let what = format!("{kind} {} has no digest, so that damage to it may go unnoticed", path.display());
        remark(&format!("{what}; others like it are not named again"));
    });
}

/// A file that is read.
pub(super) struct Reader<'a> {
    /// What messages call the file.
    kind: &'static str,
    path: &'a Path,
    tensors: safetensors::SafeTensors<'a>,
    metadata: HashMap<String, String>,
    /// Tensors not asked for yet.
    left: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn open(kind: &'static str, path: &'a Path, bytes: &'a [u8]) -> Result<Self> {
        let damaged = |e: &dyn std::fmt::Display| {
            Error::failure(format!("{kind} {} is damaged or no safetensors file: {e}", path.display()))
        };
        let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(|e| damaged(&e))?;
        let tensors = safetensors::SafeTensors::deserialize(bytes).map_err(|e| damaged(&e))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let left = tensors.names().into_iter().map(str::to_owned).collect();
        Ok(Self { kind, path, tensors, metadata, left })
    }

    /// Compares what the file holds with its digest. A file without one, of an earlier version or another program, is remarked once.
    ///
    /// # Errors
    /// If they differ: the file was damaged, or changed by another program.
    pub(super) fn verified(self) -> Result<Self> {
        let Some(told) = self.metadata.get(DIGEST) else {
            remark_no_digest(self.kind, self.path);
            return Ok(self);
        };
        let mut digester = Digester::new(&self.metadata);
        let tensors: BTreeMap<String, TensorView> = self.tensors.tensors().into_iter().collect();
        for (name, tensor) in &tensors {
            let (kind, data) = (tensor.dtype().to_string(), tensor.data());
            digester.tensor(name, &kind, tensor.shape(), data.len(), |sink| sink.write_all(data));
        }
        if digester.finish() == *told {
            return Ok(self);
        }
        Err(self
            .wrong("is damaged: what it holds is not what its digest tells")
            .help("use another copy; if you changed it on purpose, take 'digest' out of its metadata"))
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::failure(format!("{} {} {what}", self.kind, self.path.display()))
    }

    fn meta(&self, key: &str) -> Result<&str> {
        self.metadata.get(key).map(String::as_str).ok_or_else(|| self.wrong(format!("has no '{key}' in its metadata")))
    }

    fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.meta(key)?;
        text.parse().map_err(|_| self.wrong(format!("has a wrong '{key}' in its metadata: {text}")))
    }

    fn origin(&self) -> Result<Origin> {
        Ok(Origin {
            program: self.meta("program")?.to_owned(),
            model: self.meta("model")?.to_owned(),
            input: self.meta("input")?.to_owned(),
            classes: self.number("classes")?,
            config_hash: self.meta("config_hash")?.to_owned(),
        })
    }

    fn progress(&self) -> Result<Progress> {
        let fields = self.metadata.iter().filter_map(|(k, v)| Some((k.clone(), serde_json::from_str(v).ok()?)));
        let progress: Progress = serde_json::from_value(Value::Object(fields.collect()))
            .map_err(|e| self.wrong(format!("has incomplete metadata: {e}")))?;
        Ok(Progress { clock: self.clock()?, ..progress })
    }

    /// Files of earlier versions count epochs, and batches after them, in place of steps of an epoch.
    fn clock(&self) -> Result<Clock> {
        let step: u64 = self.number("step")?;
        let earlier = || {
            let (epoch, batch): (u64, u64) = (self.number("epoch").ok()?, self.number("batch").unwrap_or_default());
            let before = step.checked_sub(batch)?;
            before.checked_div(epoch).filter(|batches| batches * epoch == before)
        };
        let batches_per_epoch = self.number("batches_per_epoch").ok().or_else(earlier).unwrap_or_default();
        Ok(Clock { step, batches_per_epoch })
    }

    fn format(&self) -> Result<()> {
        let format = self.meta("format")?;
        if format == FORMAT {
            return Ok(());
        }
        Err(self.wrong(format!("has format {format}, this program reads format {FORMAT}")))
    }

    pub(super) fn checkpoint(mut self, spec: &ModelSpec) -> Result<Checkpoint> {
        self.format()?;
        let origin = self.origin()?;
        let this = Origin::new("", spec, "");
        for (what, theirs, ours) in [
            ("model", &origin.model, &this.model),
            ("input", &origin.input, &this.input),
            ("classes", &origin.classes.to_string(), &this.classes.to_string()),
        ] {
            if theirs != ours {
                let wrong = if what == "model" {
                    self.wrong(format!("is of model {theirs}, this run is {ours}"))
                } else {
                    self.wrong(format!("has {what} {theirs}, this run has {ours}"))
                };
                return Err(wrong.help("use the options of the run that wrote it"));
            }
        }
        let progress = self.progress()?;
        let steps = self.number("optimizer_steps")?;
        let layers = spec.layers().iter().map(|l| self.layer(&l.name, l.shape)).collect::<Result<Vec<_>>>()?;
        let dense = spec.dense_parameters().map(|p| self.dense(&p)).collect::<Result<Vec<_>>>()?;
        let saved = self.saved()?;
        if let Some(extra) = self.left.first() {
            return Err(self.wrong(format!("has a tensor '{extra}' that model {} has not", spec.name())));
        }
        Ok(Checkpoint { origin, progress, state: ModelState { layers, dense, steps }, saved })
    }

    fn masks(mut self, spec: &ModelSpec) -> Result<Vec<Mask>> {
        // Other writers of safetensors files have a 'format' of their own.
        if self.metadata.contains_key("program") {
            self.format()?;
        }
        let sums = match self.metadata.get(POSITIONS) {
            Some(text) => Some(forms::stored_sums(text).ok_or_else(|| {
                let what = format!("has a wrong '{POSITIONS}' in its metadata: {text}");
                self.wrong(what).help("give a JSON object: the sum of the positions of each layer's edges, by the layer's name")
            })?),
            None => None,
        };
        let mut masks = Vec::new();
        for layer in spec.layers() {
            let mask = self.mask(&layer.name, layer.shape)?;
            if let Some(sums) = &sums {
                self.is_in_order(&layer.name, &mask, sums.get(&layer.name).copied())?;
            }
            let edges = format!("edges.{}", layer.name);
            // A checkpoint says twice how many edges there are, so damage shows.
            if self.left.contains(&edges) {
                self.tensor(&edges, safetensors::Dtype::F32, Some(&[mask.edges()]))?;
            }
            masks.push(mask);
        }
        match self.left.iter().find(|name| name.starts_with(MASK)) {
            Some(extra) => Err(self.wrong(format!("has a tensor '{extra}' that model {} has not", spec.name()))),
            None => Ok(masks),
        }
    }

    fn saved(&mut self) -> Result<Saved> {
        let mut saved = Saved::default();
        if let Some(note) = self.metadata.get("method") {
            saved.note =
                serde_json::from_str(note).map_err(|e| self.wrong(format!("has a wrong 'method' in its metadata: {e}")))?;
        }
        for name in self.left.iter().filter(|n| n.starts_with(METHOD)).cloned().collect::<Vec<_>>() {
            let bits = self.tensors.tensor(&name).is_ok_and(|t| t.dtype() == safetensors::Dtype::U8);
            let tensor = if bits {
                SavedTensor::Bits(self.tensor(&name, safetensors::Dtype::U8, None)?.to_vec())
            } else {
                SavedTensor::Floats(self.floats(&name, None)?)
            };
            saved.tensors.insert(name[METHOD.len()..].to_owned(), tensor);
        }
        Ok(saved)
    }

    fn mask(&mut self, layer: &str, shape: LayerShape) -> Result<Mask> {
        let name = format!("{MASK}{layer}");
        match self.tensors.tensor(&name) {
            Ok(tensor) => {
                if let Some(form) = forms::other_form(&tensor, shape) {
                    return Err(self.wrong(format!("{form} in {name}")).help(forms::READ));
                }
            }
            Err(_) => {
                if let Some(other) = forms::other_name(&self.tensors, layer) {
                    return Err(self
                        .wrong(format!("has no {name}, but {other}"))
                        .help(format!("rename it {name}; {}", forms::READ)));
                }
            }
        }
        let bits = self.tensor(&name, safetensors::Dtype::U8, None)?;
        Mask::from_bytes(shape, bits).map_err(|e| {
            let wrong = self.wrong(format!("has a wrong {name}: {}", e.what()));
            if bits.len() == shape.weights().div_ceil(8) { wrong.help(forms::READ) } else { wrong }
        })
    }

    /// Compares a mask with the sum of positions that the metadata tell.
    fn is_in_order(&self, layer: &str, mask: &Mask, sum: Option<u64>) -> Result<()> {
        let Some(told) = sum else {
            return Err(self
                .wrong(format!("has no sum for {layer} in '{POSITIONS}' of its metadata"))
                .help("give one for each layer"));
        };
        let found = forms::sum_of_positions(mask);
        if found == told {
            return Ok(());
        }
        let name = format!("{MASK}{layer}");
        let what = match forms::other_order(&mask.to_bytes(), mask.shape(), told) {
            Some(order) => format!("has {name} packed {order}"),
            None => format!("has {name} whose positions sum to {found}, and '{POSITIONS}' tells {told}"),
        };
        Err(self.wrong(what).help(forms::READ))
    }

    fn layer(&mut self, name: &str, shape: LayerShape) -> Result<LayerState> {
        let mask = self.mask(name, shape)?;
        let weights = self.floats(&format!("edges.{name}"), Some(&[mask.edges()]))?;
        let slots = self.slots(name, &[mask.edges()])?;
        Ok(LayerState { mask, weights, slots })
    }

    fn dense(&mut self, parameter: &Parameter) -> Result<DenseState> {
        let values = self.floats(&format!("model.{}", parameter.name), Some(&parameter.shape))?;
        let slots = self.slots(&parameter.name, &parameter.shape)?;
        Ok(DenseState { name: parameter.name.clone(), values, slots })
    }

    fn slots(&mut self, name: &str, shape: &[usize]) -> Result<Vec<Vec<f32>>> {
        let mut slots = Vec::new();
        loop {
            let next = format!("optim.{name}.{}", slots.len());
            if self.tensors.tensor(&next).is_err() {
                return Ok(slots);
            }
            slots.push(self.floats(&next, Some(shape))?);
        }
    }

    fn floats(&mut self, name: &str, shape: Option<&[usize]>) -> Result<Vec<f32>> {
        let bytes = self.tensor(name, safetensors::Dtype::F32, shape)?;
        Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    fn tensor(&mut self, name: &str, kind: safetensors::Dtype, shape: Option<&[usize]>) -> Result<&'a [u8]> {
        let tensor = self.tensors.tensor(name).map_err(|_| self.wrong(format!("has no tensor '{name}'")))?;
        if tensor.dtype() != kind {
            return Err(self.wrong(format!("has {name} of type {:?}, expected {kind:?}", tensor.dtype())));
        }
        if let Some(shape) = shape.filter(|s| *s != tensor.shape()) {
            return Err(self.wrong(format!("has {name} of shape {:?}, expected {shape:?}", tensor.shape())));
        }
        self.left.remove(name);
        Ok(tensor.data())
    }
}
