//! Doors: kinds of things that anybody can add to and that are then known by name: distributions of densities, initial masks,
//! scores, ways to grow, decays, models.
//!
//! Each kind is a trait that says what such a thing does, and [`Named`] below it, which says what it is called and which numbers it
//! takes. A [`Registry`] holds all there are: those of this toolkit, and those that a program adds before it reads its options.
//! [`Selected`] is one of them with its numbers, as a user writes it: `ERK`, `ERK(power=0.5)`, `ERK:power=0.5`.
//!
//! A distribution in a crate of your own:
//!
//! ```
//! use std::ops::Bound::{Excluded, Included};
//!
//! use er_graphs::Result;
//! use er_graphs::density::{Density, Distribution, LayerDensities, Solution, fill};
//! use er_graphs::graph::LayerShape;
//! use er_graphs::registry::{Door, Named, Parameter};
//!
//! /// Density ∝ `N_l^-a`, until a layer is full; surplus goes to the others.
//! struct Inverse;
//!
//! impl Named for Inverse {
//!     fn name(&self) -> &'static str {
//!         "inverse"
//!     }
//!     fn about(&self) -> &'static str {
//!         "density ∝ 1 / weights of the layer, to a power"
//!     }
//!     fn parameters(&self) -> &'static [Parameter] {
//!         &[Parameter { name: "a", about: "the power", default: 0.5, range: (Excluded(0.0), Included(2.0)) }]
//!     }
//! }
//!
//! impl Distribution for Inverse {
//!     fn solve(&self, shapes: &[LayerShape], d: f64, parameters: &[f64]) -> Result<Solution> {
//!         let raw: Vec<f64> = shapes.iter().map(|s| (s.weights() as f64).powf(-parameters[0])).collect();
//!         let (densities, epsilon) = fill(self.name(), shapes, d, &raw)?;
//!         Ok(Solution::new(shapes, densities, Some(("epsilon", epsilon))))
//!     }
//! }
//!
//! <dyn Distribution>::registry().add(&Inverse)?;
//! let rule: LayerDensities = "inverse(a=1)".parse()?;
//! let solved = rule.solve(&[LayerShape::linear(300, 784), LayerShape::linear(10, 300)], Density::new(0.1)?)?;
//! assert!((solved.achieved - 0.1).abs() < 1e-12);
//! let error = "inverse(a=3)".parse::<LayerDensities>().unwrap_err();
//! assert_eq!(error.what(), "inverse: a must be above 0 and at most 2, got 3");
//! # Ok::<(), er_graphs::Error>(())
//! ```

use std::fmt;
use std::iter::once;
use std::ops::{Bound, Deref, RangeBounds};
use std::str::FromStr;
use std::sync::{PoisonError, RwLock};

use crate::error::{Error, Result, nearest};
use crate::names;

/// Most parameters that one thing can have.
pub const MOST_PARAMETERS: usize = 4;

/// Something that is known by name.
pub trait Named: Send + Sync {
    /// The canonical name, the one that is printed and stored: letters, digits, `-`, `_` and dots. Case does not matter, and `-` and
    /// `_` are the same.
    fn name(&self) -> &'static str;

    /// Other accepted names.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// One line for help texts, without a full stop.
    fn about(&self) -> &'static str;

    /// The numbers that it takes, at most [`MOST_PARAMETERS`].
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }
}

/// A number that decides what a named thing does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Its value where none is given.
    pub default: f64,
    /// The values it may have; infinite ones and NaN are refused in any case.
    pub range: (Bound<f64>, Bound<f64>),
}

impl Parameter {
    /// What it is, for help.
    fn in_words(&self) -> String {
        format!("{} is {}; the usual value is {}", self.name, self.about, self.default)
    }

    /// The range in words, after "must be".
    fn range_in_words(&self) -> String {
        use Bound::{Excluded, Included, Unbounded};
        match self.range {
            (Included(low), Included(high)) => format!("between {low} and {high}"),
            (low, high) => {
                let low = match low {
                    Included(low) => Some(format!("at least {low}")),
                    Excluded(low) => Some(format!("above {low}")),
                    Unbounded => None,
                };
                let high = match high {
                    Included(high) => Some(format!("at most {high}")),
                    Excluded(high) => Some(format!("below {high}")),
                    Unbounded => None,
                };
                let ends: Vec<String> = low.into_iter().chain(high).collect();
                if ends.is_empty() { "finite".to_owned() } else { ends.join(" and ") }
            }
        }
    }
}

