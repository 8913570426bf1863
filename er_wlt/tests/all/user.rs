//! A user's day: folders in place of files, configurations of other commands, names, helps.

use crate::common::{NAME, Place, Run};
use serde_json::{Value, json};

const SHORT: &str = "--sparse --fix --density 0.2 --model mlp-16 --epochs 2 --threads 1 --quiet";

#[test]
fn a_run_stands_for_its_checkpoint_and_its_options() {
    let place = Place::new();
    let first = place.trained(SHORT).display().to_string();
    let masks = |words: &str| place.shown(words)["layers"].clone();
    let file = masks(&format!("--sparse --fix --model mlp-16 --sparse-init {first}/checkpoints/last.safetensors"));
    for other in [first.clone(), format!("{first}@best")] {
        assert_eq!(masks(&format!("--sparse --fix --model mlp-16 --sparse-init {other}")), file, "{other}");
    }
    let resumed =
        place.run(&format!("--model mlp-16 --sparse --fix --epochs 3 --quiet --threads 1 --resume {first} --out resumed"));
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert_eq!(Run::read(&place.only_run("resumed")).summary["resumed_at_step"], 22);
    place.fails(&format!("{SHORT} --resume ."), 1, &[". is no run's folder"]);

    // The options of a run, and the same with another seed.
    let again = place.shown(&format!("--config {first}"));
    assert_eq!(again["config_hash"], place.shown(SHORT)["config_hash"]);
    assert_eq!(place.shown(&format!("--config {first} --seed 4"))["options"]["epochs"], 2);
}

#[test]
fn graph_and_flops_measure_what_a_configuration_draws() {
    let place = Place::new();
    place.write("a.yaml", "sparse: true\nfix: true\ndensity: 0.3\nmodel: mlp-16\nseed: 5\nlr: 0.2\n");
    let json = |words: &str| -> Value { serde_json::from_str(&place.done(&format!("{words} --format json"))).unwrap() };
    let of_options = "--model mlp-16 --density 0.3 --seed 5";
    let [configured, asked] = ["--config a.yaml", of_options].map(|words| json(&format!("graph {words}")));
    assert_eq!((&configured["layers"], &configured["model"]), (&asked["layers"], &asked["model"]));
    assert_eq!(configured["source"]["config"], "a.yaml");
    assert_eq!(json("flops --config a.yaml"), json(&format!("flops {of_options}")));
    for command in ["graph", "flops"] {
        place.fails(
            &format!("{command} --config a.yaml --density 0.1"),
            2,
            &["--density has no effect with --config, which says it"],
        );
    }
    let run = place.trained(SHORT);
    assert_eq!(json(&format!("graph --config {}", run.display()))["density_requested"], 0.2);
    place.fails(&format!("graph {0} --config {0}", run.display()), 2, &["--config has no effect beside other masks"]);
}

