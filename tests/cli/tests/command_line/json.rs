//! The output for programs agrees with its documentation.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::guide::messages;
use crate::orders::Orders;
use crate::shop::{Shop, lines};

/// Compares the fields of an object with the documented fields of a message.
fn check(command: &str, message: &str, value: &Value, seen: &mut BTreeSet<(String, String)>) {
    let key = (command.to_owned(), message.to_owned());
    let documented = messages();
    let documented = documented.get(&key).unwrap_or_else(|| panic!("{key:?} is not documented: {value}"));
    let found: BTreeSet<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    let found: BTreeSet<_> = found.into_iter().filter(|field| *field != "messageType").collect();
    let required = documented.iter().filter(|field| !field.starts_with('['));
    let missing: Vec<_> = required.filter(|field| !found.contains(field.as_str())).collect();
    let known: BTreeSet<_> = documented.iter().map(|field| field.trim_matches(['[', ']'])).collect();
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{key:?} lacks {missing:?} and has {unknown:?}: {value}"
    );
    seen.insert(key);
}

/// Runs a command, and compares each of its messages with the documentation.
fn run(shop: &Shop, arguments: &[&str], seen: &mut BTreeSet<(String, String)>) {
    collect(shop.command(&[arguments, &["--json"]].concat()), arguments[0], seen);
}

/// Runs a command, and compares each of its messages with the documentation of `command`.
fn collect(mut process: Command, command: &str, seen: &mut BTreeSet<(String, String)>) {
    let output = process.output().expect("the command runs");
    for value in lines(&output.stdout) {
        match (&value, value["messageType"].as_str()) {
            (Value::Array(items), _) => items.iter().for_each(|item| check(command, "array", item, seen)),
            (_, Some(message)) => check(command, message, &value, seen),
            (_, None) => check(command, "object", &value, seen),
        }
    }
    for value in lines(&output.stderr) {
        check("every", value["messageType"].as_str().expect("a type"), &value, seen);
    }
}

