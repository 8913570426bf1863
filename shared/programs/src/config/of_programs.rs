//! Which of the four programs have an option that others lack, so that one who types it elsewhere is told where it is.

use super::table::fold;

/// Programs, and the documented options that they have and the others have not; a test of each program compares them with its help.
const OPTIONS: &[(&[&str], &[&str])] = &[
    (&["er_wlt", "er_dst", "er_slt"], &["data-dir", "l2", "lr-gamma", "lr-step-epochs", "model"]),
    (&["er_wlt", "er_dst", "er_str"], &["prune-rate"]),
    (
        &["er_wlt", "er_dst"],
        &[
            "death",
            "decay-schedule",
            "density",
            "fix",
            "flow-at-updates",
            "grad-accumulation-n",
            "grow-init",
            "growth",
            "init-method",
            "ortho-repair",
            "prune-rate-floor",
            "redistribution",
            "reinit-regrown",
            "scaled",
            "sparse",
            "sparse-init",
            "t-begin",
            "t-end",
            "t-end-fraction",
            "update-frequency",
            "update-replaces-step",
        ],
    ),
    (&["er_dst", "er_str"], &["final-prune-epoch", "init-prune-epoch"]),
    (&["er_slt", "er_str"], &["scale-fan", "settle"]),
    (
        &["er_dst"],
        &[
            "backward-density",
            "density-schedule",
            "final-density",
            "ignore-linear-layers",
            "is-prune",
            "method",
            "nolr-scheduler",
            "prune",
            "reach-final-density",
            "rm-first",
        ],
    ),
    (
        &["er_slt"],
        &[
            "anneal",
            "bfac",
            "er-init-density",
            "er-mask-bias",
            "er-method",
            "init-bias",
            "levels",
            "load-model",
            "model-to-load",
            "scaling",
            "score-init",
            "sparsity",
            "sparsity-start",
        ],
    ),
    (
        &["er_str"],
        &[
            "arch",
            "bn-type",
            "constant-prune-lr",
            "conv-type",
            "er-sparse-init",
            "er-sparse-method",
            "er-sparsity-file",
            "evaluate",
            "first-layer-dense",
            "first-layer-type",
            "freeze-weights",
            "ignore-pretrained-weights",
            "init",
            "last-layer-dense",
            "load-before-prune",
            "load-expt-sign",
            "load-mask-name",
            "load-model-mask-and-sign",
            "load-model-name",
            "load-only-model",
            "load-shuffled-model-mask-and-sign",
            "lr-min",
            "mode",
            "multistep-lr-adjust",
            "multistep-lr-gamma",
            "no-bn-decay",
            "nonlinearity",
            "pretrained",
            "prune-dead",
            "prune-scheduler",
            "pruner",
            "reset-only-bn",
            "reset-only-weight-sign",
            "reset-weight-amplitude",
            "reset-weight-sign",
            "reset-weights",
            "resnet-type",
            "result-dir",
            "sInit-value",
            "save-every",
            "set",
            "sparse-function",
            "st-decay",
            "target-expt-name",
            "threshold-list",
            "use-budget",
            "warmup-length",
            "weight-decay",
            "width",
            "width-mult",
        ],
    ),
];

/// The programs that have an option of this name, in words, where some have one and some have not.
pub(super) fn of_program(name: &str) -> Option<String> {
    let name = fold(name);
    let (programs, _) = OPTIONS.iter().find(|(_, options)| options.iter().any(|option| fold(option) == name))?;
    Some(programs.join(" and "))
}

/// The options that this program has and some others lack.
pub fn only_in(program: &str) -> impl Iterator<Item = &'static str> {
    OPTIONS.iter().filter(move |(programs, _)| programs.contains(&program)).flat_map(|(_, options)| options.iter().copied())
}
