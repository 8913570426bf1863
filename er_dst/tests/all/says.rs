//! What a run says is what it did: remarks on what was asked for and does not come about.

use crate::common::Place;
use crate::trace::{SHORT, Trace};

/// Four epochs of 11 steps.
const LOUD: &str = "--model mlp-64-32 --batch-size 128 --epochs 4 --log-interval 4 --threads 1";

/// The notes of a command that trains, but for what chance makes of densities.
fn notes(place: &Place, words: &str) -> Vec<String> {
    let out = format!("out-{}", std::fs::read_dir(place.path(".")).unwrap().count());
    let ran = place.run(&format!("{words} --out {out}"));
    assert_eq!(ran.code, Some(0), "{words}: {}", ran.err);
    let notes = ran.err.lines().filter_map(|line| line.strip_prefix("note: "));
    notes.filter(|note| !note.starts_with("density ")).map(str::to_owned).collect()
}

#[test]
fn the_contest_begins_when_edges_have_moved() {
    let place = Place::new();
    for method in ["RigL", "SET", "Top-KAST"] {
        // The first update is in the third of the four epochs.
        let words = format!("--method {method} --density 0.1 --t-end-fraction 1 {LOUD} --update-frequency 30");
        let ran = place.run(&format!("{words} --out {method}"));
        let run = Trace::read(&place.only_run(method));
        assert!(run.number("best_epoch") >= 3.0, "{method}: {}", run.summary);
        let best: Vec<u64> = run.epochs().iter().map(|line| line["best_epoch"].as_u64().unwrap()).collect();
        assert_eq!(best[..3], [1, 2, 3], "{method}: until then it is the latest");
        let says = |epoch: &str| ran.err.lines().any(|line| line.starts_with(epoch) && line.ends_with(", best"));
        assert_eq!(["epoch 1/4", "epoch 2/4", "epoch 3/4"].map(says), [false, false, true], "{method}: {}", ran.err);
    }
    let fixed = Trace::of(&place, &format!("--method static --density 0.1 {SHORT}"));
    let accuracies: Vec<f64> = fixed.epochs().iter().map(|line| line["validation_accuracy"].as_f64().unwrap()).collect();
    let best = accuracies.iter().fold(0.0_f64, |a, b| a.max(*b));
    assert_eq!(fixed.number("validation_accuracy"), best, "all compete where nothing moves");
}

#[test]
fn a_training_that_ends_before_its_first_update_says_so() {
    let place = Place::new();
    let of = |words: &str| notes(&place, &format!("{words} {SHORT} --update-frequency 10"));
    for method in ["RigL", "SET", "Top-KAST"] {
        assert_eq!(
            of(&format!("--method {method} --density 0.1 --max-steps 9")),
            ["no edge will move: the first update is at step 10, but training ends after step 9"],
            "{method}"
        );
        assert!(of(&format!("--method {method} --density 0.1 --max-steps 10")).is_empty(), "{method}");
    }
    let falls = of("--method pruning --final-density 0.1 --max-steps 20");
    assert_eq!(falls[0], "the density falls until the update of step 40, but training ends after step 20");
    assert!(notes(&place, &format!("--method static --density 0.1 --max-steps 9 {SHORT}")).is_empty());
}

#[test]
fn updates_that_leave_no_step_to_train_are_refused() {
    let place = Place::new();
    let words = format!("--method RigL --density 0.1 {SHORT} --update-frequency 1");
    let text = "no weight would be trained: all 44 steps are updates, each of which takes the place of a step";
    place.refused(&format!("{words} --t-end-fraction 1"), 2, text);
    let most = "32 of 44 steps are updates, in which no weight is trained: raise --update-frequency, or give \
                --update-replaces-step false";
    assert_eq!(notes(&place, &words), [most]);
    assert!(notes(&place, &format!("{words} --update-replaces-step false --t-end-fraction 1")).is_empty());
    assert!(notes(&place, &words.replace("RigL", "SET")).is_empty());
}

#[test]
fn a_first_density_that_is_the_last_is_told() {
    let place = Place::new();
    let of = |words: &str| place.run(&format!("show {words}")).err;
    assert_eq!(
        of("--density 0.05"),
        "note: --density 0.05: nothing is pruned, since it is the first density of GraNet, and the last, --final-density, is \
         0.05, too\n"
    );
    assert_eq!(
        of("--density 0.3"),
        "note: --density 0.3: the first density of GraNet; it falls to the 0.05 of --final-density\n"
    );
    assert_eq!(of("--density 0.3 --final-density 0.1"), "");
    assert!(of("--density 0.3 --final-density 0.3 --method GraNet_uniform").contains("nothing is pruned"));
    assert_eq!(of(""), "");
}

