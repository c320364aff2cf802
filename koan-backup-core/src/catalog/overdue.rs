//! Compares the ages of the backups and of their verifications with the expectations.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::CatalogEntry;
use super::health::{Expectations, VerificationRecord, is_called, is_in_future, is_older};
use super::origin::Origin;
use crate::foundation::id::{BackupId, BackupName};
use crate::foundation::identity::ApplicationIdentity;

/// How old the newest backup and the last verification of an application are.
#[derive(Debug)]
pub(crate) struct Freshness {
    /// The newest completed backup that is not dated in the future.
    pub(crate) newest: Option<(BackupName, Timestamp)>,
    /// The last verification of a backup.
    pub(crate) last_verification: Option<Timestamp>,
    /// What is older than expected.
    pub(crate) overdue: Vec<Overdue>,
    /// Whether there is an expectation about ages.
    pub(crate) is_expected: bool,
}

/// A backup or a verification that is older than expected.
#[derive(Debug)]
pub(crate) struct Overdue {
    pub(crate) kind: OverdueKind,
    /// The name or series of the backups; `None` if any backup counts.
    pub(crate) name: Option<String>,
    /// The last one, if there is one.
    pub(crate) last: Option<Timestamp>,
    /// The maximum age.
    pub(crate) limit: Duration,
}

/// What is older than expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverdueKind {
    Backup,
    Verification,
}

/// Determines the ages. `entries` contains the backups of all profiles, and `verified` their verifications.
pub(crate) fn freshness(
    mut entries: Vec<CatalogEntry>,
    verified: &[(BackupId, VerificationRecord)],
    identity: &ApplicationIdentity,
    expected: &Expectations,
    now: Timestamp,
) -> Freshness {
    let is_past = |entry: &CatalogEntry| !is_in_future(entry.manifest().created_at, now);
    entries.retain(|entry| entry.manifest().producer.origin(identity) == Origin::Own);
    let backup = |name: Option<&str>| {
        let of_name = entries.iter().filter(|entry| name.is_none_or(|name| is_called(entry, name)));
        let complete = of_name.filter(|entry| entry.manifest().status.is_complete() && is_past(entry));
        complete.max_by_key(|entry| entry.manifest().created_at)
    };
    let verification = |name: Option<&str>| {
        let is_of_name = |id: &BackupId| {
            let mut found = entries.iter().filter(|entry| entry.id() == *id);
            found.any(|entry| name.is_none_or(|name| is_called(entry, name)))
        };
        let records =
            verified.iter().filter(|(id, record)| is_of_name(id) && !is_in_future(record.verified_at, now));
        records.map(|(_, record)| record.verified_at).max()
    };
    let mut overdue = Vec::new();
    let mut require = |kind, name: Option<&str>, limit: Duration| {
        let last = match kind {
            OverdueKind::Backup => backup(name).map(|entry| entry.manifest().created_at),
            OverdueKind::Verification => verification(name),
        };
        if last.is_none_or(|last| is_older(last, limit, now)) {
            overdue.push(Overdue { kind, name: name.map(str::to_owned), last, limit });
        }
    };
    let backups = expected.every.map(|limit| (None, limit)).into_iter();
    for (name, limit) in backups.chain(expected.by_name.iter().map(|(name, limit)| (Some(name), *limit))) {
        require(OverdueKind::Backup, name.map(String::as_str), limit);
    }
    let verifications = expected.verified_within.map(|limit| (None, limit)).into_iter();
    let by_name = expected.verified_by_name.iter().map(|(name, limit)| (Some(name), *limit));
    for (name, limit) in verifications.chain(by_name) {
        require(OverdueKind::Verification, name.map(String::as_str), limit);
    }
    Freshness {
        newest: backup(None).map(|entry| (entry.manifest().name.clone(), entry.manifest().created_at)),
        last_verification: verification(None),
        overdue,
        is_expected: expected.every.is_some()
            || expected.verified_within.is_some()
            || !expected.by_name.is_empty()
            || !expected.verified_by_name.is_empty(),
    }
}
