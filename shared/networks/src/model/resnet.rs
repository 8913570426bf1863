//! ResNet with four stages (He et al. 2016): the ImageNet family, for small images with a 3×3 stem.

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::Result;

/// Four stages.
pub(super) const IMAGENET: Family = Family {
    name: "resnet-imagenet",
    pattern: "resnet<18|34|50|101|152>[-bias|-str]",
    examples: &[
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnet18-bias",
        "resnet34-bias",
        "resnet50-bias",
        "resnet101-bias",
        "resnet152-bias",
        "resnet18-str",
        "resnet34-str",
        "resnet50-str",
        "resnet101-str",
        "resnet152-str",
    ],
    about: "ResNet with four stages; 3x3 stem below 128 pixels, else 7x7/2 and max-pool; classifier without bias, -bias: with \
                bias, -str: a 1x1 convolution as in soft threshold reparameterisation",
    build: |name, input, classes| match name.words().as_slice() {
        ["resnet", depth @ ("18" | "34" | "50" | "101" | "152"), suffix @ ..] => Some(match suffix {
            [] => imagenet_family(depth, Head::Linear, input, classes),
            ["bias"] => imagenet_family(depth, Head::LinearBias, input, classes),
            ["str"] => imagenet_family(depth, Head::Conv, input, classes),
            _ => Err(name.unknown()),
        }),
        _ => None,
    },
};

/// A narrower ResNet-18.
pub(super) const SMALL_DENSE: Family = Family {
    name: "small-dense",
    pattern: "small-dense-<width>, small-dense-inc-<width>",
    examples: &["small-dense-64", "small-dense-128", "small-dense-256", "small-dense-inc-16", "small-dense-inc-32"],
    about: "narrow ResNet-18 (-str): every stage <width> wide, or w, 2w, 4w, 8w",
    build: |name, input, classes| match name.words().as_slice() {
        ["small", "dense", width] => Some(name.number(width).and_then(|width| small_dense(width, false, input, classes))),
        ["small", "dense", "inc", width] => Some(name.number(width).and_then(|width| small_dense(width, true, input, classes))),
        _ => None,
    },
};

/// A ResNet-18 with narrower later stages.
pub(super) const SMALL_SUB: Family = Family {
    name: "small-sub",
    pattern: "small-sub-<64|96|128|192|224|256|320|512>",
    examples: &[
        "small-sub-64",
        "small-sub-96",
        "small-sub-128",
        "small-sub-192",
        "small-sub-224",
        "small-sub-256",
        "small-sub-320",
        "small-sub-512",
    ],
    about: "ResNet-18 (-str) with the later stages narrowed to at most this width",
    build: |name, input, classes| match name.words().as_slice() {
        ["small", "sub", width @ ("64" | "96" | "128" | "192" | "224" | "256" | "320" | "512")] => {
            Some(small_sub(width, input, classes))
        }
        _ => None,
    },
};

/// Images with both sides at least this large get the ImageNet stem.
const LARGE: usize = 128;

/// How a network ends and what its modules are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// Linear classifier without bias.
    Linear,
    /// Linear classifier with bias.
    LinearBias,
    /// 1×1 convolution without bias on the pooled map, as in soft threshold reparameterisation (Kusupati et al. 2020): masks
    /// and thresholds then treat it like every other convolution.
    Conv,
}

/// What distinguishes one network of this file from another.
struct Plan {
    name: String,
    /// Blocks of each stage.
    blocks: [usize; 4],
    /// Three convolutions a block with a fourfold wider output instead of two.
    bottleneck: bool,
    /// Channels of the stem.
    stem: usize,
    /// Channels of each stage (before the fourfold widening of bottlenecks).
    widths: [usize; 4],
    head: Head,
}

/// `resnet18`, `resnet34` (two 3×3 convolutions a block), `resnet50`, `resnet101`, `resnet152` (bottleneck blocks with the stride on
/// the 3×3 convolution).
///
/// Stem: 3×3 with stride 1 for small images; 7×7 with stride 2 and a 3×3 max-pool with stride 2 when both sides have at
/// least 128 pixels. A block whose stride is not 1 or whose width changes has a 1×1 convolution with normalisation as shortcut.
fn imagenet_family(depth: &str, head: Head, input: Image, classes: usize) -> Result<ModelSpec> {
    let (blocks, bottleneck) = match depth {
        "18" => ([2, 2, 2, 2], false),
        "34" => ([3, 4, 6, 3], false),
        "50" => ([3, 4, 6, 3], true),
        "101" => ([3, 4, 23, 3], true),
        _ => ([3, 8, 36, 3], true),
    };
    let suffix = match head {
        Head::Linear => "",
        Head::LinearBias => "-bias",
        Head::Conv => "-str",
    };
    let name = format!("resnet{depth}{suffix}");
    build(&Plan { name, blocks, bottleneck, stem: 64, widths: [64, 128, 256, 512], head }, input, classes)
}

