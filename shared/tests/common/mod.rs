//! The real binary of the program under test in a temporary folder. The tests of every program include this file.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part; a test may panic

mod engines;
#[cfg(unix)]
mod faults;
mod readme;
mod reference;
mod run;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

#[allow(unused_imports)] // one test file of a program needs them
pub(crate) use engines::{engine, engines_agree, engines_take_over, network, networks_agree, of_digits};
#[cfg(unix)]
#[allow(unused_imports)] // only one test file of a program needs it
pub(crate) use faults::faults_are_survived;
#[allow(unused_imports)] // only one test file of a program needs it
pub(crate) use readme::every_command_of_the_readme_and_docs_runs;
#[allow(unused_imports)] // only one test file of a program needs them
pub(crate) use reference::{completions_propose_what_is_documented, the_manual_has_what_is_documented};
#[allow(unused_imports)] // not every test file reads a finished run
pub(crate) use run::Run;

/// The name of the program under test.
pub(crate) const NAME: &str = env!("CARGO_PKG_NAME");

/// Its binary.
pub(crate) const BINARY: &str = env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME")));

/// What clocks and the machine decide in a summary.
const CLOCKS: [&str; 4] = ["median_step_seconds", "images_per_second", "data_wait_share", "peak_rss_bytes"];

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

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(BINARY);
        command.current_dir(self.folder.path()).args(words).env_remove("ER_DATA");
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.run_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs these words, which may hold anything, to the end.
    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        let ran = Ran::from(self.command(words.iter().copied()).output().unwrap());
        assert!(!ran.err.contains("panicked"), "{words:?}: {}", ran.err);
        ran
    }

    /// Runs to the end and expects success.
    pub(crate) fn done(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words}: {}", ran.err);
        ran.out
    }

    /// Trains with these words in a folder of their own; the run's folder.
    pub(crate) fn trained(&self, words: &str) -> PathBuf {
        let out = format!("out-{}", std::fs::read_dir(self.folder.path()).unwrap().count());
        self.done(&format!("{words} --out {out}"));
        self.only_run(&out)
    }

    /// What `show` prints as a configuration shows the same configuration and the same run; what it told the second time.
    pub(crate) fn runs_again(&self, words: &str) -> String {
        let yaml = self.done(&format!("show {words} --format yaml"));
        self.write("again.yaml", &yaml);
        let again = self.run("show --config again.yaml --format yaml");
        assert_eq!((again.code, &again.out), (Some(0), &yaml), "{words}: {}", again.err);
        assert_eq!(self.shown(words)["config_hash"], self.shown("--config again.yaml")["config_hash"], "{words}");
        again.err
    }

    /// The options that configurations of these commands hold are those that `--help` documents, but for `others`.
    pub(crate) fn holds_documented_options(&self, commands: &[&str], others: &str) {
        let mut stored: Vec<String> = others.split(' ').map(str::to_owned).collect();
        for words in commands {
            stored.extend(self.shown(words)["options"].as_object().unwrap().keys().cloned());
        }
        let mut documented = documented();
        for names in [&mut stored, &mut documented] {
            names.sort_unstable();
            names.dedup();
        }
        assert_eq!(stored, documented);
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

    /// Runs and expects this exit code and this first line after notes.
    pub(crate) fn refused(&self, words: &str, code: i32, line: &str) -> String {
        let message = self.fails(words, code, &[]);
        let first = message.lines().find(|l| !l.starts_with("note: ")).unwrap();
        assert_eq!(first, format!("error: {line}"), "{words}");
        message
    }

    /// Starts and goes on.
    pub(crate) fn start(&self, words: &str) -> Child {
        self.command(words.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What a command would run, without running it.
    pub(crate) fn shown(&self, words: &str) -> Value {
        serde_json::from_str(&self.done(&format!("show {words} --format json"))).unwrap()
    }

    /// Waits until the only run in `out` has this many lines of metrics.
    pub(crate) fn wait_for_lines(&self, out: &str, lines: usize) -> PathBuf {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < until, "the run does not get to {lines} lines");
            if self.path(out).exists() && std::fs::read_dir(self.path(out)).unwrap().count() == 1 {
                let run = self.only_run(out);
                let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
                if metrics.lines().count() >= lines {
                    return run;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts, sends a signal when the only run in `out` has this many lines of metrics, and waits: a run that is killed looks as if
    /// it ran, others say that they are saved. The run's folder.
    pub(crate) fn broken_off(&self, words: &str, out: &str, name: &str, lines: usize) -> PathBuf {
        let (code, status) = match name {
            "KILL" => (None, "running"),
            "INT" => (Some(130), "interrupted"),
            "TERM" => (Some(75), "interrupted"),
            _ => panic!("what a run does when it gets {name}"),
        };
        let child = self.start(words);
        let run = self.wait_for_lines(out, lines);
        signal(&child, name);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{name}: it had ended before: {}{}", ran.out, ran.err);
        assert_eq!(json(&run.join("manifest.json"))["status"], status, "{name}");
        assert_eq!(ran.err.contains("interrupted and saved"), code.is_some(), "{name}: {}", ran.err);
        run
    }

    /// Runs to the end in `whole`; in `broken` with a signal at each of these numbers of lines of metrics, then to the end. Both
    /// runs' folders.
    pub(crate) fn goes_on(&self, words: impl Fn(&str) -> String, signals: &[(&str, usize)]) -> [PathBuf; 2] {
        self.done(&words("whole"));
        for (name, lines) in signals {
            self.broken_off(&words("broken"), "broken", name, *lines);
        }
        let message = self.done(&words("broken"));
        assert!(message.starts_with("test accuracy"), "it had ended before: {message}");
        ["whole", "broken"].map(|out| self.only_run(out))
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

/// What a command would run, wherever it is called.
pub(crate) fn shown(words: &str) -> Value {
    Place::new().shown(words)
}

/// Two folders hold the same run, but for clock values. The last checkpoint does not depend on the interval either, since epochs
/// end with one.
pub(crate) fn same(a: &Path, b: &Path) {
    let masks = |folder: &Path| {
        let files = std::fs::read_dir(folder.join("masks")).into_iter().flatten();
        files.map(|file| Path::new("masks").join(file.unwrap().file_name())).collect::<BTreeSet<_>>()
    };
    assert_eq!(masks(a), masks(b));
    let always = ["metrics.jsonl", "checkpoints/last.safetensors", "checkpoints/best.safetensors"].map(PathBuf::from);
    for file in masks(a).into_iter().chain(always) {
        let read = |folder: &Path| std::fs::read(folder.join(&file)).unwrap();
        assert!(read(a) == read(b), "{} differs", file.display());
    }
    let timeless = |folder: &Path| {
        let mut summary = json(&folder.join("summary.json"));
        for key in CLOCKS {
            summary[key].take();
        }
        summary
    };
    assert_eq!(timeless(a), timeless(b));
}

/// Names of the options that `--help` documents; not their other names, which stand in brackets.
fn documented() -> Vec<String> {
    let help = Place::new().done("--help");
    let named =
        |l: &str| l.trim_start().strip_prefix("--").or_else(|| l.split_once(", --").map(|(_, rest)| rest)).map(str::to_owned);
    help.lines()
        .filter_map(named)
        .map(|l| l.split([' ', '=']).next().unwrap().to_owned())
        .filter(|name| !name.ends_with(']'))
        .collect()
}

/// Every help text ends with three examples, which run; those that train are shown instead.
pub(crate) fn examples_run(trains: &str) {
    let place = Place::new();
    std::fs::create_dir(place.path("data")).unwrap();
    // Something for `runs` to list.
    place.done(trains);
    let help = place.done("--help");
    let names = help.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    // Other lines go on with what a command does.
    let commands: Vec<&str> = names.filter(|l| !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next()).collect();
    assert!(commands.contains(&"show") && commands.contains(&"man"), "{commands:?}");
    for command in std::iter::once("").chain(commands) {
        let help = place.done(&format!("{command} --help"));
        let examples: Vec<&str> = help.lines().skip_while(|l| *l != "Examples:").skip(1).collect();
        assert_eq!(examples.len(), 3, "{command}: {help}");
        for example in examples {
            let words = example.trim().strip_prefix(NAME).unwrap_or_else(|| panic!("{example}"));
            assert!(words.trim().starts_with(command), "{example}");
            let trains = command.is_empty() && !words.trim().starts_with("show");
            let ran = place.run(&if trains { format!("show {words}") } else { words.to_owned() });
            assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{example}");
        }
    }
}

/// What other programs say of options that they lack is true of this one.
pub(crate) fn other_programs_know_its_options() {
    let documented: BTreeSet<String> = documented().into_iter().collect();
    let only: BTreeSet<String> = shared::config::only_in(NAME).map(str::to_owned).collect();
    assert!(only.is_subset(&documented), "{:?}", only.difference(&documented));
    // Those that all have are in none of the lists.
    let others: BTreeSet<&str> =
        ["er_wlt", "er_dst", "er_slt", "er_str"].iter().flat_map(|program| shared::config::only_in(program)).collect();
    let common = documented.iter().filter(|name| !only.contains(*name));
    let wrong: Vec<&String> = common.filter(|name| others.contains(name.as_str())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What a configuration says and other choices have no use for is remarked, and on the command line an error.
pub(crate) fn serves_other_methods(file: &str, choices: &[&str]) {
    let place = Place::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(NAME).join(file);
    for choice in choices {
        let ran = place.run(&format!("show --config {} {choice}", path.display()));
        assert_eq!(ran.code, Some(0), "{choice}: {}", ran.err);
        assert!(ran.err.lines().all(|line| line.starts_with("note: ")), "{choice}: {}", ran.err);
        let unused = ran.err.lines().filter_map(|line| line.strip_suffix('\n').unwrap_or(line).split_once(" has no effect"));
        for (named, _) in unused {
            let option = named.rsplit(' ').next().unwrap();
            let taken_back = place.run(&format!("show --config {} {choice} --unset {option}", path.display()));
            assert!(!taken_back.err.contains(&format!(" {option} has no effect")), "{choice}: {}", taken_back.err);
        }
    }
}

/// The network of a level that has ended is missed, or found to be damaged, when a run goes on, and not at its end.
pub(crate) fn lost_tickets_are_told_at_once(words: &str) {
    let place = Place::new();
    let words = &format!("{words} --out runs");
    place.done(words);
    let run = place.only_run("runs");
    let levels = || json(&run.join("summary.json"))["levels"].clone();
    let all = levels();
    let ticket = run.join("tickets/level-1.safetensors");
    let whole = std::fs::read(&ticket).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for content in [None, Some(flipped)] {
        std::fs::remove_file(run.join("summary.json")).unwrap();
        match &content {
            None => std::fs::remove_file(&ticket).unwrap(),
            Some(bytes) => std::fs::write(&ticket, bytes).unwrap(),
        }
        let message = place.fails(words, 1, &["tickets/level-1.safetensors"]);
        assert!(message.contains("help: "), "{message}");
        std::fs::write(&ticket, &whole).unwrap();
        place.done(words);
        assert_eq!(levels(), all);
    }
}

/// Every file of options in the program's folder of configurations resolves.
pub(crate) fn configurations_resolve() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs").join(NAME);
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let shown = shown(&format!("--config {}", file.display()));
        assert!(shown["model"]["weights"].as_u64().unwrap() > 0, "{}", file.display());
    }
}
