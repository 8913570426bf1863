//! Every method on the built-in digits: how many edges there are when, and what a run says of it.

use crate::common::Place;
use crate::trace::{LAYERS, SHORT, STEPS, STEPS_PER_EPOCH, Trace, WEIGHTS};

/// Steps between two updates in these tests.
const INTERVAL: u64 = 5;

fn run(place: &Place, method: &str) -> Trace {
    Trace::of(place, &format!("--method {method} {SHORT} --update-frequency {INTERVAL}"))
}

/// Every fifth step before `end`.
fn every_fifth(end: u64) -> Vec<u64> {
    (1..end).filter(|t| t % INTERVAL == 0).collect()
}

/// A cube from one density to another over the part x of the way.
fn cube([first, last]: [f64; 2], x: f64) -> f64 {
    last + (first - last) * (1.0 - x).powi(3)
}

#[test]
fn edges_move_from_the_masks_of_a_file() {
    let place = Place::new();
    let first = Trace::of(&place, &format!("--method static --density 0.1 {SHORT}"));
    let file = first.folder.join("checkpoints/best.safetensors");
    let from_file = |method: &str| {
        Trace::of(&place, &format!("--method {method} --sparse-init {} {SHORT} --update-frequency {INTERVAL}", file.display()))
    };
    let rigl = from_file("RigL");
    rigl.is_consistent();
    assert!(rigl.edges().iter().all(|e| *e as f64 == first.number("edges")), "{:?}", rigl.edges());
    assert_eq!(rigl.number("density_requested"), first.number("density"));
    // Before the first update, the edges are those of the file: with the same weights it is the same training.
    let before = |trace: &Trace| trace.metrics.lines().next().unwrap().to_owned();
    assert_eq!(before(&rigl), before(&first));
    assert!(rigl.folder.to_str().unwrap().contains("-RigL-mask-0."), "{:?}", rigl.folder);

    let granet = from_file("GraNet --final-density 0.05");
    granet.is_consistent();
    assert_eq!(granet.number("density_first_requested"), first.number("density"));
    assert!(granet.number("edges") < 0.7 * first.number("edges"), "{}", granet.summary);

    // Methods that begin with all weights, or that choose the edges by weight, have no use for masks.
    for method in ["GMP", "GMP_uniform", "pruning", "Top-KAST"] {
        let words = format!("--method {method} --sparse-init {} {SHORT}", file.display());
        place.fails(&words, 2, &[&format!("--sparse-init: --method {method} begins with all weights, not with given masks")]);
    }
    for (words, text) in [
        ("--method dense", "--sparse-init has no effect without a mask"),
        ("--rm-first", "--rm-first has no effect with masks from a file"),
        ("--density 0.5", "--density 0.5: the masks of "),
        ("--method RigL --sampling exact", "--sampling has no effect with masks from a file"),
    ] {
        place.fails(&format!("{words} --sparse-init {} {SHORT}", file.display()), 2, &[text]);
    }
}

