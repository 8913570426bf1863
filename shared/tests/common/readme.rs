//! Commands of the README.

use std::path::Path;

use super::{NAME, Place};

/// Commands for the program under test in the README's shell blocks, without its name.
fn commands() -> Vec<String> {
    let readme = include_str!("../../../README.md");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let (program, words) = line.trim_start_matches("cargo run --release -p ").split_once(' ').unwrap_or((line, ""));
            if program == NAME {
                commands.push(words.trim_start_matches("-- ").to_owned());
            } else {
                assert!(line == "cargo test" || program.starts_with("er_"), "who runs this? {line}");
            }
        }
    }
    commands
}

/// Every command of the README for the program under test resolves, and trains where its data is there.
pub(crate) fn every_command_of_the_readme_runs(at_least: usize) {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let commands = commands();
    assert!(commands.len() >= at_least, "{commands:?}");
    let found = place.done("data");
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
}
