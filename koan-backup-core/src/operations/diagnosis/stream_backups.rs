//! The checks of the single backups of event streams.

use std::time::Duration;

use super::amounts::{count_of, length_of_time};
use super::check::{Check, CheckCode, CheckSubject};
use super::probe::failed;
use super::time_limit::within;
use crate::catalog::stream_backups::{ExpiredStreams, StreamBackupHealth, StreamSurvey, damaged, survey};
use crate::entity::stream::StreamPart;
use crate::environment::Environment;
use crate::foundation::error::Result;
use crate::foundation::id::BackupId;
use crate::foundation::names::names;
use crate::storage::Storage;

const SUBJECT: CheckSubject = CheckSubject::Storage;

/// An encrypted single backup.
#[derive(Debug)]
pub(super) struct EncryptedStreamBackup {
    id: BackupId,
    key_ids: Vec<String>,
}

/// The checks of the single backups of a storage profile, and those of them that are encrypted, newest first.
#[derive(Debug, Default)]
pub(super) struct StreamChecks {
    pub(super) checks: Vec<Check>,
    pub(super) encrypted: Vec<EncryptedStreamBackup>,
}

/// Checks the single backups of a storage profile within the time limit `limit`.
pub(super) async fn check(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
    expired: ExpiredStreams,
    limit: Duration,
) -> StreamChecks {
    match within(limit, read(environment, profile, storage, expired)).await {
        Some(Ok(found)) => found,
        Some(Err(error)) => StreamChecks { checks: vec![failed(&error)], ..StreamChecks::default() },
        None => {
            let detail = format!("the single backups could not be examined within {}", length_of_time(limit));
            let check = Check::warning(SUBJECT, CheckCode::NoResponse, detail);
            let remedy = "set a longer time limit; `health` examines them without one";
            StreamChecks { checks: vec![check.with_remedy(remedy)], ..StreamChecks::default() }
        }
    }
}

async fn read(
    environment: &Environment,
    profile: &str,
    storage: &Storage,
    expired: ExpiredStreams,
) -> Result<StreamChecks> {
    let now = environment.clock.now();
    let survey = survey(profile, storage, &environment.identity, now).await?;
    let encrypted = survey.encrypted().map(|(id, keys)| EncryptedStreamBackup { id, key_ids: keys.to_vec() });
    let encrypted = encrypted.collect();
    let mut checks = Vec::from_iter(undeclared(environment, &survey));
    let mut health = StreamBackupHealth::default();
    survey.add_to(&mut health, profile, &damaged(storage).await?, now);
    checks.extend(of_health(&health, expired));
    Ok(StreamChecks { checks, encrypted })
}

/// Returns a check for each kind of problem of the backups, with the first of them.
fn of_health(health: &StreamBackupHealth, expired: ExpiredStreams) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Some(first) = health.unreadable.first() {
        let count = count_of(health.unreadable.len(), "`.meta` file");
        let detail = format!(
            "{count} of single backups cannot be read; the first is {}: {}",
            first.path, first.problem
        );
        let check = Check::problem(SUBJECT, CheckCode::StreamBackupUnreadable, detail);
        let remedy = "make the backups again, and delete the damaged ones with `stream delete`; `health` lists all of \
                      them";
        checks.push(check.with_remedy(remedy));
    }
    if let Some(first) = health.damaged.first() {
        let count = count_of(health.damaged.len(), "single backup");
        let is = if health.damaged.len() == 1 { "is" } else { "are" };
        let detail = format!("{count} {is} damaged; the first is {}: {}", first.id, first.problem);
        let check = Check::problem(SUBJECT, CheckCode::StreamBackupDamaged, detail);
        checks.push(check.with_remedy("make the backups again; `health` lists all of them"));
    }
    if health.removable > 0 && expired == ExpiredStreams::Kept {
        let count =
            count_of(usize::try_from(health.removable).unwrap_or(usize::MAX), "expired single backup");
        let detail = format!("{count} can be removed, and maintenance does not remove them");
        let check = Check::warning(SUBJECT, CheckCode::StreamBackupExpired, detail);
        let remedy = "run `stream cleanup`, or set `maintenance.remove_expired_stream_backups`";
        checks.push(check.with_remedy(remedy));
    }
    checks
}

/// Returns a warning about backups whose object names no event type declares. A program that declares nothing, such as
/// the command line without the types of an application, cannot know which are missing.
fn undeclared(environment: &Environment, survey: &StreamSurvey) -> Option<Check> {
    let declares = |object: Option<&str>| {
        environment.entities.iter().any(|known| {
            let descriptor = known.codec.descriptor();
            descriptor.stream_part() == Some(StreamPart::Events)
                && object.is_none_or(|object| descriptor.stream_object() == Some(object))
        })
    };
    if !declares(None) {
        return None;
    }
    let mut objects = survey.objects();
    objects.retain(|object, _| !declares(Some(*object)));
    let count = objects.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let count = count_of(usize::try_from(count).unwrap_or(usize::MAX), "single backup");
    (!objects.is_empty()).then(|| {
        let listed = names(objects.keys());
        let detail = format!("no event type declares the object name of {count}: {listed}");
        let check = Check::warning(SUBJECT, CheckCode::StreamBackupUndeclared, detail);
        check.with_remedy(
            "declare the object name again to restore these backups, or delete them with `stream delete`",
        )
    })
}

/// Checks whether a configured key decrypts each encrypted single backup. Returns `None` if all can be decrypted, if no
/// keys are configured, or if the sources of keys have problems, which were reported already.
pub(super) async fn keys(
    environment: &Environment,
    encrypted: &[EncryptedStreamBackup],
    limit: Duration,
) -> Option<Check> {
    if encrypted.is_empty() || environment.keys.is_empty() {
        return None;
    }
    let identities = within(limit, environment.identities()).await?.ok()?;
    let known = identities.key_ids();
    let is_locked = |backup: &&EncryptedStreamBackup| !known.iter().any(|id| backup.key_ids.contains(id));
    let locked: Vec<_> = encrypted.iter().filter(is_locked).collect();
    let first = locked.first()?;
    let detail = format!(
        "no configured key decrypts {}; the first is {}, which needs one of the keys {}",
        count_of(locked.len(), "single backup"),
        first.id,
        first.key_ids.join(", ")
    );
    let check = Check::problem(CheckSubject::Keys, CheckCode::KeysWrong, detail);
    Some(check.with_remedy("configure these keys; if they are lost, make the backups again"))
}
