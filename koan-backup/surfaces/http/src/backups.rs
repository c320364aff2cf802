//! Finds the backup that a request names.

use jiff::ToSpan;
use koan_backup_core::archive::Manifest;
use koan_backup_core::catalog::CatalogEntry;
use koan_backup_core::{BackupId, Koan};

use crate::problem::{Problem, ProblemKind};
use crate::requests::{At, BackupPath};

/// Finds the backup that `{backup}` names: an id, eight digits of an id, or a name, which refers to its newest backup.
pub(crate) async fn find(
    koan: &Koan,
    backup: &BackupPath,
    profile: Option<&str>,
) -> Result<Manifest, Problem> {
    let mut find = koan.find(backup.reference());
    if let Some(profile) = profile {
        find = find.from_profile(profile);
    }
    Ok(find.await?.manifest)
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
            let mut query = koan.catalog().query().containing(entity).between(second..=end);
            if let Some(profile) = profile {
                query = query.profiles(profile);
            }
            only_one(entity, &backup.0, &query.await?.entries)?.into()
        }
    };
    let mut find = koan.find(reference).entities(entity);
    if let Some(profile) = profile {
        find = find.from_profile(profile);
    }
    let manifest = find.await?.manifest;
    if manifest.entities.iter().any(|stored| stored.entity == entity) {
        return Ok(manifest);
    }
    Err(Problem::new(ProblemKind::NotFound, format!("backup {} does not contain `{entity}`", manifest.id)))
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
