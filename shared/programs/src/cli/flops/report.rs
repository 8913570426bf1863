//! What is printed: one structure for people, programs and spreadsheets.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Counting;
use super::measure::Measured;
use crate::cli::tables::{csv, rows};
use er_graphs::density::rounded;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::model::{Convention, CostMethod, ModelSpec, Storage, TrainingCost, width_for};
use er_networks::table::{shape, table};
use er_networks::topology::Drawn;

/// The first columns of the table for spreadsheets.
const COLUMNS: [&str; 8] =
    ["name", "shape", "weights", "edges", "density_requested", "density", "inference_flops", "inference_ratio"];

/// Costs of a network with masks. Numbers of edges, and what follows from them, are expected values with `--expected`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    model: String,
    #[serde(serialize_with = "named")]
    convention: Convention,
    /// Trained values.
    parameters: usize,
    weights: usize,
    #[serde(serialize_with = "whole")]
    edges: f64,
    /// Of the layers that are not dense, as `density`.
    density_requested: f64,
    density: f64,
    /// Of one sample's forward pass.
    inference_flops: f64,
    /// Relative to all weights, as every ratio.
    inference_ratio: f64,
    /// Of `--method`.
    training_ratio: Option<f64>,
    training: Training,
    size_bytes: Storage,
    pub(super) measured: Option<Measured>,
    layers: Vec<Layer>,
    #[serde(skip)]
    words: Words,
}

/// What only the table says.
#[derive(Debug, Clone)]
struct Words {
    network: String,
    /// Name of the small dense network.
    small_dense: Option<String>,
    method: CostMethod,
    multiplier: f64,
    expected: bool,
}

