//! Networks of linear layers, and LeNet-5 (LeCun et al. 1998).

use super::builder::Builder;
use super::{DefaultInit, Family, Image, ModelSpec};
use er_graphs::error::Result;

/// Linear layers.
pub(super) const MLP: Family = Family {
    name: "mlp",
    pattern: "lenet-<w1>-<w2>-..., mlp-<w1>-<w2>-...",
    examples: &["lenet-300-100", "mlp-300-100", "mlp-256-256-256"],
    about: "linear layers of these widths with ReLU, then a linear classifier",
    build: |name, input, classes| match name.words().as_slice() {
        // Of the next family.
        ["lenet", "5"] | ["lenet", "5", "caffe"] => None,
        [family @ ("lenet" | "mlp"), widths @ ..] if !widths.is_empty() => {
            let widths: Result<Vec<usize>> = widths.iter().map(|w| name.number(w)).collect();
            Some(widths.and_then(|widths| mlp(family, &widths, input, classes)))
        }
        _ => None,
    },
};

/// LeNet-5.
pub(super) const LENET5: Family = Family {
    name: "lenet5",
    pattern: "lenet5[-caffe]",
    examples: &["lenet5", "lenet5-caffe"],
    about: "LeNet-5: 6-16-120-84 units; -caffe: 20-50-500",
    build: |name, input, classes| match name.words().as_slice() {
        ["lenet", "5"] => Some(lenet5(input, classes)),
        ["lenet", "5", "caffe"] => Some(lenet5_caffe(input, classes)),
        _ => None,
    },
};

/// `mlp-<w1>-<w2>-…` and `lenet-300-100` (`family` is the first word): linear layers with biases of these widths, ReLU after each, and a linear classifier.
fn mlp(family: &str, widths: &[usize], input: Image, classes: usize) -> Result<ModelSpec> {
    let name = widths.iter().fold(family.to_owned(), |name, width| format!("{name}-{width}"));
    let mut b = Builder::new(name, input, DefaultInit::FanInUniform);
    for (i, &width) in widths.iter().enumerate() {
        b.linear(format!("fc{}", i + 1), width, true)?.relu(format!("relu{}", i + 1))?;
    }
    b.linear(format!("fc{}", widths.len() + 1), classes, true)?;
    Ok(b.finish())
}

/// `lenet5`: 5×5 convolutions with 6 and 16 channels, ReLU and 2×2 max-pool after each, then linear layers of 120 and 84 units.
/// Images smaller than the 32×32 it was designed for are padded by 2 (MNIST's 28×28 becomes 32×32).
fn lenet5(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("lenet5", input, DefaultInit::FanInUniform);
    let padding = if input.height.min(input.width) < 32 { 2 } else { 0 };
    b.conv("conv1", 6, 5, 1, padding, true)?.relu("relu1")?.halve("pool1")?;
    b.conv("conv2", 16, 5, 1, 0, true)?.relu("relu2")?.halve("pool2")?;
    b.linear("fc1", 120, true)?.relu("relu3")?.linear("fc2", 84, true)?.relu("relu4")?;
    b.linear("fc3", classes, true)?;
    Ok(b.finish())
}

/// `lenet5-caffe`: 5×5 convolutions with 20 and 50 channels, a 2×2 max-pool after each and no ReLU, then a linear layer of 500
/// units with ReLU.
fn lenet5_caffe(input: Image, classes: usize) -> Result<ModelSpec> {
    let mut b = Builder::new("lenet5-caffe", input, DefaultInit::FanInUniform);
    b.conv("conv1", 20, 5, 1, 0, true)?.halve("pool1")?.conv("conv2", 50, 5, 1, 0, true)?.halve("pool2")?;
    b.linear("fc1", 500, true)?.relu("relu1")?.linear("fc2", classes, true)?;
    Ok(b.finish())
}
