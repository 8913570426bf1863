//! Networks of another width: `<name>-x<factor>`.

use super::catalogue::{self, Suffixes};
use super::{Image, ModelSpec, Op};
use er_graphs::error::{Error, Result};
use er_graphs::graph::LayerShape;

/// Factors are above 0 and at most this, which keeps sizes far from overflow.
const LARGEST: f64 = 64.0;

/// The name of a network without its suffix `-x<factor>`, and the factor if there is one.
///
/// # Errors
/// A usage error if the suffix is no number in (0, 64].
pub(super) fn split(name: &str) -> Result<(&str, Option<f64>)> {
    // No family's name has a word that starts with x.
    let mut separators = name.char_indices().filter(|(_, c)| matches!(c, '-' | '_'));
    let Some((at, _)) = separators.rfind(|(i, _)| name[i + 1..].starts_with(['x', 'X'])) else { return Ok((name, None)) };
    let text = &name[at + 2..];
    match text.parse() {
        Ok(factor) if factor > 0.0 && factor <= LARGEST => Ok((&name[..at], Some(factor))),
        _ => Err(Error::usage(format!("model {name}: the factor {text:?} is not a number above 0 and up to {LARGEST}"))
            .help("a name may end in -x and a factor of the width, for example resnet50-x0.465")),
    }
}

/// The network with every number of channels or units c replaced by max(1, ⌊c·`factor`⌋), but for its input and its logits
/// (Small-Dense of Evci et al. 2020). Its name gets the suffix unless the factor is 1.
///
/// A grouped convolution keeps the shape of its groups and has as many of them as fit its new input, so a depthwise one follows
/// what it reads. Equal numbers stay equal, so summands still fit; a shortcut stays what it is where two different numbers
/// become equal.
///
/// # Errors
/// If the channels that a grouped convolution reads no longer fill its groups.
pub(super) fn scaled(spec: &ModelSpec, factor: f64) -> Result<ModelSpec> {
    let suffix = Some(factor.to_string()).filter(|f| f != "1").map_or_else(String::new, |f| format!("-x{f}"));
    let mut net = ModelSpec::new(spec.name().to_owned() + &suffix, spec.input(), spec.default_init());
    let classifier = spec.layers().last().map(|l| l.node);
    for (id, node) in spec.nodes().iter().enumerate().skip(1) {
        let from = net.nodes()[node.inputs[0]].output;
        let scale = |out: usize| if Some(id) == classifier { out } else { ((out as f64 * factor) as usize).max(1) };
        let mut op = node.op;
        match &mut op {
            Op::Conv { shape, groups: 1, .. } => *shape = LayerShape { out: scale(shape.out), inp: from.channels, ..*shape },
            Op::Conv { shape, groups, .. } => {
                let out = shape.out / *groups;
                *groups = from.channels / shape.inp;
                shape.out = out * *groups;
            }
            Op::Linear { shape, .. } => *shape = LayerShape { out: scale(shape.out), inp: from.len(), ..*shape },
            _ => {}
        }
        net.push(node.name.as_str(), op, &node.inputs)?;
    }
    Ok(net)
}

/// The widest version `<name>-x<factor>` of a network, with a factor up to 64, that has at most `weights` weights: the dense
/// network to compare a sparse one with. The factor has the fewest decimals that give this network; one that `name` already has
/// is ignored, and a suffix `-nonaffine` or `-slt` stays.
///
/// Bisection over the factors until one that fits and one that does not are neighbours among the floating-point numbers: some 80
/// networks are laid out, none is initialised.
///
/// # Errors
/// As [`build`](super::build); and a usage error if the network has more weights even with one channel or unit everywhere.
///
/// ```
/// use er_networks::model::{Image, width_for};
/// let net = width_for("wrn-22-2", Image::new(3, 32, 32), 10, 0.2 * 1_076_912.0)?;
/// assert_eq!((net.name(), net.weight_count()), ("wrn-22-2-x0.45", 211_924));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub fn width_for(name: &str, input: Image, classes: usize, weights: f64) -> Result<ModelSpec> {
    let Suffixes { name: plain, form, .. } = catalogue::suffixes(name)?;
    let widest = widest(name, &catalogue::build(plain, input, classes)?, weights)?;
    match form {
        Some(form) => form.apply(&widest),
        None => Ok(widest),
    }
}

