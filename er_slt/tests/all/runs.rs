//! Searches on the built-in digits: what they keep at which level, and what they leave behind.

use std::path::Path;

use crate::common::Place;
use crate::search::{Layer, MODEL, SHORT, STEPS_PER_EPOCH, Search, layers, network, read};
use serde_json::json;
use shared::schedule::kept_fractions;
use shared::score::kept;

/// What holds after every search: each level keeps its fraction of what never changes, and all files tell the same of it.
fn is_consistent(search: &Search, model: &str, densities: &[f64]) -> Vec<Vec<Layer>> {
    let tickets: Vec<Vec<Layer>> = (1..=densities.len()).map(|level| layers(&search.ticket(level), model)).collect();
    let mut message = search.lines("level").into_iter();
    let epochs = search.lines("epoch").len() / densities.len();
    for (i, (ticket, density)) in tickets.iter().zip(densities).enumerate() {
        for layer in ticket {
            layer.is_consistent();
            let n = kept(*density, layer.positions(), Layer::count(&layer.allowed));
            assert_eq!(Layer::count(&layer.kept), n, "level {} of {}", i + 1, layer.name);
        }
        let line = message.next().unwrap();
        let count = |of: usize| ticket.iter().map(|l| l.kept[of].edges()).sum::<usize>();
        let positions: usize = ticket.iter().map(Layer::positions).sum();
        let sum = |line: &serde_json::Value| line["edges"].as_u64().unwrap() + line["biases"].as_u64().unwrap();
        // Which of them are biases changes with the scores.
        assert_eq!(sum(line), (count(0) + count(1)) as u64);
        assert_eq!(line["density"], (count(0) + count(1)) as f64 / positions as f64);
        assert_eq!((&line["density_target"], &line["level"]), (&json!(density), &json!(i + 1)));
        let step = (i * epochs) as u64 * STEPS_PER_EPOCH + 1;
        assert_eq!((&line["step"], line["stayed"].is_null()), (&json!(step), i == 0), "{line}");

        let of = &search.summary["levels"][i];
        assert_eq!([&of["edges"], &of["density_requested"]], [&json!(count(0)), &json!(density)]);
        let weights: usize = ticket.iter().map(|l| l.allowed[0].shape().weights()).sum();
        assert_eq!(of["density"], count(0) as f64 / weights as f64);
        let best = of["best_epoch"].as_u64().unwrap();
        assert!((i * epochs + 1..=(i + 1) * epochs).contains(&(best as usize)), "{of}");
        assert_eq!(of["validation_accuracy"], search.lines("epoch")[best as usize - 1]["validation_accuracy"]);
        assert!((0.0..=1.0).contains(&of["test_accuracy"].as_f64().unwrap()), "{of}");
    }
    assert!(message.next().is_none());
    // The last level's is the result.
    let last = &search.summary["levels"][densities.len() - 1];
    for key in ["edges", "best_epoch", "validation_accuracy", "test_accuracy", "density"] {
        assert_eq!(search.summary[key], last[key], "{key}");
    }
    let best = std::fs::read(search.folder.join("checkpoints/best.safetensors")).unwrap();
    assert!(best == std::fs::read(search.ticket(densities.len())).unwrap(), "the last ticket is the best network");
    tickets
}

/// What may be chosen, and its values, are the same, bit for bit.
fn same_given(a: &[Layer], b: &[Layer]) {
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.allowed, b.allowed, "{}", a.name);
        assert!(a.frozen.iter().map(|v| v.to_bits()).eq(b.frozen.iter().map(|v| v.to_bits())), "{}", a.name);
    }
}

/// A search, checked, whose masks and values never change; its tickets.
fn searched(place: &Place, words: &str, model: &str, densities: &[f64]) -> (Search, Vec<Vec<Layer>>) {
    let search = Search::of(place, words);
    let tickets = is_consistent(&search, model, densities);
    for other in &tickets[1..] {
        same_given(&tickets[0], other);
    }
    same_given(&tickets[0], &layers(&search.folder.join("checkpoints/last.safetensors"), model));
    (search, tickets)
}

