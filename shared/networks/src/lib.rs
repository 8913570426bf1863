//! Networks as data, and all that can be decided about them without computing one.
//!
//! | module | holds |
//! |---|---|
//! | [`model`] | architectures as lists of nodes with shapes, a catalogue of names, and what networks cost |
//! | [`topology`] | which edges exist at first, and the rules by which they move |
//! | [`init`], [`score`], [`threshold`], [`schedule`] | first weights, scores of edges, soft thresholds, learning rates and densities over time |
//! | [`statistics`] | paths, effective edges and bottlenecks of a network, distances between two |
//!
//! Nothing here knows an engine, and nothing reads or writes files.

pub mod init;
pub mod model;
pub mod schedule;
pub mod score;
pub mod statistics;
pub mod table;
pub mod threshold;
pub mod topology;
