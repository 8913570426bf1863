//! `show`: what a command would run. Draws the masks, needs no data.

use clap::{Args, Command};
use serde_json::{Value, json};

use super::exit::Exit;
use super::output::{Format, print, print_exactly, print_json};
use crate::config::Resolved;
use er_graphs::error::Result;
use er_networks::model::ModelSpec;
use er_networks::topology::{DensityReport, Drawn};
use er_training::data::Recipe;
use er_training::run::pretty;
use er_training::train::Approach;

/// A run that is resolved but not run.
#[derive(Debug)]
pub(super) struct Shown {
    /// Its options.
    pub(super) config: Resolved,
    /// The network.
    pub(super) spec: ModelSpec,
    /// Its masks.
    pub(super) drawn: Drawn,
    /// What is done to the network.
    pub(super) approach: Box<dyn Approach>,
    /// How images are normalised.
    pub(super) recipe: Recipe,
}

/// What the help text ends with.
pub(super) const EXAMPLES: [&str; 3] = ["", "--seed 2 --format json", "--format yaml"];

/// How `show` answers.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ShowOptions {
    /// How to write the answer
    #[arg(long, default_value = "text", ignore_case = true, value_name = "FORMAT", help_heading = None)]
    pub(super) format: Format,
}

pub(super) fn with_format(command: Command) -> Command {
    ShowOptions::augment_args(command)
        .about("Shows what the same options would run: the network, its masks and all options; needs no data")
}

pub(super) fn run(shown: &Shown, format: Format) -> Result<Exit> {
    match format {
        Format::Text => print(shown.text().trim_end())?,
        Format::Json => print_json(&pretty(&shown.json())?)?,
        Format::Yaml => print_exactly(shown.config.to_yaml().trim_end())?,
    }
    Ok(Exit::Done)
}

impl Shown {
    fn edges(&self) -> usize {
        self.drawn.masks.iter().map(er_graphs::graph::Mask::edges).sum()
    }

    fn text(&self) -> String {
        let spec = &self.spec;
        let Recipe { mean, std, .. } = &self.recipe;
        let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        format!(
            "model {}: images {}, {} classes, {} parameters, {} weights, {} edges\nimages: (pixel/255 - mean)/std, mean {}, std {}\n\n{}\n\n{}\n\n{}",
            spec.name(),
            spec.input(),
            spec.classes(),
            spec.parameter_count(),
            spec.weight_count(),
            self.edges(),
            list(mean),
            list(std),
            DensityReport::new(spec, &self.drawn),
            self.approach,
            self.config.to_yaml(),
        )
    }

    fn json(&self) -> Value {
        let report = DensityReport::new(&self.spec, &self.drawn);
        let layers: Vec<Value> = report
            .layers
            .iter()
            .map(|l| {
                json!({
                    "name": l.name,
                    "shape": l.shape,
                    "weights": l.weights,
                    "dense": l.dense,
                    "density_requested": l.density_requested,
                    "edges": l.edges,
                })
            })
            .collect();
        json!({
            "model": {
                "name": self.spec.name(),
                "input": self.spec.input().to_string(),
                "classes": self.spec.classes(),
                "parameters": self.spec.parameter_count(),
                "weights": self.spec.weight_count(),
            },
            "normalisation": { "mean": self.recipe.mean, "std": self.recipe.std },
            "density_requested": report.density_requested,
            "density": report.density_achieved,
            "edges": self.edges(),
            "edges_added_by_flow": report.edges_added_by_flow,
            "edges_removed_by_flow": report.edges_removed_by_flow,
            "edges_short_for_flow": report.edges_short_for_flow,
            "constant": report.constant,
            "layers": layers,
            "method": self.approach.to_string().lines().collect::<Vec<_>>(),
            "options": self.config.to_json(),
            "config_hash": self.config.hash(),
        })
    }
}
