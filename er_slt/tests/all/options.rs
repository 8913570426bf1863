//! Every option of a search, with every value, makes another run.

use std::collections::BTreeMap;

use crate::common::{Place, json};
use crate::search::{SHORT, Search};

/// Runs `base` with each of these additions; no two may be one run, by name or by what happens.
fn all_differ(base: &str, additions: &[&str]) -> Vec<Search> {
    let place = Place::new();
    let (mut hashes, mut metrics) = (BTreeMap::new(), BTreeMap::new());
    let searches = additions.iter().map(|words| {
        let search = Search::of(&place, &format!("{base} {SHORT} {words}"));
        let hash = json(&search.folder.join("manifest.json"))["config_hash"].to_string();
        assert_eq!(hashes.insert(hash, words), None, "{words} has the name of another");
        let losses = format!("{:?} {:?}", search.numbers("epoch", "train_loss"), search.numbers("epoch", "validation_loss"));
        assert_eq!(metrics.insert(losses, words), None, "{words} does what another does");
        assert!(search.number("test_accuracy") > 0.0, "{words}");
        search
    });
    searches.collect()
}

#[test]
fn how_values_and_scores_begin() {
    all_differ(
        "--sparsity 0.2",
        &[
            "",
            "--init-bias kn-nonzero-bias",
            "--init-bias kn-nonzero-bias --bfac 2",
            "--init-bias signed-const-zero-bias",
            "--init-bias signed-const-with-bias",
            "--init-bias ortho-zero-bias",
            "--init-bias ortho-nonzero-bias",
            "--init-bias ortho-bias-special",
            "--init-bias ortho-zero-bias --scale-fan",
            "--scale-fan",
            "--score-init constant",
            "--score-init published",
            "--score-init published --init-bias kn-nonzero-bias",
            "--seed 2",
        ],
    );
    // In a network of convolutions, the published scores are constant in some layers only.
    all_differ(
        "--sparsity 0.2",
        &["--model digits", "--model digits --score-init constant", "--model digits --score-init published"],
    );
}

#[test]
fn what_is_allowed_and_what_is_kept() {
    all_differ(
        "--init-bias signed-const-with-bias",
        &[
            "--sparsity 0.2",
            "--sparsity 0.2 --anneal",
            "--sparsity 0.2 --anneal --sparsity-start 0.4",
            "--sparsity 0.1",
            "--sparsity 0.2 --er-init-density 0.7",
            "--sparsity 0.2 --er-init-density 1",
            "--sparsity 0.2 --er-method ERK",
            "--sparsity 0.2 --er-method pyramid",
            "--sparsity 0.2 --er-method [0.2,0.7,1]",
            "--sparsity 0.2 --er-mask-bias false",
            "--sparsity 0.2 --sampling exact",
            "--sparsity 0.2 --dense-layers last",
            "--sparsity 0.2 --scaling",
            "--sparsity 0.2 --levels 3 --anneal",
        ],
    );
}

#[test]
fn how_scores_move() {
    all_differ(
        "--sparsity 0.2",
        &[
            "",
            "--epochs 3",
            "--momentum 0.5",
            "--nesterov",
            "--wd 0.1",
            "--lr-step-epochs 1",
            "--lr-policy cosine",
            "--lr-policy cosine --warmup-epochs 0",
            "--lr-policy constant --epochs 4",
            "--optimizer adam --lr 0.01",
            "--label-smoothing 0.1",
            "--batch-size 64",
            "--multiplier 2",
            "--normalise own",
        ],
    );
}