#[test]
fn levels_keep_what_they_should() {
    let place = Place::new();
    let levels = kept_fractions(0.6, 0.1, 0.5, 3);
    let base = "--data digits --epochs 2 --levels 3 --sparsity 0.1 --lr 0.1 --threads 2 --quiet --init-bias kn-nonzero-bias";
    for model in [MODEL, "digits"] {
        let (search, tickets) = searched(&place, &format!("--model {model} --anneal {base}"), model, &levels);
        assert_ne!(tickets[0][0].scores, tickets[1][0].scores, "{model}");
        assert!(search.folder.to_str().unwrap().contains(&format!("er_slt-{model}")), "{:?}", search.folder);
        assert_eq!(search.summary["anneal"], true);
    }
    let (search, _) = searched(&place, &format!("--model {MODEL} {base}"), MODEL, &[0.1; 3]);
    assert_eq!((&search.summary["anneal"], &search.summary["density_requested"]), (&json!(false), &json!(0.1)));
    // Where a level keeps as much as the one before, it begins with the same.
    assert_eq!(search.numbers("level", "density"), [search.number("kept_fraction"); 3]);
    assert_eq!(search.lines("level")[1]["stayed"], 1.0);
    let levels = kept_fractions(0.3, 0.1, 0.5, 3);
    let (search, _) = searched(&place, &format!("--model {MODEL} --anneal --sparsity-start 0.3 {base}"), MODEL, &levels);
    assert!(search.number("allowed_density") > 0.4 && search.number("allowed_density") < 0.6, "{}", search.summary);
    // Two passes along what is kept, one along what is allowed.
    let ratio = search.number("training_flops_ratio");
    assert!(ratio > (0.2 + 0.5) / 3.0 - 0.05 && ratio < (0.6 + 0.5) / 3.0 + 0.05, "{ratio}");
}

#[test]
fn few_allowed_positions_are_the_limit() {
    let place = Place::new();
    let words = format!("{SHORT} --er-init-density 0.2 --sparsity 0.19 --anneal --sparsity-start 0.9");
    let (_, tickets) = searched(&place, &words, MODEL, &[0.2, 0.19]);
    // Random masks have more or fewer than asked for; where fewer, all of them are kept.
    let full = |l: &Layer| Layer::count(&l.kept) == Layer::count(&l.allowed);
    assert!(tickets[0].iter().any(full) && !tickets[1].iter().all(full));
}

#[test]
fn progress_tells_each_level() {
    let ran = Place::new().run(&format!("{} --anneal --sparsity 0.2", SHORT.replace("--quiet", "")));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for text in [
        "step 1: level 1 of 2: density 0.346410 asked for, 0.34",
        "step 23: level 2 of 2: density 0.200000 asked for, 0.199",
        "fc3.weight",
    ] {
        assert!(ran.err.contains(text), "{text}: {}", ran.err);
    }
    assert!(ran.out.starts_with("test accuracy ") && ran.out.lines().count() == 1, "{}", ran.out);
}

#[test]
fn the_table_has_the_published_columns() {
    let place = Place::new();
    let words = "--data digits --model mlp-32-16 --levels 2 --epochs 11 --anneal --sparsity 0.2 --seed 3 --threads 1 --quiet";
    let search = Search::of(&place, words);
    let text = std::fs::read_to_string(search.folder.join("results.csv")).unwrap();
    let (columns, rows) = text.split_once('\n').unwrap();
    let expected = "Task,Initialization,Scaling,Epochs,Annealing epochs,Sparsity,Current sparsity,Current Train,Current Val,Best Val,\
                    Seed,Level,Epoch";
    assert_eq!(columns, expected);
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(',').collect()).collect();
    // The ninth epoch of each level, and its last.
    for (row, (level, epoch)) in rows.iter().zip([(0, 9), (0, 11), (1, 9), (1, 11)]) {
        let of_epoch = search.lines("epoch")[level * 11 + epoch - 1];
        let so_far = &search.lines("epoch")[level * 11..level * 11 + epoch];
        let best = so_far.iter().map(|l| l["validation_accuracy"].as_f64().unwrap()).fold(0.0, f64::max);
        let current = search.lines("level")[level]["density_target"].to_string();
        let [train, validation] = ["train_loss", "validation_accuracy"].map(|key| of_epoch[key].to_string());
        let [best, level, epoch] = [best.to_string(), (level + 1).to_string(), epoch.to_string()];
        let begins = ["digits", "kn-zero-bias", "false", "11", "2", "0.2", &current];
        let ends = [&*train, &validation, &best, "3", &level, &epoch];
        assert_eq!(*row, [&begins[..], &ends].concat());
    }
    assert_eq!(rows.len(), 4);
}

