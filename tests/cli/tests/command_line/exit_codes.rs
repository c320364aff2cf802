//! Every exit code, provoked.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command};

use crate::shop::{Shop, damage, lines};

#[test]
fn a_command_that_did_its_work_exits_with_0() {
    let shop = Shop::with_two_backups();
    for arguments in [
        &["list"] as &[&str],
        &["backup", "weekly", "--verify-after"],
        &["verify", "--all"],
        &["restore", "latest", "--yes", "--replace-existing"],
        &["diff", "latest", "latest"],
        &["health"],
        &["inventory"],
        &["maintain", "--keep-last", "3"],
    ] {
        shop.run(arguments).code(0);
    }
}

#[test]
fn a_verification_that_finds_a_fault_exits_with_1_in_every_form() {
    let shop = Shop::with_two_backups();
    shop.damage_archives();
    for arguments in [
        &["verify", "latest"] as &[&str],
        &["verify", "--all"],
        &["check", "nightly", "--json"],
        &["verify", "nightly", "--sample", "10%"],
    ] {
        let assert = shop.run(arguments).code(1);
        let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(output.contains("damaged"), "{arguments:?} names the fault: {output}");
    }
    shop.run(&["restore", "latest", "--yes"]).code(1);
}

#[test]
fn a_verification_of_all_backups_reports_each_error_and_continues() {
    let shop = Shop::with_two_backups();
    shop.run(&["backup", "users", "--entity", "User"]).success();
    // The newest backup, which is verified first, does not contain the entity.
    let arguments = ["verify", "--all", "--entity", "Order"];
    let output = shop.command(&[&arguments[..], &["--json"]].concat()).output().expect("the shop runs");
    let summary = lines(&output.stdout).pop().expect("a summary");
    assert_eq!(summary["messageType"], "summary", "{summary}");
    let counted =
        ["backups", "valid", "incomplete", "damaged", "failed"].map(|field| summary[field].as_u64());
    assert_eq!(counted, [3, 2, 0, 0, 1].map(Some));
    let errors = lines(&output.stderr);
    assert!(errors.iter().any(|error| error["messageType"] == "error"), "{errors:?}");
    assert_eq!(output.status.code(), Some(10));
    // A fault in a later backup is more important than the error.
    shop.damage_archives();
    let assert = shop.run(&arguments).code(1);
    let output = assert.get_output();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        text.contains("3 backups, 2 damaged, 0 not verified completely, 1 could not be verified"),
        "{text}"
    );
    assert!(errors.contains("warning: users ") && errors.contains("error: "), "{errors}");
}

#[test]
fn a_manifest_that_cannot_be_read_is_never_passed_over() {
    let shop = Shop::with_two_backups();
    let manifest = shop.directory().join(format!("storage/local/manifests/{}.json", shop.ids()[1]));
    std::fs::write(manifest, "{").expect("the manifest is written");
    let assert = shop.run(&["verify", "--all"]).code(1);
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("2 backups, 1 damaged"), "the other backup is verified as well: {output}");
    shop.run(&["list"]).code(3);
    shop.run(&["health"]).code(3);
    shop.run(&["recover"]).code(0);
    shop.run(&["verify", "--all"]).code(0);
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let shop = Shop::with_two_backups();
    for arguments in [
        &["lists"] as &[&str],
        &["list", "--limt", "3"],
        &["list", "--since", "yesterday"],
        &["list", "--healthy", "--attention"],
        &["verify"],
        &["verify", "latest", "--all"],
        &["verify", "latest", "--sample", "0%"],
        &["backup", "--compression", "gzip"],
        &["backup", "latest"],
        &["backup", "--batch-size", "0"],
        &["restore", "nightly", "--name", "nightly", "--yes"],
        &["forget"],
        &["forget", "--keep-last", "0"],
        &["maintain", "--every", "0s"],
        &["man", "lists"],
    ] {
        shop.run(arguments).code(2);
    }
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_destroyed() {
    let shop = Shop::with_two_backups();
    for arguments in [
        &["restore", "latest"] as &[&str],
        &["restore", "latest", "--replace-existing"],
        &["delete", "latest"],
        &["forget", "--keep-last", "1", "--apply"],
    ] {
        let assert = shop.run(arguments).code(2);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.contains("add --yes"), "{arguments:?} names the remedy: {error}");
    }
    assert_eq!(shop.ids().len(), 2, "both backups exist");
    shop.run(&["forget", "--keep-last", "1", "--apply", "--yes"]).code(0);
    assert_eq!(shop.ids().len(), 1, "--yes confirms");
}

