//! Puts the git revision into the build, for manifests; without git there is none.

use std::process::Command;

fn main() {
    // Every commit, checkout and reset appends to this file.
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    println!("cargo::rerun-if-changed=../scripts/revision.rs");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    if let Some(revision) = git(&["rev-parse", "HEAD"]).filter(|r| !r.is_empty()) {
        // What differs from the commit matters only where it is compiled.
        let changed =
            git(&["status", "--porcelain", "--", ":(top)*.rs", ":(top)*.toml", ":(top)*.lock"]).is_some_and(|s| !s.is_empty());
        println!("cargo::rustc-env=ER_REVISION={revision}{}", if changed { "+changes" } else { "" });
    }
}
