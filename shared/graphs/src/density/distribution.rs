//! All distributions behind one signature.

use super::{
    Density, balanced, balanced_exact, balanced_greedy, er, erk, erk_clipped, erk_plus, induced, list, pyramid, uniform,
    uniform_plus,
};
use crate::error::{Error, Result};
use crate::graph::LayerShape;
use crate::names::{self, Choice};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// How an overall density is divided among layers. Each variant is explained, with its source, in its own file.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// The same density everywhere.
    Uniform,
    /// Density proportional to (out + inp + kh + kw) / (out·inp·kh·kw), to a power, until a layer is full; surplus goes to the
    /// others.
    Erk {
        /// Exponent of the ratio, from 0 to 10; 1 is ERK, 0 is uniform.
        power: f64,
    },
    /// Density proportional to (out + inp) / (out·inp) until a layer is full; surplus goes to the others.
    Er,
    /// ERK whose surplus is lost: the achieved density is below the target when layers are full.
    ErkClipped,
    /// The same number of edges everywhere; the surplus of full layers is lost.
    Balanced,
    /// The same number of edges in all layers that are not full.
    BalancedExact,
    /// The same number of edges; the surplus of full layers is divided among the layers from there on.
    BalancedGreedy,
    /// Densities r, r², r³, … from first to last layer.
    Pyramid,
    /// Dense first layer, last layer at least at density 0.2, the same density between.
    UniformPlus,
    /// Fixed density of the last layer, ERK before.
    ErkPlus {
        /// Density of the last layer, above 0 and at most 1.
        fc_density: f64,
    },
    /// Given densities, rescaled to the target.
    List(Vec<f64>),
    /// Given densities relative to that of the whole network, times the target; the surplus of full layers is lost.
    /// Files of trained networks have them.
    Induced(Vec<f64>),
}

/// A constant that a distribution found while it solved for the target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// What the literature calls it: `epsilon`, `C`, `X`, `r`, `q`.
    pub name: Cow<'static, str>,
    /// Its value.
    pub value: f64,
}

/// Layer densities.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// One density in \[0, 1\] a layer.
    pub densities: Vec<f64>,
    /// `Σ N_l·p_l / N`: the expected overall density, which some distributions cannot bring to the target.
    pub achieved: f64,
    /// The constant behind the densities, where there is one.
    pub note: Option<Constant>,
}

