//! How near a layer's graph comes to a Ramanujan graph (Pal et al. 2022; Hoang et al. 2023).

use super::bidiagonal::Accuracy;
use super::parts::{Sides, on_left};
use super::{Spectrum, singular_values};
use crate::graph::Biadjacency;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// Below this mean degree, on either side, the criteria are undefined.
const LEAST_DEGREE: f64 = 3.0;

/// Left nodes of equal degree that make a group of [`Imdb`].
const LEAST_NODES: usize = 3;

/// The Ramanujan criteria for irregular bipartite graphs: σ₂ against bounds from the mean degrees of the nodes that have edges.
///
/// A complete graph has σ₂ = 0 and therefore the largest difference of bound: compare graphs of equal density only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ramanujan {
    /// Left nodes with edges, n_L.
    pub left: usize,
    /// Right nodes with edges, n_R.
    pub right: usize,
    /// Their mean degree, d_L.
    pub mean_left_degree: f64,
    /// Their mean degree, d_R.
    pub mean_right_degree: f64,
    /// √(d_L − 1) + √(d_R − 1), the bound for biregular graphs.
    pub bound_r: f64,
    /// 2·√(σ₁ − 1).
    pub bound_s: f64,
    /// Difference of bound: `bound_r` − σ₂.
    pub delta_r: f64,
    /// `bound_s` − σ₂.
    pub delta_s: f64,
    /// `delta_r` divided by its bound.
    pub normalised_r: f64,
    /// `delta_s` divided by its bound.
    pub normalised_s: f64,
    /// Whether `delta_r` is not negative.
    pub is_ramanujan: bool,
    /// Expansion n_R / n_L.
    pub expansion: f64,
    /// Normalised random coefficient ((σ₂²/4 + 1)·√(n_L·n_R) − |E − d_L·n_L·n_R / outputs|) / (inputs · outputs), inputs and outputs
    /// with the isolated ones and each of the E edges counted once. (The program of Hoang et al. counts edges twice, which
    /// often turns its sign.)
    pub narc: f64,
}

/// The criteria for a graph with this spectrum; none unless both mean degrees are at least 3. O(nodes).
#[must_use]
pub fn ramanujan(graph: &Biadjacency, spectrum: &Spectrum) -> Option<Ramanujan> {
    criteria(graph, spectrum.sigma1, spectrum.sigma2)
}

fn criteria(graph: &Biadjacency, sigma1: f64, sigma2: f64) -> Option<Ramanujan> {
    let sides = Sides::of(graph);
    let (mean_left_degree, mean_right_degree) = (sides.left_degree(), sides.right_degree());
    if graph.edges() == 0 || mean_left_degree < LEAST_DEGREE || mean_right_degree < LEAST_DEGREE {
        return None;
    }
    let (left, right) = (sides.left as f64, sides.right as f64);
    let (inputs, outputs) = (graph.left() as f64, graph.right() as f64);
    let bound_r = (mean_left_degree - 1.0).sqrt() + (mean_right_degree - 1.0).sqrt();
    // σ₁ is at least the root of the product of the mean degrees.
    let bound_s = 2.0 * (sigma1 - 1.0).sqrt();
    let (delta_r, delta_s) = (bound_r - sigma2, bound_s - sigma2);
    let excess = (sides.edges as f64 - mean_left_degree * left * right / outputs).abs();
    Some(Ramanujan {
        left: sides.left,
        right: sides.right,
        mean_left_degree,
        mean_right_degree,
        bound_r,
        bound_s,
        delta_r,
        delta_s,
        normalised_r: delta_r / bound_r,
        normalised_s: delta_s / bound_s,
        is_ramanujan: delta_r >= 0.0,
        expansion: right / left,
        narc: ((sigma2 * sigma2 / 4.0 + 1.0) * (left * right).sqrt() - excess) / (inputs * outputs),
    })
}

/// Iterative mean difference of bound (Hoang et al. 2023): means of the criteria over the groups of left nodes of equal degree, each
/// with the right nodes next to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Imdb {
    /// Groups used: at least 3 left nodes of the same degree, both mean degrees at least 3.
    pub groups: usize,
    /// Mean of `bound_r` − σ₂.
    pub delta_r: f64,
    /// Mean of `bound_s` − σ₂.
    pub delta_s: f64,
    /// Mean of the first difference divided by its bound.
    pub normalised_r: f64,
    /// Mean of the second difference divided by its bound.
    pub normalised_s: f64,
    /// Largest expansion n_R / n_L.
    pub max_expansion: f64,
    /// Mean expansion.
    pub mean_expansion: f64,
    /// Largest bound of the relative errors of the groups' singular values.
    pub error: f64,
}

/// Iterative mean difference of bound; none if no group can be used. Groups share no edges, so that all together take about the
/// time of one [`spectrum`](super::spectrum).
#[must_use]
pub fn imdb(graph: &Biadjacency, accuracy: &Accuracy) -> Option<Imdb> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, degree) in graph.left_degrees().into_iter().enumerate() {
        groups.entry(degree).or_default().push(node);
    }
    groups.retain(|degree, nodes| *degree as f64 >= LEAST_DEGREE && nodes.len() >= LEAST_NODES);
    let measure = |nodes: &Vec<usize>| {
        let group = on_left(graph, nodes);
        if Sides::of(&group).right_degree() < LEAST_DEGREE {
            return None;
        }
        let found = singular_values(&group, &super::components(&group), accuracy)?;
        Some((criteria(&group, found.sigma1, found.sigma2)?, found.error / found.sigma1))
    };
    let nodes: Vec<Vec<usize>> = groups.into_values().collect();
    let used: Vec<(Ramanujan, f64)> = nodes.par_iter().map(measure).collect::<Vec<_>>().into_iter().flatten().collect();
    if used.is_empty() {
        return None;
    }
    let mean = |of: fn(&Ramanujan) -> f64| used.iter().map(|(r, _)| of(r)).sum::<f64>() / used.len() as f64;
    Some(Imdb {
        groups: used.len(),
        delta_r: mean(|r| r.delta_r),
        delta_s: mean(|r| r.delta_s),
        normalised_r: mean(|r| r.normalised_r),
        normalised_s: mean(|r| r.normalised_s),
        max_expansion: used.iter().map(|(r, _)| r.expansion).fold(0.0, f64::max),
        mean_expansion: mean(|r| r.expansion),
        error: used.iter().map(|(_, error)| *error).fold(0.0, f64::max),
    })
}
