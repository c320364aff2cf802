//! Commands that use existing backups create no storage profile and no state directory.

use assert_cmd::assert::OutputAssertExt as _;

use crate::shop::Shop;

/// Returns a shop whose configuration has the storage profiles `local` and `dr`. There is no backup.
fn shop() -> Shop {
    let shop = Shop::new(3);
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n[storage]\n\
         local = \"backups\"\ndr = \"elsewhere\"\n[paths]\nroot = \"state\"\n[encryption]\n\
         recipients = [{:?}]\nkeys = [{{ file = \"koan.key\" }}]\n",
        shop.recipient()
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("a configuration");
    std::fs::write(shop.directory().join("koan.key"), shop.key()).expect("a key");
    shop
}

/// Runs a command that fails, and returns its error output.
fn refused(shop: &Shop, arguments: &[&str], code: i32) -> String {
    let assert = shop.configured_by_file(arguments).assert().code(code);
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn a_storage_that_does_not_exist_is_refused_and_not_created() {
    let shop = shop();
    for arguments in [
        &["list"] as &[&str],
        &["show", "latest"],
        &["ls", "latest"],
        &["verify", "--all"],
        &["cat", "latest", "User"],
        &["extract", "latest", "--to", "out"],
        &["diff", "latest", "latest"],
        &["stats"],
        &["health"],
        &["forget", "--keep-last", "1"],
        &["delete", "latest", "--yes"],
        &["pin", "latest", "--reason", "audit"],
        &["unpin", "latest"],
        &["copy", "latest", "--to", "dr"],
        &["rekey", "--all"],
        &["recover"],
        &["restore", "latest", "--yes"],
        &["maintain"],
    ] {
        let text = refused(&shop, arguments, 10);
        assert!(text.contains("storage profile `local` cannot be used"), "{arguments:?}: {text}");
        assert!(text.contains("help: check the path or URL"), "{arguments:?} names the remedy: {text}");
        for created in ["backups", "elsewhere", "state"] {
            assert!(!shop.directory().join(created).exists(), "{arguments:?} creates `{created}`");
        }
    }
}

#[test]
fn the_coverage_is_shown_before_the_first_backup_and_creates_nothing() {
    let shop = shop();
    shop.configured_by_file(&["inventory"]).assert().code(0);
    for created in ["backups", "elsewhere", "state"] {
        assert!(!shop.directory().join(created).exists(), "`inventory` creates `{created}`");
    }
}

#[test]
fn a_misspelt_storage_is_refused_with_the_existing_one() {
    let shop = shop();
    shop.configured_by_file(&["backup"]).assert().code(0);
    for command in [&["list"] as &[&str], &["inventory"], &["restore", "latest", "--yes"]] {
        let arguments = [command, &["--setting", "storage.local=bakcups"]].concat();
        let text = refused(&shop, &arguments, 10);
        assert!(text.contains("did you mean the existing storage profile"), "{command:?}: {text}");
        assert!(!shop.directory().join("bakcups").exists(), "{command:?} creates the directory");
    }
}

#[test]
fn only_the_profiles_that_a_command_uses_must_exist_and_a_copy_creates_its_target() {
    let shop = shop();
    // A backup creates the profiles of the context.
    shop.configured_by_file(&["backup", "--setting", "storage.dr=backups"]).assert().code(0);
    std::fs::remove_dir_all(shop.directory().join("state")).expect("the state is removed");
    for arguments in [&["show", "latest"] as &[&str], &["verify", "latest"], &["restore", "latest", "--yes"]]
    {
        shop.configured_by_file(arguments).assert().code(0);
    }
    refused(&shop, &["list"], 10);
    for created in ["elsewhere", "state"] {
        assert!(!shop.directory().join(created).exists(), "a command that reads creates `{created}`");
    }
    shop.configured_by_file(&["copy", "latest", "--to", "dr"]).assert().code(0);
    shop.configured_by_file(&["list"]).assert().code(0);
}
