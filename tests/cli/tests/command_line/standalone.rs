//! The program `koan-backup`, which knows no types: it uses the backups that the shop has made.

use std::process::Command;

use assert_cmd::assert::{Assert, OutputAssertExt as _};

use crate::shop::{Shop, lines};

fn run(shop: &Shop, arguments: &[&str]) -> Assert {
    shop.program(arguments).assert()
}

/// Runs the program with the storage of the shop.
fn on_storage(shop: &Shop, arguments: &[&str]) -> Assert {
    run(shop, &[arguments, &["--storage", "storage/local"]].concat())
}

fn output(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Writes the private key of the shop to a file, and returns its name.
fn key_file(shop: &Shop) -> &'static str {
    std::fs::write(shop.directory().join("shop.key"), shop.key()).expect("the key is written");
    "shop.key"
}

#[test]
fn the_help_is_reviewed() {
    let shop = Shop::new(1);
    let help = output(&run(&shop, &["--help"]).code(0)).replace("koan-backup-program", "koan-backup");
    insta::assert_snapshot!("standalone-help", help);
}

#[test]
fn backups_are_used_without_an_application() {
    let shop = Shop::with_two_backups();
    let id = shop.ids().remove(1);
    let short = &id[id.len() - 8..];
    let list = output(&on_storage(&shop, &["list"]).code(0));
    assert_eq!(list.lines().count(), 3, "a heading and two backups: {list}");
    for arguments in [
        &["show", "latest"] as &[&str],
        &["ls", short],
        &["diff", "latest", "latest", "--identity", key_file(&shop)],
        &["stats"],
        &["health"],
        &["pin", short, "--reason", "audit"],
        &["unpin", short],
        &["forget", "--keep-last", "1"],
        &["recover"],
        &["delete", short, "--yes"],
    ] {
        on_storage(&shop, arguments).code(0);
    }
    assert_eq!(shop.ids().len(), 1, "a backup was deleted");
    on_storage(&shop, &["diff", "latest", &id]).code(10);
    for unknown in ["backup", "restore", "inventory", "maintain"] {
        let assert = on_storage(&shop, &[unknown, "latest"]).code(2);
        assert!(errors(&assert).contains("unrecognized subcommand"), "it has no types: {}", errors(&assert));
    }
}

#[test]
fn a_verification_without_types_finds_faults_and_needs_a_key_for_encrypted_records() {
    let shop = Shop::with_two_backups();
    let assert = on_storage(&shop, &["verify", "latest"]).code(12);
    assert!(output(&assert).contains("not verified completely"), "{}", output(&assert));
    on_storage(&shop, &["verify", "--all", "--identity", key_file(&shop)]).code(0);
    let wrong = shop.directory().join("wrong.key");
    std::fs::write(&wrong, Shop::new(1).key()).expect("another key");
    on_storage(&shop, &["verify", "latest", "--identity", "wrong.key"]).code(12);
    on_storage(&shop, &["verify", "latest", "--identity", "absent.key"]).code(12);
    shop.damage_archives();
    on_storage(&shop, &["verify", "latest", "--identity", "shop.key"]).code(1);
}

#[test]
fn the_configuration_names_storage_keys_and_application_and_no_database_is_opened() {
    let shop = Shop::with_two_backups();
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:absent.db\"\n\
         [storage]\nlocal = \"storage/local\"\ndr = \"storage/dr\"\n\
         [encryption]\nkeys = [{{ file = {:?} }}]\n",
        key_file(&shop)
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
    run(&shop, &["verify", "latest"]).code(0);
    let copied = run(&shop, &["copy", "latest", "--to", "dr"]).code(0);
    assert!(output(&copied).contains("verified"), "{}", output(&copied));
    run(&shop, &["list", "--profile", "dr"]).code(0);
    // The flag replaces the configured profiles.
    let list = lines(&run(&shop, &["list", "--json", "--storage", "storage/dr"]).code(0).get_output().stdout);
    assert_eq!(list[0].as_array().map(Vec::len), Some(1), "{list:?}");
}

