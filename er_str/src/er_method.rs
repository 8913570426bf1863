//! How the random mask is divided among the layers.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use shared::config::{listing, values};
use shared::density::LayerDensities;
use shared::model::ModelSpec;
use shared::names;
use shared::registry::{self, Named};
use shared::run::layerwise;
use shared::topology::{MaskWeights, SparseInit};
use shared::{Error, Result};

/// What `--er-sparse-method` names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ErMethod {
    /// A distribution of the density, or masks of a file.
    Of(SparseInit),
    /// What the layer has from its construction: all weights in `ConvMask`, else a uniform mask.
    Construction,
    /// As a trained network is sparse.
    StrInduced,
}

/// The methods that are no initial masks of other programs.
const OWN: [(ErMethod, &str, &str); 2] = [
    (ErMethod::Construction, "none", "all weights in ConvMask, else uniform"),
    (ErMethod::StrInduced, "str-induced-er", "as the run that wrote --er-sparsity-file"),
];

impl ErMethod {
    /// The names of all methods, for the help text.
    pub(crate) fn names() -> String {
        let own = OWN.map(|(_, name, about)| format!("{name} ({about})")).join(", ");
        format!("{}, {own}", listing::names(SparseInit::named_without_weights().map(|n| n as &dyn Named)))
    }
}

impl FromStr for ErMethod {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        if let Some((own, ..)) = OWN.into_iter().find(|(_, name, _)| names::same(name, typed)) {
            return Ok(own);
        }
        let (name, _) = registry::split(typed);
        let is_known = SparseInit::named_without_weights().any(|n| names::is_one_of(name, n.name(), n.aliases()));
        match values::sparse_init(typed) {
            Ok(init) if matches!(init.weights(), MaskWeights::Unread) => Ok(Self::Of(init)),
            // What is wrong with its parameters, or with a file.
            Err(why) if is_known || Path::new(typed).extension().is_some_and(|e| e == "json") => Err(Error::usage(why)),
            _ => {
                let own = OWN.iter().map(|(_, name, _)| (*name, [].as_slice()));
                let drawn = SparseInit::named_without_weights().map(|n| (n.name(), n.aliases()));
                Err(names::unknown("method", own.chain(drawn), typed))
            }
        }
    }
}

impl fmt::Display for ErMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(init) => init.fmt(f),
            own => f.write_str(OWN.iter().find(|(method, ..)| method == own).map_or("", |(_, name, _)| name)),
        }
    }
}

names::stored_as_text!(ErMethod);

/// The densities of the layers that are masked, in proportion to those in a file of layer-wise sparsities.
///
/// # Errors
/// If the file is missing or damaged, or is of another network.
pub(crate) fn str_induced(path: &Path, spec: &ModelSpec, is_masked: impl Fn(usize) -> bool) -> Result<LayerDensities> {
    let names: Vec<&str> = spec.layers().iter().map(|l| l.name.as_str()).collect();
    let mut file = layerwise::read(path, &names)?;
    let mut index = 0..names.len();
    file.densities.retain(|_| index.next().is_some_and(&is_masked));
    Ok(file.distribution())
}
