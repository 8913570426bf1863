//! Names that users type for choices: one table serves parsing, help texts and "did you mean".

use crate::error::{Error, Result, nearest};

/// One value a user can choose by name.
#[derive(Debug, Clone)]
pub struct Choice<T> {
    /// What the name stands for.
    pub value: T,
    /// Canonical name, the one that is printed and stored.
    pub name: &'static str,
    /// Other accepted names.
    pub aliases: &'static [&'static str],
    /// One line for help texts.
    pub about: &'static str,
}

/// The value that `typed` names in `choices`; case does not matter, and `-` and `_` are the same.
///
/// # Errors
/// For an unknown name: a usage error that calls it an unknown `what` and proposes the nearest canonical name or alias, or else
/// lists the canonical names.
pub fn parse<T: Clone>(what: &str, choices: &[Choice<T>], typed: &str) -> Result<T> {
    match choices.iter().find(|c| is_one_of(typed, c.name, c.aliases)) {
        Some(choice) => Ok(choice.value.clone()),
        None => Err(unknown(what, choices.iter().map(|c| (c.name, c.aliases)), typed)),
    }
}

/// Whether `typed` is a canonical name or one of its aliases.
pub fn is_one_of(typed: &str, name: &str, aliases: &[&str]) -> bool {
    std::iter::once(&name).chain(aliases).any(|n| same(n, typed))
}

/// The error about a name that is none of these, each a canonical name with its aliases: it calls `typed` an unknown `what` and
/// proposes the nearest name, or else lists the canonical ones.
///
/// ```
/// let error = er_graphs::names::unknown("fruit", [("apple", ["Malus"].as_slice()), ("pear", &[])], "aple");
/// assert_eq!(error.to_string(), "unknown fruit \"aple\"\n  did you mean \"apple\"?");
/// ```
pub fn unknown<'a>(what: &str, names: impl IntoIterator<Item = (&'a str, &'a [&'a str])>, typed: &str) -> Error {
    let names: Vec<(&str, &[&str])> = names.into_iter().collect();
    let all = names.iter().flat_map(|(name, aliases)| std::iter::once(*name).chain(aliases.iter().copied()));
    let help = nearest(typed, all).map_or_else(
        || format!("choose one of {}", names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean \"{near}\"?"),
    );
    Error::usage(format!("unknown {what} \"{typed}\"")).help(help)
}

/// The name of a value.
///
/// # Panics
/// If the table does not have the value.
#[must_use]
pub fn name<T: PartialEq>(choices: &[Choice<T>], value: &T) -> &'static str {
    let choice = choices.iter().find(|c| c.value == *value);
    choice.map_or_else(|| unreachable!("every value is in its table"), |c| c.name)
}

/// Lets values of a type be stored as they are printed.
#[macro_export]
macro_rules! stored_as_text {
    ($type:ty) => {
        impl $crate::names::Serialize for $type {
            fn serialize<S: $crate::names::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}
pub use crate::stored_as_text;
#[doc(hidden)]
pub use serde::{Serialize, Serializer};

/// Lets values of a type be parsed from, and printed and stored as, the names in its `CHOICES`; messages call one a `$what`.
#[macro_export]
macro_rules! named {
    ($type:ty, $what:literal) => {
        impl std::str::FromStr for $type {
            type Err = $crate::error::Error;

            fn from_str(s: &str) -> $crate::error::Result<Self> {
                $crate::names::parse($what, Self::CHOICES, s)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::names::name(Self::CHOICES, self))
            }
        }

        $crate::names::stored_as_text!($type);
    };
}
pub use crate::named;

/// Whether two names are the same but for case and `-` instead of `_`.
///
/// ```
/// assert!(er_graphs::names::same("ER_same_params", "er-same-params"));
/// ```
pub fn same(a: &str, b: &str) -> bool {
    let fold = |c: char| if c == '_' { '-' } else { c.to_ascii_lowercase() };
    a.chars().map(fold).eq(b.chars().map(fold))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHOICES: &[Choice<u8>] = &[
        Choice { value: 1, name: "ERK", aliases: &["fixed_ERK"], about: "" },
        Choice { value: 2, name: "pyramid", aliases: &[], about: "" },
    ];

    #[test]
    fn case_and_dashes_do_not_matter() {
        for typed in ["ERK", "erk", "fixed-erk", "FIXED_ERK"] {
            assert_eq!(parse("thing", CHOICES, typed).unwrap(), 1, "{typed}");
        }
    }

    #[test]
    fn unknown_names_get_the_nearest_or_the_list() {
        let near = parse("thing", CHOICES, "pyramide").unwrap_err();
        assert_eq!(near.to_string(), "unknown thing \"pyramide\"\n  did you mean \"pyramid\"?");
        let far = parse("thing", CHOICES, "banana-split").unwrap_err();
        assert_eq!(far.help_text(), Some("choose one of ERK, pyramid"));
    }
}
