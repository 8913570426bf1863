//! Layer densities for an overall density: one file a distribution, one signature, one solver.
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
mod list;
mod pyramid;
mod solver;
mod theory;
mod uniform;
mod uniform_plus;
mod value;

pub use distribution::{Constant, Distribution, Solution};
pub use theory::overparameterisation;
pub use value::{Density, rounded};
