//! Initial masks that are more than densities of layers with random edges: one file each.
//!
//! What a distribution of the density with random edges gives is no [`MaskGenerator`] but a
//! [`Distribution`](er_graphs::density::Distribution).

mod er_flow;
mod er_ortho;
mod global_magnitude;

pub use er_flow::ErFlow;
pub use er_ortho::{ErOrtho, half_shape, mirror};
pub use global_magnitude::GlobalMagnitude;

use crate::model::ModelSpec;
use er_graphs::density::Density;
use er_graphs::error::Result;
use er_graphs::graph::{LayerShape, Mask, Sampling};
use er_graphs::registry::{Door, Named, Registry};
use er_graphs::rng::{Purpose, Stream, stream};

/// A way to draw the masks of a whole network.
///
/// Anybody can add one (see [`registry`](er_graphs::registry)). Masks in which every output has its share of the edges, at random
/// positions:
///
/// ```
/// use er_graphs::Result;
/// use er_graphs::density::Density;
/// use er_graphs::graph::{Mask, Sampling};
/// use er_graphs::registry::{Door, Named};
/// use er_networks::model::{Image, build};
/// use er_networks::topology::{FlowPreservation, LayerMasks, MaskGenerator, MaskPlan, MaskRequest};
/// use rand::seq::index;
///
/// struct Regular;
///
/// impl Named for Regular {
///     fn name(&self) -> &'static str {
///         "regular"
///     }
///     fn about(&self) -> &'static str {
///         "uniform, with as many edges into every output"
///     }
/// }
///
/// impl MaskGenerator for Regular {
///     fn draw(&self, request: &MaskRequest<'_>, _: &[f64]) -> Result<LayerMasks> {
///         let masks = request.masks(|l, shape| {
///             let (rng, fan_in) = (&mut request.stream(l), shape.fan_in());
///             let degree = (request.density.get() * fan_in as f64).round() as usize;
///             let mut mask = Mask::empty(shape);
///             for output in 0..shape.out {
///                 index::sample(rng, fan_in, degree).iter().for_each(|i| drop(mask.insert(output * fan_in + i)));
///             }
///             mask
///         });
///         Ok(request.at_one_density(masks))
///     }
/// }
///
/// <dyn MaskGenerator>::registry().add(&Regular)?;
/// let plan = MaskPlan {
///     init: "regular".parse()?,
///     law: Sampling::Exact,
///     density: Density::new(0.1)?,
///     dense_layers: vec![],
///     flow: FlowPreservation::Off,
///     seed: 1,
/// };
/// let drawn = plan.draw(&build("mlp-30-20", Image::new(1, 8, 8), 10)?, None)?;
/// assert!(drawn.masks[0].in_degrees().iter().all(|d| *d == 6));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub trait MaskGenerator: Named {
    /// Whether a model can have such masks.
    ///
    /// # Errors
    /// A usage error if not.
    fn check(&self, model: &ModelSpec) -> Result<()> {
        let _ = model;
        Ok(())
    }

    /// What the masks have to do with the first weights.
    fn weights(&self) -> MaskWeights {
        MaskWeights::Unread
    }

    /// The masks of a model that [`MaskGenerator::check`] lets pass. `parameters` has a value for each of [`Named::parameters`].
    /// A layer's mask should depend on nothing but the request and the layer's index: draw from [`MaskRequest::stream`].
    ///
    /// # Errors
    /// A usage error if there are no such masks.
    fn draw(&self, request: &MaskRequest<'_>, parameters: &[f64]) -> Result<LayerMasks>;
}

/// What masks have to do with the first weights of a network.
#[derive(Debug, Clone, Copy)]
pub enum MaskWeights {
    /// Nothing: weights are drawn after the masks, on their edges.
    Unread,
    /// Masks are chosen by weights that are drawn before ([`MaskRequest::weights`]), and these stay on the edges.
    Read,
    /// They come with the masks.
    Bring(OwnWeights),
}

/// Weights for the masks of a model: one vector a layer in edge order, from the masks, the densities requested of the layers, and
/// the seed.
pub type OwnWeights = fn(&ModelSpec, &[Mask], &[f64], u64) -> Vec<Vec<f32>>;

/// Which masks are asked for. What has an entry a layer has it in definition order.
#[derive(Debug, Clone, Copy)]
pub struct MaskRequest<'a> {
    /// The network.
    pub model: &'a ModelSpec,
    /// Target over the layers that are not dense.
    pub density: Density,
    /// Layers that keep all edges and are outside the density.
    pub dense: &'a [bool],
    /// How edges are drawn from a layer's density, where that leaves a choice.
    pub law: Sampling,
    /// Seed of all random decisions.
    pub seed: u64,
    /// All weights of every layer, before masks, for a generator whose [`MaskGenerator::weights`] is [`MaskWeights::Read`].
    pub weights: &'a [Vec<f32>],
}

/// The masks of a network. Both have one entry a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerMasks {
    /// Which edges there are; all of them in a dense layer.
    pub masks: Vec<Mask>,
    /// Density that was asked of the layer, by which first weights may be scaled; 1 for a dense one.
    pub densities: Vec<f64>,
}

impl MaskRequest<'_> {
    /// Shapes of the layers.
    pub fn shapes(&self) -> impl Iterator<Item = LayerShape> + '_ {
        self.model.layers().iter().map(|l| l.shape)
    }

    /// The stream of random numbers of a layer.
    pub fn stream(&self, layer: usize) -> Stream {
        stream(self.seed, Purpose::Mask, layer as u64)
    }

    /// Full masks of dense layers, and what `of_sparse` gives for index and shape of the others, in their order.
    pub fn masks(&self, mut of_sparse: impl FnMut(usize, LayerShape) -> Mask) -> Vec<Mask> {
        let layers = self.shapes().zip(self.dense).enumerate();
        layers.map(|(l, (shape, dense))| if *dense { Mask::full(shape) } else { of_sparse(l, shape) }).collect()
    }

    /// These masks, where the target was asked of every layer that is not dense.
    pub fn at_one_density(&self, masks: Vec<Mask>) -> LayerMasks {
        let densities = self.dense.iter().map(|dense| if *dense { 1.0 } else { self.density.get() });
        LayerMasks { masks, densities: densities.collect() }
    }
}

static GENERATORS: Registry<dyn MaskGenerator> = Registry::new(&[&ErFlow, &GlobalMagnitude, &ErOrtho]);

impl Door for dyn MaskGenerator {
    const WHAT: &'static str = "initial mask";

    fn registry() -> &'static Registry<Self> {
        &GENERATORS
    }
}
