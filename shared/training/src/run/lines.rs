//! Files of one JSON object a line, flushed line by line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use er_graphs::error::{Error, Result};

/// An open file of JSON lines.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
}

/// What of a file stays when it is gone on with.
struct Kept {
    bytes: usize,
    /// Latest step among these lines.
    last: u64,
    /// Whether there is no file.
    is_new: bool,
}

impl Kept {
    /// Of lines up to and including `step`.
    fn of(path: &Path, step: u64) -> Result<Self> {
        if std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            let what = format!("{} is a link, or no file", path.display());
            return Err(Error::failure(what).help("a run writes no lines through links: put the file itself there"));
        }
        let (text, is_new) = match std::fs::read(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => (Vec::new(), true),
            other => (other.map_err(|e| Error::io("read", path, &e))?, false),
        };
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        let steps: Vec<Option<u64>> = lines.iter().enumerate().map(|(i, line)| step_of(line, i == 0)).collect();
        let kept = steps.iter().take_while(|s| s.is_some_and(|s| s <= step)).count();
        if steps[kept..].iter().flatten().any(|s| *s <= step) {
            let what = format!("{}:{}: line is damaged, and lines of steps up to {step} follow", path.display(), kept + 1);
            return Err(Error::failure(what).help("repair the line, or move the file away to go on without its lines"));
        }
        let bytes = lines[..kept].iter().map(|line| line.len()).sum();
        let last = steps[..kept].iter().flatten().copied().max().unwrap_or_default();
        Ok(Self { bytes, last, is_new })
    }
}

impl Lines {
    /// Opens a file for appending after the lines that were written up to and including `step`: everything from the first line
    /// with a later step, or from a line that was cut short, is removed. A file without a complete first line starts anew with
    /// `head`.
    ///
    /// # Errors
    /// If the file cannot be read or written; as [`Lines::check`].
    pub fn open(path: &Path, head: &impl Serialize, step: u64) -> Result<Self> {
        let failed = |e: std::io::Error| Error::io("write", path, &e).help("check free space and permissions of this folder");
        let Kept { bytes, .. } = Kept::of(path, step)?;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(bytes as u64).map_err(failed)?;
        let mut lines = Self { path: path.to_owned(), file };
        if bytes == 0 {
            lines.append(head)?;
        }
        Ok(lines)
    }

    /// Checks, without touching it, that a file may be opened after `step`, and, if there is one, that it has lines up to the step
    /// `reaches`, if one is given.
    ///
    /// # Errors
    /// If the file cannot be read or is a link, if an unreadable line comes before lines up to `step`, which nobody would write again, or
    /// if its end is missing.
    pub fn check(path: &Path, step: u64, reaches: Option<u64>) -> Result<()> {
        let Kept { last, is_new, .. } = Kept::of(path, step)?;
        let Some(reaches) = reaches.filter(|reaches| !is_new && last < *reaches) else { return Ok(()) };
        let what = format!("{} ends at step {last}, but has been written up to step {reaches}", path.display());
        Err(Error::failure(what).help("put the whole file back, or move it away to go on without its lines"))
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

/// Step of a line, 0 for the first one, which has none; nothing for a line that is cut short or damaged.
fn step_of(line: &[u8], is_first: bool) -> Option<u64> {
    let value: Value = line.ends_with(b"\n").then(|| serde_json::from_slice(line).ok())??;
    if is_first { value.is_object().then_some(0) } else { value.get("step")?.as_u64() }
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
    fn nothing_is_cut_off_that_would_not_be_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let open = |step| Lines::open(&path, &json!({"schema": 1}), step);
        assert!(Lines::check(&path, 20, Some(20)).is_ok(), "there is no file");
        let text = "{\"schema\":1}\n{\"step\":10}\ngarbage\n{\"step\":30}\n";
        std::fs::write(&path, text).unwrap();
        for damaged in [Lines::check(&path, 30, None).unwrap_err(), open(30).unwrap_err()] {
            assert!(damaged.what().contains("metrics.jsonl:3: line is damaged") && damaged.help_text().is_some(), "{damaged}");
        }
        std::fs::write(&path, text.replace("garbage", "{\"stxp\":20}")).unwrap();
        assert!(Lines::check(&path, 30, None).unwrap_err().what().contains("metrics.jsonl:3: line is damaged"));
        std::fs::write(&path, text).unwrap();
        // After the checkpoint, damage does not matter.
        assert!(Lines::check(&path, 20, Some(10)).is_ok());
        let short = Lines::check(&path, 20, Some(20)).unwrap_err();
        assert!(short.what().contains("ends at step 10"), "{short}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing is touched");
        drop(open(20).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"schema\":1}\n{\"step\":10}\n");
        std::fs::write(&path, "").unwrap();
        assert!(Lines::check(&path, 30, Some(20)).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn no_line_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("metrics.jsonl"), folder.path().join("victim"));
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(Lines::open(&path, &json!({"schema": 1}), 0).unwrap_err().what().contains("is a link"));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
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
