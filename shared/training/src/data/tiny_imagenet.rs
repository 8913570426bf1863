//! Tiny ImageNet: 200 classes of 64×64 images in the folders of `tiny-imagenet-200.zip`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::file::{self, GET_AGAIN};
use super::image_folder::{Fit, decode, image_files, in_turn};
use super::kind::DataKind;
use super::set::Split;
use er_graphs::error::{Error, Result};

/// How many of everything there must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    classes: usize,
    train_per_class: usize,
    validation: usize,
}

/// The published set.
pub(super) const PUBLISHED: Counts = Counts { classes: 200, train_per_class: 500, validation: 10_000 };

/// Bytes of a list: the longest has 10,000 lines of some 40.
const MOST_TEXT: u64 = 1 << 20;

/// Training images (one of every class in turn) and the validation images as test images (in the order of their list). Classes are
/// numbered in the order of `wnids.txt`.
pub(super) fn read(folder: &Path, counts: Counts) -> Result<(Split, Split)> {
    let (wnids_at, wnids) = text(folder, "wnids.txt")?;
    let wnids: Vec<&str> = wnids.split_whitespace().collect();
    let class: HashMap<&str, u32> = wnids.iter().enumerate().map(|(i, &wnid)| (wnid, i as u32)).collect();
    if wnids.len() != counts.classes || class.len() != counts.classes {
        let what = format!("{} names {} classes, {} expected", wnids_at.display(), class.len(), counts.classes);
        return Err(Error::failure(what).help(GET_AGAIN));
    }
    let train = train_files(folder, &wnids, counts)?;
    let test = validation_files(folder, &class, counts)?;
    let [train, test] =
        [train, test].map(|files| decode(DataKind::TinyImageNet.name(), &files, DataKind::TinyImageNet.image(), Fit::Exact));
    Ok((train?, test?))
}

fn text(folder: &Path, name: &str) -> Result<(PathBuf, String)> {
    let path = folder.join(name);
    let text = String::from_utf8(file::read(&path, MOST_TEXT)?)
        .map_err(|_| Error::failure(format!("{} is not a text file", path.display())).help(GET_AGAIN))?;
    Ok((path, text))
}

fn train_files(folder: &Path, wnids: &[&str], counts: Counts) -> Result<Vec<(PathBuf, u32)>> {
    let mut classes = Vec::with_capacity(wnids.len());
    for wnid in wnids {
        let images = folder.join("train").join(wnid).join("images");
        let files = image_files(&images)?;
        if files.len() != counts.train_per_class {
            let what = format!("{} holds {} images, {} expected", images.display(), files.len(), counts.train_per_class);
            return Err(Error::failure(what).help("unpack tiny-imagenet-200.zip again"));
        }
        classes.push(files);
    }
    Ok(in_turn(classes))
}

/// `val_annotations.txt`: a line per image with its file name, its class and a box that is not used.
fn validation_files(folder: &Path, class: &HashMap<&str, u32>, counts: Counts) -> Result<Vec<(PathBuf, u32)>> {
    let (path, list) = text(folder, "val/val_annotations.txt")?;
    let bad = |what: String| Error::failure(format!("{}{what}", path.display())).help(GET_AGAIN);
    let images = folder.join("val/images");
    let files = list
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let mut fields = line.split_whitespace();
            let (Some(name), Some(wnid)) = (fields.next(), fields.next()) else {
                return Err(bad(format!(":{}: no file name and class in {line:?}", i + 1)));
            };
            let label = class.get(wnid).ok_or_else(|| bad(format!(":{}: unknown class {wnid:?}", i + 1)))?;
            Ok((images.join(name), *label))
        })
        .collect::<Result<Vec<_>>>()?;
    if files.len() != counts.validation {
        return Err(bad(format!(" names {} images, {} expected", files.len(), counts.validation)));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::image_folder::tests::write;
    use super::*;

    const SMALL: Counts = Counts { classes: 2, train_per_class: 2, validation: 3 };

    fn small() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("wnids.txt"), "n02\nn01\n").unwrap();
        for (class, wnid) in ["n02", "n01"].iter().enumerate() {
            for i in 0..2 {
                let name = format!("train/{wnid}/images/{wnid}_{i}.png");
                write(&dir.path().join(name), 64, 64, [10 * class as u8 + i, 0, 0]);
            }
            std::fs::write(dir.path().join(format!("train/{wnid}/{wnid}_boxes.txt")), "").unwrap();
        }
        for i in 0..3 {
            write(&dir.path().join(format!("val/images/val_{i}.png")), 64, 64, [0, i, 0]);
        }
        let list = "val_2.png\tn01\t0\t0\t62\t57\nval_0.png\tn02\t1\t2\t3\t4\nval_1.png\tn01\t1\t2\t3\t4\n";
        std::fs::write(dir.path().join("val/val_annotations.txt"), list).unwrap();
        dir
    }

    #[test]
    fn classes_follow_wnids_and_take_turns() {
        let dir = small();
        let (train, test) = read(dir.path(), SMALL).unwrap();
        assert_eq!((train.labels, test.labels), (vec![0, 1, 0, 1], vec![1, 0, 1]));
        let n = 3 * 64 * 64;
        let first = |images: &[u8], channel: usize| images.chunks(n).map(|i| i[channel * 4096]).collect::<Vec<_>>();
        assert_eq!((first(&train.images, 0), first(&test.images, 1)), (vec![0, 10, 1, 11], vec![2, 0, 1]));
    }

    #[test]
    fn wrong_counts_and_names_are_errors() {
        let dir = small();
        let at = dir.path().display();
        let error = |counts| read(dir.path(), counts).unwrap_err().what().to_string();
        assert_eq!(error(PUBLISHED), format!("{at}/wnids.txt names 2 classes, 200 expected"));
        assert_eq!(error(Counts { train_per_class: 3, ..SMALL }), format!("{at}/train/n02/images holds 2 images, 3 expected"));
        assert_eq!(error(Counts { validation: 4, ..SMALL }), format!("{at}/val/val_annotations.txt names 3 images, 4 expected"));
        let list = dir.path().join("val/val_annotations.txt");
        std::fs::write(&list, "val_0.png n03\n").unwrap();
        assert_eq!(error(SMALL), format!("{at}/val/val_annotations.txt:1: unknown class \"n03\""));
        std::fs::write(&list, "val_0.png n01\nval_1.png\n").unwrap();
        assert_eq!(error(SMALL), format!("{at}/val/val_annotations.txt:2: no file name and class in \"val_1.png\""));
        std::fs::write(&list, [0xff, 0xfe]).unwrap();
        assert_eq!(error(SMALL), format!("{at}/val/val_annotations.txt is not a text file"));
    }

    #[test]
    fn missing_and_misshapen_images_are_named() {
        let dir = small();
        let path = dir.path().join("val/images/val_1.png");
        write(&path, 64, 32, [0; 3]);
        let error = read(dir.path(), SMALL).unwrap_err();
        assert_eq!(error.what(), format!("{}: image of 64x32, 64x64 expected", path.display()));
        std::fs::remove_file(&path).unwrap();
        assert!(read(dir.path(), SMALL).unwrap_err().what().starts_with(&format!("cannot read {}: ", path.display())));
    }
}
