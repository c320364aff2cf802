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
    assert!(errors(&assert).contains("add the key with `--identity FILE`"), "{}", errors(&assert));
    let assert = on_storage(&shop, &["show", "nightly", "--application", "shop/other"]).code(10);
    assert!(errors(&assert).contains("--application"), "{}", errors(&assert));
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
    let configuration = "[providers.main]\nurl = \"sqlite:new.db\"\ncreate_if_missing = true\n\
         [storage]\nlocal = \"storage/local\"\n";
    std::fs::write(shop.directory().join("several.toml"), configuration)
        .expect("the configuration is written");
    let assert = run(&shop, &["doctor", "--config", "several.toml"]).code(2);
    assert!(errors(&assert).contains("other/test, shop/test"), "{}", errors(&assert));
    assert!(!shop.directory().join("new.db").exists(), "doctor creates no database");
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

#[test]
fn records_are_printed_as_json_lines_and_decrypted_with_the_identity() {
    let shop = Shop::with_two_backups();
    let users = output(&on_storage(&shop, &["cat", "latest", "User"]).code(0));
    assert_eq!(users.lines().count(), 12, "{users}");
    assert!(users.starts_with("{\"id\":1,\"name\":\"Ada\"}\n"), "{users}");
    let assert = on_storage(&shop, &["cat", "latest", "Payment"]).code(12);
    assert!(output(&assert).is_empty() && errors(&assert).contains("Payment"), "{}", errors(&assert));
    let payments =
        output(&on_storage(&shop, &["cat", "latest", "Payment#root", "--identity", key_file(&shop)]).code(0));
    assert_eq!(payments.lines().count(), 1, "{payments}");
    on_storage(&shop, &["cat", "latest", "Usr"]).code(10);
    on_storage(&shop, &["cat", "latest", "User#archive"]).code(10);
    // The application prints them as well.
    let assert = shop.run(&["cat", "nightly", "Order"]).code(0);
    assert_eq!(output(&assert).lines().count(), 11);
    shop.damage_archives();
    // One byte of the archive was changed, which is in one of the entities.
    let codes = ["User", "Order", "Payment"].map(|entity| {
        let assert = on_storage(&shop, &["cat", "latest", entity, "--identity", "shop.key"]);
        assert.get_output().status.code()
    });
    assert!(
        codes.contains(&Some(1)),
        "an entity with another content is not printed as if it were intact: {codes:?}"
    );
}

#[test]
fn a_reader_that_closes_the_pipe_ends_cat_quietly() {
    let shop = Shop::new(3000);
    shop.run(&["backup", "nightly"]).success();
    let program = env!("CARGO_BIN_EXE_koan-backup-program");
    let line =
        format!("{program} cat latest User --storage storage/local | head -n 1; echo ${{PIPESTATUS[0]}}");
    let shell =
        Command::new("bash").args(["-c", &line]).current_dir(shop.directory()).output().expect("bash runs");
    let (text, errors) = (String::from_utf8_lossy(&shell.stdout), String::from_utf8_lossy(&shell.stderr));
    assert!(text.ends_with("\n0\n"), "{text}{errors}");
    assert!(!errors.contains("error"), "{errors}");
}

#[test]
fn a_backup_is_extracted_into_files() {
    let shop = Shop::with_two_backups();
    let assert = on_storage(&shop, &["extract", "latest", "--to", "files"]).code(12);
    assert!(errors(&assert).contains("`Payment` is still encrypted"), "{}", errors(&assert));
    let names = names_in(&shop, "files/entities");
    assert_eq!(names, ["Order.jsonl", "Payment.jsonl.gz.age", "User.jsonl"]);
    let assert = on_storage(&shop, &["extract", "latest", "--to", "files"]).failure();
    assert!(errors(&assert).contains("files"), "an existing directory is not changed: {}", errors(&assert));
    let arguments = ["extract", "latest", "--to", "clear", "--identity", key_file(&shop), "--json"];
    let assert = on_storage(&shop, &arguments).code(0);
    let summary = lines(&assert.get_output().stdout).pop().expect("a summary");
    assert_eq!(summary["undecrypted"].as_array().map(Vec::len), Some(0), "{summary}");
    assert!(names_in(&shop, "clear/entities").contains(&"Payment.jsonl".to_owned()));
    shop.damage_archives();
    on_storage(&shop, &["extract", "latest", "--to", "damaged"]).code(1);
    assert!(!shop.directory().join("damaged").exists(), "a failed extraction leaves nothing");
}

