//! Names of initial masks.

use er_graphs::density::Distribution;
use er_graphs::error::{Error, Result};
use er_graphs::names::{self, Choice};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How the initial mask comes about.
#[derive(Debug, Clone, PartialEq)]
pub enum SparseInit {
    /// A random graph in every layer, with the densities of a distribution.
    Distribution(Distribution),
    /// The same density in every layer of a plain chain of layers, with edges only from inputs that the layer before feeds.
    ErFlow,
    /// The weights that are largest at initialisation, over all layers.
    GlobalMagnitude,
    /// The same density in every layer, each mask mirrored from a random half-size one, so that a mirrored (looks-linear)
    /// orthogonal initialisation fits it.
    ErOrtho,
    /// The masks of a checkpoint or mask file, taken as they are.
    File(PathBuf),
}

/// Published masks whose densities come from scores of a network that was trained or evaluated.
const SCORED: [&str; 7] = ["snip", "GraSP", "ER_imp", "ER_synflow", "ER_init_global", "ER_flow_global", "ER_ortho_global"];

impl SparseInit {
    /// Everything a user can name: the distributions, then the masks that are more than one.
    pub fn choices() -> Vec<Choice<Self>> {
        let distributions = Distribution::CHOICES.iter().map(|c| Choice {
            value: Self::Distribution(c.value.clone()),
            name: c.name,
            aliases: c.aliases,
            about: c.about,
        });
        let own = [
            (Self::ErFlow, "ER_flow", "uniform, with edges only from inputs that the layer before feeds; plain chains only"),
            (Self::GlobalMagnitude, "global_magnitude", "the largest initial weights over all layers"),
            (Self::ErOrtho, "ER_ortho", "uniform, mirrored to fit a looks-linear orthogonal initialisation"),
        ];
        distributions.chain(own.map(|(value, name, about)| Choice { value, name, aliases: &[], about })).collect()
    }

    /// Canonical name; `list` for given densities, `mask` for those of a file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Distribution(distribution) => distribution.name(),
            Self::ErFlow => "ER_flow",
            Self::GlobalMagnitude => "global_magnitude",
            Self::ErOrtho => "ER_ortho",
            Self::File(_) => "mask",
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
        if s.contains(['[', ',']) {
            return s.parse().map(Self::Distribution);
        }
        let choices = Self::choices();
        if let Some(name) = SCORED.into_iter().find(|name| names::same(name, s)) {
            let others: Vec<&str> = choices.iter().map(|c| c.name).collect();
            return Err(Error::usage(format!(
                "initial mask \"{name}\" needs scores of a trained or evaluated network, which this version does not compute"
            ))
            .help(format!("choose one of {}", others.join(", "))));
        }
        names::parse("initial mask", &choices, s)
    }
}

/// What is parsed back to the same mask.
impl fmt::Display for SparseInit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distribution(distribution) => distribution.fmt(f),
            Self::File(path) => path.display().fmt(f),
            _ => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_round_trip() {
        let choices = SparseInit::choices();
        for choice in &choices {
            assert_eq!(choice.value.to_string(), choice.name);
            for name in choice.aliases.iter().chain([&choice.name]) {
                assert_eq!(name.parse::<SparseInit>().unwrap(), choice.value, "{name}");
            }
        }
        for induced in [vec![0.5], vec![0.1 + 0.2, 2.0]] {
            let induced = SparseInit::Distribution(Distribution::Induced(induced));
            assert_eq!(induced.to_string().parse::<SparseInit>().unwrap(), induced);
        }
        assert_eq!("er-flow".parse::<SparseInit>().unwrap(), SparseInit::ErFlow);
        assert_eq!("ER_init".parse::<SparseInit>().unwrap(), SparseInit::Distribution(Distribution::Uniform));
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
