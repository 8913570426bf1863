//! How the random mask is divided among the layers.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use shared::density::{Distribution, layerwise};
use shared::model::ModelSpec;
use shared::names::same;
use shared::topology::SparseInit;
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
const OWN: [(&str, ErMethod); 2] = [("none", ErMethod::Construction), ("str-induced-er", ErMethod::StrInduced)];

impl FromStr for ErMethod {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        match OWN.iter().find(|(name, _)| same(name, typed)) {
            Some((_, method)) => Ok(method.clone()),
            None => typed.parse().map(Self::Of),
        }
    }
}

impl fmt::Display for ErMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(init) => init.fmt(f),
            own => f.write_str(OWN.iter().find(|(_, method)| method == own).map_or("", |(name, _)| name)),
        }
    }
}

/// The densities of the layers that are masked, in proportion to those in a file of layer-wise sparsities.
///
/// # Errors
/// If the file is missing or damaged, or is of another network.
pub(crate) fn str_induced(path: &Path, spec: &ModelSpec, is_masked: impl Fn(usize) -> bool) -> Result<Distribution> {
    let names: Vec<&str> = spec.layers().iter().map(|l| l.name.as_str()).collect();
    let mut file = layerwise::read(path, &names)?;
    let mut index = 0..names.len();
    file.densities.retain(|_| index.next().is_some_and(&is_masked));
    Ok(file.distribution())
}
