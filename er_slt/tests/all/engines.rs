//! Searches choose alike on both engines, and each goes on where the other stopped.

use crate::common::{Place, engines_agree, engines_take_over, of_digits};

const WORDS: &str = "--data digits --lr 0.1 --sparsity 0.2 --log-interval 1 --quiet";

/// Tickets are the same to the last edge.
#[test]
fn both_engines_choose_the_same_subnetworks() {
    let place = Place::new();
    for (model, more) in [
        ("mlp-32-16", "--levels 2 --epochs 2 --anneal"),
        ("mlp-32-16", "--levels 2 --epochs 2 --anneal --scaling --init-bias kn-nonzero-bias"),
        ("mlp-32-16", "--levels 1 --epochs 2 --optimizer adam --lr 0.01"),
        ("digits-x0.25", "--levels 1 --epochs 1 --settle 2"),
    ] {
        let run = engines_agree(&place, &format!("{WORDS} --model {model} {more}"), &of_digits(&format!("{model}-slt")));
        // Half is allowed.
        assert!(run.number("density") < 0.25, "{model}: {}", run.summary);
    }
}

/// From one level to the next, and inside a level.
#[test]
fn each_engine_goes_on_where_the_other_stopped() {
    let place = Place::new();
    for (more, steps) in [("--levels 3 --epochs 1 --anneal", 11), ("--levels 1 --epochs 3 --scaling", 22)] {
        engines_take_over(&place, &format!("{WORDS} --model mlp-32-16 {more}"), &of_digits("mlp-32-16-slt"), steps);
    }
}
