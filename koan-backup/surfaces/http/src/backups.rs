//! Finds the backup that a request names.

use jiff::ToSpan;
use koan_backup_core::archive::Manifest;
use koan_backup_core::catalog::CatalogEntry;
use koan_backup_core::{BackupId, Error, ErrorKind, Koan};

use crate::problem::{Problem, ProblemKind};
use crate::requests::{At, BackupPath};

/// The backups to which a name may refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// All backups, also failed ones.
    Any,
    /// Backups that have an archive.
    WithArchive,
    /// Completed backups, for a restore or a copy.
    Completed,
}

/// Finds the backup that `{backup}` names: an id, eight digits of an id, `latest`, or a name, which refers to its newest
/// accepted backup. With entities, `latest` is the newest completed backup that contains them.
pub(crate) async fn find(
    koan: &Koan,
    backup: &BackupPath,
    profile: Option<&str>,
    accepted: Accepted,
    entities: &[String],
) -> Result<Manifest, Problem> {
    let mut find = koan.find(backup.reference()).entities(entities);
    if let Some(profile) = profile {
        find = find.from_profile(profile);
    }
    find = match accepted {
        Accepted::Any => find,
        Accepted::WithArchive => find.with_archive(),
        Accepted::Completed => find.completed(),
    };
    let manifest = find.await.map_err(not_found(backup, profile))?.manifest;
    match entities.iter().find(|entity| !contains(koan, &manifest, entity)) {
        Some(missing) => Err(does_not_contain(&manifest, missing)),
        None => Ok(manifest),
    }
}

/// Returns whether a backup contains an entity, also under a former name.
pub(crate) fn contains(koan: &Koan, manifest: &Manifest, entity: &str) -> bool {
    manifest.entities.iter().any(|stored| koan.current_entity_name(&stored.entity) == entity)
}

/// Returns the problem of a backup that was not found. An unknown one is named without the location of the storage.
fn not_found(backup: &BackupPath, profile: Option<&str>) -> impl Fn(Error) -> Problem {
    move |error| {
        if error.kind() != ErrorKind::NotFound {
            return error.into();
        }
        let place = profile
            .map_or("the default storage profile".to_owned(), |name| format!("the storage profile `{name}`"));
        Problem::new(ProblemKind::NotFound, format!("there is no such backup `{}` in {place}", backup.0))
            .with_help("use the id of a backup from the list of backups")
    }
}

fn does_not_contain(manifest: &Manifest, entity: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("backup {} does not contain `{entity}`", manifest.id))
}

/// Finds the backup of an entity that `{at}` names: an id, eight digits of an id, `latest`, or the second in which it
/// started.
pub(crate) async fn find_of_entity(
    koan: &Koan,
    entity: &str,
    backup: &BackupPath,
    profile: Option<&str>,
) -> Result<Manifest, Problem> {
    let reference = match backup.at()? {
        At::Backup(reference) => reference,
        At::Second(second) => {
            let end = second.checked_add(999_999_999.nanoseconds()).unwrap_or(second);
            let default = default_profile(koan);
            let query = koan.catalog().own().containing(entity).between(second..=end);
            let query = query.profiles(profile.unwrap_or(&default));
            only_one(entity, &backup.0, &query.await?.entries)?.into()
        }
    };
    let mut find = koan.find(reference).entities(entity);
    if let Some(profile) = profile {
        find = find.from_profile(profile);
    }
    let manifest = find.await.map_err(not_found(backup, profile))?.manifest;
    if contains(koan, &manifest, entity) { Ok(manifest) } else { Err(does_not_contain(&manifest, entity)) }
}

/// Returns the name of the default storage profile.
pub(crate) fn default_profile(koan: &Koan) -> String {
    koan.capabilities().profiles.into_iter().next().map(|profile| profile.name).unwrap_or_default()
}

/// Returns the only backup, which may have copies in several storage profiles.
fn only_one(entity: &str, at: &str, entries: &[CatalogEntry]) -> Result<BackupId, Problem> {
    let mut ids: Vec<_> = entries.iter().map(CatalogEntry::id).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [] => Err(Problem::new(ProblemKind::NotFound, format!("no backup of `{entity}` started at {at}"))),
        [id] => Ok(*id),
        several => {
            let text = format!("{} backups of `{entity}` started at {at}", several.len());
            Err(Problem::new(ProblemKind::Conflict, text)
                .with_help("use the id of one of them")
                .with_others(several.iter().map(ToString::to_string)))
        }
    }
}
