//! What others may have written is shown, not obeyed: no value passes for a line of the program's own, none talks to the terminal, and none
//! asks for more memory than there is.

use shared::model::{Image, build};
use shared::run::{Checkpoint, Origin, Saved};

use crate::common::{Place, Ran};

/// Ends a line, forges others, clears the screen in two ways, and turns the direction of the text.
const HOSTILE: &str = "x\nerror: forged\r\nnote: forged\u{1b}[2J\u{9b}2J\u{7f}\u{202e}";

/// How people see it.
const SHOWN: &str = r"x\nerror: forged\r\nnote: forged\u{1b}[2J\u{9b}2J\u{7f}\u{202e}";

/// A training of a second.
const SHORT: [&str; 8] = ["--model", "mlp-8", "--epochs", "1", "--max-steps", "2", "--threads", "1"];

/// Runs with this exit code; whatever it prints is harmless.
fn harmless(place: &Place, words: &[&str], code: i32) -> Ran {
    let ran = place.run_words(words);
    assert_eq!(ran.code, Some(code), "{words:?}: {}{}", ran.out, ran.err);
    for text in [&ran.out, &ran.err] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{words:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: forged") || line.starts_with("note: forged")), "{text}");
    }
    ran
}

/// [`harmless`], and the hostile value is in a line of the program's own making.
fn shown(place: &Place, words: &[&str], code: i32) -> Ran {
    let ran = harmless(place, words, code);
    assert!(ran.out.contains(SHOWN) || ran.err.contains(SHOWN), "{words:?}: {}{}", ran.out, ran.err);
    ran
}

#[test]
fn words_and_options() {
    let place = Place::new();
    let option = format!("--{HOSTILE}");
    for words in [
        &[HOSTILE][..],
        &["show", HOSTILE],
        &["show", &option],
        &["--epochs", HOSTILE],
        &["--select-on", HOSTILE],
        &["--lr-milestones", HOSTILE],
        &["--sparse", "--fix", "--dense-layers", HOSTILE],
        &["graph", "--layer", HOSTILE, "--svg", "x.svg"],
        &["graph", "--shape", HOSTILE],
        &["man", HOSTILE],
    ] {
        shown(&place, words, 2);
    }
    // Several problems stay lines of their own.
    let ran = shown(&place, &[&option, "--lr", HOSTILE, "--epochs", "0"], 2);
    assert_eq!(ran.err.lines().count(), 3, "{}", ran.err);
    assert!(ran.err.lines().all(|line| line.starts_with("error: ")), "{}", ran.err);
}

#[test]
fn keys_and_values_of_files() {
    let place = Place::new();
    let quoted = serde_json::to_string(HOSTILE).unwrap().replace('\u{9b}', "\\u009b").replace('\u{7f}', "\\u007f");
    for text in [format!("{quoted}: 1\n"), format!("{quoted}: 1\nlr: {quoted}\n"), format!("input: {quoted}\n")] {
        place.write("run.yaml", &text);
        shown(&place, &["show", "--config", "run.yaml"], 2);
    }
    place.write(&format!("{HOSTILE}.yaml"), "lr: fast\n");
    shown(&place, &["show", "--config", &format!("{HOSTILE}.yaml")], 2);
    place.write(&format!("{HOSTILE}.json"), "[");
    shown(&place, &["show", "--sparse", "--fix", "--sparse-init", &format!("{HOSTILE}.json")], 2);
}

