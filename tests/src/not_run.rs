//! Reports tests that cannot run on this machine.

/// Prints that a test does not run, and what it needs. In CI, the test fails instead.
///
/// # Panics
/// The environment variable `CI` is `true`.
pub fn not_run(needs: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI must run each test, but {needs}");
    print_line(&format!("NOT RUN: {needs}"));
}

/// Prints a line to the standard error output of the test run.
#[expect(clippy::print_stderr, reason = "a test reports that it did not run")]
pub(crate) fn print_line(text: &str) {
    eprintln!("{text}");
}
