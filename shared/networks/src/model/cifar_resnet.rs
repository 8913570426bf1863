//! ResNet with three stages and depth 6n + 2 (He et al. 2016, section 4.2).

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::{Error, Result};

/// Three stages.
pub(super) const CIFAR: Family = Family {
    name: "resnet-cifar",
    pattern: "resnet<6n+2>[-w<width>]",
    examples: &[
        "resnet20",
        "resnet32",
        "resnet44",
        "resnet56",
        "resnet110",
        "resnet20-w32",
        "resnet32-w32",
        "resnet56-w32",
        "cifar-resnet-50-16",
    ],
    about: "ResNet with three stages, 16 (or <width>) channels in the first; also cifar-resnet-<depth>[-<width>]",
    build: |name, input, classes| match name.words().as_slice() {
        ["resnet", depth] | ["cifar", "resnet", depth] => {
            Some(name.number(depth).and_then(|depth| build(depth, 16, input, classes)))
        }
        ["resnet", depth, "w", width] | ["cifar", "resnet", depth, width] => {
            let depth = name.number(depth);
            Some(depth.and_then(|depth| build(depth, name.number(width)?, input, classes)))
        }
        _ => None,
    },
};

/// `resnet20`, `resnet32`, `resnet44`, `resnet56`, `resnet110` and every other depth 6n + 2, with any width.
///
/// 3×3 stem with `width` channels, three stages of n blocks (two 3×3 convolutions each) with `width`, 2·`width` and 4·`width`
/// channels, mean over pixels, linear layer with bias. The first blocks of the second and third stage have stride 2 and a 1×1
/// convolution with normalisation as shortcut. Width 16 is the original; 32 is "doubled filters".
fn build(depth: usize, width: usize, input: Image, classes: usize) -> Result<ModelSpec> {
    if depth < 8 || !(depth - 2).is_multiple_of(6) {
        return Err(Error::usage(format!("model resnet{depth}: a ResNet with three stages has depth 6n+2, not {depth}")).help(
            "use depth 20, 32, 44, 56 or 110; the ResNets with four stages have depth 18, 34, 50, 101 or 152 and no width",
        ));
    }
    let name = match (depth, width) {
        // These depths alone name a ResNet with four stages.
        (50 | 152, _) => format!("cifar-resnet-{depth}-{width}"),
        (_, 16) => format!("resnet{depth}"),
        _ => format!("resnet{depth}-w{width}"),
    };
    let mut b = Builder::new(name, input, DefaultInit::KaimingNormal);
    b.conv("conv", width, 3, 1, 1, false)?.norm("bn")?.relu("relu")?;
    let blocks = (depth - 2) / 6;
    for i in 0..3 * blocks {
        let stage = i / blocks;
        let stride = if stage > 0 && i % blocks == 0 { 2 } else { 1 };
        block(&mut b, &format!("blocks.{i}"), width << stage, stride)?;
    }
    b.global_pool("pool")?.linear("fc", classes, true)?;
    Ok(b.finish())
}

fn block(b: &mut Builder, name: &str, width: usize, stride: usize) -> Result<()> {
    let at = |module: &str| format!("{name}.{module}");
    let input = b.last();
    b.conv(at("conv1"), width, 3, stride, 1, false)?.norm(at("bn1"))?.relu(at("relu1"))?;
    b.conv(at("conv2"), width, 3, 1, 1, false)?.norm(at("bn2"))?;
    let residual = b.last();
    let mut shortcut = input;
    if stride != 1 {
        b.go_to(input).conv(at("shortcut.0"), width, 1, stride, 0, false)?.norm(at("shortcut.1"))?;
        shortcut = b.last();
    }
    b.go_to(residual).add(at("add"), shortcut)?.relu(at("relu2"))?;
    Ok(())
}
