//! Reading the files of this folder.

#![allow(dead_code)] // each test file uses its part
#![allow(clippy::unwrap_used, reason = "a damaged golden file is a failed test")]

use serde_json::Value;

/// The file of this name.
pub(crate) fn golden(file: &str) -> Value {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn number(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

/// All numbers of nested lists, row by row.
pub(crate) fn flat(v: &Value) -> Vec<f64> {
    v.as_array().map_or_else(|| vec![number(v)], |rows| rows.iter().flat_map(flat).collect())
}

/// The same in single precision.
pub(crate) fn flat_f32(v: &Value) -> Vec<f32> {
    flat(v).into_iter().map(|x| x as f32).collect()
}

/// The same where all are counts.
pub(crate) fn counts(v: &Value) -> Vec<usize> {
    v.as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
}
