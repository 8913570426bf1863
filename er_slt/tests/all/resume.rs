//! Interruptions and threads change nothing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{Place, same};

/// A small search.
const BASE: &str = "--data digits --model mlp-32-16 --sparsity 0.1 --anneal --lr 0.1 --log-interval 1 --quiet";

/// What the table and the tickets of a run are.
fn found(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let tickets = std::fs::read_dir(run.join("tickets")).unwrap().map(|entry| entry.unwrap().path());
    let files = tickets.chain([run.join("results.csv")]);
    files.map(|file| (file.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(file).unwrap())).collect()
}

/// Two folders hold the same search, but for clock values.
fn same_search(a: &Path, b: &Path) {
    same(a, b);
    let [a, b] = [a, b].map(found);
    assert!(a.keys().eq(b.keys()), "{:?}, {:?}", a.keys(), b.keys());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

/// Kills a search three times, each when it has this many more lines of metrics; then lets it end.
fn killed(words: &str, lines: usize) {
    let place = Place::new();
    let words = |out: &str| format!("{words} {BASE} --out {out} --threads 2");
    let [whole, broken] = place.goes_on(words, &[1, 2, 3].map(|kills| ("KILL", lines * kills)));
    same_search(&whole, &broken);
}

#[test]
fn killed_inside_a_level() {
    // At any step of an epoch that neither begins nor ends a level.
    killed("--levels 3 --epochs 8 --checkpoint-interval 3", 40);
}

#[test]
fn killed_where_a_level_begins() {
    // Each epoch is a level, and only epochs end with a checkpoint: whatever comes after a kill begins a level.
    killed("--levels 20 --epochs 1", 35);
    // A checkpoint at every step: of the last one of a level, and of the first one of the next.
    killed("--levels 20 --epochs 1 --checkpoint-interval 1", 35);
}

#[test]
fn killed_with_values_that_are_rescaled() {
    killed("--levels 6 --epochs 4 --scaling --init-bias kn-nonzero-bias --checkpoint-interval 4", 40);
}

#[test]
fn killed_with_adams_moments() {
    killed("--levels 4 --epochs 6 --optimizer adam --lr 0.01 --checkpoint-interval 5", 40);
}

#[test]
fn killed_after_loading() {
    let place = Place::new();
    place.done("--data digits --model mlp-32-16 --levels 1 --epochs 1 --quiet --threads 1 --out first");
    let ticket = place.only_run("first").join("tickets/level-1.safetensors");
    killed(&format!("--load-model --model-to-load {} --levels 6 --epochs 4 --checkpoint-interval 4", ticket.display()), 40);
}

/// A process that is stopped saves where it is; the same command goes on.
#[test]
fn stopped_at_any_step() {
    let place = Place::new();
    let words = |out: &str| format!("--levels 12 --epochs 2 --scaling {BASE} --out {out} --threads 1");
    let [whole, broken] = place.goes_on(words, &[("TERM", 3), ("TERM", 60), ("TERM", 150)]);
    same_search(&whole, &broken);
}

#[test]
fn threads_do_not_change_a_search() {
    let place = Place::new();
    for (i, words) in [
        "--model digits --init-bias signed-const-with-bias",
        "--model mlp-64-32 --scaling --anneal",
        "--model mlp-64-32 --optimizer adam --er-method ERK --score-init constant",
    ]
    .into_iter()
    .enumerate()
    {
        let folders = [1, 2].map(|threads| {
            let out = format!("{i}-{threads}");
            let more = "--data digits --levels 2 --epochs 1 --sparsity 0.2 --log-interval 1 --quiet";
            place.done(&format!("{words} {more} --threads {threads} --out {out}"));
            place.only_run(&out)
        });
        same_search(&folders[0], &folders[1]);
    }
}

#[test]
fn lost_tickets_are_told_at_once() {
    crate::common::lost_tickets_are_told_at_once(
        "--data digits --model mlp-8 --levels 2 --epochs 1 --sparsity 0.2 --lr 0.1 --threads 1 --quiet",
    );
}
