//! What was asked and what came out, layer by layer.

use super::{Drawn, Repair};
use crate::model::ModelSpec;
use crate::table::{shape, table};
use er_graphs::density::{Constant, rounded};
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
    /// Whether the layer is outside the density, and full unless a file has another mask.
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
    /// Edges beyond the density that should have gone, too, but without which units would be cut off.
    pub edges_short_for_flow: usize,
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
        let flow: Repair = drawn.repairs.iter().copied().sum();
        Self {
            density_requested: drawn.requested.get(),
            density_achieved: drawn.achieved(),
            edges_added_by_flow: flow.added,
            edges_removed_by_flow: flow.removed,
            edges_short_for_flow: flow.short,
            constant: drawn.note.clone(),
            layers: layers.collect(),
        }
    }
}

impl fmt::Display for DensityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |l: &LayerReport| {
            let dense = l.dense && l.edges == l.weights;
            vec![
                l.name.clone(),
                shape(&l.shape),
                l.weights.to_string(),
                if dense { "dense".to_owned() } else { format!("{:.6}", l.density_requested) },
                l.edges.to_string(),
                format!("{:.6}", l.density()),
            ]
        };
        let heads = ["layer", "shape", "weights", "requested", "edges", "achieved"];
        writeln!(f, "{}", table(&heads, &self.layers.iter().map(row).collect::<Vec<_>>()))?;
        write!(f, "density {} requested, {:.6} achieved", rounded(self.density_requested), self.density_achieved)?;
        if self.layers.iter().any(|l| l.dense) {
            write!(f, " (without dense layers)")?;
        }
        if let Some(constant) = &self.constant {
            write!(f, ", {} = {:.6}", constant.name, constant.value)?;
        }
        let flow =
            Repair { added: self.edges_added_by_flow, removed: self.edges_removed_by_flow, short: self.edges_short_for_flow };
        if flow.added > 0 {
            write!(f, "; {flow}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::plan::tests::chain;
    use crate::topology::{FlowPreservation, MaskPlan};
    use er_graphs::density::Density;
    use er_graphs::graph::Sampling;

    fn report() -> DensityReport {
        let plan = MaskPlan {
            init: "balanced-exact".parse().unwrap(),
            law: Sampling::Exact,
            density: Density::new(0.1).unwrap(),
            dense_layers: vec![0],
            flow: FlowPreservation::On,
            seed: 1,
        };
        DensityReport::new(&chain(), &plan.draw(&chain(), None).unwrap())
    }

    #[test]
    fn totals_are_those_of_the_layers() {
        let report = report();
        let sparse = &report.layers[1..];
        assert!(report.layers[0].dense && sparse.iter().all(|l| !l.dense));
        let (edges, weights) = sparse.iter().fold((0, 0), |(e, w), l| (e + l.edges, w + l.weights));
        assert!((report.density_achieved - edges as f64 / weights as f64).abs() < 1e-15);
        // balanced-exact: three layers with X edges each, up to rounding and what flow preservation added.
        let x = report.constant.as_ref().unwrap().value;
        assert!((x - 0.1 * weights as f64 / 3.0).abs() < 1e-9);
        assert!((edges as f64 - 3.0 * x - report.edges_added_by_flow as f64).abs() <= 1.5);
        assert!(sparse.iter().all(|l| (l.density_requested * l.weights as f64 - x).abs() < 1e-9));
    }

    #[test]
    fn survives_json_under_the_documented_names() {
        let report = report();
        let json = serde_json::to_value(&report).unwrap();
        let layer = &json["layers"][1];
        assert_eq!((&layer["name"], &layer["weights"]), (&"features.2.weight".into(), &3456.into()));
        assert_eq!(layer["shape"], serde_json::json!([24, 16, 3, 3]));
        assert!(layer["density_requested"].is_f64() && layer["edges"].is_u64());
        assert_eq!(json["density_requested"], 0.1);
        assert_eq!(serde_json::from_value::<DensityReport>(json).unwrap(), report);
    }

    #[test]
    fn prints_a_table() {
        let text = report().to_string();
        assert_eq!(text.lines().count(), 1 + 4 + 1);
        let widths: Vec<usize> = text.lines().take(5).map(|l| l.chars().count()).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{text}");
        assert!(text.contains("features.0.weight") && text.contains("dense") && text.contains("X = "), "{text}");
    }
}
