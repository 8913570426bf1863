//! From a name to a network.

use super::form::{self, Form};
use super::resnet::Head;
use super::{Image, ModelSpec, cifar_resnet, lenet, mobilenet, resnet, scale, small_conv, vgg, wide_resnet};
use er_graphs::error::{Error, Result, nearest};

/// Largest width, depth or similar number in a name; keeps sizes far from overflow.
const LARGEST: usize = 1 << 16;

/// A group of networks that share a pattern of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How the names look, for example `wrn-<depth>-<width>`.
    pub pattern: &'static str,
    /// Names that exist, in the form [`ModelSpec::name`] reports them.
    pub examples: &'static [&'static str],
    /// One line for a help text.
    pub about: &'static str,
}

const FAMILIES: &[Family] = &[
    Family {
        pattern: "vgg<11|13|16|19>[-bias]",
        examples: &["vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bias", "vgg13-bias", "vgg16-bias", "vgg19-bias"],
        about: "VGG with batch normalisation and one linear layer; -bias: convolutions with biases, as in the lottery-ticket code",
    },
    Family {
        pattern: "vgg-<c|d|like>",
        examples: &["vgg-c", "vgg-d", "vgg-like"],
        about: "the VGG variants of SNIP, with hidden linear layers",
    },
    Family {
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
    },
    Family {
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
    },
    Family {
        pattern: "small-dense-<width>, small-dense-inc-<width>",
        examples: &["small-dense-64", "small-dense-128", "small-dense-256", "small-dense-inc-16", "small-dense-inc-32"],
        about: "narrow ResNet-18 (-str): every stage <width> wide, or w, 2w, 4w, 8w",
    },
    Family {
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
    },
    Family {
        pattern: "wrn-<depth>-<width>",
        examples: &["wrn-16-8", "wrn-22-2", "wrn-28-2", "wrn-28-10", "wrn-40-2"],
        about: "wide ResNet with pre-activation blocks, depth 6n+4, without dropout; also wideresnet-<depth>-<width>",
    },
    Family {
        pattern: "mobilenet-<v1|v2>, mobilenet-v1-str",
        examples: &["mobilenet-v1", "mobilenet-v2", "mobilenet-v1-str"],
        about: "depthwise separable convolutions; inverted residuals; -str: classifier without bias, as in soft threshold \
                reparameterisation",
    },
    Family {
        pattern: "lenet-<w1>-<w2>-..., mlp-<w1>-<w2>-...",
        examples: &["lenet-300-100", "mlp-300-100", "mlp-256-256-256"],
        about: "linear layers of these widths with ReLU, then a linear classifier",
    },
    Family {
        pattern: "lenet5[-caffe]",
        examples: &["lenet5", "lenet5-caffe"],
        about: "LeNet-5: 6-16-120-84 units; -caffe: 20-50-500",
    },
    Family {
        pattern: "conv-<2|4|6>",
        examples: &["conv-2", "conv-4", "conv-6"],
        about: "the convolutional networks of the lottery ticket hypothesis, without normalisation",
    },
    Family {
        pattern: "mnist-convnet",
        examples: &["mnist-convnet"],
        about: "two convolutions and two linear layers, the MNIST example of rigl-torch, without dropout",
    },
    Family { pattern: "digits", examples: &["digits"], about: "three convolutions for images of about 8x8 pixels" },
    Family {
        pattern: "<any of these>-x<factor>",
        examples: &["resnet50-x0.465", "vgg16-x0.5", "wrn-22-2-x0.447", "mobilenet-v1-x0.47", "mlp-300-100-x0.3"],
        about: "every number of channels or units times a factor above 0 and up to 64, rounded down to at least 1",
    },
    Family {
        pattern: "<any of these>-nonaffine",
        examples: &["resnet18-nonaffine", "resnet18-str-nonaffine", "mobilenet-v1-x0.5-nonaffine"],
        about: "normalisations without scale and shift",
    },
    Family {
        pattern: "<any of these>-slt",
        examples: &["resnet18-slt", "vgg16-slt", "resnet18-x0.5-slt"],
        about: "as edge-popup trains it: a bias in every convolution and linear layer, normalisations without scale and shift",
    },
];

