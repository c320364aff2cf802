//! Gives a temporary file its final name.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use super::durable::is_unsupported;
use crate::foundation::private_files::create_private_file;

/// What happens if a file with the name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Replaced,
    Refused,
}

/// The method that gives a file a name which must not exist yet. File systems do not support all methods:
/// exFAT has no hard links, and some network file systems cannot rename without replacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    HardLink,
    RenameWithoutReplacing,
    /// An empty file is created under the name, which only one process can do, and then the temporary file
    /// replaces it.
    Claim,
}

/// The methods that the file system supports, found when they are needed.
#[derive(Debug, Default)]
pub(super) struct CreationMethods(AtomicU8);

impl CreationMethods {
    pub(super) fn current(&self) -> Creation {
        match self.0.load(Ordering::Relaxed) {
            0 => Creation::HardLink,
            1 => Creation::RenameWithoutReplacing,
            _ => Creation::Claim,
        }
    }

    fn next(&self, failed: Creation) {
        let next = match failed {
            Creation::HardLink => 1,
            Creation::RenameWithoutReplacing | Creation::Claim => 2,
        };
        self.0.fetch_max(next, Ordering::Relaxed);
    }

    /// Gives a temporary file a name that must not exist yet. The temporary name is removed.
    pub(super) fn create(&self, staged: &Path, target: &Path) -> io::Result<()> {
        loop {
            let method = self.current();
            let created = match method {
                Creation::HardLink => fs::hard_link(staged, target).inspect(|()| {
                    let _ = fs::remove_file(staged);
                }),
                Creation::RenameWithoutReplacing => rename_without_replacing(staged, target),
                Creation::Claim => return create_by_claim(staged, target),
            };
            match created {
                Err(error)
                    if is_unsupported(&error) || (method == Creation::HardLink && has_no_links(&error)) =>
                {
                    self.next(method);
                }
                created => return created,
            }
        }
    }
}

/// Returns whether an error means that the file system has no hard links. `link(2)` reports that as `EPERM`.
fn has_no_links(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let none = [Errno::PERM, Errno::MLINK, Errno::XDEV];
        none.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
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

fn create_by_claim(staged: &Path, target: &Path) -> io::Result<()> {
    drop(create_private_file(target)?);
    fs::rename(staged, target).inspect_err(|_| {
        let _ = fs::remove_file(target);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_failures(failed: &[Creation]) -> CreationMethods {
        let creation_methods = CreationMethods::default();
        failed.iter().for_each(|failed| creation_methods.next(*failed));
        creation_methods
    }

    #[test]
    fn every_method_creates_a_complete_file_and_replaces_none() {
        let all: [(&[Creation], Creation); 3] = [
            (&[], Creation::HardLink),
            (&[Creation::HardLink], Creation::RenameWithoutReplacing),
            (&[Creation::HardLink, Creation::RenameWithoutReplacing], Creation::Claim),
        ];
        for (failed, method) in all {
            let folder = tempfile::tempdir().expect("a folder");
            let (staged, target) = (folder.path().join("a#1"), folder.path().join("a"));
            let creation_methods = after_failures(failed);
            assert_eq!(creation_methods.current(), method);
            fs::write(&staged, "one").expect("written");
            creation_methods.create(&staged, &target).expect("created");
            assert_eq!(fs::read(&target).expect("read"), b"one", "{method:?}");
            let _ = fs::remove_file(&staged);
            fs::write(&staged, "two").expect("written");
            let error = creation_methods.create(&staged, &target).expect_err("there is one");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{method:?}");
            assert_eq!(fs::read(&target).expect("read"), b"one", "{method:?}");
            assert_eq!(fs::read(&staged).expect("read"), b"two", "{method:?}");
            assert_eq!(creation_methods.current(), method, "an existing name does not change the method");
        }
    }

    #[test]
    fn a_claim_that_cannot_be_filled_is_withdrawn() {
        let folder = tempfile::tempdir().expect("a folder");
        let (staged, target) = (folder.path().join("missing#1"), folder.path().join("a"));
        create_by_claim(&staged, &target).expect_err("there is nothing to rename");
        assert!(!target.exists());
    }
}
