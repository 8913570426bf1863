//! Trainings on the built-in digits: what each kind of layer uses, and what is left behind.

use std::path::Path;

use crate::common::Place;
use crate::trained::{LAYERS, MODEL, Run, SHORT, WEIGHTS, edges, network, threshold, trained};
use serde_json::{Value, json};
use shared::run::{Checkpoint, Saved, read_masks};
use shared::schedule::GmpRate;
use shared::threshold::soft_threshold;

/// Thresholds that move quickly.
const SOFT: &str = "--sInit-value -4 --weight-decay 5e-3";

/// What holds after every training with soft thresholds: the network is what weights and thresholds make.
fn is_soft(of: &Checkpoint, function: fn(f64) -> f64) {
    for (i, layer) in of.state.layers.iter().enumerate() {
        let (allowed, weights) = trained(of, i);
        let [s, g] = threshold(of, i);
        assert!((function(s) - g).abs() < 1e-15, "{s} {g}");
        let g = g as f32;
        let used: Vec<(usize, u32)> =
            allowed.iter().zip(weights).filter(|(_, w)| w.abs() > g).map(|(p, w)| (p, soft_threshold(*w, g).to_bits())).collect();
        let found: Vec<(usize, u32)> = layer.mask.iter().zip(&layer.weights).map(|(p, w)| (p, w.to_bits())).collect();
        assert_eq!(found, used, "{}", LAYERS[i]);
    }
}

fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// The density of the network that was reported is that of its checkpoint.
fn reports(run: &Run) -> f64 {
    let used: usize = edges(&run.checkpoint("best")).iter().sum();
    assert_eq!([&run.summary["edges"], &run.summary["weights"]], [&json!(used), &json!(2720)]);
    assert_eq!(run.number("density"), used as f64 / 2720.0);
    run.number("density")
}

#[test]
fn all_weights_or_those_of_a_mask() {
    let place = Place::new();
    for (words, from, to) in [
        ("--conv-type DenseConv", 1.0, 1.0),
        ("--conv-type ConvMask --er-sparse-method none", 1.0, 1.0),
        ("--conv-type ConvMask --er-sparse-init 0.3", 0.27, 0.33),
        ("--conv-type ConvER --er-sparse-init 0.3 --er-sparse-method ERK", 0.27, 0.33),
        ("--conv-type ConvER --er-sparse-init 0.3 --er-sparse-method none", 0.27, 0.33),
    ] {
        let words = format!("{SHORT} {words}");
        let shown = place.shown(&words);
        let run = Run::of(&place, &words);
        let density = reports(&run);
        assert!((from..=to).contains(&density), "{words}: {density}");
        // The mask that `show` tells, at any time.
        let drawn: Vec<usize> =
            shown["layers"].as_array().unwrap().iter().map(|l| l["edges"].as_u64().unwrap() as usize).collect();
        let [best, last] = ["best", "last"].map(|which| run.checkpoint(which));
        assert_eq!([edges(&best), edges(&last)], [drawn.clone(), drawn], "{words}");
        assert!(best.state.layers.iter().zip(&last.state.layers).all(|(a, b)| a.mask == b.mask), "{words}");
        assert!(run.number("test_accuracy") > 0.2, "{words}: {}", run.summary);
        assert!(run.lines("sparsity").is_empty(), "{words}");
    }
}