#[test]
fn among_several_applications_a_command_that_chooses_or_deletes_refuses() {
    let shop = Shop::with_two_backups();
    let configuration = format!(
        "application = \"other\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n\
         [storage]\nlocal = \"storage/local\"\n[encryption]\nrecipients = [{:?}]\n",
        shop.recipient()
    );
    std::fs::write(shop.directory().join("other.toml"), configuration).expect("the configuration is written");
    shop.configured_by_file(&["backup", "nightly", "--config", "other.toml"]).assert().code(0);
    let id = shop.ids().remove(2);
    for arguments in [
        &["verify", "latest"] as &[&str],
        &["show", "nightly"],
        &["diff", &id, "nightly"],
        &["forget", "--keep-last", "1"],
        &["delete", &id, "--yes"],
        &["stats"],
        &["health"],
        &["rekey", "--all"],
    ] {
        let assert = on_storage(&shop, arguments).code(2);
        let text = errors(&assert);
        assert!(text.contains("other/test, shop/test"), "{arguments:?} names the applications: {text}");
        assert!(text.contains("--application other/test"), "{text}");
    }
    for arguments in [&["list"] as &[&str], &["show", &id], &["ls", &id[id.len() - 8..]]] {
        on_storage(&shop, arguments).code(0);
    }
    let chosen = on_storage(&shop, &["show", "latest", "--json", "--application", "shop/test"]).code(0);
    assert_eq!(lines(&chosen.get_output().stdout)[0]["producer"]["application"], "shop");
    on_storage(&shop, &["delete", &id, "--yes", "--application", "shop/test"]).code(0);
}

#[test]
fn a_storage_that_does_not_exist_is_refused_and_not_created() {
    let shop = Shop::new(1);
    let before = files(&shop);
    for storage in ["nowhere", "s4://bucket", "sqlite:shop.db"] {
        let assert = run(&shop, &["list", "--storage", storage]).failure();
        let text = errors(&assert);
        assert!(
            text.starts_with("error: ") && text.contains(storage.split(':').next().unwrap_or("")),
            "{text}"
        );
    }
    let assert = run(&shop, &["list", "--storage", "nowhere"]).code(10);
    assert!(errors(&assert).contains("contains no backups"), "{}", errors(&assert));
    assert_eq!(files(&shop), before, "nothing was created");
}

/// Returns the files in the directory of the shop.
fn files(shop: &Shop) -> Vec<String> {
    let output = Command::new("find").arg(shop.directory()).output().expect("find runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files: Vec<_> = text.lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn a_module_is_generated_and_compared_with_the_database() {
    let shop = Shop::new(1);
    let module = output(&run(&shop, &["generate", "sqlite:shop.db", "--time", "jiff"]).code(0));
    assert!(module.contains("entity_backup_scope!") && module.contains("pub struct"), "{module}");
    std::fs::write(shop.directory().join("entities.rs"), &module).expect("the module is written");
    let check = ["generate", "sqlite:shop.db", "--check", "entities.rs"];
    assert_eq!(output(&run(&shop, &check).code(0)), "no differences\n");
    shop.sql("CREATE TABLE vouchers (code TEXT PRIMARY KEY NOT NULL, percent INTEGER NOT NULL);");
    let text = output(&run(&shop, &check).code(3));
    assert!(text.contains("no struct covers table `vouchers`") && text.contains("1 difference"), "{text}");
    let assert = run(&shop, &[&check[..], &["--json"]].concat()).code(3);
    assert_eq!(lines(&assert.get_output().stdout)[0][0]["kind"], "missingTable");
    for (arguments, code) in [
        (&["generate", "sqlite:absent.db"] as &[&str], 10),
        (&["generate", "mysql://localhost/shop"], 2),
        (&["generate", "sqlite:shop.db", "--time", "clock"], 2),
        (&["generate", "sqlite:shop.db", "--json"], 2),
        (&["generate", "sqlite:shop.db", "--check", "absent.rs"], 10),
    ] {
        run(&shop, arguments).code(code);
    }
    assert!(!shop.directory().join("absent.db").exists(), "a misspelt path creates no database");
    std::fs::write(shop.directory().join("entities.rs"), "pub struct {").expect("the module is written");
    run(&shop, &check).code(2);
}

#[test]
fn doctor_checks_storage_and_keys_without_an_application() {
    let shop = Shop::with_two_backups();
    let assert = on_storage(&shop, &["doctor", "--identity", key_file(&shop)]).code(0);
    assert!(output(&assert).contains("no problems"), "{}", output(&assert));
    let configuration = "[providers]\nmain = \"sqlite:absent.db\"\n[storage]\nlocal = \"storage/local\"\n";
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
    let assert = run(&shop, &["doctor"]).code(3);
    let text = output(&assert);
    assert!(text.contains("absent.db"), "the database is checked as well: {text}");
    assert!(text.lines().any(|line| line.starts_with("ok") && line.contains("storage local")), "{text}");
    assert!(!shop.directory().join("absent.db").exists(), "nothing is created");
    let assert = run(&shop, &["doctor", "--storage", "nowhere"]).failure();
    assert!(!shop.directory().join("nowhere").exists(), "{}", output(&assert));
}
