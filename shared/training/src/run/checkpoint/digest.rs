//! The digest of a file of tensors: what shows that a bit of it is another one than was written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use sha2::{Digest, Sha256};

/// Where the metadata have it.
pub(super) const DIGEST: &str = "digest";

/// SHA-256 over metadata and tensors: their order in the file, and how its header is written, do not matter.
pub(super) struct Digester(Sha256);

impl Digester {
    /// Begins with the metadata, of which the digest itself does not count.
    pub(super) fn new<'a>(metadata: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let mut all = Self(Sha256::new());
        let sorted: BTreeMap<&String, &String> = metadata.into_iter().filter(|(key, _)| *key != DIGEST).collect();
        all.number(sorted.len());
        for (key, value) in sorted {
            all.part(key.as_bytes());
            all.part(value.as_bytes());
        }
        all
    }

    /// Adds a tensor, of which `write` gives so many bytes. Tensors are added by name.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        kind: &str,
        shape: &[usize],
        bytes: usize,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) {
        self.part(name.as_bytes());
        self.part(kind.as_bytes());
        self.number(shape.len());
        for size in shape {
            self.number(*size);
        }
        self.number(bytes);
        // Memory takes everything.
        let _ = write(&mut Sink(&mut self.0));
    }

    /// The digest, as the metadata have it.
    pub(super) fn finish(self) -> String {
        format!("sha256:{}", hex(&self.0.finalize()))
    }

    /// With its length in front, so that nothing can move from one part to the next.
    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

struct Sink<'a>(&'a mut Sha256);

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
