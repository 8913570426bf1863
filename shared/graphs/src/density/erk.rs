//! Erdős–Rényi-kernel (Evci et al., "Rigging the Lottery", ICML 2020): density ∝ (sum / product of the tensor's dimensions)^α.

use std::ops::Bound::Included;

use super::{Distribution, Solution, fill};
use crate::error::Result;
use crate::graph::LayerShape;
use crate::registry::{Named, Parameter};

/// Density proportional to (out + inp + kh + kw) / (out·inp·kh·kw), to a power, until a layer is full; surplus goes to the others.
#[derive(Debug, Clone, Copy)]
pub struct Erk;

impl Named for Erk {
    fn name(&self) -> &'static str {
        "ERK"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["fixed_ERK"]
    }

    fn about(&self) -> &'static str {
        "Erdős–Rényi-kernel: density ∝ (out+in+kh+kw)/(out·in·kh·kw), surplus of full layers redistributed"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "power",
            about: "the exponent of that ratio; 0 is uniform",
            default: 1.0,
            range: (Included(0.0), Included(10.0)),
        }]
    }
}

impl Distribution for Erk {
    fn solve(&self, shapes: &[LayerShape], d: f64, parameters: &[f64]) -> Result<Solution> {
        let raw: Vec<f64> = shapes.iter().map(|s| ratio(s).powf(parameters[0])).collect();
        let (densities, epsilon) = fill(self.name(), shapes, d, &raw)?;
        Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
    }
}

/// Sum of the tensor's dimensions over their product: four dimensions of a convolution, two of a linear layer.
pub(super) fn ratio(shape: &LayerShape) -> f64 {
    shape.dims().iter().sum::<usize>() as f64 / shape.weights() as f64
}
