//! A disk of 2 MiB for tests of a full disk.

use std::path::Path;
use std::process::Command;

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
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must be able to mount a tmpfs");
        print_line("NOT RUN: a test of a full disk must mount a tmpfs; run the tests as root");
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

/// Prints a line to the standard error output of the test run.
#[expect(clippy::print_stderr, reason = "a test reports that it did not run")]
fn print_line(text: &str) {
    eprintln!("{text}");
}
