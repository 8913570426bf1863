//! Which edges come, and what they begin with.

use std::fmt;
use std::str::FromStr;

use rand::seq::index;
use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::{Momentum, Real};
use crate::score;
use er_graphs::error::{Error, Result};
use er_graphs::graph::Mask;
use er_graphs::names::{self, Choice};

/// Which edges come, among the positions of a layer that have none, those just dropped included. The number is always exact;
/// among equal scores those at lower positions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grow {
    /// Any, each set of positions equally likely (SET).
    Random,
    /// Any that never had an edge before the others.
    RandomUnfired,
    /// Those with the largest |gradient| (RigL).
    Gradient,
    /// Those with the largest |velocity|, for which velocities are kept of all weights (SNFS).
    Momentum,
    /// As momentum, after the edges are divided among the output units by their mean |velocity| (Dettmers and Zettlemoyer's
    /// code); units with a share below ten get none of their own.
    MomentumNeuron,
}

impl Grow {
    /// All ways with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Random, name: "random", aliases: &[], about: "any" },
        Choice { value: Self::RandomUnfired, name: "random_unfired", aliases: &[], about: "any, those never active first" },
        Choice { value: Self::Gradient, name: "gradient", aliases: &["absolute-gradient"], about: "the largest gradients" },
        Choice { value: Self::Momentum, name: "momentum", aliases: &[], about: "the largest velocities" },
        Choice {
            value: Self::MomentumNeuron,
            name: "momentum_neuron",
            aliases: &[],
            about: "the largest velocities, divided among the units",
        },
    ];

    /// Whether an update's gradient of all weights is needed.
    #[must_use]
    pub fn reads_gradient(self) -> bool {
        self == Self::Gradient
    }

    /// Whether velocities of all weights are needed.
    #[must_use]
    pub fn reads_momentum(self) -> bool {
        matches!(self, Self::Momentum | Self::MomentumNeuron)
    }

    /// `count` positions outside `kept`, ascending; all of them if there are no more.
    pub(super) fn positions<T: Real>(self, kept: &Mask, count: usize, from: &Sources<T>, rng: &mut impl Rng) -> Vec<usize> {
        let count = count.min(kept.shape().weights() - kept.edges());
        match self {
            Self::Random => random(&missing(kept).collect::<Vec<_>>(), count, rng),
            Self::RandomUnfired => {
                let (fired, unfired): (Vec<usize>, Vec<usize>) = missing(kept).partition(|p| from.ever.contains(*p));
                let first = count.min(unfired.len());
                let mut all = random(&unfired, first, rng);
                all.extend(random(&fired, count - first, rng));
                all.sort_unstable();
                all
            }
            Self::Gradient => largest(kept, count, |p| from.gradient[p].into().abs()),
            Self::Momentum => largest(kept, count, |p| from.momentum.score(p)),
            Self::MomentumNeuron => by_unit(kept, count, from),
        }
    }
}

names::named!(Grow, "growth");

/// What growth may read of a layer.
pub(super) struct Sources<'a, T> {
    /// Of every weight, if it was asked for.
    pub(super) gradient: &'a [T],
    pub(super) momentum: &'a Momentum<T>,
    /// Positions that have had an edge.
    pub(super) ever: &'a Mask,
}

fn missing(mask: &Mask) -> impl Iterator<Item = usize> + Clone + '_ {
    (0..mask.shape().weights()).filter(|p| !mask.contains(*p))
}

fn random(from: &[usize], count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut chosen: Vec<usize> = index::sample(rng, from.len(), count).into_iter().map(|i| from[i]).collect();
    chosen.sort_unstable();
    chosen
}

fn largest(kept: &Mask, count: usize, score: impl Fn(usize) -> f64) -> Vec<usize> {
    best(missing(kept), count, &score)
}

/// The positions of the largest scores.
fn best(positions: impl Iterator<Item = usize> + Clone, count: usize, score: &impl Fn(usize) -> f64) -> Vec<usize> {
    let marks = score::largest(positions.clone().map(score), count);
    positions.zip(marks).filter(|(_, marked)| *marked).map(|(p, _)| p).collect()
}

/// Units whose share is smaller grow nothing on their own.
const LEAST_SHARE: usize = 10;

