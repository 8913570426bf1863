//! Everything a user can get wrong is one line that names it, and the right exit code.

use crate::common::{Place, json};

#[test]
fn wrong_options() {
    let place = Place::new();
    for (words, texts) in [
        ("--densty 0.1", &["unknown option '--densty'", "did you mean '--density'?"][..]),
        ("shwo", &["unknown command 'shwo'", "did you mean 'show'?"]),
        ("show extra", &["unexpected argument 'extra'"]),
        ("--epochs", &["--epochs needs a value"]),
        ("--epochs 1.5", &["--epochs", "'1.5'"]),
        ("--batch-size 0", &["--batch-size", "'0' is not at least 1"]),
        ("--sparse maybe", &["unexpected argument 'maybe'"]),
        ("--sparse=maybe", &["--sparse", "'maybe'"]),
        ("--sparse --fix --density 0", &["--density", "0"]),
        ("--sparse --fix --density 1.5", &["--density", "1.5"]),
        ("--sparse --fix --density nan", &["--density"]),
        ("--model resnte18", &["resnte18", "resnet18"]),
        ("--data cifar11", &["cifar11", "cifar10"]),
        ("--data cifar10 --classes 7", &["7", "cifar10"]),
        ("--data digits --input 1x9x9", &["9", "digits"]),
        ("--data synthetic --input 0x32x32", &["--input", "0x32x32"]),
        ("--data imagenet --input 1x32x32", &["input 1x32x32", "3x224x224"]),
        ("--sparse --epochs 2", &["no edge would move", "lower --update-frequency"]),
        ("--sparse --t-end 5 --t-begin 9", &["--t-end: step 5 is not after --t-begin 9"]),
        ("--density 0.1", &["--density has no effect without a mask", "add --sparse --fix"]),
        ("--sparse --fix --sparse-init ER_synflow", &["ER_synflow", "scores"]),
        ("--sparse --fix --sparse-init ERL", &["ERL"]),
        ("--sparse --fix --flow-keep-density", &["without --flow-preservation"]),
        ("--sparse --fix --dense-layers frist", &["frist", "first"]),
        ("--sparse --fix --scaled --init-method normal", &["--scaled", "normal"]),
        ("--start-epoch 3", &["--start-epoch has no effect without --resume"]),
        ("--lr-policy cosine --lr-gamma 0.5", &["--lr-gamma has no effect with --lr-policy cosine"]),
        ("--epochs 5 --lr-milestones 2,5", &["--lr-milestones: milestone 5 is not below the 5 epochs"]),
        ("--epochs 99999999999", &["--epochs", "1000000000"]),
        ("--epochs 5 --warmup-epochs 6", &["warm-up of 6 epochs"]),
        ("--optimizer sdg", &["--optimizer", "sdg", "sgd"]),
        ("--valid-split 1", &["--valid-split", "'1'"]),
        ("--fp16", &["--fp16", "32 bits"]),
        ("--bench", &["--bench", "median_step_seconds"]),
        ("--save-features", &["--save-features"]),
        ("--l1 0.1", &["--l1", "--l2"]),
        ("--growth sideways --sparse --fix", &["--growth", "sideways"]),
        ("data --format yaml", &["--format", "yaml"]),
        ("--iters 2 --seed 18446744073709551615", &["--seed", "too large"]),
        ("--iters 1000000000 --seed 18446744073709551615", &["--seed", "too large"]),
        ("--threads 100000", &["--threads", "'100000' is not a whole number from 1 to 1024"]),
        ("--out=", &["--out: the value is empty"]),
        ("--name=", &["--name: the value is empty"]),
        ("--sparse --fix --sparse-init [0,0,0,0]", &["list of densities: all are 0"]),
        ("--sparse --fix --sparse-init [1,1]", &["2 densities for 4 layers"]),
        ("--sparse --fix --sparse-init [1,0,0,0]", &["list of densities cannot reach density 0.05"]),
        ("--sparse --fix --dense-layers conv1,conv2,conv3,fc", &["all 4 layers of digits are dense"]),
        ("--sparse --fix --sparse-init ER_flow --model resnet20", &["ER_flow needs a plain chain", "resnet20"]),
        ("--device gpu", &["--device: 'gpu' is not a device; give cpu, cuda or cuda:N"]),
        ("--device cuda", &["--device cuda: the sparse engine computes on the CPU", "add --engine dense"]),
        ("show --device cuda", &["--device cuda: the sparse engine computes on the CPU", "add --engine dense"]),
        ("--engine dens", &["--engine", "dens", "dense"]),
        ("halp", &["unknown command 'halp'", "--help"]),
    ] {
        place.fails(words, 2, texts);
    }
    assert!(!place.path("runs").exists(), "wrong options leave no folder behind");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_gpu_that_a_build_cannot_use_is_refused_before_data_are_looked_for() {
    let place = Place::new();
    for words in ["", "--data cifar10 --data-dir nowhere"] {
        let line = "cannot compute on cuda:0: this program was built without CUDA";
        let message = place.refused(&format!("--engine dense --device cuda {words}"), 2, line);
        assert!(message.contains("build it as docs/cuda.md says, or leave --device out"), "{message}");
    }
    assert!(!place.path("runs").exists(), "a missing GPU leaves no folder behind");
    // What would run can be shown without it.
    assert_eq!(place.shown("--engine dense --device cuda")["options"]["device"], "cuda:0");
}

#[test]
fn wrong_files_of_options() {
    let place = Place::new();
    place.write("typo.yaml", "sparse: true\nfix: true\ndensty: 0.1\n");
    place.fails("--config typo.yaml", 2, &["typo.yaml:3:1: unknown key 'densty'", "did you mean 'density'?"]);
    place.write("value.yaml", "sparse: true\nfix: true\ndensity:  many\n");
    place.fails("--config value.yaml", 2, &["value.yaml:3:11: density", "many"]);
    place.write("pair.yaml", "density: 0.1\n");
    assert_eq!(place.run("show --config pair.yaml").err, "note: pair.yaml:1:1: density has no effect without a mask\n");
    place.fails("show --density 0.1", 2, &["--density has no effect without a mask"]);
    place.write("device.yaml", "device: cuda:1\n");
    place.fails("--config device.yaml", 2, &["device.yaml:1:1: device cuda:1: the sparse engine computes on the CPU"]);
    place.write("list.yaml", "- density\n");
    place.fails("--config list.yaml", 2, &["list.yaml:1:1: ", "expected lines of the form 'option: value'\n"]);
    place.fails("--config nowhere.yaml", 1, &["nowhere.yaml"]);
    place.write("many.yaml", "epochs: 0\nmodell: vgg16\nseed: -1\n");
    let ran = place.run("--config many.yaml --lr fast");
    assert_eq!(ran.code, Some(2));
    for text in ["many.yaml:1:9: epochs", "many.yaml:2:1: unknown key 'modell'", "many.yaml:3:7: seed", "--lr: 'fast'"] {
        assert!(ran.err.contains(&format!("error: {text}")), "{text}: {}", ran.err);
    }
}

#[test]
fn options_without_effect_are_noted() {
    let place = Place::new();
    let words = "--sparse --fix --model mlp-8 --sampling exact --density 0.5 --epochs 1 --quiet --growth gradient --death-rate 0.3 --no-cuda --l1 0";
    let ran = place.run(words);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let notes: Vec<&str> = ran.err.lines().collect();
    assert_eq!(
        notes,
        [
            "note: --growth has no effect with --fix: the mask never changes",
            "note: --prune-rate has no effect with --fix: the mask never changes"
        ]
    );
}

#[test]
fn a_mask_without_edges_is_noted() {
    let place = Place::new();
    let ran = place.run("--sparse --fix --model mlp-8 --density 1e-300 --epochs 1 --quiet");
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.starts_with("note: 2 of 2 layers have no edge, so nothing passes through them: fc1"), "{}", ran.err);
    assert!(ran.out.contains("er_wlt-mlp-8-digits-ERK-1e-300-epochs1-s17-"), "{}", ran.out);
}

