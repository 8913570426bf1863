//! The answer for people: tables, then what there is to say of the whole network.

use std::fmt::Write;

use super::against::Against;
use super::measured::{Answer, Layer};
use super::training::Moment;
use er_graphs::density::rounded;
use er_graphs::graph::View;
use er_graphs::printable::line;
use er_graphs::statistics::bipartite::Degrees;
use er_networks::statistics::network::{Components, EdgeCounts, Narrowest, NetworkStatistics, PathView, Paths};
use er_networks::table::{shape, table};
use er_networks::topology::Repair;

/// What stands where there is no number.
const NONE: &str = "–";

fn fixed(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else { return NONE.to_owned() };
    let text = format!("{value:.digits$}");
    // What rounds to 0 has no sign.
    text.strip_prefix('-').filter(|rest| rest.bytes().all(|b| matches!(b, b'0' | b'.'))).map_or(text.clone(), str::to_owned)
}

fn whole(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NONE.to_owned(), |v| v.to_string())
}

/// The whole answer.
pub(super) fn of(title: &str, answer: &Answer) -> String {
    let mut parts = vec![format!("{}\n{} of {} weights, {}", line(title), answer.edges, answer.weights, densities(answer))];
    if let Some(moments) = &answer.training {
        parts.push(format!("masks along the training\n{}", training(moments)));
    }
    parts.push(layers(answer));
    let nodes = match answer.view {
        View::Weights => "weight graph: inputs are channels and kernel positions",
        View::Channels => "channel graph: inputs are channels",
    };
    parts.push(format!(
        "degrees in the {nodes}; chance: standard deviation of the binomial;\n\
         χ², KS: p-values of the χ² and the Kolmogorov–Smirnov test against it\n{}",
        degrees(&answer.layers)
    ));
    parts.push(format!(
        "structure; clustering: four-cycles closed (by chance the density); matching: of all the units it can have\n{}",
        structure(&answer.layers)
    ));
    parts.push(format!("more\n{}", more(&answer.layers)));
    if answer.layers.iter().any(|l| l.of_graph.spectrum.is_some()) {
        parts.push(format!(
            "spectrum; /chance: over what a random graph has; normalised gap: 1 − σ₂ of the normalised matrix; Δᵣ: distance to the \
             Ramanujan bound over it\n{}",
            spectra(&answer.layers)
        ));
    }
    if let Some(network) = &answer.network {
        parts.push(whole_network(network));
    }
    if let Some(against) = &answer.against {
        parts.push(compared(against));
    }
    if let Some(skipped) = skipped(&answer.layers) {
        parts.push(skipped);
    }
    parts.join("\n\n")
}

fn densities(answer: &Answer) -> String {
    let masked = if answer.layers.iter().any(|l| l.dense == Some(true)) { " in the layers that are not dense" } else { "" };
    let flow = |what: &str| answer.source[format!("edges_{what}_flow")].as_u64().unwrap_or(0) as usize;
    let flow = match (Repair { added: flow("added_by"), removed: flow("removed_by"), short: flow("short_for") }) {
        Repair { added: 0, .. } => String::new(),
        flow => format!("; {flow}"),
    };
    match answer.density_requested {
        Some(asked) => format!("density {} requested, {:.6} achieved{masked}{flow}", rounded(asked), answer.density),
        None => format!("density {:.6}", answer.density),
    }
}

fn layers(answer: &Answer) -> String {
    let row = |l: &Layer| {
        let requested = if l.dense == Some(true) { "dense".to_owned() } else { fixed(l.density_requested, 6) };
        let effective = fixed(l.effective_density, 6);
        vec![
            l.name.clone(),
            shape(&l.shape),
            l.weights.to_string(),
            requested,
            l.edges.to_string(),
            format!("{:.6}", l.density),
            effective,
        ]
    };
    let heads = ["layer", "shape", "weights", "requested", "edges", "achieved", "effective"];
    table(&heads, &answer.layers.iter().map(row).collect::<Vec<_>>())
}

