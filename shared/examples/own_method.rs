//! A growth rule and a drop score of one's own, known by name to all that `er_dst` does:
//! `cargo run --release -p shared --example own_method -- --method RigL --growth "thin_inputs(power=1)" --death movement --density 0.1`.

use shared::Result;
use shared::registry::{Door, Named, Parameter};
use shared::topology::rule::{DropScore, GrowRule, LayerView};
use std::{ops::Bound, process::ExitCode};

/// Grows where gradients are large, preferring inputs that few edges read.
struct ThinInputs;

impl Named for ThinInputs {
    fn name(&self) -> &'static str {
        "thin_inputs"
    }
    fn about(&self) -> &'static str {
        "the largest gradients, divided by a power of the edges that the input has"
    }
    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter { name: "power", about: "the power", default: 0.5, range: (Bound::Excluded(0.0), Bound::Unbounded) }]
    }
}

impl GrowRule for ThinInputs {
    fn reads_gradient(&self) -> bool {
        true
    }
    fn score(&self, layer: &LayerView<'_>, position: usize, parameters: &[f64]) -> f64 {
        let fan_in = layer.kept.shape().fan_in();
        let readers = (position % fan_in..layer.kept.shape().weights()).step_by(fan_in).filter(|p| layer.kept.contains(*p));
        layer.gradient.get(position).abs() / ((1 + readers.count()) as f64).powf(parameters[0])
    }
}

/// Drops weights that gradients pull towards 0 (movement pruning, Sanh et al. 2020), the strongest pull first.
struct Movement;

impl Named for Movement {
    fn name(&self) -> &'static str {
        "movement"
    }
    fn about(&self) -> &'static str {
        "exp(-w · gradient)"
    }
}

impl DropScore for Movement {
    fn reads_gradient(&self) -> bool {
        true
    }
    fn score(&self, layer: &LayerView<'_>, _: &[f64]) -> Vec<f64> {
        layer.mask.iter().enumerate().map(|(e, p)| (-layer.weights.get(e) * layer.gradient.get(p)).exp()).collect()
    }
}

fn main() -> Result<ExitCode> {
    <dyn GrowRule>::registry().add(&ThinInputs)?;
    <dyn DropScore>::registry().add(&Movement)?;
    Ok(er_dst::main())
}
