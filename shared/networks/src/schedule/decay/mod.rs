//! How a drop fraction or a density falls: one file a function.

mod constant;
mod cosine;
mod cubic;
mod inverse_power;
mod linear;

pub use constant::Constant;
pub use cosine::Cosine;
pub use cubic::Cubic;
pub use inverse_power::InversePower;
pub use linear::Linear;

use er_graphs::registry::{Door, Named, Registry, Selected};

/// A function that falls from 1 to 0 on the way from the first to the last update.
///
/// Anybody can add one (see [`registry`](er_graphs::registry)):
///
/// ```
/// use er_graphs::registry::{Door, Named, Selected};
/// use er_networks::schedule::{Decay, DropFraction};
///
/// struct Circle;
///
/// impl Named for Circle {
///     fn name(&self) -> &'static str {
///         "circle"
///     }
///     fn about(&self) -> &'static str {
///         "a quarter of a circle"
///     }
/// }
///
/// impl Decay for Circle {
///     fn left(&self, x: f64, _: &[f64]) -> f64 {
///         (1.0 - x * x).sqrt()
///     }
/// }
///
/// <dyn Decay>::registry().add(&Circle)?;
/// let fraction = DropFraction { initial: 0.5, floor: 0.1, decay: "circle".parse()?, end: 100 };
/// assert_eq!([0, 60, 100].map(|step| fraction.at(step)), [0.5, 0.1 + 0.4 * 0.8, 0.1]);
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait Decay: Named {
    /// What is left at the part x of the way, from 0 to 1. `parameters` has a value for each of [`Named::parameters`].
    fn left(&self, x: f64, parameters: &[f64]) -> f64;

    /// Whether it falls at all, so that there is a fraction that it falls to.
    fn falls(&self) -> bool {
        true
    }
}

static DECAYS: Registry<dyn Decay> = Registry::new(&[&Cosine, &Linear, &Cubic, &Constant, &InversePower]);

impl Door for dyn Decay {
    const WHAT: &'static str = "decay";

    fn registry() -> &'static Registry<Self> {
        &DECAYS
    }

    fn from_older_spelling(typed: &str) -> Option<String> {
        inverse_power::from_older_spelling(typed)
    }

    fn in_older_spelling(selected: &Selected<Self>) -> Option<String> {
        (selected.name() == InversePower.name()).then(|| format!("{}-{}", selected.name(), selected.values()[0]))
    }
}
