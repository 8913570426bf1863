//! MobileNet-v1 (Howard et al. 2017) and MobileNet-v2 (Sandler et al. 2018), width 1, for any input.

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::Result;

/// MobileNets.
pub(super) const MOBILENET: Family = Family {
    name: "mobilenet",
    pattern: "mobilenet-<v1|v2>, mobilenet-v1-str",
    examples: &["mobilenet-v1", "mobilenet-v2", "mobilenet-v1-str"],
    about: "depthwise separable convolutions; inverted residuals; -str: classifier without bias, as in soft threshold \
                reparameterisation",
    build: |name, input, classes| match name.words().as_slice() {
        ["mobilenet", "v", "1"] | ["mobilenetv", "1"] => Some(v1(input, classes)),
        ["mobilenet", "v", "1", "str"] | ["mobilenetv", "1", "str"] => Some(v1_str(input, classes)),
        ["mobilenet", "v", "2"] | ["mobilenetv", "2"] => Some(v2(input, classes)),
        _ => None,
    },
};

/// Output channels and stride of each pair of depthwise and pointwise convolution.
const V1: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// Expansion, output channels, blocks and first stride of each stage (table 2 of the paper).
const V2: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

/// `mobilenet-v1`: 3×3 stem with stride 2, 13 pairs of depthwise 3×3 and 1×1 convolution, each with normalisation and ReLU, mean
/// over pixels, 1×1 convolution with bias as classifier.
fn v1(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("mobilenet-v1", input, DefaultInit::KaimingNormal);
    separable(&mut b, |pair, part| {
        let convolution = if pair == 0 { "conv1".to_owned() } else { format!("conv_{}_{pair}", ["dw", "pw"][part / 3]) };
        convolution + ["", "_bn", "_relu"][part % 3]
    })?;
    b.global_pool("global_pool")?.conv("conv_preds", classes, 1, 1, 0, true)?;
    Ok(b.finish())
}

/// `mobilenet-v1-str`: the same with a classifier without bias, and named as in soft threshold reparameterisation (Kusupati et al.
/// 2020).
fn v1_str(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("mobilenet-v1-str", input, DefaultInit::KaimingNormal);
    separable(&mut b, |pair, part| format!("model.{pair}.{part}"))?;
    b.global_pool("model.14")?.conv("fc", classes, 1, 1, 0, false)?;
    Ok(b.finish())
}

/// Everything of a MobileNet-v1 before the mean over pixels. `module` names the six modules of each pair, of which the stem, number
/// 0, has three.
fn separable(b: &mut Builder, module: impl Fn(usize, usize) -> String) -> Result<()> {
    b.conv(module(0, 0), 32, 3, 2, 1, false)?.norm(module(0, 1))?.relu(module(0, 2))?;
    for ((width, stride), pair) in V1.into_iter().zip(1..) {
        b.depthwise(module(pair, 0), stride)?.norm(module(pair, 1))?.relu(module(pair, 2))?;
        b.conv(module(pair, 3), width, 1, 1, 0, false)?.norm(module(pair, 4))?.relu(module(pair, 5))?;
    }
    Ok(())
}

/// `mobilenet-v2`: 3×3 stem with stride 2, 17 inverted residual blocks (1×1 expansion, depthwise 3×3, linear 1×1 projection; an
/// identity shortcut where stride is 1 and the width stays), 1×1 convolution to 1280 channels, mean over pixels, linear layer
/// with bias. Activations are plain ReLU, without the cap at 6 of the paper.
fn v2(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("mobilenet-v2", input, DefaultInit::KaimingNormal);
    b.conv("Conv1", 32, 3, 2, 1, false)?.norm("bn_Conv1")?.relu("Conv1_relu")?;
    let mut index = 0;
    for (expansion, width, blocks, first_stride) in V2 {
        for i in 0..blocks {
            let name = if index == 0 { "expanded_conv".to_owned() } else { format!("block_{index}") };
            inverted_residual(&mut b, &name, expansion, width, if i == 0 { first_stride } else { 1 })?;
            index += 1;
        }
    }
    b.conv("Conv_1", 1280, 1, 1, 0, false)?.norm("Conv_1_bn")?.relu("out_relu")?;
    b.global_pool("global_pool")?.linear("predictions", classes, true)?;
    Ok(b.finish())
}

fn inverted_residual(b: &mut Builder, name: &str, expansion: usize, width: usize, stride: usize) -> Result<()> {
    let at = |module: &str| format!("{name}_{module}");
    let (input, channels) = (b.last(), b.shape().channels);
    if expansion != 1 {
        b.conv(at("expand"), expansion * channels, 1, 1, 0, false)?.norm(at("expand_BN"))?.relu(at("expand_relu"))?;
    }
    b.depthwise(at("depthwise"), stride)?.norm(at("depthwise_BN"))?.relu(at("depthwise_relu"))?;
    b.conv(at("project"), width, 1, 1, 0, false)?.norm(at("project_BN"))?;
    if stride == 1 && channels == width {
        b.add(at("add"), input)?;
    }
    Ok(())
}
