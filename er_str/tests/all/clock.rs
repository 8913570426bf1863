//! What is left out, and what levels prune, stands where the clock says.

use shared::schedule::GmpRate;

use crate::common::{Place, Run};
use crate::trained::{SHORT, WEIGHTS};

#[test]
fn the_part_that_is_left_out_begins_anew_with_the_clock() {
    let place = Place::new();
    let words = format!("{SHORT} --conv-type GMPConv --prune-rate 0.8 --final-prune-epoch 2 --epochs 4");
    let first = Run::of(&place, &words);
    let last = first.folder.join("checkpoints/last.safetensors").display().to_string();
    let again = Run::of(&place, &format!("{words} --resume {last} --start-epoch 1"));
    let edges = |run: &Run| run.lines("sparsity").iter().map(|line| line["edges"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(edges(&first), edges(&again));
    let rate = GmpRate { rate: 0.8, first: 0, last: 2 };
    let kept = |epoch| WEIGHTS.iter().map(|n| n - (rate.at(epoch) * *n as f64) as usize).sum::<usize>() as u64;
    assert_eq!(edges(&again).last(), Some(&kept(3)));
    assert_eq!(again.number("steps"), first.number("steps"));
    assert!(again.number("training_flops") < 1.1 * first.number("training_flops"), "{}", again.summary);
}

#[test]
fn masks_and_densities_that_cannot_come_true_are_refused() {
    let place = Place::new();
    let first = Run::of(&place, &format!("{SHORT} --conv-type ConvER --er-sparse-init 0.3"));
    let last = first.folder.join("checkpoints/last.safetensors").display().to_string();
    let words = format!("{SHORT} --conv-type ConvER --epochs 5 --resume {last}");
    let line = "--er-sparse-init 0.6: the masks of the checkpoint to resume from have density 0.";
    place.fails(&format!("{words} --er-sparse-init 0.6"), 2, &[line]);
    let run = Run::of(&place, &words);
    assert_eq!(run.number("density_requested"), run.number("density"));
    assert!(run.folder.file_name().unwrap().to_str().unwrap().contains("ConvER-resumed"), "{}", run.folder.display());
}
