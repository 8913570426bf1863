//! CIFAR-10 and CIFAR-100, binary version, from a folder or straight from the published `.tar.gz`.
//!
//! A file is a row of records: the label bytes, then 3,072 bytes of a 3×32×32 image in `(channel, row, column)` order
//! (A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009).

use std::io::Read;
use std::path::Path;

use super::file::{self, GET_AGAIN};
use super::set::Split;
use er_graphs::error::{Error, Result};

const PIXELS: usize = 3 * 32 * 32;
/// Bytes that the archive may have besides the files of images: lists of names, and what the archive format adds.
const MOST_BESIDES: usize = 1 << 20;

/// What the files of a set are.
pub(super) struct Layout {
    /// Training files, in order.
    train: &'static [&'static str],
    /// Test file.
    test: &'static str,
    /// Images in each training file and in the test file.
    images: [usize; 2],
    /// Label bytes of a record; the last is the class.
    labels: usize,
    classes: u8,
}

/// CIFAR-10: one label byte.
pub(super) const CIFAR10: Layout = Layout {
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    images: [10_000, 10_000],
    labels: 1,
    classes: 10,
};

/// CIFAR-100: a byte of the coarse label, which is not used, and one of the fine label.
pub(super) const CIFAR100: Layout =
    Layout { train: &["train.bin"], test: "test.bin", images: [50_000, 10_000], labels: 2, classes: 100 };

impl Layout {
    /// Every file with its exact size in bytes, the test file last.
    fn files(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let size = |images: usize| images * (self.labels + PIXELS);
        let [train, test] = self.images.map(size);
        self.train.iter().map(move |&name| (name, train)).chain([(self.test, test)])
    }
}

/// Training and test images from `place`, a folder of the files or the archive.
pub(super) fn read(place: &Path, layout: &Layout) -> Result<(Split, Split)> {
    let mut contents = if place.is_file() { from_archive(place, layout)? } else { from_folder(place, layout)? };
    let mut splits = [Split::default(), Split::default()];
    for (i, (name, size)) in layout.files().enumerate() {
        // Each file is freed as soon as it is taken apart.
        let bytes = std::mem::take(&mut contents[i]);
        let at = place.join(name);
        if bytes.len() != size {
            return Err(wrong_size(&at, bytes.len() as u64, size));
        }
        append(&mut splits[usize::from(i == layout.train.len())], &bytes, &at, layout)?;
    }
    let [train, test] = splits;
    Ok((train, test))
}

fn wrong_size(at: &Path, found: u64, expected: usize) -> Error {
    Error::failure(format!("{} holds {found} bytes, {expected} expected", at.display())).help(GET_AGAIN)
}

fn append(split: &mut Split, bytes: &[u8], at: &Path, layout: &Layout) -> Result<()> {
    let records = bytes.chunks_exact(layout.labels + PIXELS);
    split.images.reserve_exact(records.len() * PIXELS);
    for (i, record) in records.enumerate() {
        let label = record[layout.labels - 1];
        if label >= layout.classes {
            let what = format!("{}: label {label} of image {i} is outside 0..{}", at.display(), layout.classes - 1);
            return Err(Error::failure(what).help(GET_AGAIN));
        }
        split.labels.push(u32::from(label));
        split.images.extend_from_slice(&record[layout.labels..]);
    }
    Ok(())
}

/// The files' bytes, in the layout's order.
fn from_folder(folder: &Path, layout: &Layout) -> Result<Vec<Vec<u8>>> {
    layout
        .files()
        .map(|(name, size)| {
            let path = folder.join(name);
            let mut file = file::open(&path, size as u64)?;
            if file.length() == size as u64 { file.next(file.length()) } else { Err(wrong_size(&path, file.length(), size)) }
        })
        .collect()
}

