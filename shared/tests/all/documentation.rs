//! The documentation names files, links and imports that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Files below a folder, but for what is built or fetched.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kept = entries.filter(|path| !["target", "runs", "data", ".git"].iter().any(|name| *path == root().join(name)));
    kept.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// README, change log and all files in docs: path and text without blocks of code.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = files(&root().join("docs"));
    let docs = docs.into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    let paths = ["README.md", "CHANGELOG.md"].map(|name| root().join(name)).into_iter().chain(docs);
    paths
        .map(|path| {
            let text = read(&path);
            // Every other part lies between two fences.
            let prose: Vec<&str> = text.split("\n```").step_by(2).collect();
            (path, prose.join("\n"))
        })
        .collect()
}

/// Texts between each pair of these marks.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inside, _)| inside)
}

/// The name of a heading in links to it, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn links_lead_somewhere() {
    for (path, text) in pages() {
        for link in between(&text, "](", ")").filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", path.display());
            if let Some(heading) = heading {
                let target = read(&target);
                let headings = target.lines().filter(|line| line.starts_with('#'));
                let mut anchors = headings.map(|line| anchor(line.trim_start_matches('#').trim_start()));
                assert!(anchors.any(|a| a == heading), "{}: {link}", path.display());
            }
        }
    }
}

/// Source files and folders that a page names are those of this repository: from its root, or any that end so.
#[test]
fn named_files_exist() {
    let all: Vec<String> = files(&root()).iter().map(|p| format!("/{}", p.strip_prefix(root()).unwrap().display())).collect();
    for (path, text) in pages() {
        for name in text.split('`').skip(1).step_by(2).filter(|name| !name.contains([' ', '\n', '<', '*'])) {
            let named = format!("/{name}");
            let is_there = match name.rsplit_once('.') {
                Some((_, "rs" | "py" | "sh" | "md")) => all.iter().any(|file| file.ends_with(&named)),
                // One folder alone may be that of a run.
                _ if name.ends_with('/') && name.matches('/').count() > 1 => all.iter().any(|file| file.contains(&named)),
                _ => true,
            };
            assert!(is_there, "{}: `{name}`", path.display());
        }
    }
}

/// The crates of this repository that a `Cargo.toml` depends on.
fn imports(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names =
        lines.filter_map(|line| line.split(['.', ' ']).next()).filter(|name| name.starts_with("er_") || *name == "shared");
    names.map(str::to_owned).collect()
}

#[test]
fn crates_import_what_the_architecture_says() {
    let manifests = files(&root()).into_iter().filter(|path| path.file_name().is_some_and(|name| name == "Cargo.toml"));
    let crates = manifests.filter(|path| path.parent() != Some(&root())).map(|path| {
        let text = read(&path);
        let name = between(&text, "name = \"", "\"").next().unwrap().to_owned();
        let folder = path.parent().unwrap().strip_prefix(root()).unwrap().display().to_string();
        (name, (folder, imports(&text)))
    });
    let page = read(&root().join("docs/architecture.md"));
    let (_, chapter) = page.split_once("\n## Crates\n").unwrap();
    let rows = chapter.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
    let said = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let named = |cell: &str| between(cell, "`er_", "`").map(|end| format!("er_{end}")).collect::<BTreeSet<_>>();
        let mut imports = named(cells[4]);
        imports.extend(cells[4].contains("`shared`").then(|| "shared".to_owned()));
        (cells[1].trim_matches([' ', '`']).to_owned(), (cells[2].trim_matches([' ', '`']).to_owned(), imports))
    });
    assert_eq!(said.collect::<BTreeMap<_, _>>(), crates.collect::<BTreeMap<_, _>>());
}