impl Solution {
    pub(super) fn new(shapes: &[LayerShape], densities: Vec<f64>, note: Option<(&'static str, f64)>) -> Self {
        let kept: f64 = shapes.iter().zip(&densities).map(|(s, p)| s.weights() as f64 * p).sum();
        Self { achieved: kept / total(shapes), densities, note: note.map(|(name, value)| Constant { name: name.into(), value }) }
    }
}

/// N.
pub(super) fn total(shapes: &[LayerShape]) -> f64 {
    shapes.iter().map(LayerShape::weights).sum::<usize>() as f64
}

impl Distribution {
    /// The distributions that have a name; [`Distribution::List`] and [`Distribution::Induced`] are written out.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice {
            value: Self::Erk { power: 1.0 },
            name: "ERK",
            aliases: &["fixed_ERK"],
            about: "Erdős–Rényi-kernel: density ∝ (out+in+kh+kw)/(out·in·kh·kw), surplus of full layers redistributed",
        },
        Choice {
            value: Self::Er,
            name: "ER",
            aliases: &[],
            about: "Erdős–Rényi: density ∝ (out+in)/(out·in), surplus of full layers redistributed",
        },
        Choice { value: Self::Uniform, name: "uniform", aliases: &["ER_init"], about: "the same density in every layer" },
        Choice {
            value: Self::Balanced,
            name: "balanced",
            aliases: &["ER_same_params", "ER_same_params_per_layer"],
            about: "the same number of edges in every layer; surplus of full layers lost, so the total falls short",
        },
        Choice {
            value: Self::BalancedExact,
            name: "balanced-exact",
            aliases: &[],
            about: "the same number of edges in every layer that is not full; exact total",
        },
        Choice {
            value: Self::BalancedGreedy,
            name: "balanced-greedy",
            aliases: &[],
            about: "balanced with the surplus of a full layer divided among the layers after it",
        },
        Choice {
            value: Self::Pyramid,
            name: "pyramid",
            aliases: &["pyramid_sparsity", "pyramidal"],
            about: "densities r, r², r³, … from the first to the last layer",
        },
        Choice {
            value: Self::ErkClipped,
            name: "ERK-clipped",
            aliases: &[],
            about: "ERK cut off at 1 without redistribution, so the total falls short",
        },
        Choice {
            value: Self::UniformPlus,
            name: "uniform_plus",
            aliases: &[],
            about: "dense first layer, last layer at density 0.2 or more, uniform between",
        },
        Choice {
            value: Self::ErkPlus { fc_density: 1.0 },
            name: "ERK_plus",
            aliases: &[],
            about: "dense last layer, ERK before",
        },
    ];

    /// Densities of layers of these shapes for an overall target. Density 1 gives 1 everywhere.
    ///
    /// ```
    /// use er_graphs::density::{Density, Distribution};
    /// use er_graphs::graph::LayerShape;
    ///
    /// let shapes = [LayerShape::linear(300, 784), LayerShape::linear(100, 300), LayerShape::linear(10, 100)];
    /// let erk = "ERK".parse::<Distribution>()?.solve(&shapes, Density::new(0.1)?)?;
    /// assert_eq!(erk.densities[2], 1.0);
    /// assert!((erk.achieved - 0.1).abs() < 1e-12);
    /// # Ok::<(), er_graphs::Error>(())
    /// ```
    ///
    /// # Errors
    /// A usage error if there are no layers, if a parameter of the distribution is out of range, or if no densities of this kind
    /// reach the target.
    pub fn solve(&self, shapes: &[LayerShape], target: Density) -> Result<Solution> {
        if shapes.is_empty() {
            return Err(Error::usage(format!("no layer is left to which density {target} could apply")));
        }
        self.check(shapes.len())?;
        if target == Density::FULL {
            return Ok(Solution::new(shapes, vec![1.0; shapes.len()], None));
        }
        let d = target.get();
        match self {
            Self::Uniform => Ok(uniform::solve(shapes, d)),
            Self::Erk { power } => erk::solve(shapes, d, *power),
            Self::Er => er::solve(shapes, d),
            Self::ErkClipped => Ok(erk_clipped::solve(shapes, d)),
            Self::Balanced => Ok(balanced::solve(shapes, d)),
            Self::BalancedExact => balanced_exact::solve(shapes, d),
            Self::BalancedGreedy => Ok(balanced_greedy::solve(shapes, d)),
            Self::Pyramid => Ok(pyramid::solve(shapes, d)),
            Self::UniformPlus => uniform_plus::solve(shapes, d),
            Self::ErkPlus { fc_density } => erk_plus::solve(shapes, d, *fc_density),
            Self::List(densities) => list::solve(shapes, d, densities),
            Self::Induced(relative) => Ok(induced::solve(shapes, d, relative)),
        }
    }

    /// Canonical name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Erk { .. } => "ERK",
            Self::Er => "ER",
            Self::ErkClipped => "ERK-clipped",
            Self::Balanced => "balanced",
            Self::BalancedExact => "balanced-exact",
            Self::BalancedGreedy => "balanced-greedy",
            Self::Pyramid => "pyramid",
            Self::UniformPlus => "uniform_plus",
            Self::ErkPlus { .. } => "ERK_plus",
            Self::List(_) => "list",
            Self::Induced(_) => induced::NAME,
        }
    }

    /// Whether the parameters are in range for this number of layers.
    fn check(&self, layers: usize) -> Result<()> {
        match self {
            Self::Erk { power } if !(0.0..=10.0).contains(power) => {
                Err(Error::usage(format!("ERK power must be between 0 (uniform) and 10, got {power}")))
            }
            Self::ErkPlus { fc_density } if Density::new(*fc_density).is_err() => {
                Err(Error::usage(format!("ERK_plus: density of the last layer must be above 0 and at most 1, got {fc_density}")))
            }
            Self::UniformPlus if layers < 3 => Err(Error::usage(format!(
                "uniform_plus treats the first and the last layer apart and needs at least 3 layers, got {layers}"
            ))
            .help("choose uniform or ERK")),
            Self::List(densities) => list::check(densities, layers),
            Self::Induced(relative) => induced::check(relative, layers),
            _ => Ok(()),
        }
    }
}

