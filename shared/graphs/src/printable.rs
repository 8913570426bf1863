//! Texts for people with values in them that anybody may have written: file names, keys of files, metadata of checkpoints.
//!
//! A control character in such a value could pass for a line of the program's own, or have the terminal do something. What people read
//! goes through here; files that programs read back hold values as they are.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text as one line: control characters, line breaks among them, escaped as in Rust (`\n`, `\u{1b}`), and so are the invisible ones
/// that reverse the direction of what follows. Escaping twice changes nothing more.
///
/// ```
/// use er_graphs::printable::line;
///
/// assert_eq!(line("run\n\u{1b}[2J"), "run\\n\\u{1b}[2J");
/// assert_eq!(line("Größe 3×3, σ₁"), "Größe 3×3, σ₁");
/// ```
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_hidden)
}

/// [`line()`] of each line of a text: line breaks stay. For tables and the like, whose values are escaped on their own.
#[must_use]
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && is_hidden(c))
}

/// JSON that means the same, with all of these characters escaped as JSON does (`\u009b`), which leaves many of them as they are. YAML
/// understands it as well, and would not without.
///
/// ```
/// assert_eq!(er_graphs::printable::json("[\n  \"\u{9b}2J\"\n]"), "[\n  \"\\u009b2J\"\n]");
/// ```
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    // Those that are no part of strings are the line breaks between them. All others have four digits.
    let escape = |shown: &mut String, c| {
        let _ = write!(shown, "\\u{:04x}", u32::from(c));
    };
    replaced(text, |c| c != '\n' && is_hidden(c), escape)
}

fn escaped(text: &str, is_hidden: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    replaced(text, is_hidden, |shown, c| shown.extend(c.escape_default()))
}

fn replaced(text: &str, is_hidden: impl Fn(char) -> bool + Copy, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) { escape(&mut shown, c) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL, C1), separators of lines and paragraphs, marks that set the direction of a text, and what is no character.
fn is_hidden(c: char) -> bool {
    let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{feff}', '\u{fffe}', '\u{ffff}'];
    c.is_control() || marks.contains(&c) || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_hidden_is_shown() {
        for (text, shown) in [
            ("a\tb\r\n", r"a\tb\r\n"),
            ("\u{0}\u{7}\u{7f}", r"\u{0}\u{7}\u{7f}"),
            ("\u{9b}2J\u{85}", r"\u{9b}2J\u{85}"),
            ("\u{202e}gnp\u{2066}\u{2069}\u{200f}\u{61c}\u{2028}", r"\u{202e}gnp\u{2066}\u{2069}\u{200f}\u{61c}\u{2028}"),
            (r"C:\new", r"C:\new"),
        ] {
            assert_eq!(line(text), shown);
        }
        assert_eq!(lines("a\n\u{1b}b\r\n"), "a\n\\u{1b}b\\r\n");
        assert!(matches!(line("model mlp-8 – 3×3"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn one_line_stays_one(text in any::<String>()) {
            let shown = line(&text).into_owned();
            prop_assert!(!shown.contains(is_hidden));
            prop_assert_eq!(line(&shown), shown.as_str());
            prop_assert_eq!(lines(&text).matches('\n').count(), text.matches('\n').count());
        }
    }
}
