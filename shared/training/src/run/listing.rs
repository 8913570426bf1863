//! Runs as they lie in folders: what tables of them are made of.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::open_regular;
use super::folder::{CONFIG, LOCK, MANIFEST, METRICS, SUMMARY, read_json, stored_options};
use super::manifest::{Manifest, Status};
use er_graphs::error::{Error, Result};

/// How a run stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Done.
    Finished,
    /// A process is at it, as far as locks tell.
    Running,
    /// It did not end, and no process is at it.
    Died,
    /// It was asked to stop, and saved.
    Interrupted,
    /// Stopped by an error.
    Failed,
}

impl State {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Died => "died",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// How far the metrics of a run go.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reached {
    /// Steps; 0 before the first line.
    pub step: u64,
    /// The best epoch so far, from 1; none before the first evaluation.
    pub best_epoch: Option<u64>,
    /// Its accuracy on the validation set, as a fraction.
    pub validation_accuracy: Option<f64>,
}

/// What a run's folder says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its folder.
    pub path: PathBuf,
    /// What ran, and how it ended.
    pub manifest: Manifest,
    /// Every option, by long name.
    pub options: Map<String, Value>,
    /// How it stands.
    pub state: State,
    /// Its results, once it has finished.
    pub summary: Option<Map<String, Value>>,
    /// How far it has come, unless it has finished.
    pub reached: Reached,
}

impl RunRecord {
    /// What this folder says of its run; none if it is no run's folder. Changes nothing there.
    ///
    /// # Errors
    /// A file that is damaged, missing or not readable: the manifest, the options, the results of a run that has finished, or the
    /// metrics of one that has not.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(manifest) = read_json::<Manifest>(&path.join(MANIFEST))? else { return Ok(None) };
        let options = options_in(&path.join(CONFIG))?;
        let state = match manifest.status {
            Status::Finished => State::Finished,
            Status::Running if is_free(path) => State::Died,
            Status::Running => State::Running,
            Status::Interrupted => State::Interrupted,
            Status::Failed => State::Failed,
        };
        let (mut summary, mut reached) = (None, Reached::default());
        if state == State::Finished {
            summary = read_json(&path.join(SUMMARY))?;
            if summary.is_none() {
                return Err(Error::failure(format!("{} has finished, but has no {SUMMARY}", path.display())));
            }
        } else {
            reached = reached_in(&path.join(METRICS))?;
        }
        Ok(Some(Self { path: path.to_owned(), manifest, options, state, summary, reached }))
    }

    /// The options that decide the result. In manifests of versions that did not say which others there are, those are `usual`.
    pub fn deciding(&self, usual: &[String]) -> Map<String, Value> {
        let running = self.manifest.scope.running_options.as_deref().unwrap_or(usual);
        let mut options = self.options.clone();
        options.retain(|option, _| !running.contains(option));
        options
    }
}

/// The folders of runs in a folder, by name; the folder itself if it is one of a run.
///
/// # Errors
/// If it cannot be read.
pub fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(MANIFEST).exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let failed = |e: std::io::Error| Error::io("read folder", folder, &e);
    let entries = fs::read_dir(folder).map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    // A folder that may not be looked into could be one; reading it says so.
    let may_be_a_run = |path: &PathBuf| path.is_dir() && path.join(MANIFEST).try_exists().unwrap_or(true);
    let mut folders: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).filter(may_be_a_run).collect();
    folders.sort();
    Ok(folders)
}

fn options_in(path: &Path) -> Result<Map<String, Value>> {
    let mut text = String::new();
    open_regular(path)?.read_to_string(&mut text).map_err(|e| Error::io("read", path, &e))?;
    let option = |(number, option, value): (usize, &str, &str)| {
        let damaged = |e| Error::failure(format!("{}:{number}: no option as runs store them: {e}", path.display()));
        serde_json::from_str(value).map(|value| (option.to_owned(), value)).map_err(damaged)
    };
    stored_options(&text).map(option).collect()
}

/// Whether no process is at a run. Where the file system has no locks, nobody knows, and that is not said.
fn is_free(run: &Path) -> bool {
    match File::open(run.join(LOCK)) {
        // A shared lock, let go at once; a process that wants the folder to itself in this very moment has to be started again.
        Ok(file) => file.try_lock_shared().is_ok(),
        Err(e) => e.kind() == ErrorKind::NotFound,
    }
}

/// What is read of a line of metrics.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    step: u64,
    #[serde(default)]
    epoch: u64,
    best_epoch: Option<u64>,
    validation_accuracy: Option<f64>,
}

