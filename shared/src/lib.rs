//! Sparse neural networks whose masks are random graphs: everything the `er_*` programs are made of, as a library.
//!
//! This crate has no code of its own. It gives one name to six crates, each in a folder beside this one, that depend on each other in one
//! direction:
//!
//! | crate | holds | depends on |
//! |---|---|---|
//! | `er_graphs` | [`graph`], [`density`], [`statistics`] of graphs, [`registry`], [`names`], [`rng`], [`error`] | |
//! | `er_networks` | [`model`], [`topology`], [`score`], [`schedule`], [`threshold`], [`init`], [`statistics::network`] | `er_graphs` |
//! | `er_engine` | [`engine`]: the trait, and the engine that computes along the edges | the two above |
//! | `er_dense` | `engine::dense`: the engine on dfdx | the three above |
//! | `er_training` | [`data`], [`run`], [`train`] | all above |
//! | `er_programs` | [`config`], [`cli`], [`report`] | all above but `er_dense` |

pub use er_graphs::{Error, Result, density, error, graph, names, registry, rng};
pub use er_networks::{init, model, schedule, score, threshold, topology};
pub use er_programs::{cli, config, option, option_of, options, report};
pub use er_training::{data, run, train};

/// What can be measured of masks as graphs, and of networks.
pub mod statistics {
    pub use er_graphs::statistics::{bipartite, compare, spectrum};
    pub use er_networks::statistics::{Distance, LARGEST, LayerDistance, Matched, network, network_distance};
}

/// Where networks are computed: the [`Engine`](engine::Engine) trait and its implementations.
pub mod engine {
    #[cfg(feature = "dense")]
    pub use er_dense as dense;
    pub use er_engine::*;
    pub use er_training::Backend;
}

/// The README's example, which the tests compile and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
