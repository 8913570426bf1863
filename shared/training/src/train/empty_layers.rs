//! Layers that are left without an edge.

use std::collections::BTreeSet;

use er_engine::{Engine, ModelState};
use er_graphs::error::Result;
use er_networks::model::ModelSpec;

use super::{FinishedStep, Hook, remark};

/// Names each layer that is left without an edge once, when it happens.
#[derive(Debug, Default)]
pub(super) struct EmptyLayers {
    named: BTreeSet<String>,
}

impl EmptyLayers {
    /// Notes which layers of this network have no edge, and names them if that is `new`.
    pub(super) fn begin(&mut self, spec: &ModelSpec, state: &ModelState, new: bool) {
        let layers = spec.layers().iter().zip(&state.layers);
        let empty: Vec<&str> = layers.filter(|(_, s)| s.mask.edges() == 0).map(|(l, _)| l.name.as_str()).collect();
        if new && !empty.is_empty() {
            let (n, of) = (empty.len(), spec.layers().len());
            remark(&format!("{n} of {of} layers have no edge, so nothing passes through them: {}", empty.join(", ")));
        }
        self.named.extend(empty.into_iter().map(str::to_owned));
    }
}

impl Hook for EmptyLayers {
    fn after_step(&mut self, step: &FinishedStep, _: &mut dyn Engine) -> Result<()> {
        let empty = step.event.map(|event| event.empty_layers()).unwrap_or_default();
        let new: Vec<&str> = empty.into_iter().filter(|name| !self.named.contains(*name)).collect();
        if !new.is_empty() {
            let layers = if new.len() == 1 { "layer" } else { "layers" };
            let at = step.progress.clock.step;
            remark(&format!("step {at} leaves {layers} {} without an edge: nothing passes through", new.join(", ")));
        }
        let new: Vec<String> = new.into_iter().map(str::to_owned).collect();
        self.named.extend(new);
        Ok(())
    }
}
