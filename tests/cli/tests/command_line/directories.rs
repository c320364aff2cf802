//! Directory trees: retention, acknowledged losses, and what a killed extraction leaves.

use std::fs::{self, File};

use assert_cmd::assert::{Assert, OutputAssertExt as _};
use serde_json::Value;

use crate::shop::{Shop, lines};

/// Returns a shop with a configuration, and with two backups that are also in the directory tree `tree`. The second one
/// has lost most of its users.
fn shop_with_tree(settings: &str) -> Shop {
    let shop = Shop::new(12);
    fs::write(shop.directory().join("koan.key"), shop.key()).expect("the key is written");
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n\
         [storage]\nlocal = \"storage/local\"\n[paths]\nroot = \"storage/state\"\n\
         [encryption]\nrecipients = [{:?}]\nkeys = [{{ file = \"koan.key\" }}]\n{settings}",
        shop.recipient()
    );
    fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
    for change in ["", "DELETE FROM users WHERE id > 3;"] {
        shop.sql(change);
        run(&shop, &["backup", "nightly"]).code(0);
        run(&shop, &["extract", "latest", "--layout", "tree", "--to", "tree"]).code(0);
    }
    shop
}

fn run(shop: &Shop, arguments: &[&str]) -> Assert {
    shop.configured_by_file(arguments).assert()
}

