//! Drawing the initial masks of a network.

use super::masks::{LayerMasks, MaskRequest, MaskWeights};
use super::{Repair, SparseInit, preserve};
use crate::model::ModelSpec;
use er_graphs::density::{Constant, Density};
use er_graphs::error::{Error, Result};
use er_graphs::graph::{LayerShape, Mask, Sampling, sample};
use er_graphs::rng::{Purpose, stream};
use serde::{Deserialize, Serialize};

/// Whether isolated units get an edge after the masks are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowPreservation {
    /// No.
    #[default]
    Off,
    /// Yes; the density grows.
    On,
    /// Yes, and as many other edges go, wherever a mask with that number of edges exists.
    KeepDensity,
}

/// Everything that decides the initial masks.
///
/// Dense layers (those listed, and every depthwise convolution) have full masks and are outside the distribution: `density` is
/// that of the other layers together.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPlan {
    /// Where the edges come from.
    pub init: SparseInit,
    /// How edges are drawn from a layer's density. Some [`MaskGenerator`](super::MaskGenerator)s have exact counts by definition.
    pub law: Sampling,
    /// Target over the layers that are not dense.
    pub density: Density,
    /// Layers that stay dense, as indices into [`ModelSpec::layers`].
    pub dense_layers: Vec<usize>,
    /// Repair of isolated units.
    pub flow: FlowPreservation,
    /// Seed of all random decisions. Layer l draws its edges from stream `(seed, Mask, l)` and its repairs from
    /// `(seed, Growth, l)`, which is that of step 0.
    pub seed: u64,
}

/// Masks drawn from a plan. All vectors have one entry per layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The masks, after flow preservation.
    pub masks: Vec<Mask>,
    /// Density that the plan's rule gives the layer; 1 for a dense one.
    pub densities_requested: Vec<f64>,
    /// Layers that are full, unless a file has other masks, and outside the density.
    pub dense: Vec<bool>,
    /// What flow preservation did.
    pub repairs: Vec<Repair>,
    /// Target over the layers that are not dense.
    pub requested: Density,
    /// Constant that the distribution solved for, where there is one.
    pub note: Option<Constant>,
}

impl Drawn {
    /// Kept fraction of the weights of all layers that are not dense, after flow preservation.
    pub fn achieved(&self) -> f64 {
        let sparse = || self.masks.iter().zip(&self.dense).filter(|(_, dense)| !**dense).map(|(mask, _)| mask);
        let edges: usize = sparse().map(Mask::edges).sum();
        edges as f64 / sparse().map(|m| m.shape().weights()).sum::<usize>() as f64
    }
}

impl MaskPlan {
    /// Independent edges, no dense layers, no flow preservation, seed 1.
    #[must_use]
    pub fn new(init: SparseInit, density: Density) -> Self {
        Self { init, law: Sampling::Bernoulli, density, dense_layers: Vec::new(), flow: FlowPreservation::Off, seed: 1 }
    }

    /// Checks, without drawing, that [`MaskPlan::draw`] will give masks of this model.
    ///
    /// # Errors
    /// The usage errors of [`MaskPlan::draw`], but for missing weights.
    ///
    /// # Panics
    /// If a dense layer does not exist.
    pub fn check(&self, model: &ModelSpec) -> Result<()> {
        let dense = self.dense(model)?;
        match &self.init {
            SparseInit::Densities(densities) => {
                let layers = model.layers().iter().zip(&dense).filter(|(_, dense)| !**dense);
                densities.solve(&layers.map(|(l, _)| l.shape).collect::<Vec<_>>(), self.density).map(|_| ())
            }
            SparseInit::Generator(generator) => generator.check(model),
            SparseInit::File(_) => Ok(()),
            SparseInit::ByName(_) => Err(unordered()),
        }
    }

    /// Whether each layer is full and outside the distribution.
    fn dense(&self, model: &ModelSpec) -> Result<Vec<bool>> {
        let layers = model.layers();
        let mut dense: Vec<bool> = layers.iter().map(|l| l.depthwise).collect();
        for l in &self.dense_layers {
            dense[*l] = true;
        }
        if dense.iter().all(|d| *d) {
            return Err(Error::usage(format!("all {} layers of {} are dense: none is left to mask", layers.len(), model.name()))
                .help("name fewer dense layers, or train without sparsity"));
        }
        Ok(dense)
    }