#[test]
fn methods_of_one_density_keep_the_number_of_edges() {
    let place = Place::new();
    // RigL and its relatives stop after three quarters of the steps, the regeneration of GraNet never.
    for (method, end, density) in [
        ("SET --density 0.1", 33, 0.1),
        ("SNFS --density 0.1", 33, 0.1),
        ("RigL --density 0.1", 33, 0.1),
        ("RigL-SG --density 0.1", 33, 0.1),
        ("RigL-SM --density 0.1", 33, 0.1),
        ("DST", STEPS + 1, 0.5),
    ] {
        let trace = run(&place, method);
        trace.is_consistent();
        assert_eq!(trace.steps_of_updates(), every_fifth(end), "{method}");
        let edges = trace.edges();
        assert!(edges.iter().all(|e| *e == edges[0]), "{method}: {edges:?}");
        assert!(
            (edges[0] as f64 - density * WEIGHTS as f64).abs() < 5.0 * (density * WEIGHTS as f64).sqrt(),
            "{method}: {edges:?}"
        );
        assert_eq!(trace.number("density_requested"), density);
        for update in &trace.updates {
            assert!(update["density_target"].is_null() && update["pruned"] == 0, "{method}: {update}");
            assert!(update["dropped"].as_u64() > Some(0), "{method}: {update}");
            let moves = update["layers"].as_object().unwrap().values().any(|l| l["grown"] != l["dropped"]);
            assert!(!moves || ["SNFS", "RigL-S"].iter().any(|m| method.starts_with(m)), "{method} redistributes: {update}");
        }
        assert!(trace.number("itop") > trace.number("density"), "{method}");

        // Gradients of all weights make one of three passes dense at updates that read them, or always for velocities.
        let kept = edges[0] as f64 / WEIGHTS as f64;
        let with = |part: f64| kept + part * (1.0 - kept) / 3.0;
        let ratio = trace.number("training_flops_ratio");
        // Part of the images at updates: the four smaller batches at the ends of epochs are none.
        let updates = trace.updates.len() as f64 * 128.0 / (4.0 * 1294.0);
        let expected = match method.split(' ').next().unwrap() {
            "SET" => with(0.0),
            "SNFS" => with(1.0),
            _ => with(updates),
        };
        assert!((ratio - expected).abs() < 1e-9, "{method}: {ratio}, expected {expected}");
    }
}

#[test]
fn drop_fractions_follow_their_schedule() {
    let place = Place::new();
    for (method, rate, floor, end) in [("RigL", 0.3, 0.0, 33.0), ("DST", 0.5, 0.005, 44.0)] {
        for update in run(&place, method).updates {
            let t = update["step"].as_f64().unwrap();
            let expected = floor + (rate - floor) * (1.0 + (std::f64::consts::PI * t / end).cos()) / 2.0;
            assert!((update["drop_fraction"].as_f64().unwrap() - expected).abs() < 1e-12, "{method}: {update}");
            for layer in update["layers"].as_object().unwrap().values() {
                let (dropped, edges) = (layer["dropped"].as_f64().unwrap(), layer["edges"].as_f64().unwrap());
                if layer["density"] == 1.0 {
                    assert_eq!(dropped, 0.0, "nothing can be exchanged in a full layer");
                    continue;
                }
                assert!((dropped - expected * edges).abs() < 1.0 || method == "DST", "{method}: {layer}");
                // A threshold also takes edges that are 0.
                assert!(dropped >= (expected * edges).floor(), "{method}: {layer}");
            }
        }
    }
}

#[test]
fn pruning_over_all_layers_leaves_one_edge_less_than_the_target() {
    let place = Place::new();
    // Two epochs of four are 22 steps or 4 updates, of which the first is that of step 0.
    for (method, first, end) in [("GraNet", 0.5, STEPS + 1), ("GMP", 1.0, 20)] {
        let trace = run(&place, method);
        trace.is_consistent();
        assert_eq!(trace.steps_of_updates(), every_fifth(end), "{method}");
        let mut before = usize::MAX;
        for update in &trace.updates {
            let (i, edges) = (update["step"].as_u64().unwrap() / INTERVAL, update["edges"].as_u64().unwrap() as usize);
            if i <= 3 {
                let target = cube([first, 0.05], i as f64 / 4.0);
                assert!((update["density_target"].as_f64().unwrap() - target).abs() < 1e-12, "{method}: {update}");
                assert_eq!(edges, (WEIGHTS as f64 * target) as usize - 1, "{method}: {update}");
                assert!(edges < before && update["pruned"].as_u64() > Some(0), "{method}: {update}");
            } else {
                assert!(update["density_target"].is_null() && edges == before && update["pruned"] == 0, "{method}: {update}");
            }
            before = edges;
            assert_eq!(update["dropped"].as_u64() > Some(0), method == "GraNet", "{method}: {update}");
        }
        assert_eq!(trace.number("density_requested"), 0.05);
        assert_eq!(trace.number("density_first_requested"), first);
        let ratio = trace.number("training_flops_ratio");
        assert!(ratio > trace.number("density") && ratio < first, "{method}: {ratio}");
        // The best epoch is one at the final density.
        assert!(trace.number("best_epoch") > 2.0, "{}", trace.summary);
        let exact = run(&place, &format!("{method} --reach-final-density"));
        assert_eq!(exact.number("edges"), (WEIGHTS as f64 * 0.05).floor() - 1.0, "{}", exact.summary);
    }
}