#[test]
fn names_of_files() {
    let place = Place::new();
    for words in [&["graph", HOSTILE][..], &["--config", HOSTILE], &["--sparse", "--fix", "--sparse-init", "{}.safetensors"]] {
        let words: Vec<String> = words.iter().map(|word| word.replace("{}", HOSTILE)).collect();
        shown(&place, &words.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    }
    shown(&place, &["data", "--data-dir", HOSTILE], 0);
    let ran = shown(&place, &[&SHORT[..], &["--out", HOSTILE]].concat(), 0);
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    let run = place.only_run(HOSTILE);
    let last = run.join("checkpoints/last.safetensors");
    shown(&place, &["graph", last.to_str().unwrap()], 0);
    shown(&place, &["graph", last.to_str().unwrap(), "--against", last.to_str().unwrap()], 0);
    shown(&place, &[&SHORT[..], &["--epochs", "2", "--max-steps", "4", "--resume", last.to_str().unwrap()]].concat(), 0);
}

#[test]
fn metadata_of_checkpoints() {
    let place = Place::new();
    let words = SHORT.join(" ");
    let run = place.trained(&words);
    let spec = build("mlp-8", Image::new(1, 8, 8), 10).unwrap();
    let Checkpoint { origin, progress, state, .. } = Checkpoint::read(&run.join("checkpoints/last.safetensors"), &spec).unwrap();
    let resumed = [&SHORT[..], &["--epochs", "2", "--max-steps", "4", "--resume", "it"]].concat();
    for (other, code) in [
        (Origin { model: HOSTILE.to_owned(), ..origin.clone() }, 1),
        (Origin { input: HOSTILE.to_owned(), ..origin.clone() }, 1),
        (Origin { program: HOSTILE.to_owned(), ..origin.clone() }, 0),
    ] {
        Checkpoint::write(&place.path("it"), &spec, &other, &progress, &state, &Saved::default()).unwrap();
        shown(&place, &resumed, code);
        if code == 1 {
            assert_eq!(place.run("graph it").code, Some(1));
        }
    }
    // A network that nobody can compute.
    for (model, input) in [("mlp-8", "4294967295x4294967295x4294967295"), ("resnet20-w65536-x64", "3x65536x65536")] {
        let other = Origin { model: model.to_owned(), input: input.to_owned(), ..origin.clone() };
        Checkpoint::write(&place.path("it"), &spec, &other, &progress, &state, &Saved::default()).unwrap();
        place.fails("graph it", 1, &["it names a network that cannot be built: model", "more values or multiplications"]);
    }
}

/// What programs read holds values as they are.
#[test]
fn files_and_answers_for_programs_keep_them() {
    let place = Place::new();
    let words = [&["show", "--format", "yaml", "--name", HOSTILE][..], &SHORT].concat();
    let yaml = harmless(&place, &words, 0);
    place.write("again.yaml", &yaml.out);
    assert_eq!(place.done("show --config again.yaml --format yaml"), yaml.out);
    assert_eq!(place.shown("--config again.yaml")["options"]["name"], HOSTILE);
    harmless(&place, &["show", "--config", "again.yaml"], 0);
    harmless(&place, &["show", "--config", "again.yaml", "--format", "json"], 0);
    let run = place.trained("--config again.yaml --quiet");
    assert_eq!(place.shown(&format!("--config {}", run.join("config.yaml").display()))["options"]["name"], HOSTILE);
}

#[test]
fn what_does_not_fit_into_memory() {
    let place = Place::new();
    let wide = "--model mlp-65536-65536-x64";
    place.fails(
        wide,
        1,
        &["error: training mlp-65536-65536-x64 on batches of 128 images", " GB of memory, and ", "  help: lower "],
    );
    for words in [
        format!("show {wide}"),
        format!("show --sparse --fix --density 1e-9 {wide}"),
        format!("flops --density 1e-9 {wide}"),
        format!("flops --expected {wide}"),
        format!("graph --density 1e-9 {wide}"),
    ] {
        let line = "error: holding the masks of mlp-65536-65536-x64 takes about 2199.1 GB of memory, and ";
        place.fails(&words, 1, &[line, "  help: choose a smaller network"]);
    }
    let texts =
        ["error: a graph of 4294967295x4294967295 with 4.0e9 edges takes about ", "  help: lower the density or the size"];
    place.fails("graph --shape 4294967295x4294967295 --density 2.168e-10", 1, &texts);
    for batch in ["--batch-size 1000000000", "--batch-size 1000000000 --data synthetic --input 3x1024x1024 --model resnet20-x64"]
    {
        place.fails(&format!("flops --measure {batch}"), 1, &[" on 1000000000 images of ", "takes about ", "lower --batch-size"]);
    }
    assert!(!place.path("runs/x").exists());
    // Batches are never larger than the data, which fit.
    place.done("--model mlp-8 --epochs 1 --batch-size 1000000000 --test-batch-size 1000000000 --threads 1 --quiet");
}

#[test]
fn numbers_at_the_ends() {
    let place = Place::new();
    let sparse = "show --sparse --fix --model mlp-8";
    let line = "list of densities cannot reach density 0.05: a density of 1e-320 is too small to compute with";
    place.refused(&format!("{sparse} --sparse-init [1e-320,0]"), 2, line);
    place.done(&format!("{sparse} --density 5e-324"));
    place.done(&format!("{sparse} --sparse-init str-induced-er[1e308,1e308]"));
    let line = "a training of 1000000000000000000 epochs: steps are counted for up to 1000000000000";
    place.refused("show --epochs 1000000000 --multiplier 1000000000", 2, line);
    let line = "model resnet20-w65536: conv of 65536x1024x1024 has more values or multiplications than 140737488355328";
    place.refused("show --data synthetic --input 1024x1024x1024 --model resnet20-w65536-x64", 2, line);
}