/// Every family of networks, for help texts.
#[must_use]
pub fn names() -> &'static [Family] {
    FAMILIES
}

/// The network that suits images of this shape when none is named.
#[must_use]
pub fn default_for(input: Image) -> &'static str {
    match input.height.min(input.width) {
        // Not images: a table of features.
        0 | 1 => "mlp-256-256-256",
        2..24 => "digits",
        24..32 if input.channels == 1 => "lenet-300-100",
        24..48 => "resnet20",
        48..128 => "resnet18",
        _ => "resnet50",
    }
}

/// Builds the network of this name for samples of shape `input`. Case does not matter; `-` and `_` are the same and may be left
/// out before a number (`ResNet_18`, `resnet18`). A name that ends in `-x<factor>` is the network with all its numbers of channels
/// and units, but not those of its input and its logits, multiplied by a number in (0, 64] and rounded down to at least 1. One
/// that ends in `-nonaffine` or `-slt`, after a factor if there is one, is the network in the form of
/// [`non_affine`](super::non_affine()) or [`supermask`](super::supermask()).
///
/// # Errors
/// Usage errors: an unknown name (with the nearest known one), a width, depth or factor that does not exist, no classes, or images
/// too small for the network.
///
/// ```
/// use er_networks::model::{Image, build};
/// let net = build("ResNet-18", Image::new(3, 32, 32), 10)?;
/// assert_eq!((net.name(), net.weight_count()), ("resnet18", 11_164_352));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub fn build(name: &str, input: Image, classes: usize) -> Result<ModelSpec> {
    if classes == 0 || input.is_empty() {
        return Err(Error::usage(format!("model {name}: cannot map images of {input} to {classes} classes"))
            .help("channels, height, width and classes must be at least 1"));
    }
    let Suffixes { name, factor, form } = suffixes(name)?;
    let mut net = plain(name, input, classes)?;
    if let Some(factor) = factor {
        net = scale::scaled(&net, factor)?;
    }
    match form {
        Some(form) => form.apply(&net),
        None => Ok(net),
    }
}

/// A name taken apart.
pub(super) struct Suffixes<'a> {
    /// The name without suffixes.
    pub(super) name: &'a str,
    /// Factor of the width.
    pub(super) factor: Option<f64>,
    /// The form that the network is to have.
    pub(super) form: Option<Form>,
}

/// Takes a name apart.
///
/// # Errors
/// A usage error if a factor is no number in (0, 64].
pub(super) fn suffixes(name: &str) -> Result<Suffixes<'_>> {
    let (name, last) = form::split(name);
    let (name, factor) = scale::split(name)?;
    // Before the factor is not where it belongs, but there is no doubt what is meant.
    let (name, first) = form::split(name);
    Ok(Suffixes { name, factor, form: first.max(last) })
}