#[test]
fn soft_thresholds() {
    let place = Place::new();
    for (words, mask, function) in [
        ("--conv-type STRConv", 1.0, sigmoid as fn(f64) -> f64),
        ("--conv-type STRConvER --er-sparse-init 0.4", 0.4, sigmoid),
        ("--conv-type strconver --er-sparse-init 0.4 --er-sparse-method ERK --sparse-function exp", 0.4, f64::exp),
    ] {
        let run = Run::of(&place, &format!("{SHORT} {SOFT} {words}"));
        let (density, allowed) = (reports(&run), run.number("mask_density"));
        assert!((allowed - mask).abs() < 0.03 && density < 0.95 * allowed && density > 0.1 * allowed, "{density} of {allowed}");
        let [best, last] = ["best", "last"].map(|which| run.checkpoint(which));
        for checkpoint in [&best, &last] {
            is_soft(checkpoint, function);
        }
        // Masks stay, whatever is used of them, and thresholds have moved.
        for layer in 0..3 {
            assert_eq!(trained(&best, layer).0, trained(&last, layer).0, "{words}");
            assert_ne!(threshold(&last, layer)[0], -4.0, "{words}");
        }
        let message = run.lines("sparsity");
        assert_eq!(message.len(), 4, "the first step, and the last of each epoch");
        assert_eq!(message[3]["edges"], json!(edges(&last).iter().sum::<usize>()));
        assert_eq!(message[3]["layers"]["fc2.weight"]["threshold"], threshold(&last, 1)[1]);
        assert!(run.number("training_flops_ratio") < allowed, "{}", run.summary);
    }
}

#[test]
fn the_largest_weights() {
    let place = Place::new();
    let kept = |rate: f64| WEIGHTS.map(|n| n - (rate * n as f64) as usize).to_vec();
    let run = Run::of(&place, &format!("{SHORT} --conv-type DNWConv --prune-rate 0.7"));
    for which in ["best", "last"] {
        assert_eq!(edges(&run.checkpoint(which)), kept(0.7), "{which}");
    }
    assert_eq!([run.number("density_requested"), reports(&run)], [1.0 - 0.7, kept(0.7).iter().sum::<usize>() as f64 / 2720.0]);

    let words = "--conv-type GMPConv --prune-rate 0.8 --epochs 5 --init-prune-epoch 1 --final-prune-epoch 3 --save-every 1";
    let run = Run::of(&place, &format!("{SHORT} {words}"));
    let rate = GmpRate { rate: 0.8, first: 1, last: 3 };
    for epoch in 1..=5 {
        assert_eq!(edges(&run.checkpoint(&format!("epoch-{epoch}"))), kept(rate.at(epoch - 1)), "epoch {epoch}");
    }
    // Epochs count when nothing is left out any more: the fourth and fifth.
    assert!(run.number("best_epoch") >= 4.0, "{}", run.summary);
    assert_eq!(reports(&run), kept(rate.at(4)).iter().sum::<usize>() as f64 / 2720.0);
}

#[test]
fn layers_of_different_types() {
    let place = Place::new();
    let words = format!("{SHORT} {SOFT} --conv-type STRConv --first-layer-type DNWConv --prune-rate 0.5 --last-layer-dense");
    let run = Run::of(&place, &words);
    let of = edges(&run.checkpoint("last"));
    assert_eq!([of[0], of[2]], [1024, 160]);
    assert!(of[1] < 512, "{of:?}");
    let thresholds = run.layerwise("threshold", "er_str");
    assert!(thresholds["fc1"] == 0.0 && thresholds["fc2"].as_f64() > Some(0.0) && thresholds["fc3"] == 0.0, "{thresholds}");
}

#[test]
fn normalisations_without_scale_and_shift() {
    let place = Place::new();
    let words = "--set digits --epochs 1 -b 64 --threads 2 --quiet";
    let [with, without] = ["", "--bn-type NonAffineBatchNorm"].map(|more| format!("{words} {more}"));
    let [a, b] = [&with, &without].map(|words| place.shown(words)["model"].clone());
    assert_eq!([&a["name"], &b["name"]], ["digits", "digits-nonaffine"]);
    // Two for each channel of three normalisations.
    assert_eq!(a["parameters"].as_u64().unwrap() - b["parameters"].as_u64().unwrap(), 2 * (32 + 64 + 128));
    assert_eq!(Run::of(&place, &without).summary["model"], "digits-nonaffine");
}