#[test]
fn rescaled_values_keep_their_proportions() {
    let place = Place::new();
    let words = format!("{SHORT} --scaling --sparsity 0.3 --init-bias kn-nonzero-bias --levels 3");
    let search = Search::of(&place, &words);
    let tickets = is_consistent(&search, MODEL, &[0.3; 3]);
    let plain = Search::of(&place, &words.replace("--scaling", ""));
    assert!(plain.summary["scale"].is_null());
    let scale = search.number("scale");
    assert!(scale > 0.0 && (scale - 1.0).abs() > 0.01, "{scale}");
    // Weights by the third root of c, biases of layer l by its l-th power.
    let unscaled = layers(&plain.ticket(1), MODEL);
    let last = layers(&search.folder.join("checkpoints/last.safetensors"), MODEL);
    for (l, (layer, first)) in last.iter().zip(&unscaled).enumerate() {
        assert_eq!(layer.allowed, first.allowed);
        let weights = layer.allowed[0].edges();
        for (i, (now, before)) in layer.frozen.iter().zip(&first.frozen).enumerate() {
            let power = if i < weights { 1.0 } else { l as f64 + 1.0 };
            let expected = f64::from(*before) * scale.powf(power / 3.0);
            assert!((f64::from(*now) - expected).abs() <= 1e-5 * expected.abs(), "{}: {now}, expected {expected}", layer.name);
        }
    }
    // What was reported is found again, of every ticket.
    for level in 1..=tickets.len() {
        let message = load(&place, &search.ticket(level), "--sparsity 0.3");
        assert!(message.contains("frozen weights and scores give the reported validation accuracy, "), "{message}");
    }
}

/// What a further search from a file tells.
fn load(place: &Place, file: &Path, more: &str) -> String {
    let words = SHORT.replace("--quiet", "");
    let out = std::fs::read_dir(place.path("")).unwrap().count();
    let ran = place.run(&format!("{words} --load-model --model-to-load {} {more} --max-steps 1 --out {out}", file.display()));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.err
}

#[test]
fn tickets_are_verified() {
    let place = Place::new();
    let search = Search::of(&place, &format!("{SHORT} --sparsity 0.2"));
    let accuracy = search.summary["levels"][1]["validation_accuracy"].as_f64().unwrap();
    let message = load(&place, &search.ticket(2), "--sparsity 0.2");
    let line = format!(
        "{}: frozen weights and scores give the reported validation accuracy, {:.2} %\n",
        search.ticket(2).display(),
        100.0 * accuracy
    );
    assert!(message.contains(&line), "{message}");
    // The last checkpoint, too.
    let message = load(&place, &search.folder.join("checkpoints/last.safetensors"), "--sparsity 0.2");
    assert!(message.contains("give the reported validation accuracy"), "{message}");
    for other in ["--valid-split 0.3", "--normalise own", "--select-on test"] {
        let message = load(&place, &search.ticket(2), &format!("--sparsity 0.2 {other}"));
        assert!(
            message.contains(": its accuracy is that on 144 images of digits (") && message.contains(": not verified\n"),
            "{message}"
        );
    }
}

