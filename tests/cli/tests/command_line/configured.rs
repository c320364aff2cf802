//! Commands of a context whose builder sets defaults: each command uses them unless a flag says otherwise.

use assert_cmd::assert::{Assert, OutputAssertExt as _};

use crate::shop::{Shop, lines};

/// Runs a command of the shop with its defaults.
fn run(shop: &Shop, arguments: &[&str]) -> Assert {
    shop.command(arguments).env("SHOP_CONFIGURED", "1").assert()
}

/// Returns the text that a command wrote to error output.
fn errors(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Returns the decisions of `forget` about the backups, newest first.
fn decisions(shop: &Shop, arguments: &[&str]) -> Vec<bool> {
    let arguments = [&["forget", "--profile", "dr", "--json"], arguments].concat();
    let assert = run(shop, &arguments).code(0);
    let plan = lines(&assert.get_output().stdout).remove(0);
    let decisions = plan["decisions"].as_array().expect("the decisions").iter();
    decisions.map(|decision| decision["removed"].is_null()).collect()
}

#[test]
fn a_backup_without_a_name_has_the_configured_name_and_profile() {
    let shop = Shop::new(1);
    let assert = run(&shop, &["backup"]).code(0);
    assert!(errors(&assert).contains("Backing up configured to dr ("), "{}", errors(&assert));
    let assert = run(&shop, &["backup", "--json"]).code(0);
    let summary = lines(&assert.get_output().stdout).pop().expect("a summary");
    assert_eq!((&summary["name"], &summary["profile"]), (&"configured".into(), &"dr".into()));
    let assert = run(&shop, &["backup", "weekly", "--profile", "local", "--json"]).code(0);
    let summary = lines(&assert.get_output().stdout).pop().expect("a summary");
    assert_eq!((&summary["name"], &summary["profile"]), (&"weekly".into(), &"local".into()));
    let assert = shop.run(&["backup"]).code(0);
    assert!(errors(&assert).contains("Backing up default to local ("), "{}", errors(&assert));
}

#[test]
fn health_starts_from_the_configured_expectations() {
    let shop = Shop::new(1);
    run(&shop, &["backup"]).code(0);
    let assert = run(&shop, &["health", "--every", "1h"]).code(3);
    let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(text.contains("weekly"), "no backup `weekly` exists: {text}");
    run(&shop, &["backup", "weekly"]).code(0);
    run(&shop, &["health", "--every", "1h"]).code(0);
}

#[test]
fn forget_uses_the_configured_policy_which_only_a_rule_or_a_limit_replaces() {
    let shop = Shop::new(1);
    for _ in 0..3 {
        run(&shop, &["backup", "--tag", "legal"]).code(0);
    }
    assert_eq!(decisions(&shop, &[]), [true, false, false], "the policy keeps the last one");
    assert_eq!(decisions(&shop, &["--allow-idle-rules"]), [true, false, false]);
    assert_eq!(decisions(&shop, &["--include-unidentified"]), [true, false, false]);
    assert_eq!(decisions(&shop, &["--keep-tag", "legal"]), [true, true, true], "the flag adds to the policy");
    assert_eq!(decisions(&shop, &["--keep-last", "2"]), [true, true, false], "the flag replaces the policy");
    let maintain = ["maintain", "--profile", "dr", "--include-unidentified", "--json"];
    let assert = run(&shop, &maintain).code(0);
    let summary = lines(&assert.get_output().stdout).pop().expect("a summary");
    let removed = summary["profiles"][0]["pruned"]["removed"].as_array().map(Vec::len);
    assert_eq!(removed, Some(2), "the policy still has its rule: {summary}");
    shop.run(&["forget"]).code(2);
    shop.run(&["forget", "--include-unidentified"]).code(2);
}

#[test]
fn a_restore_uses_the_configured_defaults_unless_a_flag_is_given() {
    let shop = Shop::new(1);
    run(&shop, &["backup"]).code(0);
    let assert = run(&shop, &["restore", "latest", "--yes"]).failure();
    assert!(errors(&assert).contains("exist"), "`fail` refuses existing records: {}", errors(&assert));
    run(&shop, &["restore", "latest", "--yes", "--on-conflict", "overwrite"]).code(0);
    for mode in ["keep", "fail"] {
        let assert =
            run(&shop, &["restore", "latest", "--yes", "--replace-existing", "--on-conflict", mode]).code(2);
        assert!(errors(&assert).contains("contradicts --replace-existing"), "{}", errors(&assert));
        let mut command = shop.command(&["restore", "latest", "--yes", "--on-conflict", mode]);
        let assert = command.env("SHOP_CONFIGURED", "1").env("SHOP_REPLACE_EXISTING", "1").assert().code(2);
        assert!(errors(&assert).contains("contradicts the setting"), "{}", errors(&assert));
    }
    // The question names what the configured defaults do.
    let mut command = shop.command(&["restore", "latest"]);
    let assert = command.env("SHOP_CONFIGURED", "1").env("SHOP_REPLACE_EXISTING", "1").assert().code(2);
    assert!(errors(&assert).contains("this deletes the records in database"), "{}", errors(&assert));
}

#[test]
fn a_command_stops_the_background_tasks_of_the_context() {
    let shop = Shop::new(1);
    // The shop exits with code 99 if a background task still runs after the command.
    for arguments in [&["list"] as &[&str], &["backup", "nightly"], &["maintain"]] {
        shop.command(arguments).env("SHOP_BACKGROUND", "1").assert().code(0);
    }
}

#[test]
fn a_context_without_background_tasks_starts_none() {
    let shop = Shop::new(1);
    // The shop exits with code 99 if a background task runs before the command.
    shop.command(&["list"]).env("SHOP_BACKGROUND", "disabled").assert().code(0);
}

#[test]
fn a_flag_that_would_change_a_fixed_setting_is_refused() {
    let shop = Shop::new(1);
    shop.run(&["backup"]).success();
    for (fixed, arguments) in [
        ("backup.name=nightly", &["backup", "weekly"] as &[&str]),
        ("backup.compression=zstd:3", &["backup", "--compression", "none"]),
        ("backup.batch_size=7", &["backup", "--batch-size", "5"]),
        ("backup.max_concurrency=2", &["backup", "--concurrency", "3"]),
        ("backup.timeout=1h", &["backup", "--timeout", "2h"]),
        ("backup.verify_after=false", &["backup", "--verify-after"]),
        ("restore.on_conflict=fail", &["restore", "latest", "--on-conflict", "keep"]),
        ("restore.level=safe", &["restore", "latest", "--level", "fast"]),
        ("restore.batch_size=7", &["restore", "latest", "--batch-size", "5"]),
        ("restore.max_concurrency=2", &["restore", "latest", "--concurrency", "3"]),
        ("restore.timeout=1h", &["restore", "latest", "--timeout", "2h"]),
        ("expectations.backup_within=1h", &["health", "--every", "9d"]),
        ("expectations.entities_within=1h", &["health", "--entities-within", "9d"]),
        ("expectations.verified_within=1h", &["health", "--verified-within", "9d"]),
        ("expectations.max_loss_percent=1", &["health", "--max-loss", "99%"]),
        ("retention.keep_last=7", &["forget", "--keep-daily", "1"]),
        ("retention.keep_last=7 retention.exempt_tags=a", &["forget", "--keep-tag", "b"]),
        ("retention.keep_last=7 retention.released_entities=A", &["forget", "--release-entity", "User"]),
        ("retention.keep_last=7 retention.allow_idle_rules=false", &["forget", "--allow-idle-rules"]),
        (
            "retention.keep_last=7 retention.include_unidentified=false",
            &["maintain", "--include-unidentified"],
        ),
        ("maintenance.every=1h", &["maintain", "--every", "2h"]),
        ("maintenance.verify=true", &["maintain", "--no-verify"]),
        ("maintenance.cleanup=true", &["maintain", "--no-cleanup"]),
        ("maintenance.profiles=dr", &["maintain", "--profile", "local"]),
    ] {
        let assert = shop.command(arguments).env("SHOP_FIXED", fixed).assert();
        let text = errors(&assert);
        assert_eq!(assert.get_output().status.code(), Some(2), "{fixed} and {arguments:?}: {text}");
        assert!(text.contains("is fixed by the application"), "{fixed} and {arguments:?}: {text}");
    }
    shop.command(&["backup", "--tag", "free"]).env("SHOP_FIXED", "backup.batch_size=7").assert().code(0);
}
