//! A program that is only the command line: its context comes from the configuration.

use assert_cmd::assert::{Assert, OutputAssertExt as _};

use crate::shop::{Shop, lines};

/// The configuration of the shop.
const CONFIGURATION: &str = r#"
application = "shop"
environment = "test"

[providers]
main = "sqlite:shop.db"

[storage]
local = "storage/local"

[paths]
root = "storage/state"

[backup]
name = "configured"
"#;

/// Returns a shop with a configuration file.
fn shop_with(configuration: &str) -> Shop {
    let shop = Shop::new(3);
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
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

/// Returns the configuration with the recipient of the shop, whose payments are encrypted.
fn complete(shop: &Shop) -> String {
    format!("{CONFIGURATION}\n[encryption]\nrecipients = [{:?}]\n", shop.recipient())
}

#[test]
fn the_context_comes_from_the_file_the_variables_and_the_flags() {
    let shop = shop_with("");
    std::fs::write(shop.directory().join("koan.toml"), complete(&shop))
        .expect("the configuration is written");
    let summary = |assert: Assert| lines(&assert.get_output().stdout).pop().expect("a summary");
    let made = summary(run(&shop, &["backup", "--json"]).code(0));
    assert_eq!(made["name"], "configured");
    let variable =
        shop.configured_by_file(&["backup", "--json"]).env("KOAN__BACKUP__NAME", "variable").assert();
    assert_eq!(summary(variable.code(0))["name"], "variable", "a variable overrides the file");
    let mut flag = shop.configured_by_file(&["backup", "--json", "--setting", "backup.name=flag"]);
    let flag = flag.env("KOAN__BACKUP__NAME", "variable").assert();
    assert_eq!(summary(flag.code(0))["name"], "flag", "a flag overrides both");
    run(&shop, &["verify", "latest"]).code(12);
}

#[test]
fn a_missing_configuration_names_the_command_that_writes_one() {
    let shop = Shop::new(1);
    let assert = run(&shop, &["list"]).code(2);
    let text = errors(&assert);
    assert!(text.contains("there is no koan.toml in this directory") && text.contains("`init`"), "{text}");
    let assert = run(&shop, &["list", "--config", "absent.toml"]).code(2);
    assert!(errors(&assert).contains("absent.toml"), "{}", errors(&assert));
}

#[test]
fn two_configuration_files_are_refused() {
    let shop = shop_with(CONFIGURATION);
    std::fs::write(shop.directory().join("koan.yaml"), "application: shop\n").expect("a second file");
    let assert = run(&shop, &["list"]).code(2);
    assert!(errors(&assert).contains("koan.toml and koan.yaml"), "{}", errors(&assert));
    run(&shop, &["config", "check", "--config", "koan.toml"]).code(0);
}

#[test]
fn every_problem_is_reported_with_its_place() {
    let shop = shop_with("aplication = \"shop\"\n[backup]\nbatch_size = \"many\"\n");
    let assert = run(&shop, &["config", "check"]).code(2);
    let text = output(&assert);
    assert!(text.contains("koan.toml:1:1: unknown key `aplication`"), "{text}");
    assert!(text.contains("help: did you mean `application`?"), "{text}");
    assert!(text.contains("koan.toml:3:14: "), "the second problem is reported as well: {text}");
    assert!(errors(&assert).contains("error: the configuration has 2 problems"), "{}", errors(&assert));
    let assert = run(&shop, &["config", "check", "--json"]).code(2);
    let problems = lines(&assert.get_output().stdout).remove(0);
    assert_eq!(problems.as_array().map(Vec::len), Some(2), "{problems}");
    assert_eq!(problems[0]["origin"]["line"], 1, "{problems}");
    run(&shop, &["list"]).code(2);
}

#[test]
fn the_effective_values_are_shown_with_their_origin_and_without_secrets() {
    let shop = shop_with(CONFIGURATION);
    let mut command =
        shop.configured_by_file(&["config", "show", "--origin", "--setting", "backup.batch_size=7"]);
    command.env("KOAN__BACKUP__BATCH_SIZE", "5").env("KOAN__PROVIDERS__MAIN__PASSWORD", "swordfish");
    let assert = command.assert().code(0);
    let text = output(&assert);
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    let origin = line("backup.batch_size");
    assert!(
        origin.contains("flag --setting") && origin.contains("5 (variable KOAN__BACKUP__BATCH_SIZE)"),
        "{text}"
    );
    assert!(line("backup.name").contains("koan.toml:15:8"), "{text}");
    assert!(line("providers.main.password").contains("***") && !text.contains("swordfish"), "{text}");
    let assert = run(&shop, &["config", "show", "--json"]).code(0);
    let values = lines(&assert.get_output().stdout).remove(0);
    let name = values.as_array().expect("an array").iter().find(|value| value["key"] == "backup.name");
    assert_eq!(name.expect("the key is set")["value"], "\"configured\"");
}

#[test]
fn the_schema_is_printed() {
    let assert = run(&Shop::new(1), &["config", "schema"]).code(0);
    let schema: serde_json::Value = serde_json::from_str(&output(&assert)).expect("the schema is JSON");
    assert!(schema["properties"]["backup"].is_object(), "{schema}");
}

#[test]
fn init_writes_a_valid_file_once() {
    let shop = Shop::new(1);
    let assert = run(&shop, &["init", "sqlite:shop.db", "--name", ""]).code(2);
    assert!(!shop.directory().join("koan.toml").exists(), "a name is refused: {}", errors(&assert));
    run(&shop, &["init", "sqlite:shop.db", "--name", "corner \"shop\""]).code(0);
    run(&shop, &["config", "check"]).code(0);
    let text = std::fs::read_to_string(shop.directory().join("koan.toml")).expect("the file exists");
    assert!(text.contains("application = \"corner \\\"shop\\\"\""), "{text}");
    let assert = run(&shop, &["init"]).code(2);
    assert!(errors(&assert).contains("exists already"), "{}", errors(&assert));
    let kept = std::fs::read_to_string(shop.directory().join("koan.toml")).expect("the file exists");
    assert_eq!(kept, text, "an existing file is not changed");
    for (target, url) in [
        ("koan.yaml", "sqlite:shop.db"),
        ("koan", "sqlite:shop.db"),
        ("x.toml", "mysql://x"),
        ("y.toml", "shop.db"),
    ] {
        run(&shop, &["init", url, "--config", target]).code(2);
        assert!(!shop.directory().join(target).exists(), "{target}");
    }
    let secret = ["init", "postgres://ada:swordfish@localhost/shop", "--config", "other.toml"];
    let assert = run(&shop, &secret).code(2);
    assert!(!errors(&assert).contains("swordfish"), "{}", errors(&assert));
    assert!(!shop.directory().join("other.toml").exists());
}

#[test]
fn a_generated_key_decrypts_what_is_encrypted_for_it() {
    let shop = Shop::new(1);
    let assert = run(&shop, &["keygen", "--output-file", "koan.key", "--json"]).code(0);
    let generated = lines(&assert.get_output().stdout).remove(0);
    let public_key = generated["publicKey"].as_str().expect("a public key");
    assert!(!output(&assert).contains("SECRET"), "the private key is only in the file");
    let path = shop.directory().join("koan.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).expect("the file exists").permissions().mode();
        assert_eq!(mode & 0o077, 0, "only the owner can read the private key: {mode:o}");
    }
    let text = std::fs::read_to_string(&path).expect("the key file");
    let encryption =
        format!("\n[encryption]\nrecipients = [{public_key:?}]\nkeys = [{{ file = \"koan.key\" }}]\n");
    std::fs::write(shop.directory().join("koan.toml"), format!("{CONFIGURATION}{encryption}"))
        .expect("written");
    run(&shop, &["backup"]).code(0);
    run(&shop, &["verify", "latest"]).code(0);
    run(&shop, &["keygen", "-o", "koan.key"]).code(2);
    assert_eq!(std::fs::read_to_string(&path).expect("the key file"), text, "a key is never overwritten");
    run(&shop, &["keygen", "--json"]).code(2);
    assert!(output(&run(&shop, &["keygen"]).code(0)).contains("AGE-SECRET-KEY-1"));
}

#[test]
fn a_program_that_builds_its_context_itself_shows_no_other_configuration() {
    let shop = shop_with(CONFIGURATION);
    for arguments in [&["config", "show"] as &[&str], &["config", "check"]] {
        let assert = shop.command(arguments).current_dir(shop.directory()).assert().code(2);
        assert!(
            errors(&assert).contains("does not show where its configuration comes from"),
            "{}",
            errors(&assert)
        );
    }
    shop.command(&["config", "schema"]).assert().code(0);
}

#[test]
fn errors_name_the_settings_of_the_configuration_and_no_methods() {
    let shop = shop_with(CONFIGURATION);
    let assert = run(&shop, &["backup"]).code(12);
    let text = errors(&assert);
    assert!(
        text.contains("set public keys with `encryption.recipients = [") && !text.contains("`."),
        "{text}"
    );
    std::fs::write(shop.directory().join("koan.toml"), complete(&shop))
        .expect("the configuration is written");
    run(&shop, &["backup"]).code(0);
    for arguments in
        [&["restore", "latest", "--yes"] as &[&str], &["verify", "latest"], &["cat", "latest", "Payment"]]
    {
        let text = errors(&run(&shop, arguments).code(12));
        assert!(
            text.contains("add the key with `encryption.keys = [{ file = ") && !text.contains("`."),
            "{text}"
        );
    }
}

#[test]
fn a_file_in_place_of_the_directory_of_an_extraction_is_refused_with_the_remedy() {
    let shop = shop_with("");
    std::fs::write(shop.directory().join("koan.toml"), complete(&shop))
        .expect("the configuration is written");
    run(&shop, &["backup"]).code(0);
    let text = errors(&run(&shop, &["extract", "latest", "--to", "koan.toml"]).code(2));
    assert!(
        text.contains("`koan.toml` is not a directory") && text.contains("help: specify an empty"),
        "{text}"
    );
    let text = errors(&run(&shop, &["extract", "latest", "--to", "no/where"]).code(1));
    assert!(text.contains("`no/where` could not be written") && text.contains("create its parent"), "{text}");
}
