//! The check of recipients and keys: a probe that is encrypted for the recipients must be decrypted.

use std::time::Duration;

use super::amounts::count_of;
use super::check::{Check, CheckCode, CheckSubject};
use super::time_limit::{no_response, within};
use crate::archive::Manifest;
use crate::catalog::{CatalogEntry, Origin};
use crate::encryption::{Identities, Recipients};
use crate::environment::{Environment, require_archive_recipients, require_recipients};
use crate::foundation::blocking::blocking;
use crate::foundation::error::Result;

/// The content that is encrypted and decrypted.
const PROBE: &[u8] = b"a probe of koan-backup";
const SUBJECT: CheckSubject = CheckSubject::Keys;

/// Checks the recipients and each source of keys.
pub(super) async fn check(environment: &Environment, limit: Duration) -> Vec<Check> {
    let mut problems = missing_recipients(environment);
    let mut sources = Vec::new();
    for source in &environment.keys {
        let description = source.describe();
        match within(limit, source.identities()).await {
            Some(Ok(identities)) => sources.push((description, identities)),
            Some(Err(error)) => {
                let remedy =
                    format!("make the keys available ({description}), or correct the source of keys");
                problems.push(Check::of_error(SUBJECT, CheckCode::KeysUnavailable, &error, remedy));
            }
            None => {
                let who = format!("the source of keys ({description})");
                problems.push(no_response(SUBJECT, &who, limit, "check the command or service"));
            }
        }
    }
    match &environment.recipients {
        None if problems.is_empty() => problems.push(Check::ok(SUBJECT, without_recipients(sources.len()))),
        None => {}
        Some(_) if environment.keys.is_empty() => problems.push(Check::ok(
            SUBJECT,
            "no keys are configured; backups need none, and restores of encrypted records need them",
        )),
        // The problems of the sources explain why nothing can be decrypted.
        Some(_) if sources.is_empty() => {}
        Some(recipients) => problems.push(round_trip(recipients, sources).await),
    }
    problems
}

/// Checks whether a configured key decrypts the newest completed backup of the application, if it is encrypted. Returns
/// `None` if it is not encrypted, or if the sources of keys have problems, which were reported already.
pub(super) async fn newest_backup(
    environment: &Environment,
    entries: &[CatalogEntry],
    limit: Duration,
) -> Option<Check> {
    let is_own = |manifest: &Manifest| manifest.producer.origin(&environment.identity) != Origin::Other;
    let manifests = entries.iter().map(CatalogEntry::manifest);
    let completed = manifests.filter(|manifest| manifest.status.is_complete() && is_own(manifest));
    let newest = completed.max_by_key(|manifest| manifest.created_at)?;
    let encryption = newest.encryption.as_ref().filter(|summary| !summary.key_ids.is_empty())?;
    let (backup, needed) =
        (format!("`{}` {}", newest.name, newest.id.short()), encryption.key_ids.join(", "));
    if environment.keys.is_empty() {
        return Some(Check::ok(
            SUBJECT,
            format!(
                "the newest backup, {backup}, is encrypted; a restore of it needs one of the keys {needed}"
            ),
        ));
    }
    let identities = within(limit, environment.identities()).await?.ok()?;
    if identities.key_ids().iter().any(|known| encryption.key_ids.contains(known)) {
        return None;
    }
    let detail = format!(
        "no configured key decrypts the newest backup, {backup}, which needs one of the keys {needed}"
    );
    let remedy = "configure one of these keys, so that the backup can be restored; if they are lost, make a new backup";
    Some(Check::problem(SUBJECT, CheckCode::KeysWrong, detail).with_remedy(remedy))
}

fn missing_recipients(environment: &Environment) -> Vec<Check> {
    let inventory = environment.inventory.get();
    let included = inventory.included.iter();
    let entities = included.map(|entity| (entity.entity.as_str(), entity.policy));
    let mut required = vec![require_recipients(environment.recipients.as_ref(), entities)];
    let storages = environment.storages.iter();
    required.extend(
        storages.map(|(_, storage)| require_archive_recipients(environment.recipients.as_ref(), storage)),
    );
    let remedy = "configure public keys (`encryption.recipients`, or `.encrypt_to(…)`)";
    let problems = required.into_iter().filter_map(Result::err);
    problems.map(|error| Check::of_error(SUBJECT, CheckCode::RecipientsMissing, &error, remedy)).collect()
}

fn without_recipients(source_count: usize) -> String {
    let text = "no recipients are configured, so new backups are not encrypted";
    match source_count {
        0 => text.to_owned(),
        count => format!("{text}; {} can be read", count_of(count, "source of keys")),
    }
}

/// Encrypts a probe for the recipients, and decrypts it with the first key that can.
async fn round_trip(recipients: &Recipients, sources: Vec<(String, Identities)>) -> Check {
    let key_ids = recipients.key_ids();
    let names: Vec<_> = sources.iter().map(|(name, _)| name.clone()).collect();
    let recipients = recipients.clone();
    let decrypted = blocking("decrypts a probe", move || -> Result<Option<String>> {
        let encrypted = recipients.encrypt(PROBE)?;
        let opens =
            |identities: &Identities| identities.decrypt(&encrypted).is_some_and(|text| text == PROBE);
        Ok(sources.into_iter().find(|(_, identities)| opens(identities)).map(|(name, _)| name))
    });
    match decrypted.await.and_then(|decrypted| decrypted) {
        Ok(Some(source)) => Check::ok(
            SUBJECT,
            format!(
                "a probe encrypted for {} was decrypted with {source}",
                count_of(key_ids.len(), "recipient")
            ),
        ),
        Ok(None) => {
            let detail = format!(
                "no key of {} decrypts a probe that is encrypted for the recipients, whose key ids are {}",
                names.join(", "),
                key_ids.join(", ")
            );
            let remedy = "configure the private key of one of the recipients, or correct the recipients; if the \
                          keys were replaced on purpose, run `rekey --all`";
            Check::problem(SUBJECT, CheckCode::KeysWrong, detail).with_remedy(remedy)
        }
        Err(error) => {
            let remedy = "correct the recipients";
            Check::of_error(SUBJECT, CheckCode::RecipientsMissing, &error, remedy)
        }
    }
}
