//! Gives a finished file its final name, without replacing a file that another process has created there.

use std::fs;
use std::io;
use std::path::Path;

use super::private_files::create_private_file;

/// One way to give a file another name.
type Step = fn(&Path, &Path) -> io::Result<()>;

/// The ways in the order in which they are tried. Not every file system has hard links, or a rename that replaces
/// nothing.
const STEPS: [Step; 3] = [hard_link, rename_if_absent, rename_over_new];

/// Gives the file at `from` the name `to` in the same file system. An existing file is never replaced. The name
/// `from` may still exist afterwards, and the caller removes it. The function blocks.
///
/// # Errors
/// `to` exists ([`io::ErrorKind::AlreadyExists`]), or the file system returns another error.
pub fn publish_new_file(from: &Path, to: &Path) -> io::Result<()> {
    publish_by(&STEPS, from, to)
}

fn publish_by(steps: &[Step], from: &Path, to: &Path) -> io::Result<()> {
    let mut result = Err(io::Error::from(io::ErrorKind::Unsupported));
    for step in steps {
        result = step(from, to);
        match &result {
            // A failure of one way may only mean that the file system does not have it.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    result
}

fn hard_link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn rename_if_absent(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn rename_if_absent(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

/// Creates an empty file with the final name, which nobody else can create then, and replaces it.
fn rename_over_new(from: &Path, to: &Path) -> io::Result<()> {
    drop(create_private_file(to)?);
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsupported(_: &Path, _: &Path) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::PermissionDenied))
    }

    #[test]
    fn every_way_publishes_a_file_and_replaces_none() {
        let without_links: [Step; 3] = [unsupported, rename_if_absent, rename_over_new];
        let without_both: [Step; 3] = [unsupported, unsupported, rename_over_new];
        for steps in [STEPS, without_links, without_both] {
            let folder = tempfile::tempdir().expect("a folder is created");
            let (from, to) = (folder.path().join("partial"), folder.path().join("final"));
            fs::write(&from, "content").expect("the file is written");
            publish_by(&steps, &from, &to).expect("the file is published");
            assert_eq!(fs::read_to_string(&to).expect("the file is read"), "content");
            // With a hard link, both names are the same file.
            fs::remove_file(&from)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .expect("the old name is removed");
            fs::write(&from, "other").expect("the file is written");
            let error = publish_by(&steps, &from, &to).expect_err("a file exists");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(
                fs::read_to_string(&to).expect("the file is read"),
                "content",
                "the file was replaced"
            );
        }
        let folder = tempfile::tempdir().expect("a folder is created");
        let (from, to) = (folder.path().join("absent"), folder.path().join("final"));
        publish_new_file(&from, &to).expect_err("there is no file");
        assert!(!to.exists(), "a failed publication leaves a file");
    }
}
