//! The water-filling solver behind every distribution with an exact total.

use super::total;
use crate::error::{Error, Result};
use crate::graph::LayerShape;

/// Water-filling: finds ε with `Σ N_l·min(1, ε·raw_l) = d·N` and returns it with the densities `min(1, ε·raw_l)`, one a layer, for raw
/// values from 0 on. `name` is for messages.
///
/// Layers that would exceed 1 are set to 1 and the rest is solved again, until none exceeds it. Setting a layer to 1 takes less
/// from the budget than the layer asked for, so ε only rises, no layer ever has to be opened again, and there are at most L
/// rounds: the fixed point is that of the published ERK code, which sets one layer at a time (Evci et al. 2020).
///
/// # Errors
/// A usage error if layers whose raw value is not 0 hold fewer than d·N weights, or if raw values are so small that no finite ε brings them
/// to the target.
pub fn fill(name: &str, shapes: &[LayerShape], d: f64, raw: &[f64]) -> Result<(Vec<f64>, f64)> {
    let weights = || shapes.iter().map(|s| s.weights() as f64).zip(raw).map(|(n, r)| (n, *r));
    let most = weights().filter(|(_, r)| *r > 0.0).map(|(n, _)| n).sum::<f64>() / total(shapes);
    if most < d {
        return Err(Error::usage(format!(
            "{name} cannot reach density {d:?}: only {most} of the weights are in layers that may keep some"
        ))
        .help(format!("lower the density to at most {most}")));
    }
    let mut full = vec![false; shapes.len()];
    let mut epsilon = 0.0;
    while full.iter().zip(raw).any(|(f, r)| !f && *r > 0.0) {
        let mut budget = d * total(shapes);
        let mut demand = 0.0;
        for ((n, r), is_full) in weights().zip(&full) {
            if *is_full { budget -= n } else { demand += n * r }
        }
        // Rounding can leave a budget just below 0 when the full layers use all of it.
        epsilon = budget.max(0.0) / demand;
        if !epsilon.is_finite() {
            let least = raw.iter().copied().filter(|r| *r > 0.0).fold(f64::INFINITY, f64::min);
            let what = format!("{name} cannot reach density {d:?}: a density of {least:?} is too small to compute with");
            return Err(Error::usage(what).help("give all layers more, or this one 0: only their ratios matter"));
        }
        let before = full.clone();
        for (is_full, r) in full.iter_mut().zip(raw) {
            *is_full |= epsilon * r > 1.0;
        }
        if full == before {
            break;
        }
    }
    let densities = raw.iter().zip(full).map(|(r, is_full)| if is_full { 1.0 } else { epsilon * r }).collect();
    Ok((densities, epsilon))
}