fn by_unit<T: Real>(kept: &Mask, count: usize, from: &Sources<T>) -> Vec<usize> {
    let shape = kept.shape();
    let fan_in = shape.fan_in();
    let of_unit = |unit: usize| unit * fan_in..(unit + 1) * fan_in;
    let means: Vec<f64> = (0..shape.out).map(|u| of_unit(u).map(|p| from.momentum.score(p)).sum::<f64>()).collect();
    let total: f64 = means.iter().sum();
    let mut mask = kept.clone();
    for (unit, mean) in means.iter().enumerate().filter(|_| total > 0.0) {
        let free: Vec<usize> = of_unit(unit).filter(|p| !kept.contains(*p)).collect();
        let share = ((mean / total * count as f64) as usize).min(free.len());
        if share >= LEAST_SHARE {
            for p in best(free.iter().copied(), share, &|p| from.momentum.score(p)) {
                mask.insert(p);
            }
        }
    }
    // What the units did not take goes to the largest anywhere, so that the number is exact.
    let left = count - (mask.edges() - kept.edges());
    for p in largest(&mask, left, |p| from.momentum.score(p)) {
        mask.insert(p);
    }
    mask.iter().filter(|p| !kept.contains(*p)).collect()
}

/// What the weights of edges that come begin with; a divisor scales it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GrownValue {
    /// 0.
    Zero,
    /// N(0, σ) / d with the standard deviation σ of the layer's weights.
    Normal(f64),
    /// U(−a, a) / d with the mean a of the layer's |w|.
    Uniform(f64),
    /// gradient / d.
    Gradient(f64),
    /// sign(gradient) / d.
    GradientSign(f64),
}

/// A value with divisor 1.
type Of = fn(f64) -> GrownValue;

impl GrownValue {
    const NAMES: [(&'static str, Of); 4] = [
        ("random_normal", Self::Normal),
        ("random_uniform", Self::Uniform),
        ("grad_scale", Self::Gradient),
        ("grad_sign", Self::GradientSign),
    ];

    /// Whether the gradient of all weights is needed.
    #[must_use]
    pub fn reads_gradient(self) -> bool {
        matches!(self, Self::Gradient(_) | Self::GradientSign(_))
    }

    /// Values for edges at `positions` of a layer with these weights.
    pub(super) fn draw<T: Real>(self, positions: &[usize], weights: &[T], gradient: &[T], rng: &mut impl Rng) -> Vec<T> {
        let n = weights.len().max(1) as f64;
        let mean = |f: &dyn Fn(f64) -> f64| weights.iter().map(|w| f((*w).into())).sum::<f64>() / n;
        let each = |f: &mut dyn FnMut(usize) -> f64| positions.iter().map(|p| T::nearest(f(*p))).collect();
        match self {
            Self::Zero => vec![T::default(); positions.len()],
            Self::Normal(d) => {
                let centre = mean(&|w| w);
                let deviation = mean(&|w| (w - centre) * (w - centre)).sqrt();
                each(&mut |_| rng.sample::<f64, _>(StandardNormal) * deviation / d)
            }
            Self::Uniform(d) => {
                let most = mean(&f64::abs);
                each(&mut |_| (2.0 * rng.random::<f64>() - 1.0) * most / d)
            }
            Self::Gradient(d) => each(&mut |p| gradient[p].into() / d),
            Self::GradientSign(d) => each(&mut |p| {
                let g: f64 = gradient[p].into();
                if g == 0.0 { 0.0 } else { g.signum() / d }
            }),
        }
    }
}

impl FromStr for GrownValue {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self> {
        let typed = s.to_lowercase().replace('-', "_");
        if typed == "zeros" || typed == "zero" {
            return Ok(Self::Zero);
        }
        let found = Self::NAMES.iter().find_map(|(name, of)| {
            let rest = typed.strip_prefix(name)?;
            let divisor = if rest.is_empty() { Some(1.0) } else { rest.strip_prefix('_')?.parse().ok() };
            divisor.filter(|d: &f64| d.is_finite() && *d > 0.0).map(of)
        });
        found.ok_or_else(|| {
            Error::usage(format!("unknown value of grown edges \"{s}\"")).help(
                "choose zeros, random_normal, random_uniform, grad_scale or grad_sign; the last four with an optional divisor, such as grad_scale_10",
            )
        })
    }
}

impl fmt::Display for GrownValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, divisor) = match self {
            Self::Zero => return f.write_str("zeros"),
            Self::Normal(d) => ("random_normal", d),
            Self::Uniform(d) => ("random_uniform", d),
            Self::Gradient(d) => ("grad_scale", d),
            Self::GradientSign(d) => ("grad_sign", d),
        };
        if (divisor - 1.0).abs() < f64::EPSILON { f.write_str(name) } else { write!(f, "{name}_{divisor}") }
    }
}