fn degrees(layers: &[Layer]) -> String {
    let side = |d: &Degrees| {
        let chance = d.expected.as_ref();
        vec![
            d.units.to_string(),
            d.isolated.to_string(),
            fixed(d.mean, 1),
            fixed(d.variance.map(f64::sqrt), 1),
            fixed(chance.map(|f| f.variance.sqrt()), 1),
            fixed(chance.and_then(|f| f.chi_square.as_ref()).map(|c| c.p), 3),
            fixed(chance.map(|f| f.kolmogorov_smirnov.p), 3),
        ]
    };
    let row = |l: &Layer| {
        let sides = [&l.of_graph.graph.inputs.degrees, &l.of_graph.graph.outputs.degrees].map(side);
        std::iter::once(l.name.clone()).chain(sides.concat()).collect()
    };
    let heads = ["layer", "inputs", "isolated", "mean", "sd", "chance", "χ²", "KS"];
    let heads = [&heads[..], &["outputs"], &heads[2..]].concat();
    table(&heads, &layers.iter().map(row).collect::<Vec<_>>())
}

/// A column for each statistic that is known by name.
fn more(layers: &[Layer]) -> String {
    let names: Vec<&str> = layers.first().map(|l| l.of_graph.graph.more.keys().copied().collect()).unwrap_or_default();
    let row = |l: &Layer| std::iter::once(l.name.clone()).chain(l.of_graph.graph.more.values().map(|v| fixed(*v, 4))).collect();
    table(&[&["layer"], &names[..]].concat(), &layers.iter().map(row).collect::<Vec<_>>())
}

fn structure(layers: &[Layer]) -> String {
    let row = |l: &Layer| {
        let (graph, clustering, distances) =
            (&l.of_graph.graph, l.of_graph.graph.clustering.as_ref(), l.of_graph.graph.distances.as_ref());
        let most = graph.inputs.degrees.units.min(graph.outputs.degrees.units);
        let small = graph.small_world.as_ref();
        vec![
            l.name.clone(),
            graph.components.count.to_string(),
            fixed(graph.components.largest_fraction, 4),
            fixed(clustering.and_then(|c| c.coefficient), 4),
            fixed(Some(graph.density), 4),
            fixed(graph.assortativity.pearson, 3),
            fixed(distances.and_then(|d| d.mean), 3),
            whole(distances.and_then(|d| d.diameter)),
            fixed(small.and_then(|s| s.sigma), 2),
            graph.matching.map_or_else(|| NONE.to_owned(), |m| format!("{m}/{most}")),
        ]
    };
    let heads = [
        "layer",
        "components",
        "largest",
        "clustering",
        "chance",
        "assortativity",
        "distance",
        "diameter",
        "small-world σ",
        "matching",
    ];
    table(&heads, &layers.iter().map(row).collect::<Vec<_>>())
}

fn spectra(layers: &[Layer]) -> String {
    let row = |l: &Layer| {
        let (s, r) = (l.of_graph.spectrum.as_ref(), l.of_graph.ramanujan.as_ref());
        vec![
            l.name.clone(),
            fixed(s.map(|s| s.sigma1), 3),
            fixed(s.map(|s| s.sigma1_over_null), 4),
            fixed(s.map(|s| s.sigma2), 3),
            fixed(s.and_then(|s| s.sigma2_over_null), 4),
            fixed(s.map(|s| s.normalised_gap), 4),
            fixed(r.map(|r| r.normalised_r), 4),
            whole(r.map(|r| if r.is_ramanujan { "yes" } else { "no" })),
            fixed(l.of_graph.imdb.as_ref().map(|i| i.normalised_r), 4),
        ]
    };
    let heads = ["layer", "σ₁", "/chance", "σ₂", "/chance", "normalised gap", "Δᵣ", "Ramanujan", "IMDB"];
    table(&heads, &layers.iter().map(row).collect::<Vec<_>>())
}

