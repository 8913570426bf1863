//! What a run does when it is asked to stop, once or twice.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{BINARY, Place, json, signal};

/// A run that goes on until it is stopped.
const LONG: &str = "--sparse --fix --density 0.2 --model mlp-64-32 --epochs 100000 --log-interval 1 --threads 2 --quiet";

/// A picture of one pixel (PNG).
const PIXEL: [u8; 70] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x44, 0x41, 0x54, 0x78,
    0xda, 0x63, 0x64, 0xf8, 0xcf, 0x50, 0x0f, 0x00, 0x03, 0x86, 0x01, 0x80, 0x5a, 0x34, 0x7d, 0x6b, 0x00, 0x00, 0x00, 0x00, 0x49,
    0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// Whether a process has a signal of this number caught or ignored, as the system tells.
fn has(process: &Child, which: &str, number: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix(which)).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (number - 1) & 1 == 1
}

fn code(mut process: Child) -> Option<i32> {
    process.wait().unwrap().code()
}

#[test]
fn every_signal_saves() {
    let place = Place::new();
    for name in ["HUP", "USR1", "TERM", "INT"] {
        let child = place.start(&format!("{LONG} --out {name}"));
        let run = place.wait_for_lines(name, 3);
        if name == "HUP" && has(&child, "SigIgn:", 1) {
            signal(&child, "TERM"); // these tests run under nohup
        } else {
            signal(&child, name);
        }
        assert_eq!(code(child), Some(if name == "INT" { 130 } else { 75 }), "{name}");
        assert_eq!(json(&run.join("manifest.json"))["status"], "interrupted", "{name}");
        assert!(run.join("checkpoints/last.safetensors").exists(), "{name}");
    }
}

#[test]
fn signals_of_two_kinds_still_save() {
    let place = Place::new();
    let child = place.start(LONG);
    let run = place.wait_for_lines("runs", 3);
    // All arrive when the process goes on.
    for name in ["STOP", "USR1", "TERM", "CONT"] {
        signal(&child, name);
    }
    assert_eq!(code(child), Some(75));
    assert_eq!(json(&run.join("manifest.json"))["status"], "interrupted");
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    let words = format!("trap '' HUP; exec {BINARY} {LONG}");
    let child = shell.args(["-c", &words]).current_dir(place.path("")).stdout(Stdio::null()).spawn().unwrap();
    place.wait_for_lines("runs", 3);
    signal(&child, "HUP");
    let run = place.wait_for_lines("runs", 50);
    assert_eq!(json(&run.join("manifest.json"))["status"], "running");
    signal(&child, "TERM");
    assert_eq!(code(child), Some(75));
}

/// ImageNet of 300,000 pictures, all of them the same: reading it takes a single thread long.
fn much_to_load(place: &Place) {
    for i in 0..300 {
        place.write(&format!("pictures/{i}.png"), PIXEL);
    }
    for part in ["train", "val"] {
        std::fs::create_dir_all(place.path("imagenet").join(part)).unwrap();
        for class in 0..1000 {
            let folder = place.path("imagenet").join(part).join(format!("n{class:04}"));
            std::os::unix::fs::symlink(Path::new("../../pictures"), folder).unwrap();
        }
    }
}

#[test]
fn a_second_signal_of_the_same_kind_ends_a_run_that_is_loading() {
    let place = Place::new();
    much_to_load(&place);
    for (name, number, expected) in [("TERM", 15, 75), ("INT", 2, 130)] {
        let mut child = place.start("--data imagenet --data-dir . --input 3x8x8 --model mlp-8 --threads 1 --quiet");
        let until = Instant::now() + Duration::from_secs(30);
        let on_time = |child: &mut Child| {
            std::thread::sleep(Duration::from_millis(10));
            if Instant::now() > until {
                child.kill().unwrap();
                panic!("{name} does not end it");
            }
        };
        while !has(&child, "SigCgt:", number) {
            on_time(&mut child);
        }
        // Two that come shortly after one another may be one.
        while child.try_wait().unwrap().is_none() {
            signal(&child, name);
            on_time(&mut child);
        }
        assert_eq!((code(child), place.path("runs").exists()), (Some(expected), false), "{name}");
    }
}
