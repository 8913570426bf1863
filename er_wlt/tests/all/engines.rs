//! Runs on the dense engine are those on the sparse one, and each goes on where the other stopped.

use crate::common::{Place, engines_agree, engines_take_over, of_digits};

const WORDS: &str = "--sparse --fix --density 0.2 --lr 0.1 --log-interval 1 --quiet";

#[test]
fn both_engines_train_the_same_network() {
    let place = Place::new();
    for (model, more) in [
        ("mlp-30", "--epochs 4"),
        ("mlp-64-32", "--epochs 3 --optimizer adam --lr 0.01 --label-smoothing 0.1 --dense-layers last"),
        ("digits-x0.25", "--epochs 2 --nesterov"),
    ] {
        let run = engines_agree(&place, &format!("{WORDS} --model {model} {more}"), &of_digits(model));
        assert!(run.number("test_accuracy") > 0.3, "{model}: {}", run.summary);
    }
    // Edges that move at random.
    let moving = "--sparse --density 0.2 --model mlp-30 --epochs 3 --update-frequency 5 --quiet";
    assert!(engines_agree(&place, moving, &of_digits("mlp-30")).number("updates") > 3.0);
}

/// A small step after the repair. These layers are so sparse that none comes near the optimum, where rounding decides how it bounces
/// around (`shared/tests/repair.rs`).
#[test]
fn both_engines_repair_alike() {
    let place = Place::new();
    let words = format!("{WORDS} --model mlp-64-32 --max-steps 1 --lr 1e-3");
    let [plain, repaired] =
        ["", "--ortho-repair"].map(|more| engines_agree(&place, &format!("{words} {more}"), &of_digits("mlp-64-32")));
    assert!(plain.summary["test_loss"] != repaired.summary["test_loss"], "{}", plain.summary);
}

#[test]
fn each_engine_goes_on_where_the_other_stopped() {
    let place = Place::new();
    for (model, more) in [("mlp-64-32", "--epochs 3 --optimizer adam --lr 0.01"), ("digits-x0.25", "--epochs 2")] {
        engines_take_over(&place, &format!("{WORDS} --model {model} {more}"), &of_digits(model), 11);
    }
}

/// A run that is stopped on one engine is the same run on the other one, in the same folder. When it is stopped is not the same every
/// time, and in so many steps rounding may decide at some kink: weights then end up to a few thousandths apart.
#[cfg(unix)]
#[test]
fn a_folder_goes_from_engine_to_engine() {
    use crate::common::{engine, json, network, networks_agree};

    let place = Place::new();
    let words = |out: &str| format!("{WORDS} --model mlp-64-32 --lr 0.02 --epochs 150 --out {out}");
    place.done(&words("whole"));
    for (name, lines) in [("dense", 30), ("sparse", 300)] {
        let run = place.broken_off(&format!("{} --engine {name}", words("broken")), "broken", "TERM", lines);
        assert!(engine(&run).starts_with(name));
    }
    let message = place.done(&format!("{} --engine dense", words("broken")));
    assert!(message.starts_with("test accuracy"), "it had finished before it was stopped: {message}");
    let [whole, broken] = ["whole", "broken"].map(|out| place.only_run(out));
    assert_eq!((engine(&whole).as_str(), engine(&broken).as_str()), ("sparse", "dense on cpu"));
    assert!(json(&broken.join("manifest.json"))["resumed"].is_string());

    let spec = of_digits("mlp-64-32");
    networks_agree(&network(&whole, &spec), &network(&broken, &spec), &spec, 0.05);
    let steps = |run: &std::path::Path| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    assert_eq!(steps(&whole), steps(&broken));
    assert_eq!(json(&whole.join("summary.json"))["steps"], json(&broken.join("summary.json"))["steps"]);
}
