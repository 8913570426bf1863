//! Networks in another form, with the same weights: `<name>-nonaffine`, and `<name>-slt`, whose subnetworks are searched.

use super::{ModelSpec, Op};
use er_graphs::error::Result;

/// What a name asks for after `-` or `_`. A form includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// That of [`non_affine`].
    NonAffine,
    /// That of [`supermask`].
    Supermask,
}

impl Form {
    const ALL: [Self; 2] = [Self::NonAffine, Self::Supermask];

    const fn suffix(self) -> &'static str {
        match self {
            Self::NonAffine => "nonaffine",
            Self::Supermask => "slt",
        }
    }

    /// The network in this form. Its name gets the suffix in place of those it has; a network that already has the form stays as
    /// it is.
    pub(super) fn apply(self, spec: &ModelSpec) -> Result<ModelSpec> {
        let name = format!("{}-{}", split(spec.name()).0, self.suffix());
        let mut net = ModelSpec::new(name, spec.input(), spec.default_init());
        for node in &spec.nodes()[1..] {
            let mut op = node.op;
            match &mut op {
                Op::Conv { bias, .. } | Op::Linear { bias, .. } if self == Self::Supermask => *bias = true,
                Op::BatchNorm { affine } => *affine = false,
                _ => {}
            }
            net.push(node.name.as_str(), op, &node.inputs)?;
        }
        Ok(if net.nodes() == spec.nodes() { spec.clone() } else { net })
    }
}

/// The name of a network without suffixes of forms, and the form that has all they ask for.
pub(super) fn split(name: &str) -> (&str, Option<Form>) {
    let (mut name, mut form) = (name.trim(), None);
    while let Some((plain, last)) = name.rsplit_once(['-', '_'])
        && let Some(found) = Form::ALL.into_iter().find(|f| f.suffix().eq_ignore_ascii_case(last))
    {
        (name, form) = (plain, form.max(Some(found)));
    }
    (name, form)
}

/// The network without scales and shifts: normalisations have nothing that is trained. Its name gets the suffix `-nonaffine`; a
/// network that already has this form stays as it is. Names of parameters stay.
///
/// # Errors
/// None for a network that could be built; those of [`ModelSpec::push`].
///
/// ```
/// use er_networks::model::{Image, build, non_affine};
/// let net = non_affine(&build("resnet18-str", Image::new(3, 32, 32), 10)?)?;
/// assert_eq!((net.name(), net.parameter_count()), ("resnet18-str-nonaffine", 11_164_352));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub fn non_affine(spec: &ModelSpec) -> Result<ModelSpec> {
    Form::NonAffine.apply(spec)
}

/// The network as edge-popup trains it (Ramanujan et al. 2020, with biases): every convolution and linear layer has a bias, and
/// normalisations have no scale and shift, so that all there is to choose from are weights and biases. Its name gets the suffix
/// `-slt`; a network that already has this form stays as it is. Names of parameters stay.
///
/// # Errors
/// None for a network that could be built; those of [`ModelSpec::push`].
///
/// ```
/// use er_networks::model::{Image, build, supermask};
/// let net = supermask(&build("resnet18", Image::new(3, 32, 32), 10)?)?;
/// assert_eq!((net.name(), net.parameter_count()), ("resnet18-slt", 11_164_352 + 4_810));
/// # Ok::<(), er_graphs::Error>(())
/// ```
pub fn supermask(spec: &ModelSpec) -> Result<ModelSpec> {
    Form::Supermask.apply(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Image, ParamKind, build, names, width_for};

    const CIFAR: Image = Image::new(3, 32, 32);

    #[test]
    fn the_form_is_reached_in_one_step_and_keeps_names_and_weights() {
        for example in names().iter().flat_map(|f| f.examples).filter(|e| !e.contains("caffe")) {
            let plain = build(example, CIFAR, 7).unwrap();
            let net = supermask(&plain).unwrap();
            assert_eq!(supermask(&net).unwrap(), net, "{example}");
            let typed = format!("{}-slt", example.trim_end_matches("-slt"));
            assert_eq!(build(&typed, CIFAR, 7).unwrap(), net, "{example}");
            assert_eq!(build(net.name(), CIFAR, 7).unwrap(), net, "{example}");
            assert_eq!(net.layers(), plain.layers(), "{example}");
            let parameters = net.parameters();
            assert!(parameters.iter().all(|p| !matches!(p.kind, ParamKind::Scale | ParamKind::Shift)), "{example}");
            let biases: usize = parameters.iter().filter(|p| p.kind == ParamKind::Bias).map(super::super::Parameter::len).sum();
            assert_eq!(biases, net.layers().iter().map(|l| l.shape.out).sum::<usize>(), "{example}");
        }
    }

    #[test]
    fn normalisations_without_scale_and_shift_change_nothing_else() {
        for example in names().iter().flat_map(|f| f.examples).filter(|e| !e.contains("caffe")) {
            let plain = build(example, CIFAR, 7).unwrap();
            let net = non_affine(&plain).unwrap();
            assert_eq!(non_affine(&net).unwrap(), net, "{example}");
            assert_eq!(build(net.name(), CIFAR, 7).unwrap(), net, "{example}");
            let affine = |kind| matches!(kind, ParamKind::Scale | ParamKind::Shift);
            let others: Vec<_> = plain.parameters().into_iter().filter(|p| !affine(p.kind)).collect();
            assert_eq!(net.parameters(), others, "{example}");
            assert_eq!((net.layers(), net.default_init()), (plain.layers(), plain.default_init()), "{example}");
        }
    }

    #[test]
    fn spelling_of_names() {
        for (typed, name) in [
            ("ResNet_18_SLT", "resnet18-slt"),
            (" resnet18-x0.5-slt ", "resnet18-x0.5-slt"),
            ("resnet18-slt-x0.5", "resnet18-x0.5-slt"),
            ("vgg16-bias-slt", "vgg16-bias-slt"),
            // They have these forms already.
            ("lenet-300-100-slt", "lenet-300-100"),
            ("lenet-300-100-nonaffine", "lenet-300-100"),
            ("ResNet_18_STR_NonAffine", "resnet18-str-nonaffine"),
            ("resnet18-nonaffine-x0.5", "resnet18-x0.5-nonaffine"),
            // One of the forms includes the other.
            ("resnet18-nonaffine-slt", "resnet18-slt"),
            ("resnet18-slt_x0.5-nonaffine", "resnet18-x0.5-slt"),
        ] {
            assert_eq!(build(typed, CIFAR, 10).map(|net| net.name().to_owned()).unwrap_or_default(), name, "{typed}");
        }
        for (typed, unknown) in [("slt", "slt"), ("-slt", ""), ("vgg15-slt", "vgg15"), ("vgg16-salt", "vgg16-salt")] {
            let error = build(typed, CIFAR, 10).unwrap_err();
            assert_eq!(error.what(), format!("unknown model {unknown:?}"));
        }
    }

    #[test]
    fn widths_are_those_of_the_plain_network() {
        let net = width_for("vgg16-slt", CIFAR, 10, 1e6).unwrap();
        let plain = width_for("vgg16", CIFAR, 10, 1e6).unwrap();
        assert_eq!(net, supermask(&plain).unwrap());
        assert!(net.name().starts_with("vgg16-x0.") && net.name().ends_with("-slt"));
        let net = width_for("vgg16-nonaffine", CIFAR, 10, 1e6).unwrap();
        assert_eq!(net, non_affine(&plain).unwrap());
    }
}
