//! The masks of a run along its training.

use std::path::Path;

use serde::Serialize;

use super::subject::Network;
use crate::report::Series;
use er_graphs::error::Result;
use er_graphs::graph::{Biadjacency, Mask, View};
use er_graphs::statistics::compare::{Change, Drift, Itop, Quartiles, UnitRates};
use er_networks::model::{Layer, ModelSpec};
use er_networks::schedule::Clock;
use er_networks::topology::effective;
use er_training::run::{MaskFile, RunFolder, read_masks};

/// The masks of one file of a run.
#[derive(Debug, Serialize)]
pub(super) struct Moment {
    /// The file, inside the run's folder.
    pub(super) file: String,
    pub(super) epoch: Option<u64>,
    pub(super) step: Option<u64>,
    pub(super) edges: usize,
    /// Kept part of all weights.
    pub(super) density: f64,
    /// Part of all weights on a path through channels from the image to the logits.
    pub(super) effective_density: f64,
    /// Channels that no layer reads from, and output units that read nothing, layer by layer, added up.
    pub(super) isolated_inputs: usize,
    pub(super) isolated_outputs: usize,
    /// All layers as one.
    #[serde(flatten)]
    pub(super) whole: Course,
    /// Part of the weights of layers that can move which have been edges, after every update until then (ITOP rate); from the run's
    /// metrics.
    pub(super) itop: Option<f64>,
    pub(super) layers: Vec<LayerCourse>,
}

/// How far a set of edges has gone.
#[derive(Debug, Serialize)]
pub(super) struct Course {
    /// Jaccard similarity to the moment before.
    pub(super) jaccard_before: Option<f64>,
    /// Jaccard similarity to the first one.
    pub(super) jaccard_first: f64,
    /// Part of the edges of the first one that are there.
    pub(super) survived: Option<f64>,
    /// Part of the weights that were edges at this or an earlier moment of this list.
    pub(super) seen: f64,
}

/// One layer.
#[derive(Debug, Serialize)]
pub(super) struct LayerCourse {
    pub(super) name: String,
    pub(super) edges: usize,
    pub(super) density: f64,
    #[serde(flatten)]
    pub(super) course: Course,
    /// Distribution over output units of the part of their weights that were edges by then.
    pub(super) seen_by_unit: Option<Quartiles>,
}

impl Course {
    fn new(change: Change, begins: bool, seen: f64) -> Self {
        let Change { from_latest, from_first, survival } = change;
        let jaccard_before = (!begins).then_some(from_latest);
        Self { jaccard_before, jaccard_first: from_first, survived: survival, seen }
    }
}

/// Every moment of which the run's folder has masks, in the order of the training.
///
/// # Errors
/// Files that are damaged or do not fit.
pub(super) fn moments(run: &Path, Network { spec, .. }: &Network) -> Result<Vec<Moment>> {
    let mut files = Vec::new();
    for path in RunFolder::mask_files(run)? {
        let about = MaskFile::read(&path)?;
        files.push((about.clock.map(|clock| clock.step), about.clock.map(Clock::epochs_begun), path));
    }
    files.sort_by_key(|(step, epoch, _)| (*step, *epoch));
    let rates: Vec<(u64, f64)> = RunFolder::lines_in(run, "update")?
        .iter()
        .filter_map(|line| Some((line["step"].as_u64()?, line["itop"].as_f64()?)))
        .collect();
    let mut moments: Vec<Moment> = Vec::new();
    let mut before: Option<(Option<u64>, Vec<Mask>)> = None;
    let mut ways: Option<(Drift, Itop)> = None;
    for (step, epoch, path) in files {
        let masks = read_masks(&path, spec)?;
        // The best and the last checkpoint are often one that is there already.
        if before.as_ref().is_some_and(|(other, same)| *other == step && *same == masks) {
            continue;
        }
        let (drift, union) = ways.get_or_insert_with(|| (Drift::new(&masks), Itop::new(&masks)));
        let moved = drift.add(&masks)?;
        union.add(&masks)?;
        let seen = union.explored();
        let begins = before.is_none();
        let layers = spec.layers().iter().zip(&masks).zip(moved.layers.into_iter().zip(seen.layers));
        let of_layer = |((layer, mask), (change, seen)): ((&Layer, &Mask), (Change, UnitRates))| LayerCourse {
            name: layer.name.clone(),
            edges: mask.edges(),
            density: mask.density(),
            course: Course::new(change, begins, seen.rate),
            seen_by_unit: seen.units,
        };
        let isolated = isolated(spec, &masks);
        moments.push(Moment {
            file: path.strip_prefix(run).unwrap_or(&path).display().to_string(),
            epoch,
            step,
            edges: masks.iter().map(Mask::edges).sum(),
            density: density(spec, &masks),
            effective_density: density(spec, &effective(spec, &masks)),
            isolated_inputs: isolated.0,
            isolated_outputs: isolated.1,
            whole: Course::new(moved.total, begins, seen.total),
            itop: rates.iter().rev().find(|(at, _)| step.is_some_and(|step| *at <= step)).map(|(_, rate)| *rate),
            layers: layers.map(of_layer).collect(),
        });
        before = Some((step, masks));
    }
    Ok(moments)
}

fn density(spec: &ModelSpec, masks: &[Mask]) -> f64 {
    masks.iter().map(Mask::edges).sum::<usize>() as f64 / spec.weight_count() as f64
}

/// Channels without edges: inputs and outputs of all layers.
fn isolated(spec: &ModelSpec, masks: &[Mask]) -> (usize, usize) {
    let zeros = |degrees: Vec<usize>| degrees.into_iter().filter(|d| *d == 0).count();
    let graphs = spec.layers().iter().zip(masks).map(|(layer, mask)| Biadjacency::of_mask(mask, layer.groups, View::Channels));
    graphs.fold((0, 0), |(i, o), g| (i + zeros(g.left_degrees()), o + zeros(g.right_degrees())))
}

/// What a picture shows of them.
pub(super) fn series(moments: &[Moment]) -> Vec<Series> {
    let of = |name: &str, value: &dyn Fn(&Moment) -> Option<f64>| Series {
        name: name.to_owned(),
        points: moments.iter().filter_map(|m| Some((m.step? as f64, value(m)?))).collect(),
    };
    let all = [
        of("density", &|m| Some(m.density)),
        of("effective density", &|m| Some(m.effective_density)),
        of("units without edges, of all layers", &|m| Some((m.isolated_inputs + m.isolated_outputs) as f64)),
        of("Jaccard similarity to the first mask", &|m| Some(m.whole.jaccard_first)),
        of("part of the first edges that are there", &|m| m.whole.survived),
        of("part of the weights that have been edges (ITOP)", &|m| m.itop.or(Some(m.whole.seen))),
    ];
    all.into_iter().filter(|s| !s.points.is_empty()).collect()
}
