//! Methods of dynamic sparse training, by name.

mod published;
mod top_kast;

use er_engine::Engine;
use er_graphs::error::Result;
use er_graphs::registry::{Door, Named, Registry, Selected};
use er_networks::topology::rule::{Method, Network};

pub use published::{DENSE, STATIC};
pub use top_kast::{TopKastOptions, TopKastStepper};

use super::{Stepper, TrainingContext};

/// A method of dynamic sparse training: how edges move, and, where that is more than a rule, what makes its steps.
///
/// Anybody can add one (see [`registry`](er_graphs::registry)). RigL that drops by |w·gradient|:
///
/// ```
/// use er_graphs::registry::{Door, Named, Selected};
/// use er_networks::topology::rule::drop::Snip;
/// use er_networks::topology::rule::{Drop, Exchanging, Method};
/// use er_training::train::TrainingMethod;
///
/// struct RigLTaylor;
///
/// impl Named for RigLTaylor {
///     fn name(&self) -> &'static str {
///         "RigL-Taylor"
///     }
///     fn about(&self) -> &'static str {
///         "RigL, dropping by |w · gradient|"
///     }
/// }
///
/// impl TrainingMethod for RigLTaylor {
///     fn method(&self, _: &[f64]) -> Method {
///         let drop = Drop { by: Selected::new(&Snip), ..Exchanging::RIGL.drop };
///         Method { exchange: Some(Exchanging { drop, ..Exchanging::RIGL }), ..Method::RIGL }
///     }
/// }
///
/// <dyn TrainingMethod>::registry().add(&RigLTaylor)?;
/// let method: Selected<dyn TrainingMethod> = "rigl-taylor".parse()?;
/// assert!(method.method(&method.values()).moves());
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait TrainingMethod: Named {
    /// How edges move, unless options say otherwise. `parameters` has a value for each of [`Named::parameters`].
    fn method(&self, parameters: &[f64]) -> Method;

    /// What is trained.
    fn trains(&self) -> Trains {
        Trains::Masked
    }

    /// What makes the steps of a training whose edges do not move by [`Method::rule`]; none if they do, or stay.
    ///
    /// # Errors
    /// What is saved does not fit; those of the engine.
    fn stepper(&self, _with: &StepperParts, _engine: &mut dyn Engine) -> Result<Option<Box<dyn Stepper>>> {
        Ok(None)
    }
}

/// What a method trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trains {
    /// The network, inside a mask at some time.
    Masked,
    /// The network with all weights.
    Dense,
    /// A narrower network with all its weights.
    Narrower,
}

/// What the stepper of a method is made from.
#[derive(Debug)]
pub struct StepperParts<'a> {
    /// The method, as options have it.
    pub method: &'a Method,
    /// Its parameters.
    pub parameters: &'a [f64],
    /// Layers whose edges may move, and seeds.
    pub network: Network,
    /// Density of each layer that is asked for.
    pub densities: &'a [f64],
    /// The training.
    pub context: &'a TrainingContext<'a>,
}

static METHODS: Registry<dyn TrainingMethod> = Registry::new(published::ALL);

impl Door for dyn TrainingMethod {
    const WHAT: &'static str = "method";

    fn registry() -> &'static Registry<Self> {
        &METHODS
    }
}

/// The rule of a method, with its parameters.
pub fn method_of(selected: &Selected<dyn TrainingMethod>) -> Method {
    selected.method(&selected.values())
}

/// The rule of the method of this name, with its parameters: `RigL`, `SET`, ….
///
/// # Errors
/// A usage error for an unknown name.
pub fn method_named(name: &str) -> Result<Method> {
    name.parse().map(|selected| method_of(&selected))
}
