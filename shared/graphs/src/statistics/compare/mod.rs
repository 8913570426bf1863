//! How far apart two masks are, and how far training moves one.

mod assignment;
mod drift;
mod itop;
mod overlap;

pub use assignment::assignment;
pub use drift::{Change, Drift, Moved};
pub use itop::{Exploration, Itop, Quartiles, UnitRates};
pub use overlap::{Overlap, network_overlap, overlap};

use crate::error::{Error, Result};
use crate::graph::Mask;

/// Checks that two networks have layers of the same shapes.
///
/// # Errors
/// A usage error that names the first difference.
pub fn same_layers(first: &[Mask], second: &[Mask]) -> Result<()> {
    let help = "compare masks of one model, for images of one shape";
    if first.len() != second.len() {
        return Err(
            Error::usage(format!("networks of {} and {} layers cannot be compared", first.len(), second.len())).help(help)
        );
    }
    for (layer, (a, b)) in first.iter().zip(second).enumerate() {
        if a.shape() != b.shape() {
            return Err(
                Error::usage(format!("layer {layer} has shape {} and {}: cannot be compared", a.shape(), b.shape())).help(help)
            );
        }
    }
    Ok(())
}
