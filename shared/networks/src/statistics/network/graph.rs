//! A whole network for petgraph's algorithms.

use super::net::{Net, PathView, Step};
use crate::model::ModelSpec;
use er_graphs::graph::Mask;
use petgraph::dot::{Config, Dot, RankDir};
use petgraph::graph::{DiGraph, NodeIndex};
use std::fmt;
use std::sync::Arc;

/// A node of a network's graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Name of the model's node: `input`, a layer's module or a sum.
    pub tensor: Arc<str>,
    /// Channel of its output; pixel of an image that only linear layers read.
    pub channel: u32,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.tensor, self.channel)
    }
}

/// An arc of a network's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// All edges of a mask between two units.
    Weights {
        /// Index into [`ModelSpec::layers`].
        layer: u32,
        /// How many there are: kernel positions, or the pixels of a channel that a linear layer keeps.
        kept: u32,
    },
    /// From a summand to its sum.
    Shortcut,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Weights { layer, kept } => write!(f, "{kept} of layer {layer}"),
            Self::Shortcut => f.write_str("shortcut"),
        }
    }
}

/// The network as a directed graph without cycles, in the channel view (see [`PathView::Channels`]): its nodes are the units of the image,
/// the outputs of each layer and the channels of each sum, in an order in which they can be computed. Activations, normalisations and
/// poolings have no nodes.
///
/// O(edges + units) time; 28 bytes an arc and 32 a unit.
///
/// ```
/// use petgraph::algo::{has_path_connecting, toposort};
/// use er_graphs::graph::{LayerShape, Mask};
/// use er_networks::model::{Image, build};
/// use er_networks::statistics::network::graph_of;
///
/// // 2 inputs, hidden layers of 2 and 2 units, 2 logits.
/// let spec = build("mlp-2-2", Image::new(1, 1, 2), 2).unwrap();
/// let layer = LayerShape::linear(2, 2);
/// let masks = [[0, 2], [1, 2], [0, 1]].map(|positions| Mask::from_positions(layer, positions));
/// let graph = graph_of(&spec, &masks);
/// assert_eq!((graph.node_count(), graph.edge_count()), (8, 6));
/// assert!(toposort(&graph, None).is_ok());
///
/// let unit = |tensor: &str, channel| graph.node_indices().find(|n| *graph[*n].tensor == *tensor && graph[*n].channel == channel);
/// let (first, second, logit) = (unit("input", 0).unwrap(), unit("input", 1).unwrap(), graph.node_indices().nth(6).unwrap());
/// assert!(has_path_connecting(&graph, first, logit, None));
/// assert!(!has_path_connecting(&graph, second, logit, None));
/// ```
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn graph_of(spec: &ModelSpec, masks: &[Mask]) -> DiGraph<Unit, Link> {
    super::check(spec, masks);
    let net = Net::new(spec, PathView::Channels);
    let starts = net.starts();
    let mut graph = DiGraph::with_capacity(starts[starts.len() - 1], 0);
    for ((step, node), units) in net.steps.iter().zip(spec.nodes()).zip(&net.units) {
        let tensor: Arc<str> = node.name.as_str().into();
        let own = if let Step::Same(_) = step { 0 } else { *units };
        (0..own as u32).for_each(|channel| _ = graph.add_node(Unit { tensor: tensor.clone(), channel }));
    }
    for (id, step) in net.steps.iter().enumerate() {
        let node = |tensor: usize, unit: usize| NodeIndex::new(starts[tensor] + unit);
        match step {
            Step::Stage(stage) => {
                let Some((layer, mask)) = stage.layer.map(|l| (l, &masks[l])) else { continue };
                let pairs = stage.pairs(mask);
                graph.reserve_edges(pairs.len());
                for pair in pairs {
                    let weights = Link::Weights { layer: layer as u32, kept: pair.kept };
                    graph.add_edge(node(stage.input, pair.input as usize), node(id, pair.output as usize), weights);
                }
            }
            Step::Sum(summands) => {
                for (summand, unit) in summands.iter().flat_map(|s| (0..net.units[id]).map(move |u| (*s, u))) {
                    graph.add_edge(node(summand, unit), node(id, unit), Link::Shortcut);
                }
            }
            Step::Image | Step::Same(_) => {}
        }
    }
    graph
}

