//! Published methods that are rules: a row each.

use er_graphs::registry::{Named, Selected};
use er_networks::topology::rule::grow::{Momentum, Random};
use er_networks::topology::rule::{Exchanging, Falling, InitialMask, Method, Pruning, Redistribute};

use super::top_kast::TopKast;
use super::{TrainingMethod, Trains};

/// All methods, in the order in which they are listed: one line each.
pub(super) const ALL: &[&dyn TrainingMethod] = &[
    &GRANET,
    &GRANET_UNIFORM,
    &DST,
    &GMP,
    &GMP_UNIFORM,
    &SET,
    &SNFS,
    &RIGL,
    &RIGL_SG,
    &RIGL_SM,
    &PRUNING,
    &STATIC,
    &TopKast,
    &DENSE,
    &SMALL_DENSE,
];

/// A method that is a rule.
#[derive(Debug)]
pub struct Published {
    name: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    trains: Trains,
    method: Method,
}

impl Named for Published {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl TrainingMethod for Published {
    fn method(&self, _: &[f64]) -> Method {
        self.method
    }

    fn trains(&self) -> Trains {
        self.trains
    }
}

/// Pruning layer by layer.
const BY_LAYER: Option<Pruning> = Some(Pruning { by: Falling::Fractions, ..Pruning::GRANET });

/// Gradual magnitude pruning of a dense network.
const GRADUAL: Method = Method { start: InitialMask::Full, densities: [1.0, 0.05], exchange: None, ..Method::GRANET };

static GRANET: Published = Published {
    name: "GraNet",
    aliases: &[],
    about: "prunes over all layers, then regenerates by gradient",
    trains: Trains::Masked,
    method: Method::GRANET,
};

static GRANET_UNIFORM: Published = Published {
    name: "GraNet_uniform",
    aliases: &[],
    about: "GraNet, pruning layer by layer",
    trains: Trains::Masked,
    method: Method { prune: BY_LAYER, ..Method::GRANET },
};

static DST: Published = Published {
    name: "DST",
    aliases: &[],
    about: "GraNet's regeneration at a fixed density",
    trains: Trains::Masked,
    method: Method { densities: [0.5, 0.5], prune: None, ..Method::GRANET },
};

static GMP: Published = Published {
    name: "GMP",
    aliases: &[],
    about: "gradual magnitude pruning over all layers",
    trains: Trains::Masked,
    method: GRADUAL,
};

static GMP_UNIFORM: Published = Published {
    name: "GMP_uniform",
    aliases: &[],
    about: "GMP, layer by layer",
    trains: Trains::Masked,
    method: Method { prune: BY_LAYER, ..GRADUAL },
};

static SET: Published = Published {
    name: "SET",
    aliases: &[],
    about: "drops the smallest, grows at random",
    trains: Trains::Masked,
    method: Method {
        exchange: Some(Exchanging { grow: Selected::new(&Random), ..Exchanging::RIGL }),
        replaces_step: false,
        ..Method::RIGL
    },
};

static SNFS: Published = Published {
    name: "SNFS",
    aliases: &[],
    about: "grows and redistributes by momentum",
    trains: Trains::Masked,
    method: Method {
        exchange: Some(Exchanging { grow: Selected::new(&Momentum), redistribute: Redistribute::Momentum, ..Exchanging::RIGL }),
        replaces_step: false,
        ..Method::RIGL
    },
};

static RIGL: Published =
    Published { name: "RigL", aliases: &[], about: "grows by gradient", trains: Trains::Masked, method: Method::RIGL };

static RIGL_SG: Published = Published {
    name: "RigL-SG",
    aliases: &[],
    about: "RigL, redistributing by gradient",
    trains: Trains::Masked,
    method: Method { exchange: Some(Exchanging { redistribute: Redistribute::Gradient, ..Exchanging::RIGL }), ..Method::RIGL },
};

static RIGL_SM: Published = Published {
    name: "RigL-SM",
    aliases: &[],
    about: "RigL, redistributing by momentum",
    trains: Trains::Masked,
    method: Method { exchange: Some(Exchanging { redistribute: Redistribute::Momentum, ..Exchanging::RIGL }), ..Method::RIGL },
};

static PRUNING: Published = Published {
    name: "pruning",
    aliases: &["zhu-gupta"],
    about: "Zhu and Gupta's pruning of a dense network",
    trains: Trains::Masked,
    method: Method {
        start: InitialMask::Full,
        densities: [1.0, 0.05],
        prune: Some(Pruning { by: Falling::Steps, ..Pruning::GRANET }),
        ..Method { exchange: None, replaces_step: false, ..Method::RIGL }
    },
};

/// The first mask stays.
pub static STATIC: Published = Published {
    name: "static",
    aliases: &["scratch"],
    about: "the first mask stays",
    trains: Trains::Masked,
    method: Method::STATIC,
};

/// No mask.
pub static DENSE: Published =
    Published { name: "dense", aliases: &[], about: "no mask", trains: Trains::Dense, method: Method::DENSE };

static SMALL_DENSE: Published = Published {
    name: "small_dense",
    aliases: &[],
    about: "no mask, but narrower layers",
    trains: Trains::Narrower,
    method: Method::DENSE,
};
