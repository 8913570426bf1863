//! How many of the edges that were dropped come back to each layer.

use er_graphs::names::{self, Choice};

/// What a layer's share of the edges that come back is proportional to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redistribute {
    /// Each layer gets back what it lost.
    None,
    /// Mean |velocity| of its edges (SNFS, Dettmers and Zettlemoyer 2019; RigL-SM).
    Momentum,
    /// Mean |gradient| of its edges (RigL-SG).
    Gradient,
    /// Mean |w| of its edges.
    Magnitude,
    /// Number of its edges.
    Nonzeros,
}

impl Redistribute {
    /// All ways with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::None, name: "none", aliases: &[], about: "each layer gets back what it lost" },
        Choice { value: Self::Momentum, name: "momentum", aliases: &[], about: "by the mean velocity of a layer's edges" },
        Choice { value: Self::Gradient, name: "gradient", aliases: &["grad"], about: "by the mean gradient of a layer's edges" },
        Choice { value: Self::Magnitude, name: "magnitude", aliases: &[], about: "by the mean weight of a layer's edges" },
        Choice { value: Self::Nonzeros, name: "nonzeros", aliases: &["nonzero"], about: "by the number of a layer's edges" },
    ];
}

names::named!(Redistribute, "redistribution");

/// A layer that takes part in a redistribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What its share is proportional to.
    pub statistic: f64,
    /// Positions without an edge before edges were dropped.
    pub missing: usize,
    /// Edges dropped.
    pub removed: usize,
}

/// Edges for each layer out of `total`: in proportion to the statistics, at most 0.99 of the positions that are free after
/// dropping; what is above that is spread evenly over all layers, again and again (the loop of SNFS as rigl-reproducibility runs
/// it, rounding half to even at first). None if there is no statistic to go by.
#[must_use]
pub fn proportional(layers: &[Share], total: f64) -> Option<Vec<f64>> {
    let finite = |s: f64| if s.is_finite() { s } else { 0.0 };
    let sum: f64 = layers.iter().map(|l| finite(l.statistic)).sum();
    if sum <= 0.0 {
        return None;
    }
    let mut shares: Vec<f64> = layers.iter().map(|l| (finite(l.statistic) / sum * total).round_ties_even()).collect();
    let mut spread = 0.0;
    for _ in 0..1000 {
        let mut above = 0.0;
        for (share, layer) in shares.iter_mut().zip(layers) {
            *share += spread;
            let most = 0.99 * (layer.missing + layer.removed) as f64;
            above += (*share - most).max(0.0);
            *share = share.min(most);
        }
        spread = above / layers.len() as f64;
        if above == 0.0 {
            break;
        }
    }
    Some(shares)
}

/// Whole numbers of edges that add up to all that were dropped: [`proportional`] shares rounded down, and what is left goes one
/// by one to the layers with the largest remainders and then to any with room, so that the number of edges stays exact, which
/// the reference repairs by growing more or less at the next update. Each layer gets back what it lost if there are no statistics.
#[must_use]
pub fn shares(layers: &[Share]) -> Vec<usize> {
    let total: usize = layers.iter().map(|l| l.removed).sum();
    let Some(exact) = proportional(layers, total as f64) else { return layers.iter().map(|l| l.removed).collect() };
    let mut whole: Vec<usize> = exact.iter().map(|s| *s as usize).collect();
    let mut order: Vec<usize> = (0..layers.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let free = |l: usize| layers[l].missing + layers[l].removed;
    let mut given: usize = whole.iter().sum();
    // Rounding to even may have given a few too many.
    for &l in order.iter().rev().cycle().take(layers.len() * 2) {
        let back = (given - given.min(total)).min(whole[l]).min(1);
        (whole[l], given) = (whole[l] - back, given - back);
    }
    while given < total {
        let before = given;
        for &l in &order {
            let more = (total - given).min(free(l) - whole[l]).min(1);
            (whole[l], given) = (whole[l] + more, given + more);
        }
        // As many positions are free as edges were dropped, at least.
        if given == before {
            break;
        }
    }
    whole
}