#[test]
fn densities_come_by_name() {
    let place = Place::new();
    let of = |text: &str| {
        place.write("d.json", text);
        let shown = place.shown("--sparse --fix --model mlp-16 --density 0.5 --sparse-init d.json");
        let layers = shown["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["density_requested"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let listed = of("[0.5, 0.25]");
    assert_eq!(of(r#"{"fc2": 0.25, "fc1": 0.5}"#), listed);
    assert_eq!(of(r#"{"module.fc2.weight": 0.25, "fc1.weight": 0.5}"#), listed);
    // What is left out of each layer, in percent, and of all.
    let total = 100.0 * (1.0 - (0.5 * 1024.0 + 0.25 * 160.0) / 1184.0);
    let induced = of(&json!({"fc1": 50.0, "fc2": 75.0, "total": total}).to_string());
    assert!(induced.iter().zip(&listed).all(|(a, b)| (a - b).abs() < 1e-9), "{induced:?} {listed:?}");
    let again = "--sparse --fix --model mlp-16 --density 0.5 --sparse-init d.json";
    assert_eq!(place.runs_again(again), "");
    place.write("d.json", r#"{"fc1": 0.5}"#);
    place.fails(&format!("show {again}"), 2, &["the file of densities has no layer \"fc2.weight\""]);
}

#[test]
fn folders_are_named_by_what_differs() {
    let place = Place::new();
    let name = |words: &str| {
        let run = place.trained(words);
        run.file_name().unwrap().to_str().unwrap().rsplit_once('-').unwrap().0.to_owned()
    };
    assert_eq!(name(SHORT), "er_wlt-mlp-16-digits-ERK-0.2-epochs2-s17");
    let more = format!("{SHORT} --lr 0.05 --nesterov false --name mine --lr-milestones 0.5,0.75");
    assert_eq!(name(&more), "mine-mlp-16-digits-ERK-0.2-epochs2-lr0.05-lr-milestones-0.5_0.75-nesterov-false-s17");

    // A folder of another name is found by its hash.
    let words = format!("{SHORT} --seed 9 --out renamed");
    place.done(&words);
    let run = place.only_run("renamed");
    let hash = run.to_str().unwrap().rsplit_once('-').unwrap().1.to_owned();
    std::fs::rename(&run, place.path(&format!("renamed/best of all-{hash}"))).unwrap();
    assert!(place.done(&words).starts_with("already finished: "));
    let ran = place.run(&format!("{words} --name mine"));
    assert!(
        ran.out.starts_with("already finished: ") && ran.err.starts_with("note: --name mine: the same run is in "),
        "{}",
        ran.err
    );
    assert_eq!(std::fs::read_dir(place.path("renamed")).unwrap().count(), 1);
}

#[test]
fn a_run_begins_with_what_it_is() {
    let place = Place::new();
    let words = SHORT.replace(" --quiet", "").replace("--epochs 2", "--epochs 160 --max-steps 1500 --lr-policy cosine");
    let ran = place.run(&words);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert!(
        lines[0].starts_with("model   mlp-16 on digits: ") && lines[0].contains(" of 1184 weights, density 0.2"),
        "{}",
        ran.err
    );
    assert!(lines[0].ends_with(", 0.2 asked for"), "{}", lines[0]);
    assert_eq!(lines[1], format!("method  {NAME} ERK-0.2"));
    assert!(
        lines[2].starts_with("device  sparse engine, 1 threads (") && lines[3].starts_with("folder  runs/er_wlt-mlp-16-"),
        "{}",
        ran.err
    );
    let epochs: Vec<&&str> = lines.iter().filter(|line| line.starts_with("epoch ") && line.contains(" valid ")).collect();
    assert_eq!(epochs.len(), 137);
    assert!(epochs.iter().all(|line| line.chars().count() < 80), "{epochs:?}");
    assert!(
        epochs[10].starts_with("epoch 11/160: lr 0.09") && epochs[10].split(", ").next().unwrap().len() < 24,
        "{}",
        epochs[10]
    );
}

#[test]
fn help_is_where_it_is_looked_for() {
    let place = Place::new();
    assert_eq!(place.done("help"), place.done("--help"));
    assert_eq!(place.done("help graph"), place.done("graph --help"));
    assert_eq!(place.done("version"), place.done("--version"));
    for (words, texts) in [
        ("fix", &["unknown command 'fix'", "did you mean '--fix'?"][..]),
        ("graph --sparse", &["'--sparse' is an option of runs, and graph trains nothing", "leave it out"]),
        ("--sparse show", &["unexpected argument 'show'", "commands come first: er_wlt show"]),
        ("--sInit-value -5", &["unknown option '--sInit-value'", "it is an option of er_str"]),
        ("--final-density 0.1", &["unknown option '--final-density'", "it is an option of er_dst"]),
    ] {
        place.fails(words, 2, texts);
    }
    place.write("other.yaml", "sparse: true\nlevels: 3\n");
    place.fails("--config other.yaml", 2, &["other.yaml:2:1: unknown key 'levels'", "it is an option of er_slt"]);
}

#[test]
fn files_are_layered_and_what_does_not_apply_is_a_remark() {
    let place = Place::new();
    place.write("a.yaml", "sparse: true\nfix: true\ndensity: 0.3\nepochs: 5\nmodel: mlp-16\n");
    place.write("b.yaml", "epochs: 7\ndensity:\n");
    let options = |words: &str| place.shown(words)["options"].clone();
    let both = options("--config a.yaml --config b.yaml");
    assert_eq!((&both["epochs"], &both["density"]), (&json!(7), &json!(0.05)));
    assert_eq!(options("--config a.yaml --unset epochs,density")["epochs"], 160);
    assert_eq!(options("--config a.yaml --epochs=")["epochs"], 160);
    let ran = place.run("show --config a.yaml --sparse false");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let notes: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        notes,
        ["note: a.yaml:3:1: density has no effect without a mask", "note: a.yaml:2:1: fix has no effect without a mask"]
    );
    place.fails("show --config a.yaml --sparse false --density 0.3", 2, &["--density has no effect without a mask"]);
}

#[cfg(unix)]
#[test]
fn files_that_never_end_are_refused() {
    let place = Place::new();
    for name in ["zeros.yaml", "zeros.safetensors", "zeros.json"] {
        std::os::unix::fs::symlink("/dev/zero", place.path(name)).unwrap();
    }
    place.fails("--config zeros.yaml", 1, &["zeros.yaml has more than 1048576 bytes: it is no file of options"]);
    for words in ["graph zeros.safetensors", "--sparse --fix --sparse-init zeros.safetensors", "--resume zeros.safetensors"] {
        place.fails(words, 1, &["zeros.safetensors is a pipe, socket or device, not a regular file"]);
    }
    place.fails("--sparse --fix --sparse-init zeros.json", 2, &["zeros.json is a pipe, socket or device"]);
}

#[test]
fn values_that_are_taken_back_may_be_wrong() {
    let place = Place::new();
    place.write("a.yaml", "lr: fast\ndensity: 0.3\n");
    assert_eq!(place.run("show --config a.yaml --unset lr,density").err, "");
    place.fails("show --config a.yaml", 2, &["a.yaml:1:5: lr: 'fast'"]);
}

#[test]
fn what_does_not_fit_leaves_no_folder() {
    let place = Place::new();
    place.fails("--model mlp-65536-65536-x8 --epochs 1", 1, &["GB of memory", "help: "]);
    assert!(!place.path("runs").exists());
}