/// All things of a kind that are known by name: those built in, and those added since.
pub struct Registry<T: ?Sized + 'static> {
    built_in: &'static [&'static T],
    added: RwLock<Vec<&'static T>>,
}

impl<T: ?Sized + 'static> Registry<T> {
    /// What is built in, in the order in which it is listed.
    #[must_use]
    pub const fn new(built_in: &'static [&'static T]) -> Self {
        Self { built_in, added: RwLock::new(Vec::new()) }
    }

    /// What is built in.
    pub fn built_in(&self) -> &'static [&'static T] {
        self.built_in
    }

    /// What is built in, then what was added.
    pub fn iter(&self) -> impl Iterator<Item = &'static T> + use<T> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner).clone();
        self.built_in.iter().copied().chain(added)
    }
}

impl<T: Named + ?Sized> Registry<T> {
    /// What has this name or alias.
    pub fn find(&self, name: &str) -> Option<&'static T> {
        self.iter().find(|item| names::is_one_of(name, item.name(), item.aliases()))
    }
}

impl<T: Door + ?Sized> Registry<T> {
    /// Adds something, for the rest of this process. To be done before options are read.
    ///
    /// # Errors
    /// A usage error if one of its names is taken or cannot be typed, if it has more than [`MOST_PARAMETERS`] parameters, two of
    /// one name, or one whose default is out of its range, or if there is another [`Door::obstacle`].
    pub fn add(&self, item: &'static T) -> Result<()> {
        let (what, name) = (T::WHAT, item.name());
        let wrong = |why: String| Err(Error::usage(format!("{what} \"{name}\" cannot be added: {why}")));
        let typed = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        let parameters = item.parameters();
        for name in once(&name).chain(item.aliases()).chain(parameters.iter().map(|p| &p.name)) {
            if !typed(name) {
                return wrong(format!("the name \"{name}\" is not made of letters, digits, '-', '_' and '.'"));
            }
        }
        if parameters.len() > MOST_PARAMETERS {
            return wrong(format!("it has {} parameters, at most {MOST_PARAMETERS} can be", parameters.len()));
        }
        for (i, parameter) in parameters.iter().enumerate() {
            if parameters[..i].iter().any(|other| names::same(other.name, parameter.name)) {
                return wrong(format!("it has two parameters \"{}\"", parameter.name));
            }
            if let Err(error) = in_range(name, parameter, parameter.default) {
                return wrong(format!("of a default, {}", error.what()));
            }
        }
        if let Some(why) = item.obstacle() {
            return wrong(why);
        }
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        for other in self.built_in.iter().chain(&*added) {
            let taken = once(&name).chain(item.aliases()).find(|n| names::is_one_of(n, other.name(), other.aliases()));
            if let Some(taken) = taken {
                return wrong(format!("the name \"{taken}\" is that of {}", other.name()));
            }
        }
        added.push(item);
        Ok(())
    }
}

/// A kind of thing that anybody can add to; implemented for the trait object of what such a thing does.
pub trait Door: Named + 'static {
    /// What messages call such a thing.
    const WHAT: &'static str;

    /// All there are.
    fn registry() -> &'static Registry<Self>;

    /// What else keeps this from being added, besides its names and parameters.
    fn obstacle(&self) -> Option<String> {
        None
    }

    /// What is meant, in the spelling of [`Selected`], by a spelling that is older than this one.
    fn from_older_spelling(typed: &str) -> Option<String> {
        let _ = typed;
        None
    }

    /// How something is written whose older spelling is the one that stays; it has to be known to [`Door::from_older_spelling`].
    fn in_older_spelling(selected: &Selected<Self>) -> Option<String> {
        let _ = selected;
        None
    }
}

/// Something known by name, with a value for each of its parameters.
///
/// It is read from `name`, `name(0.3)`, `name(power=0.5)` or, for shells, `name:power=0.5`; several values are separated by commas,
/// and those without a name come first, in the order of [`Named::parameters`]. It is written as the name, with the values that are
/// not the defaults.
pub struct Selected<T: ?Sized + 'static> {
    item: &'static T,
    /// The values that were given.
    given: [Option<f64>; MOST_PARAMETERS],
}

