//! Levels stand where the clock says.

use crate::common::{Place, Run};
use crate::search::SHORT;

/// What each level kept, and what it was asked to.
fn levels(run: &Run) -> Vec<[f64; 2]> {
    let levels = run.lines("level").into_iter();
    levels.map(|line| ["density", "density_target"].map(|key| line[key].as_f64().unwrap())).collect()
}

#[test]
fn levels_after_the_clock_was_set_keep_what_they_are_labelled_with() {
    let place = Place::new();
    let words = format!("{SHORT} --levels 4 --epochs 1 --er-init-density 0.6 --sparsity 0.1 --anneal true --sparsity-start 0.6");
    let first = Run::of(&place, &words);
    let ticket = first.folder.join("tickets/level-4.safetensors");
    let again = Run::of(&place, &format!("{words} --resume {} --start-epoch 2", ticket.display()));
    let (asked, made) = (levels(&first), levels(&again));
    assert_eq!((asked.len(), made.len()), (4, 3));
    for ([_, asked], [kept, target]) in asked[1..].iter().zip(&made) {
        assert_eq!(asked, target);
        assert!((kept - target).abs() < 0.01 * target, "{kept} is kept, and {target} was asked for");
    }
    let tickets = again.summary["levels"].as_array().unwrap();
    assert_eq!(tickets.len(), 3);
    for (ticket, [kept, _]) in tickets.iter().zip(&made) {
        let density = ticket["density"].as_f64().unwrap();
        assert!((density - kept).abs() < 0.02, "{ticket}: {kept} of weights and biases was kept");
    }
    // Steps and costs are those of the three levels.
    assert_eq!(again.number("steps") as u64, 4 * first.number("steps") as u64 / 4);
    assert!(again.number("training_flops") < 0.9 * first.number("training_flops"));
}

#[test]
fn what_a_checkpoint_does_not_allow_is_refused() {
    let place = Place::new();
    let first = Run::of(&place, &format!("{SHORT} --er-init-density 0.3 --sparsity 0.2"));
    let resume = format!("--epochs 3 --resume {}", first.folder.join("checkpoints/last.safetensors").display());
    let words = format!("{SHORT} {resume}");
    let line = "--er-init-density 0.6: the masks of the checkpoint to resume from have density 0.";
    place.fails(&format!("{words} --sparsity 0.2 --er-init-density 0.6"), 2, &[line]);
    place.fails(&format!("{words} --sparsity 0.5"), 2, &["0.5 is to be kept, more than the 0.", "--sparsity"]);
    let run = Run::of(&place, &format!("{words} --sparsity 0.2"));
    assert!((run.number("allowed_density_requested") - 0.3).abs() < 0.03, "{}", run.summary);
    assert!(run.folder.file_name().unwrap().to_str().unwrap().contains("-resumed-0.2"), "{}", run.folder.display());
}
