//! From a name to a network.

use super::form::{self, Form};
use super::{Image, ModelSpec, cifar_resnet, lenet, mobilenet, resnet, scale, small_conv, spec, vgg, wide_resnet};
use er_graphs::error::{Error, Result, nearest};
use er_graphs::registry::{Door, Named, Registry};

/// Largest width, depth or similar number in a name; keeps sizes far from overflow.
const LARGEST: usize = 1 << 16;

/// A group of networks that share a pattern of names, and how they are built.
///
/// Anybody can add one (see [`registry`](er_graphs::registry)):
///
/// ```
/// use er_graphs::registry::Door;
/// use er_networks::model::{Builder, DefaultInit, Family, Image, build};
///
/// static PLAIN: Family = Family {
///     name: "plain",
///     pattern: "plain-<depth>-<width>",
///     examples: &["plain-3-16"],
///     about: "so many 3x3 convolutions of this width, without shortcuts",
///     build: |name, input, classes| match name.words().as_slice() {
///         ["plain", depth, width] => Some(name.number(depth).and_then(|depth| {
///             let width = name.number(width)?;
///             let mut b = Builder::new(format!("plain-{depth}-{width}"), input, DefaultInit::KaimingNormal);
///             for i in 1..=depth {
///                 b.conv(format!("conv{i}"), width, 3, 1, 1, false)?.norm(format!("bn{i}"))?.relu(format!("relu{i}"))?;
///             }
///             b.global_pool("pool")?.linear("fc", classes, true)?;
///             Ok(b.finish())
///         })),
///         _ => None,
///     },
/// };
///
/// Family::registry().add(&PLAIN)?;
/// let net = build("Plain_4_8", Image::new(3, 8, 8), 10)?;
/// assert_eq!((net.name(), net.layers().len()), ("plain-4-8", 5));
/// // Other widths and forms come by themselves.
/// assert_eq!(build("plain-4-8-x0.5", Image::new(3, 8, 8), 10)?.layers()[0].shape.out, 4);
/// # Ok::<(), er_graphs::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// What the family is called.
    pub name: &'static str,
    /// How the names of its networks look, for example `wrn-<depth>-<width>`.
    pub pattern: &'static str,
    /// Names that exist, in the form [`ModelSpec::name`] reports them.
    pub examples: &'static [&'static str],
    /// One line for a help text.
    pub about: &'static str,
    /// The network of a name, for images of this shape and so many classes; none if the name is not one of this family.
    pub build: fn(&ModelName<'_>, Image, usize) -> Option<Result<ModelSpec>>,
}

static FAMILIES: Registry<Family> = Registry::new(&[
    &vgg::PLAIN,
    &vgg::SNIP,
    &resnet::IMAGENET,
    &cifar_resnet::CIFAR,
    &resnet::SMALL_DENSE,
    &resnet::SMALL_SUB,
    &wide_resnet::WIDE,
    &mobilenet::MOBILENET,
    &lenet::MLP,
    &lenet::LENET5,
    &small_conv::LOTTERY,
    &small_conv::MNIST_CONVNET,
    &small_conv::DIGITS,
]);

/// What may follow the names of all families; [`build`] takes it off first.
static SUFFIXES: [Family; 3] = [
    Family {
        name: "x",
        pattern: "<any of these>-x<factor>",
        examples: &["resnet50-x0.465", "vgg16-x0.5", "wrn-22-2-x0.447", "mobilenet-v1-x0.47", "mlp-300-100-x0.3"],
        about: "every number of channels or units times a factor above 0 and up to 64, rounded down to at least 1",
        build: |_, _, _| None,
    },
    Family {
        name: "nonaffine",
        pattern: "<any of these>-nonaffine",
        examples: &["resnet18-nonaffine", "resnet18-str-nonaffine", "mobilenet-v1-x0.5-nonaffine"],
        about: "normalisations without scale and shift",
        build: |_, _, _| None,
    },
    Family {
        name: "slt",
        pattern: "<any of these>-slt",
        examples: &["resnet18-slt", "vgg16-slt", "resnet18-x0.5-slt"],
        about: "as edge-popup trains it: a bias in every convolution and linear layer, normalisations without scale and shift",
        build: |_, _, _| None,
    },
];

impl Named for Family {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Door for Family {
    const WHAT: &'static str = "family of models";

    fn registry() -> &'static Registry<Self> {
        &FAMILIES
    }

