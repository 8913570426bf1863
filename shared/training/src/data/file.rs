//! Reading files whose size is known beforehand.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

use er_graphs::error::{Error, Result};
use er_networks::model::Image;

use crate::run::free_memory_bytes;

/// What to do about a file that is not what it should be.
pub(super) const GET_AGAIN: &str = "the file is damaged or another one: get it again";

/// The bytes of a file, unpacked if its name ends in `.gz`; at most `most`, so that a damaged or hostile file cannot fill the memory.
pub(super) fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let cannot_read = |error: std::io::Error| Error::io("read", path, &error).help(GET_AGAIN);
    let file = File::open(path).map_err(|error| Error::io("open", path, &error))?;
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "gz") {
        GzDecoder::new(file).take(most + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    } else {
        file.take(most + 1).read_to_end(&mut bytes).map_err(cannot_read)?;
    }
    if bytes.len() as u64 > most {
        return Err(Error::failure(format!("{} holds more than {most} bytes", path.display())).help(GET_AGAIN));
    }
    Ok(bytes)
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
        for path in [plain, packed] {
            assert_eq!(read(&path, 2).unwrap_err().what(), format!("{} holds more than 2 bytes", path.display()));
        }
        let missing = dir.path().join("b");
        assert!(read(&missing, 1).unwrap_err().what().starts_with(&format!("cannot open {}: ", missing.display())));
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
