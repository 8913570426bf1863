//! Files of one JSON object a line, flushed line by line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// An open file of JSON lines.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// Opens a file for appending after the lines that were written up to and including `step`: everything from the first line
    /// with a later step, or from a line that was cut short, is removed. A file without a complete first line starts anew with
    /// `head`.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn open(path: &Path, head: &impl Serialize, step: u64) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io("write", path, &e).help("check free space and permissions of this folder");
        let text = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|e| Error::io("read", path, &e))?,
        };
        let keep: usize = text.split_inclusive(|b| *b == b'\n').take_while(|line| is_until(line, step)).map(<[u8]>::len).sum();
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(keep as u64).map_err(failed)?;
        let mut lines = Self { path: path.to_owned(), file };
        if keep == 0 {
            lines.append(head)?;
        }
        Ok(lines)
    }

    /// Writes one line; it is in the file when this returns.
    pub fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let failed =
            |e: std::io::Error| Error::io("write", &self.path, &e).help("check free space and permissions of this folder");
        let mut text = serde_json::to_string(line).map_err(|e| failed(e.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(failed)
    }

    /// Makes everything written so far durable.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| Error::io("write", &self.path, &e))
    }
}

/// Whether a line is complete and of a step up to this one (the first line has none).
fn is_until(line: &[u8], step: u64) -> bool {
    line.ends_with(b"\n")
        && serde_json::from_slice::<Value>(line).is_ok_and(|v| v.get("step").and_then(Value::as_u64).is_none_or(|s| s <= step))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rewinds_to_a_step_and_drops_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let head = json!({"schema": 1});
        let mut lines = Lines::open(&path, &head, 0).unwrap();
        for step in [10, 20, 30] {
            lines.append(&json!({"step": step})).unwrap();
        }
        lines.sync().unwrap();
        let read = || std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, read() + "{\"step\": 3").unwrap();
        drop(Lines::open(&path, &head, 30).unwrap());
        assert_eq!(read(), "{\"schema\":1}\n{\"step\":10}\n{\"step\":20}\n{\"step\":30}\n");
        let mut lines = Lines::open(&path, &head, 29).unwrap();
        lines.append(&json!({"step": 21})).unwrap();
        assert_eq!(read(), "{\"schema\":1}\n{\"step\":10}\n{\"step\":20}\n{\"step\":21}\n");
        std::fs::write(&path, "{\"sch").unwrap();
        drop(Lines::open(&path, &head, 99).unwrap());
        assert_eq!(read(), "{\"schema\":1}\n");
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = Path::new("/dev/full");
        if full.exists() {
            let file = OpenOptions::new().append(true).open(full).unwrap();
            let mut lines = Lines { path: full.to_owned(), file };
            assert!(lines.append(&json!({"step": 1})).unwrap_err().what().contains("/dev/full"));
        }
    }
}
