//! Fixed masks that come from checkpoints of other trainings.

use crate::common::{Place, json};

#[test]
fn masks_of_a_checkpoint_are_not_called_others() {
    let place = Place::new();
    let words = "--sparse --fix --model mlp-16 --quiet --threads 1 --epochs 2";
    let first = place.trained(&format!("{words} --density 0.3"));
    let found = json(&first.join("summary.json"))["density"].as_f64().unwrap();
    let resume = format!("--resume {}", first.join("checkpoints/last.safetensors").display());
    let words = format!("{words} --epochs 3 {resume}");
    let error = place.fails(&format!("{words} --density 0.6 --out refused"), 2, &["--density 0.6: the masks of the checkpoint"]);
    assert!(error.contains("leave it out: masks come with the checkpoint") && !place.path("refused").exists(), "{error}");
    for density in ["", "--density 0.3"] {
        let run = place.trained(&format!("{words} {density}"));
        let summary = json(&run.join("summary.json"));
        assert_eq!((summary["density"].as_f64(), summary["density_requested"].as_f64()), (Some(found), Some(found)), "{density}");
        assert!(run.file_name().unwrap().to_str().unwrap().contains("-resumed-"), "{}", run.display());
    }
    // Of another kind.
    let ran = place.run(&format!("{words} --sparse-init pyramid --out other"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(
        ran.err.contains("note: --sparse-init has no effect: masks are those of the checkpoint, where fc1.weight"),
        "{}",
        ran.err
    );
}

#[test]
fn an_unfinished_epoch_goes_on_where_it_was() {
    let place = Place::new();
    let words = "--sparse --fix --density 0.3 --model mlp-16 --quiet --threads 1 --epochs 3";
    let whole = place.trained(words);
    // In the middle of the second epoch, which the checkpoint says by its steps alone.
    let part = place.trained(&format!("{words} --max-steps 15"));
    let rest = place.trained(&format!("{words} --resume {}", part.join("checkpoints/last.safetensors").display()));
    let [whole, rest] = [whole, rest].map(|run| json(&run.join("summary.json")));
    for key in ["train_loss", "train_accuracy", "validation_accuracy", "test_accuracy", "steps", "epochs", "training_flops"] {
        assert_eq!(whole[key], rest[key], "{key}");
    }
}