#[test]
fn a_search_goes_on_from_a_ticket() {
    let place = Place::new();
    let first = Search::of(&place, &format!("{SHORT} --er-init-density 0.3 --sparsity 0.2"));
    let begins = layers(&first.ticket(2), MODEL);
    let from = format!("--load-model --model-to-load {}", first.ticket(2).display());
    let words = format!("{SHORT} {from} --sparsity 0.05 --anneal --sparsity-start 0.2");
    let (search, tickets) = searched(&place, &words, MODEL, &kept_fractions(0.2, 0.05, 0.3, 2));
    same_given(&begins, &tickets[0]);
    assert_ne!(begins[0].scores, tickets[0][0].scores);
    assert!(search.folder.to_str().unwrap().contains("-digits-loaded-0."), "{:?}", search.folder);
    let allowed: usize = begins.iter().map(|l| l.allowed[0].edges()).sum();
    assert_eq!(search.number("allowed_density_requested"), allowed as f64 / 2720.0);
    assert_eq!(search.summary["sparse_init"], "loaded");
    // A file elsewhere is the same run.
    let copy = place.write("copy.safetensors", std::fs::read(first.ticket(2)).unwrap());
    let [here, there] = [words.clone(), words.replace(first.ticket(2).to_str().unwrap(), copy.to_str().unwrap())];
    assert_eq!(place.shown(&here)["config_hash"], place.shown(&there)["config_hash"]);
}

#[test]
fn all_biases_may_be_allowed() {
    let place = Place::new();
    let base = format!("{SHORT} --init-bias signed-const-with-bias --sparsity 0.2 --er-init-density 0.4");
    for (word, all) in [("true", false), ("false", true)] {
        let (_, tickets) = searched(&place, &format!("{base} --er-mask-bias {word}"), MODEL, &[0.2; 2]);
        for layer in &tickets[0] {
            let biases = &layer.allowed[1];
            assert_eq!(biases.edges() == biases.shape().out, all, "{}", layer.name);
            let size = (2.0 / layer.allowed[0].shape().fan_in() as f32).sqrt();
            assert!(layer.frozen.iter().all(|v| (v.abs() - size).abs() < 1e-6), "{}", layer.name);
        }
        assert!(tickets[0].iter().any(|l| l.kept[1].edges() > 0), "some biases are chosen");
    }
}

#[test]
fn masks_of_other_distributions() {
    let place = Place::new();
    let (_, tickets) = searched(&place, &format!("{SHORT} --er-method ERK --sparsity 0.45"), MODEL, &[0.45; 2]);
    let density: Vec<f64> = tickets[0].iter().map(|l| l.allowed[0].density()).collect();
    assert!(density[0] < 0.42 && density[1] > 0.7 && density[2] == 1.0, "{density:?}");
    // A layer cannot keep more than it is allowed.
    assert_eq!(Layer::count(&tickets[0][0].kept), Layer::count(&tickets[0][0].allowed));

    let words = format!("{SHORT} --dense-layers last --flow-preservation --sampling exact --er-init-density 0.1 --sparsity 0.05");
    let (_, tickets) = searched(&place, &words, MODEL, &[0.05; 2]);
    assert_eq!(tickets[0][2].allowed[0].density(), 1.0);
    assert!(tickets[0][1].allowed[0].in_degrees().iter().all(|d| *d > 0));
}

