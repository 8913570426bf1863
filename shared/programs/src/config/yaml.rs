//! A YAML file as a flat list of `key: value` entries with their positions.
//!
//! Values keep the text that was written: what it means is decided by the option of that name, exactly as on a command line.
//! So `1e-4`, `0.10` or `yes` mean the same in both places.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// One `key: value` of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Key as written.
    pub key: String,
    /// Where the key starts.
    pub key_at: Position,
    /// The value.
    pub value: Value,
    /// Where the value starts.
    pub value_at: Position,
}

/// What was written after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A scalar, or a list of scalars joined by commas.
    Text(String),
    /// Nothing, `~` or `null`.
    Null,
    /// A mapping or a nested list, which no option takes.
    Nested,
}

/// What is wrong with a text that is not YAML, and where if known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What is wrong.
    pub what: String,
    /// Where.
    pub at: Option<Position>,
}

/// Reads the entries of a YAML text in the order in which they were written, duplicates included. An empty text has none.
///
/// # Errors
/// If the text is not YAML or is not a mapping of texts.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Malformed> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let document: Document = serde_saphyr::from_str_with_options(text, options).map_err(|e| Malformed {
        what: message_of(&e.without_snippet().to_string()),
        at: e.location().and_then(position).or_else(|| first(text)),
    })?;
    Ok(document.0.into_iter().map(|(key, value)| entry(text, key, &value)).collect())
}

/// Where the text begins: what is wrong with a document as a whole has no place of its own.
fn first(text: &str) -> Option<Position> {
    let (line, content) = (1..).zip(text.lines()).find(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with('#'))?;
    let column = 1 + content.chars().take_while(|c| c.is_whitespace()).count() as u64;
    Some(Position { line, column })
}

/// The reader's message without its place, which is told in front, and without its advice to programmers.
fn message_of(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.rsplit_once(" at line ").map_or(line, |(what, _)| what);
    line.split_once("; use from_str").map_or(line, |(what, _)| what).to_owned()
}

fn entry(text: &str, key: Spanned<String>, value: &Spanned<Node>) -> Entry {
    let key_at = position(key.referenced).unwrap_or(Position { line: 1, column: 1 });
    Entry { key: key.value, key_at, value: value_of(text, value), value_at: position(value.referenced).unwrap_or(key_at) }
}

fn value_of(text: &str, node: &Spanned<Node>) -> Value {
    match &node.value {
        Node::Text(s) => Value::Text(s.clone()),
        Node::Typed(shown) => Value::Text(written(text, node.defined).unwrap_or(shown).to_owned()),
        Node::Null => Value::Null,
        Node::Map => Value::Nested,
        Node::List(items) => {
            let texts: Option<Vec<String>> = items
                .iter()
                .map(|item| match value_of(text, item) {
                    Value::Text(s) if !matches!(item.value, Node::List(_)) => Some(s),
                    _ => None,
                })
                .collect();
            texts.map_or(Value::Nested, |t| Value::Text(t.join(",")))
        }
    }
}

/// The characters of a plain scalar as they stand in the file.
fn written(text: &str, at: Location) -> Option<&str> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let len = usize::try_from(at.span().byte_len()?).ok()?;
    text.get(start..start + len).map(str::trim).filter(|s| !s.is_empty())
}

fn position(at: Location) -> Option<Position> {
    (at.line() > 0).then(|| Position { line: at.line(), column: at.column() })
}

struct Document(Vec<(Spanned<String>, Spanned<Node>)>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Document;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines of the form 'option: value'")
            }
            fn visit_unit<E>(self) -> Result<Document, E> {
                Ok(Document(Vec::new()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    all.push(pair);
                }
                Ok(Document(all))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// A value before its text is looked up: numbers and booleans arrive converted, and only their place says how they were written.
enum Node {
    Text(String),
    Typed(String),
    Null,
    List(Vec<Spanned<Node>>),
    Map,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_bool<E>(self, v: bool) -> Result<Node, E> {
                Ok(Node::Typed(v.to_string()))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Node, E> {
                Ok(Node::Typed(v.to_string()))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Node, E> {
                Ok(Node::Typed(v.to_string()))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Node, E> {
                Ok(Node::Typed(v.to_string()))
            }
            fn visit_str<E>(self, v: &str) -> Result<Node, E> {
                Ok(Node::Text(v.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Node::Map)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(String, String)> {
        let text_of = |v: Value| if let Value::Text(t) = v { t } else { format!("{v:?}") };
        entries(text).unwrap().into_iter().map(|e| (e.key, text_of(e.value))).collect()
    }

    #[test]
    fn values_keep_their_text() {
        let yaml = "# run\nlr: 1e-4\ndensity: 0.10\nsparse: Yes\nname: \"a: b\"\nmilestones: [30, 60]\nseed: 18446744073709551615\n\
                    deep:\n  er: 1\nnothing:\nclip: .inf\nfix: true  # on\n";
        let expected = [
            ("lr", "1e-4"),
            ("density", "0.10"),
            ("sparse", "Yes"),
            ("name", "a: b"),
            ("milestones", "30,60"),
            ("seed", "18446744073709551615"),
            ("deep", "Nested"),
            ("nothing", "Null"),
            ("clip", ".inf"),
            ("fix", "true"),
        ];
        assert_eq!(texts(yaml), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn positions_count_from_one_and_duplicates_survive() {
        let all = entries("lr: 0.1\nseed:   3\nlr: 0.2\n").unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[1].key_at, Position { line: 2, column: 1 });
        assert_eq!(all[1].value_at, Position { line: 2, column: 9 });
        assert_eq!((all[2].key.as_str(), all[2].key_at.line), ("lr", 3));
    }

    #[test]
    fn an_alias_has_the_text_of_its_anchor() {
        assert_eq!(texts("lr: &x 1e-3\nl2: *x\n")[1].1, "1e-3");
    }

    #[test]
    fn empty_files_have_no_entries_and_broken_ones_a_place() {
        assert_eq!(entries("").unwrap(), []);
        assert_eq!(entries("# only a comment\n\n").unwrap(), []);
        let broken = entries("lr: 0.1\nseed: [1, 2\n").unwrap_err();
        assert!(broken.at.is_some_and(|p| p.line >= 2), "{broken:?}");
        for wrong in ["just a text", "- a\n- b\n", "3", "true"] {
            let wrong = entries(wrong).unwrap_err();
            assert!(wrong.what.ends_with("expected lines of the form 'option: value'"), "{wrong:?}");
            assert!(wrong.at.is_some(), "{wrong:?}");
        }
        for empty in ["---\n", "null\n", "{}\n", "---\n# nothing\n...\n"] {
            assert_eq!(entries(empty).unwrap(), [], "{empty:?}");
        }
        let two = entries("lr: 1\n---\nlr: 2\n").unwrap_err();
        assert!(two.what.ends_with("documents detected") && two.at.is_some_and(|p| p.line == 3), "{two:?}");
    }
}
