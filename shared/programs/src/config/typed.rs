//! Options as code speaks of them: by the field that holds what was typed, so that the compiler knows that there is such an option.

use std::fmt;

/// Which option: the name of the field that holds it, which is its name in `clap` as well. Made by [`option!`](crate::option),
/// [`options!`](crate::options) and [`option_of!`](crate::option_of).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OptionId(&'static str);

impl OptionId {
    /// The option held by the field that a path like `mask.density` ends in. For the macros, which make sure that there is one.
    #[doc(hidden)]
    #[must_use]
    pub fn of_field(path: &'static str) -> Self {
        Self(path.rsplit(['.', ' ']).next().unwrap_or(path))
    }

    /// The name of the field.
    #[must_use]
    pub fn field(self) -> &'static str {
        self.0
    }
}

impl AsRef<str> for OptionId {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for OptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<T> From<Typed<'_, T>> for OptionId {
    fn from(option: Typed<'_, T>) -> Self {
        option.id
    }
}

/// An option as it was typed: its value, or the default in its place, and which option it is.
#[derive(Debug)]
pub struct Typed<'a, T> {
    id: OptionId,
    value: &'a T,
}

impl<'a, T> Typed<'a, T> {
    /// For [`option!`](crate::option).
    #[doc(hidden)]
    #[must_use]
    pub fn new(path: &'static str, value: &'a T) -> Self {
        Self { id: OptionId::of_field(path), value }
    }

    /// Which option.
    #[must_use]
    pub fn id(self) -> OptionId {
        self.id
    }

    /// What was typed.
    #[must_use]
    pub fn value(self) -> &'a T {
        self.value
    }
}

impl<T> Clone for Typed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Typed<'_, T> {}

/// The option in a field, with what was typed: `option!(self.density)`.
#[macro_export]
macro_rules! option {
    ($of:ident . $($field:ident).+) => {
        $crate::config::Typed::new(stringify!($($field).+), &$of.$($field).+)
    };
}

/// Which options the fields hold: `options![self.density, self.sampling]`.
#[macro_export]
macro_rules! options {
    ($($of:ident . $($field:ident).+),* $(,)?) => {
        [$($crate::option!($of . $($field).+).id()),*]
    };
}

/// Which option a field of a type holds, where there is no value: `option_of!(TrainingOptions, epochs)`.
#[macro_export]
macro_rules! option_of {
    ($of:ty, $field:ident) => {{
        const _: usize = std::mem::offset_of!($of, $field);
        $crate::config::OptionId::of_field(stringify!($field))
    }};
}

#[cfg(test)]
mod tests {
    struct Inner {
        batch_size: usize,
    }

    struct Outer {
        inner: Inner,
        lr: f64,
    }

    #[test]
    fn an_option_is_named_by_its_field() {
        let outer = Outer { inner: Inner { batch_size: 3 }, lr: 0.1 };
        let typed = option!(outer.inner.batch_size);
        assert_eq!((typed.id().field(), *typed.value()), ("batch_size", 3));
        assert_eq!(options![outer.lr, outer.inner.batch_size].map(super::OptionId::field), ["lr", "batch_size"]);
        assert_eq!(option_of!(Outer, lr), option!(outer.lr).into());
    }
}