impl<T: ?Sized + 'static> Selected<T> {
    /// This, with the defaults of all parameters.
    #[must_use]
    pub const fn new(item: &'static T) -> Self {
        Self { item, given: [None; MOST_PARAMETERS] }
    }
}

impl<T: Named + ?Sized> Selected<T> {
    /// The value of every parameter, in their order.
    pub fn values(&self) -> Vec<f64> {
        self.item.parameters().iter().zip(self.given).map(|(p, given)| given.unwrap_or(p.default)).collect()
    }

    /// The same with this value of a parameter.
    ///
    /// # Errors
    /// A usage error if there is no such parameter or the value is out of its range.
    pub fn with(mut self, parameter: &str, value: f64) -> Result<Self> {
        let (name, parameters) = (self.item.name(), self.item.parameters());
        let Some(at) = parameters.iter().position(|p| names::same(p.name, parameter)) else {
            let known: Vec<&str> = parameters.iter().map(|p| p.name).collect();
            let help = match nearest(parameter, known.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None if known.is_empty() => format!("write {name} alone"),
                None => format!("it takes {}", known.join(", ")),
            };
            return Err(Error::usage(format!("{name} has no parameter \"{parameter}\"")).help(help));
        };
        in_range(name, &parameters[at], value)?;
        self.given[at] = Some(value);
        Ok(self)
    }

    /// The same with values as they are typed, separated by commas.
    fn with_typed(mut self, values: &str) -> Result<Self> {
        let (name, parameters) = (self.item.name(), self.item.parameters());
        let values = values.trim();
        for (i, word) in values.split(',').enumerate().filter(|_| !values.is_empty()) {
            let (parameter, value) = match (word.split_once('='), parameters.get(i)) {
                (Some((parameter, value)), _) => (parameter.trim(), value.trim()),
                (None, Some(parameter)) => (parameter.name, word.trim()),
                (None, None) => {
                    let what = match parameters.len() {
                        0 => format!("{name} takes no parameters, got \"{values}\""),
                        n => format!("{name} takes {n} at most, got \"{values}\""),
                    };
                    return Err(Error::usage(what).help("leave it out"));
                }
            };
            let number = value.parse().unwrap_or(f64::NAN);
            if let Some(at) = parameters.iter().position(|p| names::same(p.name, parameter)) {
                if self.given[at].is_some() {
                    let what = format!("{name}: {parameter} is given twice");
                    return Err(Error::usage(what).help("values without a name come first"));
                }
                if number.is_nan() {
                    let what = format!("{name}: {parameter} \"{value}\" is not a number");
                    return Err(Error::usage(what).help(parameters[at].in_words()));
                }
            }
            self = self.with(parameter, number)?;
        }
        Ok(self)
    }
}

/// Whether a parameter may have this value.
fn in_range(name: &str, parameter: &Parameter, value: f64) -> Result<()> {
    if value.is_finite() && parameter.range.contains(&value) {
        return Ok(());
    }
    let what = format!("{name}: {} must be {}, got {value}", parameter.name, parameter.range_in_words());
    Err(Error::usage(what).help(parameter.in_words()))
}

/// The name in what is typed, and the values of parameters beside it.
#[must_use]
pub fn split(typed: &str) -> (&str, &str) {
    let typed = typed.trim();
    let in_brackets = typed.strip_suffix(')').and_then(|t| t.split_once('('));
    let (name, values) = in_brackets.or_else(|| typed.split_once(':')).unwrap_or((typed, ""));
    (name.trim(), values)
}

impl<T: Door + ?Sized> FromStr for Selected<T> {
    type Err = Error;

    fn from_str(typed: &str) -> Result<Self> {
        let meant = T::from_older_spelling(typed);
        let (name, values) = split(meant.as_deref().unwrap_or(typed));
        match T::registry().find(name) {
            Some(item) => Self::new(item).with_typed(values),
            None => Err(names::unknown(T::WHAT, T::registry().iter().map(|item| (item.name(), item.aliases())), name)),
        }
    }
}