#[test]
fn wrong_data() {
    let place = Place::new();
    place.fails("--data cifar10 --data-dir nowhere", 1, &["cifar10 not found", "nowhere", "https://"]);
    for file in ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"] {
        place.write(&format!("mnist/{file}"), [0, 0, 8, 3, 0]);
    }
    place.fails("--data mnist --data-dir . --model mlp-8", 1, &["train-images-idx3-ubyte"]);
    assert!(!place.path("runs").exists(), "missing data leaves no folder behind");
    let out = place.done("data --data-dir nowhere --format json");
    let sets: serde_json::Value = serde_json::from_str(&out).unwrap();
    let cifar = sets.as_array().unwrap().iter().find(|s| s["name"] == "cifar10").unwrap();
    assert!(cifar["found"].is_null() && cifar["looked_for"][0].as_str().unwrap().starts_with("nowhere"), "{cifar}");
    assert!(place.done("data").contains("digits"));
}

#[test]
fn wrong_checkpoints() {
    let place = Place::new();
    place.done("--sparse --fix --model mlp-8 --epochs 1 --quiet");
    let last = place.only_run("runs").join("checkpoints/last.safetensors");
    let resume =
        |model: &str, file: &str| format!("--sparse --fix --model {model} --epochs 2 --quiet --out other --resume {file}");
    place.fails(&resume("mlp-9", last.to_str().unwrap()), 1, &["is of model mlp-8, this run is mlp-9"]);
    let whole = std::fs::read(&last).unwrap();
    let cut = place.write("cut.safetensors", &whole[..whole.len() / 2]);
    place.fails(&resume("mlp-8", cut.to_str().unwrap()), 1, &["cut.safetensors is damaged"]);
    place.fails(&resume("mlp-8", "nowhere.safetensors"), 1, &["nowhere.safetensors"]);
    let adam = format!("{} --optimizer adam", resume("mlp-8", last.to_str().unwrap()));
    place.fails(&adam, 1, &["optimiser"]);
    let enough = resume("mlp-8", last.to_str().unwrap()).replace("--epochs 2", "--epochs 1");
    place.fails(&enough, 1, &["after 1 epochs and 11 steps: nothing is left to train", "--start-epoch"]);
}

