//! The densities of layers as an option names them.

use std::fmt;
use std::str::FromStr;

use super::distribution::solved;
use super::{Density, Distribution, Solution, induced, list};
use crate::error::{Error, Result};
use crate::graph::LayerShape;
use crate::names;
use crate::registry::Selected;

/// How an overall density is divided among layers: by a rule that has a name, or in proportion to densities that are given.
#[derive(Debug, Clone, PartialEq)]
pub enum LayerDensities {
    /// By this rule.
    Rule(Selected<dyn Distribution>),
    /// Given densities, rescaled to the target.
    List(Vec<f64>),
    /// Given densities relative to that of the whole network, times the target; the surplus of full layers is lost.
    /// Files of trained networks have them.
    Induced(Vec<f64>),
}

impl LayerDensities {
    /// By this rule, with the usual value of its parameters.
    #[must_use]
    pub const fn of(rule: &'static dyn Distribution) -> Self {
        Self::Rule(Selected::new(rule))
    }

    /// Densities of layers of these shapes for an overall target. Density 1 gives 1 everywhere.
    ///
    /// ```
    /// use er_graphs::density::{Density, LayerDensities};
    /// use er_graphs::graph::LayerShape;
    ///
    /// let shapes = [LayerShape::linear(300, 784), LayerShape::linear(100, 300), LayerShape::linear(10, 100)];
    /// let erk = "ERK".parse::<LayerDensities>()?.solve(&shapes, Density::new(0.1)?)?;
    /// assert_eq!(erk.densities[2], 1.0);
    /// assert!((erk.achieved - 0.1).abs() < 1e-12);
    /// # Ok::<(), er_graphs::Error>(())
    /// ```
    ///
    /// # Errors
    /// A usage error if there are no layers, if given densities do not fit them, or if no densities of this kind reach the target.
    pub fn solve(&self, shapes: &[LayerShape], target: Density) -> Result<Solution> {
        match self {
            Self::Rule(rule) => rule.solve(shapes, target),
            Self::List(given) => {
                solved(&list::NAME, shapes, target, |n| list::check(given, n), |d| list::solve(shapes, d, given))
            }
            Self::Induced(relative) => solved(
                &induced::NAME,
                shapes,
                target,
                |n| induced::check(relative, n),
                |d| Ok(induced::solve(shapes, d, relative)),
            ),
        }
    }

    /// Canonical name; `list` for given densities.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.name(),
            Self::List(_) => "list",
            Self::Induced(_) => induced::NAME,
        }
    }

    /// Whether a text lists densities rather than naming a rule: it begins with a bracket, or has commas but no parameters.
    pub fn is_list(text: &str) -> bool {
        text.starts_with('[') || text.contains(',') && !text.contains(['(', ':'])
    }
}

impl FromStr for LayerDensities {
    type Err = Error;

    /// A rule, a list such as `[0.5, 0.1, 1]`, or `str-induced-er[2.5, 0.5, 5]`.
    fn from_str(s: &str) -> Result<Self> {
        if let Some((name, _)) = s.split_once('[').filter(|(name, _)| names::same(name.trim(), induced::NAME)) {
            return list::parse(&s[name.len()..]).map(Self::Induced);
        }
        if Self::is_list(s) { list::parse(s).map(Self::List) } else { s.parse().map(Self::Rule) }
    }
}

