//! A run that is killed or stopped goes on as if nothing had happened.

use std::path::Path;

use super::{LEVELS, PLAIN, place_with_a_run};
use crate::common::{Place, same};

/// Two folders hold the same run, networks of levels included, but for clock values.
pub(crate) fn same_levels(a: &Path, b: &Path, levels: usize) {
    same(a, b);
    for level in 1..=levels {
        let [a, b] = [a, b].map(|run| std::fs::read(run.join(format!("tickets/level-{level}.safetensors"))).unwrap());
        assert!(a == b, "level {level} differs");
    }
}

/// Sends a signal when there are this many lines of metrics, again and again; then lets the run end.
fn broken_off(words: &str, name: &str, lines: &[usize], levels: usize) {
    let place = Place::new();
    let words = |out: &str| format!("{PLAIN} --log-interval 1 {words} --out {out}");
    let signals: Vec<(&str, usize)> = lines.iter().map(|lines| (name, *lines)).collect();
    let [whole, broken] = place.goes_on(words, &signals);
    same_levels(&whole, &broken, levels);
}

/// Levels long enough to be hit, at 12 lines an epoch, and enough after them that no signal comes too late.
const LONG: &str =
    "--pruner mag --reset-weights --warmup-epochs 4 --final-prune-epoch 8 --epochs 50 --threshold-list 0.5 0.3 0.1";

#[test]
fn killed_in_the_warm_up_and_in_levels() {
    // Checkpoints at steps that are no ends of epochs.
    broken_off(&format!("{LONG} --checkpoint-interval 4"), "KILL", &[10, 70, 180, 270], 3);
}

#[test]
fn killed_where_only_epochs_leave_a_checkpoint() {
    broken_off(LONG, "KILL", &[20, 100, 240, 340], 3);
}

/// Each epoch is a level: what comes after a kill begins one, or, with a checkpoint at each step, has just begun it.
#[test]
fn killed_where_levels_begin() {
    let densities: Vec<String> = (1..=20).map(|j| (0.9_f64.powi(j)).to_string()).collect();
    let words =
        format!("--pruner mag --warmup-epochs 1 --final-prune-epoch 1 --epochs 30 --threshold-list {}", densities.join(" "));
    for (more, lines) in
        [("--reset-weights", [5, 60, 130]), ("--checkpoint-interval 1", [40, 90, 150]), ("--reset-only-bn", [14, 50, 170])]
    {
        broken_off(&format!("{words} {more}"), "KILL", &lines, 20);
    }
}

#[test]
fn killed_with_adams_moments() {
    let words = format!("{LONG} --optimizer adam --lr 0.01 --checkpoint-interval 5");
    broken_off(&words, "KILL", &[30, 120, 260], 3);
}

#[test]
fn stopped_at_any_step() {
    broken_off(&LONG.replace("--pruner mag", "--pruner snip"), "TERM", &[3, 61, 155, 290], 3);
    broken_off(&LONG.replace("--pruner mag --reset-weights", "--pruner random-erk"), "TERM", &[49, 146], 3);
}

#[test]
fn killed_after_loading() {
    let (_place, run) = place_with_a_run(3);
    let files = format!("--load-model-name {0}/tickets/level-1.safetensors --load-expt-sign {0}", run.display());
    let words = LONG.replace("--warmup-epochs 4", "--load-only-model --reset-weight-sign");
    broken_off(&format!("{words} {files} --checkpoint-interval 4"), "KILL", &[40, 150, 260], 3);
}

#[test]
fn killed_with_masks_of_another_run() {
    let (_place, run) = place_with_a_run(3);
    let words = LONG.replace("--pruner mag", "--pruner mask-ref");
    broken_off(&format!("{words} --target-expt-name {}", run.display()), "KILL", &[40, 150, 260], 3);
}

/// A run that begins where another one's level ended has its edges, and the levels that are left.
#[test]
fn another_run_goes_on_from_a_level() {
    let (place, run) = place_with_a_run(3);
    let ticket = run.join("tickets/level-2.safetensors");
    let on = place.trained(&format!("{PLAIN} {LEVELS} --pruner mag --seed 3 --resume {}", ticket.display()));
    // What it draws, such as the order of images, is that of the step, so it is the same training.
    let found = |run: &Path| {
        let spec = super::plain();
        (super::state(&super::last(run), &spec), super::trained(run, 3, &spec), super::lines(run, "pruned")[1..].to_vec())
    };
    let levels = super::lines(&on, "pruned");
    assert_eq!(levels.iter().map(|line| line["level"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3]);
    assert!(found(&run).0 == found(&on).0 && found(&run).1 == found(&on).1 && found(&run).2 == levels);
    let message = super::summary(&on)["levels"].as_array().unwrap().clone();
    assert!(message.len() == 1 && message[0]["level"] == 3, "{message:?}");
}

#[test]
fn checkpoints_of_other_methods_are_refused() {
    let (place, _) = place_with_a_run(3);
    let dense = place.trained(&format!("{PLAIN} --epochs 1"));
    let words = |from: &Path| format!("{PLAIN} {LEVELS} --pruner mag --resume {}", super::last(from).display());
    place.fails(&words(&dense), 1, &["it is of another method", "go on from a checkpoint with --pruner"]);
}

#[test]
fn lost_tickets_are_told_at_once() {
    crate::common::lost_tickets_are_told_at_once(
        "--set digits --arch mlp-8 --conv-type ConvMask --er-sparse-method none --pruner mag --threshold-list 0.5,0.2 --warmup-epochs 0 --final-prune-epoch 1 --epochs 1 --threads 1 --quiet",
    );
}
