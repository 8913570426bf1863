//! Tests of the library: golden numbers, properties across crates, a program, what the documentation says of files.

// A test may panic, and golden numbers are copied.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod densities;
mod documentation;
mod edge_popup;
mod examples;
mod flops;
mod flow;
#[path = "../golden/mod.rs"]
mod golden;
mod graph_statistics;
mod learning_rates;
mod mask_distance;
mod masks;
mod mlp;
mod models;
mod network_statistics;
mod popup;
mod program;
mod registry;
mod repair;
mod reparam;
mod reparam_case;
mod rules;
mod soft_threshold;
mod spectrum;
mod synflow;
mod top_kast;
mod trajectories;
