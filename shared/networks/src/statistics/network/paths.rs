//! How many paths lead from the image to the logits.

use super::net::{Net, PathView};
use super::number::{Counts, Number, Scaled, log2};
use super::sweep;
use crate::model::ModelSpec;
use er_graphs::graph::Mask;
use serde::{Serialize, Serializer};

/// A number of paths.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathCount {
    /// log₂ of the number; none without a path.
    pub log2: Option<f64>,
    /// The number itself, if below 2¹²⁸ − 1; in JSON a string, because its readers have 53 bits.
    #[serde(serialize_with = "digits")]
    pub exact: Option<u128>,
}

#[allow(clippy::ref_option)] // serde passes the field by reference
fn digits<S: Serializer>(number: &Option<u128>, serializer: S) -> Result<S::Ok, S::Error> {
    number.map(|n| n.to_string()).serialize(serializer)
}

/// Paths of a network in one view, and what to compare them with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paths {
    /// What the paths lead through.
    pub view: PathView,
    /// From the image to the logits along edges of the masks and shortcuts.
    #[serde(flatten)]
    pub count: PathCount,
    /// log₂ of the expected number if every edge of a layer existed with the layer's density, independently of all others; none if
    /// that is 0.
    pub expected_log2: Option<f64>,
    /// log₂ of the number if all edges existed.
    pub dense_log2: Option<f64>,
}

impl Paths {
    /// Counts the paths of a network. Complexity as [`count_paths`].
    ///
    /// # Panics
    /// If there is not one mask of the right shape for each layer.
    #[must_use]
    pub fn of(spec: &ModelSpec, masks: &[Mask], view: PathView) -> Self {
        let densities: Vec<f64> = masks.iter().map(Mask::density).collect();
        Self {
            view,
            count: count_paths(spec, masks, view),
            expected_log2: expected_paths(spec, &densities, view),
            dense_log2: expected_paths(spec, &vec![1.0; masks.len()], view),
        }
    }
}

/// The number of paths from the units of the image to those of the logits. A path takes one edge of each layer it crosses, and at a sum
/// comes from one summand: residual shortcuts are paths too. In the pixel view it is the sum of the logits of a network whose weights
/// are 1, for an image of ones, with sums for means and maxima.
///
/// Counted in float64 with an exponent of its own for each tensor, which is good for about 15 digits at any depth, and once more in 128
/// bits if the number fits. O(weights + edges) time in the channel view, O(weights + edges · output pixels) in the pixel view; 8 bytes
/// (16 if the number fits) for each value of the tensors in use at a time. The same bits with any number of threads.
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn count_paths(spec: &ModelSpec, masks: &[Mask], view: PathView) -> PathCount {
    super::check(spec, masks);
    let net = Net::new(spec, view);
    let log2 = total::<f64>(&net, masks).and_then(|sum| log2(sum.values[0], sum.exponent));
    // A little above 128, lest rounding decide.
    let fits = log2.is_none_or(|bits| bits < 128.5);
    let exact = if fits { total::<u128>(&net, masks).map(|sum| sum.values[0]) } else { None };
    PathCount { log2, exact: exact.filter(|n| *n < u128::MAX) }
}

/// All paths, as one number.
fn total<T: Number>(net: &Net, masks: &[Mask]) -> Option<Scaled<T>> {
    let image = net.units[0] * net.planes[0];
    let mut all = sweep::forward(net, image, false, |stage, x| sweep::to_outputs(stage, stage.mask(masks), x));
    let logits = all[net.logits()].take()?;
    let sum = logits.values.into_iter().fold(T::ZERO, T::plus);
    Some(Scaled { values: vec![sum], exponent: logits.exponent })
}

/// log₂ of the expected number of paths when every edge of a layer exists with the layer's probability, independently of all others; for
/// densities 1 that of the dense network. No path crosses a layer twice, so this is exact, and it is the same for masks with an exact
/// number of edges. None if the expectation is 0.
///
/// All units of a tensor expect the same, so this takes O(nodes) time in the channel view and O(pixels · kernel positions) in the
/// pixel view, whatever the number of weights.
///
/// # Panics
/// If there is not one density for each layer.
#[must_use]
pub fn expected_paths(spec: &ModelSpec, densities: &[f64], view: PathView) -> Option<f64> {
    assert_eq!(densities.len(), spec.layers().len(), "one density a layer");
    let net = Net::new(spec, view);
    let density = |layer: Option<usize>| layer.map_or(1.0, |l| densities[l]);
    let mut all = sweep::forward(&net, net.planes[0], false, |stage, x| sweep::expected(stage, density(stage.layer), x));
    let logits = all[net.logits()].take()?;
    log2(logits.values.iter().sum::<f64>() * net.units[net.logits()] as f64, logits.exponent)
}

/// How many paths lead from the image into each channel, for every node of the model, in the channel view (of an image that only linear
/// layers read: into each pixel, which is 1).
///
/// O(weights + edges).
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn paths_into(spec: &ModelSpec, masks: &[Mask]) -> Vec<Counts> {
    super::check(spec, masks);
    let net = Net::new(spec, PathView::Channels);
    let all = into_all(&net, masks);
    (0..all.len()).map(|node| all[net.source(node)].clone().into()).collect()
}

/// How many paths lead out of each channel to the logits, for every node of the model, in the channel view.
///
/// O(weights + edges).
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn paths_out_of(spec: &ModelSpec, masks: &[Mask]) -> Vec<Counts> {
    super::check(spec, masks);
    let net = Net::new(spec, PathView::Channels);
    let all = sweep::backward(&net, masks);
    (0..all.len()).map(|node| all[net.source(node)].clone().into()).collect()
}

/// How many paths lead through each edge: one entry a layer, numbers in edge order. The sum over a layer that all paths cross is the
/// number of paths.
///
/// In the channel view an edge from channel i to channel j has as many as lead into i times as many as lead out of j, whichever its
/// kernel position; in the pixel view those of all pixels that it joins. Complexity as [`count_paths`], and all tensors are in
/// memory at the same time.
///
/// # Panics
/// If there is not one mask of the right shape for each layer.
#[must_use]
pub fn paths_through_edges(spec: &ModelSpec, masks: &[Mask], view: PathView) -> Vec<Counts> {
    super::check(spec, masks);
    let net = Net::new(spec, view);
    let (into, out_of) = (into_all(&net, masks), sweep::backward(&net, masks));
    let through = |((node, stage), mask): ((usize, &super::net::Stage), &Mask)| {
        let (into, out_of) = (&into[stage.input], &out_of[node]);
        Scaled::new(sweep::along_edges(stage, mask, &into.values, &out_of.values), into.exponent + out_of.exponent).into()
    };
    net.layers().zip(masks).map(through).collect()
}

/// Paths into each value of each node; nothing at nodes at which nothing happens.
pub(super) fn into_all(net: &Net, masks: &[Mask]) -> Vec<Scaled<f64>> {
    let image = net.units[0] * net.planes[0];
    let all = sweep::forward(net, image, true, |stage, x| sweep::to_outputs(stage, stage.mask(masks), x));
    all.into_iter().map(|counts| counts.unwrap_or_else(|| Scaled::zeros(0))).collect()
}
