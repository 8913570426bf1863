//! Edges move alike on both engines, and each goes on where the other stopped.

use crate::common::{Place, engines_agree, engines_take_over, of_digits};

const WORDS: &str = "--batch-size 128 --lr 0.1 --update-frequency 5 --log-interval 1 --quiet";

/// Which edges go and come depends on gradients, momenta and scores, of single batches and gathered ones; masks are the same to the
/// last edge, so rounding has decided nothing.
#[test]
fn both_engines_move_the_same_edges() {
    let place = Place::new();
    for (method, model, epochs) in [
        ("RigL --density 0.2", "mlp-64-32", 4),
        ("RigL --density 0.2", "digits-x0.25", 2),
        ("RigL-SM --density 0.1 --grad-accumulation-n 3 --optimizer adam --lr 0.01", "mlp-64-32", 4),
        ("SNFS --density 0.1", "mlp-64-32", 4),
        ("SET --density 0.1", "mlp-64-32", 4),
        ("GraNet --final-density 0.1", "mlp-64-32", 4),
        ("GMP --prune SynFlow --final-density 0.1 --final-prune-epoch 3", "mlp-64-32", 4),
        ("pruning --prune snip --density 0.1", "mlp-64-32", 4),
        ("Top-KAST --density 0.1", "mlp-64-32", 4),
    ] {
        let words = format!("{WORDS} --method {method} --model {model} --epochs {epochs}");
        let run = engines_agree(&place, &words, &of_digits(model));
        assert!(run.lines("update").len() > 2, "{method}: {}", run.summary);
    }
}

#[test]
fn each_engine_goes_on_where_the_other_stopped() {
    let place = Place::new();
    for method in ["RigL --density 0.2 --grad-accumulation-n 3", "SNFS --density 0.1", "Top-KAST --density 0.1"] {
        let words = format!("{WORDS} --method {method} --model mlp-64-32 --epochs 3");
        engines_take_over(&place, &words, &of_digits("mlp-64-32"), 11);
    }
}
