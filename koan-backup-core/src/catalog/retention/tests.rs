//! Tests of retention plans as a table. Each case is a policy, a list of backups, and the plan as a snapshot.

mod table;

use std::time::Duration;

use self::table::{cases, lines, monthly, nightly, policy};
use super::*;

#[test]
fn keep_last_keeps_the_newest_backups_of_each_series() {
    insta::assert_snapshot!(cases(vec![
        ("The last three of five", policy().keep_last(3), nightly(5)),
        ("If there are fewer backups, all are kept", policy().keep_last(7), nightly(2)),
        ("Only the last backup", policy().keep_last(1), nightly(3)),
        ("No backups", policy().keep_last(3), Vec::new()),
        (
            "Each series separately",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly",
                "2026-11-20 03:00 nightly",
                "2026-11-01 03:00 yearly-close",
                "2025-11-01 03:00 yearly-close",
            ])
        ),
        (
            "Two backups of the same second are ordered by their ids",
            policy().keep_last(1),
            lines(&["2026-11-21 03:00 nightly", "2026-11-21 03:00 nightly",])
        ),
    ]));
}

#[test]
fn a_period_rule_keeps_the_newest_backup_of_each_period() {
    insta::assert_snapshot!(cases(vec![
        (
            "The newest of each hour",
            policy().hourly(2),
            lines(&[
                "2026-11-21 11:50 hourly",
                "2026-11-21 11:10 hourly",
                "2026-11-21 10:59 hourly",
                "2026-11-21 09:00 hourly",
            ])
        ),
        (
            "The newest of each day",
            policy().daily(2),
            lines(&[
                "2026-11-21 09:00 nightly",
                "2026-11-21 03:00 nightly",
                "2026-11-20 23:59 nightly",
                "2026-11-19 03:00 nightly",
            ])
        ),
        (
            "Days without a backup do not count",
            policy().daily(2),
            lines(&["2026-11-21 03:00 nightly", "2026-10-01 03:00 nightly", "2026-09-30 03:00 nightly",])
        ),
        ("The newest of each week, from Monday to Sunday", policy().weekly(2), nightly(9)),
        (
            "A week in two years is one week",
            policy().weekly(2),
            lines(&[
                "2026-01-04 03:00 nightly",
                "2026-01-01 03:00 nightly",
                "2025-12-29 03:00 nightly",
                "2025-12-28 03:00 nightly",
            ])
        ),
        ("The newest of each month", policy().monthly(2), nightly(24)),
        ("The newest of each year", policy().yearly(2), monthly(14)),
        (
            "Midnight belongs to the day that it starts",
            policy().daily(1),
            lines(&["2026-11-21 00:00 nightly", "2026-11-20 23:59 nightly",])
        ),
        (
            "The last day of February of a leap year",
            policy().monthly(3),
            lines(&[
                "2024-03-01 00:00 nightly",
                "2024-02-29 23:59 nightly",
                "2024-02-28 03:00 nightly",
                "2024-01-31 03:00 nightly",
            ])
        ),
    ]));
}

#[test]
fn a_backup_is_kept_if_any_rule_keeps_it() {
    insta::assert_snapshot!(cases(vec![
        ("Grandfather, father, son", policy().daily(7).weekly(4).monthly(3), nightly(40)),
        (
            "A backup that several rules keep lists all of these rules",
            policy().keep_last(1).daily(1).yearly(1),
            nightly(2)
        ),
        (
            "A backup that no rule keeps is removed, even a recent one",
            policy().keep_last(2),
            lines(&["2026-11-21 11:59 nightly", "2026-11-21 11:58 nightly", "2026-11-21 11:57 nightly",])
        ),
        (
            "A time window keeps all backups in it",
            policy().keep_last(1).within(Duration::from_secs(24 * 3600)),
            lines(&["2026-11-21 11:00 nightly", "2026-11-20 12:00 nightly", "2026-11-20 11:59 nightly",])
        ),
        ("Older backups at growing intervals", policy().keep_last(2).monthly(2).yearly(3), monthly(30)),
    ]));
}

#[test]
fn the_last_good_copy_of_a_series_is_kept() {
    insta::assert_snapshot!(cases(vec![
        (
            "The last good copy is kept although it is older than the maximum age",
            policy().max_age_days(30),
            lines(&["2026-01-01 03:00 nightly", "2025-12-31 03:00 nightly",])
        ),
        (
            "The last good copy is kept although the days of its entities have passed",
            policy().keep_last(1),
            lines(&["2026-01-01 03:00 nightly User=30", "2025-12-31 03:00 nightly User=30",])
        ),
        (
            "The last good copy is kept although newer backups of another series contain the same entity",
            policy().max_backups_per_entity(1),
            lines(&[
                "2026-11-21 03:00 nightly User",
                "2026-11-20 03:00 weekly User",
                "2026-11-13 03:00 weekly User",
            ])
        ),
        (
            "A failed backup is not a good copy",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly failed",
                "2026-11-20 03:00 nightly",
                "2026-11-19 03:00 nightly",
            ])
        ),
        (
            "A backup with fewer entities does not replace a backup with more entities",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly User",
                "2026-11-20 03:00 nightly User Order",
                "2026-11-19 03:00 nightly User Order",
            ])
        ),
        (
            "A set does not replace another set",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly Visit#b",
                "2026-11-20 03:00 nightly Visit#a",
                "2026-11-19 03:00 nightly Visit#a",
            ])
        ),
        ("The only backup", policy().within(Duration::from_secs(3600)), lines(&["2026-01-01 03:00 nightly"])),
    ]));
}

