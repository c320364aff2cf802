//! Backups and verifications that are too old, and gaps in the coverage.

use super::setup::{Findings, Setup};

/// Three days in seconds.
const THREE_DAYS: &str = "259200";

#[test]
fn a_backup_and_a_verification_that_were_never_made_are_found() {
    let setup = Setup::new();
    let found = setup.doctor();
    found.require_problem(
        "backups",
        "there is no backup of nightly, expected every 24 hours",
        "`backup nightly`",
    );
    found.require_problem(
        "backups",
        "there is no verified backup of nightly, expected every 24 hours",
        "`maintain`",
    );
    let output = setup.command(&["backup", "nightly"]).output().expect("the shop runs");
    assert!(output.status.success());
    let found = setup.doctor();
    found.require_problem("backups", "there is no verified backup of nightly", "`--verify-after`");
    found.require_count(1);
}

#[test]
fn a_backup_and_a_verification_that_are_too_old_are_found() {
    let setup = Setup::with_backup();
    let found = Findings::of(setup.command(&["doctor"]).env("SHOP_CLOCK_SHIFT", THREE_DAYS));
    found.require_problem("backups", "the newest backup of nightly is 3 days old", "check the scheduler");
    found.require_problem(
        "backups",
        "the last verification of a backup of nightly was 3 days ago, expected every 24 hours",
        "check the scheduler",
    );
}

#[test]
fn gaps_in_the_coverage_are_one_warning() {
    let setup = Setup::with_backup();
    setup
        .shop
        .sql("CREATE TABLE coupons (id INTEGER PRIMARY KEY); CREATE TABLE carts (id INTEGER PRIMARY KEY)");
    let found = setup.doctor();
    assert_eq!(found.code, Some(0), "a gap is a warning: {}", found.text);
    let warnings: Vec<_> = found.text.lines().filter(|line| line.starts_with("warning  coverage")).collect();
    assert_eq!(warnings.len(), 1, "{}", found.text);
    assert!(
        warnings[0].contains("2 gaps") && warnings[0].contains("table `coupons` of main"),
        "{}",
        found.text
    );
    assert!(
        found.text.contains("help: `inventory`") && found.text.ends_with("no problems, 1 warning\n"),
        "{}",
        found.text
    );
}
