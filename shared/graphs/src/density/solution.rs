//! What a distribution gives.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::graph::LayerShape;

/// A constant that a distribution found while it solved for the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// What the literature calls it: `epsilon`, `C`, `X`, `r`, `q`.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: f64,
}

/// Layer densities.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// One density in \[0, 1\] a layer.
    pub densities: Vec<f64>,
    /// `Σ N_l·p_l / N`: the expected overall density, which some distributions cannot bring to the target.
    pub achieved: f64,
    /// The constant behind the densities, where there is one.
    pub note: Option<Constant>,
}

impl Solution {
    /// These densities, with the overall one that they achieve.
    pub fn new(shapes: &[LayerShape], densities: Vec<f64>, note: Option<(&'static str, f64)>) -> Self {
        let kept: f64 = shapes.iter().zip(&densities).map(|(s, p)| s.weights() as f64 * p).sum();
        Self { achieved: kept / total(shapes), densities, note: note.map(|(name, value)| Constant { name: name.into(), value }) }
    }
}

/// N: the number of weights of all these layers.
pub fn total(shapes: &[LayerShape]) -> f64 {
    shapes.iter().map(|shape| shape.weights() as f64).sum()
}
