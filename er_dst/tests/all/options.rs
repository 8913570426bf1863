//! Every option of moving edges, with every value, makes another run.

use std::collections::BTreeMap;

use crate::common::Place;
use crate::trace::{SHORT, Trace};

/// Runs `base` with each of these additions; no two may be one run, by name or by what happens.
fn all_differ(base: &str, additions: &[&str]) -> Vec<Trace> {
    let place = Place::new();
    let (mut hashes, mut metrics) = (BTreeMap::new(), BTreeMap::new());
    additions
        .iter()
        .map(|words| {
            let trace = Trace::of(&place, &format!("{base} {words} {SHORT}"));
            trace.is_consistent();
            assert_eq!(hashes.insert(trace.hash.clone(), words), None, "{words} has the name of another");
            assert_eq!(metrics.insert(trace.metrics.clone(), words), None, "{words} does what another does");
            trace
        })
        .collect()
}

#[test]
fn which_edges_go_and_come() {
    // So many edges that momentum_neuron gives each unit of the first layer at least ten.
    let traces = all_differ(
        "--method RigL --density 0.5 --prune-rate 0.5 --update-frequency 5",
        &[
            "",
            "--death SET",
            "--death Taylor_FO",
            "--death threshold",
            "--death synflow",
            "--growth random",
            "--growth random_unfired",
            "--growth momentum",
            "--growth momentum_neuron",
            "--redistribution momentum",
            "--redistribution gradient",
            "--redistribution magnitude",
            "--redistribution nonzeros",
        ],
    );
    for trace in &traces {
        let edges = trace.edges();
        assert!(edges.iter().all(|e| *e == edges[0]), "{edges:?}");
    }
    // Random edges among those that never were: none has been active before, as long as there are any.
    let itop = |i: usize| traces[i].number("itop");
    assert!(itop(6) > itop(5) && itop(5) > itop(0), "{} {} {}", itop(6), itop(5), itop(0));
    // SNFS's growth pays for gradients of all weights at every step.
    let flops = |i: usize| traces[i].number("training_flops_ratio");
    assert!(flops(7) > flops(0) && flops(0) > flops(5));
}

#[test]
fn what_edges_begin_with() {
    let traces = all_differ(
        "--method RigL --density 0.1 --prune-rate 0.5 --update-frequency 5",
        &[
            "",
            "--grow-init random_normal",
            "--grow-init random_uniform",
            "--grow-init grad_scale",
            "--grow-init grad_scale_10",
            "--grow-init grad_sign_100",
            "--reinit-regrown",
        ],
    );
    // Otherwise the last would be the first.
    assert!(traces[0].updates.iter().any(|u| u["returned"].as_f64() > Some(0.0)));
}

#[test]
fn how_many_edges_move_and_when() {
    let traces = all_differ(
        "--method RigL --density 0.1",
        &[
            "--update-frequency 5",
            "--update-frequency 4",
            "--update-frequency 5 --prune-rate 0.5",
            "--update-frequency 5 --prune-rate-floor 0.1",
            "--update-frequency 5 --decay-schedule linear",
            "--update-frequency 5 --decay-schedule constant",
            "--update-frequency 5 --decay-schedule inverse-power-3",
            "--update-frequency 5 --t-begin 12",
            "--update-frequency 5 --t-end 25",
            "--update-frequency 5 --t-end-fraction 1",
            "--update-frequency 5 --update-replaces-step false",
            "--update-frequency 5 --grad-accumulation-n 2",
            "--update-frequency 5 --grad-accumulation-n 4",
        ],
    );
    let steps = |i: usize| {
        let steps = traces[i].steps_of_updates();
        (steps[0], *steps.last().unwrap())
    };
    assert_eq!([0, 1, 7, 8, 9].map(steps), [(5, 30), (4, 32), (15, 30), (5, 20), (5, 40)]);
    let fraction = |i: usize| traces[i].updates[0]["drop_fraction"].as_f64().unwrap();
    let x = 5.0 / 33.0;
    for (i, expected) in [(4, 0.3 * (1.0 - x)), (5, 0.3), (6, 0.3 * (1.0_f64 - x).powi(3))] {
        assert!((fraction(i) - expected).abs() < 1e-12, "{i}: {}", fraction(i));
    }
    // Gathering costs gradients of all weights at more steps.
    let flops = |i: usize| traces[i].number("training_flops_ratio");
    assert!(flops(0) < flops(11) && flops(11) < flops(12));
}

#[test]
fn how_networks_are_pruned() {
    let traces = all_differ(
        "--method GraNet --update-frequency 3",
        &[
            "",
            "--prune snip",
            "--prune SynFlow",
            "--init-prune-epoch 1",
            "--final-prune-epoch 3",
            "--init-density 0.6",
            "--final-density 0.02",
            "--growth random",
            "--multiplier 2",
        ],
    );
    let pruned = |i: usize| -> Vec<u64> {
        traces[i].updates.iter().filter(|u| u["pruned"].as_u64() > Some(0)).map(|u| u["step"].as_u64().unwrap()).collect()
    };
    // ⌊22/3⌋ = 7, the last of which is no update; ⌊11/3⌋ = 3, whose target is the first density.
    assert_eq!(pruned(0), [3, 6, 9, 12, 15, 18]);
    assert_eq!(pruned(4), [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);
    assert!(pruned(3).iter().all(|t| *t >= 9) && pruned(3).contains(&18), "{:?}", pruned(3));
    assert_eq!((traces[8].number("epochs"), pruned(8).last()), (8.0, Some(&39)));
    all_differ("--method GMP --update-frequency 3", &["", "--prune snip", "--prune synflow", "--t-begin 9", "--flow-at-updates"]);
}

#[test]
fn units_that_lose_their_edges_get_one() {
    let traces = all_differ(
        "--method RigL --density 0.03 --prune-rate 0.5 --update-frequency 5",
        &["", "--flow-at-updates", "--flow-preservation", "--flow-preservation --flow-at-updates"],
    );
    let repaired = |i: usize| traces[i].updates.iter().map(|u| u["repaired"].as_u64().unwrap()).sum::<u64>();
    assert!(repaired(0) == 0 && repaired(1) > 0 && repaired(2) == 0 && repaired(3) > 0);
    let edges = traces[3].edges();
    assert!(edges.iter().all(|e| *e == edges[0]), "{edges:?}");
}
