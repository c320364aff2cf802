//! A disk of 2 MiB for tests of a full disk.

use std::path::Path;
use std::process::Command;

use crate::not_run::not_run;

/// A disk of 2 MiB in memory, which only root can mount.
#[derive(Debug)]
pub struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts the disk. If that is not possible, prints a message and returns `None`; in CI, the test fails
    /// instead.
    pub fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(directory.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            return Some(Self(directory));
        }
        not_run("a test of a full disk must mount a tmpfs; run the tests as root");
        None
    }

    /// Returns the path of the disk.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}
