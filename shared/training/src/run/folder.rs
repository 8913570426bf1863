//! The folder of one run.
//!
//! ```text
//! OUT/<slug>-<8 digits of the configuration's hash>/
//!   config.yaml              every option; `--config` reads it back
//!   manifest.json            version, command, device, times, status
//!   metrics.jsonl            losses and accuracies; no clock values, so equal runs give equal bytes
//!   timing.jsonl             seconds and images a second of each epoch
//!   checkpoints/             last.safetensors, best.safetensors
//!   tickets/                 level-1.safetensors, …: the best network of each level (er_slt)
//!   masks/                   epoch-0.safetensors, …: masks alone (--save-masks)
//!   results.csv              a row every ten epochs (er_slt)
//!   summary.json             results, once finished
//! ```

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::files::{create_folder, is_there, open_regular, replace_text};
use super::manifest::{Machine, Manifest, Scope, Status, now};
use er_graphs::error::{Error, Result};

/// A run's folder, locked against other processes while this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    manifest: Manifest,
    _lock: File,
}

/// Where the networks of levels are.
const TICKETS: &str = "tickets";

/// What ran, and how it ended.
pub(super) const MANIFEST: &str = "manifest.json";

/// The options.
pub(super) const CONFIG: &str = "config.yaml";

/// The latest checkpoint.
const LAST: &str = "checkpoints/last.safetensors";

/// That of the best epoch.
const BEST: &str = "checkpoints/best.safetensors";

/// Losses, accuracies and what happens to edges.
pub(super) const METRICS: &str = "metrics.jsonl";

/// Results.
pub(super) const SUMMARY: &str = "summary.json";

/// What a process that is at a run holds.
pub(super) const LOCK: &str = ".lock";

/// Where masks are.
const MASKS: &str = "masks";

impl RunFolder {
    /// `<slug>-<first 8 digits of hash>`, safe as the name of a file.
    pub fn name_of(slug: &str, hash: &str) -> String {
        format!("{}-{}", clean(slug), hash.get(..8).unwrap_or(hash))
    }

    /// The folder [`Self::name_of`] in `out`, or the folder of another name that ends with these digits, if there is one: of an earlier
    /// version, or renamed. `hash` is that of the options that decide the result.
    pub fn path_of(out: &Path, slug: &str, hash: &str) -> PathBuf {
        let ending = Self::name_of("", hash);
        let named = out.join(Self::name_of(slug, hash));
        if named.is_dir() {
            return named;
        }
        let entries = fs::read_dir(out).into_iter().flatten().flatten();
        let other = |entry: fs::DirEntry| {
            let is_it = entry.file_name().to_str().is_some_and(|name| name.ends_with(&ending));
            let path = entry.path();
            (is_it && path.join(MANIFEST).is_file()).then_some(path)
        };
        entries.filter_map(other).min().unwrap_or(named)
    }

    /// The summary of a run that has finished in this folder.
    ///
    /// # Errors
    /// If its manifest says so but the summary is damaged.
    pub fn summary(path: &Path) -> Result<Option<Value>> {
        let finished = read_json::<Manifest>(&path.join(MANIFEST))?.is_some_and(|m| m.status == Status::Finished);
        if !finished {
            return Ok(None);
        }
        Ok(read_json(&path.join(SUMMARY))?.map(Value::Object))
    }

    /// Refuses a folder whose run has another value of one of these options; options that only one of the two knows do not count.
    ///
    /// # Errors
    /// Names the first option that differs, with both values.
    pub fn has_options(path: &Path, options: &Map<String, Value>) -> Result<()> {
        let config = path.join(CONFIG);
        // A folder without options is one of no run yet.
        if !is_there(&config)? {
            return Ok(());
        }
        let text = fs::read_to_string(&config).map_err(|e| Error::io("read", &config, &e))?;
        for (_, option, value) in stored_options(&text) {
            let (Some(asked), Ok(there)) = (options.get(option), serde_json::from_str::<Value>(value)) else { continue };
            if *asked != there {
                let what = format!("run folder {} is of a run with {option} {there}, this one has {asked}", path.display());
                return Err(Error::failure(what).help("move it away, or use another --out"));
            }
        }
        Ok(())
    }

    /// Opens the folder of a run, or creates it, and locks it. Writes nothing but the lock.
    ///
    /// # Errors
    /// If the folder cannot be created, is in use by another process, or belongs to a run with another hash.
    pub fn open(path: &Path, hash: &str, program: &Invocation) -> Result<Self> {
        create_folder(&path.join("checkpoints"))?;
        let lock = lock(path)?;
        let manifest = read_json::<Manifest>(&path.join(MANIFEST))?;
        if manifest.as_ref().is_some_and(|m| m.config_hash != hash) {
            let what = format!("run folder {} belongs to a run with other options", path.display());
            return Err(Error::failure(what).help("move it away, or use another --out"));
        }
        let manifest = manifest.unwrap_or_else(|| fresh(program, hash.to_owned()));
        Ok(Self { path: path.to_owned(), manifest, _lock: lock })
    }

