//! Finds the single backup that an argument refers to.

use std::fmt;

use koan_backup_core::streams::StreamBackupHandle;
use koan_backup_core::{BackupId, BackupRef, Error, ErrorKind};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::session::Session;

/// A reference to a single backup on the command line.
#[derive(Clone, Debug)]
pub(super) enum Reference {
    Id(BackupId),
    /// The last eight digits of an id.
    Short(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Short(digits) => formatter.write_str(digits),
        }
    }
}

/// A reference whose backup was not found, with the error.
#[derive(Debug)]
pub(super) struct Unfound<'r> {
    pub(super) reference: &'r Reference,
    pub(super) failure: Failure,
}

/// A single backup in JSON, when a command has found it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selected<'a> {
    id: String,
    object: &'a str,
    object_id: Option<&'a str>,
    created_at: String,
}

impl Reference {
    /// Parses an id or its last eight digits.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match BackupRef::from(text) {
            BackupRef::Id(id) => Ok(Self::Id(id)),
            BackupRef::Short(digits) => Ok(Self::Short(digits)),
            _ => Err("expected an id, or its last eight digits, as `stream list` shows them".to_owned()),
        }
    }

    /// Finds the backup in a storage profile, or in the default profile, and writes the message in JSON that says which
    /// one it is. A command that prints text says it in its own words.
    ///
    /// # Errors
    /// There is no such backup, several backups match, or the storage cannot be read.
    pub(super) async fn select(
        &self,
        session: &Session<'_>,
        profile: Option<&str>,
    ) -> Outcome<StreamBackupHandle> {
        let handle = session.until_interrupted(self.find(session, profile)).await?;
        if session.output.is_json() {
            let selected = Selected {
                id: handle.id.to_string(),
                object: &handle.object,
                object_id: handle.object_id.as_deref(),
                created_at: handle.created_at.to_string(),
            };
            session.output.message("selected", selected);
        }
        Ok(handle)
    }

    async fn find(&self, session: &Session<'_>, profile: Option<&str>) -> Outcome<StreamBackupHandle> {
        match self {
            Self::Id(id) => {
                let mut lookup = session.koan.stream_backup(*id);
                if let Some(profile) = profile {
                    lookup = lookup.from_profile(profile);
                }
                lookup.await.map_err(|error| described(session, profile, error))
            }
            Self::Short(digits) => find_short(session, profile, digits).await,
        }
    }
}

/// Finds the backup whose id ends with these digits.
async fn find_short(
    session: &Session<'_>,
    profile: Option<&str>,
    digits: &str,
) -> Outcome<StreamBackupHandle> {
    let searched = searched_profile(session, profile);
    let page = session.koan.stream_backups().from_all_applications().profiles(&searched).await?;
    let mut found: Vec<_> = page.backups.into_iter().filter(|backup| backup.id.short() == digits).collect();
    match found.len() {
        0 => {
            let text = format!(
                "storage profile {} contains no single backup whose id ends with {digits}",
                session.profile(profile)
            );
            Err(Failure::from(Error::new(ErrorKind::NotFound, text)).with_help(LISTED))
        }
        1 => Ok(found.swap_remove(0)),
        _ => {
            let list: Vec<_> =
                found.iter().map(|backup| format!("{} ({})", backup.id, backup.object)).collect();
            let text =
                format!("the ids of {} single backups end with {digits}: {}", list.len(), list.join(", "));
            let error = Error::new(ErrorKind::InvalidName, text);
            Err(error.with_help("select one of them by its complete id").into())
        }
    }
}

/// The remedy for a single backup that does not exist.
const LISTED: &str = "`stream list` shows the single backups; --profile selects another storage profile";

/// Returns the error of a search, with its remedy in terms of the command line.
fn described(session: &Session<'_>, profile: Option<&str>, error: Error) -> Failure {
    let profiles = session.koan.capabilities().profiles;
    let has_profile = profile.is_none_or(|wanted| profiles.iter().any(|profile| profile.name == wanted));
    match error.kind() {
        ErrorKind::NotFound if has_profile => Failure::from(error).with_help(LISTED),
        _ => error.into(),
    }
}

/// Returns the name of a storage profile, or of the default profile.
pub(in crate::command) fn searched_profile(session: &Session<'_>, profile: Option<&str>) -> String {
    let default = || session.koan.capabilities().profiles.into_iter().next().map(|first| first.name);
    profile.map(str::to_owned).or_else(default).unwrap_or_default()
}

/// Returns the aggregate of a backup as people call it.
pub(super) fn aggregate(object: &str, object_id: Option<&str>) -> String {
    match object_id {
        Some(id) => format!("{object} {id}"),
        None => format!("{object} (its id is encrypted)"),
    }
}

/// Returns a backup as people call it: its aggregate, its short id, and when it was made.
pub(in crate::command) fn called(session: &Session<'_>, backup: &StreamBackupHandle) -> String {
    let aggregate = aggregate(&backup.object, backup.object_id.as_deref());
    format!("{aggregate} {} ({})", backup.id.short(), session.moment(backup.created_at))
}
