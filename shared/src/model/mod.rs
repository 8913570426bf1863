//! Architectures as run-time data.

mod spec;

pub use spec::{DefaultInit, Image, Layer, ModelSpec, Node, NodeId, Op, ParamKind, Parameter};
