//! How a file that was written under a temporary name gets its own.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use super::durable::is_unsupported;
use crate::foundation::private_files::create_private_file;

/// What becomes of a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Replaced,
    Refused,
}

/// The way in which a name is given that no file may have yet. File systems lack one or the other: exFAT has no hard links, and some
/// network file systems cannot rename without replacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    HardLink,
    RenameWithoutReplacing,
    /// An empty file is created under the name, which one process alone can do, and the whole file is renamed over it.
    Claim,
}

/// The ways that this file system has, found out when they are needed.
#[derive(Debug, Default)]
pub(super) struct Ways(AtomicU8);

impl Ways {
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

    /// Gives a file a name that none has yet. Its temporary name is gone afterwards.
    pub(super) fn create(&self, staged: &Path, target: &Path) -> io::Result<()> {
        loop {
            let way = self.current();
            let created = match way {
                Creation::HardLink => fs::hard_link(staged, target).inspect(|()| {
                    let _ = fs::remove_file(staged);
                }),
                Creation::RenameWithoutReplacing => rename_without_replacing(staged, target),
                Creation::Claim => return claim(staged, target),
            };
            match created {
                Err(error)
                    if is_unsupported(&error) || (way == Creation::HardLink && has_no_links(&error)) =>
                {
                    self.next(way);
                }
                created => return created,
            }
        }
    }
}

/// `EPERM` is how `link(2)` says that a file system has no hard links.
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

fn claim(staged: &Path, target: &Path) -> io::Result<()> {
    drop(create_private_file(target)?);
    fs::rename(staged, target).inspect_err(|_| {
        let _ = fs::remove_file(target);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(failed: &[Creation]) -> Ways {
        let ways = Ways::default();
        failed.iter().for_each(|failed| ways.next(*failed));
        ways
    }

    #[test]
    fn every_way_creates_a_file_whole_and_replaces_none() {
        let all: [(&[Creation], Creation); 3] = [
            (&[], Creation::HardLink),
            (&[Creation::HardLink], Creation::RenameWithoutReplacing),
            (&[Creation::HardLink, Creation::RenameWithoutReplacing], Creation::Claim),
        ];
        for (failed, way) in all {
            let folder = tempfile::tempdir().expect("a folder");
            let (staged, target) = (folder.path().join("a#1"), folder.path().join("a"));
            let ways = ways(failed);
            assert_eq!(ways.current(), way);
            fs::write(&staged, "one").expect("written");
            ways.create(&staged, &target).expect("created");
            assert_eq!(fs::read(&target).expect("read"), b"one", "{way:?}");
            let _ = fs::remove_file(&staged);
            fs::write(&staged, "two").expect("written");
            let error = ways.create(&staged, &target).expect_err("there is one");
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{way:?}");
            assert_eq!(fs::read(&target).expect("read"), b"one", "{way:?}");
            assert_eq!(fs::read(&staged).expect("read"), b"two", "{way:?}");
            assert_eq!(ways.current(), way, "a name that is taken is no lack of a way");
        }
    }

    #[test]
    fn a_claim_that_cannot_be_filled_is_withdrawn() {
        let folder = tempfile::tempdir().expect("a folder");
        let (staged, target) = (folder.path().join("missing#1"), folder.path().join("a"));
        claim(&staged, &target).expect_err("there is nothing to rename");
        assert!(!target.exists());
    }
}
