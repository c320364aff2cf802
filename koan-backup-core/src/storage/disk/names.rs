//! The methods that rename a temporary file to its final name.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use super::durable::is_unsupported;
use crate::foundation::private_files::create_private_file;

/// How an existing file with the final name is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExistingTarget {
    Replaced,
    Refused,
}

/// A method that renames a file to a name that must not exist yet. File systems do not support all methods:
/// exFAT has no hard links, and some network file systems cannot rename a file without replacing an existing
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CreationMethod {
    HardLink,
    RenameWithoutReplacing,
    /// An empty file is created under the final name, which succeeds for only one process, and then the
    /// temporary file replaces the empty file.
    Placeholder,
}

/// Remembers which creation method the file system supports. Starts with the first method, and switches
/// permanently to the next method when a call fails as unsupported.
#[derive(Debug, Default)]
pub(super) struct CreationMethods(AtomicU8);

impl CreationMethods {
    pub(super) fn current(&self) -> CreationMethod {
        match self.0.load(Ordering::Relaxed) {
            0 => CreationMethod::HardLink,
            1 => CreationMethod::RenameWithoutReplacing,
            _ => CreationMethod::Placeholder,
        }
    }

    /// Selects the method after `failed`.
    fn select_next(&self, failed: CreationMethod) {
        let next = match failed {
            CreationMethod::HardLink => 1,
            CreationMethod::RenameWithoutReplacing | CreationMethod::Placeholder => 2,
        };
        self.0.fetch_max(next, Ordering::Relaxed);
    }

    /// Renames a temporary file to a name that must not exist yet.
    pub(super) fn create(&self, staged: &Path, target: &Path) -> io::Result<()> {
        loop {
            let method = self.current();
            let created = match method {
                CreationMethod::HardLink => fs::hard_link(staged, target).inspect(|()| {
                    let _ = fs::remove_file(staged);
                }),
                CreationMethod::RenameWithoutReplacing => rename_without_replacing(staged, target),
                CreationMethod::Placeholder => return create_with_placeholder(staged, target),
            };
            match created {
                Err(error)
                    if is_unsupported(&error)
                        || (method == CreationMethod::HardLink && is_link_impossible(&error)) =>
                {
                    self.select_next(method);
                }
                created => return created,
            }
        }
    }
}

/// Returns whether `link(2)` failed because a hard link is not possible: the file system does not support
/// hard links (`EPERM`), the file has too many links (`EMLINK`), or the target is on another file system
/// (`EXDEV`).
fn is_link_impossible(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let link_errors = [Errno::PERM, Errno::MLINK, Errno::XDEV];
        link_errors.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn rename_without_replacing(staged: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, staged, CWD, target, RenameFlags::NOREPLACE).map_err(io::Error::from)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn rename_without_replacing(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

fn create_with_placeholder(staged: &Path, target: &Path) -> io::Result<()> {
    drop(create_private_file(target)?);
    fs::rename(staged, target).inspect_err(|_| {
        let _ = fs::remove_file(target);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(failed: &[CreationMethod]) -> CreationMethods {
        let creation_methods = CreationMethods::default();
        failed.iter().for_each(|failed| creation_methods.select_next(*failed));
        creation_methods
    }

    #[test]
    fn every_method_creates_a_complete_file_and_does_not_replace_an_existing_one() {
        let cases: [(&[CreationMethod], CreationMethod); 3] = [
            (&[], CreationMethod::HardLink),
            (&[CreationMethod::HardLink], CreationMethod::RenameWithoutReplacing),
            (
                &[CreationMethod::HardLink, CreationMethod::RenameWithoutReplacing],
                CreationMethod::Placeholder,
            ),
        ];
        for (failed, method) in cases {
            let folder = tempfile::tempdir().expect("the folder is created");
            let (staged, target) = (folder.path().join("a#1"), folder.path().join("a"));
            let creation_methods = after_failures(failed);
            assert_eq!(creation_methods.current(), method);
            fs::write(&staged, "one").expect("the write succeeds");
            creation_methods.create(&staged, &target).expect("the file is created");
            assert_eq!(fs::read(&target).expect("the read succeeds"), b"one", "{method:?}");
            let _ = fs::remove_file(&staged);
            fs::write(&staged, "two").expect("the write succeeds");
            let error = creation_methods.create(&staged, &target).expect_err("the target exists");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{method:?}");
            assert_eq!(fs::read(&target).expect("the read succeeds"), b"one", "{method:?}");
            assert_eq!(fs::read(&staged).expect("the read succeeds"), b"two", "{method:?}");
            assert_eq!(creation_methods.current(), method, "an existing name does not change the method");
        }
    }

    #[test]
    fn the_placeholder_is_removed_if_the_temporary_file_cannot_be_renamed() {
        let folder = tempfile::tempdir().expect("the folder is created");
        let (staged, target) = (folder.path().join("missing#1"), folder.path().join("a"));
        create_with_placeholder(&staged, &target).expect_err("the temporary file does not exist");
        assert!(!target.exists());
    }
}