#[test]
fn a_backup_is_extracted_into_a_tree_that_keeps_encrypted_records_encrypted() {
    let shop = Shop::with_two_backups();
    let key = key_file(&shop);
    let assert = on_storage(&shop, &["extract", "latest", "--to", "tree", "--layout", "tree"]).code(12);
    assert!(errors(&assert).contains("Payment"), "{}", errors(&assert));
    let arguments = ["extract", "latest", "--to", "tree", "--layout", "tree", "--identity", key];
    let assert = on_storage(&shop, &arguments).code(12);
    assert!(errors(&assert).contains("recipients"), "no recipient: {}", errors(&assert));
    let configuration = format!(
        "[storage]\nlocal = \"storage/local\"\n[encryption]\nrecipients = [{:?}]\nkeys = [{{ file = {key:?} }}]\n",
        shop.recipient()
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
    run(&shop, &["extract", "latest", "--to", "tree", "--layout", "tree"]).code(0);
    let files = files(&shop);
    let has = |suffix: &str| files.iter().any(|file| file.contains("/tree/") && file.ends_with(suffix));
    assert!(has("/latest/data.json") || has("/latest"), "{files:?}");
    assert!(has("data.json") && has("data.json.age") && has("/tree/manifest.json"), "{files:?}");
    run(&shop, &["extract", "latest", "--to", "tree.tar.gz", "--layout", "tar.gz"]).code(0);
    let listed = Command::new("tar").arg("tzf").arg(shop.directory().join("tree.tar.gz")).output();
    let listed = String::from_utf8_lossy(&listed.expect("tar runs").stdout).into_owned();
    assert!(
        listed.contains("data.json.age") && listed.lines().any(|name| name == "manifest.json"),
        "{listed}"
    );
    assert!(!listed.contains(".lock"), "{listed}");
    run(&shop, &["extract", "latest", "--to", "tree.tar.gz", "--layout", "tar.gz"]).code(2);
    let hidden = names_in(&shop, ".").into_iter().filter(|name| name.starts_with(".koan-extract"));
    assert_eq!(hidden.count(), 0, "the temporary directory is removed");
}

/// Returns the names in a directory of the shop.
fn names_in(shop: &Shop, directory: &str) -> Vec<String> {
    let entries = std::fs::read_dir(shop.directory().join(directory)).expect("the directory exists");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn nothing_is_extracted_into_the_directory_of_a_storage_profile() {
    let shop = Shop::with_two_backups();
    let key = key_file(&shop);
    let configuration = format!("[encryption]\nrecipients = [{:?}]\n", shop.recipient());
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("the configuration is written");
    let before = files(&shop);
    for (layout, target) in [
        ("files", "storage/local/archives/x"),
        ("files", "storage/local"),
        ("files", "storage/../storage/local/x"),
        ("tree", "storage/local/tree"),
        ("tar.gz", "storage/local/archives/x.tar.gz"),
    ] {
        let arguments = ["extract", "latest", "--to", target, "--layout", layout, "--identity", key];
        let assert = on_storage(&shop, &arguments).failure();
        assert!(
            errors(&assert).contains("storage profile `local`"),
            "{layout} {target}: {}",
            errors(&assert)
        );
    }
    assert_eq!(files(&shop), before, "nothing was written");
}

#[test]
fn an_extraction_without_a_failed_entity_is_incomplete() {
    let shop = Shop::new(2);
    shop.sql("ALTER TABLE orders RENAME TO former_orders;");
    shop.run(&["backup", "partial", "--continue-on-error"]).code(3);
    let arguments = ["extract", "partial", "--to", "files", "--identity", key_file(&shop)];
    let assert = on_storage(&shop, &arguments).code(3);
    assert!(errors(&assert).contains("`Order` failed in the backup"), "{}", errors(&assert));
}

#[test]
fn a_refused_extraction_into_a_tree_creates_nothing() {
    let shop = Shop::with_two_backups();
    on_storage(&shop, &["extract", "latest", "--to", "tree", "--layout", "tree"]).code(12);
    assert!(!shop.directory().join("tree").exists());
    let arguments = ["extract", "latest", "--to", "tree.tar.gz", "--layout", "tar.gz"];
    on_storage(&shop, &arguments).code(12);
    std::os::unix::fs::symlink("absent", shop.directory().join("link.tar.gz")).expect("a link");
    let arguments = ["extract", "latest", "--to", "link.tar.gz", "--layout", "tar.gz"];
    on_storage(&shop, &arguments).code(2);
}

#[test]
fn an_application_without_a_backup_is_an_error_if_others_have_backups() {
    let shop = Shop::with_two_backups();
    for arguments in [
        &["health"] as &[&str],
        &["stats"],
        &["forget", "--keep-last", "1"],
        &["show", "latest"],
        &["doctor"],
    ] {
        let assert = on_storage(&shop, &[arguments, &["--application", "shop/tset"]].concat()).code(10);
        let text = errors(&assert);
        assert!(text.contains("shop/tset") && text.contains("shop/test"), "{arguments:?}: {text}");
    }
}

#[test]
fn the_flags_of_doctor_have_precedence_over_the_configuration() {
    let shop = Shop::with_two_backups();
    let write = |application: &str| {
        let text = format!(
            "{application}\n[storage]\nlocal = \"storage/local\"\n\
            [expectations.series.nightly]\nbackup_within = \"26h\"\n"
        );
        std::fs::write(shop.directory().join("koan.toml"), text).expect("the configuration is written");
    };
    write("application = \"wrong\"");
    let assert = run(&shop, &["doctor", "--application", "shop/test"]).code(0);
    assert!(output(&assert).contains("the newest backup, nightly"), "{}", output(&assert));
    write("");
    let assert = run(&shop, &["doctor"]).code(0);
    assert!(
        output(&assert).contains("the newest backup, nightly"),
        "the only application: {}",
        output(&assert)
    );
}

#[test]
fn doctor_reports_that_no_key_decrypts_the_newest_backup() {
    let shop = Shop::with_two_backups();
    let assert = on_storage(&shop, &["doctor"]).code(0);
    assert!(output(&assert).contains("a restore of it needs one of the keys"), "{}", output(&assert));
    std::fs::write(shop.directory().join("wrong.key"), Shop::new(1).key()).expect("another key");
    let assert = on_storage(&shop, &["doctor", "--identity", "wrong.key"]).code(3);
    assert!(output(&assert).contains("no configured key decrypts the newest backup"), "{}", output(&assert));
}

#[test]
fn a_missing_profile_prevents_only_the_commands_that_use_it() {
    let shop = Shop::with_two_backups();
    let write = |local: &str, dr: &str| {
        let text = format!("[storage]\nlocal = {local:?}\ndr = {dr:?}\n");
        std::fs::write(shop.directory().join("koan.toml"), text).expect("the configuration is written");
    };
    write("storage/local", "absent");
    run(&shop, &["show", "latest"]).code(0);
    run(&shop, &["list", "--profile", "local"]).code(0);
    run(&shop, &["list"]).code(10);
    run(&shop, &["copy", "latest", "--to", "dr"]).code(10);
    // The second copy is usable if the first is lost.
    write("absent", "storage/local");
    run(&shop, &["show", "latest", "--profile", "dr"]).code(0);
    run(&shop, &["show", "latest"]).code(10);
    let assert = run(&shop, &["show", "latest", "--profile", "rd"]).failure();
    assert!(!errors(&assert).is_empty());
}