    /// The file that is meant where a checkpoint is asked for: of the folder of a run its latest one, of `FOLDER@best` that of the best
    /// epoch; else the file itself.
    ///
    /// # Errors
    /// If it is a folder of no run.
    pub fn checkpoint_of(path: &Path) -> Result<PathBuf> {
        if path.is_dir() {
            return Self::last_in(path);
        }
        let folder = path.to_str().and_then(|text| text.strip_suffix("@best")).map(Path::new).filter(|folder| folder.is_dir());
        match folder {
            Some(folder) => Self::last_in(folder).map(|_| Self::best_in(folder)),
            None => Ok(path.to_owned()),
        }
    }

    /// The options of a run, if this is its folder; else the file itself.
    ///
    /// # Errors
    /// If it is a folder of no run.
    pub fn config_of(path: &Path) -> Result<PathBuf> {
        if path.is_dir() { Self::last_in(path).map(|_| path.join(CONFIG)) } else { Ok(path.to_owned()) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hash of the options that decide the result.
    pub fn config_hash(&self) -> &str {
        &self.manifest.config_hash
    }

    /// Where the losses and accuracies go.
    pub fn metrics(&self) -> PathBuf {
        self.path.join(METRICS)
    }

    /// Where clock values go.
    pub fn timing(&self) -> PathBuf {
        self.path.join("timing.jsonl")
    }

    /// The latest checkpoint.
    pub fn last(&self) -> PathBuf {
        self.path.join(LAST)
    }

    /// Whether a run in this folder has a checkpoint to go on from. A run writes one before it writes anything else of its training, so
    /// that what it has without one has been lost.
    ///
    /// # Errors
    /// If the checkpoint cannot be reached, or is gone.
    pub fn has_begun(run: &Path) -> Result<bool> {
        let last = run.join(LAST);
        if is_there(&last)? {
            return Ok(true);
        }
        let metrics = run.join(METRICS);
        let left = if is_there(&metrics)? { Some(metrics) } else { Self::mask_files(run)?.into_iter().next() };
        let Some(left) = left else { return Ok(false) };
        let what = format!("checkpoint {} is missing, and the run has {}", last.display(), left.display());
        Err(Error::failure(what).help("put it back, or remove the run's folder to begin again"))
    }

    /// The checkpoint of the best epoch.
    pub fn best(&self) -> PathBuf {
        Self::best_in(&self.path)
    }

    /// The checkpoint of the best epoch in the folder of another run.
    pub fn best_in(run: &Path) -> PathBuf {
        run.join(BEST)
    }

    /// The networks of levels.
    pub fn tickets(&self) -> PathBuf {
        self.path.join(TICKETS)
    }

    /// That of a level, from 1.
    pub fn ticket(&self, level: u64) -> PathBuf {
        Self::ticket_in(&self.path, level)
    }

    /// That of a level, from 1, in the folder of another run.
    pub fn ticket_in(run: &Path, level: u64) -> PathBuf {
        run.join(TICKETS).join(format!("level-{level}.safetensors"))
    }

    /// The latest checkpoint in the folder of another run.
    ///
    /// # Errors
    /// If this is no run's folder.
    pub fn last_in(run: &Path) -> Result<PathBuf> {
        if is_there(&run.join(MANIFEST))? {
            return Ok(run.join(LAST));
        }
        let what = format!("{} is no run's folder: it has no {MANIFEST}", run.display());
        Err(Error::failure(what).help("give the folder of one run, as programs print it at the end, or a file"))
    }

    /// Every file in a run's folder that has the masks of its network at some time: [`RunFolder::masks`] first, then levels and
    /// checkpoints, by name.
    ///
    /// # Errors
    /// If a folder of them cannot be read.
    pub fn mask_files(run: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for within in [MASKS, TICKETS, "checkpoints"] {
            let folder = run.join(within);
            if !is_there(&folder)? {
                continue;
            }
            let failed = |e: std::io::Error| Error::io("read", &folder, &e);
            let entries = fs::read_dir(&folder).map_err(failed)?;
            let mut found = entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
            found.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
            found.sort();
            files.extend(found);
        }
        Ok(files)
    }

    /// The lines of metrics of one kind in a run's folder; those that are cut short are left out.
    ///
    /// # Errors
    /// If there is no such file, or it cannot be read.
    pub fn lines_in(run: &Path, kind: &str) -> Result<Vec<Value>> {
        let path = run.join(METRICS);
        let text = fs::read_to_string(&path).map_err(|e| Error::io("read", &path, &e))?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(lines.filter(|line| line["kind"] == kind).collect())
    }

    /// The masks after so many epochs.
    pub fn masks(&self, epoch: u64) -> PathBuf {
        Self::masks_in(&self.path, epoch)
    }

    /// The masks after so many epochs in the folder of another run.
    pub fn masks_in(run: &Path, epoch: u64) -> PathBuf {
        run.join(MASKS).join(format!("epoch-{epoch}.safetensors"))
    }

    /// The table of a search.
    pub fn table(&self) -> PathBuf {
        self.path.join("results.csv")
    }

    /// Begins a session: writes the options, as YAML, and the manifest.
    pub fn begin(&mut self, options: &str, scope: Scope, program: &Invocation) -> Result<()> {
        replace_text(&self.path.join(CONFIG), options)?;
        let before = is_there(&self.path.join(MANIFEST))?;
        let this = Manifest { scope, ..fresh(program, self.manifest.config_hash.clone()) };
        self.manifest =
            if before { Manifest { started: self.manifest.started.clone(), resumed: Some(now()), ..this } } else { this };
        self.write_manifest()
    }

    /// Ends a session.
    pub fn end(&mut self, status: Status, error: Option<&Error>) -> Result<()> {
        self.manifest.status = status;
        self.manifest.ended = Some(now());
        self.manifest.error = error.map(|e| e.what().to_owned());
        self.write_manifest()
    }

    /// Writes the results of a run.
    pub fn write_summary(&self, summary: &impl Serialize) -> Result<()> {
        replace_text(&self.path.join(SUMMARY), &pretty(summary)?)
    }

    fn write_manifest(&self) -> Result<()> {
        replace_text(&self.path.join(MANIFEST), &pretty(&self.manifest)?)
    }
}

/// What is written into manifests about the process.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Name.
    pub name: &'static str,
    /// Version.
    pub version: &'static str,
    /// Revision of its source, where the build found one.
    pub revision: Option<&'static str>,
    /// Words of the command line.
    pub command: Vec<String>,
    /// What it computes on.
    pub device: Machine,
}

fn fresh(program: &Invocation, config_hash: String) -> Manifest {
    Manifest {
        program: program.name.to_owned(),
        version: program.version.to_owned(),
        revision: program.revision.map(str::to_owned),
        command: program.command.clone(),
        config_hash,
        device: program.device.clone(),
        started: now(),
        resumed: None,
        ended: None,
        status: Status::Running,
        error: None,
        scope: Scope::default(),
    }
}

/// The lines of a run's options: number of the line, long name, and value as JSON.
pub(super) fn stored_options(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(number, line)| {
        let (option, value) = line.split_once(": ").unwrap_or((line, ""));
        (number, option, value)
    })
}

