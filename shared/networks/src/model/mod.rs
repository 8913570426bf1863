//! Architectures as run-time data: one file a family, each turning a name into a [`ModelSpec`].

mod builder;
mod catalogue;
mod cifar_resnet;
mod flops;
mod form;
mod lenet;
mod mobilenet;
mod resnet;
mod scale;
mod small_conv;
mod spec;
mod state;
mod vgg;
mod wide_resnet;

pub use builder::Builder;
pub use catalogue::{Family, ModelName, build, default_for, names};
pub use flops::{Convention, CostMethod, SpentFlops, Storage, TrainingCost, WeightGradients};
pub use form::{non_affine, supermask};
pub use scale::width_for;
pub use spec::{DefaultInit, Image, Layer, ModelSpec, Node, NodeId, Op, ParamKind, Parameter};
pub use state::{DenseState, ModelState};

/// ε that batch normalisations add to variances.
pub const NORM_EPSILON: f64 = 1e-5;