/// The files' bytes, in the layout's order, read from the archive in one pass. The archive's checksum is verified.
///
/// Members are taken as they are: headers that describe the next member (long names, PAX), which the format would have kept in
/// memory, are passed over like any other member. The published archives have none.
fn from_archive(archive: &Path, layout: &Layout) -> Result<Vec<Vec<u8>>> {
    let damaged = |error: std::io::Error| Error::io("read", archive, &error).help(GET_AGAIN);
    let most = layout.files().map(|(_, size)| size).sum::<usize>() + MOST_BESIDES;
    let mut tar = tar::Archive::new(file::open(archive, most as u64)?);
    let mut contents: Vec<Option<Vec<u8>>> = layout.files().map(|_| None).collect();
    for entry in tar.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let known = layout.files().enumerate().find(|(_, (name, _))| path.file_name().is_some_and(|found| found == *name));
        let Some((i, (name, size))) = known.filter(|_| entry.header().entry_type().is_file()) else { continue };
        if entry.size() != size as u64 {
            return Err(wrong_size(&archive.join(name), entry.size(), size));
        }
        let mut bytes = Vec::with_capacity(size);
        entry.read_to_end(&mut bytes).map_err(damaged)?;
        contents[i] = Some(bytes);
    }
    // The end of the compressed stream, where its checksum is, lies behind the last file.
    std::io::copy(&mut tar.into_inner(), &mut std::io::sink()).map_err(damaged)?;
    contents
        .into_iter()
        .zip(layout.files())
        .map(|(bytes, (name, _))| {
            bytes.ok_or_else(|| Error::failure(format!("{} holds no {name}", archive.display())).help(GET_AGAIN))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use super::file::tests::{damage, gz};
    use super::*;

    const SMALL10: Layout = Layout { train: &["a.bin", "b.bin"], test: "t.bin", images: [2, 1], labels: 1, classes: 10 };
    const SMALL100: Layout = Layout { train: &["train.bin"], test: "test.bin", images: [2, 1], labels: 2, classes: 100 };

    fn record(labels: &[u8], first: u8) -> Vec<u8> {
        labels.iter().copied().chain((0..PIXELS).map(|i| first.wrapping_add((i % 201) as u8))).collect()
    }

    fn small10() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("t.bin", record(&[9], 5)),
            ("b.bin", [record(&[3], 3), record(&[4], 4)].concat()),
            ("a.bin", [record(&[1], 1), record(&[2], 2)].concat()),
        ]
    }

    fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("cifar-10-batches-bin/{name}"), &bytes[..]).unwrap();
        }
        gz(&tar.into_inner().unwrap())
    }

    fn in_folder(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).unwrap();
        }
        let path = dir.path().to_path_buf();
        (dir, path)
    }

    fn in_archive(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cifar-10-binary.tar.gz");
        std::fs::write(&path, archive(files)).unwrap();
        (dir, path)
    }

    #[test]
    fn the_published_sizes() {
        let sizes = |layout: &Layout| layout.files().map(|(_, size)| size).collect::<Vec<_>>();
        assert_eq!(sizes(&CIFAR10), [30_730_000; 6]);
        assert_eq!(sizes(&CIFAR100), [153_700_000, 30_740_000]);
    }

    #[test]
    fn folder_and_archive_read_alike_in_training_file_order() {
        let mut files = small10();
        files.push(("batches.meta.txt", b"airplane\n".to_vec()));
        for (_dir, place) in [in_folder(&files), in_archive(&files)] {
            let (train, test) = read(&place, &SMALL10).unwrap();
            assert_eq!((train.labels, test.labels), (vec![1, 2, 3, 4], vec![9]));
            let pixels = |first| record(&[], first);
            assert_eq!((train.images, test.images), ([pixels(1), pixels(2), pixels(3), pixels(4)].concat(), pixels(5)));
        }
    }

    #[test]
    fn cifar100_takes_the_fine_label() {
        let files = [("train.bin", [record(&[19, 98], 1), record(&[0, 7], 2)].concat()), ("test.bin", record(&[255, 99], 3))];
        let (_dir, place) = in_folder(&files);
        let (train, test) = read(&place, &SMALL100).unwrap();
        assert_eq!((train.labels, test.labels), (vec![98, 7], vec![99]));
        assert_eq!(test.images, record(&[], 3));
    }

    #[test]
    fn damage_never_panics() {
        // Few different pixels keep the archive, and with it the test, small.
        let files = [("a.bin", vec![1; 2 * 3073]), ("b.bin", vec![2; 2 * 3073]), ("t.bin", vec![3; 3073])];
        let (_dir, place) = in_archive(&files);
        damage(&place, || read(&place, &SMALL10), |_| false);
        let (_dir, place) = in_folder(&files);
        let whole = read(&place, &SMALL10).unwrap();
        for length in (0..3073).step_by(97) {
            std::fs::write(place.join("t.bin"), vec![3; length]).unwrap();
            assert!(read(&place, &SMALL10).unwrap_err().what().ends_with(&format!("t.bin holds {length} bytes, 3073 expected")));
        }
        std::fs::write(place.join("t.bin"), vec![3; 3073]).unwrap();
        assert_eq!(read(&place, &SMALL10).unwrap(), whole);
    }

    /// Before the files, a header that describes the next member and claims to have 10 GB, of which `zeros` bytes are there.
    fn with_long_header(kind: tar::EntryType, zeros: u64) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_path("././@LongLink").unwrap();
        header.set_entry_type(kind);
        header.set_size(10_000_000_000);
        header.set_cksum();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(header.as_bytes()).unwrap();
        std::io::copy(&mut std::io::repeat(0).take(zeros), &mut encoder).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_archives_claim_is_neither_kept_nor_read_beyond_what_the_set_can_have() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("cifar-10-binary.tar.gz");
        for kind in [tar::EntryType::GNULongName, tar::EntryType::GNULongLink, tar::EntryType::XHeader] {
            std::fs::write(&at, with_long_header(kind, 5_000_000)).unwrap();
            let error = read(&at, &SMALL10).unwrap_err();
            // Five records, and a MiB of other members.
            let expected = format!("cannot read {}: it holds more than 1063941 bytes\n  {GET_AGAIN}", at.display());
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn members_that_are_no_files_are_passed_over() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        tar.append_link(&mut link, "cifar-10-batches-bin/a.bin", "/dev/zero").unwrap();
        for (name, bytes) in small10() {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, &bytes[..]).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("cifar-10-binary.tar.gz");
        std::fs::write(&at, gz(&tar.into_inner().unwrap())).unwrap();
        assert_eq!(read(&at, &SMALL10).unwrap().0.labels, [1, 2, 3, 4]);
    }

    #[test]
    fn errors_name_file_and_sizes() {
        let changed = |name: &str, bytes: Vec<u8>| {
            small10().into_iter().map(|(n, b)| (n, if n == name { bytes.clone() } else { b })).collect::<Vec<_>>()
        };
        let long = changed("b.bin", vec![0; 6147]);
        let wrong_label = changed("b.bin", [record(&[0], 0), record(&[10], 0)].concat());
        for (place, expected) in
            [(in_folder as fn(&[(&str, Vec<u8>)]) -> _, "at most 6146 expected"), (in_archive, "6146 expected")]
        {
            let (_dir, at) = place(&long);
            let error = read(&at, &SMALL10).unwrap_err();
            assert_eq!(error.to_string(), format!("{}/b.bin holds 6147 bytes, {expected}\n  {GET_AGAIN}", at.display()));
            let (_dir, at) = place(&wrong_label);
            let error = read(&at, &SMALL10).unwrap_err();
            assert_eq!(error.what(), format!("{}/b.bin: label 10 of image 1 is outside 0..9", at.display()));
        }
        let (_dir, at) = in_archive(&small10()[..2]);
        assert_eq!(read(&at, &SMALL10).unwrap_err().what(), format!("{} holds no a.bin", at.display()));
        let (_dir, at) = in_folder(&small10()[..2]);
        assert!(read(&at, &SMALL10).unwrap_err().what().starts_with(&format!("cannot read {}/a.bin: ", at.display())));
    }
}
