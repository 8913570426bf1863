use super::*;
use crate::Backend;

fn program() -> Invocation {
    let command = vec!["test".into(), "--seed".into()];
    Invocation { name: "test", version: "1", revision: None, command, device: Machine::this(1, Backend::Sparse) }
}

const HASH: &str = "0123456789abcdef";

#[test]
fn a_run_begins_ends_and_is_found_again() {
    let out = tempfile::tempdir().unwrap();
    let path = RunFolder::path_of(out.path(), "a b/c", HASH);
    assert_eq!(path, out.path().join("a-b-c-01234567"));
    let long = RunFolder::path_of(out.path(), &"x".repeat(1000), HASH);
    assert_eq!(long, out.path().join(format!("{}-01234567", "x".repeat(200))));
    let other = tempfile::tempdir().unwrap();
    let renamed = other.path().join("mine-01234567");
    fs::create_dir(&renamed).unwrap();
    assert_eq!(RunFolder::path_of(other.path(), "a", HASH), other.path().join("a-01234567"), "no run's folder");
    fs::write(renamed.join(MANIFEST), "").unwrap();
    assert_eq!(RunFolder::path_of(other.path(), "a", HASH), renamed);
    let open = || RunFolder::open(&path, HASH, &program());
    let summary = || RunFolder::summary(&path).unwrap();
    assert_eq!(summary(), None);
    let mut run = open().unwrap();
    run.begin("seed: 1\n", Scope::default(), &program()).unwrap();
    let in_use = open().unwrap_err();
    assert!(in_use.what().contains("a-b-c-01234567") && in_use.what().contains("in use"), "{in_use}");
    run.end(Status::Failed, Some(&Error::failure("boom"))).unwrap();
    let started = run.manifest.started.clone();
    drop(run);

    let mut again = open().unwrap();
    assert_eq!((again.manifest.status, again.manifest.error.as_deref()), (Status::Failed, Some("boom")));
    again.begin("seed: 1\n", Scope::default(), &program()).unwrap();
    assert!(again.manifest.resumed.is_some() && again.manifest.started == started && again.manifest.error.is_none());
    again.write_summary(&serde_json::json!({"test_accuracy": 0.5})).unwrap();
    assert_eq!(summary(), None);
    again.end(Status::Finished, None).unwrap();
    assert_eq!(summary().unwrap()["test_accuracy"], 0.5);
}

#[test]
fn a_folder_of_other_options_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let mut run = RunFolder::open(out.path(), HASH, &program()).unwrap();
    run.begin("seed: 1\n", Scope::default(), &program()).unwrap();
    let path = run.path().join("manifest.json");
    drop(run);
    let other = fs::read_to_string(&path).unwrap().replace(HASH, "0123456789");
    fs::write(&path, other).unwrap();
    let error = RunFolder::open(out.path(), HASH, &program()).unwrap_err();
    assert!(error.what().contains("other options"), "{error}");
    fs::write(&path, "{").unwrap();
    assert!(RunFolder::open(out.path(), HASH, &program()).unwrap_err().what().contains("manifest.json is damaged"));
}

#[test]
fn a_lost_checkpoint_is_no_new_run() {
    let out = tempfile::tempdir().unwrap();
    let run = out.path();
    let create = |name: &str| {
        let path = run.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    assert!(!RunFolder::has_begun(run).unwrap());
    create(MANIFEST);
    assert!(!RunFolder::has_begun(run).unwrap());
    for left in [METRICS, BEST, "tickets/level-1.safetensors"] {
        create(left);
        let error = RunFolder::has_begun(run).unwrap_err();
        assert!(error.what().contains("last.safetensors is missing, and the run has "), "{error}");
        fs::remove_file(run.join(left)).unwrap();
    }
    create(LAST);
    assert!(RunFolder::has_begun(run).unwrap());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_reached_is_not_absent() {
    let out = tempfile::tempdir().unwrap();
    let run = out.path();
    create_folder(&run.join("checkpoints")).unwrap();
    std::os::unix::fs::symlink("last.safetensors", run.join(LAST)).unwrap();
    let error = RunFolder::has_begun(run).unwrap_err();
    assert!(error.what().starts_with("cannot reach ") && error.what().contains("last.safetensors"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_lock_that_is_a_link_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let (run, victim) = (out.path().join("run"), out.path().join("victim"));
    fs::create_dir(&run).unwrap();
    fs::write(&victim, "precious").unwrap();
    for target in ["../victim", "../absent"] {
        std::os::unix::fs::symlink(target, run.join(".lock")).unwrap();
        let error = RunFolder::open(&run, HASH, &program()).unwrap_err();
        assert!(error.what().contains(".lock") && error.what().contains("it is no file"), "{error}");
        fs::remove_file(run.join(".lock")).unwrap();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!out.path().join("absent").exists());
}

#[test]
fn this_process_uses_memory() {
    if Path::new("/proc/self/status").exists() {
        assert!(peak_rss_bytes().unwrap() > 1 << 20);
    }
}
