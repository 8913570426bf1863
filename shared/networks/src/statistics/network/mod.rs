//! A whole network as one graph: paths, what lies on them, bottlenecks, components.

mod bits;
mod bottleneck;
mod components;
mod graph;
mod layout;
mod net;
mod number;
mod paths;
mod pixels;
mod sweep;
#[cfg(test)]
mod tests;

pub use bottleneck::{Bottleneck, Narrowest, Width, bottleneck};
pub use components::{Components, components};
pub use graph::{Link, Unit, graph_of, to_dot};
pub use net::PathView;
pub use number::Counts;
pub use paths::{PathCount, Paths, count_paths, expected_paths, paths_into, paths_out_of, paths_through_edges};
pub use pixels::effective_pixels;

use crate::model::ModelSpec;
use crate::topology::effective;
use er_graphs::graph::Mask;
use serde::Serialize;

/// Edges that are left of some weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Kept {
    /// Their number.
    pub edges: usize,
    /// Their share of the weights; 0 where there are no weights.
    pub density: f64,
    /// Weights over edges; none without an edge, where it would be infinite.
    pub compression: Option<f64>,
}

impl Kept {
    fn new(edges: usize, weights: usize) -> Self {
        Self {
            edges,
            density: edges as f64 / weights.max(1) as f64,
            compression: (edges > 0).then(|| weights as f64 / edges as f64),
        }
    }
}

/// How many weights a layer or network keeps, and how many of them matter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeCounts {
    /// Number of weights.
    pub weights: usize,
    /// Edges of the masks (direct density, direct compression).
    pub direct: Kept,
    /// Edges on paths, if channels live or die as a whole: see [`effective`].
    pub effective_channels: Kept,
    /// Edges on paths, exactly: see [`effective_pixels`].
    pub effective_pixels: Kept,
}

impl EdgeCounts {
    /// Adds up layers given as weights, edges and effective edges of both kinds.
    fn total(layers: impl Iterator<Item = [usize; 4]>) -> Self {
        let [weights, direct, channels, pixels] = layers.fold([0; 4], |sum, layer| std::array::from_fn(|k| sum[k] + layer[k]));
        Self {
            weights,
            direct: Kept::new(direct, weights),
            effective_channels: Kept::new(channels, weights),
            effective_pixels: Kept::new(pixels, weights),
        }
    }
}

/// Edges of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerEdges {
    /// Parameter name.
    pub layer: String,
    /// Its edges.
    #[serde(flatten)]
    pub counts: EdgeCounts,
}

/// What can be said of a network's masks as one graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkStatistics {
    /// Edges of every layer, in definition order.
    pub layers: Vec<LayerEdges>,
    /// Edges of all layers.
    pub total: EdgeCounts,
    /// Layers without an edge.
    pub empty_layers: Vec<String>,
    /// Layers without an effective edge, pixel by pixel; the empty ones are among them.
    pub idle_layers: Vec<String>,
    /// Whether a layer is empty (layer collapse, Tanaka et al. 2020).
    pub layer_collapse: bool,
    /// Number of paths, in the channel view and in the pixel view.
    pub paths: [Paths; 2],
    /// How wide each layer is where paths go.
    pub bottleneck: Bottleneck,
    /// Weak components.
    pub components: Components,
}

impl NetworkStatistics {
    /// Measures a network's masks. About as expensive as [`count_paths`] in the pixel view: O(weights + edges · output pixels).
    ///
    /// # Panics
    /// If there is not one mask of the right shape for each layer.
    #[must_use]
    pub fn measure(spec: &ModelSpec, masks: &[Mask]) -> Self {
        check(spec, masks);
        let of_channels = || {
            let alive = effective(spec, masks);
            let bottleneck = bottleneck::of_effective(spec, masks, &alive);
            (alive, bottleneck, components(spec, masks), Paths::of(spec, masks, PathView::Channels))
        };
        let of_pixels = || (effective_pixels(spec, masks), Paths::of(spec, masks, PathView::Pixels));
        let ((channels, bottleneck, components, channel_paths), (pixels, pixel_paths)) = rayon::join(of_channels, of_pixels);
        let counts = |l: usize| [spec.layers()[l].shape.weights(), masks[l].edges(), channels[l].edges(), pixels[l].edges()];
        let all = 0..masks.len();
        let names = |without: &[Mask]| {
            let layers = spec.layers().iter().zip(without).filter(|(_, mask)| mask.edges() == 0);
            layers.map(|(layer, _)| layer.name.clone()).collect::<Vec<_>>()
        };
        let of_layer =
            |l: usize| LayerEdges { layer: spec.layers()[l].name.clone(), counts: EdgeCounts::total([counts(l)].into_iter()) };
        let empty_layers = names(masks);
        Self {
            layers: all.clone().map(of_layer).collect(),
            total: EdgeCounts::total(all.map(counts)),
            idle_layers: names(&pixels),
            layer_collapse: !empty_layers.is_empty(),
            empty_layers,
            paths: [channel_paths, pixel_paths],
            bottleneck,
            components,
        }
    }
}

/// Panics unless the masks are those of the model's layers.
fn check(spec: &ModelSpec, masks: &[Mask]) {
    assert_eq!(masks.len(), spec.layers().len(), "model {}: one mask a layer", spec.name());
    for (layer, mask) in spec.layers().iter().zip(masks) {
        assert_eq!(mask.shape(), layer.shape, "{}", layer.name);
    }
}