#[test]
fn what_needs_attention_exits_with_3() {
    let shop = Shop::with_two_backups();
    let [newer, older] = shop.ids().try_into().expect("two backups");
    shop.run(&["inventory", "--strict"]).code(3);
    shop.run(&["diff", &older, &newer]).code(3);
    shop.run(&["health", "--verified-within", "1h"]).code(3);
    // A required column makes a restore of the older records fail.
    shop.sql("DROP TABLE users;");
    shop.sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER NOT NULL);");
    shop.run(&["restore", "latest", "--viability"]).code(3);
    shop.sql("DROP TABLE users;");
    shop.run(&["backup", "partial", "--continue-on-error"]).code(3);
}

#[test]
fn what_does_not_exist_exits_with_10() {
    let shop = Shop::with_two_backups();
    for arguments in [
        &["show", "weekly"] as &[&str],
        &["show", "00000000"],
        &["show", "0197f1a0-0000-7000-8000-000000000001"],
        &["verify", "weekly"],
        &["restore", "weekly", "--yes"],
        &["delete", "weekly", "--yes"],
        &["list", "--profile", "tape"],
        &["copy", "latest", "--to", "tape"],
        &["backup", "--profile", "tape"],
        &["backup", "--entity", "Usr"],
    ] {
        shop.run(arguments).code(10);
    }
}

#[test]
fn a_backup_that_another_process_makes_exits_with_11() {
    let shop = Shop::new(12);
    let mut first = shop.backup_at_the_gate("nightly");
    let assert = shop.run(&["backup", "nightly"]).code(11);
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(error.contains("another process is backing up `nightly`"), "the error names the work: {error}");
    shop.open_the_gate();
    assert_eq!(first.wait().expect("the backup ends").code(), Some(0));
}

#[test]
fn a_restore_into_a_provider_that_another_process_restores_exits_with_11() {
    let shop = Shop::with_two_backups();
    // The other process verifies the records before it writes them, and holds the lease meanwhile.
    let mut first = shop.at_the_gate(&["restore", "latest", "--replace-existing", "--yes"]);
    let assert = shop.run(&["restore", "latest", "--replace-existing", "--yes"]).code(11);
    let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(error.contains("another process is restoring into provider `main`"), "{error}");
    assert!(error.contains(&format!("process {}", first.id())), "the error names the holder: {error}");
    assert!(error.contains("wait until it has finished"), "the error names the remedy: {error}");
    shop.run(&["restore", "latest", "--viability"]).code(0);
    shop.open_the_gate();
    assert_eq!(first.wait().expect("the restore ends").code(), Some(0));
    shop.run(&["restore", "latest", "--replace-existing", "--yes"]).code(0);
}

#[test]
fn a_missing_or_wrong_key_exits_with_12_and_names_the_key() {
    for shop in [Shop::with_two_backups().with_wrong_key(), Shop::with_two_backups().without_key()] {
        for arguments in [
            &["restore", "latest", "--yes"] as &[&str],
            &["restore", "latest", "--dry-run"],
            &["rekey", "latest"],
            &["verify", "latest"],
        ] {
            let assert = shop.run(arguments).code(12);
            let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
            assert!(error.contains("decryption needs key `"), "{arguments:?} names the key: {error}");
        }
    }
}

