//! Trainings that go on from checkpoints of others stand where their clock says, and what cannot come true from there is refused.

use std::path::Path;

use crate::common::{Place, json};

/// Thirteen steps an epoch.
const SMALL: &str = "--model mlp-4 --quiet --threads 1 --seed 1";

/// A dense network of so many epochs, and its last checkpoint.
fn dense(place: &Place, epochs: u64, more: &str) -> String {
    let run = place.trained(&format!("{SMALL} --method dense --epochs {epochs} {more}"));
    run.join("checkpoints/last.safetensors").display().to_string()
}

fn density(run: &Path) -> f64 {
    json(&run.join("summary.json"))["density"].as_f64().unwrap()
}

fn updates(run: &Path) -> usize {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    metrics.lines().filter(|line| line.contains("\"kind\":\"update\"")).count()
}

#[test]
fn pruning_of_a_dense_checkpoint_begins_when_the_clock_is_set_back() {
    let place = Place::new();
    let last = dense(&place, 2, "");
    for method in ["pruning", "GMP", "GMP_uniform", "GraNet"] {
        let words = format!("{SMALL} --method {method} --final-density 0.1 --update-frequency 2 --epochs 2");
        let run = place.trained(&format!("{words} --resume {last} --start-epoch 1"));
        let density = density(&run);
        assert!((0.09..0.115).contains(&density), "{method}: {density}");
        let summary = json(&run.join("summary.json"));
        assert_eq!((&summary["resumed_from"], &summary["resumed_at_step"]), (&last.as_str().into(), &0.into()));
        assert_eq!((summary["steps"].as_u64(), summary["epochs"].as_u64()), (Some(26), Some(2)), "{method}");
    }
}

#[test]
fn a_density_that_cannot_fall_any_more_is_refused_before_anything_is_written() {
    let place = Place::new();
    let last = dense(&place, 10, "");
    let words = format!("{SMALL} --method GMP --final-prune-epoch 5 --epochs 16 --update-frequency 2");
    let error = place.fails(&format!("{words} --resume {last} --out refused"), 2, &["it would stay at 1", "--start-epoch 1"]);
    assert!(error.contains("the density falls until step"), "{error}");
    assert!(!place.path("refused").exists());
    place.done(&format!("{words} --resume {last} --final-prune-epoch 14"));
    // A network that is sparser than pruning is to end with does not get its edges back.
    let sparse = place.trained(&format!("{SMALL} --method static --density 0.2 --epochs 1"));
    let sparse = sparse.join("checkpoints/last.safetensors");
    let words = format!("{SMALL} --method GMP --final-density 0.5 --epochs 4 --update-frequency 2 --resume {}", sparse.display());
    place.fails(&words, 2, &["pruning is to end with 0.5", "--final-density"]);
}

/// The same epochs, however many steps they have.
#[test]
fn other_batch_sizes_do_not_move_the_end_of_pruning() {
    let place = Place::new();
    let last = dense(&place, 2, "--batch-size 128");
    for size in [512, 32] {
        let words = format!("{SMALL} --method GMP --final-prune-epoch 5 --epochs 6 --update-frequency 1 --reach-final-density");
        let run = place.trained(&format!("{words} --batch-size {size} --resume {last}"));
        let density = density(&run);
        assert!((0.04..0.06).contains(&density), "{size}: {density}");
        let summary = json(&run.join("summary.json"));
        assert_eq!(summary["epochs"], 6, "{size}");
    }
}

#[test]
fn updates_begin_anew_with_the_clock_and_count_from_there() {
    let place = Place::new();
    let words = format!("{SMALL} --method RigL --density 0.5 --update-frequency 5 --epochs 6");
    let first = place.trained(&words);
    let last = first.join("checkpoints/last.safetensors").display().to_string();
    let again = place.trained(&format!("{words} --resume {last} --start-epoch 1"));
    let counted = json(&again.join("summary.json"))["updates"].as_u64().unwrap() as usize;
    assert!(counted > 5, "{counted}");
    assert_eq!((counted, counted), (updates(&again), updates(&first)));
    // Of twelve epochs three quarters may have updates, and six are over; of seven, five.
    place.done(&format!("{words} --epochs 12 --resume {last}"));
    place.fails(&format!("{words} --epochs 7 --resume {last}"), 2, &["no update is left", "--start-epoch 1"]);
}

#[test]
fn masks_that_are_not_those_of_the_options_are_refused() {
    let place = Place::new();
    let last = dense(&place, 1, "");
    let words = format!("{SMALL} --method RigL --update-frequency 2 --epochs 4 --resume {last}");
    let error = place.fails(
        &format!("{words} --density 0.05"),
        2,
        &["no edge would move: the checkpoint to resume from has all weights"],
    );
    assert!(error.contains("--method that prunes"), "{error}");
    let sparse = place.trained(&format!("{SMALL} --method static --density 0.3 --epochs 1"));
    let sparse = sparse.join("checkpoints/last.safetensors").display().to_string();
    let words = format!("{SMALL} --method RigL --update-frequency 2 --epochs 4 --resume {sparse}");
    place.fails(
        &format!("{words} --density 0.9"),
        2,
        &["--density 0.9: the masks of the checkpoint to resume from have density 0.3"],
    );
    // Without a density, the checkpoint's is what is asked for.
    let run = place.trained(&words);
    let summary = json(&run.join("summary.json"));
    assert_eq!(summary["density_requested"], summary["density"]);
    assert_eq!(summary["sparse_init"], "resumed");
    assert!(run.file_name().unwrap().to_str().unwrap().contains("RigL-resumed-"), "{}", run.display());
}

