//! Where data sets are looked for, and what is there.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::kind::{DataKind, Recipe};
use er_graphs::error::{Error, Result};

/// Where data sets are found on Debian.
const SYSTEM: &str = "/usr/share/datasets";

/// The folders in which data sets are looked for, in order: only `data_dir` (`--data-dir`) where it is given, else the value of the
/// environment variable `ER_DATA`, `data` in the current folder, and `/usr/share/datasets`.
pub fn search_path(data_dir: Option<&Path>, er_data: Option<&OsStr>) -> Vec<PathBuf> {
    match data_dir {
        Some(folder) => vec![folder.to_path_buf()],
        None => er_data
            .filter(|value| !value.is_empty())
            .into_iter()
            .chain(["data".as_ref(), SYSTEM.as_ref()])
            .map(PathBuf::from)
            .collect(),
    }
}

/// What `er_* data` says about a set.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Listed {
    /// Name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Shape of its images, `channels x rows x columns`.
    pub image: String,
    /// Number of classes.
    pub classes: usize,
    /// Mean of each channel with which its images are normalised, in units of 255.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel with which they are, in units of 255.
    pub std: Vec<f64>,
    /// Whether it needs no file.
    pub built_in: bool,
    /// The folder or archive that holds it; may be incomplete, see `missing`.
    pub found: Option<PathBuf>,
    /// Every place where it was looked for; empty if it needs no file.
    pub looked_for: Vec<PathBuf>,
    /// The files that the place in `found` lacks, or that the set consists of if it was not found.
    pub missing: Vec<String>,
    /// Where to get it.
    pub page: Option<&'static str>,
}

/// What is there of every set. Files are looked for, not read.
pub fn listing(roots: &[PathBuf]) -> Vec<Listed> {
    DataKind::CHOICES
        .iter()
        .map(|choice| {
            let kind = choice.value;
            let Recipe { mean, std, .. } = kind.recipe(kind.image());
            let layout = Layout::of(kind);
            let looked_for = layout.as_ref().map_or_else(Vec::new, |layout| layout.places(roots));
            let found = layout.as_ref().and_then(|layout| layout.find(&looked_for));
            let missing = match (&layout, &found) {
                (Some(layout), Some(place)) => layout.missing(place),
                (Some(layout), None) => layout.names(),
                (None, _) => Vec::new(),
            };
            Listed {
                name: choice.name,
                about: choice.about,
                image: kind.image().to_string(),
                classes: kind.classes(),
                mean,
                std,
                built_in: layout.is_none(),
                found,
                looked_for,
                missing,
                page: kind.page(),
            }
        })
        .collect()
}

/// The folder or archive that holds a complete set.
///
/// # Errors
/// Failure: nowhere in `roots`, or incomplete there; says where it was looked for and where to get it.
pub(super) fn find(kind: DataKind, roots: &[PathBuf]) -> Result<PathBuf> {
    let layout = Layout::of(kind).ok_or_else(|| Error::failure(format!("data set {kind} is built in: it has no files")))?;
    let page = kind.page().unwrap_or_default();
    let Some(place) = layout.find(&layout.places(roots)) else {
        let looked: Vec<String> = roots
            .iter()
            .map(|root| format!("{}{}", root.display(), if root.is_dir() { "" } else { " (no such folder)" }))
            .collect();
        let package = if kind == DataKind::FashionMnist { " or the Debian package dataset-fashion-mnist" } else { "" };
        let root = roots.first().cloned().unwrap_or_default();
        let (names, into) = match layout.archive {
            Some(archive) => (archive.to_string(), root),
            None => (layout.names().join(", "), root.join(layout.folders[0])),
        };
        return Err(Error::failure(format!("data set {kind} not found; looked in {}", looked.join(", ")))
            .help(format!("get {names} from {page}{package}; put into {} or name the folder with --data-dir", into.display())));
    };
    let missing = layout.missing(&place);
    if !missing.is_empty() {
        return Err(Error::failure(format!("data set {kind}: {} lacks {}", place.display(), missing.join(", ")))
            .help(format!("get the missing files from {page}")));
    }
    Ok(place)
}

/// `folder/name`, or `folder/name.gz` where only that exists.
pub(super) fn packed_or_not(folder: &Path, name: &str) -> PathBuf {
    let (plain, packed) = (folder.join(name), folder.join(format!("{name}.gz")));
    if packed.is_file() && !plain.is_file() { packed } else { plain }
}

