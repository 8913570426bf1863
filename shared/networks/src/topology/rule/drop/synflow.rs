//! Synaptic flow.

use super::{DropScore, NetworkScore};
use crate::score;
use crate::topology::rule::LayerView;
use er_graphs::registry::Named;

/// SynFlow's (Tanaka et al. 2020), see [`crate::score::synflow`].
#[derive(Debug, Clone, Copy)]
pub struct Synflow;

impl Named for Synflow {
    fn name(&self) -> &'static str {
        "synflow"
    }

    fn about(&self) -> &'static str {
        "synaptic flow, without data"
    }
}

impl DropScore for Synflow {
    fn of_network(&self) -> Option<NetworkScore> {
        Some(|spec, state, _| score::synflow(spec, state))
    }

    fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
        layer.network.to_vec()
    }
}
