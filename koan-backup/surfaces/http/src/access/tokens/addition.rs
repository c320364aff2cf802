//! Adds a token to a file of tokens, which servers read meanwhile.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use koan_backup_core::private_files::{ExistingFile, open_private_file};
use koan_backup_core::{Error, ErrorKind};

use super::entry::TokenEntry;
use super::file;

/// Adds an entry at the end of the file, which is created if it does not exist. The new content replaces the old one at
/// once, so that a server never reads a part of it. Two processes on Unix that add entries at the same time add both.
///
/// # Errors
/// The file is not valid, contains a token with the same name or hash, or cannot be written.
pub(super) fn add(path: &Path, entry: &TokenEntry) -> Result<(), Error> {
    // A link stays, and its target is replaced.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = |source: io::Error| {
        Error::with_source(ErrorKind::Storage, "the file cannot be written", source)
            .with_help("check the directory and its permissions")
    };
    let directory = match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    };
    let _lock = lock(&directory).map_err(written)?;
    let existing = match std::fs::metadata(&path) {
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(written(error)),
    };
    let mut content = match existing {
        Some(_) => file::read(&path)?,
        None => Vec::new(),
    };
    // An error in the old content is reported as such.
    file::parse(&content)?;
    if !content.is_empty() {
        content.extend_from_slice(if content.ends_with(b"\n") { b"\n" } else { b"\n\n" });
    }
    content.extend_from_slice(entry.to_string().as_bytes());
    file::parse(&content)?;
    replace(&path, &directory, existing.as_ref(), &content).map_err(written)
}

/// Replaces a file by a new one with the same owner and permissions. A new file is readable by its owner only.
fn replace(path: &Path, directory: &Path, existing: Option<&Metadata>, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Other users may write into the directory, so the name is random and the file is new.
    let temporary = directory.join(format!(".{name}.{}.new", uuid::Uuid::now_v7().simple()));
    let written = write(&temporary, existing, content).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        drop(std::fs::remove_file(&temporary));
        return written;
    }
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write(path: &Path, existing: Option<&Metadata>, content: &[u8]) -> io::Result<()> {
    let mut file = open_private_file(path, ExistingFile::Refused)?;
    file.write_all(content)?;
    if let Some(existing) = existing {
        keep_owner(&file, existing)?;
    }
    file.sync_all()
}

/// Gives a file the owner and the permissions of another one, because the server may run as another user than this
/// process.
#[cfg(unix)]
fn keep_owner(file: &File, existing: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (existing.uid(), existing.gid()) {
        fchown(file, Some(existing.uid()), Some(existing.gid()))?;
    }
    file.set_permissions(existing.permissions())
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Waits until no other process changes the files of tokens in a directory, until the result is dropped.
#[cfg(unix)]
fn lock(directory: &Path) -> io::Result<File> {
    let directory = File::open(directory)?;
    directory.lock()?;
    Ok(directory)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "directories of other systems cannot be locked")]
fn lock(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::access::role::Role;
    use crate::access::tokens::Tokens;

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_private_and_an_existing_one_keeps_its_content_and_permissions() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        let mode = || std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        let (_, first) = Tokens::generate("first", Role::Viewer).expect("a token");
        Tokens::add_to_file(&path, &first).expect("the file is created");
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, format!("# of the shop\n{first}")).expect("the file is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        let (_, second) = Tokens::generate("second", Role::Admin).expect("a token");
        Tokens::add_to_file(&path, &second).expect("the entry is added");
        assert_eq!(mode(), 0o640);
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text, format!("# of the shop\n{first}\n{second}"));
        Tokens::file(&path).expect("the file is valid");
        let names: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
        assert_eq!(names.len(), 1, "a temporary file remains: {names:?}");
    }

    #[test]
    fn a_name_that_exists_and_a_file_with_a_mistake_are_refused_and_unchanged() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        let (_, entry) = Tokens::generate("ci", Role::Viewer).expect("a token");
        Tokens::add_to_file(&path, &entry).expect("the file is created");
        let (_, same_name) = Tokens::generate("ci", Role::Admin).expect("a token");
        assert!(Tokens::add_to_file(&path, &same_name).is_err(), "the name exists");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), entry.to_string());
        std::fs::write(&path, "= =").expect("the file is written");
        let error = Tokens::add_to_file(&path, &entry).expect_err("the file is not valid").chain();
        assert!(error.contains("tokens.toml") && error.contains("line 1"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "= =");
    }

    #[cfg(unix)]
    #[test]
    fn entries_that_are_added_at_the_same_time_are_all_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let (_, entry) = Tokens::generate(format!("n{number}"), Role::Viewer).expect("a token");
                    Tokens::add_to_file(path, &entry).expect("the entry is added");
                });
            }
        });
        let text = std::fs::read_to_string(&path).expect("text");
        assert_eq!(text.matches("[[token]]").count(), 8, "{text}");
    }
}