#[test]
fn masks_of_a_ticket_are_masks() {
    let place = Place::new();
    let first = Search::of(&place, &format!("{SHORT} --sparsity 0.2"));
    let ticket = layers(&first.ticket(2), MODEL);
    // For the other programs, in the network that they train.
    let masks = shared::run::read_masks(&first.ticket(2), &network(MODEL)).unwrap();
    assert!(masks.iter().eq(ticket.iter().map(|l| &l.kept[0])));
    assert!(masks.iter().all(|m| m.edges() > 0));

    // And for another search, as what is allowed.
    let words = format!("{SHORT} --er-method {} --sparsity 0.1", first.ticket(2).display());
    let (search, tickets) = searched(&place, &words, MODEL, &[0.1; 2]);
    assert!(tickets[0].iter().map(|l| &l.allowed[0]).eq(&masks));
    let edges = masks.iter().map(shared::graph::Mask::edges).sum::<usize>() as f64;
    assert_eq!(search.number("allowed_density_requested"), edges / 2720.0);
    assert_eq!(search.summary["er_method_sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn rates_begin_anew_in_each_level() {
    let place = Place::new();
    let rates = |words: &str| {
        Search::of(&place, &format!("{SHORT} --sparsity 0.2 {words}")).numbers("epoch", "learning_rate").into_iter()
    };
    let near = |found: &mut dyn Iterator<Item = f64>, expected: &[f64]| {
        let found: Vec<f64> = found.collect();
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}, expected {expected:?}"
        );
    };
    // Epochs of a level count from 1.
    let level = [0.1, 0.01, 0.01, 0.001];
    near(&mut rates("--epochs 4 --lr-step-epochs 2"), &[level, level].concat());
    // Five epochs of warm-up, unless told otherwise, or where there are fewer.
    let rise = [0.02, 0.04, 0.06, 0.08, 0.1];
    let cosine = |e: f64| 0.05 * (1.0 + (std::f64::consts::PI * e / 2.0).cos());
    let level = [&rise[..], &[cosine(0.0), cosine(1.0)]].concat();
    near(&mut rates("--epochs 7 --lr-policy cosine"), &[&level[..], &level].concat());
    near(&mut rates("--epochs 7 --lr-policy constant --levels 1"), &[&rise[..], &[0.1, 0.1]].concat());
    near(&mut rates("--lr-policy constant"), &[0.05, 0.1, 0.05, 0.1]);
    near(&mut rates("--lr-policy constant --warmup-length 0"), &[0.1; 4]);
    near(&mut rates("--warmup-epochs 2 --epochs 3 --levels 1"), &[0.05, 0.1, 0.1]);
}

#[test]
fn searches_find_networks() {
    let place = Place::new();
    for more in ["", "--anneal", "--scaling", "--optimizer adam --lr 0.01", "--init-bias signed-const-zero-bias"] {
        let words = "--data digits --model mlp-128-64 --levels 2 --epochs 10 --lr 0.5 --sparsity 0.3 --threads 2 --quiet";
        let message = place.done(&format!("{words} {more}"));
        let accuracy: f64 = message.split(' ').nth(2).unwrap().parse().unwrap();
        assert!(accuracy > 60.0, "{more}: {message}");
    }
}

#[test]
fn scores_and_velocities_go_along() {
    let place = Place::new();
    let words = format!("{SHORT} --sparsity 0.2 --optimizer adam --lr 0.01");
    let (search, _) = searched(&place, &words, MODEL, &[0.2; 2]);
    let saved = read(&search.folder.join("checkpoints/last.safetensors"), MODEL).saved;
    assert!(saved.tensors.contains_key("velocity.1.fc1.weight"), "{:?}", saved.tensors.keys());
}

#[test]
fn settling_changes_statistics_and_nothing_else() {
    let place = Place::new();
    // A network with normalisations.
    let line = "--data digits --model digits --sparsity 0.2 --levels 1 --epochs 12 --lr 0.1 --threads 1 --quiet";
    let [plain, settled] = ["", " --settle 8"].map(|more| Search::of(&place, &format!("{line}{more}")));
    let [a, b] = [&plain, &settled].map(|search| read(&search.folder.join("checkpoints/last.safetensors"), "digits-slt"));
    assert_eq!((&a.state.layers, &a.saved.tensors), (&b.state.layers, &b.saved.tensors));
    let moved = a.state.dense.iter().zip(&b.state.dense).filter(|(a, b)| a != b).map(|(a, _)| a.name.as_str());
    assert!(moved.clone().count() > 0 && moved.clone().all(|name| name.contains("running_")), "{:?}", moved.collect::<Vec<_>>());
    // In the average over ten batches there were other networks; now there are none.
    let loss = |search: &Search| search.lines("epoch").iter().map(|l| l["validation_loss"].as_f64().unwrap()).sum::<f64>();
    assert!(loss(&settled) < loss(&plain), "{} and {}", loss(&settled), loss(&plain));
}
