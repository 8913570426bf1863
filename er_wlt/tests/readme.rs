//! Every command of the README runs.

#![allow(clippy::unwrap_used)] // a test may panic

mod common;

use std::path::Path;

use common::Place;

/// Commands for `er_wlt` in the README's shell blocks, without the program's name.
fn commands() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let ours = line.strip_prefix("er_wlt ").or_else(|| line.strip_prefix("cargo run --release -p er_wlt -- "));
            match ours {
                Some(words) => commands.push(words.to_owned()),
                None => assert!(line == "cargo test", "who runs this? {line}"),
            }
        }
    }
    commands
}

#[test]
fn every_command_runs() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let commands = commands();
    assert!(commands.len() > 8, "{commands:?}");
    let found = place.done("data");
    for command in commands {
        let command = command.replace("configs/", &format!("{}/configs/", root.display()));
        if command.starts_with("show") || command.starts_with("data") {
            place.done(&command);
            continue;
        }
        // Whatever its data, the command must resolve; and train, where the data is there.
        place.done(&format!("show {command}"));
        let resolved = place.done(&format!("show {command} --format json"));
        let resolved: serde_json::Value = serde_json::from_str(&resolved).unwrap();
        let data = resolved["options"]["data"].as_str().unwrap().to_owned();
        if found.lines().any(|l| l.starts_with(&format!("{data} ")) && (l.contains("found") || l.contains("built in"))) {
            let words = format!("{command} --max-steps 1 --iters 1 --quiet --save readme");
            place.done(&words);
        } else {
            println!("not trained, for want of {data}: {command}");
            place.fails(&command, 1, &[&data]);
        }
    }
}
