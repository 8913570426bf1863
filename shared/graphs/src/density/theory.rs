//! What random graphs cost in width.

use super::Density;

/// How many times wider a random network must be to hold a target network, the logarithmic factor of "How Erdős and Rényi Win the
/// Lottery" (arXiv 2210.02412).
///
/// If every one of the target's edges may be represented by any of ρ candidate edges that exist independently with probability
/// p, all of them are with probability at least 1 − δ as soon as ρ ≥ ln(edges / δ) / ln(1 / (1 − p)) (union bound). Returns this
/// ρ, unrounded and at least 1; it grows like 1 / ln(1 / sparsity).
///
/// ```
/// use er_graphs::density::{Density, overparameterisation};
///
/// let (edges, failure) = (1e6_f64, 0.01);
/// let rho = overparameterisation(edges as usize, Density::new(0.5)?, failure);
/// assert!((rho - (edges / failure).log2()).abs() < 1e-9);
/// # Ok::<(), er_graphs::Error>(())
/// ```
///
/// # Panics
/// If the failure probability is not between 0 and 1.
#[must_use]
pub fn overparameterisation(edges: usize, density: Density, failure: f64) -> f64 {
    assert!(failure > 0.0 && failure < 1.0, "failure probability {failure} outside (0, 1)");
    ((edges as f64 / failure).ln() / -(-density.get()).ln_1p()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_is_tight() {
        for (edges, p, failure) in [(1, 0.3, 0.5), (1000, 0.1, 0.01), (50_000, 0.9, 1e-6), (12, 1.0, 0.1)] {
            let rho = overparameterisation(edges, Density::new(p).unwrap(), failure);
            let success = |rho: f64| (1.0 - (1.0 - p).powf(rho)).powf(edges as f64);
            assert!(success(rho) >= 1.0 - failure - 1e-9);
            // With one candidate fewer in ten it fails, unless a single candidate is enough anyway.
            assert!(rho <= 1.0 || success(0.9 * rho) < 1.0 - failure, "{edges} {p} {failure}");
        }
    }
}
