//! Annealing of edge-popup: the part of a layer that its subnetwork keeps, level by level.

/// The kept fraction of each level: from `start` down by the factor (`last`/`start`)^(1/`levels`) before each level, and never
/// above `allowed`, the density of the positions that may be chosen, nor below `last`. The limited value is what the next level
/// goes on from, so that with few allowed positions `last` is reached early and the other levels repeat it.
///
/// With `last` above `allowed` all levels have `last`: whoever asks for it must refuse that first.
///
/// ```
/// let levels = er_networks::schedule::kept_fractions(0.6, 0.1, 0.3, 5);
/// assert_eq!((levels[0], levels[4]), (0.3, 0.1));
/// assert_eq!(er_networks::schedule::kept_fractions(0.6, 0.2, 0.5, 2)[1], 0.2);
/// ```
#[must_use]
pub fn kept_fractions(start: f64, last: f64, allowed: f64, levels: usize) -> Vec<f64> {
    let factor = (last / start).powf(1.0 / levels as f64);
    let next = |k: &f64| Some((k * factor).min(allowed).max(last));
    let mut fractions: Vec<f64> = std::iter::successors(Some(start), next).skip(1).take(levels).collect();
    // There it arrives, but for rounding.
    if let Some(k) = fractions.last_mut() {
        *k = last;
    }
    fractions
}
