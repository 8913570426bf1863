//! What cannot be is refused with a line that says why, and one that says what to do.

use super::{PLAIN, place_with_a_run};
use crate::common::Place;

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, texts) in [
        ("--pruner mag --conv-type ConvER", ["--pruner prunes ConvMask, and --conv-type is ConvER", "use --conv-type ConvMask"]),
        ("--pruner mag --first-layer-type STRConv", ["--first-layer-type does not go with --pruner", "use DenseConv"]),
        ("--pruner magnitud", ["unknown pruner \"magnitud\"", "did you mean \"magnitude\"?"]),
        ("--pruner mag --threshold-list 0.2 0.3", ["--threshold-list: 0.3 comes after 0.2", "let densities fall"]),
        ("--pruner mag --threshold-list 0.2 1.5", ["--threshold-list", "1.5"]),
        ("--pruner mag --threshold-list 0", ["--threshold-list", "0"]),
        ("--threshold-list 0.2", ["--threshold-list has no effect without --pruner", "add --pruner"]),
        ("--reset-weights", ["--reset-weights has no effect without --pruner", "add --pruner"]),
        ("--warmup-epochs 3", ["--warmup-epochs has no effect without --pruner", "add --pruner"]),
        ("--load-before-prune", ["--load-before-prune has no effect without --pruner", "add --pruner"]),
        ("--pruner mag --reset-weights --reset-only-bn", ["the options --reset-... do not go together", "give one of them"]),
        ("--pruner mag --reset-weight-sign --load-expt-sign x", ["--reset-weight-sign has no effect", "add --reset-weights"]),
        ("--pruner mag --reset-weights --reset-weight-sign", ["--load-expt-sign is missing", "name where signs come from"]),
        ("--pruner mag --load-expt-sign x", ["--load-expt-sign has no effect", "leave it out"]),
        ("--pruner mag --load-model-name x", ["--load-model-name has no effect", "add --load-before-prune"]),
        ("--pruner mag --load-only-model", ["--load-model-name is missing", "name the checkpoint to begin with"]),
        ("--pruner mask-ref", ["mask-ref needs --target-expt-name", "name the folder of a run"]),
        ("--pruner mag --target-expt-name x", ["--target-expt-name has no effect", "leave it out"]),
        ("--pruner mag --constant-prune-lr 0.2", ["--constant-prune-lr has no effect", "leave it out"]),
        ("--pruner mag --final-prune-epoch 0", ["--final-prune-epoch 0: a level needs an epoch", "say how many"]),
        ("--pruner mag --multiplier 2", ["--multiplier does not stretch levels", "leave it out"]),
        ("--pruner mag --lr 0.001", ["--lr 0.001: below 0.01, where cosines end with --pruner", "--lr-min"]),
        (
            "--pruner mag --lr-min 0.001 --prune-scheduler constant --lr-policy constant_lr",
            ["--lr-min has no effect without a cosine", "leave it out"],
        ),
        ("--lr-min 0.001 --lr-policy constant_lr", ["--lr-min has no effect", "it belongs to cosine_lr"]),
    ] {
        let words =
            if words.contains("--conv-type") { PLAIN.replace("--conv-type ConvMask", words) } else { format!("{PLAIN} {words}") };
        // No data is needed to tell.
        place.fails(&words, 2, &texts);
    }
}

#[test]
fn wrong_files() {
    let (place, run) = place_with_a_run(3);
    let folder = run.display().to_string();
    let file = format!("{folder}/tickets/level-2.safetensors");
    let base = format!("{PLAIN} --final-prune-epoch 1 --epochs 1");
    let narrow = place.trained(&base.replace("mlp-32-16", "mlp-16-16"));
    let narrow = super::last(&narrow).display().to_string();
    for (words, code, texts) in [
        ("--pruner mag --load-only-model --load-model-name nowhere".to_owned(), 1, ["nowhere", "cannot read"]),
        (
            format!("--pruner mag --load-before-prune --load-model-name {file} --load-mask-name nowhere"),
            1,
            ["nowhere", "cannot read"],
        ),
        (
            format!("--pruner mag --load-only-model --load-model-name {file} --warmup-epochs 2"),
            2,
            ["--warmup-epochs 2", "use --warmup-epochs 0"],
        ),
        (
            format!("--pruner mag --load-only-model --load-model-name {narrow}"),
            1,
            ["is of model mlp-16-16", "this run is mlp-32-16"],
        ),
        (
            format!("--pruner mag --load-only-model --load-before-prune --load-model-name {file}"),
            2,
            ["do not go together", "give one of them"],
        ),
        (
            format!("--pruner mag --load-only-model --load-model-name {file} --load-mask-name {file}"),
            2,
            ["--load-mask-name has no effect with --load-only-model", "use --load-before-prune"],
        ),
        (
            format!(
                "--pruner mag --load-model-mask-and-sign --load-model-name {file} --load-expt-sign {file} --reset-weights \
                 --reset-weight-sign"
            ),
            2,
            ["read signs from different places", "give one of the two"],
        ),
        (
            "--pruner mask-ref --target-expt-name nowhere".to_owned(),
            1,
            ["nowhere has the networks of 0 levels, and 1 are needed", "finished run"],
        ),
        (
            format!("--pruner mask-ref --target-expt-name {folder} --threshold-list 0.5 0.4 0.3 0.2"),
            1,
            ["has the networks of 3 levels, and 4 are needed", "finished run with --pruner"],
        ),
        (
            format!("--pruner mag --reset-weights --reset-weight-sign --load-expt-sign {file}"),
            1,
            ["has the networks of 0 levels, and 1 are needed", "finished run with --pruner"],
        ),
    ] {
        place.fails(&format!("{base} {words}"), code, &texts);
    }
    let given = format!("{base} --pruner mag --load-before-prune --load-model-name {file}").replace("none", "balanced");
    place.fails(&given, 2, &["--er-sparse-method has no effect with the masks of a file", "leave it out"]);
}

#[test]
fn pruning_away_everything() {
    let (place, base) = (Place::new(), format!("{PLAIN} --warmup-epochs 0 --final-prune-epoch 1 --epochs 1"));
    // A single edge is on no path.
    let words = format!("{base} --pruner mag --threshold-list 0.5 0.0001 --prune-dead");
    place.fails(
        &words,
        1,
        &["level 2: pruning to density 0.0001 leaves no edge", "end with a higher density in --threshold-list"],
    );
    place.done(&words.replace("--prune-dead", ""));
}
