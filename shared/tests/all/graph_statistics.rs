//! Statistics of one bipartite graph against independently computed numbers, and what no renumbering of nodes may change.

use crate::golden::{counts, golden, number};
use proptest::prelude::*;
use serde_json::Value;
use shared::graph::Biadjacency;
use shared::statistics::bipartite::{Degrees, Effort, Latapy, Statistics, measure};

#[track_caller]
fn near(name: &str, ours: Option<f64>, theirs: &Value) {
    let (Some(ours), Some(theirs)) = (ours, theirs.as_f64()) else {
        assert!(ours.is_none() && theirs.is_null(), "{name}: {ours:?}, golden {theirs}");
        return;
    };
    assert!((ours - theirs).abs() <= 1e-12 * theirs.abs().max(1e-3), "{name}: {ours}, golden {theirs}");
}

fn edges(list: &Value) -> Vec<(usize, usize)> {
    list.as_array().unwrap().iter().map(counts).map(|pair| (pair[0], pair[1])).collect()
}

fn degrees(side: &str, ours: &Degrees, golden: &Value) {
    let theirs = &golden[side];
    assert_eq!(ours.units, golden[format!("n_{side}")].as_u64().unwrap() as usize);
    near("mean", ours.mean, &theirs["mean"]);
    near("variance", ours.variance, &theirs["var_population"]);
    near("dispersion", ours.dispersion, &theirs["dispersion_index"]);
    near("gini", ours.gini, &theirs["gini"]);
    let count = |key: &str| theirs[key].as_u64().map(|n| n as usize);
    assert_eq!((ours.min, ours.max, Some(ours.isolated)), (count("min"), count("max"), count("isolated")));
    let mut histogram: Vec<(usize, usize)> = theirs["histogram"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(d, n)| (d.parse().unwrap(), n.as_u64().unwrap() as usize))
        .collect();
    histogram.sort_unstable();
    assert_eq!(ours.histogram, histogram);
}

#[test]
fn published_statistics_are_the_golden_ones() {
    let graphs = golden("graph_stats_bipartite.json");
    assert_eq!(graphs.as_object().unwrap().len(), 3);
    for (name, g) in graphs.as_object().unwrap() {
        let (left, right) = (g["n_left"].as_u64().unwrap() as usize, g["n_right"].as_u64().unwrap() as usize);
        // The complete graph comes without a list.
        let edges =
            if g["edges"].is_null() { (0..left * right).map(|p| (p / right, p % right)).collect() } else { edges(&g["edges"]) };
        let graph = Biadjacency::from_edges(left, right, edges);
        assert_eq!(
            (graph.left_degrees(), graph.right_degrees()),
            (counts(&g["left_degrees"]), counts(&g["right_degrees"])),
            "{name}"
        );
        let ours = measure(&graph, &Effort::default());
        assert_eq!(ours.edges as u64, g["n_edges"].as_u64().unwrap());
        near("density", Some(ours.density), &g["density"]);
        degrees("left", &ours.inputs.degrees, g);
        degrees("right", &ours.outputs.degrees, g);
        let clustering = ours.clustering.unwrap();
        assert_eq!(clustering.four_cycles, u128::from(g["four_cycles"].as_u64().unwrap()));
        assert_eq!(clustering.three_paths, u128::from(g["three_paths"].as_u64().unwrap()));
        near("coefficient", clustering.coefficient, &g["cc4_robins_alexander"]);
        for (side, ours) in [("left", &ours.inputs.clustering), ("right", &ours.outputs.clustering)] {
            let Latapy { dot, min, max } = ours.as_ref().unwrap();
            for (mode, value) in [("dot", dot), ("min", min), ("max", max)] {
                near(mode, *value, &g[format!("latapy_{mode}_mean_{side}")]);
            }
        }
        near("pearson", ours.assortativity.pearson, &g["assortativity_left_right_pearson"]);
        near("newman", ours.assortativity.newman, &g["assortativity_newman_undirected"]);
        assert_eq!(ours.components.count as u64, g["components_total_incl_isolated"].as_u64().unwrap());
        assert_eq!(ours.components.nontrivial as u64, g["components_nontrivial"].as_u64().unwrap());
        assert_eq!(ours.components.largest_nodes as u64, g["giant_component_nodes"].as_u64().unwrap());
        near("fraction", ours.components.largest_fraction, &g["giant_fraction_of_nodes"]);
        let distances = ours.distances.unwrap();
        near("mean distance", distances.mean, &g["giant_avg_shortest_path"]);
        assert_eq!(distances.diameter.unwrap() as u64, g["giant_diameter"].as_u64().unwrap());
        near("efficiency", distances.efficiency, &g["global_efficiency"]);
    }
}

/// The graph of `graph_statistics.json`: pairs in rows, an edge where the upper 53 bits of a linear congruential generator's next
/// number, as a fraction of 1, are below p.
fn generated(g: &Value) -> Biadjacency {
    let (left, right) = (g["left"].as_u64().unwrap() as usize, g["right"].as_u64().unwrap() as usize);
    let (p, mut x) = (number(&g["p"]), g["seed"].as_u64().unwrap());
    let mut there = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 11) as f64 / ((1u64 << 53) as f64) < p
    };
    let edges: Vec<(usize, usize)> = (0..left * right).filter(|_| there()).map(|pair| (pair / right, pair % right)).collect();
    Biadjacency::from_edges(left, right, edges)
}

