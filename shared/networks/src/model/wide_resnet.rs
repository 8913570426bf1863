//! Wide residual networks (Zagoruyko & Komodakis 2016).

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::{Error, Result};

/// Wide ResNets.
pub(super) const WIDE: Family = Family {
    name: "wrn",
    pattern: "wrn-<depth>-<width>",
    examples: &["wrn-16-8", "wrn-22-2", "wrn-28-2", "wrn-28-10", "wrn-40-2"],
    about: "wide ResNet with pre-activation blocks, depth 6n+4, without dropout; also wideresnet-<depth>-<width>",
    build: |name, input, classes| match name.words().as_slice() {
        ["wrn" | "wideresnet", depth, width] | ["wide", "resnet", depth, width] => {
            let depth = name.number(depth);
            Some(depth.and_then(|depth| build(depth, name.number(width)?, input, classes)))
        }
        _ => None,
    },
};

/// `wrn-<depth>-<width>`, depth 6n + 4: 3×3 stem with 16 channels, three groups of n pre-activation blocks with 16·`width`,
/// 32·`width` and 64·`width` channels and strides 1, 2, 2, normalisation, ReLU, mean over pixels, linear layer with bias.
///
/// A block computes normalisation, ReLU, 3×3 convolution (with the stride), normalisation, ReLU, 3×3 convolution. Where the
/// number of channels changes, its shortcut is a 1×1 convolution of the *activated* input, elsewhere the input itself. There is
/// no dropout between the convolutions (the published runs with sparse masks use 0.3).
fn build(depth: usize, width: usize, input: Image, classes: usize) -> Result<ModelSpec> {
    if depth < 10 || !(depth - 4).is_multiple_of(6) {
        return Err(Error::usage(format!("model wrn-{depth}-{width}: a wide ResNet has depth 6n+4, not {depth}"))
            .help("use depth 10, 16, 22, 28 or 40, for example wrn-22-2"));
    }
    let mut b = Builder::new(format!("wrn-{depth}-{width}"), input, DefaultInit::FanOutNormal);
    b.conv("conv1", 16, 3, 1, 1, false)?;
    for group in 0..3 {
        for i in 0..(depth - 4) / 6 {
            let stride = if group > 0 && i == 0 { 2 } else { 1 };
            block(&mut b, &format!("block{}.layer.{i}", group + 1), (16 << group) * width, stride)?;
        }
    }
    b.norm("bn1")?.relu("relu")?.global_pool("pool")?.linear("fc", classes, true)?;
    Ok(b.finish())
}

fn block(b: &mut Builder, name: &str, width: usize, stride: usize) -> Result<()> {
    let at = |module: &str| format!("{name}.{module}");
    let (input, channels) = (b.last(), b.shape().channels);
    b.norm(at("bn1"))?.relu(at("relu1"))?;
    let activated = b.last();
    b.conv(at("conv1"), width, 3, stride, 1, false)?.norm(at("bn2"))?.relu(at("relu2"))?;
    b.conv(at("conv2"), width, 3, 1, 1, false)?;
    let residual = b.last();
    let mut shortcut = input;
    // Strides 2 come with a doubled width, so a change of width is the only case.
    if channels != width {
        b.go_to(activated).conv(at("convShortcut"), width, 1, stride, 0, false)?;
        shortcut = b.last();
    }
    b.go_to(residual).add(at("add"), shortcut)?;
    Ok(())
}
