//! The network a run begins with: masks, then weights on their edges.

use serde_json::{Map, Value, json};

use crate::{Backend, memory};
use er_engine::{LayerState, ModelState};
use er_graphs::density::Density;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_networks::init::{InitMethod, OrthoRepair, initialise, state_from};
use er_networks::model::ModelSpec;
use er_networks::topology::{Drawn, MaskPlan, MaskWeights};

/// What decides the first masks and weights.
#[derive(Debug, Clone, PartialEq)]
pub struct InitialNetwork {
    /// What the masks are drawn from; none keeps all weights.
    pub masks: Option<MaskPlan>,
    /// The masks of [`SparseInit::File`](er_networks::topology::SparseInit::File), one a layer, which are not drawn.
    pub given: Option<Vec<Mask>>,
    /// What the weights are drawn from. Some masks bring weights of their own instead ([`MaskWeights::Bring`]).
    pub init: InitMethod,
    /// Whether weights are then moved towards orthogonal matrices (see [`er_networks::init::ortho_repair`]).
    pub ortho_repair: bool,
    /// Seed of the weights.
    pub seed: u64,
}

impl InitialNetwork {
    /// Masks from a plan, weights from its seed as the model draws them; all weights without a plan.
    pub fn new(masks: Option<MaskPlan>) -> Self {
        let seed = masks.as_ref().map_or(1, |plan| plan.seed);
        Self { masks, given: None, init: InitMethod::Default, ortho_repair: false, seed }
    }

    /// Draws the masks alone, or takes those that are given.
    ///
    /// # Errors
    /// As [`MaskPlan::draw`].
    pub fn draw(&self, spec: &ModelSpec) -> Result<Drawn> {
        match &self.masks {
            Some(plan) if matches!(plan.init.weights(), MaskWeights::Read) => {
                let weights: Vec<Vec<f32>> = self.dense(spec)?.layers.into_iter().map(|l| l.weights).collect();
                plan.draw(spec, Some(&weights))
            }
            plan => drawn(spec, plan.as_ref(), self.given.as_ref()),
        }
    }

    /// First masks and weights; `backend` computes the repair.
    ///
    /// # Errors
    /// As [`MaskPlan::draw`] and [`Backend::ortho_repair`].
    pub fn state(&self, spec: &ModelSpec, backend: Backend) -> Result<ModelState> {
        let drawn = self.draw(spec)?;
        room(spec, "weights", memory::of_edges(&drawn.masks))?;
        let mut state = match self.masks.as_ref().map(|plan| plan.init.weights()) {
            Some(MaskWeights::Bring(weights)) => {
                let weights = weights(spec, &drawn.masks, &drawn.densities_requested, self.seed);
                state_from(spec, drawn.masks, weights, self.seed)
            }
            // The very weights that were compared must be the ones that stay.
            Some(MaskWeights::Read) => {
                let dense = self.dense(spec)?;
                let weights = drawn.masks.iter().zip(&dense.layers).map(|(mask, layer)| chosen(mask, layer)).collect();
                state_from(spec, drawn.masks, weights, self.seed)
            }
            Some(MaskWeights::Unread) | None => {
                initialise(spec, &drawn.masks, &drawn.densities_requested, drawn.requested.get(), self.init, self.seed)
            }
        };
        if self.ortho_repair {
            backend.ortho_repair(spec, &mut state, OrthoRepair::default())?;
        }
        Ok(state)
    }

    fn dense(&self, spec: &ModelSpec) -> Result<ModelState> {
        room(spec, "all weights", memory::of_all_weights(spec, 1))?;
        let full = all(spec);
        let overall = self.masks.as_ref().map_or(Density::FULL, |plan| plan.density);
        Ok(initialise(spec, &full.masks, &full.densities_requested, overall.get(), self.init, self.seed))
    }
}

/// Refuses a part of a network that does not fit into memory.
pub(super) fn room(spec: &ModelSpec, part: &str, bytes: u128) -> Result<()> {
    let what = format!("holding the {part} of {}", spec.name());
    memory::check(&what, bytes, memory::available(), "choose a smaller network or a lower density, or free some memory")
}

/// Masks drawn from a plan, or `given` by the file that it names; full ones without a plan.
///
/// # Errors
/// As [`MaskPlan::draw`]; masks that do not fit into memory.
pub fn drawn(spec: &ModelSpec, plan: Option<&MaskPlan>, given: Option<&Vec<Mask>>) -> Result<Drawn> {
    room(spec, "masks", memory::of_masks(spec))?;
    match (plan, given) {
        (None, _) => Ok(all(spec)),
        (Some(plan), Some(masks)) => plan.given(spec, masks.clone()),
        (Some(plan), None) => plan.draw(spec, None),
    }
}

/// Edges and weights of the layers that count.
pub(super) fn totals_of(state: &ModelState, counts: impl Fn(usize) -> bool) -> (usize, usize) {
    Mask::totals(state.layers.iter().enumerate().filter(|(l, _)| counts(*l)).map(|(_, layer)| &layer.mask))
}

