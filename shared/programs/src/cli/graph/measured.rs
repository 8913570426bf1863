//! What is measured of a subject: the answer of `graph --format json`.

use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use super::against::Against;
use super::subject::{Graphs, Network, Subject};
use super::training::Moment;
use er_graphs::graph::{Biadjacency, View};
use er_graphs::statistics::bipartite::{self, Effort, Statistics};
use er_graphs::statistics::spectrum::{Accuracy, Imdb, Ramanujan, Spectrum, imdb, ramanujan, spectrum};
use er_networks::statistics::network::{Kept, NetworkStatistics};

/// The whole answer.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// What was measured.
    pub(super) source: Value,
    /// Name, input and classes of the network; none for a graph alone.
    pub(super) model: Option<Value>,
    /// What the nodes of the layers' graphs are.
    pub(super) view: View,
    /// Weights of all layers.
    pub(super) weights: usize,
    /// Those that are kept.
    pub(super) edges: usize,
    /// Density asked for, of the layers that are not dense.
    pub(super) density_requested: Option<f64>,
    /// Kept part of the weights of these layers; of all layers if nothing is known of dense ones.
    pub(super) density: f64,
    /// Every layer.
    pub(super) layers: Vec<Layer>,
    /// The network as a whole; none for a graph alone.
    pub(super) network: Option<NetworkStatistics>,
    /// Comparison with other masks of the network.
    pub(super) against: Option<Against>,
    /// The masks of a run along its training.
    pub(super) training: Option<Vec<Moment>>,
}

/// One layer.
#[derive(Debug, Serialize)]
pub(super) struct Layer {
    pub(super) name: String,
    /// Shape of its weights.
    pub(super) shape: Vec<usize>,
    pub(super) weights: usize,
    /// Weights that are kept.
    pub(super) edges: usize,
    pub(super) density_requested: Option<f64>,
    pub(super) density: f64,
    /// Whether it is outside the density that was asked for; none if that is not known.
    pub(super) dense: Option<bool>,
    /// Edges on a path from a pixel of the image to a logit.
    pub(super) effective_edges: Option<usize>,
    pub(super) effective_density: Option<f64>,
    /// Its graph.
    #[serde(flatten)]
    pub(super) of_graph: OfGraph,
}

/// What is measured of one graph.
#[derive(Debug, Serialize)]
pub(super) struct OfGraph {
    pub(super) graph: Statistics,
    /// Singular values, with `--spectra`.
    pub(super) spectrum: Option<Spectrum>,
    pub(super) ramanujan: Option<Ramanujan>,
    pub(super) imdb: Option<Imdb>,
}

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) view: View,
    pub(super) spectra: bool,
    pub(super) effort: Effort,
}

impl Wanted {
    fn measure(self, graph: &Biadjacency) -> OfGraph {
        let accuracy = Accuracy::default();
        let values = if self.spectra { spectrum(graph, &accuracy) } else { None };
        OfGraph {
            graph: bipartite::measure(graph, &self.effort),
            ramanujan: values.as_ref().and_then(|s| ramanujan(graph, s)),
            spectrum: values,
            imdb: if self.spectra { imdb(graph, &accuracy) } else { None },
        }
    }
}

impl Answer {
    /// Measures a subject.
    pub(super) fn new(subject: &Subject, wanted: Wanted) -> Self {
        match &subject.graphs {
            Graphs::Network(network) => Self::of_network(subject, network, wanted),
            Graphs::Alone(graph, requested) => {
                let (weights, edges, density) = (graph.left() * graph.right(), graph.edges(), graph.density());
                let layer = Layer {
                    name: "graph".to_owned(),
                    shape: vec![graph.right(), graph.left()],
                    weights,
                    edges,
                    density_requested: Some(*requested),
                    density,
                    dense: None,
                    effective_edges: None,
                    effective_density: None,
                    of_graph: wanted.measure(graph),
                };
                Self {
                    source: subject.source.clone(),
                    model: None,
                    view: wanted.view,
                    weights,
                    edges,
                    density_requested: Some(*requested),
                    density,
                    layers: vec![layer],
                    network: None,
                    against: None,
                    training: None,
                }
            }
        }
    }

    fn of_network(subject: &Subject, Network { spec, masks, requested }: &Network, wanted: Wanted) -> Self {
        let whole = NetworkStatistics::measure(spec, masks);
        let of_layer = |(l, layer): (usize, &er_networks::model::Layer)| {
            let mask = &masks[l];
            let Kept { edges, density, .. } = whole.layers[l].counts.effective_pixels;
            Layer {
                name: layer.name.clone(),
                shape: layer.shape.dims(),
                weights: layer.shape.weights(),
                edges: mask.edges(),
                density_requested: requested.as_ref().map(|r| r.densities[l]),
                density: mask.density(),
                dense: requested.as_ref().map(|r| r.dense[l]),
                effective_edges: Some(edges),
                effective_density: Some(density),
                of_graph: wanted.measure(&Biadjacency::of_mask(mask, layer.groups, wanted.view)),
            }
        };
        let layers: Vec<Layer> = spec.layers().par_iter().enumerate().map(of_layer).collect();
        let counted = |layer: &&Layer| layer.dense != Some(true);
        let sums = layers.iter().filter(counted).fold((0, 0), |(e, w), l| (e + l.edges, w + l.weights));
        Self {
            source: subject.source.clone(),
            model: Some(serde_json::json!({
                "name": spec.name(),
                "input": spec.input().to_string(),
                "classes": spec.classes(),
            })),
            view: wanted.view,
            weights: spec.weight_count(),
            edges: layers.iter().map(|l| l.edges).sum(),
            density_requested: requested.as_ref().map(|r| r.overall),
            density: sums.0 as f64 / sums.1 as f64,
            layers,
            network: Some(whole),
            against: None,
            training: None,
        }
    }
}
