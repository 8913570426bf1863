//! What counts as an operation of a forward pass.

use crate::model::{Layer, ModelSpec, Op};
use er_graphs::names::{self, Choice};

/// How the operations of a forward pass are counted. In all conventions a multiplication and an addition count one each, every
/// kept weight is used once per output pixel (taps on padding included), densities enter as fractions, and normalisations,
/// poolings, sums, softmax and loss are free. With M the multiply-accumulates of a layer and p its density, a layer costs
/// 2·M·p and what a convention adds for its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Convention {
    /// 2·M·p: multiply-accumulates of the network as it is, and nothing else. Trainings account with it.
    Macs,
    /// The counter behind RigL's figures (Evci et al. 2020), with what it takes for granted about Keras' networks:
    ///
    /// - every layer has a bias and a ReLU: one operation more for each output, whether or not the network has them;
    /// - where Keras pads the image before a convolution with stride (7×7 stems by 3 on both sides; 3×3 convolutions of networks
    ///   with depthwise ones by 1 on one side), it takes the padded image for the input and pads once more, so that ResNet-50's stem has
    ///   115×115 outputs, not 112×112;
    /// - a depthwise convolution is a Keras convolution with C input channels and 1 output channel: the same M, but biases and
    ///   ReLUs for one channel only.
    Rigl,
    /// The counter of rigl-reproducibility: weights stored as (out, in) are read as (in, out). Products stay the same, but sums of
    /// an output (one fewer than its products), biases (where there are any) and ReLUs (after every layer) are counted for in·H·W
    /// outputs in place of out·H·W, so that only layers with a bias differ from `macs`: by in·H·W.
    RiglReproducibility,
}

impl Convention {
    /// All conventions with their names.
    pub const CHOICES: &[Choice<Self>] = &[
        Choice { value: Self::Macs, name: "macs", aliases: &[], about: "two a multiply-accumulate, nothing else" },
        Choice { value: Self::Rigl, name: "rigl", aliases: &[], about: "as RigL's tables count, with their quirks" },
        Choice {
            value: Self::RiglReproducibility,
            name: "rigl-reproducibility",
            aliases: &[],
            about: "as the reproduction of RigL counts",
        },
    ];

    /// Operations of one layer's forward pass on one sample; `layer` is an index into [`ModelSpec::layers`].
    ///
    /// # Panics
    /// If there is no such layer.
    #[must_use]
    pub fn layer(self, spec: &ModelSpec, layer: usize, density: f64) -> f64 {
        let l = &spec.layers()[layer];
        let (op, pixels) = (spec.nodes()[l.node].op, (l.output.height * l.output.width) as f64);
        match self {
            Self::Macs => 2.0 * l.multiply_adds() as f64 * density,
            Self::Rigl => {
                let pixels = keras_pixels(spec, l) as f64;
                let channels = if l.depthwise { 1 } else { l.shape.out };
                2.0 * l.shape.weights() as f64 * pixels * density + channels as f64 * pixels
            }
            Self::RiglReproducibility => {
                let bias = matches!(op, Op::Conv { bias: true, .. } | Op::Linear { bias: true, .. });
                let biases = if bias { l.shape.inp as f64 * pixels } else { 0.0 };
                2.0 * l.multiply_adds() as f64 * density + biases
            }
        }
    }

    /// Operations of one sample's forward pass where layer l has the density `densities[l]`. An affine function of them.
    ///
    /// # Panics
    /// If there is not one density for each layer.
    #[must_use]
    pub fn network(self, spec: &ModelSpec, densities: &[f64]) -> f64 {
        assert_eq!(spec.layers().len(), densities.len(), "model {}: one density a layer", spec.name());
        densities.iter().enumerate().map(|(l, density)| self.layer(spec, l, *density)).sum()
    }
}

names::named!(Convention, "convention");

/// Output pixels of a layer where Keras' own padding counts as part of the image.
fn keras_pixels(spec: &ModelSpec, layer: &Layer) -> usize {
    let node = &spec.nodes()[layer.node];
    let pixels = layer.output.height * layer.output.width;
    let Op::Conv { shape, stride, padding, .. } = node.op else { return pixels };
    let with_depthwise = spec.layers().iter().any(|l| l.depthwise);
    let before = match shape.kernel {
        _ if stride == 1 => return pixels,
        [7, 7] => 2 * padding,
        [3, 3] if with_depthwise => 1,
        _ => return pixels,
    };
    let input = spec.nodes()[node.inputs[0]].output;
    let side = |image: usize, kernel: usize| (image + before + 2 * padding - kernel) / stride + 1;
    side(input.height, shape.kernel[0]) * side(input.width, shape.kernel[1])
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // whole numbers
mod tests {
    use super::*;
    use crate::model::{Image, build};

    #[test]
    fn by_hand() {
        // 784-300-100-10, all with biases.
        let mlp = build("lenet-300-100", Image::new(1, 28, 28), 10).unwrap();
        let count = |convention: Convention, p: f64| convention.network(&mlp, &[p; 3]);
        assert_eq!(count(Convention::Macs, 1.0), 2.0 * 266_200.0);
        assert_eq!(count(Convention::Rigl, 0.5), 266_200.0 + 410.0);
        assert_eq!(count(Convention::RiglReproducibility, 0.5), 266_200.0 + 1184.0);
    }

    #[test]
    fn padding_counts_twice_where_keras_pads() {
        let sides = |model: &str, input: Image| {
            let net = build(model, input, 10).unwrap();
            let of = |l: &Layer| (keras_pixels(&net, l) as f64).sqrt() as usize;
            net.layers().iter().map(|l| (of(l), l.output.height)).filter(|(a, b)| a != b).collect::<Vec<_>>()
        };
        assert_eq!(sides("resnet50", Image::new(3, 224, 224)), [(115, 112)]);
        assert_eq!(sides("mobilenet-v1", Image::new(3, 224, 224)), [(113, 112), (57, 56), (29, 28), (15, 14), (8, 7)]);
        assert_eq!(sides("wrn-22-2", Image::new(3, 32, 32)), []);
        assert_eq!(sides("resnet50", Image::new(3, 32, 32)), []);
    }

    #[test]
    fn names_are_read_back() {
        for choice in Convention::CHOICES {
            assert_eq!(choice.value.to_string().parse::<Convention>().unwrap(), choice.value);
        }
        assert_eq!("RigL_reproducibility".parse::<Convention>().unwrap(), Convention::RiglReproducibility);
    }
}