#[cfg(unix)]
#[test]
fn damaged_folders_are_told_and_lose_nothing() {
    let place = Place::new();
    let words = "--sparse --fix --model mlp-8 --epochs 3 --quiet --log-interval 1";
    place.done(words);
    let run = place.only_run("runs");
    let unfinish = || std::fs::remove_file(run.join("summary.json")).unwrap();
    for (file, text) in [
        ("manifest.json", "manifest.json is damaged"),
        ("metrics.jsonl", "metrics.jsonl:6: line is damaged"),
        ("checkpoints/last.safetensors", "last.safetensors is damaged"),
        ("checkpoints/best.safetensors", "best.safetensors is damaged"),
    ] {
        unfinish();
        let path = run.join(file);
        let whole = std::fs::read(&path).unwrap();
        let lines = String::from_utf8_lossy(&whole);
        let broken = lines.replace("\"step\":5,", "\"step\":5 ");
        let broken = if file.ends_with("jsonl") { broken.into_bytes() } else { whole[..whole.len() / 2].to_vec() };
        std::fs::write(&path, &broken).unwrap();
        let others = || {
            ["config.yaml", "manifest.json", "metrics.jsonl", "timing.jsonl"].map(|name| std::fs::read(run.join(name)).unwrap())
        };
        let before = others();
        let message = place.fails(words, 1, &[text]);
        assert!(others() == before, "{file}: nothing is touched");
        assert!(message.contains("help: "), "{message}");
        assert_eq!(std::fs::read(&path).unwrap(), broken);
        std::fs::write(&path, whole).unwrap();
        place.done(words);
    }
    unfinish();
    let best = std::fs::read(run.join("checkpoints/best.safetensors")).unwrap();
    std::fs::remove_file(run.join("checkpoints/best.safetensors")).unwrap();
    place.fails(words, 1, &["best.safetensors: No such file", "help: "]);
    std::fs::write(run.join("checkpoints/best.safetensors"), best).unwrap();
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let head: String = metrics.split_inclusive('\n').take(5).collect();
    std::fs::write(run.join("metrics.jsonl"), head).unwrap();
    place.fails(words, 1, &["metrics.jsonl ends at step 4, but has been written up to step 33", "help: "]);
    std::fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    let timing = std::fs::read_to_string(run.join("timing.jsonl")).unwrap();
    let head: String = timing.split_inclusive('\n').take(2).collect();
    std::fs::write(run.join("timing.jsonl"), head).unwrap();
    place.fails(words, 1, &["timing.jsonl ends at step 11, but has been written up to step 33", "help: "]);
    assert_eq!(std::fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count(), 37, "nothing is cut");
    // Moving them away is the user's decision.
    for name in ["metrics.jsonl", "timing.jsonl"] {
        std::fs::remove_file(run.join(name)).unwrap();
    }
    place.done(words);
    std::fs::write(run.join("summary.json"), "3\n").unwrap();
    place.fails(words, 1, &["summary.json is damaged"]);
}

#[cfg(unix)]
#[test]
fn disks_that_cannot_be_written() {
    let place = Place::new();
    place.write("file", "");
    let words = "--sparse --fix --model mlp-8 --epochs 1 --quiet";
    place.fails(&format!("{words} --out file/runs"), 1, &["file/runs"]);

    // A full disk, from the first checkpoint on: files may have 512 bytes.
    let full = |words: &str| {
        let script = format!("trap '' XFSZ; ulimit -f 1; exec {} {words}", crate::common::BINARY);
        let output = std::process::Command::new("sh").current_dir(place.path(".")).args(["-c", &script]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, err) = full(&format!("{words} --threads 1"));
    let run = place.only_run("runs");
    assert!(code == Some(1) && err.contains("error: cannot write ") && err.contains("help: "), "{code:?} {err}");
    let left = std::fs::read_dir(run.join("checkpoints")).unwrap().count();
    assert_eq!(left, 0, "no half of a checkpoint stays");
    if std::path::Path::new("/dev/full").exists() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut show = std::process::Command::new(crate::common::BINARY);
        let output = show.args(["show"]).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // With room again, the same command runs.
    place.done(words);
}

#[test]
fn a_diverging_training_fails_and_keeps_no_bad_checkpoint() {
    let place = Place::new();
    let words = "--sparse --fix --model mlp-16 --epochs 3 --quiet --lr 1e30";
    let message = place.fails(words, 1, &["not finite", "step", "--lr"]);
    let run = place.only_run("runs");
    let manifest = json(&run.join("manifest.json"));
    assert_eq!(manifest["status"], "failed");
    assert!(message.contains(manifest["error"].as_str().unwrap()));
    let last = std::fs::read(run.join("checkpoints/last.safetensors")).unwrap();
    assert!(String::from_utf8_lossy(&last).contains("\"step\":\"0\""), "the one from before the first step");
    assert!(!run.join("summary.json").exists());
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let line = format!("{} show --model resnet50 | head -n 1", crate::common::BINARY);
    let output = std::process::Command::new("sh").args(["-c", &line]).current_dir(place.path("")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("model resnet50"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