/// Stored as printed.
impl<T: Door + ?Sized> serde::Serialize for Selected<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<T: Door + ?Sized> fmt::Display for Selected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(older) = T::in_older_spelling(self) {
            return f.write_str(&older);
        }
        f.write_str(self.item.name())?;
        let values = self.item.parameters().iter().zip(self.values());
        #[allow(clippy::float_cmp)] // the very number
        let given: Vec<String> = values.filter(|(p, v)| p.default != *v).map(|(p, v)| format!("{}={v}", p.name)).collect();
        if given.is_empty() { Ok(()) } else { write!(f, "({})", given.join(", ")) }
    }
}

impl<T: ?Sized> Deref for Selected<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item
    }
}

impl<T: ?Sized> Clone for Selected<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Selected<T> {}

/// The same thing with the same values.
impl<T: Named + ?Sized> PartialEq for Selected<T> {
    fn eq(&self, other: &Self) -> bool {
        self.item.name() == other.item.name() && self.values() == other.values()
    }
}

impl<T: Named + ?Sized> fmt::Debug for Selected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.item.name(), self.values())
    }
}

impl<T: Named + ?Sized> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(Named::name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Fruit: Named {}

    struct Of {
        name: &'static str,
        aliases: &'static [&'static str],
        parameters: &'static [Parameter],
    }

    impl Named for Of {
        fn name(&self) -> &'static str {
            self.name
        }

        fn aliases(&self) -> &'static [&'static str] {
            self.aliases
        }

        fn about(&self) -> &'static str {
            "a fruit"
        }

        fn parameters(&self) -> &'static [Parameter] {
            self.parameters
        }
    }

    impl Fruit for Of {}

    const SIZE: Parameter =
        Parameter { name: "size", about: "its diameter", default: 1.0, range: (Bound::Excluded(0.0), Bound::Included(9.0)) };
    const AGE: Parameter =
        Parameter { name: "age", about: "its days", default: 0.0, range: (Bound::Included(0.0), Bound::Unbounded) };
    const PLAIN: Of = Of { name: "", aliases: &[], parameters: &[] };
    static FRUITS: Registry<dyn Fruit> = Registry::new(&[
        &Of { name: "Red_Apple", aliases: &["malus"], parameters: &[SIZE, AGE] },
        &Of { name: "pear", ..PLAIN },
        &Of { name: "old-plum", parameters: &[SIZE], ..PLAIN },
    ]);

    impl Door for dyn Fruit {
        const WHAT: &'static str = "fruit";

        fn registry() -> &'static Registry<Self> {
            &FRUITS
        }

        fn from_older_spelling(typed: &str) -> Option<String> {
            typed.strip_prefix("plum*").map(|size| format!("old-plum({size})"))
        }

        fn in_older_spelling(selected: &Selected<Self>) -> Option<String> {
            (selected.name() == "old-plum").then(|| format!("plum*{}", selected.values()[0]))
        }
    }

    fn fruit(typed: &str) -> Result<Selected<dyn Fruit>> {
        typed.parse()
    }

    #[test]
    fn parameters_are_written_in_three_ways() {
        let plain = fruit("red-apple").unwrap();
        assert_eq!((plain.values(), plain.to_string()), (vec![1.0, 0.0], "Red_Apple".to_owned()));
        for typed in
            ["malus(2, 0.5)", "MALUS(age=0.5, size=2)", "red_apple:size=2,age=0.5", " Red-Apple ( 2 ,age = .5) ", "malus:2,0.5"]
        {
            let found = fruit(typed).unwrap();
            assert_eq!(found.values(), [2.0, 0.5], "{typed}");
            assert_eq!(found.to_string(), "Red_Apple(size=2, age=0.5)");
            assert_eq!(fruit(&found.to_string()).unwrap(), found);
        }
        assert_eq!(fruit("malus(1)").unwrap(), plain);
        assert_eq!(fruit("malus(age=3)").unwrap().to_string(), "Red_Apple(age=3)");
        assert_ne!(fruit("malus(age=3)").unwrap(), plain);
        assert_ne!(fruit("pear").unwrap(), plain);
        assert_eq!(fruit("pear()").unwrap().to_string(), "pear");
    }

    #[test]
    fn older_spellings_stay() {
        let plum = fruit("plum*3").unwrap();
        assert_eq!((plum.name(), plum.values(), plum.to_string()), ("old-plum", vec![3.0], "plum*3".to_owned()));
        assert_eq!(fruit("old_plum(3)").unwrap(), plum);
        assert_eq!(fruit("old-plum").unwrap().to_string(), "plum*1");
    }

    #[test]
    fn mistakes_are_named_with_what_would_do() {
        for (typed, what, help) in [
            ("peer", "unknown fruit \"peer\"", "did you mean \"pear\"?"),
            ("banana(3)", "unknown fruit \"banana\"", "choose one of Red_Apple, pear, old-plum"),
            ("malus(siz=3)", "Red_Apple has no parameter \"siz\"", "did you mean \"size\"?"),
            ("malus(weight=3)", "Red_Apple has no parameter \"weight\"", "it takes size, age"),
            ("pear(size=3)", "pear has no parameter \"size\"", "write pear alone"),
            ("pear(3)", "pear takes no parameters, got \"3\"", "leave it out"),
            ("malus(1, 2, 3)", "Red_Apple takes 2 at most, got \"1, 2, 3\"", "leave it out"),
            ("malus(age=1, 2)", "Red_Apple: age is given twice", "values without a name come first"),
            ("malus(size=big)", "Red_Apple: size \"big\" is not a number", "size is its diameter; the usual value is 1"),
            ("malus(0)", "Red_Apple: size must be above 0 and at most 9, got 0", "size is its diameter; the usual value is 1"),
            ("malus:age=-1", "Red_Apple: age must be at least 0, got -1", "age is its days; the usual value is 0"),
            ("malus:age=inf", "Red_Apple: age must be at least 0, got inf", "age is its days; the usual value is 0"),
        ] {
            let error = fruit(typed).unwrap_err();
            assert_eq!((error.what(), error.help_text()), (what, Some(help)), "{typed}");
            assert_eq!(error.kind(), crate::error::Kind::Usage);
        }
    }

    #[test]
    fn ranges_in_words() {
        use Bound::{Excluded, Included, Unbounded};
        for (range, words) in [
            ((Included(0.0), Included(1.0)), "between 0 and 1"),
            ((Excluded(0.0), Excluded(0.5)), "above 0 and below 0.5"),
            ((Unbounded, Included(2.0)), "at most 2"),
            ((Unbounded, Unbounded), "finite"),
        ] {
            assert_eq!(Parameter { range, ..SIZE }.range_in_words(), words);
        }
    }

    static FIG: Of = Of { name: "fig", aliases: &["ficus"], ..PLAIN };
    static WRONG: [(Of, &str); 7] = [
        (Of { name: "FIG", ..PLAIN }, "the name \"FIG\" is that of fig"),
        (Of { name: "date", aliases: &["Pear"], ..PLAIN }, "the name \"Pear\" is that of pear"),
        (Of { name: "date", aliases: &["MALUS"], ..PLAIN }, "the name \"MALUS\" is that of Red_Apple"),
        (Of { name: "da(te", ..PLAIN }, "the name \"da(te\" is not made of letters, digits, '-', '_' and '.'"),
        (Of { name: "date", parameters: &[SIZE, SIZE], ..PLAIN }, "it has two parameters \"size\""),
        (Of { name: "date", parameters: &[SIZE; 5], ..PLAIN }, "it has 5 parameters, at most 4 can be"),
        (
            Of { name: "date", parameters: &[Parameter { default: 0.0, ..SIZE }], ..PLAIN },
            "of a default, date: size must be above 0 and at most 9, got 0",
        ),
    ];

    #[test]
    fn what_is_added_is_found_and_no_name_is_taken_twice() {
        assert!(fruit("fig").is_err());
        FRUITS.add(&FIG).unwrap();
        assert_eq!(fruit("Ficus").unwrap().name(), "fig");
        assert_eq!((FRUITS.built_in().len(), FRUITS.iter().last().unwrap().name()), (3, "fig"));
        for (item, why) in &WRONG {
            let error = FRUITS.add(item).unwrap_err();
            assert_eq!(error.what(), format!("fruit \"{}\" cannot be added: {why}", item.name));
        }
    }
}