#[test]
fn pruning_layer_by_layer_holds_the_classifier() {
    let place = Place::new();
    let trace = [("GraNet_uniform", 0.5, STEPS + 1), ("GMP_uniform", 1.0, 24)].map(|(method, first, end)| {
        let trace = run(&place, method);
        trace.is_consistent();
        assert_eq!(trace.steps_of_updates(), every_fifth(end), "{method}");
        for update in &trace.updates {
            let i = update["step"].as_f64().unwrap() / INTERVAL as f64;
            // 22 steps are 4.4 updates.
            if i > 4.4 {
                assert!(update["density_target"].is_null(), "{method}: {update}");
                continue;
            }
            let target = cube([first, 0.05], i / 4.4);
            assert!((update["density_target"].as_f64().unwrap() - target).abs() < 1e-12, "{method}: {update}");
            let [n, last] = [WEIGHTS as f64, LAYERS[2] as f64];
            let densities = if target <= 0.2 { [(n * target - 0.2 * last) / (n - last), 0.2] } else { [target; 2] };
            for (layer, weights) in LAYERS.into_iter().enumerate() {
                let edges = update["layers"].as_object().unwrap()[&format!("fc{}.weight", layer + 1)]["edges"].as_u64().unwrap();
                let expected = weights as f64 * densities[usize::from(layer == 2)];
                assert_eq!(edges, expected as u64, "{method}: layer {layer} of {update}");
            }
        }
        trace
    });
    let last = trace[0].updates.last().unwrap();
    assert_eq!(last["layers"]["fc3.weight"]["edges"], 64, "{last}");
}

#[test]
fn zhu_and_guptas_pruning_goes_by_steps() {
    let trace = run(&Place::new(), "pruning");
    trace.is_consistent();
    // From step 0 to three quarters of the steps, and once more when the density has arrived.
    assert_eq!(trace.steps_of_updates(), every_fifth(36));
    for update in &trace.updates {
        let target = cube([1.0, 0.05], (update["step"].as_f64().unwrap() / 33.0).min(1.0));
        assert!((update["density_target"].as_f64().unwrap() - target).abs() < 1e-12, "{update}");
        let missing = ((1.0 - target) * WEIGHTS as f64).ceil() as usize;
        assert_eq!(update["edges"].as_u64().unwrap() as usize, WEIGHTS - missing, "{update}");
        assert!(update["drop_fraction"].is_null() && update["dropped"] == 0, "{update}");
    }
    let ratio = trace.number("training_flops_ratio");
    assert!(ratio > 0.05 && ratio < 1.0, "{ratio}");
}

#[test]
fn the_best_epoch_has_the_final_density() {
    // Dense until step 60, 40 steps after T_end.
    let words = "--method pruning --model mlp-64-32 --batch-size 128 --epochs 8 --t-end 20 --update-frequency 60 --quiet";
    let trace = Trace::of(&Place::new(), words);
    assert_eq!((trace.steps_of_updates(), trace.edges()), (vec![60], vec![323]));
    assert!(trace.number("best_epoch") * STEPS_PER_EPOCH as f64 > 60.0 && trace.number("edges") == 323.0, "{}", trace.summary);
}

#[test]
fn top_kast_uses_a_part_of_what_it_trains() {
    let place = Place::new();
    let trace = run(&place, "Top-KAST --density 0.1 --sparse-init uniform");
    trace.is_consistent();
    assert_eq!(trace.steps_of_updates(), every_fifth(33));
    // A tenth of each layer, rounded down.
    let edges = trace.edges();
    assert!(edges.iter().all(|e| *e == edges[0] && (WEIGHTS / 10 - LAYERS.len()..=WEIGHTS / 10).contains(e)), "{edges:?}");
    assert_eq!(trace.number("edges") as usize, edges[0]);
    // Two passes with what is used, one with twice as much.
    let ratio = trace.number("training_flops_ratio");
    assert!((ratio - 0.4 / 3.0).abs() < 0.01, "{ratio}");
    let wider = run(&place, "Top-KAST --density 0.1 --sparse-init uniform --backward-density 1");
    assert!((wider.number("training_flops_ratio") - 1.2 / 3.0).abs() < 0.01);
    assert_ne!(wider.summary["test_loss"], trace.summary["test_loss"]);
}

