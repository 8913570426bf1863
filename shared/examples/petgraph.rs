//! Random masks as graphs for petgraph's algorithms: `cargo run -p shared --example petgraph`.
//!
//! What scales to millions of edges: searches (`Bfs`, `Dfs`, `has_path_connecting`), `toposort`, `connected_components`,
//! `tarjan_scc`, `dijkstra`, and in practice `dominators::simple_fast`. Each of the last five takes less than a second for a ResNet-50
//! with 2.5 million arcs. What does not: `maximum_matching` of large layers (cubic at worst), `floyd_warshall` (cubic always),
//! maximum flows (edges times nodes or worse), isomorphism, and `all_simple_paths`, which takes as long as there are paths: count
//! them with `shared::statistics::network::count_paths` instead.

use petgraph::algo::dominators::simple_fast;
use petgraph::algo::{connected_components, dijkstra, maximum_matching};
use petgraph::visit::Bfs;
use shared::Result;
use shared::density::Density;
use shared::graph::{Bipartite, Csr, Sampling};
use shared::model::{Image, build};
use shared::statistics::network::{Link, Unit, graph_of, to_dot};
use shared::topology::{FlowPreservation, MaskPlan};

fn main() -> Result<()> {
    let spec = build("vgg11", Image::new(3, 32, 32), 10)?;
    let plan = MaskPlan {
        init: "ERK".parse()?,
        law: Sampling::Exact,
        density: Density::new(0.001)?,
        dense_layers: Vec::new(),
        flow: FlowPreservation::Off,
        seed: 1,
    };
    let masks = plan.draw(&spec, None)?.masks;

    println!("One layer at a time, as an undirected bipartite graph:");
    for (layer, mask) in spec.layers().iter().zip(&masks) {
        let csr = Csr::new(mask, layer.groups);
        let graph = Bipartite::new(&csr);
        println!(
            "  {:22} {:4} edges, {:3} components, largest matching {}",
            layer.name,
            mask.edges(),
            connected_components(graph),
            maximum_matching(graph).len()
        );
    }

    let mut graph = graph_of(&spec, &masks);
    println!("The network, from the image to the logits: {} units, {} arcs", graph.node_count(), graph.edge_count());
    println!("  {} weak components", connected_components(&graph));

    // One more node before the image stands for all of it.
    let image: Vec<_> = graph.node_indices().filter(|n| *graph[*n].tensor == *"input").collect();
    let source = graph.add_node(Unit { tensor: "source".into(), channel: 0 });
    for unit in image {
        graph.add_edge(source, unit, Link::Shortcut);
    }
    let mut search = Bfs::new(&graph, source);
    println!("  {} of them are reached", std::iter::from_fn(|| search.next(&graph)).count() - 1);

    // Shortcuts would cost nothing, so that distances count layers.
    let layers = dijkstra(&graph, source, None, |arc| u32::from(matches!(arc.weight(), Link::Weights { .. })));
    println!("  the farthest is {} layers from the image", layers.values().max().unwrap_or(&0));
    let dominators = simple_fast(&graph, source);
    let hanging = graph.node_indices().filter(|n| dominators.immediate_dominator(*n).is_some_and(|d| d != source));
    println!("  all paths to {} of them go through some other unit", hanging.count());

    let small = build("mlp-3-2", Image::new(1, 1, 4), 2)?;
    let masks = MaskPlan { init: "uniform".parse()?, density: Density::new(0.5)?, ..plan }.draw(&small, None)?.masks;
    println!("A network small enough to draw, for Graphviz:\n{}", to_dot(&graph_of(&small, &masks)));
    Ok(())
}
