//! Files that are either the old or the new one, whatever happens in between.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use er_graphs::error::{Error, Result};

/// Replaces a file as a whole: writes a temporary file beside it, makes it durable, renames it, makes the rename durable. A process
/// or machine that dies at any moment leaves the old file or the new one.
///
/// # Errors
/// Full or read-only disk; the temporary file is removed then.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let failed = |action: &str, at: &Path, e: &std::io::Error| {
        // The partial file is worthless; if it cannot be removed either, the first error says why.
        let _ = fs::remove_file(temporary);
        Error::io(action, at, e).help("check free space and permissions of this folder")
    };
    let file = File::create(temporary).map_err(|e| failed("write", temporary, &e))?;
    let mut buffer = BufWriter::with_capacity(1 << 20, file);
    write(&mut buffer)
        .and_then(|()| buffer.into_inner().map_err(std::io::IntoInnerError::into_error))
        .and_then(|file| file.sync_all())
        .map_err(|e| failed("write", temporary, &e))?;
    fs::rename(temporary, path).map_err(|e| failed("write", path, &e))?;
    sync_parent(path)
}

/// Replaces a text file as a whole.
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |file| file.write_all(text.as_bytes()))
}

/// Makes the creation or renaming of a file durable.
fn sync_parent(path: &Path) -> Result<()> {
    // A name alone is in the current folder.
    let parent = path.parent().map(|parent| if parent == Path::new("") { Path::new(".") } else { parent });
    match parent {
        Some(parent) if cfg!(unix) => {
            File::open(parent).and_then(|folder| folder.sync_all()).map_err(|e| Error::io("write folder", parent, &e))
        }
        _ => Ok(()),
    }
}

/// Creates a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("create folder", path, &e).help("choose another folder with --out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        replace_text(&path, "old").unwrap();
        let error = replace(&path, |f| {
            f.write_all(b"ne")?;
            Err(std::io::Error::other("disk full"))
        })
        .unwrap_err();
        assert!(error.what().contains("a.txt") && error.what().contains("disk full"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        replace_text(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn a_folder_under_a_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let inside = folder.path().join("file/run");
        assert!(create_folder(&inside).unwrap_err().what().contains("file/run"));
        assert!(replace_text(&inside, "x").is_err());
    }
}