fn reached_in(path: &Path) -> Result<Reached> {
    if !path.exists() {
        return Ok(Reached::default());
    }
    let mut lines = BufReader::new(open_regular(path)?);
    let (mut reached, mut accuracies, mut bytes) = (Reached::default(), Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut bytes).map_err(|e| Error::io("read", path, &e))? > 0 {
        // The last line may be cut short.
        if let Ok(line) = serde_json::from_slice::<Line<'_>>(&bytes) {
            reached.step = reached.step.max(line.step);
            if line.kind == "epoch" {
                accuracies.push((line.epoch, line.validation_accuracy));
                reached.best_epoch = line.best_epoch;
            }
        }
        bytes.clear();
    }
    let best = accuracies.iter().rev().find(|(epoch, _)| Some(*epoch) == reached.best_epoch);
    Ok(Reached { validation_accuracy: best.and_then(|(_, accuracy)| *accuracy), ..reached })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backend;
    use crate::run::{Invocation, Machine, RunFolder, Scope};

    const CONFIG_TEXT: &str = "# a comment\nlr: 0.1\nnames: [\"a\"]\nseed: 18446744073709551615\n# How:\nthreads: 2\n";

    fn program() -> Invocation {
        let device = Machine::this(1, Backend::Sparse);
        Invocation { name: "test", version: "1", revision: None, command: Vec::new(), device }
    }

    fn begun(out: &Path, name: &str) -> RunFolder {
        let mut run = RunFolder::open(&out.join(name), "0123456789", &program()).unwrap();
        let scope = Scope { steps: Some(40), running_options: Some(vec!["threads".to_owned()]), ..Scope::default() };
        run.begin(CONFIG_TEXT, scope, &program()).unwrap();
        run
    }

    fn read(run: &RunFolder) -> RunRecord {
        RunRecord::read(run.path()).unwrap().unwrap()
    }

    #[test]
    fn a_run_is_read_as_it_stands() {
        let out = tempfile::tempdir().unwrap();
        let mut run = begun(out.path(), "b");
        let record = read(&run);
        assert_eq!((record.state, record.reached, record.manifest.scope.steps), (State::Running, Reached::default(), Some(40)));
        assert_eq!(record.options["seed"], u64::MAX);
        assert_eq!(record.deciding(&[]).keys().collect::<Vec<_>>(), ["lr", "names", "seed"]);
        let lines = "{\"schema\":1}\n\
            {\"kind\":\"epoch\",\"step\":10,\"epoch\":1,\"best_epoch\":1,\"validation_accuracy\":0.5}\n\
            {\"kind\":\"epoch\",\"step\":20,\"epoch\":2,\"best_epoch\":1,\"validation_accuracy\":0.25}\n\
            {\"kind\":\"step\",\"step\":24,\"epoch\":3,\"loss\":0.5}\n{\"kind\":\"step\",\"st";
        fs::write(run.metrics(), lines).unwrap();
        let reached = Reached { step: 24, best_epoch: Some(1), validation_accuracy: Some(0.5) };
        assert_eq!(read(&run).reached, reached);
        for (status, state) in [(Status::Interrupted, State::Interrupted), (Status::Failed, State::Failed)] {
            // Results are those of a run that has finished.
            run.write_summary(&serde_json::json!({"test_accuracy": 0.5})).unwrap();
            run.end(status, None).unwrap();
            assert_eq!((read(&run).state, read(&run).reached, read(&run).summary), (state, reached, None));
        }
        run.end(Status::Finished, None).unwrap();
        assert_eq!(read(&run).summary.unwrap()["test_accuracy"], 0.5);
    }

    #[test]
    fn a_run_that_nobody_is_at_has_died() {
        let out = tempfile::tempdir().unwrap();
        let run = begun(out.path(), "a");
        assert_eq!(read(&run).state, State::Running);
        let path = run.path().to_owned();
        drop(run);
        assert_eq!(RunRecord::read(&path).unwrap().unwrap().state, State::Died);
        fs::remove_file(path.join(LOCK)).unwrap();
        assert_eq!(RunRecord::read(&path).unwrap().unwrap().state, State::Died);
    }

    #[test]
    fn options_of_earlier_versions_are_told_apart_by_the_usual_names() {
        let out = tempfile::tempdir().unwrap();
        let run = begun(out.path(), "a");
        let mut record = read(&run);
        record.manifest.scope = Scope::default();
        assert_eq!(record.deciding(&["lr".to_owned()]).keys().collect::<Vec<_>>(), ["names", "seed", "threads"]);
    }

    #[test]
    fn folders_of_runs_are_found_and_damage_is_named() {
        let out = tempfile::tempdir().unwrap();
        let (b, a) = (begun(out.path(), "b"), begun(out.path(), "a"));
        fs::create_dir(out.path().join("none")).unwrap();
        fs::write(out.path().join("table.json"), "{}").unwrap();
        assert_eq!(folders_in(out.path()).unwrap(), [a.path(), b.path()]);
        assert_eq!(folders_in(a.path()).unwrap(), [a.path()]);
        assert!(folders_in(&out.path().join("missing")).unwrap_err().what().starts_with("cannot read folder "));
        assert_eq!(RunRecord::read(&out.path().join("none")).unwrap(), None);

        let error = |run: &RunFolder| RunRecord::read(run.path()).unwrap_err().what().to_owned();
        fs::write(a.path().join(CONFIG), "lr: 0.1\nseed:\n").unwrap();
        assert!(error(&a).contains("config.yaml:2: no option as runs store them"), "{}", error(&a));
        fs::remove_file(a.path().join(CONFIG)).unwrap();
        assert!(error(&a).contains("cannot read ") && error(&a).contains("config.yaml"), "{}", error(&a));
        fs::write(a.path().join(MANIFEST), "{").unwrap();
        assert!(error(&a).contains("manifest.json is damaged"), "{}", error(&a));
        let mut b = b;
        b.end(Status::Finished, None).unwrap();
        assert!(error(&b).ends_with("has finished, but has no summary.json"), "{}", error(&b));
        fs::write(b.path().join(SUMMARY), "[]").unwrap();
        assert!(error(&b).contains("summary.json is damaged"), "{}", error(&b));
    }
}
