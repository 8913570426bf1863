//! What happens to the edges of a network at a step: a line of metrics, and one for people.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde_json::Value;

/// Something that happened to the edges of a network at a step. Methods of other crates have their own.
pub trait Event: Any + Debug {
    /// What the line of metrics calls it.
    fn kind(&self) -> &'static str;

    /// What the line of metrics says: an object.
    fn fields(&self) -> Value;

    /// One line for people.
    fn line(&self) -> String;

    /// Names of the layers that have no edge afterwards.
    fn empty_layers(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Events of one kind that say the same.
impl PartialEq for dyn Event {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.fields() == other.fields()
    }
}

/// The fields of a value as an object; null if it is none, which no event here is.
fn fields(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

/// What is left after a level of training. Densities are those of the layers that can be pruned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pruned {
    /// The level, from 1.
    pub level: u64,
    /// Number of levels.
    pub levels: u64,
    /// Density that is asked for.
    pub density_target: f64,
    /// Density afterwards.
    pub density: f64,
    /// Density of the edges that are on a path from the image to the logits.
    pub density_effective: f64,
    /// Edges of all layers afterwards.
    pub edges: usize,
    /// Edges pruned.
    pub pruned: usize,
    /// Edges that masks or signs of another run were to be taken for, or from, and that are not there.
    pub missing: usize,
    /// Names of the layers that have no edge.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty_layers: Vec<String>,
}

impl Event for Pruned {
    fn kind(&self) -> &'static str {
        "pruned"
    }

    fn fields(&self) -> Value {
        fields(self)
    }

    fn line(&self) -> String {
        let Pruned { level, levels, density_target, density, density_effective, edges, pruned, missing, .. } = self;
        let missing = if *missing == 0 { String::new() } else { format!("; {missing} edges of the other run are not there") };
        format!(
            "level {level} of {levels}: {pruned} edges pruned, density {density_target:.6} asked for, {density:.6} kept ({edges} edges, \
             {density_effective:.6} on a path from image to logits){missing}"
        )
    }

    fn empty_layers(&self) -> Vec<&str> {
        self.empty_layers.iter().map(String::as_str).collect()
    }
}

/// Which weights are in use, of those that are trained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sparsity {
    /// Part of all weights.
    pub density: f64,
    /// Weights in use.
    pub edges: usize,
    /// Weights whose gradients are computed: those in use, and those that may soon be.
    pub places: usize,
    /// All layers, by the name of their weights.
    pub layers: BTreeMap<String, LayerSparsity>,
}

impl Event for Sparsity {
    fn kind(&self) -> &'static str {
        "sparsity"
    }

    fn fields(&self) -> Value {
        fields(self)
    }

    fn line(&self) -> String {
        format!("density {:.6} ({} edges)", self.density, self.edges)
    }

    fn empty_layers(&self) -> Vec<&str> {
        self.layers.iter().filter(|(_, layer)| layer.density == 0.0).map(|(name, _)| name.as_str()).collect()
    }
}

/// Which weights of a layer are in use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LayerSparsity {
    /// Part of its weights.
    pub density: f64,
    /// Magnitude above which weights are in use, where it is trained.
    pub threshold: Option<f64>,
}

/// Part of a training in which a fixed fraction of the weights and biases is chosen. Fractions are of all weights and biases.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Which part, from 1.
    pub level: u64,
    /// Number of parts.
    pub levels: u64,
    /// Fraction that is asked for.
    pub density_target: f64,
    /// Fraction that is kept.
    pub density: f64,
    /// Weights kept.
    pub edges: usize,
    /// Biases kept.
    pub biases: usize,
    /// Part of the weights and biases kept before that still are; none at the beginning.
    pub stayed: Option<f64>,
    /// Names of the layers of which no weight is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub empty_layers: Vec<String>,
}

impl Event for Level {
    fn kind(&self) -> &'static str {
        "level"
    }

    fn fields(&self) -> Value {
        fields(self)
    }

    fn line(&self) -> String {
        let Level { level, levels, density_target, density, edges, biases, stayed, .. } = self;
        let stayed = stayed.map(|s| format!(", {:.1} % of those before", 100.0 * s)).unwrap_or_default();
        format!(
            "level {level} of {levels}: density {density_target:.6} asked for, {density:.6} kept ({edges} weights and {biases} \
             biases{stayed})"
        )
    }

    fn empty_layers(&self) -> Vec<&str> {
        self.empty_layers.iter().map(String::as_str).collect()
    }
}

/// What happened to the edges of a network in one update. Densities are those of the layers that can move.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    /// Density that the schedule asks for, where there is one.
    pub density_target: Option<f64>,
    /// Density afterwards.
    pub density: f64,
    /// Edges afterwards.
    pub edges: usize,
    /// Drop fraction f(t).
    pub drop_fraction: Option<f64>,
    /// Edges pruned for good.
    pub pruned: usize,
    /// Edges dropped in exchange for others.
    pub dropped: usize,
    /// Edges grown.
    pub grown: usize,
    /// Part of the dropped edges that were grown again at once.
    pub returned: Option<f64>,
    /// Edges that keep units alive, each put in another's place.
    pub repaired: usize,
    /// In-time over-parameterisation: part of the weights that have been edges after some update.
    pub itop: f64,
    /// Layers that can move, by the name of their weights.
    pub layers: BTreeMap<String, LayerUpdate>,
}

impl Event for Update {
    fn kind(&self) -> &'static str {
        "update"
    }

    fn fields(&self) -> Value {
        fields(self)
    }

    fn line(&self) -> String {
        let target = self.density_target.map(|d| format!(" (target {d:.6})")).unwrap_or_default();
        let mut parts = vec![format!("density {:.6}{target}", self.density)];
        if self.pruned > 0 {
            parts.push(format!("{} edges pruned", self.pruned));
        }
        if let Some(fraction) = self.drop_fraction {
            let returned = self.returned.map(|r| format!(", {:.1} % of them the same", 100.0 * r)).unwrap_or_default();
            let (dropped, grown) = (self.dropped, self.grown);
            parts.push(format!("{dropped} dropped and {grown} grown (drop fraction {fraction:.4}{returned})"));
        }
        if self.repaired > 0 {
            parts.push(format!("{} moved to keep units alive", self.repaired));
        }
        parts.push(format!("{:.4} of the weights active so far", self.itop));
        parts.join(", ")
    }

    fn empty_layers(&self) -> Vec<&str> {
        self.layers.iter().filter(|(_, layer)| layer.edges == 0).map(|(name, _)| name.as_str()).collect()
    }
}

/// What happened to the edges of a layer in one update, as in [`Update`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)] // as in `Update`
pub struct LayerUpdate {
    pub density: f64,
    pub edges: usize,
    pub pruned: usize,
    pub dropped: usize,
    pub grown: usize,
    pub returned: usize,
    pub repaired: usize,
    pub itop: f64,
}
