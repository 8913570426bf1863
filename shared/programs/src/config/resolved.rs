//! The options a run has in the end: what its folder stores and what its name is made of.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::source::Provenance;
use er_graphs::error::{Error, Result};

/// Every option of a run with its value. Options without a value are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    program: String,
    deciding: Map<String, Value>,
    running: Map<String, Value>,
    /// SHA-256 of the content of files that options name.
    contents: BTreeMap<String, String>,
    /// Values of the options of the program alone, without any word.
    defaults: Map<String, Value>,
}

impl Resolved {
    /// Takes the options apart: `deciding` ones decide the result and so belong to the hash; `running` ones only say how and where
    /// it is computed, and change nothing beyond rounding. Both must serialise to a mapping of fields, with dashes, to scalars or
    /// lists of scalars; `given` knows the options' long names. Fields in `unused` are left out.
    ///
    /// # Errors
    /// If one of them does not.
    pub fn new(
        program: &str,
        deciding: &impl Serialize,
        running: &impl Serialize,
        unused: &[&str],
        given: &Provenance,
    ) -> Result<Self> {
        let mut deciding = map(deciding)?;
        deciding.retain(|field, _| !unused.contains(&field.as_str()));
        let named =
            |options: Map<String, Value>| options.into_iter().map(|(field, v)| (given.long(&field).to_owned(), v)).collect();
        let running = named(map(running)?);
        Ok(Self {
            program: program.to_owned(),
            deciding: named(deciding),
            running,
            contents: BTreeMap::new(),
            defaults: Map::new(),
        })
    }

    /// Says what the program does without any word: options that are the same there do not name the run, so that an option that comes with a
    /// later version leaves the names of runs without it as they are.
    pub fn set_defaults(&mut self, alone: &Self) {
        self.defaults.clone_from(&alone.deciding);
    }

    /// Says what a file that an option names holds. In the hash it takes the place of the path, so that the same content elsewhere
    /// is the same run, and another content under the same path another one.
    pub fn set_content(&mut self, option: &str, content: &[u8]) {
        self.contents.insert(option.to_owned(), sha256(content));
    }

    /// SHA-256 of the content of the file that an option names.
    pub fn content(&self, option: &str) -> Option<&str> {
        self.contents.get(option).map(String::as_str)
    }

    /// The value of an option.
    pub fn get(&self, long: &str) -> Option<&Value> {
        self.deciding.get(long).or_else(|| self.running.get(long))
    }

    /// All option names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.deciding.keys().chain(self.running.keys()).map(String::as_str)
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
        text
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

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `key: value` lines. JSON scalars and flat lists are YAML too.
fn lines(text: &mut String, options: &Map<String, Value>) {
    for (name, value) in options {
        let _ = writeln!(text, "{name}: {value}");
    }
}

fn map(options: &impl Serialize) -> Result<Map<String, Value>> {
    let not_options = |what: String| Error::failure(format!("options cannot be stored: {what}"));
    match serde_json::to_value(options).map_err(|e| not_options(e.to_string()))? {
        Value::Object(all) => Ok(all.into_iter().filter(|(_, v)| !v.is_null()).collect()),
        other => Err(not_options(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct ProgramOptions {
        batch_size: usize,
        lr: f64,
        model: Option<String>,
        name: String,
        unused: bool,
    }

    #[derive(Serialize)]
    struct Running {
        threads: usize,
    }

    fn resolved(change: impl Fn(&mut ProgramOptions), threads: usize) -> Resolved {
        let mut deciding =
            ProgramOptions { batch_size: 128, lr: 5e-4, model: None, name: "a: \"b\"".into(), unused: threads == 8 };
        change(&mut deciding);
        Resolved::new("test", &deciding, &Running { threads }, &["unused"], &Provenance::default()).unwrap()
    }

    #[test]
    fn the_hash_is_over_what_decides() {
        let base = resolved(|_| (), 1);
        assert_eq!(base.hash().len(), 64);
        assert_eq!(base.hash(), resolved(|_| (), 8).hash());
        assert_ne!(base.hash(), resolved(|d| d.batch_size = 64, 1).hash());
        assert_ne!(base.hash(), resolved(|d| d.model = Some("vgg16".into()), 1).hash());
        let running = Running { threads: 1 };
        let of = |program| Resolved::new(program, &running, &running, &[], &Provenance::default()).unwrap();
        assert_ne!(of("other").hash(), of("test").hash());
    }

    #[test]
    fn contents_decide_and_paths_do_not() {
        let of = |path: &str, content: &[u8]| {
            let mut resolved = resolved(|d| d.name = path.into(), 1);
            resolved.set_content("name", content);
            resolved
        };
        let hash = |path: &str, content: &[u8]| of(path, content).hash();
        assert_eq!(hash("a", b"1"), hash("b", b"1"));
        assert_ne!(hash("a", b"1"), hash("a", b"2"));
        let a = of("a", b"1");
        let content = a.content("name").unwrap();
        assert!(a.to_yaml().contains(&format!("from name: {content}\n")) && a.to_yaml().contains("name: \"a\"\n"));
    }

    #[test]
    fn the_yaml_reads_back() {
        let mut resolved = resolved(|_| (), 3);
        resolved.set_content("name", b"");
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