#[test]
fn failed_backups_are_kept_until_a_later_backup_is_completed() {
    insta::assert_snapshot!(cases(vec![
        (
            "A failed backup does not count in the rules",
            policy().keep_last(2),
            lines(&[
                "2026-11-21 03:00 nightly failed",
                "2026-11-20 03:00 nightly",
                "2026-11-19 03:00 nightly failed",
                "2026-11-18 03:00 nightly",
            ])
        ),
        (
            "Without a completed backup, all failed backups are kept",
            policy().keep_last(1),
            lines(&["2026-11-21 03:00 nightly failed", "2026-11-20 03:00 nightly failed",])
        ),
        (
            "A time window keeps failed backups for an investigation",
            policy().keep_last(1).within(Duration::from_secs(48 * 3600)),
            lines(&[
                "2026-11-21 03:00 nightly",
                "2026-11-20 03:00 nightly failed",
                "2026-11-10 03:00 nightly failed",
            ])
        ),
        (
            "A completed backup of another series does not remove failed backups",
            policy().keep_last(1),
            lines(&["2026-11-21 03:00 nightly", "2026-11-20 03:00 weekly failed",])
        ),
        (
            "An exempt tag keeps failed backups as well",
            policy().keep_last(1).exempt_tag("incident"),
            lines(&["2026-11-21 03:00 nightly", "2026-11-20 03:00 nightly failed #incident",])
        ),
    ]));
}

#[test]
fn limits_override_rules() {
    insta::assert_snapshot!(cases(vec![
        ("A limit overrides a rule", policy().keep_last(9).max_age_days(2), nightly(4)),
        (
            "A backup that a limit removes does not count in the rules",
            policy().monthly(2),
            lines(&[
                "2026-11-21 03:00 nightly User=7 Order",
                "2026-10-30 03:00 nightly User=7",
                "2026-10-15 03:00 nightly User=7 Order",
            ])
        ),
        ("Limits alone keep the backups within them", policy().max_age_days(2), nightly(4)),
        (
            "The maximum age is exact to the second",
            policy().max_age_days(1),
            lines(&["2026-11-21 11:00 nightly", "2026-11-20 12:00 nightly", "2026-11-20 11:59 nightly",])
        ),
        (
            "The number of backups of an entity is limited across all series",
            policy().max_backups_per_entity(2),
            lines(&[
                "2026-11-21 03:00 nightly User",
                "2026-11-20 03:00 nightly User",
                "2026-11-19 03:00 nightly User",
            ])
        ),
        (
            "A backup of several entities is kept if one of them needs it",
            policy().max_backups_per_entity(1),
            lines(&[
                "2026-11-21 03:00 nightly User",
                "2026-11-20 03:00 nightly User Order",
                "2026-11-19 03:00 nightly User Order",
            ])
        ),
        (
            "A removed backup does not count as a newer backup",
            policy().keep_last(2).max_backups_per_entity(2),
            lines(&[
                "2026-11-21 03:00 nightly User",
                "2026-11-20 03:00 nightly User",
                "2026-11-19 03:00 nightly User",
                "2026-11-18 03:00 weekly User",
                "2026-11-17 03:00 weekly User",
            ])
        ),
        ("A backup without entities", policy().max_backups_per_entity(1), nightly(3)),
    ]));
}

#[test]
fn the_days_of_an_entity_keep_its_backups() {
    insta::assert_snapshot!(cases(vec![
        (
            "The days of an entity keep backups that no other rule keeps",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly User=30",
                "2026-11-01 03:00 nightly User=30",
                "2026-10-01 03:00 nightly User=30",
            ])
        ),
        (
            "After the days of an entity have passed, no rule keeps the backup",
            policy().keep_last(9),
            lines(&["2026-11-21 03:00 nightly User=30", "2026-10-01 03:00 nightly User=30",])
        ),
        (
            "The largest number of days applies",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly User=30 Order=365",
                "2026-10-01 03:00 nightly User=30 Order=365",
                "2025-10-01 03:00 nightly User=30 Order=365",
            ])
        ),
        (
            "For an entity without days, the rules decide",
            policy().keep_last(2),
            lines(&[
                "2026-11-21 03:00 nightly User=30 Order",
                "2026-10-01 03:00 nightly User=30 Order",
                "2026-09-01 03:00 nightly User=30 Order",
            ])
        ),
        (
            "A general limit overrides the days of an entity",
            policy().max_age_days(7),
            lines(&["2026-11-21 03:00 nightly User=30", "2026-11-10 03:00 nightly User=30",])
        ),
    ]));
}

