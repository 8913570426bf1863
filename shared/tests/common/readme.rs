//! Commands of the README and of the files in docs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{NAME, Place};

/// How commands begin that need more than the programs: another tool, a GPU, minutes.
const BY_HAND: [&str; 10] = [
    "FAULTS=",
    "cargo test",
    "cargo build",
    "cargo bench",
    "pip install",
    "python ",
    "sudo apt-get",
    "curl ",
    "scripts/cuda-build.sh",
    "target/cuda/",
];

/// The README, and the files in docs in order of their names.
fn pages(root: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

/// Commands in a page's shell blocks; one that goes on over several lines is one.
fn commands(page: &str) -> Vec<String> {
    let mut inside = false;
    let mut commands = Vec::new();
    let mut begun = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            assert!(begun.is_empty(), "a command without end: {begun}");
            inside = line == "```sh";
        } else if inside && !line.starts_with('#') {
            begun.push_str(line);
            if let Some(rest) = begun.strip_suffix('\\') {
                begun = rest.to_owned();
            } else {
                commands.push(std::mem::take(&mut begun));
            }
        }
    }
    commands
}

/// Words of a page's commands for the program under test. Every other command is another program's, or for people.
fn words(page: &Path) -> Vec<String> {
    let words = |command: String| {
        let (program, words) = command.trim_start_matches("cargo run --release -p ").split_once(' ').unwrap_or((&command, ""));
        let known = ["er_wlt", "er_dst", "er_slt", "er_str", "export"].contains(&program);
        assert!(known || BY_HAND.iter().any(|begin| command.starts_with(begin)), "who runs this? {command}");
        (program == NAME).then(|| words.trim_start_matches("-- ").to_owned())
    };
    commands(&std::fs::read_to_string(page).unwrap()).into_iter().filter_map(words).collect()
}

/// Every command of the README and of docs for the program under test resolves, and trains where its data is there, but for what is
/// measured.
pub(crate) fn every_command_of_the_readme_and_docs_runs(at_least: usize) {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A step of what is measured takes half a minute.
    let (measured, pages): (Vec<_>, Vec<_>) = pages(&root).into_iter().partition(|page| page.ends_with("performance.md"));
    for command in measured.iter().flat_map(|page| words(page)) {
        place.done(&format!("show {command}"));
    }
    let commands: BTreeSet<String> = pages.iter().flat_map(|page| words(page)).collect();
    assert!(commands.len() >= at_least, "{commands:?}");
    let found = place.done("data");
    let (lists, commands): (BTreeSet<_>, BTreeSet<_>) = commands.into_iter().partition(|command| command.starts_with("runs"));
    for command in commands {
        let command = command.replace("configs/", &format!("{}/configs/", root.display()));
        if ["show", "graph", "flops", "data"].iter().any(|name| command.starts_with(name)) {
            place.done(&command);
            continue;
        }
        place.done(&format!("show {command}"));
        let options = place.shown(&command)["options"].clone();
        // The programs do not agree on names.
        let (data, save) = options["set"].as_str().map_or((&options["data"], "save"), |_| (&options["set"], "name"));
        let data = data.as_str().unwrap();
        if found.lines().any(|l| l.starts_with(&format!("{data} ")) && (l.contains("found") || l.contains("built in"))) {
            let words = format!("{command} --max-steps 1 --iters 1 --quiet --{save} readme");
            place.done(&words);
        } else {
            println!("not trained, for want of {data}: {command}");
            place.fails(&command, 1, &[data]);
        }
    }
    // Of what was trained.
    for command in lists {
        place.done(&command);
    }
}
