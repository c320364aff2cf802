//! The origin of a backup: this application, another one, or unknown.

use super::stored::StoredBackup;
use crate::archive::{Manifest, Producer};
use crate::foundation::identity::ApplicationIdentity;

/// Whose backup it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// That of the application that asks.
    Own,
    /// It was made by an older version, records no environment, and does not name another application: several applications of one
    /// profile may share it.
    Unidentified,
    /// That of another application, or of another environment.
    Other,
}

impl Producer {
    /// Whose backup it is, for the application that asks.
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

    /// Who made it, for people.
    pub(crate) fn shown(&self) -> String {
        let application = self.application.as_deref().unwrap_or("(no name)");
        match &self.environment {
            Some(environment) => ApplicationIdentity::asked_for(application, environment).to_string(),
            None => format!("application `{}`, environment unknown", application.escape_debug()),
        }
    }
}

/// What whoever reads a backup should know about its origin, if something.
pub(super) fn origin_note(manifest: &Manifest, own: &ApplicationIdentity) -> Option<String> {
    let id = manifest.id;
    match manifest.producer.origin(own) {
        Origin::Own => None,
        Origin::Unidentified => Some(format!(
            "backup {id} was made by an older version that recorded no environment; it is used as one of {own}, though another \
             application in the same storage profile may have made it"
        )),
        Origin::Other => {
            Some(format!("backup {id} was made by {}, and this is {own}", manifest.producer.shown()))
        }
    }
}

/// Among which backups one is looked up by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) own: &'a ApplicationIdentity,
    /// The application that was named instead.
    pub(crate) from: Option<&'a ApplicationIdentity>,
}

impl Lookup<'_> {
    fn origin(&self, manifest: &Manifest) -> Origin {
        manifest.producer.origin(self.from.unwrap_or(self.own))
    }

    /// Those of the backups of a name that are meant, in their order. Backups that record no environment are meant only if none
    /// that `accept` takes is known to be the application's own.
    pub(crate) fn meant<'a>(
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

    /// What an error adds about backups of the name that are not meant.
    pub(crate) fn others(&self, named: &[StoredBackup<'_>]) -> String {
        let mut others: Vec<_> = named
            .iter()
            .filter(|backup| self.origin(&backup.manifest) == Origin::Other)
            .map(|backup| backup.manifest.producer.shown())
            .collect();
        others.sort();
        others.dedup();
        let of = self.from.unwrap_or(self.own);
        match others.is_empty() {
            true => format!(" of {of}"),
            false => format!(
                " of {of}; there are some of {}: name that application with `.from_application(name, environment)`, or name a backup \
                 by its id",
                others.join(", ")
            ),
        }
    }
}