/// Reads a JSON file, if it exists.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    if fs::metadata(path).is_err_and(|e| matches!(e.kind(), NotFound | NotADirectory)) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes).map_err(|e| Error::io("read", path, &e))?;
    let damaged = |e| {
        Error::failure(format!("{} is damaged: {e}", path.display())).help("remove it or the run's folder, or use another --out")
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let failed = |e: std::io::Error| Error::io("write", &path, &e).help("choose another folder with --out");
    // Nothing is cut off, and nothing created elsewhere, through a link that someone has put there.
    let file = match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() => OpenOptions::new().write(true).open(&path),
        Ok(_) => Err(std::io::Error::other("it is no file")),
        Err(_) => OpenOptions::new().write(true).create_new(true).open(&path).or_else(|e| match e.kind() {
            // Of a process that has begun at the same time.
            ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(&path),
            _ => Err(e),
        }),
    };
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::failure(format!("run folder {} is in use by another process", folder.display()))
                .help("wait for it to end, or use another --out"))
        }
        // Some network file systems have no locks; the lock only guards against a mistake.
        Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", &path, &e)),
    }
}

/// A value as readable JSON with a final line break.
pub fn pretty(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::failure(format!("cannot write as JSON: {e}")))?;
    Ok(text + "\n")
}

/// A text that is safe as part of a file name everywhere; its end is cut off where names would become too long (255 bytes).
pub fn clean(slug: &str) -> String {
    slug.chars().take(200).map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// Largest memory this process has used so far, in bytes; none where the system does not say (`VmHWM` of Linux).
pub fn peak_rss_bytes() -> Option<u64> {
    bytes_in("/proc/self/status", "VmHWM:")
}

/// Bytes of memory that this machine has left, where it tells.
pub fn free_memory_bytes() -> Option<u64> {
    bytes_in("/proc/meminfo", "MemAvailable:")
}

/// A line `<key> <number> kB` of a file of the system.
fn bytes_in(file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests;
