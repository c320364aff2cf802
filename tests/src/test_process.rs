//! Runs one test of the current test program in another process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};

/// Runs the test `test` of the current program in a new process, which `configure` can change, and returns
/// its output.
///
/// # Panics
/// Panics if the process cannot be started. Also panics if the program has no test with this name, because a
/// test run without tests ends successfully.
pub fn run_test(test: &str, configure: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    configure(&mut command);
    let output = command.output().expect("the test program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("running 1 test"), "the program has no test `{test}`: {text}");
    output
}

/// Starts the test `test` in a new process, in which the environment variable `variable` contains the path of
/// `folder`. Returns the process and the lines that it prints. The standard input of the process stays open.
///
/// # Panics
/// Panics if the process cannot be started.
pub fn start_test(test: &str, variable: &str, folder: &Path) -> (Child, Receiver<String>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(variable, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test program starts");
    let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    (child, lines)
}