fn expected(ours: &Degrees, theirs: &Value) {
    near("mean", ours.mean, &theirs["mean"]);
    near("variance", ours.variance, &theirs["variance"]);
    near("gini", ours.gini, &theirs["gini"]);
    assert_eq!(ours.isolated as u64, theirs["isolated"].as_u64().unwrap());
    let fit = ours.expected.as_ref().unwrap();
    assert!(fit.estimated);
    near("expected isolated", Some(fit.isolated), &theirs["expected_isolated"]);
    near("expected variance", Some(fit.variance), &theirs["expected_variance"]);
    let chi_square = fit.chi_square.as_ref().unwrap();
    assert_eq!(chi_square.freedom as u64, theirs["freedom"].as_u64().unwrap());
    // The other side has probabilities from logarithms of factorials.
    for (name, ours) in [
        ("chi_square", chi_square.statistic),
        ("chi_square_p", chi_square.p),
        ("ks_distance", fit.kolmogorov_smirnov.distance),
        ("ks_p", fit.kolmogorov_smirnov.p),
    ] {
        assert!((ours / number(&theirs[name]) - 1.0).abs() < 1e-10, "{name}: {ours}, golden {}", theirs[name]);
    }
}

#[test]
fn statistics_of_random_graphs_are_the_golden_ones() {
    let graphs = golden("graph_statistics.json");
    assert_eq!(graphs.as_object().unwrap().len(), 4);
    for (name, g) in graphs.as_object().unwrap() {
        let ours = measure(&generated(g), &Effort::default());
        let count = |key: &str| g[key].as_u64().unwrap() as usize;
        assert_eq!(ours.edges, count("edges"), "{name}");
        expected(&ours.inputs.degrees, &g["inputs"]);
        expected(&ours.outputs.degrees, &g["outputs"]);
        let components = &ours.components;
        assert_eq!((components.count, components.nontrivial), (count("components"), count("nontrivial")), "{name}");
        assert_eq!((components.largest_nodes, components.largest_edges), (count("largest_nodes"), count("largest_edges")));
        let clustering = ours.clustering.unwrap();
        assert_eq!(clustering.four_cycles, count("four_cycles") as u128);
        assert_eq!(clustering.three_paths, count("three_paths") as u128);
        near("coefficient", clustering.coefficient, &g["robins_alexander"]);
        for (side, ours) in [("latapy_inputs", ours.inputs.clustering), ("latapy_outputs", ours.outputs.clustering)] {
            let ours = ours.unwrap();
            for (mode, value) in [("dot", ours.dot), ("min", ours.min), ("max", ours.max)] {
                near(mode, value, &g[side][mode]);
            }
        }
        near("pearson", ours.assortativity.pearson, &g["pearson"]);
        near("newman", ours.assortativity.newman, &g["newman"]);
        let distances = ours.distances.unwrap();
        near("mean distance", distances.mean, &g["mean_distance"]);
        assert_eq!(distances.diameter, Some(count("diameter")));
        near("efficiency", distances.efficiency, &g["efficiency"]);
        assert_eq!(ours.matching, Some(count("matching")));
        assert_eq!(ours.matching, Some(count("structural_rank")));
    }
}

/// What renumbering nodes may change is the order in which numbers are added up.
#[track_caller]
fn same(a: &Statistics, b: &Statistics) {
    assert_eq!((&a.inputs.degrees, &a.outputs.degrees), (&b.inputs.degrees, &b.outputs.degrees));
    let counts = |s: &Statistics| (s.components.count, s.components.nontrivial, s.components.largest_nodes, s.matching);
    assert_eq!(counts(a), counts(b));
    assert_eq!((&a.clustering, &a.assortativity), (&b.clustering, &b.assortativity));
    for (a, b) in [(&a.inputs.clustering, &b.inputs.clustering), (&a.outputs.clustering, &b.outputs.clustering)] {
        let values = |l: &Option<Latapy>| l.as_ref().map(|l| [l.dot, l.min, l.max].map(Option::unwrap)).unwrap();
        assert!(values(a).iter().zip(values(b)).all(|(a, b)| (a - b).abs() < 1e-12), "{a:?} {b:?}");
    }
    assert_eq!(a.distances.as_ref().unwrap().efficiency, b.distances.as_ref().unwrap().efficiency);
}

/// Sizes of both sides, edges, and an order of the nodes of each.
fn renumbered() -> impl Strategy<Value = (Vec<(usize, usize)>, Vec<usize>, Vec<usize>)> {
    (1usize..25, 1usize..25).prop_flat_map(|(left, right)| {
        let edges = prop::collection::vec((0..left, 0..right), 0..2 * (left + right));
        (edges, Just((0..left).collect()).prop_shuffle(), Just((0..right).collect()).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn numbers_of_nodes_mean_nothing((edges, left, right) in renumbered()) {
        let graph = Biadjacency::from_edges(left.len(), right.len(), edges.iter().copied());
        let other = Biadjacency::from_edges(left.len(), right.len(), edges.iter().map(|(l, r)| (left[*l], right[*r])));
        same(&measure(&graph, &Effort::default()), &measure(&other, &Effort::default()));
    }

    #[test]
    fn sides_are_treated_alike((edges, left, right) in renumbered()) {
        let graph = Biadjacency::from_edges(left.len(), right.len(), edges);
        let a = measure(&graph, &Effort::default());
        let mut b = measure(&graph.transposed(), &Effort::default());
        std::mem::swap(&mut b.inputs, &mut b.outputs);
        same(&a, &b);
    }
}
