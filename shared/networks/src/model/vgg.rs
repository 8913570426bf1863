//! VGG with batch normalisation (Simonyan & Zisserman 2015, in the form used for CIFAR).

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::Result;

/// VGG for CIFAR.
pub(super) const PLAIN: Family = Family {
    name: "vgg",
    pattern: "vgg<11|13|16|19>[-bias]",
    examples: &["vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bias", "vgg13-bias", "vgg16-bias", "vgg19-bias"],
    about: "VGG with batch normalisation and one linear layer; -bias: convolutions with biases, as in the lottery-ticket code",
    build: |name, input, classes| match name.words().as_slice() {
        ["vgg", depth @ ("11" | "13" | "16" | "19")] => Some(plain(depth, false, input, classes)),
        ["vgg", depth @ ("11" | "13" | "16" | "19"), "bias"] => Some(plain(depth, true, input, classes)),
        _ => None,
    },
};

/// VGG as in SNIP.
pub(super) const SNIP: Family = Family {
    name: "vgg-snip",
    pattern: "vgg-<c|d|like>",
    examples: &["vgg-c", "vgg-d", "vgg-like"],
    about: "the VGG variants of SNIP, with hidden linear layers",
    build: |name, input, classes| match name.words().as_slice() {
        ["vgg", variant @ ("c" | "d" | "like")] => Some(snip(variant, input, classes)),
        _ => None,
    },
};

/// Output channels of each convolution of one resolution; resolutions are separated by 2×2 max-pools.
type Plan = &'static [&'static [usize]];

const VGG11: Plan = &[&[64], &[128], &[256, 256], &[512, 512], &[512, 512]];
const VGG13: Plan = &[&[64, 64], &[128, 128], &[256, 256], &[512, 512], &[512, 512]];
const VGG16: Plan = &[&[64, 64], &[128, 128], &[256; 3], &[512; 3], &[512; 3]];
const VGG19: Plan = &[&[64, 64], &[128, 128], &[256; 4], &[512; 4], &[512; 4]];

/// `vgg11`, `vgg13`, `vgg16`, `vgg19`: 3×3 convolutions, four max-pools, mean over the remaining pixels, one linear layer with
/// bias. Parameter names follow a flat list of modules (`feature.0` convolution, `feature.1` normalisation, …). `bias` gives
/// every convolution a bias as well, as the lottery-ticket code bases have it.
fn plain(depth: &str, bias: bool, input: Image, classes: usize) -> Result<ModelSpec> {
    let plan = match depth {
        "11" => VGG11,
        "13" => VGG13,
        "16" => VGG16,
        _ => VGG19,
    };
    let name = format!("vgg{depth}{}", if bias { "-bias" } else { "" });
    let mut b = Builder::new(name, input, DefaultInit::FanOutNormal);
    features(&mut b, plan, bias, |_, _| 3)?;
    b.global_pool("pool")?.linear("classifier", classes, true)?;
    Ok(b.finish())
}

/// `vgg-d`, `vgg-c`, `vgg-like` of SNIP (Lee et al. 2019): VGG-16 with biases, a fifth max-pool and two (`vgg-like`: one) hidden
/// linear layers of 512 units with normalisation; `vgg-c` has 1×1 kernels in the last convolution of the three deepest resolutions.
/// Their dropout is left out.
fn snip(variant: &str, input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new(format!("vgg-{variant}"), input, DefaultInit::FanOutNormal);
    let pointwise = variant == "c";
    let next = features(&mut b, VGG16, true, |group, i| if pointwise && group >= 2 && i == 2 { 1 } else { 3 })?;
    b.halve(format!("feature.{next}"))?.global_pool("pool")?;
    let hidden = if variant == "like" { 1 } else { 2 };
    for layer in 0..hidden {
        let at = |module: usize| format!("classifier.{}", 3 * layer + module);
        b.linear(at(0), 512, true)?.norm(at(1))?.relu(at(2))?;
    }
    b.linear(format!("classifier.{}", 3 * hidden), classes, true)?;
    Ok(b.finish())
}

/// The convolutional part: convolution, normalisation, ReLU for each entry of the plan and a max-pool between resolutions.
/// `kernel(resolution, index)` is the side of a kernel. Returns the number of modules.
fn features(b: &mut Builder, plan: Plan, bias: bool, kernel: impl Fn(usize, usize) -> usize) -> Result<usize> {
    let mut module = 0;
    for (group, widths) in plan.iter().enumerate() {
        if group > 0 {
            b.halve(format!("feature.{module}"))?;
            module += 1;
        }
        for (i, &width) in widths.iter().enumerate() {
            let at = |offset: usize| format!("feature.{}", module + offset);
            let side = kernel(group, i);
            b.conv(at(0), width, side, 1, side / 2, bias)?.norm(at(1))?.relu(at(2))?;
            module += 3;
        }
    }
    Ok(module)
}