#[test]
fn maintenance_that_finds_damage_exits_with_3() {
    let shop = Shop::with_two_backups();
    let newest =
        shop.archives().into_iter().max_by_key(|path| path.metadata().expect("a file").modified().ok());
    damage(&newest.expect("an archive"));
    let assert = shop.run(&["maintain", "--no-verify", "--keep-last", "1"]).code(3);
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let id = shop.ids().remove(0);
    assert!(output.contains(&format!("problem: backup {id} is damaged: ")), "{output}");
}

#[test]
fn maintenance_that_another_process_prevents_exits_with_11() {
    let shop = Shop::with_two_backups();
    // The other process verifies the backup that stays, and holds the lease meanwhile.
    let mut other = shop.at_the_gate(&["forget", "--keep-last", "1", "--apply", "--yes"]);
    let assert = shop.run(&["maintain", "--no-verify"]).code(11);
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("skipped: "), "{output}");
    shop.open_the_gate();
    assert_eq!(other.wait().expect("the process ends").code(), Some(0));
    shop.run(&["maintain", "--no-verify"]).code(0);
}

/// Sends a signal to a process.
fn signal(child: &Child, signal: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status();
    assert!(status.expect("the shell runs").success(), "the process exists");
}

#[cfg(unix)]
#[test]
fn an_interrupted_backup_undoes_what_it_began_and_exits_with_130() {
    for name in ["INT", "TERM"] {
        let shop = Shop::new(12);
        let mut child = shop.backup_at_the_gate("nightly");
        signal(&child, name);
        let mut errors = BufReader::new(child.stderr.take().expect("error output is piped")).lines();
        let interrupted = errors.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("interrupted")));
        assert!(interrupted.is_some(), "the first signal is acknowledged");
        shop.open_the_gate();
        let rest: Vec<_> = errors.map_while(Result::ok).collect();
        assert_eq!(child.wait().expect("the backup ends").code(), Some(130), "{rest:?}");
        assert_eq!(shop.ids(), Vec::<String>::new(), "nothing is published");
        assert_eq!(shop.archives(), Vec::<std::path::PathBuf>::new(), "no archive remains");
    }
}

#[cfg(unix)]
#[test]
fn the_second_interruption_ends_the_process_at_once() {
    let shop = Shop::with_two_backups();
    // The runtime of the shop waits for the thread that decodes the record.
    let mut child = shop.at_the_gate(&["verify", "latest"]);
    signal(&child, "INT");
    let mut errors = BufReader::new(child.stderr.take().expect("error output is piped")).lines();
    assert!(errors.any(|line| line.is_ok_and(|line| line.starts_with("interrupted"))));
    signal(&child, "INT");
    // The gate stays closed, so the process does not wait for the record.
    assert_eq!(child.wait().expect("the process ends").code(), Some(130));
}

#[test]
fn an_error_in_json_has_the_exit_code_and_the_remedy() {
    let shop = Shop::with_two_backups();
    let output = shop.command(&["restore", "nigthly", "--json", "--yes"]).output().expect("the shop runs");
    assert_eq!(output.status.code(), Some(10));
    let errors = lines(&output.stderr);
    let [error] = errors.as_slice() else { panic!("one error: {errors:?}") };
    assert_eq!(error["messageType"], "error");
    assert_eq!(error["exitCode"], 10);
    assert_eq!(error["kind"], "notFound");
    assert_eq!(error["help"], "did you mean `nightly`? `list` shows all backups");
    let mut command = shop.command(&["lst", "--json"]);
    let output = command.env("SHOP_ONLY_BACKUP", "1").output().expect("the shop runs");
    assert_eq!(output.status.code(), Some(2));
    let errors = lines(&output.stderr);
    assert_eq!(errors[0]["exitCode"], 2, "a wrong command line has the same form: {errors:?}");
}
