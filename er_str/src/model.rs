//! Which network is meant.

use shared::data::DataKind;

use crate::conv_type::ResnetType;

/// Networks whose published form here has a 1×1 convolution as classifier.
const FORMS: [&str; 6] = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet-v1"];

/// What names of that form end in, before any other suffix.
const FORM: &str = "-str";

/// The network that a published program takes for these images, whatever `arch` says there; none for images it does not know.
pub(crate) fn of_set(set: DataKind) -> Option<&'static str> {
    match set {
        DataKind::Cifar10 => Some("resnet18-str"),
        DataKind::Cifar100 | DataKind::TinyImageNet | DataKind::ImageNet => Some("resnet50-str"),
        _ => None,
    }
}

/// The network of a published `--resnet-type` and `--width`.
pub(crate) fn of_type(resnet: ResnetType, width: usize) -> String {
    match resnet {
        ResnetType::Large => "resnet18-str".to_owned(),
        ResnetType::Res50 => "resnet50-str".to_owned(),
        ResnetType::SmallDense => format!("small-dense-{width}"),
        ResnetType::SmallDenseInc => format!("small-dense-inc-{width}"),
        // Any other width is that of ResNet-18, as published.
        ResnetType::SmallSub if [64, 96, 128, 192, 224, 256, 320].contains(&width) => format!("small-sub-{width}"),
        ResnetType::SmallSub => "small-sub-512".to_owned(),
    }
}

/// The published form of a network that has one: `ResNet18` is `resnet18-str`, `resnet50-x0.5` is `resnet50-str-x0.5`.
pub(crate) fn published_form(typed: &str) -> String {
    let name = typed.trim().to_lowercase().replace('_', "-").replace("resnet-", "resnet");
    let name = if let Some(rest) = name.strip_prefix("mobilenetv") { format!("mobilenet-v{rest}") } else { name };
    let form = FORMS.iter().find_map(|form| {
        let rest = name.strip_prefix(form)?;
        (rest.is_empty() || rest.starts_with("-x") || rest.starts_with("-nonaffine")).then(|| format!("{form}{FORM}{rest}"))
    });
    form.unwrap_or_else(|| typed.to_owned())
}

/// A network so many times as wide.
pub(crate) fn widened(name: &str, factor: f64) -> String {
    if (factor - 1.0).abs() < f64::EPSILON || name.contains("-x") { name.to_owned() } else { format!("{name}-x{factor}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_become_the_published_form() {
        for (typed, form) in [
            ("ResNet18", "resnet18-str"),
            ("ResNet_50", "resnet50-str"),
            ("MobileNetV1", "mobilenet-v1-str"),
            ("resnet18-x0.5", "resnet18-str-x0.5"),
            ("resnet18-str", "resnet18-str"),
            ("resnet18-bias", "resnet18-bias"),
            ("resnet20", "resnet20"),
            ("digits", "digits"),
        ] {
            assert_eq!(published_form(typed), form);
            assert_eq!(published_form(form), form);
        }
        assert_eq!([widened("resnet18-str", 0.5), widened("resnet18-str", 1.0)], ["resnet18-str-x0.5", "resnet18-str"]);
    }
}
