//! Reading files whose size is bounded beforehand, whatever they say of themselves.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use er_graphs::error::{Error, Result};
use er_networks::model::Image;

use crate::run::{free_memory_bytes, open_regular};

/// What to do about a file that is not what it should be.
pub(super) const GET_AGAIN: &str = "the file is damaged or another one: get it again";

/// By how much a packed file may be larger than its content.
const PACKED_MORE: u64 = 1 << 20;

/// A file that is being read, and unpacked on the way if its name ends in `.gz`. More than it may hold is an error.
pub(super) struct Bounded {
    path: PathBuf,
    content: Content,
    /// Bytes that the content may have.
    most: u64,
    /// Bytes of them that have not been read.
    left: u64,
    /// Bytes on the disk.
    length: u64,
}

enum Content {
    Plain(File),
    Packed(Box<GzDecoder<File>>),
}

/// Opens a regular file of at most `most` bytes, or one packed to `.gz` whose content has at most that many.
///
/// # Errors
/// Failure: missing, something else than a regular file, or larger.
pub(super) fn open(path: &Path, most: u64) -> Result<Bounded> {
    let file = open_regular(path)?;
    let length = file.metadata().map_err(|error| Error::io("read", path, &error))?.len();
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let most_length = if packed { most + PACKED_MORE } else { most };
    if length > most_length {
        let what = format!("{} holds {length} bytes, at most {most_length} expected", path.display());
        return Err(Error::failure(what).help(GET_AGAIN));
    }
    let content = if packed { Content::Packed(Box::new(GzDecoder::new(file))) } else { Content::Plain(file) };
    Ok(Bounded { path: path.to_path_buf(), content, most, left: most, length })
}

/// The content of such a file.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    open(path, most)?.next(most + 1)
}

impl Bounded {
    /// Bytes on the disk.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next `n` bytes, or as many as are left.
    ///
    /// # Errors
    /// Failure: unreadable, or more than the file may hold.
    pub(super) fn next(&mut self, n: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.take(n).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(Error::io("read", &self.path, &error).help(GET_AGAIN)),
        }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let content: &mut dyn Read = match &mut self.content {
            Content::Plain(file) => file,
            Content::Packed(decoder) => decoder,
        };
        // Where nothing more may come, a single byte is asked for, to see that it does not.
        let n = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX).max(1));
        let n = content.read(&mut buffer[..n])?;
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(std::io::Error::other(format!("it holds more than {} bytes", self.most))),
        }
        Ok(n)
    }
}

/// Zeros for `n` images.
///
/// # Errors
/// Failure: they are more than the free memory.
pub(super) fn zeroed(set: &str, n: usize, image: Image) -> Result<Vec<u8>> {
    let size = n.saturating_mul(image.len());
    let too_large = |free: String| {
        Error::failure(format!("{n} images of {set} at {image} need {:.1} GB of memory{free}", size as f64 / 1e9))
            .help("free some memory, or choose a smaller input size where the set has one")
    };
    if let Some(free) = free_memory_bytes().filter(|&free| free < size as u64) {
        return Err(too_large(format!(", {:.1} GB are free", free as f64 / 1e9)));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| too_large(String::new()))?;
    bytes.resize(size, 0);
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;

    use super::*;

    /// A gzip stream of these bytes.
    pub(in crate::data) fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Calls `read` with every truncation of a file's bytes and with every byte damaged. A truncation must be an error, unless
    /// nothing of the content was lost (the end mark of a PNG file); a damaged
    /// byte may go unnoticed only if `undetectable` says that this position holds free content.
    pub(in crate::data) fn damage<T: PartialEq + std::fmt::Debug>(
        path: &Path,
        read: impl Fn() -> Result<T>,
        undetectable: impl Fn(usize) -> bool,
    ) {
        let bytes = std::fs::read(path).unwrap();
        let whole = read().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        for length in 0..bytes.len() {
            std::fs::write(path, &bytes[..length]).unwrap();
            match read() {
                Ok(other) => assert!(other == whole, "{name} cut to {length} bytes was read"),
                Err(error) => {
                    assert!(error.what().contains(name) && error.kind() == er_graphs::error::Kind::Failure, "{error}");
                }
            }
        }
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                std::fs::write(path, &damaged).unwrap();
                match read() {
                    Ok(other) => {
                        assert!(other == whole || undetectable(at), "{name}: unnoticed damage of byte {at} by {flip:#x}");
                    }
                    Err(error) => assert!(error.what().contains(name), "{error}"),
                }
            }
        }
        std::fs::write(path, &bytes).unwrap();
        assert_eq!(read().unwrap(), whole);
    }

    #[test]
    fn plain_and_packed_files_read_alike() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, packed) = (dir.path().join("a"), dir.path().join("a.gz"));
        std::fs::write(&plain, b"abc").unwrap();
        std::fs::write(&packed, gz(b"abc")).unwrap();
        assert_eq!((read(&plain, 3).unwrap(), read(&packed, 3).unwrap()), (b"abc".to_vec(), b"abc".to_vec()));
        let error = |path: &Path| read(path, 2).unwrap_err().to_string();
        assert_eq!(error(&plain), format!("{} holds 3 bytes, at most 2 expected\n  {GET_AGAIN}", plain.display()));
        assert_eq!(error(&packed), format!("cannot read {}: it holds more than 2 bytes\n  {GET_AGAIN}", packed.display()));
        let missing = dir.path().join("b");
        assert!(error(&missing).starts_with(&format!("cannot read {}: ", missing.display())));
    }

    #[test]
    fn sizes_are_looked_at_before_anything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "a.gz"] {
            let path = dir.path().join(name);
            // A terabyte that takes no place on the disk.
            File::create(&path).unwrap().set_len(1 << 40).unwrap();
            let error = read(&path, 10).unwrap_err();
            assert!(error.what().contains("holds 1099511627776 bytes, at most"), "{error}");
        }
    }

    #[test]
    fn sets_larger_than_the_memory_are_refused() {
        let error = zeroed("imagenet", 1 << 50, Image::new(3, 8, 8)).unwrap_err();
        assert!(
            error.what().starts_with("1125899906842624 images of imagenet at 3x8x8 need 216172782.1 GB of memory"),
            "{error}"
        );
        assert_eq!(zeroed("imagenet", 2, Image::new(1, 2, 2)).unwrap(), [0; 8]);
    }
}