/// The cost of every method, in the order of [`CostMethod::CHOICES`].
#[derive(Debug, Clone)]
struct Training(Vec<(&'static str, Option<f64>)>);

#[derive(Debug, Clone, Serialize)]
struct Layer {
    name: String,
    shape: Vec<usize>,
    weights: usize,
    #[serde(serialize_with = "whole")]
    edges: f64,
    density_requested: f64,
    density: f64,
    inference_flops: f64,
    inference_ratio: f64,
    size_bytes: Storage,
}

impl Report {
    /// # Errors
    /// As [`Counting::others`].
    pub(super) fn new(spec: &ModelSpec, drawn: &Drawn, counting: &Counting) -> Result<Self> {
        let convention = counting.convention;
        let layers: Vec<Layer> = (0..spec.layers().len()).map(|l| layer(spec, drawn, counting, l)).collect();
        let edges: Vec<f64> = layers.iter().map(|l| l.edges).collect();
        let densities: Vec<f64> = layers.iter().map(|l| l.density).collect();
        let dense_flops = convention.network(spec, &vec![1.0; layers.len()]);
        let inference_flops = convention.network(spec, &densities);
        let sparse = || layers.iter().zip(&drawn.dense).filter(|(_, dense)| !**dense).map(|(l, _)| l);
        let density = sparse().map(|l| l.edges).sum::<f64>() / sparse().map(|l| l.weights).sum::<usize>() as f64;
        let small = width_for(spec.name(), spec.input(), spec.classes(), edges.iter().sum()).ok();
        let [initial_density, backward_density] = counting.others(drawn.requested.get(), density)?;
        let cost = TrainingCost {
            sparse: inference_flops / dense_flops,
            small_dense: small.as_ref().map(|s| convention.network(s, &vec![1.0; s.layers().len()]) / dense_flops),
            density,
            interval: counting.update_frequency as u64,
            steps: counting.steps as u64,
            falls: [counting.prune_begin, counting.prune_end()].map(|t| t as u64),
            initial_density,
            backward_density,
        };
        let ratio = |method| cost.ratio(method).map(|r| counting.multiplier * r);
        Ok(Self {
            model: spec.name().to_owned(),
            convention,
            parameters: spec.parameter_count(),
            weights: spec.weight_count(),
            edges: edges.iter().sum(),
            density_requested: drawn.requested.get(),
            density,
            inference_flops,
            inference_ratio: inference_flops / dense_flops,
            training_ratio: ratio(counting.method),
            training: Training(CostMethod::CHOICES.iter().map(|c| (c.name, ratio(c.value))).collect()),
            size_bytes: Storage::of_network(spec, &edges),
            measured: None,
            layers,
            words: Words {
                network: format!("images {}, {} classes", spec.input(), spec.classes()),
                small_dense: small.map(|s| s.name().to_owned()),
                method: counting.method,
                multiplier: counting.multiplier,
                expected: counting.expected,
            },
        })
    }

    /// A line a layer.
    ///
    /// # Errors
    /// None for numbers.
    pub(super) fn csv(&self) -> Result<String> {
        Ok(csv(&COLUMNS, &rows(&self.layers)?))
    }
}

fn layer(spec: &ModelSpec, drawn: &Drawn, counting: &Counting, l: usize) -> Layer {
    let (layer, mask, convention): (_, &Mask, _) = (&spec.layers()[l], &drawn.masks[l], counting.convention);
    let weights = layer.shape.weights();
    let density_requested = drawn.densities_requested[l];
    let edges = if counting.expected { density_requested * weights as f64 } else { mask.edges() as f64 };
    let density = if counting.expected { density_requested } else { mask.density() };
    let inference_flops = convention.layer(spec, l, density);
    Layer {
        name: layer.name.clone(),
        shape: layer.shape.dims(),
        weights,
        edges,
        density_requested,
        density,
        inference_flops,
        inference_ratio: inference_flops / convention.layer(spec, l, 1.0),
        size_bytes: Storage::of_layer(layer, edges),
    }
}

/// Numbers of edges are whole unless they are expected values.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes the field by reference
fn whole<S: Serializer>(edges: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if edges.fract() == 0.0 { serializer.serialize_u64(*edges as u64) } else { serializer.serialize_f64(*edges) }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes the field by reference
fn named<S: Serializer>(convention: &Convention, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(convention)
}

impl Serialize for Training {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.words.expected { "edges expected" } else { "edges" };
        writeln!(
            f,
            "model {}: {}, {} parameters, {} weights, {:.0} {kind}\n",
            self.model, self.words.network, self.parameters, self.weights, self.edges
        )?;
        self.layers(f)?;
        writeln!(
            f,
            "\ndensity {} requested, {:.6} {} (without dense layers)\n",
            rounded(self.density_requested),
            self.density,
            if self.words.expected { "expected" } else { "achieved" }
        )?;
        let about = Convention::CHOICES.iter().find(|c| c.value == self.convention).map_or("", |c| c.about);
        writeln!(f, "inference, convention {} ({about}):", self.convention)?;
        let dense = self.inference_flops / self.inference_ratio;
        writeln!(
            f,
            "  {:.6e} operations a sample, {:.6e} with all weights: ratio {:.4}\n",
            self.inference_flops, dense, self.inference_ratio
        )?;
        self.sizes(f)?;
        self.methods(f)?;
        self.measured.as_ref().map_or(Ok(()), |m| m.write(f, self.inference_ratio))
    }
}

/// The parts of the table.
impl Report {
    fn layers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |l: &Layer| {
            vec![
                l.name.clone(),
                shape(&l.shape),
                l.weights.to_string(),
                format!("{:.0}", l.edges),
                format!("{:.6}", l.density_requested),
                format!("{:.6}", l.density),
                format!("{:.5e}", l.inference_flops),
                format!("{:.4}", l.inference_ratio),
                format!("{:.0}", l.size_bytes.bit_mask),
            ]
        };
        let heads = ["layer", "shape", "weights", "edges", "requested", "density", "operations", "ratio", "bit mask"];
        writeln!(f, "{}", table(&heads, &self.layers.iter().map(row).collect::<Vec<_>>()))
    }

    fn sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "size in megabytes (10⁶ bytes; of each layer above: bytes with a bit mask):")?;
        let Storage { dense, bit_mask, csr, rigl } = self.size_bytes;
        for (bytes, name, about) in [
            (dense, "dense", "all trained parameters, 4 bytes each"),
            (bit_mask, "bit mask", "4 bytes a kept weight and other parameter, a bit for every weight of a sparse layer"),
            (csr, "csr", "compressed rows: 4 bytes a kept weight, 2 or 4 for its column, 4 a row"),
            (rigl, "rigl", "as RigL's tables: bit mask, and a bias for every output of every layer in place of other parameters"),
        ] {
            writeln!(f, "  {name:8}  {:>12.3}  {about}", bytes / 1e6)?;
        }
        writeln!(f)
    }

    fn methods(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = match self.words.multiplier {
            1.0 => String::new(),
            times => format!(" for {times} times as long"),
        };
        write!(
            f,
            "training{length}, relative to the dense network's; r is the ratio above, E[r] its mean while the density falls:"
        )?;
        for (choice, (name, ratio)) in CostMethod::CHOICES.iter().zip(&self.training.0) {
            let mark = if choice.value == self.words.method { '*' } else { ' ' };
            let ratio = ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.4}"));
            write!(f, "\n{mark} {name:11}  {ratio:>9}  {}", choice.about)?;
            if let (CostMethod::SmallDense, Some(small)) = (choice.value, &self.words.small_dense) {
                write!(f, ": {small}")?;
            }
        }
        Ok(())
    }
}
