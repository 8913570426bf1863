//! Layers that stay dense, by name.

use crate::model::{ModelSpec, Op};
use er_graphs::error::{Error, Result, nearest};

/// Indices of the layers that these names mean, ascending and without repetition: `first`, `last`, `linear` (every one that is no
/// convolution), or a parameter's name with or without `.weight`.
///
/// # Errors
/// A usage error that proposes the nearest name, for a name that is none of the model's layers.
pub fn resolve_dense_layers(model: &ModelSpec, names: &[impl AsRef<str>]) -> Result<Vec<usize>> {
    let layers = model.layers();
    let stem = |name: &'_ str| name.strip_suffix(".weight").unwrap_or(name).to_owned();
    let known: Vec<String> = layers.iter().map(|l| stem(&l.name)).collect();
    let mut found = Vec::with_capacity(names.len());
    for name in names.iter().map(AsRef::as_ref) {
        if name == "linear" {
            let linear = |node: usize| matches!(model.nodes()[node].op, Op::Linear { .. });
            found.extend((0..layers.len()).filter(|l| linear(layers[*l].node)));
            continue;
        }
        found.push(match name {
            "first" if !layers.is_empty() => 0,
            "last" if !layers.is_empty() => layers.len() - 1,
            _ => known.iter().position(|k| *k == stem(name)).ok_or_else(|| {
                let candidates = ["first", "last", "linear"].into_iter().chain(known.iter().map(String::as_str));
                let help = nearest(&stem(name), candidates).map_or_else(
                    || format!("use first, last, linear or one of {}", known.join(", ")),
                    |near| format!("did you mean \"{near}\"?"),
                );
                Error::usage(format!("dense layer \"{name}\" is no layer of {}", model.name())).help(help)
            })?,
        });
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::plan::tests::chain;

    #[test]
    fn names_mean_layers() {
        let model = chain();
        let names = ["last", "features.0.weight", "first", "features.2"];
        assert_eq!(resolve_dense_layers(&model, &names).unwrap(), [0, 1, model.layers().len() - 1]);
        assert_eq!(resolve_dense_layers(&model, &["linear"]).unwrap(), [model.layers().len() - 1]);
        assert!(resolve_dense_layers(&model, &[""; 0]).unwrap().is_empty());
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let error = resolve_dense_layers(&chain(), &["feature.2.weight"]).unwrap_err();
        assert_eq!(error.to_string(), "dense layer \"feature.2.weight\" is no layer of chain\n  did you mean \"features.2\"?");
        let error = resolve_dense_layers(&chain(), &["x"]).unwrap_err();
        assert_eq!(error.help_text(), Some("use first, last, linear or one of features.0, features.2, features.4, classifier"));
    }
}