#[test]
fn frozen_weights_stay() {
    let place = Place::new();
    let words = format!("{SHORT} {SOFT} --freeze-weights --save-every 1");
    let run = Run::of(&place, &format!("{words} --er-sparse-init 0.4"));
    let [first, last] = ["epoch-1", "last"].map(|which| run.checkpoint(which));
    for layer in 0..3 {
        assert_eq!(trained(&first, layer), trained(&last, layer));
        assert_ne!(threshold(&first, layer), threshold(&last, layer));
    }
    is_soft(&last, sigmoid);
    assert_ne!(first.state.dense, last.state.dense, "biases move");
    let run = Run::of(&place, &format!("{SHORT} --conv-type ConvER --freeze-weights --save-every 1"));
    let [first, last] = ["epoch-1", "last"].map(|which| run.checkpoint(which).state);
    assert!(first.layers.iter().zip(&last.layers).all(|(a, b)| a.weights == b.weights));
    assert_ne!(first.dense, last.dense);
}

#[test]
fn published_files() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} {SOFT} --conv-type STRConvER --name STR_2 --result-dir table"));
    assert!(run.folder.file_name().unwrap().to_str().unwrap().starts_with("STR_2-mlp-32-16-digits-STRConvER-uniform-0.5-"));
    let best = run.checkpoint("best");
    let (sparsity, thresholds) = (run.layerwise("sparsity", "STR_2"), run.layerwise("threshold", "STR_2"));
    assert_eq!([sparsity.as_object().unwrap().len(), thresholds.as_object().unwrap().len()], [4, 3]);
    let percent = |kept: usize, all: usize| 100.0 * (all - kept) as f64 / all as f64;
    for (layer, kept) in edges(&best).into_iter().enumerate() {
        assert_eq!(sparsity[LAYERS[layer]], percent(kept, WEIGHTS[layer]));
        assert_eq!(thresholds[LAYERS[layer]], threshold(&best, layer)[1]);
    }
    let total = percent(edges(&best).iter().sum(), 2720);
    assert_eq!(sparsity["total"], total);

    let text = std::fs::read_to_string(run.folder.join("table.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "Date Finished, Base Config, Name, Prune Rate, Current Val Top 1, Current Val Top 5, Best Val Top 1, Best Val Top 5, \
         Best Train Top 1, Best Train Top 5, Sparsity"
    );
    let row: Vec<&str> = lines[1].split(", ").collect();
    assert_eq!((lines.len(), row.len(), row[2], row[3]), (2, 11, "STR_2", "0"), "{text}");
    let epochs = run.lines("epoch");
    let numbers = |key: &str| epochs.iter().map(|l| 100.0 * l[key].as_f64().unwrap()).collect::<Vec<_>>();
    let best_of = |key: &str| numbers(key).into_iter().fold(0.0, f64::max);
    let keys = ["validation_accuracy", "validation_accuracy_top5", "train_accuracy", "train_accuracy_top5"];
    let expected = [
        *numbers(keys[0]).last().unwrap(),
        *numbers(keys[1]).last().unwrap(),
        best_of(keys[0]),
        best_of(keys[1]),
        best_of(keys[2]),
        best_of(keys[3]),
    ];
    assert_eq!(row[4..10], expected.map(|v| format!("{v:.2}")), "{text}");
    assert_eq!(row[10], format!("{total:.4}"));
}

#[test]
fn names_do_not_leave_the_folder() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} --name ../a/b --result-dir ../../c"));
    assert!(run.layerwise("sparsity", "..-a-b")["total"].is_number());
    assert!(run.folder.join("..-..-c.csv").exists());
}

#[test]
fn checkpoints_of_every_other_epoch() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} {SOFT} --epochs 5 --save_every 2"));
    let mut kept: Vec<_> = std::fs::read_dir(run.folder.join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["best.safetensors", "epoch-2.safetensors", "epoch-4.safetensors", "last.safetensors"]);
    for epoch in [2, 4] {
        let checkpoint = run.checkpoint(&format!("epoch-{epoch}"));
        assert_eq!(checkpoint.progress.clock.epoch(), epoch);
        is_soft(&checkpoint, sigmoid);
    }
}

