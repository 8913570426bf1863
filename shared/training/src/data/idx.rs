//! MNIST and Fashion-MNIST: IDX files, packed (`.gz`) or not.
//!
//! An IDX file of bytes is a big-endian magic number (0x0800 + number of dimensions), one 32-bit size per dimension, then the
//! values (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits").

use std::path::Path;

use super::file::{self, GET_AGAIN};
use super::kind::DataKind;
use super::locate;
use super::set::Split;
use er_graphs::error::{Error, Result};

const SIDE: usize = 28;
const CLASSES: u8 = 10;
/// Images or labels of the largest published file.
const MOST_ITEMS: usize = 60_000;

/// The first training labels. The two sets use the same file names, so this is what tells them apart.
const MNIST_LABELS: [u32; 10] = [5, 0, 4, 1, 9, 2, 1, 3, 1, 4];
const FASHION_LABELS: [u32; 10] = [9, 0, 0, 3, 0, 2, 7, 2, 5, 5];

/// Training and test images from the folder that holds the four files.
pub(super) fn read(kind: DataKind, folder: &Path) -> Result<(Split, Split)> {
    let train = split(folder, "train")?;
    let other = if kind == DataKind::Mnist { DataKind::FashionMnist } else { DataKind::Mnist };
    let labels_of_other = if kind == DataKind::Mnist { FASHION_LABELS } else { MNIST_LABELS };
    if train.labels.starts_with(&labels_of_other) {
        return Err(Error::failure(format!("{} holds {other}, not {kind}", folder.display()))
            .help(format!("put the files of {kind} into a folder of that name beside it")));
    }
    Ok((train, split(folder, "t10k")?))
}

fn split(folder: &Path, which: &str) -> Result<Split> {
    let images = locate::packed_or_not(folder, &format!("{which}-images-idx3-ubyte"));
    let labels = locate::packed_or_not(folder, &format!("{which}-labels-idx1-ubyte"));
    let (images_at, labels_at) = (images.display(), labels.display());
    let (n, pixels) = values(&images, [SIDE, SIDE].as_slice())?;
    let (m, classes) = values(&labels, &[])?;
    if n != m {
        return Err(Error::failure(format!("{labels_at} holds {m} labels for the {n} images of {images_at}")).help(GET_AGAIN));
    }
    if let Some((i, label)) = classes.iter().enumerate().find(|&(_, &label)| label >= CLASSES) {
        return Err(
            Error::failure(format!("{labels_at}: label {label} of image {i} is outside 0..{}", CLASSES - 1)).help(GET_AGAIN)
        );
    }
    Ok(Split { images: pixels, labels: classes.into_iter().map(u32::from).collect() })
}

/// Number of items and their bytes, from a file whose items must have this shape.
fn values(path: &Path, item: &[usize]) -> Result<(usize, Vec<u8>)> {
    let bad = |what: String| Error::failure(format!("{}{what}", path.display())).help(GET_AGAIN);
    let (header, size) = (4 * (2 + item.len()), item.iter().product::<usize>());
    let mut file = file::open(path, (header + MOST_ITEMS * size) as u64)?;
    let bytes = file.next(header as u64)?;
    if bytes.len() < header {
        return Err(bad(format!(" holds {} bytes, an IDX header of {header} expected", bytes.len())));
    }
    let numbers: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]])).collect();
    let magic = 0x0801 + item.len() as u32;
    if numbers[0] != magic {
        return Err(bad(format!(": magic number {:#010x}, {magic:#010x} expected", numbers[0])));
    }
    if numbers[2..].iter().zip(item).any(|(&found, &expected)| found as usize != expected) {
        return Err(bad(format!(": images of {}x{}, {SIDE}x{SIDE} expected", numbers[2], numbers[3])));
    }
    let n = numbers[1] as usize;
    if !(1..=MOST_ITEMS).contains(&n) {
        return Err(bad(format!(" holds {n} items, between 1 and {MOST_ITEMS} expected")));
    }
    // One byte more tells whether the file ends here.
    let bytes = file.next((n * size + 1) as u64)?;
    if bytes.len() != n * size {
        let (found, expected) = (header + bytes.len(), header + n * size);
        let found = if found > expected { format!("more than {expected}") } else { found.to_string() };
        return Err(bad(format!(" holds {found} bytes, {expected} expected for {n} items")));
    }
    Ok((n, bytes))
}

#[cfg(test)]
mod tests {
    use super::file::tests::{damage, gz};
    use super::*;

    fn images(n: usize) -> Vec<u8> {
        let header = [0x803, n as u32, 28, 28].map(u32::to_be_bytes).concat();
        header.into_iter().chain((0..n * 784).map(|i| (i % 253) as u8)).collect()
    }

    fn labels(labels: &[u8]) -> Vec<u8> {
        [0x801, labels.len() as u32].map(u32::to_be_bytes).concat().into_iter().chain(labels.iter().copied()).collect()
    }