fn output(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Returns the ids in the registry of the tree, oldest first.
fn listed(shop: &Shop) -> Vec<String> {
    let registry = fs::read(shop.directory().join("tree/manifest.json")).expect("the registry is read");
    let registry: Value = serde_json::from_slice(&registry).expect("the registry is JSON");
    let backups = registry["backups"].as_array().expect("a list").iter();
    backups.map(|backup| backup["id"].as_str().expect("an id").to_owned()).collect()
}

const CONFIGURED: &str = "[directories.fixtures]\nroot = \"tree\"\nretention.keep_last = 1\n";

#[test]
fn forget_prunes_a_directory_tree_and_a_loss_in_it_is_acknowledged() {
    let shop = shop_with_tree("");
    let ids = listed(&shop);
    let plan = ["forget", "--directory", "tree", "--keep-last", "1"];
    run(&shop, &["forget", "--directory", "tree"]).code(2);
    let assert = run(&shop, &plan).code(0);
    assert!(output(&assert).contains("before `User` lost most of its records"), "{}", output(&assert));
    let acknowledge = ["acknowledge", &ids[1], "--directory", "tree", "--reason", "tried"];
    let assert = run(&shop, &acknowledge).code(0);
    assert!(output(&assert).contains("User: 12 → 3 records"), "{}", output(&assert));
    run(&shop, &["acknowledge", "nightly", "--directory", "tree", "--reason", "tried"]).failure();
    let assert = run(&shop, &plan).code(0);
    assert!(output(&assert).contains("Would delete 1 backup"), "{}", output(&assert));
    assert_eq!(listed(&shop), ids, "without --apply, nothing is deleted");
    run(&shop, &[&plan[..], &["--apply"]].concat()).code(2);
    let assert = run(&shop, &[&plan[..], &["--apply", "--yes", "--json"]].concat()).code(0);
    let messages = lines(&assert.get_output().stdout);
    assert_eq!((&messages[0]["directory"], &messages[0]["profile"]), (&Value::from("tree"), &Value::Null));
    assert_eq!(messages[1]["removed"][0]["id"], ids[0].as_str(), "{messages:?}");
    assert_eq!(listed(&shop), ids[1..]);
    assert_eq!(shop.ids().len(), 2, "the storage profile is not changed");
    run(&shop, &["forget", "--directory", "absent", "--keep-last", "1"]).code(10);
    run(&shop, &[&plan[..], &["--profile", "local"]].concat()).code(2);
}

#[test]
fn maintain_prunes_the_configured_directory_tree() {
    let shop = shop_with_tree(CONFIGURED);
    let ids = listed(&shop);
    run(&shop, &["acknowledge", &ids[1], "--directory", "tree", "--reason", "tried"]).code(0);
    let assert = run(&shop, &["forget", "--directory", "./tree"]).code(0);
    assert!(output(&assert).contains("Would delete 1 backup"), "the configured policy: {}", output(&assert));
    let assert = run(&shop, &["config", "show"]).code(0);
    assert!(output(&assert).contains("directories.fixtures.retention.keep_last"), "{}", output(&assert));
    let lock = File::open(shop.directory().join("tree/.lock")).expect("the lock file");
    lock.lock().expect("the tree is locked");
    let assert = run(&shop, &["maintain"]).code(11);
    assert!(output(&assert).contains("skipped"), "{}", output(&assert));
    drop(lock);
    run(&shop, &["maintain", "--profile", "local"]).code(0);
    assert_eq!(listed(&shop), ids, "only a storage profile was selected");
    let assert = run(&shop, &["maintain"]).code(0);
    assert!(output(&assert).contains("tree: deleted 1 backup"), "{}", output(&assert));
    assert_eq!(listed(&shop), ids[1..]);
    let assert = run(&shop, &["maintain", "--json"]).code(0);
    let summary = lines(&assert.get_output().stdout).pop().expect("a summary");
    assert_eq!(summary["directories"][0]["root"], "tree", "{summary}");
}

#[test]
fn a_configured_tree_needs_a_rule_and_a_path_of_its_own() {
    let shop = shop_with_tree("");
    let check = |settings: &[&str]| {
        let flags: Vec<_> = settings.iter().flat_map(|setting| ["--setting", setting]).collect();
        let assert = run(&shop, &[&["config", "check"], &flags[..]].concat()).code(2);
        output(&assert)
    };
    let text = check(&["directories.t.root=tree"]);
    assert!(text.contains("neither a rule nor a limit"), "{text}");
    let text = check(&["directories.t.retention.keep_last=1"]);
    assert!(text.contains("`directories.t` has no `root`"), "{text}");
    let both = ["a", "b"].map(|name| {
        [format!("directories.{name}.root=tree"), format!("directories.{name}.retention.keep_last=1")]
    });
    let both: Vec<_> = both.iter().flatten().map(String::as_str).collect();
    let text = check(&both);
    assert!(text.contains("also the root of `directories.a`"), "{text}");
}

#[test]
fn what_a_killed_extraction_to_a_tar_archive_has_left_is_removed_by_the_next_one() {
    let shop = shop_with_tree("");
    let extract = ["extract", "latest", "--layout", "tar.gz", "--to", "tree.tar.gz"];
    let left = shop.directory().join(".koan-extract-tree.tar.gz");
    fs::create_dir(&left).expect("created");
    fs::write(left.join("koan-backup-extract"), "").expect("written");
    fs::write(left.join("records"), "not encrypted").expect("written");
    // The lock of a running extraction.
    let lock = File::options().write(true).open(left.join("koan-backup-extract")).expect("opened");
    lock.lock().expect("locked");
    let assert = run(&shop, &extract).code(11);
    assert!(errors(&assert).contains("another extraction"), "{}", errors(&assert));
    assert!(left.join("records").exists(), "a running extraction was disturbed");
    drop(lock);
    // A killed process has released its lock.
    run(&shop, &extract).code(0);
    assert!(!left.exists(), "what the killed process has left is removed");
    assert!(shop.directory().join("tree.tar.gz").exists());
    fs::remove_file(shop.directory().join("tree.tar.gz")).expect("removed");
    fs::create_dir(&left).expect("created");
    fs::write(left.join("notes"), "of a person").expect("written");
    run(&shop, &extract).code(2);
    assert!(left.join("notes").exists(), "a file of a person was removed");
}

#[test]
fn what_a_killed_extraction_into_files_has_left_is_removed_by_the_next_one() {
    let shop = shop_with_tree("");
    let target = shop.directory().join("files");
    fs::create_dir(&target).expect("created");
    let mark = target.join("koan-backup-incomplete");
    fs::write(&mark, "koan-backup extraction\n\"manifest.json\"\n").expect("written");
    fs::write(target.join("manifest.json"), "{").expect("written");
    let lock = File::options().write(true).open(&mark).expect("opened");
    lock.lock().expect("locked");
    run(&shop, &["extract", "latest", "--to", "files"]).code(11);
    drop(lock);
    run(&shop, &["extract", "latest", "--to", "files"]).code(0);
    assert!(!mark.exists() && target.join("entities").exists());
}

#[test]
fn a_policy_that_the_application_has_fixed_is_not_changed_by_a_flag() {
    let shop = Shop::new(1);
    let fixed = "directories.t.root=tree directories.t.retention.keep_last=7";
    let forget = shop
        .command(&["forget", "--directory", "tree", "--keep-last", "1"])
        .env("SHOP_FIXED", fixed)
        .assert();
    assert_eq!(forget.get_output().status.code(), Some(2));
    assert!(errors(&forget).contains("is fixed by the application"), "{}", errors(&forget));
}
