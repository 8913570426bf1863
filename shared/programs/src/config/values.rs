//! What option values may look like: one parser a kind of value. A parser's error is the end of a sentence that began with the
//! option's name.

use std::path::Path;
use std::str::FromStr;

use er_graphs::density::LayerDensities;
use er_graphs::error::Error;
use er_networks::model::Image;
use er_networks::schedule::Span;
use er_networks::topology::SparseInit;
use er_training::run::{RunFolder, checkpoint_content};

/// A truth value as a word.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("'{text}' is not true, false, yes, no, 1 or 0")),
    }
}

/// A finite number.
pub fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| format!("'{text}' is not a number"))?;
    if value.is_finite() { Ok(value) } else { Err(format!("'{text}' is not finite")) }
}

/// A number of at least 0.
pub fn non_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|v| if v >= 0.0 { Ok(v) } else { Err(format!("'{text}' is negative")) })
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(|v| if v > 0.0 { Ok(v) } else { Err(format!("'{text}' is not above 0")) })
}

/// A number in [0, 1): 0 is allowed, 1 is not.
pub fn below_one(text: &str) -> Result<f64, String> {
    number(text).and_then(|v| if (0.0..1.0).contains(&v) { Ok(v) } else { Err(format!("'{text}' is not in [0, 1)")) })
}

/// A number in [0, 1].
pub fn part(text: &str) -> Result<f64, String> {
    number(text).and_then(|v| if (0.0..=1.0).contains(&v) { Ok(v) } else { Err(format!("'{text}' is not in [0, 1]")) })
}

/// A whole number of at least 1.
pub fn count(text: &str) -> Result<usize, String> {
    whole(text).and_then(|v| if v >= 1 { Ok(v) } else { Err(format!("'{text}' is not at least 1")) })
}

/// A whole number up to 10⁹, so that products of two fit everywhere.
pub fn whole(text: &str) -> Result<usize, String> {
    let value = text.trim().parse().ok().filter(|v| *v <= 1_000_000_000);
    value.ok_or_else(|| format!("'{text}' is not a whole number from 0 to 1000000000"))
}

/// A number of threads: more than this is a mistake, and starting them takes minutes.
pub fn threads(text: &str) -> Result<usize, String> {
    let value = text.trim().parse().ok().filter(|v| (1..=1024).contains(v));
    value.ok_or_else(|| format!("'{text}' is not a whole number from 1 to 1024"))
}

/// A seed: a whole number below 2⁶⁴.
pub fn seed(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("'{text}' is not a whole number from 0 to {}", u64::MAX))
}

/// Shape of an image: `CxHxW`.
pub fn image(text: &str) -> Result<Image, String> {
    let sides: Option<Vec<usize>> = text.to_lowercase().split('x').map(|s| s.trim().parse().ok().filter(|n| *n > 0)).collect();
    match sides.as_deref() {
        Some(&[c, h, w]) => Ok(Image::new(c, h, w)),
        _ => Err(format!("'{text}' is not channels x height x width, for example 3x32x32")),
    }
}

/// A span that is not empty.
pub fn some_span<T: FromStr<Err = Error> + Into<Span> + Copy>(text: &str) -> Result<T, String> {
    let span: T = parsed(text)?;
    if span.into().is_zero() { Err(format!("'{text}' is not above 0")) } else { Ok(span) }
}

/// Anything that has a parser of its own.
pub fn parsed<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    T::from_str(text.trim()).map_err(|e| match e.help_text() {
        Some(help) => format!("{}; {help}", e.what()),
        None => e.what().to_owned(),
    })
}

/// An initial mask by name; or densities: a list, or the path of a JSON file with a list or with numbers by the names of layers; or masks:
/// of a file, or of the folder of a run.
pub fn sparse_init(text: &str) -> Result<SparseInit, String> {
    let path = Path::new(text.trim());
    if RunFolder::checkpoint_of(path).is_ok_and(|file| file != path) {
        return Ok(SparseInit::File(path.to_owned()));
    }
    if path.extension().is_none_or(|e| e != "json") {
        return parsed(text);
    }
    let file = checkpoint_content(path).map_err(|e| e.what().to_owned())?;
    let file = String::from_utf8(file).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let wrong = |e| format!("{} is no JSON list of one density a layer, nor an object of numbers by layer: {e}", path.display());
    if file.trim_start().starts_with('{') {
        return serde_json::from_str(&file).map(SparseInit::ByName).map_err(wrong);
    }
    serde_json::from_str(&file).map(|list| SparseInit::Densities(LayerDensities::List(list))).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_words_in_any_case() {
        for (text, value) in [("True", true), ("YES", true), ("1", true), ("false", false), ("No", false), ("0", false)] {
            assert_eq!(boolean(text), Ok(value));
        }
        assert!(boolean("2").is_err() && boolean("").is_err());
    }

    #[test]
    fn ranges_end_where_they_say() {
        for wrong in ["nan", "inf", "x", ""] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
        assert!(below_one("0").is_ok() && below_one("1").is_err());
        assert!(non_negative("0").is_ok() && positive("0").is_err() && number("-200").is_ok());
        assert!(
            whole("0").is_ok()
                && whole("1000000001").is_err()
                && whole("-1").is_err()
                && count("0").is_err()
                && count("1.5").is_err()
        );
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn images_have_three_sides() {
        assert_eq!(image("3x32x16"), Ok(Image::new(3, 32, 16)));
        for wrong in ["32", "3x32", "3x0x32", "axbxc", "1x2x3x4"] {
            assert!(image(wrong).is_err(), "{wrong}");
        }
    }
}