    /// Draws the masks of a model. The same plan gives the same masks on every machine. `weights` holds the initial weights of
    /// every layer, for masks that read them ([`MaskWeights::Read`]).
    ///
    /// # Errors
    /// A usage error if no layer is left to mask, if the distribution cannot reach the density, or if the kind of mask does not
    /// fit the model, lacks its weights or is that of a file ([`MaskPlan::given`]).
    ///
    /// # Panics
    /// If a dense layer does not exist or weights do not fit the model.
    pub fn draw(&self, model: &ModelSpec, weights: Option<&[Vec<f32>]>) -> Result<Drawn> {
        let layers = model.layers();
        let dense = self.dense(model)?;
        let (LayerMasks { mut masks, densities }, note) = self.sample(model, &dense, weights)?;
        let mut repairs = vec![Repair::default(); layers.len()];
        if self.flow != FlowPreservation::Off {
            for (l, mask) in masks.iter_mut().enumerate() {
                let rng = &mut stream(self.seed, Purpose::Growth, l as u64);
                repairs[l] = preserve(mask, layers[l].groups, self.flow == FlowPreservation::KeepDensity, rng);
            }
        }
        Ok(Drawn { masks, densities_requested: densities, dense, repairs, requested: self.density, note })
    }

    /// Masks that were not drawn but come from a file ([`SparseInit::File`]): every layer asks for what it has.
    ///
    /// # Errors
    /// A usage error if all layers of the model are dense.
    ///
    /// # Panics
    /// If a dense layer does not exist.
    pub fn given(&self, model: &ModelSpec, masks: Vec<Mask>) -> Result<Drawn> {
        let dense = self.dense(model)?;
        let repairs = vec![Repair::default(); masks.len()];
        let densities_requested = masks.iter().map(Mask::density).collect();
        Ok(Drawn { masks, densities_requested, dense, repairs, requested: self.density, note: None })
    }

    /// Masks before flow preservation, and the constant of the distribution.
    fn sample(&self, model: &ModelSpec, dense: &[bool], weights: Option<&[Vec<f32>]>) -> Result<(LayerMasks, Option<Constant>)> {
        let request = MaskRequest {
            model,
            density: self.density,
            dense,
            law: self.law,
            seed: self.seed,
            weights: weights.unwrap_or_default(),
        };
        match &self.init {
            SparseInit::Densities(densities) => {
                let shapes: Vec<LayerShape> = request.shapes().zip(dense).filter(|(_, dense)| !**dense).map(|(s, _)| s).collect();
                let solution = densities.solve(&shapes, self.density)?;
                let mut solved = solution.densities.into_iter();
                let densities: Vec<f64> =
                    dense.iter().map(|dense| if *dense { 1.0 } else { solved.next().unwrap_or_default() }).collect();
                let masks = request.masks(|l, shape| sample(shape, densities[l], self.law, &mut request.stream(l)));
                Ok((LayerMasks { masks, densities }, solution.note))
            }
            SparseInit::Generator(generator) => {
                generator.check(model)?;
                let name = generator.name();
                if matches!(generator.weights(), MaskWeights::Read) && weights.is_none() {
                    return Err(Error::usage(format!("initial mask {name} needs the initial weights, and there are none here"))
                        .help("choose a mask that is drawn at random, such as ERK"));
                }
                let drawn = generator.draw(&request, &generator.values())?;
                let shapes = drawn.masks.iter().map(Mask::shape);
                assert!(
                    shapes.eq(request.shapes()) && drawn.densities.len() == dense.len(),
                    "initial mask {name}: one mask a layer"
                );
                Ok((drawn, None))
            }
            SparseInit::File(path) => {
                Err(Error::usage(format!("the masks of {} come from the file, and it was not read here", path.display()))
                    .help("choose a mask that is drawn at random, such as ERK"))
            }
            SparseInit::ByName(_) => Err(unordered()),
        }
    }
}