#[test]
fn what_is_taken_over_is_told_once() {
    let place = Place::new();
    let last = dense(&place, 2, "");
    let words = format!(
        "--model mlp-4 --threads 1 --method GMP --update-frequency 2 --epochs 4 --final-prune-epoch 4 --max-steps 30 --resume {last} --out o"
    );
    let ran = place.run(&words);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for line in [
        &format!("resuming from {last}, a checkpoint of er_dst"),
        "  taken over: weights, running statistics, masks (density 1), optimiser state, what belongs to the network",
        "  clock: after epoch 2 of 4 (step 26 of 52)",
        "  set by this run: data, schedules, method; the best epoch is one from here on",
    ] {
        assert_eq!(ran.err.lines().filter(|l| l == &line).count(), 1, "{line}\n{}", ran.err);
    }
}

#[test]
fn densities_that_miss_what_was_asked_for_are_remarked_at_the_end() {
    let place = Place::new();
    let words = "--model mlp-64 --threads 1 --quiet --seed 1 --method static --epochs 1 --max-steps 2";
    let remark = |more: &str| {
        let ran = place.run(&format!("{words} {more}"));
        assert_eq!(ran.code, Some(0), "{more}: {}", ran.err);
        ran.err
    };
    let balanced = remark("--sparse-init balanced --density 0.5 --sampling exact");
    assert!(balanced.starts_with("note: density ") && balanced.contains("--sparse-init balanced-exact"), "{balanced}");
    assert_eq!(remark("--sparse-init balanced-exact --density 0.5 --sampling exact"), "");
    let flow = remark("--density 0.02 --sampling exact --flow-preservation");
    assert!(flow.contains("more than the 0.02 asked for: --flow-keep-density"), "{flow}");
    assert_eq!(remark("--density 0.1 --sampling exact --flow-preservation --flow-keep-density"), "");
    // 64 hidden units cannot do with 41 edges, nor 10 outputs of 64 hidden units with 6.
    let short = "--density 0.01 --sparse-init uniform --sampling exact --flow-preservation --flow-keep-density";
    let needed = (64 - 41) + (64 - 6);
    assert!(remark(short).ends_with(&format!("flow preservation needs {needed} more edges than the density allows\n")));
    let shown = place.run(&format!("show --model mlp-64 --seed 1 --method static {short}")).out;
    assert!(shown.contains(&format!(": it needs {needed} more than the density allows")), "{shown}");
}

#[test]
fn layers_that_lose_all_edges_are_named_once() {
    let place = Place::new();
    let words =
        "--model mlp-4-4-4 --threads 1 --quiet --seed 1 --method GMP --final-density 0.02 --update-frequency 2 --epochs 8";
    let ran = place.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let named: Vec<&str> = ran.err.lines().filter(|line| line.contains("without an edge: nothing passes through")).collect();
    assert!(!named.is_empty(), "{}", ran.err);
    for layer in ["fc1.weight", "fc2.weight", "fc3.weight", "fc4.weight"] {
        assert!(named.iter().filter(|line| line.contains(layer)).count() <= 1, "{}", ran.err);
    }
}

#[test]
fn places_in_a_training_are_given_in_steps_epochs_or_parts() {
    let place = Place::new();
    let rates = |words: &str| {
        let run = place.trained(&format!("{SMALL} --method dense --epochs 3 --lr 1 --log-interval 1 {words}"));
        let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["kind"] == "step").map(|line| line["learning_rate"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    // Thirteen steps an epoch: half of 39 is 19.5, three quarters 29.25.
    let drops = |rates: &[f64]| (1..rates.len()).filter(|i| rates[*i] < rates[i - 1]).collect::<Vec<_>>();
    assert_eq!(drops(&rates("--lr-milestones 0.5,0.75")), [19, 29]);
    assert_eq!(drops(&rates("--lr-milestones 1,2")), [13, 26]);
    assert_eq!(drops(&rates("--lr-milestones 1.5ep,30it")), [19, 30]);
    assert_eq!(drops(&rates("")), [13, 26]);
    assert_eq!(drops(&rates("--lr-policy step --lr-step-epochs 5it")), [5, 10, 15, 20, 25, 30, 35]);
    for words in ["--lr-milestones 3", "--lr-milestones 3.5", "--lr-milestones 39it"] {
        place.fails(&format!("{SMALL} --method dense --epochs 3 {words}"), 2, &["--lr-milestones"]);
    }
    let rigl = format!("{SMALL} --method RigL --density 0.5 --epochs 3");
    let by = |words: &str| updates(&place.trained(&format!("{rigl} {words}")));
    assert_eq!(by("--update-frequency 1ep --t-end 1.0"), by("--update-frequency 13 --t-end-fraction 1"));
    assert_eq!(by("--update-frequency 2 --t-end 2ep"), by("--update-frequency 2 --t-end 26"));
}