/// Returns the first line of a command that runs until it is interrupted.
fn first_line(mut process: Command) -> Value {
    let mut child = process.stdout(Stdio::piped()).spawn().expect("the command runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("standard output")).read_line(&mut line).expect("a line");
    child.kill().expect("the command is ended");
    child.wait().expect("the command ends");
    serde_json::from_str(&line).expect("JSON")
}

#[test]
fn every_message_has_the_documented_fields_and_every_documented_message_exists() {
    let shop = Shop::with_two_backups();
    let seen = &mut BTreeSet::new();
    run(&shop, &["inventory"], seen);
    run(&shop, &["backup", "nightly", "--verify-after"], seen);
    run(&shop, &["list"], seen);
    run(&shop, &["show", "nightly"], seen);
    run(&shop, &["ls", "nightly"], seen);
    run(&shop, &["verify", "nightly"], seen);
    run(&shop, &["restore", "latest", "--viability"], seen);
    run(&shop, &["restore", "latest", "--yes"], seen);
    run(&shop, &["diff", "latest", "nightly"], seen);
    let directory = shop.directory().join("files").display().to_string();
    run(&shop, &["extract", "latest", "--to", &directory], seen);
    let tree = shop.directory().join("tree").display().to_string();
    run(&shop, &["extract", "latest", "--layout", "tree", "--to", &tree], seen);
    run(&shop, &["stats"], seen);
    run(&shop, &["health"], seen);
    run(&shop, &["doctor"], seen);
    run(&shop, &["copy", "latest", "--to", "dr"], seen);
    run(&shop, &["rekey", "latest"], seen);
    run(&shop, &["rekey", "--all"], seen);
    run(&shop, &["pin", "latest", "--reason", "audit"], seen);
    run(&shop, &["unpin", "latest"], seen);
    run(&shop, &["forget", "--keep-last", "2", "--apply", "--yes"], seen);
    run(&shop, &["maintain"], seen);
    run(&shop, &["recover"], seen);
    run(&shop, &["delete", &shop.ids()[1], "--yes"], seen);
    run(&shop, &["show", "weekly"], seen);
    shop.sql("DELETE FROM users WHERE id > 3;");
    run(&shop, &["backup", "nightly"], seen);
    run(&shop, &["acknowledge", "nightly", "--reason", "tried"], seen);
    shop.sql("INSERT INTO orders VALUES (500, 'not a number', 'x');");
    run(&shop, &["backup", "nightly", "--continue-on-error"], seen);
    // The newest backup failed, which is a warning.
    run(&shop, &["restore", "nightly", "--dry-run", "--entity", "User"], seen);
    let in_directory = |arguments: &[&str]| shop.configured_by_file(&[arguments, &["--json"]].concat());
    collect(in_directory(&["init"]), "init", seen);
    collect(in_directory(&["keygen", "--output-file", "koan.key"]), "keygen", seen);
    collect(in_directory(&["token", "ci", "--role", "viewer"]), "token", seen);
    let listening = first_line(shop.command(&["serve", "--listen", "127.0.0.1:0", "--json"]));
    check("serve", "listening", &listening, seen);
    collect(in_directory(&["config", "show"]), "config show", seen);
    collect(in_directory(&["config", "check", "--setting", "backup.batch=1"]), "config check", seen);
    std::fs::write(shop.directory().join("entities.rs"), "").expect("a module");
    let generate = ["generate", "sqlite:shop.db", "--check", "entities.rs", "--json"];
    collect(shop.program(&generate), "generate", seen);
    run_streams(seen);
    let documented: BTreeSet<_> = messages().into_keys().collect();
    let unseen: Vec<_> = documented.difference(seen).collect();
    assert!(unseen.is_empty(), "these documented messages do not exist: {unseen:?}");
}

/// Runs the commands about single backups of event streams.
fn run_streams(seen: &mut BTreeSet<(String, String)>) {
    let orders = Orders::new(&["order-1", "order-2"]);
    let mut run = |command: &str, arguments: &[&str]| {
        let arguments = [&["stream", command], arguments, &["--json"]].concat();
        collect(orders.command(&arguments), &format!("stream {command}"), seen);
    };
    run("backup", &["order", "order-1"]);
    run("backup", &["order", "order-1", "order-2", "absent", "--continue-on-error"]);
    let ids = orders.ids();
    run("list", &[]);
    run("verify", &["--all"]);
    run("verify", &[&ids[0]]);
    run("restore", &[&ids[0], "--on-conflict", "keep"]);
    run("restore", &[&ids[0], &ids[1], "--continue-on-error"]);
    run("clone", &[&ids[0], "order-3"]);
    run("delete", &[&ids[0], "--yes"]);
    run("cleanup", &[]);
    let content = orders.contents().pop().expect("a content");
    std::fs::write(content, "damaged").expect("the content is written");
    collect(orders.command(&["verify", "--all", "--json"]), "verify", seen);
}

#[test]
fn the_warnings_of_a_backup_include_the_gaps_in_the_coverage() {
    let shop = Shop::new(1);
    let summary = shop.json(&["backup", "nightly", "--json"]).pop().expect("a summary");
    let text = "1 gap in the coverage, so a backup may lack data; `inventory` shows what is not covered";
    assert_eq!(summary["warnings"], serde_json::json!([text]), "the table `coupons` belongs to no entity");
    let output = shop.command(&["health", "--json"]).output().expect("the shop runs");
    let warnings = lines(&output.stderr);
    assert!(warnings.iter().any(|warning| warning["message"] == text), "{warnings:?}");
    shop.sql("DROP TABLE coupons;");
    let summary = shop.json(&["backup", "nightly", "--json"]).pop().expect("a summary");
    assert_eq!(summary["warnings"], serde_json::json!([]));
}

#[test]
fn a_list_is_one_array_also_without_backups() {
    let shop = Shop::new(1);
    assert_eq!(shop.json(&["list", "--json"]), [Value::Array(Vec::new())]);
}