fn unordered() -> Error {
    Error::usage("densities by name were not put in the order of the layers").help("give them as a list, a density a layer")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{DefaultInit, Image, NodeId, Op};
    use crate::topology::{ErFlow, ErOrtho, GlobalMagnitude, MaskGenerator, half_shape};
    use er_graphs::density::{Erk, LayerDensities, Pyramid, Uniform};
    use er_graphs::graph::Csr;
    use er_graphs::registry::Selected;

    fn conv(model: &mut ModelSpec, name: &str, shape: LayerShape, groups: usize, from: NodeId) -> NodeId {
        let op = Op::Conv { shape, stride: 1, padding: shape.kernel[0] / 2, groups, bias: false };
        model.push(name, op, &[from]).unwrap()
    }

    fn linear(model: &mut ModelSpec, name: &str, out: usize, from: NodeId) -> NodeId {
        let inp = model.nodes()[from].output.len();
        model.push(name, Op::Linear { shape: LayerShape::linear(out, inp), bias: true }, &[from]).unwrap()
    }

    fn pool(model: &mut ModelSpec, from: NodeId) -> NodeId {
        model.push(format!("pool{from}"), Op::MaxPool { kernel: 2, stride: 2, padding: 0 }, &[from]).unwrap()
    }

    /// Three convolutions and a classifier that reads 2×2 maps.
    pub(in crate::topology) fn chain() -> ModelSpec {
        let mut m = ModelSpec::new("chain", Image::new(3, 8, 8), DefaultInit::FanInUniform);
        let mut x = conv(&mut m, "features.0", LayerShape::conv(16, 3, [3, 3]), 1, 0);
        x = m.push("features.1", Op::Relu, &[x]).unwrap();
        x = conv(&mut m, "features.2", LayerShape::conv(24, 16, [3, 3]), 1, x);
        x = pool(&mut m, x);
        x = conv(&mut m, "features.4", LayerShape::conv(20, 24, [3, 3]), 1, x);
        x = pool(&mut m, x);
        linear(&mut m, "classifier", 10, x);
        m
    }

    /// A shortcut around one convolution, then a depthwise and a pointwise one.
    fn branched() -> ModelSpec {
        let mut m = ModelSpec::new("branched", Image::new(3, 4, 4), DefaultInit::FanInUniform);
        let stem = conv(&mut m, "stem", LayerShape::conv(12, 3, [3, 3]), 1, 0);
        let x = conv(&mut m, "block", LayerShape::conv(12, 12, [3, 3]), 1, stem);
        let x = m.push("add", Op::Add, &[x, stem]).unwrap();
        let x = conv(&mut m, "depthwise", LayerShape::conv(12, 1, [3, 3]), 12, x);
        let x = conv(&mut m, "grouped", LayerShape::conv(24, 6, [1, 1]), 2, x);
        let x = m.push("pool", Op::GlobalAvgPool, &[x]).unwrap();
        linear(&mut m, "fc", 5, x);
        m
    }

    fn plan(init: SparseInit, density: f64) -> MaskPlan {
        MaskPlan {
            init,
            law: Sampling::Bernoulli,
            density: Density::new(density).unwrap(),
            dense_layers: Vec::new(),
            flow: FlowPreservation::Off,
            seed: 17,
        }
    }

    fn by(generator: &'static dyn MaskGenerator) -> SparseInit {
        SparseInit::Generator(Selected::new(generator))
    }

    fn initial_weights(model: &ModelSpec) -> Vec<Vec<f32>> {
        // Residues of a multiplication: scattered, with signs and without randomness.
        let value = |k: usize| (k * 7919 % 10_007) as f32 - 5000.0;
        model.layers().iter().map(|l| (0..l.shape.weights()).map(|k| value(k + l.shape.out)).collect()).collect()
    }

    fn isolated(mask: &Mask, groups: usize) -> bool {
        let csr = Csr::new(mask, groups);
        (0..csr.outputs()).any(|o| csr.output(o).is_empty()) || (0..csr.inputs()).any(|i| csr.input(i).is_empty())
    }

    #[test]
    fn dense_layers_are_full_and_outside_the_target() {
        let model = branched();
        let weights = initial_weights(&model);
        for name in SparseInit::named().map(er_graphs::registry::Named::name).filter(|name| *name != "ER_flow") {
            let plan = MaskPlan { dense_layers: vec![1], law: Sampling::Exact, ..plan(name.parse().unwrap(), 0.4) };
            let drawn = plan.draw(&model, Some(&weights)).unwrap();
            assert_eq!(drawn.dense, [false, true, true, false, false], "{name}");
            for (l, layer) in model.layers().iter().enumerate() {
                assert_eq!(drawn.masks[l].shape(), layer.shape);
                if drawn.dense[l] {
                    assert_eq!((drawn.masks[l].clone(), drawn.densities_requested[l]), (Mask::full(layer.shape), 1.0), "{name}");
                }
            }
            let n: f64 = [0, 3, 4].iter().map(|l| model.layers()[*l].shape.weights() as f64).sum();
            let expected: f64 =
                [0, 3, 4].iter().map(|l: &usize| model.layers()[*l].shape.weights() as f64 * drawn.densities_requested[*l]).sum();
            // Rounding in each layer; four times that where a half is mirrored.
            assert!((drawn.achieved() * n - expected).abs() <= 6.0, "{name}: {} of {expected}", drawn.achieved() * n);
        }
    }

    #[test]
    fn layers_draw_from_their_own_streams() {
        let model = chain();
        let uniform = plan(SparseInit::Densities(LayerDensities::of(&Uniform)), 0.2);
        let all = uniform.draw(&model, None).unwrap();
        assert_eq!(all, uniform.draw(&model, None).unwrap());
        let some = MaskPlan { dense_layers: vec![0, 2], ..uniform.clone() }.draw(&model, None).unwrap();
        assert_eq!((&all.masks[1], &all.masks[3]), (&some.masks[1], &some.masks[3]));
        let alone = sample(model.layers()[3].shape, 0.2, Sampling::Bernoulli, &mut stream(17, Purpose::Mask, 3));
        assert_eq!(all.masks[3], alone);
        assert_ne!(MaskPlan { seed: 18, ..uniform }.draw(&model, None).unwrap().masks[3], alone);
    }

    #[test]
    fn flow_preservation_leaves_no_isolated_unit() {
        for (model, dense_layers) in [(chain(), vec![]), (branched(), vec![1])] {
            let off = MaskPlan { dense_layers, ..plan(SparseInit::Densities(LayerDensities::of(&Pyramid)), 0.05) };
            let before = off.draw(&model, None).unwrap();
            assert!(before.repairs.iter().all(|r| *r == Repair::default()));
            for flow in [FlowPreservation::On, FlowPreservation::KeepDensity] {
                let after = MaskPlan { flow, ..off.clone() }.draw(&model, None).unwrap();
                for (l, layer) in model.layers().iter().enumerate() {
                    assert!(!isolated(&after.masks[l], layer.groups), "{}", layer.name);
                    let Repair { added, removed, .. } = after.repairs[l];
                    assert_eq!(after.masks[l].edges() + removed, before.masks[l].edges() + added);
                    assert!(flow == FlowPreservation::KeepDensity || before.masks[l].iter().all(|p| after.masks[l].contains(p)));
                }
                assert!(after.repairs.iter().any(|r| r.added > 0));
            }
        }
    }

    #[test]
    fn er_flow_starts_edges_only_at_fed_units() {
        let model = chain();
        for (density, dense_layers) in [(0.02, vec![]), (0.004, vec![]), (0.01, vec![1]), (0.5, vec![])] {
            let drawn = MaskPlan { dense_layers, ..plan(by(&ErFlow), density) }.draw(&model, None).unwrap();
            let mut unfed = 0;
            for (l, layer) in model.layers().iter().enumerate() {
                let shape = layer.shape;
                let available = if l == 0 {
                    shape.weights()
                } else {
                    // The classifier reads 2×2 maps: four features a channel.
                    let per_channel = if l == 3 { 4 } else { 1 };
                    let before = drawn.masks[l - 1].in_degrees();
                    let fed = |i: usize| before[i / per_channel] > 0;
                    unfed += (0..shape.inp).filter(|i| !fed(*i)).count();
                    if !drawn.dense[l] {
                        assert!(drawn.masks[l].iter().all(|p| fed(p % shape.fan_in() / shape.taps())), "{}", layer.name);
                    }
                    (0..shape.inp).filter(|i| fed(*i)).count() * shape.taps() * shape.out
                };
                let count = ((density * shape.weights() as f64) as usize).min(available);
                assert_eq!(drawn.masks[l].edges(), if drawn.dense[l] { shape.weights() } else { count });
            }
            assert_eq!(unfed > 0, density < 0.5, "the case must have unfed units");
        }
    }

    #[test]
    fn er_flow_refuses_what_is_no_chain() {
        let error = plan(by(&ErFlow), 0.1).draw(&branched(), None).unwrap_err();
        assert_eq!(
            error.what(),
            "initial mask ER_flow needs a plain chain of layers, and branched is none: it adds two branches at add"
        );
        assert_eq!(error.kind(), er_graphs::error::Kind::Usage);
    }

    #[test]
    fn er_ortho_masks_are_mirrored() {
        let model = chain();
        let drawn = plan(by(&ErOrtho), 0.3).draw(&model, None).unwrap();
        for (l, mask) in drawn.masks.iter().enumerate() {
            let (shape, half) = (mask.shape(), half_shape(mask.shape(), l == 0));
            for p in 0..shape.weights() {
                let (o, i, tap) = (p / shape.fan_in(), p % shape.fan_in() / shape.taps(), p % shape.taps());
                assert_eq!(mask.contains(p), mask.contains((o % half.out * shape.inp + i % half.inp) * shape.taps() + tap));
            }
            // Every drawn edge occurs up to four times.
            let sd = 4.0 * (half.weights() as f64 * 0.3 * 0.7).sqrt();
            assert!((mask.edges() as f64 - 0.3 * shape.weights() as f64).abs() <= 5.0 * sd);
        }
    }

    #[test]
    fn global_magnitude_keeps_the_exact_number_of_largest_weights() {
        let model = chain();
        let weights = initial_weights(&model);
        let plan = MaskPlan { dense_layers: vec![0], ..plan(by(&GlobalMagnitude), 0.1) };
        let drawn = plan.draw(&model, Some(&weights)).unwrap();
        let total: usize = model.layers()[1..].iter().map(|l| l.shape.weights()).sum();
        assert_eq!(drawn.masks[1..].iter().map(Mask::edges).sum::<usize>(), total / 10);
        let split = |kept: bool| -> Vec<f32> {
            (1..4)
                .flat_map(|l| {
                    (0..weights[l].len())
                        .filter(|p| drawn.masks[l].contains(*p) == kept)
                        .map(|p| weights[l][p].abs())
                        .collect::<Vec<_>>()
                })
                .collect()
        };
        let least = split(true).into_iter().fold(f32::MAX, f32::min);
        assert!(split(false).into_iter().all(|w| w <= least));
        let error = plan.draw(&model, None).unwrap_err();
        assert!(error.what().contains("global_magnitude needs the initial weights"), "{error}");
    }

    #[test]
    fn given_masks_are_taken_as_they_are() {
        let model = branched();
        let masks: Vec<Mask> =
            model.layers().iter().map(|l| Mask::from_positions(l.shape, (0..l.shape.weights()).step_by(2))).collect();
        let drawn = plan(SparseInit::File("x.safetensors".into()), 0.5).given(&model, masks.clone()).unwrap();
        assert_eq!(drawn.masks, masks);
        // Depthwise layers are outside the density, whatever their masks.
        assert_eq!(drawn.dense, [false, false, true, false, false]);
        assert_eq!(drawn.densities_requested, masks.iter().map(Mask::density).collect::<Vec<_>>());
        let text = crate::topology::DensityReport::new(&model, &drawn).to_string();
        assert!(!text.lines().any(|l| l.starts_with("depthwise") && l.contains("dense")), "{text}");
    }

    #[test]
    fn impossible_plans_are_usage_errors() {
        let erk = plan(SparseInit::Densities(LayerDensities::of(&Erk)), 0.1);
        let error = MaskPlan { dense_layers: vec![0, 1, 2, 3], ..erk }.draw(&chain(), None).unwrap_err();
        assert_eq!(error.what(), "all 4 layers of chain are dense: none is left to mask");
        let list = plan(SparseInit::Densities(LayerDensities::List(vec![0.5; 3])), 0.1);
        assert!(list.draw(&chain(), None).unwrap_err().what().contains("3 densities for 4 layers"));
        assert!(MaskPlan { dense_layers: vec![0], ..list }.draw(&chain(), None).is_ok());
    }
}
