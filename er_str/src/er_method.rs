//! How the random mask is divided among the layers.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use shared::config::values;
use shared::density::Distribution;
use shared::model::ModelSpec;
use shared::names::{self, Choice};
use shared::run::layerwise;
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
const OWN: [(ErMethod, &str, &str); 2] = [
    (ErMethod::Construction, "none", "all weights in ConvMask, else a uniform mask"),
    (ErMethod::StrInduced, "str-induced-er", "as a trained network is sparse"),
];

impl FromStr for ErMethod {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        let own = OWN.map(|(value, name, about)| Choice { value, name, aliases: &[], about });
        // The others are about weights, which --init decides here.
        let drawn =
            SparseInit::choices().into_iter().filter(|c| matches!(c.value, SparseInit::Distribution(_) | SparseInit::ErFlow));
        let drawn = drawn.map(|c| Choice { value: Self::Of(c.value), name: c.name, aliases: c.aliases, about: c.about });
        let choices: Vec<Choice<Self>> = own.into_iter().chain(drawn).collect();
        let named = names::parse("method", &choices, typed);
        match values::sparse_init(typed) {
            // A list, or a file.
            Ok(init @ (SparseInit::File(_) | SparseInit::Distribution(_))) if named.is_err() => Ok(Self::Of(init)),
            Err(why) if Path::new(typed).extension().is_some_and(|e| e == "json") => Err(Error::usage(why)),
            _ => named,
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
