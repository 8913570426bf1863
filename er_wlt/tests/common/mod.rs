//! The real binary in a temporary folder.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; a test may panic

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder in which the binary runs.
pub(crate) struct Place {
    folder: TempDir,
}

/// What a finished process left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_er_wlt"));
        command.current_dir(self.folder.path()).args(words.split_whitespace()).env_remove("ER_DATA");
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, words: &str) -> Ran {
        let ran = Ran::from(self.command(words).output().unwrap());
        assert!(!ran.err.contains("panicked"), "{words}: {}", ran.err);
        ran
    }

    /// Runs to the end and expects success.
    pub(crate) fn done(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words}: {}", ran.err);
        ran.out
    }

    /// Runs and expects this exit code and an error of one line (besides its help) with all of these texts.
    pub(crate) fn fails(&self, words: &str, code: i32, texts: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(code), "{words}: {}{}", ran.out, ran.err);
        let errors: Vec<&str> = ran.err.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{words}: {}", ran.err);
        assert!(texts.iter().all(|text| ran.err.contains(text)), "{words}: {}", ran.err);
        ran.err
    }

    /// Starts and goes on.
    pub(crate) fn start(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The only run folder in `out`.
    pub(crate) fn only_run(&self, out: &str) -> PathBuf {
        let runs: Vec<PathBuf> = std::fs::read_dir(self.path(out))
            .map(|entries| entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect())
            .unwrap_or_default();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.into_iter().next().unwrap()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Sends a signal by name.
pub(crate) fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}