    fn write(folder: &Path, packed: bool) {
        for (name, bytes) in [
            ("train-images-idx3-ubyte", images(3)),
            ("train-labels-idx1-ubyte", labels(&[9, 0, 1])),
            ("t10k-images-idx3-ubyte", images(2)),
            ("t10k-labels-idx1-ubyte", labels(&[4, 5])),
        ] {
            let (name, bytes) = if packed { (format!("{name}.gz"), gz(&bytes)) } else { (name.to_string(), bytes) };
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }

    #[test]
    fn files_round_trip_packed_or_not() {
        for packed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), packed);
            let (train, test) = read(DataKind::Mnist, dir.path()).unwrap();
            assert_eq!((train.labels, test.labels), (vec![9, 0, 1], vec![4, 5]));
            assert_eq!((&train.images[..], &test.images[..]), (&images(3)[16..], &images(2)[16..]));
        }
    }

    #[test]
    fn damage_is_an_error_or_pixels() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), false);
        let read = || read(DataKind::Mnist, dir.path());
        damage(&dir.path().join("t10k-images-idx3-ubyte"), read, |at| at >= 16);
        damage(&dir.path().join("train-labels-idx1-ubyte"), read, |at| at >= 8);
    }

    #[test]
    fn damage_of_packed_files_never_goes_unnoticed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), true);
        for name in ["t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"] {
            damage(&dir.path().join(name), || read(DataKind::Mnist, dir.path()), |_| false);
        }
    }

    #[test]
    fn errors_name_file_and_sizes() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), false);
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (i, l) = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte");
        let error = |name: &str, bytes: Vec<u8>| {
            let path = dir.path().join(name);
            let good = std::fs::read(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let error = read(DataKind::Mnist, dir.path()).unwrap_err();
            std::fs::write(&path, good).unwrap();
            assert_eq!(error.help_text(), Some(GET_AGAIN));
            error.what().to_string()
        };
        assert_eq!(error(i, labels(&[1; 9])), format!("{}: magic number 0x00000801, 0x00000803 expected", at(i)));
        assert_eq!(error(i, vec![0; 15]), format!("{} holds 15 bytes, an IDX header of 16 expected", at(i)));
        assert_eq!(error(i, images(3)[..2000].to_vec()), format!("{} holds 2000 bytes, 2368 expected for 3 items", at(i)));
        assert_eq!(error(i, images(0)), format!("{} holds 0 items, between 1 and 60000 expected", at(i)));
        let long = [images(3), vec![0]].concat();
        assert_eq!(error(i, long), format!("{} holds more than 2368 bytes, 2368 expected for 3 items", at(i)));
        assert_eq!(error(l, labels(&[1, 10, 2])), format!("{}: label 10 of image 1 is outside 0..9", at(l)));
        assert_eq!(error(l, labels(&[1, 2])), format!("{} holds 2 labels for the 3 images of {}", at(l), at(i)));
        let mut wide = images(3);
        wide[15] = 32;
        assert_eq!(error(i, wide), format!("{}: images of 28x32, 28x28 expected", at(i)));
    }

    #[test]
    fn packed_files_are_unpacked_no_further_than_their_header_allows() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), true);
        let path = dir.path().join("train-images-idx3-ubyte.gz");
        let error = |header: [u32; 4]| {
            // Ten million bytes for three images, the last of which is damaged: it must not be come to.
            let mut packed = gz(&[header.map(u32::to_be_bytes).concat(), vec![0; 10_000_000]].concat());
            let end = packed.len() - 8;
            packed[end..].fill(0);
            std::fs::write(&path, packed).unwrap();
            read(DataKind::Mnist, dir.path()).unwrap_err().what().to_string()
        };
        let at = path.display();
        assert_eq!(error([0x803, 3, 28, 28]), format!("{at} holds more than 2368 bytes, 2368 expected for 3 items"));
        let many = format!("{at} holds 4000000000 items, between 1 and 60000 expected");
        assert_eq!(error([0x803, 4_000_000_000, 28, 28]), many);
        assert_eq!(error([0x803, 3, 28, 65_536]), format!("{at}: images of 28x65536, 28x28 expected"));
    }

    #[test]
    fn the_two_sets_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), false);
        std::fs::write(dir.path().join("train-images-idx3-ubyte"), images(10)).unwrap();
        for (kind, other, first) in
            [(DataKind::Mnist, DataKind::FashionMnist, FASHION_LABELS), (DataKind::FashionMnist, DataKind::Mnist, MNIST_LABELS)]
        {
            std::fs::write(dir.path().join("train-labels-idx1-ubyte"), labels(&first.map(|l| l as u8))).unwrap();
            assert!(read(other, dir.path()).is_ok());
            let error = read(kind, dir.path()).unwrap_err();
            assert_eq!(error.what(), format!("{} holds {other}, not {kind}", dir.path().display()));
        }
    }
}
