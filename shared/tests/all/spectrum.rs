//! Singular values and Ramanujan criteria against golden numbers.

use crate::golden::{counts, golden, number};
use serde_json::Value;
use shared::graph::Biadjacency;
use shared::statistics::spectrum::{Accuracy, imdb, ramanujan, spectrum};

const EXACT: Accuracy = Accuracy { tolerance: 1e-12, steps: 1000 };

fn graph(case: &Value) -> Biadjacency {
    let (left, right) = (counts(&case["left_degrees"]).len(), counts(&case["right_degrees"]).len());
    let edges: Vec<(usize, usize)> = match case["edges"].as_array() {
        Some(edges) => edges.iter().map(|e| (counts(e)[0], counts(e)[1])).collect(),
        // The complete graph is not written out.
        None => (0..left).flat_map(|l| (0..right).map(move |r| (l, r))).collect(),
    };
    let graph = Biadjacency::from_edges(left, right, edges);
    assert_eq!(Some(graph.edges() as u64), case["n_edges"].as_u64());
    assert_eq!(graph.left_degrees(), counts(&case["left_degrees"]));
    graph
}

/// Equal to 1e-9, relative where numbers are large.
fn check(name: &str, got: f64, want: &Value) {
    let want = number(want);
    assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{name}: {got} instead of {want}");
}

#[test]
fn spectra_and_criteria_are_those_of_the_reference() {
    let file = golden("graph_stats_bipartite.json");
    for (name, case) in file.as_object().unwrap() {
        let graph = graph(case);
        let found = spectrum(&graph, &EXACT).unwrap();
        check(name, found.sigma1, &case["singular_values"][0]);
        check(name, found.sigma2, &case["singular_values"][1]);
        check(name, found.gap, &case["spectral_gap_sigma1_minus_sigma2"]);
        check(name, found.ratio, &case["sigma2_over_sigma1"]);
        check(name, found.normalised_gap, &case["normalised_gap_1_minus_s2"]);
        assert!(found.error <= 1e-12);
        let (got, want) = (ramanujan(&graph, &found).unwrap(), &case["ramanujan"]);
        assert_eq!(Some(got.left as u64), want["n_left"].as_u64());
        assert_eq!(Some(got.right as u64), want["n_right"].as_u64());
        assert_eq!(Some(got.is_ramanujan), want["is_ramanujan_r"].as_bool());
        check(name, got.mean_left_degree, &want["mean_left_degree"]);
        check(name, got.mean_right_degree, &want["mean_right_degree"]);
        check(name, got.bound_r, &want["bound_r"]);
        check(name, got.bound_s, &want["bound_s"]);
        check(name, got.delta_r, &want["delta_r"]);
        check(name, got.delta_s, &want["delta_s"]);
        check(name, got.expansion, &want["expansion_ratio"]);
        check(name, got.narc, &want["narc_edges_counted_once"]);
        let (got, want) = (imdb(&graph, &EXACT).unwrap(), &case["imdb"]);
        assert_eq!(Some(got.groups as u64), want["n_used"].as_u64());
        check(name, got.delta_r, &want["imdb_r"]);
        check(name, got.delta_s, &want["imdb_s"]);
        check(name, got.normalised_r, &want["imdb_r_norm"]);
        check(name, got.normalised_s, &want["imdb_s_norm"]);
        check(name, got.max_expansion, &want["max_expansion"]);
        check(name, got.mean_expansion, &want["mean_expansion"]);
    }
    assert_eq!(file.as_object().unwrap().len(), 3);
}
