//! Layer densities for an overall density: one file a distribution, one trait, one solver.
//!
//! Notation: d is the target density, `N_l` the number of weights of layer l of L, N their sum, `p_l` the density of layer l.
//! Layers come in definition order. All of it is in double precision.

mod balanced;
mod balanced_exact;
mod balanced_greedy;
mod distribution;
mod er;
mod erk;
mod erk_clipped;
mod erk_plus;
mod induced;
mod layer_densities;
mod list;
mod pyramid;
mod solution;
mod solver;
mod theory;
mod uniform;
mod uniform_plus;
mod value;

pub use balanced::Balanced;
pub use balanced_exact::BalancedExact;
pub use balanced_greedy::BalancedGreedy;
pub use distribution::{Distribution, Reach};
pub use er::Er;
pub use erk::Erk;
pub use erk_clipped::ErkClipped;
pub use erk_plus::ErkPlus;
pub use layer_densities::LayerDensities;
pub use pyramid::Pyramid;
pub use solution::{Constant, Solution, total};
pub use solver::fill;
pub use theory::overparameterisation;
pub use uniform::Uniform;
pub use uniform_plus::UniformPlus;
pub use value::{Density, rounded};
