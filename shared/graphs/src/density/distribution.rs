//! What a distribution is, and all that are built in.

use super::{
    Balanced, BalancedExact, BalancedGreedy, Density, Er, Erk, ErkClipped, ErkPlus, Pyramid, Solution, Uniform, UniformPlus,
};
use crate::error::{Error, Result};
use crate::graph::LayerShape;
use crate::registry::{Door, Named, Registry, Selected};

/// A rule that divides an overall density among layers.
///
/// Anybody can add one: see [`registry`](crate::registry).
pub trait Distribution: Named {
    /// Densities in \[0, 1\] of layers of these shapes, in definition order, for a target d. `parameters` has a value for each of
    /// [`Named::parameters`], in its range. There is at least one layer, 0 < d < 1, and [`Distribution::check`] found nothing.
    ///
    /// # Errors
    /// A usage error if no densities of this kind reach the target.
    fn solve(&self, shapes: &[LayerShape], d: f64, parameters: &[f64]) -> Result<Solution>;

    /// Whether so many layers can be divided among at all, whatever the density.
    ///
    /// # Errors
    /// A usage error if not.
    fn check(&self, layers: usize) -> Result<()> {
        let _ = layers;
        Ok(())
    }

    /// What is promised of [`Solution::achieved`].
    fn reach(&self) -> Reach {
        Reach::Target
    }
}

/// What a distribution promises of the overall density that it achieves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is the target.
    Target,
    /// It is at most the target.
    AtMost,
    /// Nothing.
    Unpromised,
}

static DISTRIBUTIONS: Registry<dyn Distribution> = Registry::new(&[
    &Erk,
    &Er,
    &Uniform,
    &Balanced,
    &BalancedExact,
    &BalancedGreedy,
    &Pyramid,
    &ErkClipped,
    &UniformPlus,
    &ErkPlus,
]);

impl Door for dyn Distribution {
    const WHAT: &'static str = "distribution of densities";

    fn registry() -> &'static Registry<Self> {
        &DISTRIBUTIONS
    }
}

impl Selected<dyn Distribution> {
    /// Densities of layers of these shapes for an overall target. Density 1 gives 1 everywhere.
    ///
    /// # Errors
    /// A usage error if there are no layers, or if no densities of this kind reach the target; a failure if what the rule gives is
    /// not a density for each layer.
    pub fn solve(&self, shapes: &[LayerShape], target: Density) -> Result<Solution> {
        solved(self, shapes, target, |layers| self.check(layers), |d| (**self).solve(shapes, d, &self.values()))
    }
}

/// What all ways to divide a density have in common: what is asked of them, and that what they give are densities. `name` is for messages.
pub(super) fn solved(
    name: &dyn std::fmt::Display,
    shapes: &[LayerShape],
    target: Density,
    check: impl Fn(usize) -> Result<()>,
    solve: impl Fn(f64) -> Result<Solution>,
) -> Result<Solution> {
    if shapes.is_empty() {
        return Err(Error::usage(format!("no layer is left to which density {target} could apply")));
    }
    check(shapes.len())?;
    if target == Density::FULL {
        return Ok(Solution::new(shapes, vec![1.0; shapes.len()], None));
    }
    let solution = solve(target.get())?;
    let found = &solution.densities;
    match found.iter().position(|p| !(0.0..=1.0).contains(p)) {
        None if found.len() == shapes.len() => Ok(solution),
        None => Err(Error::failure(format!("{name} gave {} densities for {} layers", found.len(), shapes.len()))),
        Some(l) => Err(Error::failure(format!("{name} gave layer {} the density {:?}", l + 1, found[l]))),
    }
}
