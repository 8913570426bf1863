//! Files that are either the old or the new one, whatever happens in between.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

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
    let file = create_new(temporary).map_err(|e| failed("write", temporary, &e))?;
    // Whoever may read the old file may read the new one, and nobody else.
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions()).map_err(|e| failed("write", temporary, &e))?;
    }
    let mut buffer = BufWriter::with_capacity(1 << 20, file);
    write(&mut buffer)
        .and_then(|()| buffer.into_inner().map_err(std::io::IntoInnerError::into_error))
        .and_then(|file| file.sync_all())
        .map_err(|e| failed("write", temporary, &e))?;
    fs::rename(temporary, path).map_err(|e| failed("write", path, &e))?;
    sync_parent(path)
}

/// Creates a file that is nobody else's: what is there under this name, of a process that was killed or a link that someone has put there,
/// goes first, and nothing is written through it.
fn create_new(path: &Path) -> std::io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(path);
    match create() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        other => other,
    }
}

/// Writes what a user has named: a file is replaced as a whole, also behind a link; a pipe, a terminal or a device is written to.
///
/// # Errors
/// As [`replace`]; if it is a folder.
pub fn write_named(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |e: &std::io::Error| Error::io("write", path, e).help("check free space and permissions, or name another file");
    let is_stream = match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(Error::failure(format!("cannot write {}: it is a folder", path.display())).help("name a file in it"));
        }
        // What another process, or this one, has open is written to where it stands, even if it is a file.
        Ok(found) => !found.is_file() || leads_to_open_file(path),
        Err(e) if e.kind() == ErrorKind::NotFound => false,
        Err(e) => return Err(failed(&e)),
    };
    if is_stream {
        let file = OpenOptions::new().append(true).open(path).map_err(|e| failed(&e))?;
        let mut buffer = BufWriter::with_capacity(1 << 16, file);
        return write(&mut buffer).and_then(|()| buffer.flush()).map_err(|e| failed(&e));
    }
    replace(&behind_links(path).map_err(|e| failed(&e))?, write)
}

/// Whether a path is one of the system's names for files that processes have open.
fn leads_to_open_file(path: &Path) -> bool {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    is_link(path) && ["/dev", "/proc"].iter().any(|of_system| path.starts_with(of_system))
}

/// The file that a path leads to, which need not be there.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    let mut path = path.to_owned();
    // As many as systems follow.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target)),
            // No link, or nothing.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => return Ok(path),
            Err(e) => return Err(e),
        }
    }
    Err(std::io::Error::other("too many links"))
}

/// Whether something is there.
///
/// # Errors
/// If that cannot be told: permissions, an unreachable file system, a circle of links.
pub fn is_there(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(Error::io("reach", path, &e).help("make it reachable, or use another --out")),
    }
}

/// Replaces a text file as a whole.
pub fn replace_text(path: &Path, text: &str) -> Result<()> {
    replace(path, |file| file.write_all(text.as_bytes()))
}

/// Opens a file for reading that must be a regular one, or a link to one: a pipe or a device could block for ever or never end, and
/// is not even opened.
///
/// # Errors
/// No such file, no permission, or something else than a regular file.
pub fn open_regular(path: &Path) -> Result<File> {
    let failed = |e: std::io::Error| Error::io("read", path, &e);
    let named = path.display().to_string();
    must_be_regular(&named, &fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    // Another one may have taken its place in between.
    must_be_regular(&named, &file.metadata().map_err(failed)?)?;
    Ok(file)
}

/// Refuses what is no regular file; messages call it `named`.
pub(super) fn must_be_regular(named: &str, found: &fs::Metadata) -> Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = if found.is_dir() { "a folder" } else { "a pipe, socket or device" };
    Err(Error::failure(format!("{named} is {what}, not a regular file")).help("put a regular file there"))
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

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_planted_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("a.txt"), folder.path().join("victim"));
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("a.txt.tmp")).unwrap();
        replace_text(&path, "new").unwrap();
        assert_eq!((fs::read_to_string(&victim).unwrap(), fs::read_to_string(&path).unwrap()), ("precious".into(), "new".into()));
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        // What a killed process has left is in nobody's way.
        fs::write(folder.path().join("a.txt.tmp"), "half").unwrap();
        replace_text(&path, "newer").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_user_names_keeps_its_kind() {
        use std::io::Read;
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |path: &Path, text: &str| write_named(path, |file| file.write_all(text.as_bytes()));
        write(&at("plain"), "1").unwrap();
        symlink("plain", at("link")).unwrap();
        write(&at("link"), "2").unwrap();
        assert_eq!(fs::read_to_string(at("plain")).unwrap(), "2");
        symlink("later", at("dangling")).unwrap();
        fs::set_permissions(at("plain"), fs::Permissions::from_mode(0o600)).unwrap();
        write(&at("plain"), "2").unwrap();
        assert_eq!(fs::metadata(at("plain")).unwrap().permissions().mode() & 0o777, 0o600);
        write(&at("dangling"), "3").unwrap();
        assert_eq!(fs::read_to_string(at("later")).unwrap(), "3");
        assert!(["link", "dangling"].iter().all(|name| fs::symlink_metadata(at(name)).unwrap().is_symlink()));

        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        symlink("pipe", at("to-pipe")).unwrap();
        for name in ["pipe", "to-pipe"] {
            let pipe = at("pipe");
            let reader = std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).unwrap().read_to_string(&mut text).map(|_| text).unwrap()
            });
            write(&at(name), "through").unwrap();
            assert_eq!(reader.join().unwrap(), "through");
            assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
        }
        write(Path::new("/dev/null"), "4").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(write(folder.path(), "5").unwrap_err().what().ends_with("it is a folder"));
        symlink("circle", at("circle")).unwrap();
        assert!(write(&at("circle"), "6").is_err() && is_there(&at("circle")).is_err());
        assert!(is_there(&at("plain")).unwrap() && !is_there(&at("plain/inside")).unwrap() && !is_there(&at("nothing")).unwrap());
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened_for_reading() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zeros")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for name in ["file", "link"] {
            assert_eq!(std::io::read_to_string(open_regular(&at(name)).unwrap()).unwrap(), "text");
        }
        let error = |path: &Path| open_regular(path).unwrap_err().what().to_string();
        for name in ["pipe", "zeros"] {
            let expected = format!("{} is a pipe, socket or device, not a regular file", at(name).display());
            assert_eq!(error(&at(name)), expected);
        }
        assert_eq!(error(folder.path()), format!("{} is a folder, not a regular file", folder.path().display()));
        assert!(error(&at("none")).starts_with(&format!("cannot read {}: ", at("none").display())));
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
