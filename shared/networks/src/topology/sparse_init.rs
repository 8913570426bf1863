//! Names of initial masks.

use super::masks::{MaskGenerator, MaskWeights};
use er_graphs::density::{Distribution, LayerDensities};
use er_graphs::error::{Error, Result};
use er_graphs::names;
use er_graphs::registry::{self, Door, Named, Selected};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How the initial mask comes about.
#[derive(Debug, Clone, PartialEq)]
pub enum SparseInit {
    /// A random graph in every layer, with these densities.
    Densities(LayerDensities),
    /// Masks of the whole network.
    Generator(Selected<dyn MaskGenerator>),
    /// The masks of a checkpoint or mask file, taken as they are.
    File(PathBuf),
    /// What a file says of layers by their names, which a network has to put in order.
    ByName(BTreeMap<String, f64>),
}

/// Published masks whose densities come from scores of a network that was trained or evaluated.
const SCORED: [&str; 7] = ["snip", "GraSP", "ER_imp", "ER_synflow", "ER_init_global", "ER_flow_global", "ER_ortho_global"];

impl SparseInit {
    /// Everything a user can name: the distributions, then the masks that are more than one.
    pub fn named() -> impl Iterator<Item = &'static dyn Named> {
        let distributions = <dyn Distribution>::registry().iter().map(|d| d as &'static dyn Named);
        distributions.chain(<dyn MaskGenerator>::registry().iter().map(|g| g as &'static dyn Named))
    }

    /// Those that have nothing to do with the first weights.
    pub fn named_without_weights() -> impl Iterator<Item = &'static dyn Named> {
        Self::named().filter(|n| n.name().parse().is_ok_and(|init: Self| matches!(init.weights(), MaskWeights::Unread)))
    }

    /// Canonical name; `list` for given densities, `mask` for those of a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Densities(densities) => densities.name(),
            Self::Generator(generator) => generator.name(),
            Self::File(_) => "mask",
            Self::ByName(_) => "by-name",
        }
    }

    /// What the masks have to do with the first weights.
    pub fn weights(&self) -> MaskWeights {
        match self {
            Self::Generator(generator) => generator.weights(),
            Self::Densities(_) | Self::File(_) | Self::ByName(_) => MaskWeights::Unread,
        }
    }
}

impl FromStr for SparseInit {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        // First, since a path may look like a list.
        if Path::new(s).extension().is_some_and(|e| e == "safetensors") {
            return Ok(Self::File(s.into()));
        }
        if s.trim_start().starts_with('{') {
            let wrong = |e| Error::usage(format!("'{s}' is no JSON object of one number a layer: {e}"));
            return serde_json::from_str(s).map(Self::ByName).map_err(wrong);
        }
        if s.contains('[') || LayerDensities::is_list(s) {
            return s.parse().map(Self::Densities);
        }
        let (name, _) = registry::split(s);
        match (<dyn Distribution>::registry().find(name), <dyn MaskGenerator>::registry().find(name)) {
            (Some(_), None) => s.parse().map(Self::Densities),
            (None, Some(_)) => s.parse().map(Self::Generator),
            (Some(_), Some(_)) => {
                let what = format!("\"{name}\" was added twice, as a distribution of densities and as an initial mask");
                Err(Error::usage(what).help("give one of them another name"))
            }
            (None, None) => Err(unknown(name)),
        }
    }
}

fn unknown(typed: &str) -> Error {
    let named: Vec<&dyn Named> = SparseInit::named().map(|n| n as &dyn Named).collect();
    if let Some(name) = SCORED.into_iter().find(|name| names::same(name, typed)) {
        let others: Vec<&str> = named.iter().map(|n| n.name()).collect();
        return Error::usage(format!(
            "initial mask \"{name}\" needs scores of a trained or evaluated network, which this version does not compute"
        ))
        .help(format!("choose one of {}", others.join(", ")));
    }
    names::unknown("initial mask", named.iter().map(|n| (n.name(), n.aliases())), typed)
}

names::stored_as_text!(SparseInit);

/// What is parsed back to the same mask.
impl fmt::Display for SparseInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Densities(densities) => densities.fmt(f),
            Self::Generator(generator) => generator.fmt(f),
            Self::File(path) => path.display().fmt(f),
            Self::ByName(numbers) => f.write_str(&serde_json::to_string(numbers).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::ErFlow;
    use er_graphs::density::Uniform;

    #[test]
    fn names_are_unique_and_round_trip() {
        for named in SparseInit::named() {
            let init: SparseInit = named.name().parse().unwrap();
            assert_eq!((init.to_string(), init.name()), (named.name().to_owned(), named.name()));
            for name in named.aliases() {
                assert_eq!(name.parse::<SparseInit>().unwrap(), init, "{name}");
            }
        }
        for induced in [vec![0.5], vec![0.1 + 0.2, 2.0]] {
            let induced = SparseInit::Densities(LayerDensities::Induced(induced));
            assert_eq!(induced.to_string().parse::<SparseInit>().unwrap(), induced);
        }
        assert_eq!("er-flow".parse::<SparseInit>().unwrap(), SparseInit::Generator(Selected::new(&ErFlow)));
        assert_eq!("ER_init".parse::<SparseInit>().unwrap(), SparseInit::Densities(LayerDensities::of(&Uniform)));
    }

    #[test]
    fn files_are_known_by_their_ending() {
        for path in ["best.safetensors", "runs/a, b/[1].safetensors"] {
            let init: SparseInit = path.parse().unwrap();
            assert_eq!((&init, init.name()), (&SparseInit::File(path.into()), "mask"));
            assert_eq!(init.to_string(), path);
        }
        assert!("safetensors".parse::<SparseInit>().is_err());
    }

    #[test]
    fn scored_masks_are_refused_with_the_alternatives() {
        for name in SCORED {
            let error = name.to_lowercase().parse::<SparseInit>().unwrap_err();
            assert_eq!(error.kind(), er_graphs::error::Kind::Usage);
            assert!(error.what().starts_with(&format!("initial mask \"{name}\" needs scores")), "{error}");
            assert!(error.help_text().unwrap().contains("ERK, ER, uniform, balanced"), "{error}");
        }
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let error = "global_magnitud".parse::<SparseInit>().unwrap_err();
        assert_eq!(error.to_string(), "unknown initial mask \"global_magnitud\"\n  did you mean \"global_magnitude\"?");
    }
}
