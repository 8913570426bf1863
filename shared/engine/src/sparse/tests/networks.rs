//! Networks, weights and batches to test with.

use rand::RngExt;

use crate::{Batch, DenseState, LayerState, ModelState};
use er_graphs::graph::{LayerShape, Mask};
use er_graphs::rng::{Purpose, stream};
use er_networks::model::{DefaultInit, Image, ModelSpec, NodeId, Op, ParamKind};

/// Edges at random; every third layer has empty rows, and layer `empty` has none at all.
pub(super) fn random_state(spec: &ModelSpec, density: f64, empty: Option<usize>, seed: u64) -> ModelState {
    let mut rng = stream(seed, Purpose::Init, 0);
    let layers = spec.layers().iter().enumerate().map(|(l, layer)| {
        let keep = |p: &usize, rng: &mut rand_chacha::ChaCha8Rng| {
            Some(l) != empty && (l % 3 != 1 || p / layer.shape.fan_in() % 4 != 2) && rng.random::<f64>() < density
        };
        let mask = Mask::from_positions(layer.shape, (0..layer.shape.weights()).filter(|p| keep(p, &mut rng)));
        let scale = (3.0 / (density * layer.shape.fan_in() as f64)).sqrt();
        let weights = (0..mask.edges()).map(|_| (rng.random_range(-1.0..1.0) * scale) as f32).collect();
        LayerState { mask, weights, slots: Vec::new() }
    });
    let layers = layers.collect();
    let dense = spec.dense_parameters().map(|p| {
        let range = if matches!(p.kind, ParamKind::Scale | ParamKind::Variance) { 0.5..1.5 } else { -0.5..0.5 };
        let values = (0..p.len()).map(|_| rng.random_range(range.clone()) as f32).collect();
        DenseState { name: p.name.clone(), values, slots: Vec::new() }
    });
    let dense = dense.collect();
    ModelState { layers, dense, steps: 0 }
}

pub(super) fn random_batch(spec: &ModelSpec, samples: usize, seed: u64) -> Batch {
    let mut rng = stream(seed, Purpose::Data, 0);
    Batch {
        images: (0..samples * spec.input().len()).map(|_| rng.random_range(-1.0..1.0)).collect(),
        labels: (0..samples).map(|_| rng.random_range(0..spec.classes() as u32)).collect(),
    }
}

/// A network under construction.
pub(super) struct Build(pub(super) ModelSpec, pub(super) NodeId, usize);

impl Build {
    pub(super) fn new(image: Image) -> Self {
        Self(ModelSpec::new("test", image, DefaultInit::KaimingNormal), 0, 0)
    }

    pub(super) fn push(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        self.2 += 1;
        self.1 = self.0.push(format!("n{}", self.2), op, inputs).unwrap();
        self.1
    }

    pub(super) fn then(mut self, op: Op) -> Self {
        let from = self.1;
        self.push(op, &[from]);
        self
    }

    /// Output channels, kernel side, stride, padding, groups, bias.
    pub(super) fn conv(self, out: usize, k: usize, stride: usize, padding: usize, groups: usize, bias: bool) -> Self {
        let from = self.0.nodes()[self.1].output.channels;
        let shape = LayerShape::conv(out, from / groups, [k, k]);
        self.then(Op::Conv { shape, stride, padding, groups, bias })
    }

    pub(super) fn linear(self, out: usize, bias: bool) -> Self {
        let shape = LayerShape::linear(out, self.0.nodes()[self.1].output.len());
        self.then(Op::Linear { shape, bias })
    }

    pub(super) fn norm(self, affine: bool) -> Self {
        self.then(Op::BatchNorm { affine })
    }

    pub(super) fn relu(self) -> Self {
        self.then(Op::Relu)
    }

    /// Adds an earlier node to the last one.
    pub(super) fn add(mut self, other: NodeId) -> Self {
        let last = self.1;
        self.push(Op::Add, &[last, other]);
        self
    }

    /// Goes on from an earlier node.
    pub(super) fn from(mut self, node: NodeId) -> Self {
        self.1 = node;
        self
    }
}

