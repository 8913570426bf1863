//! The examples as programs: what they print, that an own method is known to everything, killed and resumed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// An example that `cargo test` has built beside this test.
fn example(name: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let built = this.ancestors().nth(2).unwrap().join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Command::new(built)
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_training_in_thirty_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("digits.safetensors");
    let said = text(&example("train").arg(&file).output().unwrap());
    let accuracy: f64 = said.strip_prefix("test accuracy ").unwrap().split_once(' ').unwrap().0.parse().unwrap();
    assert!(accuracy > 90.0, "{said}");
    let spec = shared::model::build("mlp-300-100", shared::model::Image::new(1, 8, 8), 10).unwrap();
    let saved = shared::run::Checkpoint::read(&file, &spec).unwrap();
    assert_eq!(saved.progress.clock.epoch(), 10);
}

/// Twelve epochs with updates by a growth rule and a score of another crate.
const OWN: &str = "--method RigL --growth thin_inputs(power=1) --death movement --density 0.1 --epochs 12 --update-frequency 5 \
                   --checkpoint-interval 10 --seed 3 --threads 1 --quiet";

fn own(out: &Path, words: &str) -> Command {
    let mut command = example("own_method");
    command.args(words.split_whitespace()).arg("--out").arg(out);
    command
}

fn only_run(out: &Path) -> Option<PathBuf> {
    std::fs::read_dir(out).ok()?.map(|entry| entry.unwrap().path()).find(|path| path.is_dir())
}

#[test]
fn an_own_method_is_known_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let show = |words: &str| text(&example("own_method").arg("show").args(words.split_whitespace()).output().unwrap());
    let help = text(&example("own_method").arg("--help").output().unwrap());
    assert!(help.contains("thin_inputs") && help.contains("movement"), "{help}");
    let shown = show("--method RigL --growth thin_inputs(power=1) --death movement");
    assert!(shown.contains("grow: as many by thin_inputs(power=1)") && shown.contains("drop: the least by movement"), "{shown}");
    let yaml = folder.path().join("own.yaml");
    std::fs::write(&yaml, "method: RigL\ngrowth: thin-inputs\ndeath: Movement\n").unwrap();
    assert!(show(&format!("--config {}", yaml.display())).contains("by thin_inputs"));
    let wrong = example("own_method").args(["--growth", "thin_input"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"thin_inputs\"?"));
}

/// Waits until the run in this folder has some updates, or ends.
fn wait(child: &mut Child, out: &Path) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = only_run(out).map(|run| std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default());
        if metrics.is_some_and(|text| text.matches("\"update\"").count() >= 8) {
            return;
        }
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < until, "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn an_own_method_that_is_killed_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, broken] = ["whole", "broken"].map(|name| folder.path().join(name));
    text(&own(&whole, OWN).output().unwrap());
    let mut child = own(&broken, OWN).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait(&mut child, &broken);
    child.kill().unwrap();
    child.wait().unwrap();
    text(&own(&broken, OWN).output().unwrap());
    let [whole, broken] = [whole, broken].map(|out| only_run(&out).unwrap());
    for file in ["metrics.jsonl", "checkpoints/last.safetensors", "checkpoints/best.safetensors"] {
        assert!(std::fs::read(whole.join(file)).unwrap() == std::fs::read(broken.join(file)).unwrap(), "{file} differs");
    }
}