/// How a set lies on a disk.
struct Layout {
    /// Its usual folders below a root, the likeliest first; the root itself comes last, since other sets lie there too.
    folders: &'static [&'static str],
    /// Files and folders that must exist.
    files: &'static [&'static str],
    /// Whether the files may be packed (`.gz`).
    packed: bool,
    /// An archive that serves as well.
    archive: Option<&'static str>,
}

const IDX_FILES: &[&str] =
    &["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

impl Layout {
    /// The layout of a set; none for what is built in.
    fn of(kind: DataKind) -> Option<Self> {
        let unpacked = |folders, files| Self { folders, files, packed: false, archive: None };
        Some(match kind {
            DataKind::Digits | DataKind::Synthetic => return None,
            DataKind::Mnist => Self { packed: true, ..unpacked(&["mnist", "MNIST", "MNIST/raw", ""], IDX_FILES) },
            DataKind::FashionMnist => Self {
                packed: true,
                ..unpacked(&["fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw", ""], IDX_FILES)
            },
            DataKind::Cifar10 => Self {
                folders: &["cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar10", "cifar-10", ""],
                files: &[
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin",
                    "test_batch.bin",
                ],
                packed: false,
                archive: Some("cifar-10-binary.tar.gz"),
            },
            DataKind::Cifar100 => Self {
                folders: &["cifar-100-binary", "cifar100/cifar-100-binary", "cifar100", "cifar-100", ""],
                files: &["train.bin", "test.bin"],
                packed: false,
                archive: Some("cifar-100-binary.tar.gz"),
            },
            DataKind::TinyImageNet => unpacked(
                &["tiny-imagenet-200", "tiny-imagenet", "tiny_imagenet", ""],
                &["wnids.txt", "train", "val/images", "val/val_annotations.txt"],
            ),
            DataKind::ImageNet => unpacked(&["imagenet", "ImageNet", "ILSVRC2012", ""], &["train", "val"]),
        })
    }

    /// Every place to look at, in order.
    fn places(&self, roots: &[PathBuf]) -> Vec<PathBuf> {
        let mut places = Vec::new();
        for root in roots {
            // Joining "" would add a final slash.
            let folder = |name: &&str| if name.is_empty() { root.clone() } else { root.join(name) };
            places.extend(self.folders.iter().map(folder));
            places.extend(self.archive.iter().flat_map(|archive| self.folders.iter().map(move |f| folder(f).join(archive))));
        }
        places
    }

    /// The first place that holds all of the set, else the first that holds some of it.
    fn find(&self, places: &[PathBuf]) -> Option<PathBuf> {
        let lacks = |place: &PathBuf| self.missing(place).len();
        let complete = places.iter().find(|place| lacks(place) == 0);
        complete.or_else(|| places.iter().find(|place| lacks(place) < self.files.len())).cloned()
    }

    /// The files that a place lacks; none if it is the archive.
    fn missing(&self, place: &Path) -> Vec<String> {
        if self.archive.is_some_and(|archive| place.file_name() == Some(archive.as_ref()) && place.is_file()) {
            return Vec::new();
        }
        let here = |name: &str| place.join(name).exists() || (self.packed && packed_or_not(place, name).is_file());
        self.files.iter().zip(self.names()).filter(|(name, _)| !here(name)).map(|(_, shown)| shown).collect()
    }

    /// The files as messages call them.
    fn names(&self) -> Vec<String> {
        self.files.iter().map(|name| format!("{name}{}", if self.packed { "(.gz)" } else { "" })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, names: &[&str]) {
        for name in names {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
    }

    #[test]
    fn a_data_dir_is_searched_alone() {
        let path = |data_dir: Option<&str>, er_data: Option<&str>| {
            search_path(data_dir.map(Path::new), er_data.map(OsStr::new))
                .iter()
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(path(Some("/d"), Some("/e")), ["/d"]);
        assert_eq!(path(None, Some("/e")), ["/e", "data", "/usr/share/datasets"]);
        assert_eq!(path(None, Some("")), ["data", "/usr/share/datasets"]);
        assert_eq!(path(None, None), ["data", "/usr/share/datasets"]);
    }

    #[test]
    fn sets_are_found_in_usual_folders_and_complete_ones_win() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let roots = [first.path().to_path_buf(), second.path().to_path_buf()];
        touch(first.path(), &["MNIST/raw/train-images-idx3-ubyte.gz"]);
        assert!(find(DataKind::Mnist, &roots).unwrap_err().what().contains("MNIST/raw lacks train-labels-idx1-ubyte(.gz), t10k"));
        touch(second.path(), IDX_FILES);
        assert_eq!(find(DataKind::Mnist, &roots).unwrap(), roots[1]);

        touch(second.path(), &["cifar-10-binary.tar.gz"]);
        assert_eq!(find(DataKind::Cifar10, &roots).unwrap(), roots[1].join("cifar-10-binary.tar.gz"));
        touch(first.path(), &["cifar10/test_batch.bin"]);
        for i in 1..=5 {
            touch(first.path(), &[format!("cifar10/data_batch_{i}.bin").as_str()]);
        }
        assert_eq!(find(DataKind::Cifar10, &roots).unwrap(), roots[0].join("cifar10"));
    }

    #[test]
    fn the_archive_itself_can_be_named() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), &["cifar-10-binary.tar.gz"]);
        let archive = dir.path().join("cifar-10-binary.tar.gz");
        assert_eq!(find(DataKind::Cifar10, std::slice::from_ref(&archive)).unwrap(), archive);
    }

    #[test]
    fn an_archive_must_be_a_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("cifar-100-binary.tar.gz")).unwrap();
        let error = find(DataKind::Cifar100, &[dir.path().to_path_buf()]).unwrap_err();
        assert!(error.what().starts_with("data set cifar100 not found"), "{error}");
    }

    #[test]
    fn missing_sets_say_where_and_what() {
        let roots = search_path(Some(Path::new("/nonexistent")), None);
        let error = |kind| find(kind, &roots).unwrap_err().to_string();
        assert_eq!(
            error(DataKind::Cifar10),
            "data set cifar10 not found; looked in /nonexistent (no such folder)\n  get cifar-10-binary.tar.gz from \
             https://www.cs.toronto.edu/~kriz/cifar.html; put into /nonexistent or name the folder with --data-dir"
        );
        assert_eq!(
            error(DataKind::FashionMnist),
            "data set fashion_mnist not found; looked in /nonexistent (no such folder)\n  get train-images-idx3-ubyte(.gz), \
             train-labels-idx1-ubyte(.gz), t10k-images-idx3-ubyte(.gz), t10k-labels-idx1-ubyte(.gz) from \
             https://github.com/zalandoresearch/fashion-mnist or the Debian package dataset-fashion-mnist; put into \
             /nonexistent/fashion-mnist or name the folder with --data-dir"
        );
        for kind in DataKind::CHOICES.iter().map(|choice| choice.value) {
            if let Some(page) = kind.page() {
                assert!(error(kind).contains(page) && error(kind).lines().count() == 2, "{}", error(kind));
            }
        }
    }

    #[test]
    fn the_listing_tells_found_incomplete_and_missing_sets_apart() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        touch(&root, &["fashion-mnist/train-images-idx3-ubyte", "cifar100/cifar-100-binary.tar.gz"]);
        let list = listing(std::slice::from_ref(&root));
        assert_eq!(list.iter().map(|l| l.name).collect::<Vec<_>>(), DataKind::CHOICES.iter().map(|c| c.name).collect::<Vec<_>>());
        let of = |kind: DataKind| list[kind as usize].clone();
        let digits = of(DataKind::Digits);
        assert!(digits.built_in && digits.looked_for.is_empty() && digits.missing.is_empty());
        let fashion = of(DataKind::FashionMnist);
        assert_eq!((fashion.found, fashion.missing.len()), (Some(root.join("fashion-mnist")), 3));
        let cifar100 = of(DataKind::Cifar100);
        assert_eq!((cifar100.found, cifar100.missing.len()), (Some(root.join("cifar100/cifar-100-binary.tar.gz")), 0));
        let tiny = of(DataKind::TinyImageNet);
        assert_eq!((tiny.found, tiny.missing.len(), tiny.looked_for.len()), (None, 4, 4));
        assert_eq!(tiny.looked_for[3], root);
        let json = serde_json::to_value(&list).unwrap();
        assert_eq!(json[5]["missing"][0], "wnids.txt");
        assert_eq!((&json[1]["mean"], &json[1]["std"]), (&serde_json::json!([0.1307]), &serde_json::json!([0.3081])));
    }
}
