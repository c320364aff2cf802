//! Injects errors into the file system calls of a process, with a library that is loaded before the C
//! library.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable with the path of the file that lists the faults.
const FAULTS_VARIABLE: &str = "KOAN_TEST_FAULTS";

/// Compiles the library into a folder, and returns its path.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/disk_faults.c");
    let library = folder.join("disk_faults.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .arg("-ldl")
        .output()
        .expect("`cc`, which links Rust programs, is installed");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}

/// Runs one test of this program in another process with injected errors, and returns its output.
///
/// # Panics
/// The test cannot be started, or fails.
pub fn run_test(test: &str, variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = folder.path().join("faults");
    std::fs::write(&faults, "").expect("written");
    let output = crate::test_process::run_test(test, |command| {
        command.env("LD_PRELOAD", library(folder.path())).env(FAULTS_VARIABLE, &faults);
        command.envs(variables.iter().copied());
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// Makes calls of this process fail from now on. Each fault is a line `CALL SUBSTRING ERRNO TIMES`; see
/// `shim/disk_faults.c`.
///
/// # Panics
/// This process was not started by [`run_test`].
pub fn fail(faults: &[&str]) {
    let path = std::env::var_os(FAULTS_VARIABLE).expect("this process was started by `run_test`");
    let mut file = std::fs::File::create(path).expect("written");
    faults.iter().for_each(|fault| writeln!(file, "{fault}").expect("written"));
}

/// Returns whether every injected fault that is limited to one call has occurred.
///
/// # Panics
/// This process was not started by [`run_test`].
pub fn have_all_happened() -> bool {
    let path = std::env::var_os(FAULTS_VARIABLE).expect("this process was started by `run_test`");
    let faults = std::fs::read_to_string(path).expect("readable");
    let mut limited_faults = faults.lines().filter(|line| !line.trim_end().ends_with("always"));
    limited_faults.all(|line| line.starts_with("done"))
}
