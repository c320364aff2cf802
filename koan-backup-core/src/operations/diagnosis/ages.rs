//! The check of the ages of the backups and of their verifications.

use std::time::Duration;

use jiff::Timestamp;

use super::amounts::{count_of, length_of_time};
use super::check::{Check, CheckCode, CheckSubject};
use super::storages::StoredBackups;
use crate::catalog::{self, Expectations, Freshness, Overdue, OverdueKind};
use crate::environment::Environment;

/// Compares the ages with the expectations. `profiles` contains the backups of all profiles that could be read, and
/// `unread_count` is the number of the others.
pub(super) fn check(
    environment: &Environment,
    profiles: Vec<StoredBackups>,
    unread_count: usize,
    expected: &Expectations,
) -> Vec<Check> {
    let now = environment.clock.now();
    let (mut entries, mut verified) = (Vec::new(), Vec::new());
    for profile in profiles {
        entries.extend(profile.entries);
        verified.extend(profile.verified);
    }
    let found = catalog::freshness(entries, &verified, &environment.identity, expected, now);
    let mut checks: Vec<_> = found.overdue.iter().map(|overdue| problem(overdue, now)).collect();
    if checks.is_empty() {
        checks.push(summary(&found, now));
    }
    if unread_count > 0 {
        let note = format!("; {} could not be read", count_of(unread_count, "profile"));
        checks.iter_mut().for_each(|check| check.detail.push_str(&note));
    }
    checks
}

fn age(at: Timestamp, now: Timestamp) -> String {
    length_of_time(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}

fn summary(found: &Freshness, now: Timestamp) -> Check {
    let Some((name, at)) = &found.newest else {
        let detail = "there is no completed backup of this application";
        let check = Check::warning(CheckSubject::Backups, CheckCode::NoBackup, detail);
        return check.with_remedy("make one with `backup`, and set what is expected of it");
    };
    let verified = match found.last_verification {
        Some(at) => format!("verified {} ago", age(at, now)),
        None => "never verified".to_owned(),
    };
    let expected = if found.is_expected { "" } else { "; no age is expected" };
    Check::ok(
        CheckSubject::Backups,
        format!("the newest backup, {name}, is {} old; {verified}{expected}", age(*at, now)),
    )
}

fn problem(overdue: &Overdue, now: Timestamp) -> Check {
    let of_name = overdue.name.as_ref().map(|name| format!(" of {name}")).unwrap_or_default();
    let backup = overdue.name.as_ref().map_or("`backup`".to_owned(), |name| format!("`backup {name}`"));
    let limit = length_of_time(overdue.limit);
    let (code, what, remedy) = match overdue.kind {
        OverdueKind::Backup => {
            let remedy = format!("make it now with {backup}; then check the scheduler");
            (CheckCode::BackupOverdue, "backup", remedy)
        }
        OverdueKind::Verification => {
            let remedy =
                format!("run `maintain`, or {backup} with `--verify-after`; then check the scheduler");
            (CheckCode::VerificationOverdue, "verified backup", remedy)
        }
    };
    let detail = match (overdue.last, overdue.kind) {
        (None, _) => format!("there is no {what}{of_name}, expected every {limit}"),
        (Some(at), OverdueKind::Backup) => {
            format!("the newest {what}{of_name} is {} old, expected every {limit}", age(at, now))
        }
        (Some(at), OverdueKind::Verification) => {
            format!(
                "the last verification of a backup{of_name} was {} ago, expected every {limit}",
                age(at, now)
            )
        }
    };
    Check::problem(CheckSubject::Backups, code, detail).with_remedy(remedy)
}