/// What is parsed back to the same densities.
impl fmt::Display for LayerDensities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => rule.fmt(f),
            Self::List(densities) => write!(f, "{densities:?}"),
            Self::Induced(relative) => write!(f, "{}{relative:?}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::density::{BalancedExact, Er, Erk, Pyramid, Reach, Uniform, UniformPlus};
    use crate::registry::Door;
    use proptest::prelude::*;

    fn shape() -> impl Strategy<Value = LayerShape> {
        (1..80_usize, 1..80_usize, 0..4_usize).prop_map(|(out, inp, k)| match k {
            0 => LayerShape::linear(out, inp),
            k => LayerShape::conv(out, inp, [k, k]),
        })
    }

    /// Numbers at the ends of what a double can hold, and ordinary ones.
    fn extreme() -> impl Strategy<Value = f64> {
        let ends = [0.0, -0.0, 5e-324, 1e-320, f64::MIN_POSITIVE, 1e-200, f64::EPSILON, 1.0 - f64::EPSILON, 1.0, 1e308];
        prop_oneof![prop::sample::select(ends.to_vec()), 0.0..1.0_f64, any::<u64>().prop_map(|bits| f64::from_bits(bits >> 2))]
    }

    fn all() -> impl Iterator<Item = Selected<dyn Distribution>> {
        <dyn Distribution>::registry().iter().map(Selected::new)
    }

    fn named() -> impl Strategy<Value = Selected<dyn Distribution>> {
        prop::sample::select(all().collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn densities_are_fractions_that_reach_the_target_and_grow_with_it(
            shapes in prop::collection::vec(shape(), 1..20), rule in named(), a in 1e-4..1.0_f64, b in 1e-4..1.0_f64,
        ) {
            let (low, high) = (Density::new(a.min(b)).unwrap(), Density::new(a.max(b)).unwrap());
            // Rules with a fixed layer refuse targets that this layer alone exceeds or cannot lift to the target.
            let (Ok(small), Ok(large)) = (rule.solve(&shapes, low), rule.solve(&shapes, high)) else {
                prop_assert!(["uniform_plus", "ERK_plus"].contains(&rule.name()), "{rule} refuses");
                return Ok(());
            };
            for (p, q) in small.densities.iter().zip(&large.densities) {
                prop_assert!((0.0..=1.0).contains(p), "{rule}: {p}");
                prop_assert!(*p <= q * (1.0 + 1e-9), "{rule} falls from {p} to {q}");
            }
            let ratio = small.achieved / low.get();
            match rule.reach() {
                Reach::AtMost => prop_assert!(ratio <= 1.0 + 1e-9, "{rule}: {ratio}"),
                // Its dense first layer is left out of the account from 0.2 on.
                Reach::Unpromised if low.get() >= 0.2 => prop_assert!(ratio >= 1.0 - 1e-9),
                Reach::Target | Reach::Unpromised => prop_assert!((ratio - 1.0).abs() < 1e-9, "{rule}: {ratio}"),
            }
        }

        #[test]
        fn extreme_values_are_solved_or_refused(
            layers in prop::collection::vec((shape(), extreme()), 1..40), target in extreme(), rule in named(),
        ) {
            let (shapes, given): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
            let Ok(target) = Density::new(target) else { return Ok(()) };
            let all = [LayerDensities::Rule(rule), LayerDensities::List(given.clone()), LayerDensities::Induced(given)];
            for way in all {
                match way.solve(&shapes, target) {
                    Ok(solved) => {
                        prop_assert!(solved.densities.iter().all(|p| (0.0..=1.0).contains(p)), "{way}: {:?}", solved.densities);
                        prop_assert!((0.0..=1.0 + 1e-9).contains(&solved.achieved), "{way}: {}", solved.achieved);
                        prop_assert!(solved.note.is_none_or(|note| note.value.is_finite()), "{way}");
                    }
                    Err(error) => prop_assert_eq!(error.kind(), crate::error::Kind::Usage, "{}", error),
                }
            }
        }

        #[test]
        fn a_list_at_its_own_density_is_itself(given in prop::collection::vec((shape(), 0.01..1.0_f64), 1..20)) {
            let (shapes, densities): (Vec<_>, Vec<_>) = given.into_iter().unzip();
            let own = Solution::new(&shapes, densities.clone(), None).achieved;
            let solved = LayerDensities::List(densities.clone()).solve(&shapes, Density::new(own).unwrap()).unwrap();
            for (p, q) in solved.densities.iter().zip(&densities) {
                prop_assert!((p - q).abs() < 1e-9, "{p} instead of {q}");
            }
        }
    }

    #[test]
    fn full_density_is_full_for_every_rule() {
        let shapes = [LayerShape::conv(64, 3, [3, 3]), LayerShape::conv(64, 64, [3, 3]), LayerShape::linear(10, 64)];
        for rule in all() {
            let solved = rule.solve(&shapes, Density::FULL).unwrap();
            assert_eq!((solved.densities, solved.achieved), (vec![1.0; 3], 1.0), "{rule}");
        }
    }

    #[test]
    fn rounding_just_below_full_density_does_no_harm() {
        let shapes = [LayerShape::conv(64, 3, [3, 3]), LayerShape::conv(64, 64, [3, 3]), LayerShape::linear(10, 64)];
        let nearly = Density::new(1.0 - f64::EPSILON / 2.0).unwrap();
        let rules: [&'static dyn Distribution; 4] = [&Er, &Erk, &BalancedExact, &Pyramid];
        for rule in rules.map(LayerDensities::of) {
            let solved = rule.solve(&shapes, nearly).unwrap();
            assert!(solved.densities.iter().all(|p| *p > 0.999_999 && *p <= 1.0), "{rule}: {:?}", solved.densities);
        }
    }

    #[test]
    fn a_single_layer_gets_the_target() {
        let shapes = [LayerShape::conv(8, 4, [3, 3])];
        for rule in all() {
            match rule.solve(&shapes, Density::new(0.3).unwrap()) {
                Ok(solved) => assert!((solved.densities[0] - 0.3).abs() < 1e-12, "{rule}"),
                Err(_) => assert!(["uniform_plus", "ERK_plus"].contains(&rule.name()), "{rule}"),
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
            assert_eq!(typed.parse::<LayerDensities>().unwrap().to_string(), name);
        }
        for rule in all() {
            assert_eq!(rule.to_string(), rule.name());
        }

        let list: LayerDensities = "[0.5, 0.001,1]".parse().unwrap();
        assert_eq!(list, LayerDensities::List(vec![0.5, 0.001, 1.0]));
        assert_eq!(list.to_string().parse::<LayerDensities>().unwrap(), list);
        let erk = LayerDensities::Rule(Selected::<dyn Distribution>::new(&Erk).with("power", 0.5).unwrap());
        for typed in ["ERK(power=0.5)", "erk:0.5", "fixed_ERK( 0.5 )"] {
            assert_eq!(typed.parse::<LayerDensities>().unwrap(), erk);
        }
        assert_eq!(erk.to_string(), "ERK(power=0.5)");
        assert_eq!("0.5,0.25".parse::<LayerDensities>().unwrap(), LayerDensities::List(vec![0.5, 0.25]));
        assert_eq!("STR_induced_ER[2, 0.5]".parse::<LayerDensities>().unwrap(), LayerDensities::Induced(vec![2.0, 0.5]));
        let error = "[0.5, x]".parse::<LayerDensities>().unwrap_err();
        assert_eq!(error.what(), "list of densities: \"x\" is not a number");
        let error = "balancd".parse::<LayerDensities>().unwrap_err();
        assert_eq!(error.to_string(), "unknown distribution of densities \"balancd\"\n  did you mean \"balanced\"?");
    }

    #[test]
    fn bad_parameters_are_usage_errors() {
        let shapes = [LayerShape::linear(20, 30), LayerShape::linear(10, 20)];
        let half = Density::new(0.5).unwrap();
        for (rule, part) in [
            (LayerDensities::List(vec![0.5]), "1 densities for 2 layers"),
            (LayerDensities::List(vec![0.5, 1.5]), "layer 2 is 1.5"),
            (LayerDensities::List(vec![0.0, 1.0]), "cannot reach density 0.5"),
            (LayerDensities::List(vec![1e-320, 0.0]), "a density of 1e-320 is too small to compute with"),
            (LayerDensities::Induced(vec![0.5]), "1 densities for 2 layers"),
            (LayerDensities::Induced(vec![0.5, -0.5]), "layer 2 is -0.5"),
            (LayerDensities::Induced(vec![f64::INFINITY, 0.5]), "layer 1 is inf"),
            (LayerDensities::Induced(vec![0.0, 0.0]), "all are 0"),
            (LayerDensities::of(&UniformPlus), "at least 3 layers, got 2"),
        ] {
            let error = rule.solve(&shapes, half).unwrap_err();
            assert!(error.what().contains(part), "{error}");
            assert_eq!(error.kind(), crate::error::Kind::Usage);
        }
        for (typed, part) in [
            ("ERK_plus(fc_density=0)", "got 0"),
            ("ERK(power=NaN)", "\"NaN\" is not a number"),
            ("ERK(power=-1)", "between 0 and 10, got -1"),
        ] {
            let error = typed.parse::<LayerDensities>().unwrap_err();
            assert!(error.what().contains(part), "{error}");
            assert_eq!(error.kind(), crate::error::Kind::Usage);
        }
        assert!(LayerDensities::of(&Uniform).solve(&[], half).is_err());
    }
}
