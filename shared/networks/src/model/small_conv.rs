//! Small convolutional networks.

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::Result;

/// Those of the lottery ticket hypothesis.
pub(super) const LOTTERY: Family = Family {
    name: "conv",
    pattern: "conv-<2|4|6>",
    examples: &["conv-2", "conv-4", "conv-6"],
    about: "the convolutional networks of the lottery ticket hypothesis, without normalisation",
    build: |name, input, classes| match name.words().as_slice() {
        ["conv", "2"] => Some(lottery(2, input, classes)),
        ["conv", "4"] => Some(lottery(4, input, classes)),
        ["conv", "6"] => Some(lottery(6, input, classes)),
        _ => None,
    },
};

/// The MNIST example.
pub(super) const MNIST_CONVNET: Family = Family {
    name: "mnist-convnet",
    pattern: "mnist-convnet",
    examples: &["mnist-convnet"],
    about: "two convolutions and two linear layers, the MNIST example of rigl-torch, without dropout",
    build: |name, input, classes| match name.words().as_slice() {
        ["mnist", "convnet"] => Some(mnist_convnet(input, classes)),
        _ => None,
    },
};

/// For the digits that are built in.
pub(super) const DIGITS: Family = Family {
    name: "digits",
    pattern: "digits",
    examples: &["digits"],
    about: "three convolutions for images of about 8x8 pixels",
    build: |name, input, classes| match name.words().as_slice() {
        ["digits"] => Some(digits(input, classes)),
        _ => None,
    },
};

/// `conv-2`, `conv-4`, `conv-6` of "The Lottery Ticket Hypothesis" (Frankle & Carbin 2019): pairs of 3×3 convolutions with 64, 128
/// and 256 channels, a 2×2 max-pool after each pair, then linear layers of 256 and 256 units; biases everywhere, no normalisation.
fn lottery(convolutions: usize, input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new(format!("conv-{convolutions}"), input, DefaultInit::KaimingNormal);
    for i in 1..=convolutions {
        b.conv(format!("conv{i}"), 64 << ((i - 1) / 2), 3, 1, 1, true)?.relu(format!("relu{i}"))?;
        if i % 2 == 0 {
            b.halve(format!("pool{}", i / 2))?;
        }
    }
    for i in 1..=2 {
        b.linear(format!("fc{i}"), 256, true)?.relu(format!("relu_fc{i}"))?;
    }
    b.linear("fc3", classes, true)?;
    Ok(b.finish())
}

/// `mnist-convnet`: the MNIST example of PyTorch and of rigl-torch: unpadded 3×3 convolutions with 32 and 64 channels, 2×2
/// max-pool, linear layer of 128 units; biases everywhere. Its dropout is left out.
fn mnist_convnet(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("mnist-convnet", input, DefaultInit::FanInUniform);
    b.conv("conv1", 32, 3, 1, 0, true)?.relu("relu1")?.conv("conv2", 64, 3, 1, 0, true)?.relu("relu2")?.halve("pool")?;
    b.linear("fc1", 128, true)?.relu("relu3")?.linear("fc2", classes, true)?;
    Ok(b.finish())
}

/// `digits`: for images of about 8×8 pixels: padded 3×3 convolutions with 32, 64 and 128 channels, each with normalisation and
/// ReLU, a 2×2 max-pool before the third, mean over pixels, linear layer with bias.
fn digits(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("digits", input, DefaultInit::KaimingNormal);
    b.conv("conv1", 32, 3, 1, 1, false)?.norm("bn1")?.relu("relu1")?;
    b.conv("conv2", 64, 3, 1, 1, false)?.norm("bn2")?.relu("relu2")?.halve("maxpool")?;
    b.conv("conv3", 128, 3, 1, 1, false)?.norm("bn3")?.relu("relu3")?;
    b.global_pool("pool")?.linear("fc", classes, true)?;
    Ok(b.finish())
}
