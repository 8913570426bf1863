//! Files with the sparsity of each layer, as the programs of soft thresholds write them: a JSON object of layer names and
//! percentages, and `total` for that of all of them.

use er_graphs::density::LayerDensities;
use er_graphs::error::{Error, Result, nearest};
use std::collections::BTreeMap;
use std::path::Path;

/// Densities of a network that was pruned.
#[derive(Debug, Clone, PartialEq)]
pub struct Layerwise {
    /// Of each layer, from 0 to 1.
    pub densities: Vec<f64>,
    /// Of all layers together, above 0.
    pub total: f64,
}

impl Layerwise {
    /// Layers in the same proportion to each other, where none gets full: [`LayerDensities::Induced`].
    #[must_use]
    pub fn distribution(&self) -> LayerDensities {
        LayerDensities::Induced(self.densities.iter().map(|p| p / self.total).collect())
    }
}

/// Key of all layers together.
const TOTAL: &str = "total";

/// Reads the densities of the layers with these names, in their order. The file's names may begin with `module.` and lack the
/// last `.weight`, and it must have the same layers.
///
/// # Errors
/// If the file cannot be read, is no JSON object of numbers from 0 to 100, lacks one of the layers or `total`, has another layer or
/// one under two names, or has nothing left in total.
pub fn read(path: &Path, names: &[&str]) -> Result<Layerwise> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::io("read", path, &e).help("give a file with the sparsity of each layer, which a run of soft thresholds writes")
    })?;
    parse(&text, names).map_err(|problem| {
        Error::failure(format!("sparsity file {} {}", path.display(), problem.what())).help(
            problem.help_text().unwrap_or("give a JSON object: the sparsity of each layer in percent, and of all as \"total\""),
        )
    })
}

/// Densities of the layers with these names, in their order, from numbers by name: sparsities in percent if there is a `total`, as
/// [`read`] knows them, whose densities are in proportion; else densities, from 0 to 1.
///
/// # Errors
/// As [`read`].
pub fn by_name(numbers: &BTreeMap<String, f64>, names: &[&str]) -> Result<LayerDensities> {
    const HELP: &str = "give one density of each layer by its name, or the file of layer-wise sparsities of a run";
    let of_file = |e: Error| Error::usage(format!("the file of densities {}", e.what())).help(e.help_text().unwrap_or(HELP));
    if numbers.contains_key(TOTAL) {
        return sparsities(numbers, names).map(|file| file.distribution()).map_err(of_file);
    }
    let of_layers =
        bare_names(numbers, ("density", 1.0), "sparsities in percent have a \"total\" beside them").map_err(of_file)?;
    in_order(of_layers, names).map(LayerDensities::List).map_err(of_file)
}

/// The name without what not every program writes.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("module.").unwrap_or(name);
    name.strip_suffix(".weight").unwrap_or(name)
}

/// Messages go on from the name of the file.
fn parse(text: &str, names: &[&str]) -> Result<Layerwise> {
    let file: BTreeMap<String, f64> =
        serde_json::from_str(text).map_err(|e| Error::failure(format!("is no JSON object of numbers: {e}")))?;
    sparsities(&file, names)
}

fn sparsities(file: &BTreeMap<String, f64>, names: &[&str]) -> Result<Layerwise> {
    let mut by_name = bare_names(file, ("sparsity", 100.0), "sparsities are percentages of weights that are 0")?;
    for sparsity in by_name.values_mut() {
        *sparsity = 1.0 - *sparsity / 100.0;
    }
    let total = by_name.remove(TOTAL).ok_or_else(|| Error::failure("has no \"total\""))?;
    if total <= 0.0 {
        return Err(Error::failure("has a total sparsity of 100").help("give the file of a run that kept some weights"));
    }
    Ok(Layerwise { densities: in_order(by_name, names)?, total })
}

/// The numbers by what all programs write of their names; `what` they are, and the largest that they may be.
fn bare_names<'a>(numbers: &'a BTreeMap<String, f64>, (what, most): (&str, f64), help: &str) -> Result<BTreeMap<&'a str, f64>> {
    let mut by_name = BTreeMap::new();
    for (name, number) in numbers {
        if !(0.0..=most).contains(number) {
            return Err(Error::failure(format!("has {what} {number} for \"{name}\", outside 0 to {most}")).help(help));
        }
        if by_name.insert(bare(name), *number).is_some() {
            return Err(Error::failure(format!("has layer \"{}\" twice", bare(name))).help("leave one of them out"));
        }
    }
    Ok(by_name)
}