#[test]
fn networks_whose_edges_stay() {
    let place = Place::new();
    for words in ["--method static --density 0.1", "--fix --density 0.1", "--is-prune false --density 0.1"] {
        let trace = Trace::of(&place, &format!("{words} {SHORT}"));
        assert!(trace.updates.is_empty() && trace.summary["updates"].is_null() && trace.summary["itop"].is_null());
        assert!((trace.number("density") - 0.1).abs() < 0.02 && trace.summary["method"] == "static", "{}", trace.summary);
        assert!((trace.number("training_flops_ratio") - trace.number("density")).abs() < 1e-12);
    }
    for words in ["--method dense", "--sparse false"] {
        let trace = Trace::of(&place, &format!("{words} {SHORT}"));
        assert!(trace.updates.is_empty());
        assert_eq!([trace.number("training_flops_ratio"), trace.number("density")], [1.0, 1.0]);
        assert_eq!((trace.number("edges") as usize, &trace.summary["method"]), (WEIGHTS, &"dense".into()));
    }
    let trace = Trace::of(&place, &format!("--method small_dense --density 0.3 {SHORT}"));
    let budget = 0.3 * WEIGHTS as f64;
    assert!((0.9 * budget..=budget).contains(&trace.number("weights")), "{}", trace.summary);
    assert_eq!([trace.number("training_flops_ratio"), trace.number("density")], [1.0, 1.0]);
    assert_eq!([trace.number("edges"), trace.number("weights_requested")], [trace.number("weights"), 0.3]);
}

#[test]
fn sparse_networks_learn() {
    let place = Place::new();
    for method in ["RigL --density 0.2", "SET --density 0.2", "SNFS --density 0.2", "GraNet --final-density 0.1", "GMP"] {
        let words = "--model mlp-64-32 --batch-size 64 --epochs 16 --update-frequency 20 --threads 2 --quiet";
        let message = place.done(&format!("--method {method} {words}"));
        assert!(
            message.starts_with("test accuracy ") && message.contains(&format!("er_dst-mlp-64-32-digits-{}", &method[..3])),
            "{message}"
        );
        let accuracy: f64 = message.split(' ').nth(2).unwrap().parse().unwrap();
        assert!(accuracy > 85.0, "{method}: {message}");
    }
}

#[test]
fn adams_moments_go_along() {
    let place = Place::new();
    for method in ["RigL", "SNFS", "RigL-SM", "GraNet"] {
        let trace = run(&place, &format!("{method} --density 0.2 --optimizer adam --lr 0.01"));
        trace.is_consistent();
        assert_eq!(trace.edges().windows(2).all(|e| e[0] == e[1]), method != "GraNet", "{method}: {:?}", trace.edges());
        assert!(trace.number("test_accuracy") > 0.35, "{method}: {}", trace.summary);
    }
}

#[test]
fn convolutions_move_their_edges_too() {
    let place = Place::new();
    for method in ["RigL --density 0.2", "GraNet --dense-layers first"] {
        let words =
            format!("--method {method} --model digits --batch-size 128 --epochs 1 --update-frequency 3 --threads 1 --quiet");
        let trace = Trace::of(&place, &words);
        assert!(trace.updates.len() > 1 && trace.updates.iter().all(|u| u["grown"].as_u64() > Some(0)), "{method}");
        let kept = trace.updates[0]["layers"].as_object().unwrap().len();
        assert_eq!(kept, if method.contains("dense-layers") { 3 } else { 4 }, "{method}");
        // Every epoch ends before the density has fallen, so the latest counts.
        assert_eq!(trace.number("best_epoch") * STEPS_PER_EPOCH as f64, trace.number("steps"), "{method}");
    }
}
