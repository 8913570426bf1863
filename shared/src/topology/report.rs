//! What was asked and what came out, layer by layer.

use super::Drawn;
use crate::density::Constant;
use crate::model::ModelSpec;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One layer of a [`DensityReport`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Parameter name.
    pub name: String,
    /// Shape of the weight tensor.
    pub shape: Vec<usize>,
    /// Number of weights.
    pub weights: usize,
    /// Whether the layer is full and outside the distribution.
    pub dense: bool,
    /// Density that the rule gives it.
    pub density_requested: f64,
    /// Number of edges of its mask.
    pub edges: usize,
}

impl LayerReport {
    /// Achieved density.
    pub fn density(&self) -> f64 {
        self.edges as f64 / self.weights as f64
    }
}

/// Densities of freshly drawn masks. Its `Display` is a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DensityReport {
    /// Target over the layers that are not dense.
    pub density_requested: f64,
    /// Kept fraction of the weights of these layers.
    pub density_achieved: f64,
    /// Edges that flow preservation added in all layers.
    pub edges_added_by_flow: usize,
    /// Edges that went to keep the density.
    pub edges_removed_by_flow: usize,
    /// Constant that the distribution solved for, where there is one.
    pub constant: Option<Constant>,
    /// Every layer, in definition order.
    pub layers: Vec<LayerReport>,
}

impl DensityReport {
    /// The report on masks drawn for this model.
    #[must_use]
    pub fn new(model: &ModelSpec, drawn: &Drawn) -> Self {
        let layers = model.layers().iter().enumerate().map(|(l, layer)| LayerReport {
            name: layer.name.clone(),
            shape: layer.shape.dims(),
            weights: layer.shape.weights(),
            dense: drawn.dense[l],
            density_requested: drawn.densities_requested[l],
            edges: drawn.masks[l].edges(),
        });
        Self {
            density_requested: drawn.requested.get(),
            density_achieved: drawn.achieved(),
            edges_added_by_flow: drawn.repairs.iter().map(|r| r.added).sum(),
            edges_removed_by_flow: drawn.repairs.iter().map(|r| r.removed).sum(),
            constant: drawn.note.clone(),
            layers: layers.collect(),
        }
    }
}

impl fmt::Display for DensityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.layers.iter().map(|l| l.name.len()).max().unwrap_or(0).max("layer".len());
        writeln!(
            f,
            "{:width$}  {:>16}  {:>10}  {:>9}  {:>10}  {:>9}",
            "layer", "shape", "weights", "requested", "edges", "achieved"
        )?;
        for l in &self.layers {
            let shape = l.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
            let requested = if l.dense { "dense".to_owned() } else { format!("{:.6}", l.density_requested) };
            writeln!(
                f,
                "{:width$}  {shape:>16}  {:>10}  {requested:>9}  {:>10}  {:>9.6}",
                l.name,
                l.weights,
                l.edges,
                l.density()
            )?;
        }
        write!(f, "density {} requested, {:.6} achieved", self.density_requested, self.density_achieved)?;
        if self.layers.iter().any(|l| l.dense) {
            write!(f, " (without dense layers)")?;
        }
        if let Some(constant) = &self.constant {
            write!(f, ", {} = {:.6}", constant.name, constant.value)?;
        }
        if self.edges_added_by_flow > 0 {
            write!(f, "; flow preservation added {} edges and removed {}", self.edges_added_by_flow, self.edges_removed_by_flow)?;
        }
        Ok(())
    }
}
