//! What happens to runs on real machines: processes that are killed, bits that flip, disks that fill up.
//!
//! `FAULTS=1000 cargo test --release -p er_wlt -- faults` injects that many instead of a few, and `FAULTS_FROM=70` begins with the
//! seventieth, which is how one is repeated.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{BINARY, CLOCKS, Place, Ran, json};

/// Faults of a usual test run.
const FEW: u64 = 9;

/// The same training without a fault.
struct Whole {
    words: String,
    folder: PathBuf,
    results: Value,
    took: Duration,
}

/// Injects faults of all kinds into these trainings. Whatever happens, the command that is given again ends with the result of an
/// undisturbed run, or with one error that says what is wrong, and nothing that is damaged is taken as good.
pub(crate) fn faults_are_survived(trainings: &[&str]) {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |text| text.parse().unwrap());
    let (count, from) = (number("FAULTS", FEW), number("FAULTS_FROM", 0));
    let place = Place::new();
    let wholes: Vec<Whole> = (0..).zip(trainings).map(|(i, words)| Whole::of(&place, words, i)).collect();
    for fault in from..from + count {
        let mut dice = Dice(fault + 1);
        let whole = &wholes[dice.roll(wholes.len() as u64) as usize];
        let told = match fault % 3 {
            0 => killed(&place, whole, &mut dice),
            1 => flipped(&place, whole, &mut dice),
            _ => full(&place, whole, &mut dice),
        };
        if count > FEW {
            println!("fault {fault}: {told}");
        }
        let _ = std::fs::remove_dir_all(place.path("broken"));
    }
}

impl Whole {
    fn of(place: &Place, words: &str, i: usize) -> Self {
        let words = format!("{words} --threads 1 --quiet --log-interval 1 --checkpoint-interval 3 --save-masks 1");
        let (out, begun) = (format!("whole-{i}"), Instant::now());
        place.done(&format!("{words} --out {out}"));
        let (folder, took) = (place.only_run(&out), begun.elapsed());
        Self { results: results(&folder), words, folder, took }
    }

    /// The command in a folder of its own, a copy of which some faults are put into.
    fn command(&self) -> String {
        format!("{} --out broken", self.words)
    }

    /// Gives the command again, which ends with the same result, and leaves the same files.
    fn is_what_comes_of(&self, place: &Place) {
        let ran = place.run(&self.command());
        assert_eq!(ran.code, Some(0), "{}: {}", self.command(), ran.err);
        let folder = place.only_run("broken");
        assert_eq!(results(&folder), self.results, "{}", self.command());
        for file in ["metrics.jsonl", "checkpoints/best.safetensors", "checkpoints/last.safetensors"] {
            let read = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert!(read(&folder) == read(&self.folder), "{}: {file}", self.command());
        }
    }
}

/// The summary but for clock values.
fn results(folder: &Path) -> Value {
    let mut summary = json(&folder.join("summary.json"));
    for key in CLOCKS {
        summary[key].take();
    }
    summary
}

/// Kills the process at some moment, some times.
fn killed(place: &Place, whole: &Whole, dice: &mut Dice) -> String {
    let times = 1 + dice.roll(3);
    let mut ended = 0;
    for _ in 0..times {
        let words = whole.command();
        let mut command = place.command(words.split_whitespace());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.took.mul_f64(dice.roll(1000) as f64 / 900.0));
        let _ = child.kill();
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(9) || status.success(), "{words}: {status}");
        ended += u64::from(status.success());
    }
    whole.is_what_comes_of(place);
    format!("{times} kills, {ended} after the end: {}", whole.words)
}

/// Flips a bit of a file of a run that has not written its summary yet.
fn flipped(place: &Place, whole: &Whole, dice: &mut Dice) -> String {
    let folder = place.path("broken").join(whole.folder.file_name().unwrap());
    copy(&whole.folder, &folder);
    std::fs::remove_file(folder.join("summary.json")).unwrap();
    // Tables and lines of metrics have no digest: what they say of the past is read by people.
    let mut files = files(&folder);
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors" || e == "json"));
    let path = &files[dice.roll(files.len() as u64) as usize];
    let mut bytes = std::fs::read(path).unwrap();
    let bit = dice.roll(8 * bytes.len() as u64) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(path, &bytes).unwrap();
    let (command, name) = (whole.command(), path.strip_prefix(&folder).unwrap().display().to_string());
    let ran = place.run(&command);
    match ran.code {
        // It is not needed any more, or written anew.
        Some(0) => assert_eq!(results(&place.only_run("broken")), whole.results, "{command}: bit {bit} of {name}"),
        Some(1) => {
            assert!(one_error(&ran), "{command}: bit {bit} of {name}: {}", ran.err);
            assert!(std::fs::read(path).unwrap() == bytes, "{command}: {name} is touched");
        }
        _ => panic!("{command}: bit {bit} of {name}: {:?} {}", ran.code, ran.err),
    }
    // Whoever reads masks of the run does not take them as good either.
    if path.extension().is_some_and(|e| e == "safetensors") && ran.code == Some(1) {
        let read = place.run(&format!("graph {} --format csv", path.display()));
        assert!(read.code == Some(1) && one_error(&read), "{command}: bit {bit} of {name}: {}", read.err);
    }
    format!("bit {bit} of {name}, exit code {:?}: {}", ran.code, whole.words)
}

/// Lets no file grow beyond some size.
fn full(place: &Place, whole: &Whole, dice: &mut Dice) -> String {
    let largest = files(&whole.folder).iter().map(|path| path.metadata().unwrap().len()).max().unwrap();
    // In blocks of 512 bytes.
    let blocks = dice.roll(largest / 512 + 2);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec {BINARY} {}", whole.command());
    let output = Command::new("sh").current_dir(place.path(".")).args(["-c", &script]).env_remove("ER_DATA").output().unwrap();
    let ran = Ran::from(output);
    assert!(ran.code == Some(0) || (ran.code == Some(1) && one_error(&ran)), "{script}: {:?} {}", ran.code, ran.err);
    // With room again.
    whole.is_what_comes_of(place);
    format!("files of {blocks} blocks at most, exit code {:?}: {}", ran.code, whole.words)
}

fn one_error(ran: &Ran) -> bool {
    ran.err.lines().filter(|line| line.starts_with("error: ")).count() == 1 && !ran.err.contains("panicked")
}

/// All files in a folder and those below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for path in files(from) {
        let copy = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(path, copy).unwrap();
    }
}

/// Numbers that a fault's number decides (xorshift64*).
struct Dice(u64);

impl Dice {
    /// A number below this one.
    fn roll(&mut self, below: u64) -> u64 {
        for (left, by) in [(false, 12), (true, 25), (false, 27)] {
            self.0 ^= if left { self.0 << by } else { self.0 >> by };
        }
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) % below.max(1)
    }
}