/// The network of a name without suffixes.
fn plain(name: &str, input: Image, classes: usize) -> Result<ModelSpec> {
    let words = words(name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| number(name, text);
    match words.as_slice() {
        ["vgg", depth @ ("11" | "13" | "16" | "19")] => vgg::plain(depth, false, input, classes),
        ["vgg", depth @ ("11" | "13" | "16" | "19"), "bias"] => vgg::plain(depth, true, input, classes),
        ["vgg", variant @ ("c" | "d" | "like")] => vgg::snip(variant, input, classes),
        ["resnet", depth @ ("18" | "34" | "50" | "101" | "152"), suffix @ ..] => match suffix {
            [] => resnet::imagenet_family(depth, Head::Linear, input, classes),
            ["bias"] => resnet::imagenet_family(depth, Head::LinearBias, input, classes),
            ["str"] => resnet::imagenet_family(depth, Head::Conv, input, classes),
            _ => Err(unknown(name)),
        },
        ["resnet", depth] | ["cifar", "resnet", depth] => cifar_resnet::build(number(depth)?, 16, input, classes),
        ["resnet", depth, "w", width] | ["cifar", "resnet", depth, width] => {
            cifar_resnet::build(number(depth)?, number(width)?, input, classes)
        }
        ["small", "dense", width] => resnet::small_dense(number(width)?, false, input, classes),
        ["small", "dense", "inc", width] => resnet::small_dense(number(width)?, true, input, classes),
        ["small", "sub", width @ ("64" | "96" | "128" | "192" | "224" | "256" | "320" | "512")] => {
            resnet::small_sub(width, input, classes)
        }
        ["wrn" | "wideresnet", depth, width] | ["wide", "resnet", depth, width] => {
            wide_resnet::build(number(depth)?, number(width)?, input, classes)
        }
        ["mobilenet", "v", "1"] | ["mobilenetv", "1"] => mobilenet::v1(input, classes),
        ["mobilenet", "v", "1", "str"] | ["mobilenetv", "1", "str"] => mobilenet::v1_str(input, classes),
        ["mobilenet", "v", "2"] | ["mobilenetv", "2"] => mobilenet::v2(input, classes),
        ["lenet", "5"] => lenet::lenet5(input, classes),
        ["lenet", "5", "caffe"] => lenet::lenet5_caffe(input, classes),
        ["lenet" | "mlp", _, ..] => {
            let widths = words[1..].iter().map(|w| number(w)).collect::<Result<Vec<_>>>()?;
            lenet::mlp(words[0], &widths, input, classes)
        }
        ["conv", "2"] => small_conv::lottery(2, input, classes),
        ["conv", "4"] => small_conv::lottery(4, input, classes),
        ["conv", "6"] => small_conv::lottery(6, input, classes),
        ["mnist", "convnet"] => small_conv::mnist_convnet(input, classes),
        ["digits"] => small_conv::digits(input, classes),
        _ => Err(unknown(name)),
    }
}

/// Parts of a name in lower case, separated by `-`, `_` or the start of a number: `ResNet32_w32` is `resnet`, `32`, `w`, `32`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = None;
    for c in name.trim().chars() {
        let separator = matches!(c, '-' | '_');
        let number_starts = c.is_ascii_digit() && previous.is_some_and(char::is_alphabetic);
        if separator || number_starts {
            words.push(String::new());
        }
        if !separator && let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        previous = Some(c);
    }
    words
}

fn number(name: &str, text: &str) -> Result<usize> {
    text.parse().ok().filter(|n| (1..=LARGEST).contains(n)).ok_or_else(|| {
        Error::usage(format!("model {name}: {text:?} is not a whole number from 1 to {LARGEST}"))
            .help("widths and depths are separated by '-', for example mlp-300-100, wrn-22-2 or resnet32-w32")
    })
}

