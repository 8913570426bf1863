//! Comparison of a network's masks with others of the same network.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::subject::Network;
use er_graphs::error::Result;
use er_graphs::graph::Mask;
use er_graphs::statistics::compare::{Overlap, network_overlap, overlap};
use er_networks::statistics::{Distance, network_distance};
use er_training::run::read_masks;

/// How far other masks are from those measured.
#[derive(Debug, Serialize)]
pub(super) struct Against {
    /// The masks themselves.
    #[serde(skip)]
    pub(super) masks: Vec<Mask>,
    /// Their file.
    pub(super) path: PathBuf,
    /// What both have in common, all layers together.
    pub(super) total: Overlap,
    /// Layer by layer.
    pub(super) layers: Vec<Compared>,
    /// Topological distance (NNSTD), or why there is none.
    pub(super) distance: Option<Distance>,
    pub(super) distance_undefined: Option<String>,
}

/// One layer.
#[derive(Debug, Serialize)]
pub(super) struct Compared {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) overlap: Overlap,
}

impl Against {
    /// Reads masks and compares with them.
    ///
    /// # Errors
    /// A file that is missing, damaged, or of another network.
    pub(super) fn new(path: &Path, Network { spec, masks, .. }: &Network) -> Result<Self> {
        let others = read_masks(path, spec)?;
        let layers = spec.layers().iter().zip(masks.iter().zip(&others));
        let compared = layers.map(|(layer, (a, b))| Ok(Compared { name: layer.name.clone(), overlap: overlap(a, b)? }));
        let (distance, distance_undefined) = match network_distance(spec, masks, &others) {
            Ok(distance) => (Some(distance), None),
            Err(why) => (None, Some(why.what().to_owned())),
        };
        Ok(Self {
            path: path.to_owned(),
            total: network_overlap(masks, &others)?,
            layers: compared.collect::<Result<_>>()?,
            distance,
            distance_undefined,
            masks: others,
        })
    }
}