#[test]
fn pins_and_exempt_tags_override_limits() {
    insta::assert_snapshot!(cases(vec![
        (
            "A pin overrides every limit",
            policy().keep_last(1).max_age_days(7),
            lines(&["2026-11-21 03:00 nightly", "2020-01-01 03:00 nightly pinned",])
        ),
        (
            "An exempt tag overrides every limit",
            policy().keep_last(1).exempt_tag("legal").max_age_days(7),
            lines(&[
                "2026-11-21 03:00 nightly",
                "2020-01-01 03:00 nightly #legal",
                "2019-12-31 03:00 nightly #legal-draft",
            ])
        ),
        (
            "A pinned backup counts in the rules",
            policy().keep_last(2),
            lines(&[
                "2026-11-21 03:00 nightly",
                "2026-11-20 03:00 nightly pinned",
                "2026-11-19 03:00 nightly",
            ])
        ),
        (
            "A failed backup that is pinned",
            policy().keep_last(1),
            lines(&["2026-11-21 03:00 nightly", "2026-11-20 03:00 nightly failed pinned",])
        ),
    ]));
}

#[test]
fn rules_that_keep_no_backup_are_reported() {
    insta::assert_snapshot!(cases(vec![
        (
            "A tag that is misspelt",
            policy().keep_last(1).exempt_tag("leagl"),
            lines(&["2026-11-21 03:00 nightly", "2020-01-01 03:00 nightly #legal",])
        ),
        (
            "A time window without a backup",
            policy().keep_last(1).within(Duration::from_secs(3600)),
            nightly(2)
        ),
        (
            "Without a completed backup, no rule applies",
            policy().keep_last(1).daily(1),
            lines(&["2026-11-21 03:00 nightly failed",])
        ),
    ]));
}

#[test]
fn a_retention_without_a_rule_or_with_a_zero_is_refused() {
    let refused =
        |retention: Retention| retention.validate().expect_err("the policy is not valid").to_string();
    assert!(refused(policy()).contains("no rule"));
    assert!(refused(policy().exempt_tag("a")).contains("no rule"), "an exempt tag alone is not a rule");
    for (retention, rule) in [
        (policy().keep_last(0), "keep_last"),
        (policy().keep_last(1).daily(0), "daily"),
        (policy().max_age_days(0), "max_age_days"),
        (policy().keep_last(1).max_backups_per_entity(0), "max_backups_per_entity"),
        (policy().within(Duration::ZERO), "within"),
    ] {
        assert!(refused(retention).contains(&format!("`{rule}` is 0")), "{rule}");
    }
    assert!(
        policy().within(Duration::from_secs(1)).validate().is_ok(),
        "one second is rounded up to an hour"
    );
}

#[test]
fn the_last_holder_of_an_entity_is_kept() {
    insta::assert_snapshot!(cases(vec![
        (
            "If the newest holder is damaged, an older holder is kept",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly Invoice",
                "2026-11-20 03:00 nightly Invoice Visit damaged",
                "2026-11-19 03:00 nightly Invoice Visit",
                "2026-11-18 03:00 nightly Invoice Visit",
            ])
        ),
        (
            "Each set separately, in any series",
            policy().max_age_days(1),
            lines(&[
                "2026-11-21 03:00 nightly Visit",
                "2026-11-02 03:00 move Visit",
                "2026-11-01 03:00 move Visit Visit#archive damaged",
                "2026-10-31 03:00 move Visit Visit#archive",
            ])
        ),
        (
            "A released entity",
            policy().keep_last(1).release_entity("Visit"),
            lines(&[
                "2026-11-21 03:00 nightly Invoice",
                "2026-11-20 03:00 nightly Invoice Visit Visit#archive"
            ])
        ),
        (
            "A failed backup is kept while it is the only backup that contains an entity",
            policy().keep_last(1),
            lines(&[
                "2026-11-21 03:00 nightly Invoice",
                "2026-11-20 03:00 nightly failed Invoice Visit",
                "2026-11-19 03:00 nightly failed Invoice Visit",
            ])
        ),
        (
            "Names that differ in a date are one series",
            policy().keep_last(2),
            lines(&[
                "2026-11-21 03:00 nightly-2026-11-21 User",
                "2026-11-20 03:00 nightly_20261120T030000Z User",
                "2026-11-19 03:00 nightly User",
                "2026-11-18 03:00 budget-2026 User",
            ])
        ),
    ]));
}