fn unknown(name: &str) -> Error {
    let near = nearest(name, FAMILIES.iter().flat_map(|f| f.examples.iter().copied()));
    let patterns: Vec<&str> = FAMILIES.iter().map(|f| f.pattern).collect();
    let help = near.map(|n| format!("did you mean {n}? ")).unwrap_or_default() + "models: " + &patterns.join(", ");
    Error::usage(format!("unknown model {name:?}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::error::Kind;
    use std::collections::HashSet;

    /// A shape on which every example of a family can be built.
    fn suitable(name: &str) -> Image {
        if name == "lenet5-caffe" { Image::new(1, 28, 28) } else { Image::new(3, 32, 32) }
    }

    #[test]
    fn every_example_builds_under_its_canonical_name_with_unique_module_names() {
        for example in FAMILIES.iter().flat_map(|f| f.examples) {
            let net = build(example, suitable(example), 7).unwrap();
            assert_eq!(net.name(), *example);
            assert_eq!(net.classes(), 7, "{example}");
            let names: HashSet<&str> = net.nodes().iter().map(|n| n.name.as_str()).collect();
            assert_eq!(names.len(), net.nodes().len(), "{example} repeats a module name");
        }
    }

    #[test]
    fn spelling_of_names() {
        let cifar = Image::new(3, 32, 32);
        for (typed, name) in [
            ("VGG_16", "vgg16"),
            ("ResNet-18", "resnet18"),
            ("resnet_50_STR", "resnet50-str"),
            ("cifar_resnet_20", "resnet20"),
            ("cifar_resnet_32_32", "resnet32-w32"),
            ("cifar-resnet-50", "cifar-resnet-50-16"),
            ("ResNet32_W32", "resnet32-w32"),
            ("WideResNet-22-2", "wrn-22-2"),
            ("wide_resnet_28_10", "wrn-28-10"),
            ("WRN28-10", "wrn-28-10"),
            ("MobileNetV1", "mobilenet-v1"),
            ("mobilenet_v2", "mobilenet-v2"),
            ("MobileNetV1_STR", "mobilenet-v1-str"),
            ("LeNet-300-100", "lenet-300-100"),
            ("lenet-5", "lenet5"),
            ("Conv6", "conv-6"),
            ("mlp_64", "mlp-64"),
        ] {
            assert_eq!(build(typed, cifar, 10).unwrap().name(), name, "{typed}");
        }
    }

    #[test]
    fn wrong_names_are_usage_errors_that_say_what_to_do() {
        let cifar = Image::new(3, 32, 32);
        for (typed, what, help) in [
            ("vgg15", "unknown model \"vgg15\"", "did you mean vgg1"),
            ("resnet18-bais", "unknown model \"resnet18-bais\"", "did you mean resnet18-bias?"),
            ("banana", "unknown model \"banana\"", "models: vgg<11|13|16|19>"),
            ("", "unknown model \"\"", "models: "),
            ("mlp", "unknown model \"mlp\"", "models: "),
            ("resnet21", "depth 6n+2, not 21", "four stages have depth 18"),
            ("resnet18-w32", "unknown model", "did you mean"),
            ("resnet2", "depth 6n+2, not 2", "use depth 20"),
            ("wrn-21-2", "depth 6n+4, not 21", "wrn-22-2"),
            ("mlp-0", "\"0\" is not a whole number", "mlp-300-100"),
            ("mlp-12-abc", "\"abc\" is not a whole number", "mlp-300-100"),
            ("mlp-99999999999999999999", "is not a whole number from 1 to 65536", "mlp-300-100"),
            ("mlp--3", "\"\" is not a whole number", "separated by '-'"),
        ] {
            let error = build(typed, cifar, 10).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{typed}");
            assert!(error.what().contains(what), "{typed}: {error}");
            assert!(error.help_text().is_some_and(|h| h.contains(help)), "{typed}: {error}");
        }
    }

    #[test]
    fn images_too_small_or_empty_are_usage_errors() {
        for (name, input, classes, what) in [
            ("vgg16", Image::new(1, 8, 8), 10, "model vgg16: feature.33 cannot read 512x1x1"),
            ("lenet5", Image::new(1, 8, 8), 10, "model lenet5: conv2 cannot read 6x4x4"),
            ("conv-6", Image::new(1, 7, 9), 10, "model conv-6: pool3 cannot read 256x1x2"),
            ("digits", Image::new(1, 1, 9), 10, "model digits: maxpool cannot read 64x1x9"),
            ("resnet20", Image::new(0, 32, 32), 10, "0x32x32"),
            ("resnet20", Image::new(3, 32, 32), 0, "0 classes"),
        ] {
            let error = build(name, input, classes).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert!(error.what().contains(what) && error.help_text().is_some(), "{error}");
        }
    }

    #[test]
    fn defaults_can_be_built_for_their_images() {
        for (input, name) in [
            (Image::new(16, 1, 1), "mlp-256-256-256"),
            (Image::new(1, 8, 8), "digits"),
            (Image::new(1, 28, 28), "lenet-300-100"),
            (Image::new(3, 28, 28), "resnet20"),
            (Image::new(3, 32, 32), "resnet20"),
            (Image::new(3, 64, 64), "resnet18"),
            (Image::new(3, 224, 224), "resnet50"),
        ] {
            assert_eq!(default_for(input), name);
            assert_eq!(build(name, input, 5).unwrap().classes(), 5);
        }
    }

    #[test]
    fn every_network_accepts_every_number_of_channels_and_odd_sizes() {
        for example in FAMILIES.iter().flat_map(|f| f.examples) {
            let net = build(example, Image::new(2, 45, 70), 3).unwrap();
            let first = net.layers()[0].shape;
            assert!([2, 2 * 45 * 70].contains(&first.inp) && net.classes() == 3, "{example}: {first}");
        }
    }
}
