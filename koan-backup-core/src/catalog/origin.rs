//! The origin of a backup: this application, another one, or unknown.

use super::stored::StoredBackup;
use crate::archive::{Manifest, Producer};
use crate::foundation::identity::ApplicationIdentity;

/// The origin of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This application and environment made it.
    Own,
    /// An older version made it, which recorded no environment, and it names no other application. Several
    /// applications that share a profile could have made it.
    Unidentified,
    /// Another application or environment made it.
    Other,
}

impl Producer {
    /// Returns the origin of a backup, as seen by the application `own`.
    pub(crate) fn origin(&self, own: &ApplicationIdentity) -> Origin {
        let is_named = |own: &str| self.application.as_deref() == Some(own);
        match self.environment.as_deref() {
            Some(environment) if is_named(own.application()) && environment == own.environment() => {
                Origin::Own
            }
            None if self.application.is_none() || is_named(own.application()) => Origin::Unidentified,
            _ => Origin::Other,
        }
    }

    /// Returns a description of the application, for messages.
    pub(crate) fn description(&self) -> String {
        let application = self.application.as_deref().unwrap_or("(no name)");
        match &self.environment {
            Some(environment) => ApplicationIdentity::unvalidated(application, environment).to_string(),
            None => format!("application `{}`, environment unknown", application.escape_debug()),
        }
    }
}

/// Returns a note for users of a backup that this application did not certainly make.
pub(super) fn origin_note(manifest: &Manifest, own: &ApplicationIdentity) -> Option<String> {
    let id = manifest.id;
    match manifest.producer.origin(own) {
        Origin::Own => None,
        Origin::Unidentified => Some(format!(
            "backup {id} was made by an older version that recorded no environment; it is used as a backup \
             of {own}, but another application in the same storage profile may have made it"
        )),
        Origin::Other => {
            Some(format!("backup {id} was made by {}, and this is {own}", manifest.producer.description()))
        }
    }
}

/// The application among whose backups a name is looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) own: &'a ApplicationIdentity,
    /// Another application that was named instead.
    pub(crate) from: Option<&'a ApplicationIdentity>,
}

impl Lookup<'_> {
    fn origin(&self, manifest: &Manifest) -> Origin {
        manifest.producer.origin(self.from.unwrap_or(self.own))
    }

    /// Returns those of the backups with a name that belong to the application, in the same order. Backups
    /// that record no environment are returned only if no own backup is accepted by `accept`.
    pub(crate) fn select<'a>(
        &self,
        named: &[StoredBackup<'a>],
        accept: impl Fn(&Manifest) -> bool,
    ) -> Vec<StoredBackup<'a>> {
        let of = |wanted: Origin| {
            let found = named.iter().filter(|backup| self.origin(&backup.manifest) == wanted);
            found.cloned().collect::<Vec<_>>()
        };
        let own = of(Origin::Own);
        let is_other = self.from.is_some_and(|from| from != self.own);
        if is_other || own.iter().any(|backup| accept(&backup.manifest)) {
            return own;
        }
        let unidentified = of(Origin::Unidentified);
        match unidentified.iter().any(|backup| accept(&backup.manifest)) || own.is_empty() {
            true => unidentified,
            false => own,
        }
    }

    /// Returns the part of a "not found" error that describes backups of other applications with the same
    /// name.
    pub(crate) fn not_found_note(&self, named: &[StoredBackup<'_>]) -> String {
        let mut others: Vec<_> = named
            .iter()
            .filter(|backup| self.origin(&backup.manifest) == Origin::Other)
            .map(|backup| backup.manifest.producer.description())
            .collect();
        others.sort();
        others.dedup();
        let of = self.from.unwrap_or(self.own);
        match others.is_empty() {
            true => format!(" of {of}"),
            false => format!(
                " of {of}; there are backups of {}: name that application with `.from_application(name, \
                 environment)`, or name a backup by its id",
                others.join(", ")
            ),
        }
    }
}
