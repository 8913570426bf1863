//! ImageNet (ILSVRC 2012): a folder per class in `train` and `val`.
//!
//! Every image is decoded, resized and kept in memory as bytes: 1.3 million of them need 4 GB at side 32, 16 GB at 64 and 200 GB
//! at 224, and minutes to hours at the start of a run. A set that does not fit into the free memory is refused before any image
//! is decoded.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::image_folder::{Fit, decode, entries, image_files, in_turn};
use super::kind::DataKind;
use super::set::Split;
use er_graphs::error::{Error, Result};
use er_networks::model::Image;

/// Training images (one of every class in turn) and the validation images as test images. Classes are numbered by the names of their
/// folders, of which there must be `classes`.
pub(super) fn read(folder: &Path, image: Image, classes: usize) -> Result<(Split, Split)> {
    let name = |path: &Path| path.file_name().map(OsStr::to_os_string);
    let train = class_folders(&folder.join("train"), classes)?;
    let test = class_folders(&folder.join("val"), classes)?;
    let known: HashSet<_> = train.iter().map(|path| name(path)).collect();
    if let Some(other) = test.iter().find(|path| !known.contains(&name(path))) {
        return Err(Error::failure(format!("{} is no class of {}", other.display(), folder.join("train").display())));
    }
    let set = DataKind::ImageNet.name();
    let (train, test) = (files(&train)?, files(&test)?);
    Ok((decode(set, &train, image, Fit::Crop)?, decode(set, &test, image, Fit::Crop)?))
}

fn class_folders(folder: &Path, classes: usize) -> Result<Vec<PathBuf>> {
    let folders: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| path.is_dir()).collect();
    if folders.len() != classes {
        return Err(Error::failure(format!("{} holds {} class folders, {classes} expected", folder.display(), folders.len()))
            .help("train and val hold one folder per class, into which the published validation images must be sorted"));
    }
    Ok(folders)
}

fn files(folders: &[PathBuf]) -> Result<Vec<(PathBuf, u32)>> {
    let classes = folders.iter().map(|folder| image_files(folder)).collect::<Result<Vec<_>>>()?;
    if let Some((folder, _)) = folders.iter().zip(&classes).find(|(_, files)| files.is_empty()) {
        return Err(Error::failure(format!("{} holds no images", folder.display())));
    }
    Ok(in_turn(classes))
}

#[cfg(test)]
mod tests {
    use super::super::image_folder::tests::write;
    use super::*;

    #[test]
    fn folders_become_classes() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        for (i, name) in
            ["train/n2/a.jpeg", "train/n1/b.JPEG", "train/n1/c.png", "val/n1/d.png", "val/n2/e.png"].iter().enumerate()
        {
            write(&dir.path().join(name), 40, 20, [50 * i as u8; 3]);
        }
        std::fs::write(dir.path().join("train/n1/notes.txt"), "").unwrap();
        let image = Image::new(3, 8, 8);
        let (train, test) = read(dir.path(), image, 2).unwrap();
        assert_eq!((train.labels, test.labels), (vec![0, 1, 0], vec![0, 1]));
        let first = |images: &[u8]| images.chunks(192).map(|i| i[0]).collect::<Vec<_>>();
        assert_eq!((first(&train.images), first(&test.images)), (vec![50, 0, 100], vec![150, 200]));

        let error = |classes| read(dir.path(), image, classes).unwrap_err().what().to_string();
        assert_eq!(error(1000), format!("{at}/train holds 2 class folders, 1000 expected"));
        std::fs::rename(dir.path().join("val/n2"), dir.path().join("val/n3")).unwrap();
        assert_eq!(error(2), format!("{at}/val/n3 is no class of {at}/train"));
        std::fs::remove_file(dir.path().join("train/n2/a.jpeg")).unwrap();
        std::fs::rename(dir.path().join("val/n3"), dir.path().join("val/n2")).unwrap();
        assert_eq!(error(2), format!("{at}/train/n2 holds no images"));
    }
}