/// The graph in the DOT language, the image on the left: units with their names, shortcuts dashed, the number of edges beside an arc that
/// stands for several. About 25 bytes an arc; Graphviz draws some hundred arcs well.
///
/// ```
/// use er_graphs::graph::Mask;
/// use er_networks::model::{Image, build};
/// use er_networks::statistics::network::{graph_of, to_dot};
///
/// let spec = build("mlp-2", Image::new(1, 1, 2), 2).unwrap();
/// let masks: Vec<_> = spec.layers().iter().map(|l| Mask::from_positions(l.shape, [0, 3])).collect();
/// let dot = to_dot(&graph_of(&spec, &masks));
/// assert!(dot.starts_with("digraph") && dot.contains("rankdir=\"LR\"") && dot.contains("label=\"input:1\""));
/// ```
#[must_use]
pub fn to_dot(graph: &DiGraph<Unit, Link>) -> String {
    let config = [Config::NodeNoLabel, Config::EdgeNoLabel, Config::RankDir(RankDir::LR)];
    let arc = |_: &DiGraph<Unit, Link>, edge: petgraph::graph::EdgeReference<'_, Link>| match edge.weight() {
        Link::Weights { kept: 1, .. } => String::new(),
        Link::Weights { kept, .. } => format!("label=\"{kept}\""),
        Link::Shortcut => "style=\"dashed\"".into(),
    };
    let unit = |_: &DiGraph<Unit, Link>, (_, unit): (NodeIndex, &Unit)| format!("label=\"{unit}\"");
    Dot::with_attr_getters(graph, &config, &arc, &unit).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Image, build};
    use crate::statistics::network::{components, count_paths};
    use er_graphs::graph::LayerShape;
    use petgraph::algo::{connected_components, toposort};
    use petgraph::visit::{EdgeRef, IntoNodeReferences};

    /// Masks with every third, fourth, … position.
    fn some(spec: &ModelSpec) -> Vec<Mask> {
        let of_layer =
            |(k, l): (usize, &crate::model::Layer)| Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(k % 5 + 3));
        spec.layers().iter().enumerate().map(of_layer).collect()
    }

    #[test]
    fn graphs_have_the_paths_components_and_edges_of_the_masks() {
        for (name, side) in [("resnet8", 8), ("vgg11", 32), ("mobilenet-v2", 64), ("mlp-20-10", 5)] {
            let spec = build(name, Image::new(3, side, side), 4).unwrap();
            let masks = some(&spec);
            let graph = graph_of(&spec, &masks);
            let mut kept = vec![0; masks.len()];
            for link in graph.edge_weights() {
                if let Link::Weights { layer, kept: n } = *link {
                    kept[layer as usize] += n as usize;
                }
            }
            assert_eq!(kept, masks.iter().map(Mask::edges).collect::<Vec<_>>(), "{name}");
            let found = components(&spec, &masks);
            assert_eq!((graph.node_count(), connected_components(&graph)), (found.units, found.count), "{name}");
            // Paths by a topological order of petgraph's.
            let mut paths: Vec<f64> =
                graph.node_references().map(|(_, u)| if *u.tensor == *"input" { 1.0 } else { 0.0 }).collect();
            for node in toposort(&graph, None).unwrap() {
                for edge in graph.edges(node) {
                    let multiplicity = if let Link::Weights { kept, .. } = *edge.weight() { f64::from(kept) } else { 1.0 };
                    paths[edge.target().index()] += multiplicity * paths[node.index()];
                }
            }
            let total: f64 = paths[paths.len() - 4..].iter().sum();
            let log2 = count_paths(&spec, &masks, PathView::Channels).log2.unwrap();
            assert!((total.log2() - log2).abs() < 1e-9, "{name}: {} and {log2}", total.log2());
        }
    }

    #[test]
    fn dot_names_units_and_marks_shortcuts_and_parallel_edges() {
        let spec = build("resnet8", Image::new(3, 8, 8), 4).unwrap();
        let mut masks: Vec<Mask> = spec.layers().iter().map(|l| Mask::empty(l.shape)).collect();
        masks[0] = Mask::from_positions(LayerShape::conv(16, 3, [3, 3]), [9, 10, 17, 27]);
        let graph = graph_of(&spec, &masks);
        let dot = to_dot(&graph);
        assert_eq!(dot.matches("dashed").count(), graph.edge_count() - 2);
        // Input 1 → output 0 three times; input 0 → output 1 once.
        let arcs: Vec<&str> = dot.lines().filter(|l| l.contains("->") && !l.contains("dashed")).map(str::trim).collect();
        assert_eq!(arcs, ["1 -> 3 [ label=\"3\"]", "0 -> 4 [ ]"]);
        assert!(dot.contains("0 [ label=\"input:0\"]") && dot.contains(&format!("label=\"{}:15\"", spec.nodes()[1].name)));
    }

    #[test]
    fn arcs_take_28_bytes() {
        assert_eq!(size_of::<petgraph::graph::Edge<Link, u32>>(), 28);
        assert_eq!(size_of::<petgraph::graph::Node<Unit, u32>>(), 32);
    }
}