/// ResNet-18 of the soft-threshold family with every stage `width` wide (`small-dense-<width>`) or with widths
/// w, 2w, 4w, 8w (`small-dense-inc-<width>`).
fn small_dense(width: usize, increasing: bool, input: Image, classes: usize) -> Result<ModelSpec> {
    let (name, widths) = if increasing {
        (format!("small-dense-inc-{width}"), [width, 2 * width, 4 * width, 8 * width])
    } else {
        (format!("small-dense-{width}"), [width; 4])
    };
    let plan = Plan { name, blocks: [2; 4], bottleneck: false, stem: width, widths, head: Head::Conv };
    build(&plan, input, classes)
}

/// ResNet-18 of the soft-threshold family whose later stages are narrowed, `small-sub-<width>`; `width` is one of
/// 64, 96, 128, 192, 224, 256, 320, 512.
fn small_sub(width: &str, input: Image, classes: usize) -> Result<ModelSpec> {
    let (a, b, c) = match width {
        "64" => (64, 64, 64),
        "96" => (96, 96, 96),
        "128" => (128, 128, 128),
        "192" => (128, 192, 192),
        "224" => (128, 224, 224),
        "256" => (128, 256, 256),
        "320" => (128, 256, 320),
        _ => (128, 256, 512),
    };
    let name = format!("small-sub-{width}");
    build(&Plan { name, blocks: [2; 4], bottleneck: false, stem: 64, widths: [64, a, b, c], head: Head::Conv }, input, classes)
}

fn build(plan: &Plan, input: Image, classes: usize) -> Result<ModelSpec> {
    // The soft-threshold code base draws every weight from N(0, 2/fan_in); the others keep PyTorch's default.
    let init = if plan.head == Head::Conv { DefaultInit::KaimingNormal } else { DefaultInit::FanInUniform };
    let mut b = Builder::new(&plan.name, input, init);
    let large = input.height.min(input.width) >= LARGE;
    if large {
        b.conv("conv1", plan.stem, 7, 2, 3, false)?.norm("bn1")?.relu("relu1")?.max_pool("maxpool", 3, 2, 1)?;
    } else {
        b.conv("conv1", plan.stem, 3, 1, 1, false)?.norm("bn1")?.relu("relu1")?;
    }
    for (stage, (&blocks, &width)) in plan.blocks.iter().zip(&plan.widths).enumerate() {
        for i in 0..blocks {
            let stride = if stage > 0 && i == 0 { 2 } else { 1 };
            block(&mut b, plan, &format!("layer{}.{i}", stage + 1), width, stride)?;
        }
    }
    b.global_pool("pool")?;
    match plan.head {
        Head::Linear => b.linear("classifier", classes, false)?,
        Head::LinearBias => b.linear("classifier", classes, true)?,
        Head::Conv => b.conv(if large { "fc" } else { "linear" }, classes, 1, 1, 0, false)?,
    };
    Ok(b.finish())
}

fn block(b: &mut Builder, plan: &Plan, name: &str, width: usize, stride: usize) -> Result<()> {
    let at = |module: &str| format!("{name}.{module}");
    let (input, channels) = (b.last(), b.shape().channels);
    let out = if plan.bottleneck { 4 * width } else { width };
    if plan.bottleneck {
        b.conv(at("conv1"), width, 1, 1, 0, false)?.norm(at("bn1"))?.relu(at("relu1"))?;
        b.conv(at("conv2"), width, 3, stride, 1, false)?.norm(at("bn2"))?.relu(at("relu2"))?;
        b.conv(at("conv3"), out, 1, 1, 0, false)?.norm(at("bn3"))?;
    } else {
        b.conv(at("conv1"), width, 3, stride, 1, false)?.norm(at("bn1"))?.relu(at("relu1"))?;
        b.conv(at("conv2"), width, 3, 1, 1, false)?.norm(at("bn2"))?;
    }
    let residual = b.last();
    let mut shortcut = input;
    if stride != 1 || channels != out {
        let side = at(if plan.head == Head::Conv { "downsample" } else { "shortcut" });
        b.go_to(input).conv(format!("{side}.0"), out, 1, stride, 0, false)?.norm(format!("{side}.1"))?;
        shortcut = b.last();
    }
    b.go_to(residual).add(at("add"), shortcut)?.relu(at("relu"))?;
    Ok(())
}
