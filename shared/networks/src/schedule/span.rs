//! Stretches of a training, as options give them.

use std::fmt;

use er_graphs::error::{Error, Result};
use serde::{Serialize, Serializer};

use super::Length;

/// A place in a training, or the way from one to another: in steps (`2000it`), in epochs (`160ep`, `1.5ep`) or as a part of the whole
/// training (`0.75`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Span {
    /// This many steps.
    Steps(u64),
    /// This many epochs, and parts of them.
    Epochs(f64),
    /// This part of all steps, from 0 to 1.
    Part(f64),
}

/// Longest span in its own unit, so that products fit everywhere.
const MOST: f64 = 1e9;

impl Span {
    /// A whole number of epochs.
    #[must_use]
    pub const fn epochs(epochs: u64) -> Self {
        Self::Epochs(epochs as f64)
    }

    /// Steps in a training of this length, rounded down. The length's multiplier is not applied: see [`Span::stretched`].
    #[must_use]
    pub fn steps(self, length: Length) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Epochs(epochs) => (epochs * length.batches_per_epoch as f64) as u64,
            Self::Part(part) => (part * length.steps() as f64) as u64,
        }
    }

    /// As many times as long; a part of the training stays that part.
    #[must_use]
    pub fn stretched(self, multiplier: u64) -> Self {
        match self {
            Self::Steps(steps) => Self::Steps(steps * multiplier),
            Self::Epochs(epochs) => Self::Epochs(epochs * multiplier as f64),
            part @ Self::Part(_) => part,
        }
    }

    /// Epochs, where it is a whole number of them.
    #[must_use]
    pub fn whole_epochs(self) -> Option<u64> {
        match self {
            Self::Epochs(epochs) if epochs.fract() == 0.0 => Some(epochs as u64),
            _ => None,
        }
    }

    /// Steps, where it is given in them.
    #[must_use]
    pub fn whole_steps(self) -> Option<u64> {
        if let Self::Steps(steps) = self { Some(steps) } else { None }
    }

    /// Whether it has no length.
    #[must_use]
    pub fn is_zero(self) -> bool {
        match self {
            Self::Steps(steps) => steps == 0,
            Self::Epochs(length) | Self::Part(length) => length == 0.0,
        }
    }

    /// Reads a span; a whole number without a unit is one of `plain`.
    ///
    /// # Errors
    /// A usage error that quotes the text.
    fn parse(text: &str, plain: fn(f64) -> Self) -> Result<Self> {
        let typed = text.trim().to_lowercase();
        let number = |digits: &str| digits.trim().parse::<f64>().ok().filter(|v| (0.0..=MOST).contains(v));
        let whole = |digits: &str| number(digits).filter(|v| v.fract() == 0.0);
        let span = if let Some(digits) = typed.strip_suffix("ep") {
            number(digits).map(Self::Epochs)
        } else if let Some(digits) = typed.strip_suffix("it") {
            whole(digits).map(|steps| Self::Steps(steps as u64))
        } else if typed.contains(['.', 'e']) {
            number(&typed).filter(|part| *part <= 1.0).map(Self::Part)
        } else {
            whole(&typed).map(plain)
        };
        span.ok_or_else(|| {
            Error::usage(format!("'{text}' is no place in a training"))
                .help("give epochs (160ep), steps (2000it) or a part of the training between 0 and 1 (0.75)")
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}it"),
            Self::Epochs(epochs) => write!(f, "{epochs}ep"),
            // With a point, which tells it from a whole number.
            Self::Part(part) => write!(f, "{part:?}"),
        }
    }
}

/// A [`Span`] of an option whose whole numbers without a unit are $unit.
macro_rules! spans_of {
    ($name:ident, $unit:literal, $plain:expr, $bare:expr) => {
        #[doc = concat!("A [`Span`] of an option whose whole numbers without a unit are ", $unit, ".")]
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $name(pub Span);

        impl std::str::FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Span::parse(text, $plain).map(Self)
            }
        }

        /// What is parsed back to the same span, without the unit where it is the usual one.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match $bare(self.0) {
                    Some(number) => write!(f, "{number}"),
                    None => self.0.fmt(f),
                }
            }
        }

        impl From<$name> for Span {
            fn from(span: $name) -> Self {
                span.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match $bare(self.0) {
                    Some(number) => serializer.serialize_u64(number),
                    None => serializer.collect_str(&self.0),
                }
            }
        }
    };
}

spans_of!(EpochSpan, "epochs", Span::Epochs, Span::whole_epochs);
spans_of!(StepSpan, "steps", |steps| Span::Steps(steps as u64), Span::whole_steps);

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Length = Length { batches_per_epoch: 100, epochs: 3, multiplier: 1 };

    #[test]
    fn spans_are_read_as_they_are_written() {
        for (text, span, steps, shown) in [
            ("160ep", Span::Epochs(160.0), 16_000, "160"),
            ("160", Span::Epochs(160.0), 16_000, "160"),
            ("1.5ep", Span::Epochs(1.5), 150, "1.5ep"),
            ("2000it", Span::Steps(2000), 2000, "2000it"),
            ("0.75", Span::Part(0.75), 225, "0.75"),
            ("1.0", Span::Part(1.0), 300, "1.0"),
            ("5e-1", Span::Part(0.5), 150, "0.5"),
            ("0", Span::Epochs(0.0), 0, "0"),
        ] {
            let read: EpochSpan = text.parse().unwrap();
            assert_eq!((read.0, read.0.steps(LENGTH), read.to_string().as_str()), (span, steps, shown), "{text}");
            assert_eq!(read.to_string().parse::<EpochSpan>().unwrap(), read);
            let written = serde_json::to_value(read).unwrap();
            let back = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
            assert_eq!(back.parse::<EpochSpan>().unwrap(), read);
        }
        let steps: StepSpan = "500".parse().unwrap();
        assert_eq!((steps.0, steps.to_string().as_str()), (Span::Steps(500), "500"));
        assert_eq!("2ep".parse::<StepSpan>().unwrap().to_string(), "2ep");
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in ["", "x", "-1", "1.5", "2it5", "1.5it", "1e10ep", "nan", "ep", "1e99"] {
            let error = text.parse::<EpochSpan>().unwrap_err();
            assert!(error.what().contains(&format!("'{text}'")) && error.help_text().is_some(), "{text}: {error}");
        }
    }

    #[test]
    fn parts_do_not_stretch() {
        assert_eq!(Span::Steps(7).stretched(3), Span::Steps(21));
        assert_eq!(Span::Epochs(1.5).stretched(2), Span::Epochs(3.0));
        assert_eq!(Span::Part(0.5).stretched(2), Span::Part(0.5));
    }
}