#[test]
fn masks_as_dense_as_soft_thresholds_leave_layers() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} --sInit-value -3 --weight-decay 1e-2 --conv-type STRConv"));
    let file = run.folder.join("layerwise_sparsity/er_str.json");
    let sparsity = run.layerwise("sparsity", "er_str");
    let kept = |name: &str| 100.0 - sparsity[name].as_f64().unwrap();
    for conv_type in ["STRConvER", "ConvER"] {
        let words = format!("--conv-type {conv_type} --er-sparse-method str-induced-er --er-sparsity-file {}", file.display());
        for density in [0.1, 0.6, 0.9] {
            let shown = place.shown(&format!("{SHORT} {words} --er-sparse-init {density}"));
            for (name, of) in LAYERS.iter().zip(shown["layers"].as_array().unwrap()) {
                let expected = (density * kept(name) / kept("total")).min(1.0);
                assert!((of["density_requested"].as_f64().unwrap() - expected).abs() < 1e-12, "{density} {of}");
            }
        }
        let run = Run::of(&place, &format!("{SHORT} {words} --er-sparse-init 0.2 --sampling exact"));
        assert_eq!(run.summary["er_sparse_method"], "str-induced-er");
    }
    // What the file holds decides, not where it is.
    let hash = |path: &Path| {
        let words = format!("{SHORT} --er-sparse-method str-induced-er --er-sparsity-file {}", path.display());
        place.shown(&words)["config_hash"].to_string()
    };
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(hash(&file), hash(&place.write("copy.json", &text)));
    let mut other = sparsity.clone();
    other["fc1"] = json!(12.5);
    assert_ne!(hash(&file), hash(&place.write("copy.json", other.to_string())));
}

/// A step that moves nothing.
const STILL: &str = "--lr 1e-60 --max-steps 1 --weight-decay 0";

#[test]
fn weights_of_another_run() {
    let place = Place::new();
    let first = Run::of(&place, &format!("{SHORT} {SOFT} --er-sparse-init 0.6"));
    let best = first.checkpoint("best");
    let load = format!("{SHORT} {STILL} --pretrained {}", first.path("best").display());

    // All weights of the mask and the thresholds go on where they were.
    let again = Run::of(&place, &format!("{load} --er-sparse-init 0.6 --sInit-value 7")).checkpoint("last");
    assert!(again.state.layers == best.state.layers);
    for layer in 0..3 {
        assert_eq!((trained(&again, layer), threshold(&again, layer)), (trained(&best, layer), threshold(&best, layer)));
    }
    // The network alone, dense.
    let dense = Run::of(&place, &format!("{load} --conv-type DenseConv")).checkpoint("last");
    for (dense, best) in dense.state.layers.iter().zip(&best.state.layers) {
        let used: Vec<(usize, f32)> = dense.mask.iter().zip(dense.weights.iter().copied()).filter(|(_, w)| *w != 0.0).collect();
        let expected: Vec<(usize, f32)> = best.mask.iter().zip(best.weights.iter().copied()).collect();
        assert!(used == expected);
    }
    // Inside other masks, what both have.
    let other = Run::of(&place, &format!("{load} --er-sparse-init 0.6 --seed 2")).checkpoint("last");
    for layer in 0..3 {
        let ((mask, weights), (before, old)) = (trained(&other, layer), trained(&best, layer));
        for (p, w) in mask.iter().zip(weights) {
            let expected = before.iter().zip(old).find(|(q, _)| *q == p).map_or(0.0, |(_, w)| *w);
            assert_eq!(*w, expected);
        }
    }
    // A checkpoint of another program has no thresholds.
    let plain = place.path("plain.safetensors");
    Checkpoint::write(&plain, &network(MODEL), &best.origin, &best.progress, &best.state, &Saved::default()).unwrap();
    let words = format!("{SHORT} {STILL} --conv-type STRConv --pretrained {}", plain.display());
    let from_plain = Run::of(&place, &words).checkpoint("last");
    assert!(from_plain.state.layers.iter().zip(&best.state.layers).all(|(a, b)| a.mask == b.mask));
    assert_eq!(threshold(&from_plain, 0)[0], -200.0);
}