impl FromStr for Distribution {
    type Err = Error;

    /// A name, a list such as `[0.5, 0.1, 1]`, or `str-induced-er[2.5, 0.5, 5]`.
    fn from_str(s: &str) -> Result<Self> {
        if let Some((name, _)) = s.split_once('[').filter(|(name, _)| names::same(name.trim(), induced::NAME)) {
            return list::parse(&s[name.len()..]).map(Self::Induced);
        }
        if s.starts_with('[') || s.contains(',') {
            return list::parse(s).map(Self::List);
        }
        names::parse("distribution of densities", Self::CHOICES, s)
    }
}

/// What is parsed back to the same distribution.
impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(densities) => write!(f, "{densities:?}"),
            Self::Induced(relative) => write!(f, "{}{relative:?}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape() -> impl Strategy<Value = LayerShape> {
        (1..80_usize, 1..80_usize, 0..4_usize).prop_map(|(out, inp, k)| match k {
            0 => LayerShape::linear(out, inp),
            k => LayerShape::conv(out, inp, [k, k]),
        })
    }

    fn named() -> impl Strategy<Value = Distribution> {
        (0..Distribution::CHOICES.len()).prop_map(|k| Distribution::CHOICES[k].value.clone())
    }

    proptest! {
        #[test]
        fn densities_are_fractions_that_reach_the_target_and_grow_with_it(
            shapes in prop::collection::vec(shape(), 1..20), rule in named(), a in 1e-4..1.0_f64, b in 1e-4..1.0_f64,
        ) {
            let (low, high) = (Density::new(a.min(b)).unwrap(), Density::new(a.max(b)).unwrap());
            // Rules with a fixed layer refuse targets that this layer alone exceeds or cannot lift to the target.
            let (Ok(small), Ok(large)) = (rule.solve(&shapes, low), rule.solve(&shapes, high)) else {
                prop_assert!(matches!(rule, Distribution::UniformPlus | Distribution::ErkPlus { .. }), "{rule} refuses");
                return Ok(());
            };
            for (p, q) in small.densities.iter().zip(&large.densities) {
                prop_assert!((0.0..=1.0).contains(p), "{rule}: {p}");
                prop_assert!(*p <= q * (1.0 + 1e-9), "{rule} falls from {p} to {q}");
            }
            let ratio = small.achieved / low.get();
            match rule {
                Distribution::ErkClipped | Distribution::Balanced | Distribution::BalancedGreedy => {
                    prop_assert!(ratio <= 1.0 + 1e-9, "{rule}: {ratio}");
                }
                // Its dense first layer is left out of the account from 0.2 on.
                Distribution::UniformPlus if low.get() >= 0.2 => prop_assert!(ratio >= 1.0 - 1e-9),
                _ => prop_assert!((ratio - 1.0).abs() < 1e-9, "{rule}: {ratio}"),
            }
        }

        #[test]
        fn a_list_at_its_own_density_is_itself(given in prop::collection::vec((shape(), 0.01..1.0_f64), 1..20)) {
            let (shapes, densities): (Vec<_>, Vec<_>) = given.into_iter().unzip();
            let own = Solution::new(&shapes, densities.clone(), None).achieved;
            let solved = Distribution::List(densities.clone()).solve(&shapes, Density::new(own).unwrap()).unwrap();
            for (p, q) in solved.densities.iter().zip(&densities) {
                prop_assert!((p - q).abs() < 1e-9, "{p} instead of {q}");
            }
        }
    }

    #[test]
    fn full_density_is_full_for_every_rule() {
        let shapes = [LayerShape::conv(64, 3, [3, 3]), LayerShape::conv(64, 64, [3, 3]), LayerShape::linear(10, 64)];
        for choice in Distribution::CHOICES {
            let solved = choice.value.solve(&shapes, Density::FULL).unwrap();
            assert_eq!((solved.densities, solved.achieved), (vec![1.0; 3], 1.0), "{}", choice.name);
        }
    }

    #[test]
    fn rounding_just_below_full_density_does_no_harm() {
        let shapes = [LayerShape::conv(64, 3, [3, 3]), LayerShape::conv(64, 64, [3, 3]), LayerShape::linear(10, 64)];
        let nearly = Density::new(1.0 - f64::EPSILON / 2.0).unwrap();
        for rule in [Distribution::Er, Distribution::Erk { power: 1.0 }, Distribution::BalancedExact, Distribution::Pyramid] {
            let solved = rule.solve(&shapes, nearly).unwrap();
            assert!(solved.densities.iter().all(|p| *p > 0.999_999 && *p <= 1.0), "{rule}: {:?}", solved.densities);
        }
    }

    #[test]
    fn a_single_layer_gets_the_target() {
        let shapes = [LayerShape::conv(8, 4, [3, 3])];
        for choice in Distribution::CHOICES {
            match choice.value.solve(&shapes, Density::new(0.3).unwrap()) {
                Ok(solved) => assert!((solved.densities[0] - 0.3).abs() < 1e-12, "{}", choice.name),
                Err(_) => assert!(matches!(choice.value, Distribution::UniformPlus | Distribution::ErkPlus { .. })),
            }
        }
    }

    #[test]
    fn every_published_name_is_known() {
        for (typed, name) in [
            ("uniform", "uniform"),
            ("ER_init", "uniform"),
            ("ERK", "ERK"),
            ("fixed_ERK", "ERK"),
            ("er", "ER"),
            ("erk_clipped", "ERK-clipped"),
            ("ER_same_params", "balanced"),
            ("ER_same_params_per_layer", "balanced"),
            ("balanced", "balanced"),
            ("Balanced_Exact", "balanced-exact"),
            ("balanced-greedy", "balanced-greedy"),
            ("pyramid_sparsity", "pyramid"),
            ("pyramidal", "pyramid"),
            ("uniform-plus", "uniform_plus"),
            ("ERK_plus", "ERK_plus"),
        ] {
            assert_eq!(typed.parse::<Distribution>().unwrap().to_string(), name);
        }
        for choice in Distribution::CHOICES {
            assert_eq!(choice.value.to_string(), choice.name);
        }

        let list: Distribution = "[0.5, 0.001,1]".parse().unwrap();
        assert_eq!(list, Distribution::List(vec![0.5, 0.001, 1.0]));
        assert_eq!(list.to_string().parse::<Distribution>().unwrap(), list);
        assert_eq!("0.5,0.25".parse::<Distribution>().unwrap(), Distribution::List(vec![0.5, 0.25]));
        assert_eq!("STR_induced_ER[2, 0.5]".parse::<Distribution>().unwrap(), Distribution::Induced(vec![2.0, 0.5]));
        let error = "[0.5, x]".parse::<Distribution>().unwrap_err();
        assert_eq!(error.what(), "list of densities: \"x\" is not a number");
        let error = "balancd".parse::<Distribution>().unwrap_err();
        assert_eq!(error.to_string(), "unknown distribution of densities \"balancd\"\n  did you mean \"balanced\"?");
    }

    #[test]
    fn bad_parameters_are_usage_errors() {
        let shapes = [LayerShape::linear(20, 30), LayerShape::linear(10, 20)];
        let half = Density::new(0.5).unwrap();
        for (rule, part) in [
            (Distribution::List(vec![0.5]), "1 densities for 2 layers"),
            (Distribution::List(vec![0.5, 1.5]), "layer 2 is 1.5"),
            (Distribution::List(vec![0.0, 1.0]), "cannot reach density 0.5"),
            (Distribution::Induced(vec![0.5]), "1 densities for 2 layers"),
            (Distribution::Induced(vec![0.5, -0.5]), "layer 2 is -0.5"),
            (Distribution::Induced(vec![f64::INFINITY, 0.5]), "layer 1 is inf"),
            (Distribution::Induced(vec![0.0, 0.0]), "all are 0"),
            (Distribution::ErkPlus { fc_density: 0.0 }, "got 0"),
            (Distribution::Erk { power: f64::NAN }, "got NaN"),
            (Distribution::Erk { power: -1.0 }, "between 0 (uniform) and 10, got -1"),
            (Distribution::UniformPlus, "at least 3 layers, got 2"),
        ] {
            let error = rule.solve(&shapes, half).unwrap_err();
            assert!(error.what().contains(part), "{error}");
            assert_eq!(error.kind(), crate::error::Kind::Usage);
        }
        assert!(Distribution::Uniform.solve(&[], half).is_err());
    }
}
