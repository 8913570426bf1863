//! The runs in folders: read once each, copies and what is damaged left out with a remark.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Command};

use super::configurations::Run;
use crate::config::RunOptions;
use er_graphs::error::{Error, Result};
use er_training::run::{RunRecord, State, folders_in};
use er_training::train::remark;

/// The runs in these folders, in their order, and by name in each of them.
///
/// # Errors
/// A folder that cannot be read; no run at all.
pub(super) fn gather(folders: &[PathBuf]) -> Result<Vec<Run>> {
    let usual = usual_running_options();
    let (mut runs, mut seen) = (Vec::new(), BTreeSet::new());
    for folder in folders {
        let help = "give the folder that --out named when they were trained";
        for path in folders_in(folder).map_err(|e| e.or_help(help))? {
            // The same folder by another name.
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                continue;
            }
            match RunRecord::read(&path) {
                Ok(Some(record)) => runs.push(Run::new(record, &usual)),
                Ok(None) => (),
                Err(damaged) => remark(&format!("left out: {}", damaged.what())),
            }
        }
    }
    if runs.is_empty() {
        let among: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
        let what = if seen.is_empty() { "no run" } else { "no run that can be read" };
        let help = "give the folder that --out named when they were trained, or folders of runs, which have a manifest.json";
        return Err(Error::failure(format!("{what} in {}", among.join(", "))).help(help));
    }
    Ok(without_copies(runs, |copy, of| {
        remark(&format!("left out: {} is of the same run as {}", copy.display(), of.display()));
    }))
}

/// Each run once: of several with the same options and seed the first one that has finished, or else the first. `tell` learns which
/// folder is left out, and which one stays in its place.
fn without_copies(runs: Vec<Run>, tell: impl Fn(&Path, &Path)) -> Vec<Run> {
    let mut kept: Vec<Run> = Vec::new();
    let mut places = BTreeMap::new();
    for run in runs {
        let place = *places.entry((run.configuration(), run.seed)).or_insert(kept.len());
        let is_finished = |run: &Run| run.record.state == State::Finished;
        match kept.get_mut(place) {
            None => kept.push(run),
            Some(there) if is_finished(&run) && !is_finished(there) => {
                let copy = std::mem::replace(there, run);
                tell(&copy.record.path, &there.record.path);
            }
            Some(there) => tell(&run.record.path, &there.record.path),
        }
    }
    kept
}

/// Options that only say how and where to run, by the names that most programs give them.
fn usual_running_options() -> Vec<String> {
    let command = RunOptions::augment_args(Command::new("run"));
    let names = command.get_arguments().flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default());
    // Earlier versions called `name` so.
    names.chain(["save"]).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::configurations::tests::run;
    use super::*;
    use serde_json::json;

    #[test]
    fn of_copies_one_counts_that_has_finished() {
        let of = |folder: &str, seed: u64, state| run(folder, "er_dst", &json!({"density": 0.1, "seed": seed}), state);
        let (running, finished) = (State::Running, State::Finished);
        let runs =
            vec![of("a", 1, running), of("b", 2, finished), of("c", 1, finished), of("d", 2, finished), of("e", 3, running)];
        let told = RefCell::new(Vec::new());
        let kept = without_copies(runs, |copy, there| told.borrow_mut().push(format!("{} {}", copy.display(), there.display())));
        assert_eq!(kept.iter().map(|run| run.record.path.to_str().unwrap()).collect::<Vec<_>>(), ["c", "b", "e"]);
        assert_eq!(told.into_inner(), ["a c", "d b"]);
    }

    #[test]
    fn the_usual_names() {
        let names = usual_running_options();
        for name in ["out", "name", "save", "data-dir", "threads", "log-interval"] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
