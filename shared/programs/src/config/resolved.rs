//! The options a run has in the end: what its folder stores and what its name is made of.

use std::collections::BTreeMap;
use std::fmt::Write;

use er_graphs::printable;
use er_training::run::sha256;
use serde_json::{Map, Value};

/// Every option of a run with its value, by long name. Options without a value, or without use for the run, are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub(super) program: String,
    /// Those that decide the result.
    pub(super) deciding: Map<String, Value>,
    /// Those that only say how and where it is computed, and change nothing beyond rounding.
    pub(super) running: Map<String, Value>,
    /// SHA-256 of what decides the result in files that options name. In the hash it takes the place of the path, so that the same
    /// content elsewhere is the same run, and another content under the same path another one.
    pub(super) contents: BTreeMap<String, String>,
    /// What the program has without any word. Options that are the same there do not name the run, so that an option that comes with
    /// a later version leaves the names of runs without it as they are.
    pub(super) defaults: Map<String, Value>,
}

impl Resolved {
    /// SHA-256 of what decides the result in each of the files that options name.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.contents.iter().map(|(option, content)| (option.as_str(), content.as_str()))
    }

    /// The value of an option.
    pub fn get(&self, long: &str) -> Option<&Value> {
        self.deciding.get(long).or_else(|| self.running.get(long))
    }

    /// All option names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.deciding.keys().chain(self.running.keys()).map(String::as_str)
    }

    /// The options that decide the result and are not what the program has without any word, where they are `told`, as parts of a file's
    /// name: `lr0.05`, `augment-false`. What is in a file is told by no name.
    pub(super) fn differing(&self, told: impl Fn(&str, &Value) -> bool) -> Vec<String> {
        let differs = |(option, value): &(&String, &Value)| {
            self.defaults.get(*option) != Some(*value) && !self.contents.contains_key(*option) && told(option, value)
        };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let written = |(option, value): (&String, &Value)| match value {
            Value::Number(number) => format!("{option}{number}"),
            Value::Array(values) => format!("{option}-{}", values.iter().map(text).collect::<Vec<_>>().join("_")),
            // A path may be long, and its end tells most.
            other => format!("{option}-{}", text(other).rsplit('/').next().unwrap_or_default()),
        };
        self.deciding.iter().filter(differs).map(written).collect()
    }

    /// SHA-256, in hexadecimal digits, of the program's name and the options that decide the result and are not what they are without any
    /// word.
    pub fn hash(&self) -> String {
        let mut deciding = self.deciding.clone();
        deciding.retain(|option, value| self.defaults.get(option) != Some(value));
        deciding.extend(self.contents.iter().map(|(option, content)| (option.clone(), content.as_str().into())));
        let mut text = format!("{}\n", self.program);
        lines(&mut text, &deciding);
        sha256(text.as_bytes())
    }

    /// A YAML file that `--config` reads back to the same options.
    pub fn to_yaml(&self) -> String {
        let mut text = format!("# Run it again with: {} --config THIS_FILE\n", self.program);
        lines(&mut text, &self.deciding);
        for (option, content) in &self.contents {
            let _ = writeln!(text, "# SHA-256 of what was read from {option}: {content}");
        }
        text.push_str("# These do not change the result beyond rounding:\n");
        lines(&mut text, &self.running);
        // Only strings have such characters, and they are those of JSON.
        printable::json(&text).into_owned()
    }

    /// The options that decide the result by their value, and not by the content of a file that they name.
    pub fn deciding(&self) -> Map<String, Value> {
        let by_value = self.deciding.iter().filter(|(option, _)| !self.contents.contains_key(*option));
        by_value.map(|(option, value)| (option.clone(), value.clone())).collect()
    }

    /// All options as one JSON object.
    pub fn to_json(&self) -> Value {
        Value::Object(self.deciding.iter().chain(&self.running).map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

/// `key: value` lines. JSON scalars and flat lists are YAML too.
fn lines(text: &mut String, options: &Map<String, Value>) {
    for (name, value) in options {
        let _ = writeln!(text, "{name}: {value}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(change: impl Fn(&mut Map<String, Value>), threads: usize) -> Resolved {
        let options = |of: Value| of.as_object().unwrap().clone();
        let mut deciding = options(json!({ "batch-size": 128, "lr": 5e-4, "name": "a: \"b\"" }));
        change(&mut deciding);
        let running = options(json!({ "threads": threads }));
        Resolved { program: "test".to_owned(), deciding, running, contents: BTreeMap::new(), defaults: Map::new() }
    }

    #[test]
    fn the_hash_is_over_what_decides() {
        let base = resolved(|_| (), 1);
        assert_eq!(base.hash().len(), 64);
        assert_eq!(base.hash(), resolved(|_| (), 8).hash());
        assert_ne!(base.hash(), resolved(|d| d["batch-size"] = 64.into(), 1).hash());
        assert_ne!(base.hash(), resolved(|d| _ = d.insert("model".into(), "vgg16".into()), 1).hash());
        let of = |program: &str| Resolved { program: program.into(), ..base.clone() };
        assert_eq!(of("test").hash(), base.hash());
        assert_ne!(of("other").hash(), base.hash());
    }

    #[test]
    fn contents_decide_and_paths_do_not() {
        let of = |path: &str, content: &[u8]| {
            let mut resolved = resolved(|d| d["name"] = path.into(), 1);
            resolved.contents.insert("name".to_owned(), sha256(content));
            resolved
        };
        let hash = |path: &str, content: &[u8]| of(path, content).hash();
        assert_eq!(hash("a", b"1"), hash("b", b"1"));
        assert_ne!(hash("a", b"1"), hash("a", b"2"));
        let a = of("a", b"1");
        let (option, content) = a.contents().next().unwrap();
        assert_eq!(option, "name");
        assert!(a.to_yaml().contains(&format!("from name: {content}\n")) && a.to_yaml().contains("name: \"a\"\n"));
    }

    #[test]
    fn the_yaml_reads_back() {
        let mut resolved = resolved(|_| (), 3);
        resolved.contents.insert("name".to_owned(), sha256(b""));
        let yaml = resolved.to_yaml();
        let entries = crate::config::yaml::entries(&yaml).unwrap();
        let pairs: Vec<_> = entries.into_iter().map(|e| (e.key, e.value)).collect();
        let text = |s: &str| crate::config::yaml::Value::Text(s.into());
        assert_eq!(
            pairs,
            [
                ("batch-size".into(), text("128")),
                ("lr".into(), text("0.0005")),
                ("name".into(), text("a: \"b\"")),
                ("threads".into(), text("3")),
            ]
        );
    }
}
