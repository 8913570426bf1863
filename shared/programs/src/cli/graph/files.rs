//! The files that `graph` writes: a picture, a drawing for Graphviz, a list of edges.

use std::fmt::Write as _;
use std::path::Path;

use super::measured::{Answer, Layer};
use super::subject::{Graphs, Network, Subject};
use super::training::series;
use crate::config::{Provenance, Typed};
use crate::report::{Cells, Degrees, LayerDensity, MaskPicture, training_picture};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{Biadjacency, Mask, View};
use er_graphs::statistics::bipartite::{self, expected_histogram};
use er_networks::statistics::network::{graph_of, to_dot};
use er_training::run::write_named;

/// More edges than this nobody draws, and a list of them fills a disk.
const MOST_DRAWN: usize = 1_000_000;

/// One layer as it is asked for by name, else the one with the most weights.
pub(super) fn chosen(subject: &Subject, asked: Typed<'_, Option<String>>, given: &Provenance) -> Result<usize> {
    let Graphs::Network(Network { spec, .. }) = &subject.graphs else { return Ok(0) };
    let layers = || spec.layers().iter().enumerate();
    let Some(name) = asked.value() else {
        return Ok(layers().rev().max_by_key(|(_, layer)| layer.shape.weights()).map_or(0, |(l, _)| l));
    };
    let plain = |name: &str| name.trim_end_matches(".weight").to_owned();
    let names: Vec<String> = layers().map(|(_, layer)| plain(&layer.name)).collect();
    names.iter().position(|n| *n == plain(name)).ok_or_else(|| {
        let what = format!("{} {name}: {} has no such layer", given.show(asked.id()), spec.name());
        let near = er_graphs::error::nearest(name, names.iter().map(String::as_str));
        Error::usage(what).help(match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("its layers are {}", names.join(", ")),
        })
    })
}

/// The graph of a layer.
fn layer_graph(subject: &Subject, layer: usize, view: View) -> Biadjacency {
    match &subject.graphs {
        Graphs::Network(Network { spec, masks, .. }) => Biadjacency::of_mask(&masks[layer], spec.layers()[layer].groups, view),
        Graphs::Alone(graph, _) => graph.clone(),
    }
}

/// Draws the layer's degrees and edges and all densities, or, of a run, what happened to its masks.
pub(super) fn picture(path: &Path, subject: &Subject, answer: &Answer, layer: usize) -> Result<()> {
    let text = if let Some(moments) = &answer.training {
        training_picture(&subject.title, &series(moments))
    } else {
        let graph = layer_graph(subject, layer, answer.view);
        let other = match (&subject.graphs, &answer.against) {
            (Graphs::Network(Network { spec, .. }), Some(against)) => {
                Some(Biadjacency::of_mask(&against.masks[layer], spec.layers()[layer].groups, answer.view))
            }
            _ => None,
        };
        let chosen = &answer.layers[layer];
        let inputs = if answer.view == View::Weights && chosen.shape.len() > 2 { "inputs (channel and tap)" } else { "inputs" };
        let (left, right) = (&chosen.of_graph.graph.inputs.degrees, &chosen.of_graph.graph.outputs.degrees);
        let others = other.as_ref().map(|other| [other.left_degrees(), other.right_degrees()]);
        let [others_left, others_right] = others.map_or([None, None], |sides| sides.map(Some));
        let sides = [degrees(inputs, left, others_left, right.units), degrees("outputs", right, others_right, left.units)];
        let picture = MaskPicture {
            title: subject.title.clone(),
            layers: answer.layers.iter().map(density).collect(),
            layer: chosen.name.clone(),
            degrees: sides,
            other: answer.against.as_ref().and_then(|a| a.path.file_name()).map(|name| name.display().to_string()),
            cells: Cells::new(&graph),
        };
        picture.draw()
    };
    write_named(path, |file| file.write_all(text.as_bytes()))
}

fn density(layer: &Layer) -> LayerDensity {
    LayerDensity {
        name: layer.name.clone(),
        requested: layer.density_requested,
        density: layer.density,
        effective: layer.effective_density,
    }
}

/// Degrees of a side whose units can have `most` edges each, and what they are in the mask that is compared with.
fn degrees(of: &str, degrees: &bipartite::Degrees, others: Option<Vec<usize>>, most: usize) -> Degrees {
    let chance = degrees.expected.as_ref().map_or(0.0, |fit| fit.probability);
    Degrees {
        of: of.to_owned(),
        counts: degrees.histogram.clone(),
        expected: expected_histogram(degrees.units, most, chance),
        other: others.map(|others| bipartite::Degrees::of(&others, most, None).histogram).unwrap_or_default(),
    }
}

/// Writes the network's channel graph for Graphviz; that of one layer, if it is asked for or there is no network.
pub(super) fn dot(path: &Path, subject: &Subject, layer: Option<usize>, view: View) -> Result<()> {
    let text = match (&subject.graphs, layer) {
        (Graphs::Network(Network { spec, masks, .. }), None) => {
            drawable(masks.iter().map(Mask::edges).sum())?;
            to_dot(&graph_of(spec, masks))
        }
        (_, layer) => {
            let graph = layer_graph(subject, layer.unwrap_or(0), view);
            drawable(graph.edges())?;
            bipartite_dot(&graph)
        }
    };
    write_named(path, |file| file.write_all(text.as_bytes()))
}

fn drawable(edges: usize) -> Result<()> {
    if edges <= MOST_DRAWN {
        return Ok(());
    }
    Err(Error::usage(format!("--dot: a drawing of {edges} edges is of no use; up to {MOST_DRAWN} are written"))
        .help("choose one layer with --layer, or a lower density"))
}

fn bipartite_dot(graph: &Biadjacency) -> String {
    let mut text = String::from("graph {\n  rankdir=LR;\n  node [shape=point];\n");
    for r in 0..graph.right() {
        for l in graph.of_right(r) {
            let _ = writeln!(text, "  i{l} -- o{r};");
        }
    }
    text.push_str("}\n");
    text
}

/// Writes the edges of a layer's graph, a line each: input, output.
pub(super) fn edges(path: &Path, subject: &Subject, layer: usize, view: View) -> Result<()> {
    let graph = layer_graph(subject, layer, view);
    write_named(path, |file| {
        writeln!(file, "input,output")?;
        let rows = 0..graph.right();
        let mut lines = rows.flat_map(|r| graph.of_right(r).iter().map(move |l| (*l, r)));
        lines.try_for_each(|(l, r)| writeln!(file, "{l},{r}"))
    })
}
