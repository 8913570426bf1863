//! What edges are pruned by.

use er_graphs::density::{Balanced, Distribution, ErkClipped, Uniform};
use er_graphs::names::{self, Choice};
use er_graphs::registry::Selected;

/// How the edges that stay at a level are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruner {
    /// By |w|.
    Magnitude,
    /// By |w · ∂L/∂w| on one batch (Lee et al. 2019).
    Snip,
    /// By SynFlow's score, in one round (Tanaka et al. 2020).
    Synflow,
    /// By lot, all layers together.
    RandomGlobal,
    /// By lot, each layer to the same density.
    RandomUniform,
    /// By lot, each layer to the same number of edges.
    RandomBalanced,
    /// By lot, each layer to its density of clipped ERK.
    RandomErk,
    /// Those that another network has at this level.
    MaskRef,
}

impl Pruner {
    /// All pruners with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Magnitude, name: "mag", aliases: &["magnitude"], about: "least |w| of all layers" },
        Choice { value: Self::Snip, name: "snip", aliases: &[], about: "least |w · gradient| of all layers, on one batch" },
        Choice { value: Self::Synflow, name: "synflow", aliases: &[], about: "least synaptic flow of all layers, in one round" },
        Choice { value: Self::RandomGlobal, name: "random-global", aliases: &[], about: "at random among all layers" },
        Choice {
            value: Self::RandomUniform,
            name: "random-uniform",
            aliases: &[],
            about: "at random, each layer to the same density",
        },
        Choice {
            value: Self::RandomBalanced,
            name: "random-balanced",
            aliases: &[],
            about: "at random, each layer to the same number of edges; full layers lose the surplus",
        },
        Choice {
            value: Self::RandomErk,
            name: "random-erk",
            aliases: &[],
            about: "at random, each layer to its density of ERK cut off at 1",
        },
        Choice { value: Self::MaskRef, name: "mask-ref", aliases: &[], about: "what another run has not at the same level" },
    ];

    /// The densities that each layer is pruned to by itself; none if all layers are compared, or nothing is.
    pub fn distribution(self) -> Option<Selected<dyn Distribution>> {
        match self {
            Self::RandomUniform => Some(Selected::new(&Uniform)),
            Self::RandomBalanced => Some(Selected::new(&Balanced)),
            Self::RandomErk => Some(Selected::new(&ErkClipped)),
            Self::Magnitude | Self::Snip | Self::Synflow | Self::RandomGlobal | Self::MaskRef => None,
        }
    }
}

names::named!(Pruner, "pruner");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_back() {
        for choice in Pruner::CHOICES {
            assert_eq!(choice.value.to_string().parse::<Pruner>().unwrap(), choice.value);
        }
        assert_eq!("Magnitude".parse::<Pruner>().unwrap(), Pruner::Magnitude);
        let error = "random-balance".parse::<Pruner>().unwrap_err();
        assert_eq!(error.to_string(), "unknown pruner \"random-balance\"\n  did you mean \"random-balanced\"?");
    }
}