fn whole_network(network: &NetworkStatistics) -> String {
    let mut text = String::from("network\n");
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<24}{value}");
    };
    let EdgeCounts { direct, effective_channels, effective_pixels, .. } = network.total;
    line("density", format!("{:.6}", direct.density));
    let by_channels = effective_channels.density;
    line("effective density", format!("{:.6} (if channels live or die as a whole {by_channels:.6})", effective_pixels.density));
    line("compression", format!("{}, effective {}", fixed(direct.compression, 2), fixed(effective_pixels.compression, 2)));
    for (name, layers) in [("layers without an edge", &network.empty_layers), ("layers on no path", &network.idle_layers)] {
        if !layers.is_empty() {
            line(name, layers.join(", "));
        }
    }
    for paths in &network.paths {
        let name = match paths.view {
            PathView::Channels => "paths of channels",
            PathView::Pixels => "paths of pixels",
        };
        line(name, describe(paths));
    }
    let Components { units, count, largest_fraction, isolated, .. } = network.components;
    line("components", format!("{count} of {units} units; the largest has {largest_fraction:.4} of them, {isolated} are alone"));
    if let Some(Narrowest { layer, outputs, outputs_on_paths, .. }) = &network.bottleneck.by_share {
        line("narrowest layer", format!("{layer}: paths go through {outputs_on_paths} of its {outputs} outputs"));
    }
    let busiest = network.bottleneck.widths.iter().filter_map(|w| Some((w.busiest_share?, w)));
    if let Some((share, width)) = busiest.max_by(|a, b| a.0.total_cmp(&b.0)) {
        line("busiest unit", format!("{share:.4} of the paths of channels go through one output of {}", width.layer));
    }
    text.trim_end().to_owned()
}

fn describe(paths: &Paths) -> String {
    let log = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |v| format!("2^{v:.2}"));
    let exact = paths.count.exact.filter(|n| *n > 0).map(|n| format!(" = {n}")).unwrap_or_default();
    format!("{}{exact}; expected {}, dense {}", log(paths.count.log2), log(paths.expected_log2), log(paths.dense_log2))
}

fn compared(against: &Against) -> String {
    let row = |name: &str, o: &er_graphs::statistics::compare::Overlap| {
        vec![
            name.to_owned(),
            o.intersection.to_string(),
            fixed(Some(o.jaccard), 4),
            fixed(Some(o.expected_jaccard), 4),
            fixed(o.z, 2),
            fixed(Some(o.hamming), 6),
        ]
    };
    let mut rows: Vec<_> = against.layers.iter().map(|l| row(&l.name, &l.overlap)).collect();
    rows.push(row("all", &against.total));
    let heads = ["layer", "in both", "Jaccard", "chance", "z", "Hamming"];
    let distance = match (&against.distance, &against.distance_undefined) {
        (Some(d), _) => format!("topological distance (NNSTD) {}", fixed(d.mean, 4)),
        (None, why) => format!("no topological distance (NNSTD): {}", why.as_deref().unwrap_or_default()),
    };
    format!("compared with {}\n{}\n{distance}", line(&against.path.display().to_string()), table(&heads, &rows))
}

fn training(moments: &[Moment]) -> String {
    let row = |m: &Moment| {
        vec![
            m.file.clone(),
            whole(m.epoch),
            whole(m.step),
            m.edges.to_string(),
            format!("{:.6}", m.density),
            format!("{:.6}", m.effective_density),
            (m.isolated_inputs + m.isolated_outputs).to_string(),
            fixed(m.whole.jaccard_before, 4),
            format!("{:.4}", m.whole.jaccard_first),
            fixed(m.whole.survived, 4),
            fixed(m.itop, 4),
        ]
    };
    let heads = ["file", "epoch", "step", "edges", "density", "effective", "isolated", "to last", "to first", "survived", "ITOP"];
    table(&heads, &moments.iter().map(row).collect::<Vec<_>>())
}

/// What was left out because it would have taken long.
fn skipped(layers: &[Layer]) -> Option<String> {
    let skipped: Vec<String> = layers
        .iter()
        .filter(|l| !l.of_graph.graph.skipped.is_empty())
        .map(|l| format!("{}: {}", l.name, l.of_graph.graph.skipped.join(", ")))
        .collect();
    (!skipped.is_empty()).then(|| format!("left out, since it would take long: {}", skipped.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_nothing_is_no_number() {
        let of = |value: f64| fixed(Some(value), 3);
        assert_eq!([of(-0.0004), of(0.0), of(-0.0006), of(12.3456)], ["0.000", "0.000", "-0.001", "12.346"]);
        assert_eq!(fixed(None, 3), NONE);
    }
}
