//! The output for people.

use crate::shop::Shop;

/// Runs commands, and compares their standard output and error output with a snapshot in which ids, times,
/// sizes and the width of columns are replaced.
fn review(shop: &Shop, name: &str, arguments: &[&str]) {
    let output = shop.command(arguments).output().expect("the shop runs");
    let code = output.status.code().expect("an exit code");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text =
        format!("$ shop {}\n{stdout}--- error output\n{stderr}--- exit code {code}\n", arguments.join(" "));
    let directory = shop.directory().to_str().expect("the path is UTF-8").to_owned();
    let mut settings = insta::Settings::clone_current();
    for (pattern, replacement) in [
        (directory.as_str(), "[DIRECTORY]"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[ID]"),
        (r"-\d{8}-\d{6}-[0-9a-f]{8}", "-[TIME]-[SHORT]"),
        (r"`[0-9a-f]{16}`|for [0-9a-f]{16}", "[KEY]"),
        (r"age1[0-9a-z]{50,}", "[RECIPIENT]"),
        (r"\b[0-9a-f]{8}\b", "[SHORT]"),
        (r"(today|yesterday) \d\d:\d\d", "[TIME]"),
        (r"\b\d{4}-\d\d-\d\d[T ][0-9:.]+Z?", "[TIME]"),
        (r"\b\d{4}-\d\d\b", "[MONTH]"),
        (r"in \d+ ms|in \d+\.\d s|in \d+ min \d+ s", "in [DURATION]"),
        (r"\b\d+(\.\d)? (B|KiB)", "[SIZE]"),
        (r"just now|\d+ min ago", "[AGO]"),
        (r" {2,}", "  "),
    ] {
        settings.add_filter(pattern, replacement);
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn tables_and_results_are_reviewed() {
    let shop = Shop::new(12);
    review(&shop, "inventory", &["inventory"]);
    review(&shop, "list-empty", &["list"]);
    review(
        &shop,
        "backup",
        &["backup", "nightly", "--tag", "first", "--meta", "by=test", "--description", "tried"],
    );
    review(&shop, "backup-verified", &["backup", "nightly", "--verify-after"]);
    review(&shop, "show", &["show", "nightly"]);
    review(&shop, "ls", &["ls", "nightly"]);
    review(&shop, "verify", &["verify", "--all"]);
    shop.sql("UPDATE users SET name = 'Ada' WHERE id = 1; INSERT INTO users VALUES (99, 'x');");
    shop.sql("DELETE FROM orders WHERE id = 2;");
    review(&shop, "restore-dry-run", &["restore", "latest", "--dry-run", "--replace-existing"]);
    review(&shop, "restore-viability", &["restore", "latest", "--viability"]);
    review(&shop, "restore-refused", &["restore", "latest", "--replace-existing"]);
    review(&shop, "restore", &["restore", "latest", "--replace-existing", "--yes"]);
    shop.sql("DELETE FROM users WHERE id > 3;");
    review(&shop, "backup-third", &["backup", "nightly"]);
    review(&shop, "health-loss", &["health"]);
    review(&shop, "diff", &["diff", &shop.ids()[1], "latest"]);
    review(&shop, "acknowledge", &["acknowledge", "latest", "--reason", "tried"]);
    review(&shop, "list", &["list"]);
    review(&shop, "stats", &["stats"]);
    review(&shop, "health", &["health"]);
    review(&shop, "copy", &["copy", "latest", "--to", "dr"]);
    review(&shop, "rekey", &["rekey", "latest"]);
    review(&shop, "pin", &["pin", &shop.ids()[3], "--reason", "audit"]);
    review(&shop, "unpin", &["unpin", &shop.ids()[3]]);
    review(&shop, "forget", &["forget", "--keep-last", "2"]);
    review(&shop, "forget-applied", &["forget", "--keep-last", "2", "--apply", "--yes"]);
    review(&shop, "maintain", &["maintain"]);
    review(&shop, "delete", &["delete", &shop.ids()[1], "--yes"]);
    review(&shop, "recover", &["recover"]);
    review(&shop, "unknown-name", &["restore", "nigthly"]);
}

#[test]
fn a_fault_is_shown_with_its_place() {
    let shop = Shop::with_two_backups();
    shop.damage_archives();
    review(&shop, "verify-damaged", &["verify", "nightly"]);
}

#[test]
fn texts_of_a_manifest_are_shown_without_control_characters() {
    let shop = Shop::new(1);
    let text = "a\u{1b}[2Jb\u{9b}31mc\u{7}\nforged  a line";
    shop.run(&["backup", "nightly", "--description", text, "--tag", text, "--meta", "key=\u{1b}]0;title"])
        .success();
    let output = shop.command(&["show", "nightly"]).output().expect("the shop runs");
    let shown = String::from_utf8(output.stdout).expect("the output is UTF-8");
    assert!(shown.contains("description  a [2Jb 31mc  forged  a line"), "{shown:?}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
}

#[test]
fn times_at_the_end_of_the_calendar_are_accepted() {
    let shop = Shop::with_two_backups();
    for (arguments, count) in [
        (["--until", "9999-12-30"], 2),
        (["--until", "9999-12-31"], 2),
        (["--since", "9999-12-30"], 0),
        (["--since", "9999-12-31"], 0),
        (["--since", "36525d"], 2),
    ] {
        let list = shop.json(&[&["list", "--json"], &arguments[..]].concat()).remove(0);
        assert_eq!(list.as_array().map(Vec::len), Some(count), "{arguments:?}");
    }
    for arguments in [&["list", "--since", "36526d"] as &[&str], &["backup", "--timeout", "999999999999d"]] {
        shop.run(arguments).code(2);
    }
}

#[test]
fn lists_are_filtered_sorted_and_limited() {
    let shop = Shop::with_two_backups();
    shop.run(&["backup", "users", "--entity", "User", "--description", "only users"]).success();
    let names = |arguments: &[&str]| {
        let list = shop.json(&[&["list", "--json"], arguments].concat()).remove(0);
        let names = list.as_array().expect("an array").iter().map(|backup| backup["name"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect::<Vec<_>>().join(" ")
    };
    for (arguments, expected) in [
        (&[] as &[&str], "users nightly nightly"),
        (&["--name", "users"], "users"),
        (&["--tag", "first"], "nightly"),
        (&["--tag", "first", "--tag", "second"], ""),
        (&["--entity", "Order"], "nightly nightly"),
        (&["--since", "1h"], "users nightly nightly"),
        (&["--until", "1h"], ""),
        (&["--since", "2999-01-01"], ""),
        (&["--until", "2999-01-01T00:00:00Z"], "users nightly nightly"),
        (&["--status", "failed"], ""),
        (&["--status", "failed", "--status", "completed"], "users nightly nightly"),
        (&["--healthy"], "users nightly nightly"),
        (&["--attention"], ""),
        (&["--search", "ONLY"], "users"),
        (&["--sort", "name", "--reverse"], "nightly nightly users"),
        (&["--sort", "size", "--reverse", "--limit", "1"], "users"),
        (&["--limit", "2"], "users nightly"),
        (&["--profile", "dr"], ""),
    ] {
        assert_eq!(names(arguments), expected, "{arguments:?}");
    }
}