#[test]
fn seeds_that_begin_with_one_network_are_told() {
    let place = Place::new();
    let first = Trace::of(&place, &format!("--method static --density 0.1 {SHORT} --epochs 2"));
    let last = first.folder.join("checkpoints/last.safetensors");
    let resumed = format!("--method static {SHORT} --epochs 3 --resume {}", last.display());
    let text = "--resume: all 2 seeds begin with its network, so the deviation says nothing of masks and weights";
    assert_eq!(notes(&place, &format!("{resumed} --iters 2"))[0], text);
    assert!(!notes(&place, &resumed).iter().any(|note| note.contains("seeds")));
    let of_masks = format!("--method static {SHORT} --epochs 1 --sparse-init {} --iters 2", last.display());
    assert!(notes(&place, &of_masks).is_empty(), "weights are drawn anew");
}

#[test]
fn one_epoch_trains_at_the_learning_rate() {
    let place = Place::new();
    let run = Trace::of(&place, &format!("--method static --density 0.1 {SHORT} --epochs 1"));
    assert_eq!(run.epochs()[0]["learning_rate"], 0.1);
    for milestone in ["0", "0it", "0.0"] {
        let text = "--lr-milestones: milestone 0 is before the first step: none would have --lr";
        place.refused(&format!("{SHORT} --lr-milestones {milestone}"), 2, text);
    }
    let text = "--lr-milestones: 0.001 of 44 steps is before the first: no step would have --lr";
    place.refused(&format!("--method static {SHORT} --lr-milestones 0.001"), 2, text);
}

#[test]
fn updates_that_prune_nothing_are_counted_as_the_schedule_does() {
    let place = Place::new();
    let words = format!("--method GMP --final-density 0.55 {SHORT} --update-frequency 15");
    let text = "the one update of every 15 steps between epochs 0 and 2 of 11 steps prunes nothing: pruning ends one update before the \
                last";
    place.refused(&words, 2, text);
}

#[test]
fn masks_that_come_too_late_are_told() {
    let place = Place::new();
    let words = format!("--method static --density 0.1 --sampling exact {SHORT} --out out");
    place.done(&words);
    let ran = place.run(&format!("{words} --save-masks 2"));
    let text = "note: --save-masks writes nothing, since the run has finished: there are no masks of epoch 0\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), text));
    // All are there.
    let words = format!("{words} --save-masks 2 --seed 3");
    place.done(&words);
    assert_eq!(place.run(&words).err, "");
    let runs = std::fs::read_dir(place.path("out")).unwrap().map(|entry| entry.unwrap().path());
    let file = runs.map(|run| run.join("masks/epoch-2.safetensors")).find(|file| file.exists()).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let told = place.run(&words).err;
    assert!(told.starts_with("note: --save-masks writes nothing, since the run has finished: mask file "), "{told}");
    assert!(told.contains("masks/epoch-2.safetensors is damaged"), "{told}");
}

#[cfg(unix)]
#[test]
fn masks_of_a_run_that_goes_on_without_its_first_are_told() {
    let place = Place::new();
    let words = format!("--method static --density 0.1 {SHORT} --epochs 60 --out out");
    place.broken_off(&words, "out", "TERM", 12);
    let ran = place.run(&format!("{words} --save-masks 1"));
    assert!(
        ran.err.contains("note: --save-masks writes no masks of epochs that are past: there are no masks of epoch 0\n"),
        "{}",
        ran.err
    );
}

#[test]
fn what_has_no_effect_decides_nothing() {
    let place = Place::new();
    place.write("a.yaml", "density: 0.02\n");
    let run = Trace::of(&place, &format!("--config a.yaml --method dense {SHORT} --epochs 1"));
    assert_eq!((run.number("density_requested"), run.number("density")), (1.0, 1.0));
    let ended = notes(&place, &format!("--method GMP --final-density 0.1 {SHORT} --update-frequency 5 --max-steps 8"));
    assert!(ended[0].starts_with("the density falls until"), "{ended:?}");
    let shown = place.run("show --method GMP --final-density 0.55 --epochs 4 --update-frequency 15").err;
    assert!(shown.starts_with("note: a run with these options is refused: the one update of every 15 steps between"), "{shown}");
}