/// What a summary says of a network's edges; the density is that of the layers that count for it.
pub(super) fn edges_of(state: &ModelState, counts: impl Fn(usize) -> bool) -> Map<String, Value> {
    let (edges, weights) = totals_of(state, |_| true);
    let (kept, all) = totals_of(state, counts);
    Map::from_iter([
        ("edges".to_owned(), json!(edges)),
        ("weights".to_owned(), json!(weights)),
        ("density".to_owned(), json!(if all == 0 { 1.0 } else { kept as f64 / all as f64 })),
    ])
}

/// Full masks.
fn all(spec: &ModelSpec) -> Drawn {
    let layers = spec.layers();
    Drawn {
        masks: layers.iter().map(|l| Mask::full(l.shape)).collect(),
        densities_requested: vec![1.0; layers.len()],
        dense: vec![false; layers.len()],
        repairs: vec![er_networks::topology::Repair::default(); layers.len()],
        requested: Density::FULL,
        note: None,
    }
}

/// The weights at a mask's edges, from a layer that has all of them.
fn chosen(mask: &Mask, full: &LayerState) -> Vec<f32> {
    mask.iter().map(|position| full.weights[position]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use er_graphs::graph::Sampling;
    use er_networks::model::{Image, build};
    use er_networks::topology::FlowPreservation;

    fn initial(init: Option<&str>, density: f64) -> InitialNetwork {
        let masks = init.map(|init| MaskPlan {
            init: init.parse().unwrap(),
            law: Sampling::Exact,
            density: Density::new(density).unwrap(),
            dense_layers: Vec::new(),
            flow: FlowPreservation::Off,
            seed: 1,
        });
        InitialNetwork { masks, given: None, init: InitMethod::KaimingNormal, ortho_repair: false, seed: 1 }
    }

    #[test]
    fn without_masks_all_weights_exist() {
        let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
        let state = initial(None, 0.1).state(&spec, Backend::Sparse).unwrap();
        assert_eq!(state.layers.iter().map(|l| l.weights.len()).sum::<usize>(), spec.weight_count());
    }

    #[test]
    fn the_largest_weights_stay_and_keep_their_values() {
        let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
        let state = initial(Some("global_magnitude"), 0.2).state(&spec, Backend::Sparse).unwrap();
        let full = initial(None, 1.0).state(&spec, Backend::Sparse).unwrap();
        let kept: Vec<f32> = state.layers.iter().flat_map(|l| l.weights.iter().map(|w| w.abs())).collect();
        assert_eq!(kept.len(), (0.2 * spec.weight_count() as f64) as usize);
        let least = kept.iter().copied().fold(f32::INFINITY, f32::min);
        for (layer, all) in state.layers.iter().zip(&full.layers) {
            for (p, w) in all.weights.iter().enumerate() {
                assert_eq!(layer.mask.contains(p), w.abs() >= least);
            }
            assert_eq!(layer.weights, chosen(&layer.mask, all));
        }
    }

    #[test]
    fn given_masks_are_kept_and_ask_for_what_they_have() {
        let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
        let masks = initial(Some("ERK"), 0.1).draw(&spec).unwrap().masks;
        let file = InitialNetwork { given: Some(masks.clone()), ..initial(Some("x.safetensors"), 0.1) };
        let drawn = file.draw(&spec).unwrap();
        assert_eq!(drawn.densities_requested, masks.iter().map(Mask::density).collect::<Vec<_>>());
        let state = file.state(&spec, Backend::Sparse).unwrap();
        assert!(state.layers.iter().zip(&masks).all(|(l, m)| l.mask == *m && l.weights.len() == m.edges()));
        // Weights scale with the density of their own layer.
        let scaled = InitialNetwork { init: InitMethod::Normal, ..file.clone() }.state(&spec, Backend::Sparse).unwrap();
        assert!(scaled.layers.iter().all(|l| l.weights.iter().all(|w| w.is_finite())));
        let unread = InitialNetwork { given: None, ..file };
        assert!(unread.draw(&spec).unwrap_err().what().contains("x.safetensors"));
    }

    #[test]
    fn states_follow_their_masks_and_repair_changes_only_weights() {
        let spec = build("digits", Image::new(1, 8, 8), 10).unwrap();
        for init in ["ERK", "ER_ortho"] {
            let plain = initial(Some(init), 0.1);
            let drawn = plain.draw(&spec).unwrap();
            let state = plain.state(&spec, Backend::Sparse).unwrap();
            assert!(state.layers.iter().zip(&drawn.masks).all(|(l, m)| l.mask == *m && l.weights.len() == m.edges()));
            let repaired = InitialNetwork { ortho_repair: true, ..plain }.state(&spec, Backend::Sparse).unwrap();
            assert!(repaired.layers.iter().zip(&drawn.masks).all(|(l, m)| l.mask == *m));
            assert_ne!(repaired.layers[1].weights, state.layers[1].weights);
        }
    }
}