/// The numbers of the layers with these names.
fn in_order(mut by_name: BTreeMap<&str, f64>, names: &[&str]) -> Result<Vec<f64>> {
    const OTHER: &str = "give the file of a run of the same model with the same layers kept dense";
    let numbers = names.iter().map(|name| {
        let missing = || Error::failure(format!("has no layer \"{name}\"")).help(OTHER);
        by_name.remove(bare(name)).ok_or_else(missing)
    });
    let numbers = numbers.collect::<Result<Vec<_>>>()?;
    match by_name.keys().next() {
        Some(name) => {
            let near = nearest(name, names.iter().copied()).map_or_else(String::new, |n| format!(" (the nearest is \"{n}\")"));
            Err(Error::failure(format!("has a layer \"{name}\" that the network has not{near}")).help(OTHER))
        }
        None => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use er_graphs::density::Density;
    use er_graphs::graph::LayerShape;

    const NAMES: [&str; 3] = ["conv1.weight", "layer1.0.conv1.weight", "linear.weight"];

    fn written(text: &str) -> Result<Layerwise> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        std::fs::write(&path, text).unwrap();
        read(&path, &NAMES).map_err(|e| {
            let what = e.what().replace(path.to_str().unwrap(), "X");
            Error::failure(what).help(e.help_text().unwrap())
        })
    }

    #[test]
    fn names_with_and_without_prefix_and_suffix() {
        let expected = Layerwise { densities: vec![0.75, 0.125, 1.0], total: 0.25 };
        for text in [
            r#"{"total": 75, "conv1": 25, "layer1.0.conv1": 87.5, "linear": 0.0}"#,
            r#"{"module.conv1": 25, "linear": 0, "module.layer1.0.conv1.weight": 87.5, "total": 75.0}"#,
            r#"{"conv1.weight": 25, "layer1.0.conv1.weight": 87.5, "linear.weight": 0, "total": 75}"#,
        ] {
            assert_eq!(written(text).unwrap(), expected, "{text}");
        }
    }

    /// 16·27 + 64·16·9 + 10·64 = 10288 weights.
    #[test]
    fn layers_keep_their_proportions_until_they_are_full() {
        let shapes = [LayerShape::conv(16, 3, [3, 3]), LayerShape::conv(64, 16, [3, 3]), LayerShape::conv(10, 64, [1, 1])];
        let rule = written(r#"{"conv1": 25, "layer1.0.conv1": 87.5, "linear": 0, "total": 75}"#).unwrap().distribution();
        for (d, densities) in
            [(0.1, [0.3, 0.05, 0.4]), (0.25, [0.75, 0.125, 1.0]), (0.3, [0.9, 0.15, 1.0]), (0.5, [1.0, 0.25, 1.0])]
        {
            let solved = rule.solve(&shapes, Density::new(d).unwrap()).unwrap();
            for (got, expected) in solved.densities.iter().zip(densities) {
                assert!((got - expected).abs() < 1e-15, "{d}: {got} instead of {expected}");
            }
            let kept: f64 = densities.iter().zip([432.0, 9216.0, 640.0]).map(|(p, n)| p * n).sum();
            assert!((solved.achieved - kept / 10288.0).abs() < 1e-15 && solved.note.is_none(), "{d}");
        }
        assert_eq!((rule.name(), rule.to_string().parse::<LayerDensities>().unwrap()), ("str-induced-er", rule));
    }

    #[test]
    fn densities_by_name_are_put_in_order() {
        let of = |text: &str| by_name(&serde_json::from_str(text).unwrap(), &NAMES);
        let plain = r#"{"linear": 1, "module.conv1.weight": 0.5, "layer1.0.conv1": 0.25}"#;
        assert_eq!(of(plain).unwrap(), LayerDensities::List(vec![0.5, 0.25, 1.0]));
        let percent = r#"{"total": 75, "conv1": 25, "layer1.0.conv1": 87.5, "linear": 0.0}"#;
        assert_eq!(of(percent).unwrap(), LayerDensities::Induced(vec![3.0, 0.5, 4.0]));
        for (text, what) in [
            (r#"{"conv1": 0.5, "linear": 1}"#, "the file of densities has no layer \"layer1.0.conv1.weight\""),
            (r#"{"conv1": 12.5, "linear": 1}"#, "the file of densities has density 12.5 for \"conv1\", outside 0 to 1"),
            (r#"{"conv1": 1, "conv1.weight": 1}"#, "the file of densities has layer \"conv1\" twice"),
        ] {
            assert_eq!(of(text).unwrap_err().what(), what);
        }
    }

    #[test]
    fn mistakes_name_the_file_and_the_layer() {
        let named = |rest: &str| format!("{{\"conv1\": 25, \"layer1.0.conv1\": 50, {rest}}}");
        for (text, what, help) in [
            ("[1]".into(), "sparsity file X is no JSON object of numbers: ", "give a JSON object"),
            (named(r#""linear": "50", "total": 50"#), "sparsity file X is no JSON object of numbers: ", "give a JSON object"),
            (named(r#""linear": 50"#), "sparsity file X has no \"total\"", "of all as \"total\""),
            (named(r#""total": 50"#), "sparsity file X has no layer \"linear.weight\"", "a run of the same model"),
            (
                named(r#""linear": 50, "total": 50, "layer1.0.conv2": 3"#),
                "sparsity file X has a layer \"layer1.0.conv2\" that the network has not",
                "a run of the same model",
            ),
            (
                named(r#""linear": 100.5, "total": 50"#),
                "sparsity file X has sparsity 100.5 for \"linear\", outside 0 to 100",
                "percentages",
            ),
            (named(r#""linear": -1, "total": 50"#), "sparsity file X has sparsity -1 for \"linear\"", "percentages"),
            (named(r#""linear": 50, "total": 100"#), "sparsity file X has a total sparsity of 100", "kept some weights"),
            (
                named(r#""linear": 50, "module.conv1": 25, "total": 100"#),
                "sparsity file X has layer \"conv1\" twice",
                "leave one of them out",
            ),
        ] {
            let error = written(&text).unwrap_err();
            assert!(error.what().starts_with(what) && error.help_text().unwrap().contains(help), "{text}: {error}");
        }
        let error = read(Path::new("no/such.json"), &NAMES).unwrap_err();
        assert!(error.what().starts_with("cannot read no/such.json") && error.help_text().is_some(), "{error}");
    }
}
