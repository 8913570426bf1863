//! Tables as comma-separated values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use er_graphs::error::{Error, Result};

/// What is written of each of these, for [`csv`].
///
/// # Errors
/// If it is nothing that JSON can hold.
pub(super) fn rows(of: &[impl Serialize]) -> Result<Vec<Value>> {
    let rows = of.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    rows.map_err(|e| Error::failure(format!("cannot write the answer: {e}")))
}

/// A line for each object. Columns are the names of its values, those of objects within it after their names and a dot: the `first`
/// ones, then the others by name. Lists of numbers are joined by `x`, other lists left out, and what is null is empty.
pub(super) fn csv(first: &[&str], rows: &[Value]) -> String {
    let rows: Vec<BTreeMap<String, String>> = rows.iter().map(|row| cells("", row).into_iter().collect()).collect();
    let names: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
    // An object that is null in some rows has its own columns in others.
    let whole = |name: &str| names.iter().any(|other| other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')));
    let others = names.iter().filter(|name| !first.contains(name) && !whole(name));
    let heads: Vec<&str> = first.iter().chain(others).copied().collect();
    let line = |row: &BTreeMap<String, String>| {
        heads.iter().map(|name| row.get(*name).map_or("", String::as_str)).collect::<Vec<_>>().join(",")
    };
    std::iter::once(heads.join(",")).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn cells(name: &str, value: &Value) -> Vec<(String, String)> {
    let cell = |text: String| vec![(name.to_owned(), text)];
    match value {
        Value::Object(fields) => {
            let named = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            fields.iter().flat_map(|(key, value)| cells(&named(key), value)).collect()
        }
        Value::Array(values) if values.iter().all(Value::is_number) => {
            cell(values.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"))
        }
        Value::Array(_) => Vec::new(),
        Value::Null => cell(String::new()),
        Value::String(text) if text.contains([',', '"', '\n']) => cell(format!("\"{}\"", text.replace('"', "\"\""))),
        Value::String(text) => cell(text.clone()),
        other => cell(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_become_lines() {
        let rows =
            [json!({"a": "x,y", "b": null, "s": [3, 4], "t": [[1, 2]]}), json!({"a": "z", "b": {"c": 1.5, "d": true}, "s": []})];
        assert_eq!(csv(&["s", "a"], &rows), "s,a,b.c,b.d\n3x4,\"x,y\",,\n,z,1.5,true");
        assert_eq!(csv(&["a"], &[]), "a");
    }
}