#[test]
fn evaluation_alone() {
    let place = Place::new();
    for words in ["--conv-type ConvER", "--sInit-value -4 --weight-decay 5e-3"] {
        let run = Run::of(&place, &format!("{SHORT} {words}"));
        let evaluate = format!("{SHORT} {words} --evaluate --pretrained {} --out none", run.path("best").display());
        if cfg!(not(feature = "cuda")) {
            place.refused(
                &format!("{evaluate} --engine dense --device cuda"),
                2,
                "cannot compute on cuda:0: this program was built without CUDA",
            );
        }
        let message = place.done(&evaluate);
        let percent = |key: &str| format!("{:.2} %", 100.0 * run.number(key));
        assert!(message.starts_with(&format!("test accuracy {}", percent("test_accuracy"))), "{message}");
        assert!(message.contains(&format!("validation accuracy {}", percent("validation_accuracy"))), "{message}");
        assert!(!place.path("none").exists());
    }
}

#[test]
fn budgets_of_another_run() {
    let place = Place::new();
    let first = Run::of(&place, &format!("{SHORT} {SOFT} --conv-type STRConv"));
    let used = edges(&first.checkpoint("best"));
    for conv_type in ["DNWConv", "GMPConv --final-prune-epoch 1"] {
        let words = format!("{SHORT} --conv-type {conv_type} --use-budget --pretrained {}", first.path("best").display());
        for more in ["", "--ignore-pretrained-weights"] {
            let run = Run::of(&place, &format!("{words} {more}"));
            for (layer, (kept, used)) in edges(&run.checkpoint("last")).into_iter().zip(&used).enumerate() {
                let part = 1.0 - *used as f64 / WEIGHTS[layer] as f64;
                let rate = if conv_type == "DNWConv" { part } else { GmpRate { rate: part, first: 0, last: 1 }.at(2) };
                assert_eq!(kept, WEIGHTS[layer] - (rate * WEIGHTS[layer] as f64) as usize, "{conv_type} {more} {layer}");
            }
        }
    }
    // Without its weights the run begins as one that has none.
    let [ignoring, fresh] = [
        format!("--pretrained {} --use-budget --ignore-pretrained-weights", first.path("best").display()),
        "--prune-rate 0.5".to_owned(),
    ]
    .map(|more| Run::of(&place, &format!("{SHORT} {STILL} --conv-type DNWConv {more}")).checkpoint("last"));
    for layer in 0..3 {
        assert_eq!(trained(&ignoring, layer), trained(&fresh, layer));
    }
}

#[test]
fn going_on_from_a_checkpoint() {
    let place = Place::new();
    let words = format!("{SHORT} {SOFT}");
    let [whole, half] = [4, 2].map(|epochs| Run::of(&place, &format!("{words} --epochs {epochs}")));
    let rest = Run::of(&place, &format!("{words} --epochs 4 --resume {}", half.path("last").display()));
    let [a, b] = [&whole, &rest].map(|run| run.checkpoint("last"));
    assert_eq!((&a.state, &a.saved), (&b.state, &b.saved));
    assert_eq!(rest.lines("epoch").len(), 2);
}

#[test]
fn masks_of_a_run_are_masks() {
    let place = Place::new();
    let run = Run::of(&place, &format!("{SHORT} {SOFT}"));
    let best = run.checkpoint("best");
    // For the other programs, what is in use.
    let masks = read_masks(&run.path("best"), &network(MODEL)).unwrap();
    assert!(masks.iter().eq(best.state.layers.iter().map(|l| &l.mask)));
    let words = format!("{SHORT} --conv-type ConvER --er-sparse-method {}", run.path("best").display());
    let again = Run::of(&place, &words);
    assert!(again.checkpoint("last").state.layers.iter().map(|l| &l.mask).eq(&masks));
    assert_eq!(again.number("density"), run.number("density"));
    assert!(again.folder.to_str().unwrap().contains("-ConvER-mask-0."), "{:?}", again.folder);
}