/// Networks that together use every operation in awkward shapes.
pub(super) fn networks() -> Vec<(&'static str, ModelSpec)> {
    let image = Image::new;
    let pool = |kernel, stride, padding| Op::MaxPool { kernel, stride, padding };
    let vgg = Build::new(image(3, 13, 11)).conv(8, 3, 1, 1, 1, false).norm(true).relu().then(pool(2, 2, 0));
    let vgg = vgg.conv(12, 3, 1, 1, 1, false).norm(true).relu().then(Op::GlobalAvgPool).linear(5, true).0;
    let lenet = Build::new(image(1, 12, 12)).conv(6, 5, 1, 0, 1, true).relu().then(pool(2, 2, 0)).linear(20, true);
    let lenet = lenet.relu().linear(10, true).0;
    let strided = Build::new(image(2, 9, 10)).conv(6, 3, 2, 1, 1, true).relu().conv(8, 5, 2, 2, 2, false).norm(true).relu();
    let strided = strided.conv(8, 1, 2, 0, 1, false).norm(false).linear(4, false).0;
    let thirds = Build::new(image(2, 11, 8)).conv(5, 2, 1, 0, 1, false).relu().conv(6, 4, 3, 1, 1, true).linear(3, true).0;
    let depthwise = Build::new(image(4, 8, 8)).conv(8, 3, 1, 1, 1, false).norm(true).relu().conv(8, 3, 2, 1, 8, false);
    let depthwise = depthwise.norm(true).relu().conv(6, 1, 1, 0, 2, false).norm(true).then(Op::AvgPool { kernel: 2, stride: 2 });
    let depthwise = depthwise.linear(3, true).0;
    // A residual block with an identity and one with a projection; the first also feeds a pool.
    let stem = Build::new(image(3, 16, 16)).conv(8, 3, 1, 1, 1, false).norm(true).relu();
    let trunk = stem.1;
    let block = stem.conv(8, 3, 1, 1, 1, false).norm(true).relu().conv(8, 3, 1, 1, 1, false).norm(true).add(trunk).relu();
    let trunk = block.1;
    let block = block.conv(12, 3, 2, 1, 1, false).norm(true).relu().conv(12, 3, 1, 1, 1, false).norm(true);
    let body = block.1;
    let block = block.from(trunk).conv(12, 1, 2, 0, 1, false).norm(true).add(body).relu();
    let resnet = block.then(pool(3, 2, 1)).then(Op::GlobalAvgPool).conv(7, 1, 1, 0, 1, false).0;
    // Pre-activation: additions and ReLUs that no normalisation absorbs, and a node read three times.
    let stem = Build::new(image(2, 7, 7)).conv(6, 3, 1, 1, 1, false);
    let raw = stem.1;
    let block = stem.norm(true).relu();
    let act = block.1;
    let block = block.conv(6, 3, 1, 1, 1, false).norm(true).relu().conv(6, 3, 1, 1, 1, false).add(raw);
    let sum = block.1;
    let block = block.from(act).conv(6, 1, 1, 0, 1, true).add(sum).relu().add(act);
    let wide = block.then(Op::AvgPool { kernel: 7, stride: 7 }).linear(4, true).0;
    // Rows of 34 and 17 pixels, then images so small that tiles reach across blocks.
    let small = Build::new(image(2, 5, 34)).conv(4, 3, 2, 1, 1, false).norm(true).relu().conv(5, 3, 1, 1, 1, true).relu();
    let small =
        small.then(pool(3, 4, 0)).conv(6, 3, 2, 1, 1, false).norm(true).relu().conv(4, 1, 1, 0, 1, true).linear(3, true).0;
    let tiny = Build::new(image(3, 4, 4)).conv(6, 3, 2, 1, 1, false).norm(true).relu().conv(5, 3, 1, 1, 1, true).relu();
    let tiny = tiny.conv(6, 2, 2, 0, 1, false).linear(3, true).0;
    // Summands that are the same tensor, or that one normalisation reads and adds.
    let twice = Build::new(image(2, 6, 6)).conv(5, 3, 1, 1, 1, false);
    let raw = twice.1;
    let twice = twice.norm(true).add(raw).relu();
    let sum = twice.1;
    let twice = twice.add(sum).conv(4, 3, 1, 1, 1, true);
    let raw = twice.1;
    let twice = twice.norm(true).add(raw).then(Op::GlobalAvgPool).linear(3, true).0;
    let mlp = Build::new(image(1, 1, 20)).linear(17, true).relu().linear(9, true).norm(true).relu().linear(3, true).0;
    vec![
        ("vgg", vgg),
        ("lenet", lenet),
        ("strided", strided),
        ("thirds", thirds),
        ("depthwise", depthwise),
        ("resnet", resnet),
        ("wide", wide),
        ("small", small),
        ("tiny", tiny),
        ("mlp", mlp),
        ("twice", twice),
    ]
}

/// One line a node.
pub(super) fn describe(spec: &ModelSpec) -> String {
    let lines = spec.nodes().iter().enumerate().map(|(i, n)| format!("{i}: {:?} {:?}", n.inputs, n.op));
    lines.collect::<Vec<_>>().join("\n")
}
