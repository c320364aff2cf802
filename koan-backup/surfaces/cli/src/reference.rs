//! Finds the backup that an argument refers to.

use koan_backup_core::archive::Manifest;
use koan_backup_core::{BackupRef, ErrorKind};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::selection::{SelectionArgs, select};
use crate::session::Session;

/// The backup that a command needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    /// An id, the last eight digits of an id, a name, or `latest`.
    pub(crate) reference: &'a str,
    /// The name that narrows `latest`.
    pub(crate) name: Option<&'a str>,
    /// The storage profile; the default profile if it is `None`.
    pub(crate) profile: Option<&'a str>,
    /// The application and environment among whose backups a name is looked up.
    pub(crate) application: Option<&'a (String, String)>,
    /// The entities that `latest` must contain.
    pub(crate) selection: Option<&'a SelectionArgs>,
    /// The backups that a name may refer to.
    pub(crate) accepted: Accepted,
}

/// The backups that a name may refer to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// Every backup.
    #[default]
    Any,
    /// Backups that have an archive, even if an entity failed.
    WithArchive,
    /// Completed backups.
    Completed,
}

/// A backup in JSON, when a command has found it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selected<'a> {
    id: String,
    name: &'a str,
    created_at: String,
}

impl Wanted<'_> {
    fn reference(&self) -> Outcome<BackupRef> {
        match (BackupRef::from(self.reference), self.name) {
            (BackupRef::Latest, Some(name)) => Ok(BackupRef::LatestNamed(name.to_owned())),
            (_, Some(_)) => Err(Failure::usage(
                format!("--name narrows `latest`, and the backup is given as `{}`", self.reference),
                "omit --name, or use `latest`",
            )),
            (reference, None) => Ok(reference),
        }
    }

    /// Finds the backup, and writes the message in JSON that says which one it is. A command that prints text
    /// says it in its own words.
    ///
    /// # Errors
    /// There is no such backup, several backups match, or the storage cannot be read.
    pub(crate) async fn select(&self, session: &Session<'_>) -> Outcome<Manifest> {
        let manifest = self.find(session).await?;
        if session.output.is_json() {
            let Manifest { id, name, created_at, .. } = &manifest;
            let selected =
                Selected { id: id.to_string(), name: name.as_str(), created_at: created_at.to_string() };
            session.output.message("selected", selected);
        }
        Ok(manifest)
    }

    /// Finds the backup.
    ///
    /// # Errors
    /// There is no such backup, several backups match, or the storage cannot be read.
    pub(crate) async fn find(&self, session: &Session<'_>) -> Outcome<Manifest> {
        let reference = self.reference()?;
        let mut search = session.koan.find(reference.clone()).cancel_on(session.cancel());
        if let Some(profile) = self.profile {
            search = search.from_profile(profile);
        }
        if let Some((name, environment)) = self.application {
            search = search.from_application(name, environment);
        }
        if let Some(selection) = self.selection {
            search = select!(search, selection);
        }
        search = match self.accepted {
            Accepted::Any => search,
            Accepted::WithArchive => search.with_archive(),
            Accepted::Completed => search.completed(),
        };
        let found = match search.await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound && self.has_profile(session) => {
                let is_about_entity = error.help().is_some() && self.selects(&reference);
                let failure = Failure::from(error);
                return Err(match is_about_entity {
                    true => failure,
                    false => failure.with_help(suggestion(session, &reference).await),
                });
            }
            Err(error) => return Err(error.into()),
        };
        found.notes.iter().for_each(|note| session.output.warning(note));
        Ok(found.manifest)
    }

    fn has_profile(&self, session: &Session<'_>) -> bool {
        let profiles = session.koan.capabilities().profiles;
        self.profile.is_none_or(|wanted| profiles.iter().any(|profile| profile.name == wanted))
    }

    /// Returns whether the search depends on names of entities, which may be misspelt.
    fn selects(&self, reference: &BackupRef) -> bool {
        matches!(reference, BackupRef::Latest | BackupRef::LatestNamed(_)) && self.selection.is_some()
    }
}

/// Returns the remedy for a backup that does not exist.
async fn suggestion(session: &Session<'_>, reference: &BackupRef) -> String {
    let BackupRef::Name(wanted) = reference else {
        return "`list` shows all backups".to_owned();
    };
    let Ok(entries) = session.koan.catalog().all().await else {
        return "`list` shows all backups".to_owned();
    };
    let distance = |name: &str| strsim::damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase());
    let names = entries.iter().map(|entry| entry.manifest().name.as_str());
    let similar = names
        .map(|name| (distance(name), name))
        .filter(|(edits, name)| *edits <= (name.chars().count() / 3).max(1) && *edits > 0);
    match similar.min() {
        Some((_, name)) => format!("did you mean `{name}`? `list` shows all backups"),
        None => "`list` shows all backups".to_owned(),
    }
}

/// Returns a backup as people call it: its name, its short id, and when it started.
pub(crate) fn called(session: &Session<'_>, manifest: &Manifest) -> String {
    format!("{} {} ({})", manifest.name, manifest.id.short(), session.moment(manifest.created_at))
}