/// The widest version of a plain network; `name` is for messages.
fn widest(name: &str, plain: &ModelSpec, weights: f64) -> Result<ModelSpec> {
    let count = |factor: f64| scaled(plain, factor).map(|net| net.weight_count());
    let narrowest = count(f64::MIN_POSITIVE)?;
    if weights.is_nan() || narrowest as f64 > weights {
        return Err(Error::usage(format!("model {name}: even the narrowest has {narrowest} weights, more than {weights}"))
            .help("use a higher density or a smaller model"));
    }
    // Positive numbers are ordered as their bits are.
    let (mut fits, mut too_wide) = (f64::MIN_POSITIVE.to_bits(), LARGEST.to_bits() + 1);
    while too_wide - fits > 1 {
        let middle = fits.midpoint(too_wide);
        if count(f64::from_bits(middle))? as f64 <= weights {
            fits = middle;
        } else {
            too_wide = middle;
        }
    }
    let largest = f64::from_bits(fits);
    let widest = count(largest)?;
    for digits in 0..17 {
        let factor = (largest * 10f64.powi(digits)).floor() / 10f64.powi(digits);
        let net = scaled(plain, factor)?;
        // Numbers of channels grow with the factor, so equal sums mean equal networks.
        if factor > 0.0 && net.weight_count() == widest {
            return Ok(net);
        }
    }
    scaled(plain, largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DefaultInit, build, names};
    use er_graphs::error::Kind;

    const CIFAR: Image = Image::new(3, 32, 32);

    fn channels(net: &ModelSpec) -> Vec<usize> {
        let mut outs: Vec<usize> = net.layers().iter().map(|l| l.shape.out).collect();
        outs.dedup();
        outs
    }

    #[test]
    fn channels_are_scaled_and_truncated_but_not_input_and_logits() {
        for (density, expected) in
            [(0.2f64, [7, 14, 28, 57]), (0.1, [5, 10, 20, 40]), (0.05, [3, 7, 14, 28]), (0.5, [11, 22, 45, 90])]
        {
            let name = format!("wrn-22-2-x{}", density.sqrt());
            let net = build(&name, CIFAR, 10).unwrap();
            assert_eq!(net.name(), name);
            let [a, b, c, d] = expected;
            assert_eq!(channels(&net), [a, b, c, d, 10]);
            assert_eq!((net.layers()[0].shape.inp, net.classes()), (3, 10));
        }
        let mlp = build("LeNet_300_100_X0.05", Image::new(1, 28, 28), 10).unwrap();
        assert_eq!((mlp.name(), channels(&mlp)), ("lenet-300-100-x0.05", vec![15, 5, 10]));
        let flattened = build("conv-2-x0.5", CIFAR, 10).unwrap();
        assert_eq!(flattened.layers()[2].shape, LayerShape::linear(128, 32 * 16 * 16));
    }

    #[test]
    fn depthwise_layers_follow_and_sums_fit_at_every_factor() {
        for example in names().iter().flat_map(|f| f.examples).filter(|e| !e.contains("-x")) {
            for factor in [1e-9, 0.03, 0.333, 0.465, 1.7, 2.0] {
                let net = build(&format!("{example}-x{factor}"), Image::new(3, 45, 33), 7).unwrap();
                let plain = build(example, Image::new(3, 45, 33), 7).unwrap();
                assert_eq!((net.nodes().len(), net.classes()), (plain.nodes().len(), 7), "{example} {factor}");
                for (a, b) in net.layers().iter().zip(plain.layers()).filter(|(_, b)| b.depthwise) {
                    assert_eq!((a.shape.out, a.shape.inp), (a.groups, 1), "{example} {factor}: {}", b.name);
                }
                assert_eq!(build(net.name(), Image::new(3, 45, 33), 7).unwrap(), net);
            }
        }
    }

    #[test]
    fn grouped_convolutions_keep_the_shape_of_their_groups() {
        let mut net = ModelSpec::new("net", Image::new(2, 5, 5), DefaultInit::FanInUniform);
        let conv =
            |out, inp, groups| Op::Conv { shape: LayerShape::conv(out, inp, [3, 3]), stride: 1, padding: 1, groups, bias: true };
        net.push("a", conv(8, 2, 1), &[0]).unwrap();
        net.push("b", conv(16, 2, 4), &[1]).unwrap();
        net.push("c", Op::Linear { shape: LayerShape::linear(3, 16 * 25), bias: true }, &[2]).unwrap();
        let half = scaled(&net, 0.5).unwrap();
        assert_eq!((half.layers()[1].groups, half.layers()[1].shape), (2, LayerShape::conv(8, 2, [3, 3])));
        assert!(scaled(&net, 0.4).unwrap_err().what().contains("b cannot read 3x5x5"));
    }

    #[test]
    fn factor_one_is_the_plain_network() {
        for example in names().iter().flat_map(|f| f.examples).filter(|e| !e.contains("-x")) {
            let plain = build(example, Image::new(3, 45, 33), 7).unwrap();
            for one in ["1", "1.0", "1e0"] {
                assert_eq!(build(&format!("{example}-x{one}"), Image::new(3, 45, 33), 7).unwrap(), plain);
            }
        }
    }

    #[test]
    fn wrong_factors_are_usage_errors() {
        for text in ["0", "-1", "-0.5", "64.001", "nan", "inf", "-inf", "", "wide", "0.5-bias"] {
            let error = build(&format!("resnet50-x{text}"), CIFAR, 10).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{text}");
            assert!(error.what().contains(&format!("the factor {text:?} is not a number")), "{error}");
            assert!(error.help_text().is_some_and(|h| h.contains("resnet50-x0.465")), "{error}");
        }
        let twice = build("resnet50-x0.5-x0.5", CIFAR, 10).unwrap_err();
        assert!(twice.what().contains("unknown model \"resnet50-x0.5\""), "{twice}");
        assert!(build("vgg15-x0.5", CIFAR, 10).unwrap_err().what().contains("unknown model \"vgg15\""));
    }

    #[test]
    fn widths_fill_a_budget_and_no_wider_network_fits() {
        for (name, input) in [("wrn-22-2", CIFAR), ("mobilenet-v2", CIFAR), ("resnet50", CIFAR), ("mlp-300-100-x3", CIFAR)] {
            let (plain, _) = split(name).unwrap();
            let plain = build(plain, input, 10).unwrap();
            let full = plain.weight_count() as f64;
            assert_eq!(width_for(name, input, 10, full).unwrap(), plain);
            for density in [0.01, 0.1, 0.35, 2.5] {
                let net = width_for(name, input, 10, density * full).unwrap();
                assert!(net.weight_count() as f64 <= density * full, "{name} {density}");
                assert_eq!(build(net.name(), input, 10).unwrap(), net);
                // The next larger factor at which a number of channels grows.
                let pairs = net.layers().iter().zip(plain.layers()).rev().skip(1).filter(|(_, l)| !l.depthwise);
                let next = pairs.map(|(l, plain)| (l.shape.out + 1) as f64 / plain.shape.out as f64);
                let wider = scaled(&plain, next.fold(f64::MAX, f64::min) * (1.0 + 1e-12)).unwrap();
                assert!(wider.weight_count() as f64 > density * full, "{name} {density}");
            }
        }
        let widest = width_for("mlp-8", CIFAR, 10, f64::INFINITY).unwrap();
        assert_eq!(widest.name(), "mlp-8-x64");
        for weights in [3_081.0, f64::NAN, -1.0] {
            let error = width_for("mlp-8", CIFAR, 10, weights).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.what().contains("even the narrowest has 3082 weights"), "{error}");
        }
        assert_eq!(width_for("mlp-8", CIFAR, 10, 3_082.0).unwrap().weight_count(), 3_082);
    }
}