#[test]
fn weight_decay_is_what_raises_thresholds() {
    let place = Place::new();
    let s = |more: &str| threshold(&Run::of(&place, &format!("{SHORT} {more}")).checkpoint("last"), 1)[0];
    // Far below 0 there is nothing else, and with no decay nothing at all.
    let decayed = s("--weight-decay 1e-3");
    assert!(decayed > -200.0 && decayed < -100.0, "{decayed}");
    assert_eq!(s("--weight-decay 1e-3 --st-decay 0"), -200.0);
    assert!(s("--weight-decay 1e-3 --st-decay 2e-3") > decayed);
    // Adam has none unless it is asked for.
    assert_eq!(s("--optimizer adam --lr 0.01"), -200.0);
    assert!(s("--optimizer adam --lr 0.01 --wd 1e-3") > -200.0);
}

#[test]
fn settling_changes_statistics_and_nothing_else() {
    let place = Place::new();
    // A network with normalisations.
    let line = "--set digits --epochs 2 -b 64 --sInit-value -4 --optimizer adam --lr 0.01 --wd 1e-3 --threads 1 --quiet";
    let checkpoint =
        |more: &str| Checkpoint::read(&Run::of(&place, &format!("{line}{more}")).path("last"), &network("digits")).unwrap();
    let [a, b] = ["", " --settle 8"].map(checkpoint);
    assert_eq!((&a.state.layers, &a.saved, a.state.steps), (&b.state.layers, &b.saved, b.state.steps));
    let moved = a.state.dense.iter().zip(&b.state.dense).filter(|(a, b)| a != b).map(|(a, _)| a.name.as_str());
    assert!(moved.clone().count() > 0 && moved.clone().all(|name| name.contains("running_")), "{:?}", moved.collect::<Vec<_>>());
}

#[test]
fn progress_tells_each_layer() {
    let ran = Place::new().run(&format!("{} {SOFT}", SHORT.replace("--quiet", "")));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for text in ["step 1: density 0.", "step 63: density 0.", "epoch 3/3: ", "fc3.weight ", "allowed", "threshold"] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    assert!(ran.out.starts_with("test accuracy ") && ran.out.contains(" inside masks of 0.5 requested, "), "{}", ran.out);
}

#[test]
fn nothing_left_is_remarked() {
    // The published default of s.
    let ran = Place::new().run(&format!("{SHORT} --sInit-value 100"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("have no edge, so nothing passes through them: "), "{}", ran.err);
}

#[test]
fn every_type_learns() {
    let place = Place::new();
    let words = "--set digits --arch mlp-128-64 -b 64 --epochs 8 --threads 2 --quiet";
    for more in [
        "--conv-type DenseConv",
        "--conv-type STRConv --sInit-value -5 --weight-decay 1e-3",
        "--conv-type STRConvER --sInit-value -5 --weight-decay 1e-3",
        "--conv-type ConvER",
        "--conv-type ConvMask",
        "--conv-type DNWConv --prune-rate 0.8",
        "--conv-type GMPConv --prune-rate 0.8 --final-prune-epoch 5",
        "--conv-type DenseConv --optimizer adam --lr 0.01",
        "--init signed_constant",
        "--label-smoothing 0.1",
    ] {
        let run = Run::of(&place, &format!("{words} {more}"));
        assert!(run.number("test_accuracy") > 0.85, "{more}: {}", run.summary);
        let of = |key: &str| run.summary[key].clone();
        assert_ne!([of("conv_type"), of("test_accuracy_top5")], [Value::Null, Value::Null], "{more}");
    }
}