    /// Its examples have to be its own.
    fn obstacle(&self) -> Option<String> {
        let image = Image::new(3, 32, 32);
        if self.examples.is_empty() {
            return Some("it has no examples".to_owned());
        }
        self.examples.iter().find_map(|example| {
            let name = ModelName::new(example);
            if suffixes(example).map_or(true, |s| s.name != *example) {
                return Some(format!("{example} ends in what stands for a factor or a form"));
            }
            if (self.build)(&name, image, 10).is_none() {
                return Some(format!("{example} is an example, but it does not build it"));
            }
            let other = FAMILIES.iter().find(|other| (other.build)(&name, image, 10).is_some());
            other.map(|other| format!("{example} is a name of the family {}", other.name))
        })
    }
}

/// Every family of networks, for help texts; and last, as families of their own, the suffixes that names of all of them may have.
#[must_use]
pub fn names() -> Vec<&'static Family> {
    FAMILIES.iter().chain(&SUFFIXES).collect()
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
    spec::countable(name, "the input", &[], input)?;
    if classes == 0 || input.is_empty() {
        return Err(Error::usage(format!("model {name}: cannot map images of {input} to {classes} classes"))
            .help("channels, height, width and classes must be at least 1"));
    }
    let Suffixes { name, factor, form } = suffixes(name)?;
    let name = ModelName::new(name);
    let built = FAMILIES.iter().find_map(|family| (family.build)(&name, input, classes));
    let mut net = built.unwrap_or_else(|| Err(name.unknown()))?;
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

/// The name of a network without suffixes, taken apart.
#[derive(Debug, Clone)]
pub struct ModelName<'a> {
    typed: &'a str,
    words: Vec<String>,
}

impl<'a> ModelName<'a> {
    fn new(typed: &'a str) -> Self {
        Self { typed, words: words(typed) }
    }

    /// Its parts in lower case, separated by `-`, `_` or the start of a number: `ResNet32_w32` is `resnet`, `32`, `w`, `32`.
    pub fn words(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// The number in one of its parts: a width, a depth or the like.
    ///
    /// # Errors
    /// A usage error if it is not a whole number from 1 to 65536.
    pub fn number(&self, word: &str) -> Result<usize> {
        word.parse().ok().filter(|n| (1..=LARGEST).contains(n)).ok_or_else(|| {
            Error::usage(format!("model {}: {word:?} is not a whole number from 1 to {LARGEST}", self.typed))
                .help("widths and depths are separated by '-', for example mlp-300-100, wrn-22-2 or resnet32-w32")
        })
    }

    /// The error that there is no such network, with the nearest known name.
    pub fn unknown(&self) -> Error {
        let families = names();
        let near = nearest(self.typed, families.iter().flat_map(|f| f.examples.iter().copied()));
        let patterns: Vec<&str> = families.iter().map(|f| f.pattern).collect();
        let help = near.map(|n| format!("did you mean {n}? ")).unwrap_or_default() + "models: " + &patterns.join(", ");
        Error::usage(format!("unknown model {:?}", self.typed)).help(help)
    }
}

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
        for example in names().iter().flat_map(|f| f.examples) {
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
            ("banana", "unknown model \"banana\"", "vgg<11|13|16|19>"),
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
    fn networks_too_large_to_count_are_usage_errors() {
        let side = usize::MAX / 3;
        for (name, input, classes, node) in [
            ("mlp-8", Image::new(side, side, side), 10, "the input"),
            ("resnet20", Image::new(3, 1 << 32, 1 << 32), 10, "the input"),
            ("mlp-8", Image::new(1, 8, 8), usize::MAX, "fc2"),
            ("mlp-65536", Image::new(1 << 20, 1 << 20, 1), 10, "fc1"),
            ("resnet20-w65536-x64", Image::new(3, 1 << 16, 1 << 16), 10, "conv"),
        ] {
            let error = build(name, input, classes).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{name}");
            assert!(error.what().contains(&format!(": {node} of ")), "{error}");
            assert!(error.what().contains("more values or multiplications than 140737488355328"), "{error}");
        }
        let wide = ["65536"; 100].join("-");
        let large = build(&format!("mlp-{wide}-x64"), Image::new(3, 1024, 1024), 1 << 20).unwrap();
        assert!(large.layers().iter().map(crate::model::Layer::multiply_adds).sum::<usize>() > 1 << 50);
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
        for example in names().iter().flat_map(|f| f.examples) {
            let net = build(example, Image::new(2, 45, 70), 3).unwrap();
            let first = net.layers()[0].shape;
            assert!([2, 2 * 45 * 70].contains(&first.inp) && net.classes() == 3, "{example}: {first}");
        }
    }
}
