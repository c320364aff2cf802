//! Output that is not a terminal.

use std::io::Read as _;
use std::process::Stdio;

use crate::shop::Shop;

#[test]
fn a_reader_that_closes_the_pipe_ends_a_list_quietly() {
    let shop = Shop::with_two_backups();
    for arguments in [&["list"] as &[&str], &["list", "--json"], &["man"], &["completions", "bash"]] {
        let mut command = shop.command(arguments);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the shop starts");
        drop(child.stdout.take());
        let mut error = String::new();
        let mut stderr = child.stderr.take().expect("error output is piped");
        stderr.read_to_string(&mut error).expect("error output is read");
        assert_eq!(child.wait().expect("the process ends").code(), Some(0), "{arguments:?}: {error}");
        assert!(!error.contains("panicked") && !error.contains("error"), "{arguments:?}: {error}");
    }
}

#[test]
fn a_fault_decides_the_exit_code_if_nobody_reads_the_result() {
    let shop = Shop::with_two_backups();
    shop.damage_archives();
    let mut command = shop.command(&["verify", "latest"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the shop starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("the process ends").code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn a_missing_key_decides_the_exit_code_if_the_result_cannot_be_written() {
    let shop = Shop::with_two_backups().without_key();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device exists");
    let output = shop.command(&["verify", "latest"]).stdout(full).output().expect("the shop runs");
    assert_eq!(output.status.code(), Some(12));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let shop = Shop::with_two_backups();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device exists");
    let output = shop.command(&["list"]).stdout(full).output().expect("the shop runs");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("the result cannot be written to standard output"), "{error}");
    assert!(error.contains("caused by: No space left on device"), "{error}");
}

#[test]
fn output_without_a_terminal_has_no_colours_and_no_bars() {
    let shop = Shop::new(12);
    let assert = shop.run(&["backup"]).success();
    let output = assert.get_output();
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(&0x1b), "{}", String::from_utf8_lossy(text));
    }
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(log.contains("  User: 12 records, "), "one line for each entity: {log}");
}
