//! A configuration file and keys with problems.

use super::setup::{Findings, Setup};
use crate::shop::key_pair;

#[test]
fn an_unknown_key_is_found_with_its_line_and_the_nearest_key() {
    let mut setup = Setup::with_backup();
    setup.more = "[backup]\nbatchsize = 5\n".to_owned();
    let found = setup.doctor();
    found.require_problem(
        "configuration",
        "koan.toml:11:1: unknown key `batchsize`",
        "did you mean `batch_size`?",
    );
}

#[test]
fn a_malformed_file_and_a_missing_file_are_found() {
    let mut setup = Setup::new();
    setup.more = "[backup\n".to_owned();
    setup.doctor().require_problem("configuration", "koan.toml:10:", "correct");
    let mut command = setup.command(&["doctor"]);
    std::fs::remove_file(setup.path("koan.toml")).expect("the file is removed");
    Findings::of(&mut command).require_problem("configuration", "koan.toml` cannot be read", "create it");
}

#[test]
fn only_a_wrong_command_line_is_a_usage_error() {
    let setup = Setup::new();
    let output = setup.command(&["doctor", "--timeout", "soon"]).output().expect("the shop runs");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_missing_key_file_and_a_wrong_key_are_found() {
    let setup = Setup::with_backup();
    std::fs::write(setup.path("koan.key"), key_pair().1).expect("another key");
    let found = setup.doctor();
    found.require_problem("keys", "no key of file", "configure the private key of one of the recipients");
    std::fs::remove_file(setup.path("koan.key")).expect("the key is removed");
    let found = setup.doctor();
    found.require_problem("keys", "koan.key", "make the keys available");
    found.require_count(1);
    found.require_ok("storage local");
}

#[test]
fn a_machine_without_keys_is_healthy_and_one_without_recipients_is_not() {
    let mut setup = Setup::with_backup();
    let (recipient, _) = setup.shop.key_pair();
    setup.encryption = format!("[encryption]\nrecipients = [\"{recipient}\"]\n");
    let found = setup.doctor();
    assert_eq!(found.code, Some(0), "{}", found.text);
    assert!(found.text.contains("no keys are configured; backups need none"), "{}", found.text);
    setup.encryption = String::new();
    setup.doctor().require_problem("keys", "`Payment` must be encrypted", "public keys");
}
